//! What runs by itself, once started.
//!
//! - **In**: a recording, the speech detector, the engine, and what is already done.
//! - **Out**: outcomes as they are settled, progress, and at the end the transcript.
//! - **Never**: decides about text (that is `speech`), prints, or forgets what it was told to keep.

mod carried;
pub mod learn;
pub mod licence;
pub mod live;
pub mod names;
pub mod nightly;
pub mod recognise;
pub mod seat;
pub mod speakers;
pub mod sweep;
pub mod tick_seats;
pub mod transcribe;
pub mod worker;
