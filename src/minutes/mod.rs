//! Words become a document that people edit and hand in.
//!
//! - **In**: a transcript, what people do to it, the rules of an office.
//! - **Out**: minutes, the next revision of them, proposals, files to hand in.
//! - **Never**: reads a clock, a file or a database; loses a word that was said; writes one that was not.
//!
//! ```text
//! transcript ─draft─► Minutes ─edit::apply(ops)─► Minutes … ─export─► bytes
//!                        └─ clean, notation, dictionary ─► proposals ─ accepted ─► ops
//! ```

pub mod document;
pub mod edit;
pub mod export;

pub use document::{
    Block, BlockId, Gap, Header, HeaderField, Heading, Item, ItemId, ItemKind, Mark, Minutes, Speaker,
    SpeakerId, Utterance,
};
