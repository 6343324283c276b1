//! The seats in virtual time: seeded faults, an outside checker, and mutants that must be caught.
//!
//! `SEATS_HISTORIES` sets how many histories are run; a nightly run takes a million.

mod answers;
mod branch;
mod calendar;
mod checker;
mod clocks;
mod faults;
mod histories;
mod model;
mod mutants;
mod office;
mod random;
mod relay;
mod scenario;
mod server;
mod two_servers;
mod watch;
mod world;
