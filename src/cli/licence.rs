//! `gijiroku licence`: keys and files of the vendor, requests and installations of the site. Nothing calls out: files
//! and QR codes go both ways.

mod host;
mod issue;
mod site;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::files;
use crate::seats::licence::LICENCE_BYTES_MAX;

pub use host::hashes;

/// Makes, shows and installs licences.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a signing key (vendor, on a machine without a network)
    Keygen {
        /// The file for the private key; it must not be there yet
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Sign a licence (vendor)
    Issue(Box<issue::Args>),
    /// Write a request: this installation's key and hashes of this host, no serial number
    Request {
        #[command(flatten)]
        place: Place,
        /// The file
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Say what a licence grants and whether it would be accepted here; changes nothing
    Inspect {
        /// The licence
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Verify a licence and keep it
    Install {
        /// The licence
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

/// Where the settings and the data are.
#[derive(Debug, clap::Args)]
struct Place {
    /// Settings; ./gijiroku.toml if it is there, else the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder that holds everything, instead of what the settings say
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs the sub-command.
///
/// Errors: a file or the database cannot be read or written; a licence that is refused is told with its reason, and
/// becomes the exit code.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.verb {
        Verb::Keygen { to } => issue::keygen(to),
        Verb::Issue(args) => issue::run(args),
        Verb::Request { place, to } => site::request(place, to),
        Verb::Inspect { file, place } => site::inspect(place, &read(file)?),
        Verb::Install { file, place } => site::install(place, &read(file)?),
    }
}

/// Reads a signed file; one that is too long is read far enough to be refused.
fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = files::read_head(path, 4 * LICENCE_BYTES_MAX as u64)?;
    // What is no text is no signed file either, and is refused as such.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns a signed text as a QR code for a terminal with a dark ground.
fn qr(text: &str) -> anyhow::Result<String> {
    use qrcode::render::unicode::Dense1x2;
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::L);
    let code = code.context("QR コードに収まりません")?;
    Ok(code.render().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}
