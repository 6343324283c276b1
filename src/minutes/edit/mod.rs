//! Edits: operations in, the next revision out.
//!
//! - **In**: minutes and operations, as people made them.
//! - **Out**: the next revision and the operations that undo it, or why it cannot be.
//! - **Never**: changes half of a list of operations, or guesses what somebody meant.
//!
//! ```text
//! ops of a person ─rebase over what others did since─► ops ─apply─► next revision + undo
//! an undo, and what conflicts ─without what was done and taken back since (rebase_settled)─► ops, or the conflict
//! undo of revision r ─undo_of over the revisions after r─► ops ─apply_undo─► next revision + redo
//! ```

mod apply;
pub mod bounds;
mod cancel;
mod layout;
pub mod op;
mod people;
mod rebase;
mod refusal;
mod splicing;
mod texts;
mod touch;

#[cfg(test)]
mod cases;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use apply::{Applied, apply, apply_undo};
pub use cancel::{Past, rebase_settled};
pub use op::Op;
pub use rebase::{Clash, Conflict, Thing, rebase, undo_of};
pub use refusal::{EditError, Refusal};
