//! Files and signals of the command line: a result is written whole or not at all.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Opens a file the user named.
///
/// Errors: it cannot be opened, or is a folder.
#[expect(clippy::disallowed_methods, reason = "the command line is where files are opened")]
pub fn open(path: &Path) -> anyhow::Result<File> {
    let file = File::open(path).with_context(|| format!("{} を開けません", path.display()))?;
    anyhow::ensure!(file.metadata()?.is_file(), "{} はファイルではありません", path.display());
    Ok(file)
}

/// Returns the folder of weights: the chosen one, else `models/weights` here, else that of the checkout the program
/// was built in.
pub fn weights_folder(chosen: Option<&Path>) -> PathBuf {
    const USUAL: &str = "models/weights";
    let here = PathBuf::from(USUAL);
    if let Some(chosen) = chosen {
        return chosen.to_owned();
    }
    let program = std::env::current_exe().unwrap_or_default();
    let beside = program.ancestors().skip(1).map(|folder| folder.join(USUAL)).find(|folder| folder.is_dir());
    if here.is_dir() { here } else { beside.unwrap_or(here) }
}

/// Returns a path that does not depend on where the program was started.
///
/// Errors: it does not exist.
pub fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    path.canonicalize().with_context(|| format!("{} がありません", path.display()))
}

/// Reads a whole file.
///
/// Errors: it cannot be read.
#[expect(clippy::disallowed_methods, reason = "the command line is where files are opened")]
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} を読めません", path.display()))
}

/// Reads the first bytes of a file, fewer if it is shorter.
///
/// Errors: it cannot be read.
pub fn read_head(path: &Path, bytes: u64) -> anyhow::Result<Vec<u8>> {
    let mut head = Vec::new();
    open(path)?
        .take(bytes)
        .read_to_end(&mut head)
        .with_context(|| format!("{} を読めません", path.display()))?;
    Ok(head)
}

/// Reads a whole file of UTF-8 text.
///
/// Errors: it cannot be read, or is no UTF-8.
#[expect(clippy::disallowed_methods, reason = "the command line is where files are opened")]
pub fn read_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("{} を UTF-8 の文字として読めません", path.display()))
}

/// Writes a result to a file, or to standard output; a file is replaced only when the new one is whole and durable.
///
/// Errors: the disk refused; what was there before is unchanged.
pub fn write(path: Option<&Path>, text: &str) -> anyhow::Result<()> {
    let Some(path) = path else {
        return std::io::stdout().write_all(text.as_bytes()).context("標準出力に書けません");
    };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> anyhow::Result<()> {
        let mut file = tempfile::Builder::new().permissions(readable()).tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("{} に書けません", path.display()))
}

/// What any new file of this user is allowed, as far as the umask lets it.
fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

/// Returns where the checkpoint of an output lies.
pub fn checkpoint_path(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".checkpoint");
    PathBuf::from(name)
}

/// Removes the checkpoint of an output that is safe now.
///
/// Errors: the disk refused.
#[expect(clippy::disallowed_methods, reason = "the command line removes what it made")]
pub fn discard_checkpoint(output: &Path) -> anyhow::Result<()> {
    let path = checkpoint_path(output);
    std::fs::remove_file(&path).with_context(|| format!("{} を消せません", path.display()))
}

/// Returns a flag that Ctrl-C or a polite kill sets; a second Ctrl-C ends the program at once.
///
/// Errors: the operating system refuses a handler.
pub fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Registered first, so that it sees the flag only from the signal before.
        flag::register_conditional_shutdown(signal, i32::from(super::EXIT_INTERRUPTED), Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Prints CPU seconds of this process and of the children that have ended.
///
/// Errors: the kernel does not tell.
/// Source: proc(5), fields 14 to 17 of /proc/self/stat, in ticks of 10 ms on Linux.
pub fn tell_timings() -> anyhow::Result<()> {
    let stat = read_text(Path::new("/proc/self/stat"))?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: Vec<f64> = fields.skip(11).take(4).map(str::parse).collect::<Result<_, _>>()?;
    let [user, system, child_user, child_system] = ticks[..] else {
        anyhow::bail!("/proc/self/stat is too short")
    };
    let (parent, engine) = ((user + system) / 100.0, (child_user + child_system) / 100.0);
    eprintln!("timings parent_cpu_s={parent:.2} engine_cpu_s={engine:.2}");
    Ok(())
}
