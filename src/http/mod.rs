//! What the outside may ask.
//!
//! - **In**: requests.
//! - **Out**: answers, and every core error as a status, a code and a sentence.
//! - **Never**: decides what a core room decides, does slow work inside a request, or imports `jobs`.

pub mod tus;
