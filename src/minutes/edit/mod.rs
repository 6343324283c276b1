//! Edits: operations in, the next revision out.
//!
//! - **In**: minutes and operations, as people made them.
//! - **Out**: the next revision and the operations that undo it, or why it cannot be.
//! - **Never**: changes half of a list of operations, or guesses what somebody meant.

pub mod op;

pub use op::Op;
