//! One file per sub-command: wire rooms, run, print. No decisions.
//!
//! - **In**: arguments.
//! - **Out**: text on standard output, messages on standard error, an exit code.
//! - **Never**: imported by a room.

pub mod audit;
pub mod backup;
pub mod bench;
pub mod capture;
pub mod config;
pub mod engine;
pub mod evaluate;
pub mod files;
pub mod licence;
pub mod logging;
pub mod model;
pub mod openapi;
pub mod progress;
pub mod report;
pub mod serve;
pub mod speakers;
pub mod transcribe;
pub mod user;

use std::process::ExitCode;

/// gijiroku: from meeting audio to minutes, inside the office
#[derive(Debug, clap::Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Answer browsers and programs, and recognise what they upload
    Serve(serve::Args),
    /// Verify the audit log, or take it away as a table
    Audit(audit::Args),
    /// Write everything into one encrypted file, while the server runs
    Backup(backup::Args),
    /// Bring a backup back, into an empty place
    Restore(backup::RestoreArgs),
    /// Record the microphones of a meeting room and send them to the server
    Capture(Box<capture::Args>),
    /// Turn a recording into timed text
    Transcribe(Box<transcribe::Args>),
    /// Tell who spoke when in a recording, without its words
    Speakers(speakers::Args),
    /// List, import, verify and measure models
    Model(model::Args),
    /// Compare a transcript with the truth
    Evaluate(evaluate::Args),
    /// List, add and close accounts, when nobody can sign in any more
    User(user::Args),
    /// Make keys, issue, request, look at and install licences of seats
    Licence(Box<licence::Args>),
    /// Print the document that describes the API
    Openapi,
    /// Show, check and explain the settings
    Config(config::Args),
    /// Recognise on behalf of a parent process (started by gijiroku itself)
    #[command(hide = true)]
    Engine(engine::Args),
}

/// Exit code: anything not named below.
pub const EXIT_FAILURE: u8 = 1;
/// Exit code: the input is no recording this program can read.
pub const EXIT_INPUT: u8 = 3;
/// Exit code: done, but stretches could not be recognised; they are marked in the transcript.
pub const EXIT_GAPS: u8 = 4;
/// Exit code: the model is missing, damaged or unknown.
pub const EXIT_MODEL: u8 = 5;
/// Exit code: what was verified is not what it should be: an audit log, a backup.
pub const EXIT_BROKEN: u8 = 6;
/// Exit code: done, but sound is still on this machine; the next start sends it.
pub const EXIT_KEPT: u8 = 7;
/// Exit code: interrupted; what was done is kept for `--resume`.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Runs the chosen sub-command; a failure is told on standard error, cause by cause.
pub fn run(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Backup(args) => backup::run(args),
        Command::Restore(args) => backup::run_restore(args),
        Command::Capture(args) => capture::run(&args),
        Command::Transcribe(args) => transcribe::run(*args),
        Command::Speakers(args) => speakers::run(&args),
        Command::Model(args) => model::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::User(args) => user::run(&args),
        Command::Licence(args) => licence::run(&args),
        Command::Openapi => openapi::run(),
        Command::Config(args) => config::run(&args),
        Command::Engine(args) => engine::run(args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("gijiroku: {error:#}");
        ExitCode::from(EXIT_FAILURE)
    })
}
