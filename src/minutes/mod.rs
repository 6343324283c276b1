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

pub mod carry;
pub mod clean;
pub mod consistency;
pub mod csv;
pub mod dictionary;
pub mod difference;
pub mod document;
pub mod draft;
pub mod edit;
pub mod export;
pub mod mask;
pub mod migrate;
pub mod notation;
pub mod passage;
pub mod proposal;
pub mod punctuation;
pub mod relabel;
pub mod replace;
pub mod template;
pub mod tie;
pub mod voices;
pub mod workflow;

#[cfg(test)]
mod testing;

pub use document::{
    Block, BlockId, Gap, Header, HeaderField, Heading, Item, ItemId, ItemKind, Mark, Minutes, NamedBy,
    Speaker, SpeakerId, Utterance,
};
