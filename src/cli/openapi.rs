//! `gijiroku openapi`: the document that describes the API, as the server serves it.
//!
//! `gijiroku openapi > tests/fixtures/openapi.json` renews the snapshot that a test compares with.

use std::io::Write as _;
use std::process::ExitCode;

use crate::http::openapi;

/// Runs the sub-command.
///
/// Errors: nobody reads what is printed.
pub fn run() -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(openapi::document().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
