//! The doorway: arguments in, one sub-command run, an exit code out.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    gijiroku::cli::run(gijiroku::cli::Cli::parse())
}
