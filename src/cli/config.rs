//! `gijiroku config`: which settings are in use and what is wrong with them, or all of them explained.

use std::path::PathBuf;
use std::process::ExitCode;

use super::EXIT_FAILURE;
use crate::config::{Config, Origin, Shown, Weight};

/// Shows, checks and explains the settings.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the settings in use, where each comes from, and what is wrong with them
    Check {
        /// The settings' file; what GIJIROKU_CONFIG names, or ./gijiroku.toml, if absent
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print a settings file with every setting, its default and what it means
    Reference,
}

/// Runs the sub-command and prints to standard output; problems go to standard error.
///
/// Errors: the file, a variable or a secret's file cannot be read; settings that do not fit are told, and become the
/// exit code.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Check { config } => check(config.as_deref()),
        Command::Reference => {
            super::files::write(None, &Config::reference())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(file: Option<&std::path::Path>) -> anyhow::Result<ExitCode> {
    let loaded = Config::load(file)?;
    match &loaded.file {
        Some(path) => println!("設定ファイル: {}", path.display()),
        None => println!("設定ファイル: なし(既定値で動きます)"),
    }
    for shown in loaded.shown() {
        println!("{}", line(&shown));
    }
    let problems = loaded.config.check();
    for problem in &problems {
        let weight = match problem.weight {
            Weight::Stops => "要修正",
            Weight::Advice => "注意",
        };
        eprintln!("{weight}: {}: {}", problem.key, problem.text);
    }
    let stops = problems.iter().any(|problem| problem.weight == Weight::Stops);
    Ok(if stops { ExitCode::from(EXIT_FAILURE) } else { ExitCode::SUCCESS })
}

fn line(shown: &Shown) -> String {
    let origin = match shown.origin {
        Origin::Default => "既定",
        Origin::File => "ファイル",
        Origin::Environment => "環境変数",
        Origin::SecretFile => "別ファイル",
    };
    let value = shown.value.as_deref().unwrap_or("なし");
    format!("{:<30} = {value}  # {origin}", shown.name)
}
