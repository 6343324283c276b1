//! gijiroku (議事録): meeting audio becomes minutes, inside the office, without internet.
//!
//! A recording becomes sound, sound becomes words: the order of the data path is the order of the dependencies.
//!
//! ```text
//! audio ◄── speech ◄── store ◄── jobs ◄── cli        an arrow points to what is imported
//! ```
//!
//! - [`audio`] decodes: bytes become 16 kHz mono and spans of speech.
//! - [`speech`] recognises: sound becomes timed words, by an engine in a child process.
//! - [`seats`] decides who may work now: licences, and how many seats they give.
//! - [`store`] remembers: weights with checked hashes, windows already done.
//! - [`jobs`] runs: a whole recording from its file to its transcript.
//! - [`cli`] is the doorway: it wires the rooms and prints.
//!
//! What always holds: no text is dropped silently (gaps and removed text are part of the transcript); everything is
//! bounded; spoken words reach no log; nothing leaves the machine.

pub mod audio;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod jobs;
pub mod minutes;
pub mod seats;
pub mod speech;
pub mod store;
