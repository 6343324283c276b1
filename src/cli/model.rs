//! `gijiroku model`: which weights are here, whether they are whole, how new ones come in, which the machine can carry.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{EXIT_MODEL, bench, files};
use crate::speech::model::Precision;
use crate::store::models::{FileImport, Imported, Listed, ModelStore, ModelStoreError, State};

/// Lists, imports, verifies and measures models.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of weights; models/weights, here or where the program was built, if absent
    #[arg(long, value_name = "DIR", global = true)]
    pub models: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show every known model: present, missing or damaged
    List,
    /// Make a known model from its fetched sources, or check a file and remember it
    Import(ImportArgs),
    /// Hash the files of these models (without a name: of all that are here)
    Verify {
        /// Names of models
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Measure this machine for half a minute: which model it can carry, how fast, for how many rooms
    Bench(bench::Args),
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// A known model, a ggml file, or the model.bin of a CTranslate2 conversion
    #[arg(value_name = "NAME|FILE", default_value = "base")]
    what: String,
    /// The tokenizer.json of a CTranslate2 conversion (default: the one beside it)
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// How to store the matrices (default: bf16, or what the known model's name says)
    #[arg(long, value_enum)]
    precision: Option<PrecisionArg>,
    /// Name of the new model (default: from the file's or folder's name)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Say nothing if nothing had to be done
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PrecisionArg {
    /// Exact
    F16,
    /// Fastest on processors with bf16 instructions
    Bf16,
    /// Half the memory
    #[value(name = "q8_0")]
    Q8_0,
}

impl From<PrecisionArg> for Precision {
    fn from(arg: PrecisionArg) -> Self {
        match arg {
            PrecisionArg::F16 => Self::F16,
            PrecisionArg::Bf16 => Self::Bf16,
            PrecisionArg::Q8_0 => Self::Q8_0,
        }
    }
}

/// Runs the sub-command and prints to standard output.
///
/// Errors: none for a model that is missing, damaged or refused: that is told, and becomes the exit code.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let folder = files::weights_folder(args.models.as_deref());
    let done = match args.command {
        Command::List => list(&folder),
        Command::Import(import_args) => import(&folder, &import_args),
        Command::Verify { names } => verify(&folder, &names),
        Command::Bench(bench_args) => bench::run(&folder, &bench_args),
    };
    match done {
        Err(error) if error.is::<ModelStoreError>() => {
            eprintln!("gijiroku: {error:#}");
            Ok(ExitCode::from(EXIT_MODEL))
        }
        other => other,
    }
}

fn list(dir: &Path) -> anyhow::Result<ExitCode> {
    for listed in ModelStore::open(dir)?.list()? {
        println!("{}", line(&listed));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(listed: &Listed) -> String {
    let state = match listed.state {
        State::Present => "present",
        State::Missing => "missing",
        State::Damaged => "DAMAGED",
    };
    let megabytes = listed.bytes as f64 / 1e6;
    let Listed { id, path, origin, .. } = listed;
    format!("{id:<20} {state:<8} {megabytes:>8.1} MB  {}\n{:32}{origin}", path.display(), "")
}

fn verify(dir: &Path, names: &[String]) -> anyhow::Result<ExitCode> {
    let store = ModelStore::open(dir)?;
    if names.is_empty() {
        let damaged = store.list()?.iter().filter(|listed| listed.state != State::Missing).fold(
            false,
            |bad, listed| {
                println!("{}", line(listed));
                bad || listed.state == State::Damaged
            },
        );
        return Ok(if damaged { ExitCode::from(EXIT_MODEL) } else { ExitCode::SUCCESS });
    }
    for name in names {
        let verified = store.verify_known(name)?;
        println!("{name}: whole, sha256 {}", verified.sha256);
    }
    Ok(ExitCode::SUCCESS)
}

fn import(dir: &Path, args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let mut store = ModelStore::open(dir)?;
    let path = Path::new(&args.what);
    let imported = if path.is_file() {
        let precision = args.precision.map_or(Precision::Bf16, Precision::from);
        let (tokenizer, id) = (args.tokenizer.as_deref(), args.name.as_deref());
        store.import_file(FileImport { path, tokenizer, precision, id })?
    } else if let Some(imported) = store.import_pack(&args.what)? {
        imported
    } else {
        let id =
            args.precision.map_or(Ok(args.what.as_str()), |arg| store.variant(&args.what, arg.into()))?;
        store.import_known(id)?
    };
    match imported {
        Imported::AlreadyThere(_) if args.quiet => {}
        Imported::AlreadyThere(it) => println!("{}: already there and whole ({})", it.id, it.path.display()),
        Imported::Made(it) => println!("{}: made {} (sha256 {})", it.id, it.path.display(), it.sha256),
        Imported::Recorded(it) => println!("{}: checked {} (sha256 {})", it.id, it.path.display(), it.sha256),
    }
    Ok(ExitCode::SUCCESS)
}
