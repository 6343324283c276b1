//! The rules that a compiler does not know, kept by reading the sources as text.
//!
//! - **In**: every text file of the repository.
//! - **Out**: a failed test that names file, line and rule.
//! - **Never**: changes a file, runs a program, or looks at anything that git would ignore.
//!
//! Each rule is a pure function from a file to its violations, tested beside it on a bad input.

mod places;
mod shape;
mod source;
mod texts;

use std::fmt;
use std::path::{Path, PathBuf};

/// Largest file that is read; anything longer is data, not text.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Most files a repository may have before this test asks to be told which folder is not part of it.
const FILES_MAX: usize = 20_000;

/// Folders that hold what machines made.
const NOT_OURS: [&str; 6] =
    [".git", "target", "node_modules", "dist", "proptest-regressions", "test-results"];

/// One broken rule at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Violation {
    path: String,
    /// Counted from 1; 0 stands for the whole file.
    line: usize,
    message: String,
}

impl Violation {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

type Check = fn(&str, &str) -> Vec<Violation>;

/// Returns every text file with its path from the repository's root, `/` between folders.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut out) = (vec![root.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                if !is_ours(root, &path) {
                    continue;
                }
                folders.push(path);
            } else if let Some(text) = text_of(&path) {
                out.push((name_from(root, &path), text));
            }
            assert!(
                out.len() <= FILES_MAX,
                "more than {FILES_MAX} files: which folder is not part of the project?"
            );
        }
    }
    out.sort();
    out
}

#[expect(clippy::disallowed_methods, reason = "this test reads the sources as files")]
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder was just listed");
    entries.map(|entry| entry.expect("the folder can be read").path()).collect()
}

fn is_ours(root: &Path, folder: &Path) -> bool {
    let name = folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let is_machine_made = NOT_OURS.contains(&name.as_ref()) || folder.join("CACHEDIR.TAG").exists();
    !is_machine_made && !ignored_folders(root).contains(&name_from(root, folder))
}

/// Returns the folders that `.gitignore` names, one plain name a line.
#[expect(clippy::disallowed_methods, reason = "this test reads the sources as files")]
fn ignored_folders(root: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    text.lines()
        .map(|line| line.trim().trim_matches('/').to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "this test reads the sources as files")]
fn text_of(path: &Path) -> Option<String> {
    let length = std::fs::metadata(path).ok()?.len();
    if length > FILE_BYTES_MAX {
        return None;
    }
    std::fs::read_to_string(path).ok()
}

fn name_from(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).expect("every path was found below the root");
    relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn assert_kept(check: Check) {
    let broken: Vec<String> =
        files().iter().flat_map(|(path, text)| check(path, text)).map(|found| found.to_string()).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn the_sources_are_found() {
    let found = files();
    assert!(found.iter().any(|(path, _)| path == "src/lib.rs"), "{} files, but no src/lib.rs", found.len());
    assert!(found.iter().any(|(path, _)| path == "tests/tidy/main.rs"));
}

#[test]
fn imports_follow_the_arrows() {
    assert_kept(places::arrows);
}

#[test]
fn crates_stay_inside_their_fences() {
    assert_kept(places::fences);
}

#[test]
fn files_processes_and_threads_stay_in_their_places() {
    assert_kept(places::system);
}

#[test]
fn unsafe_code_stays_in_its_two_places() {
    assert_kept(places::unsafe_code);
}

#[test]
fn rooms_have_allowed_names() {
    assert_kept(shape::names);
}

#[test]
fn every_room_says_what_goes_in_and_out_and_what_never_happens() {
    assert_kept(shape::headers);
}

#[test]
fn files_are_short() {
    assert_kept(shape::file_lines);
}

#[test]
fn functions_are_short() {
    assert_kept(shape::function_lines);
}

#[test]
fn no_call_gives_up_without_a_reason() {
    assert_kept(texts::unwraps);
}

#[test]
fn nothing_is_left_to_do() {
    assert_kept(texts::leftovers);
}

#[test]
fn no_test_is_switched_off() {
    assert_kept(texts::weak_tests);
}

#[test]
fn no_text_names_a_package_registry() {
    assert_kept(texts::registries);
}

#[test]
fn no_text_names_a_path_of_one_machine() {
    assert_kept(texts::machine_paths);
}
