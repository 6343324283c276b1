//! Words that must not stand in a committed file.

use crate::Violation;
use crate::source::{self, Token};

// Built from parts, so that this file does not hold what it looks for.
const REGISTRIES: [&str; 5] = [
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("npmjs", "."),
    concat!("proxy.golang", ".org"),
];
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/t", "mp/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
const LEFTOVER_WORDS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
const LEFTOVER_MACROS: [&str; 3] = ["dbg", "todo", "unimplemented"];
const WEAK_ATTRIBUTES: [&str; 2] = ["ignore", "should_panic"];

/// A call that may fail says with `expect` why it cannot.
pub fn unwraps(path: &str, text: &str) -> Vec<Violation> {
    let is_unwrap = |window: &[Token]| is_sequence(window, &[".", "unwrap", "(", ")"]);
    in_rust(path, text, 4, is_unwrap, "unwrap gives no reason: use expect, or handle it")
}

/// Unfinished work is no part of a commit.
pub fn leftovers(path: &str, text: &str) -> Vec<Violation> {
    if is_made_by_machine(path) {
        return Vec::new();
    }
    let is_macro = |window: &[Token]| {
        LEFTOVER_MACROS.contains(&window[0].text.as_str()) && is_sequence(&window[1..], &["!"])
    };
    let mut found = in_rust(path, text, 2, is_macro, "a macro of unfinished work");
    for word in LEFTOVER_WORDS {
        found.extend(containing(path, text, |line| has_word(line, word), &format!("{word} is left")));
    }
    found
}

/// A test runs, and asserts what it expects.
pub fn weak_tests(path: &str, text: &str) -> Vec<Violation> {
    let is_weak = |window: &[Token]| {
        is_sequence(window, &["#", "["]) && WEAK_ATTRIBUTES.contains(&window[2].text.as_str())
    };
    in_rust(path, text, 3, is_weak, "a test that does not run, or does not say what it expects")
}

/// Nothing points to a host of packages: the product works without a network.
pub fn registries(path: &str, text: &str) -> Vec<Violation> {
    if is_made_by_machine(path) {
        return Vec::new();
    }
    let found = REGISTRIES.iter();
    found
        .flat_map(|host| containing(path, text, |line| line.contains(host), &format!("names {host}")))
        .collect()
}

/// Nothing points to a folder that only one machine has.
pub fn machine_paths(path: &str, text: &str) -> Vec<Violation> {
    let found = MACHINE_PATHS.iter();
    found
        .flat_map(|folder| containing(path, text, |line| is_rooted(line, folder), &format!("names {folder}")))
        .collect()
}

/// Lock files name their registry, and nobody writes them by hand.
fn is_made_by_machine(path: &str) -> bool {
    path.ends_with("Cargo.lock") || path.ends_with("package-lock.json")
}

fn in_rust(
    path: &str,
    text: &str,
    length: usize,
    is_bad: impl Fn(&[Token]) -> bool,
    message: &str,
) -> Vec<Violation> {
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    let tokens = source::tokens(text);
    let bad = tokens.windows(length).filter(|window| is_bad(window));
    bad.map(|window| Violation::new(path, window[0].line, message)).collect()
}

fn is_sequence(window: &[Token], wanted: &[&str]) -> bool {
    window.iter().zip(wanted).all(|(token, text)| token.text == *text)
}

fn containing(path: &str, text: &str, is_bad: impl Fn(&str) -> bool, message: &str) -> Vec<Violation> {
    let bad = text.lines().enumerate().filter(|(_, line)| is_bad(line));
    bad.map(|(index, _)| Violation::new(path, index + 1, message)).collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let is_part = |ch: char| ch.is_ascii_alphanumeric() || ch == '_';
        !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
    })
}

/// Tells a path from the root of a machine from a folder of that name further down.
fn is_rooted(line: &str, folder: &str) -> bool {
    let is_name = |ch: char| ch.is_alphanumeric() || matches!(ch, '_' | '-' | '.' | '}' | ')' | '*' | '~');
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unwrap_is_found_across_lines_and_its_relatives_are_not() {
        let found = unwraps("src/a.rs", "fn a() {\n  b()\n    .unwrap();\n}");
        assert_eq!(found[0].line, 3);
        assert_eq!(unwraps("src/a.rs", "a.unwrap_or(1); // a.unwrap()\nlet s = \"a.unwrap()\";"), []);
    }

    #[test]
    fn unfinished_work_is_found_in_code_and_in_comments() {
        assert_eq!(leftovers("src/a.rs", "fn a() { todo!() }").len(), 1);
        assert_eq!(leftovers("src/a.rs", "dbg!(x); unimplemented!(\"y\")").len(), 2);
        for word in LEFTOVER_WORDS {
            assert_eq!(leftovers("web/src/a.ts", &format!("// {word}: later")).len(), 1);
            assert_eq!(leftovers("README.md", &format!("{word}S_A{word}")), []);
        }
    }

    #[test]
    fn a_test_that_is_switched_off_or_only_panics_is_found() {
        assert_eq!(weak_tests("tests/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() {}")[0].line, 2);
        assert_eq!(weak_tests("src/a.rs", "#[test] #[should_panic(expected = \"b\")] fn a() {}").len(), 1);
        assert_eq!(weak_tests("src/a.rs", "#[test] fn ignore() { let x = [ignore]; }"), []);
    }

    #[test]
    fn a_registry_is_found_anywhere_but_in_lock_files() {
        for host in REGISTRIES {
            assert_eq!(registries("README.md", &format!("see https://{host}/x")).len(), 1, "{host}");
            assert_eq!(registries("Cargo.lock", host), []);
        }
    }

    #[test]
    fn a_path_of_one_machine_is_found_and_a_folder_of_that_name_is_not() {
        for folder in MACHINE_PATHS {
            assert_eq!(machine_paths("Makefile", &format!("cp a {folder}b")).len(), 1, "{folder}");
            assert_eq!(machine_paths("Makefile", &format!("cp a src{folder}b ..{folder}c")), [], "{folder}");
        }
    }
}
