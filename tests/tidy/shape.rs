//! Names and sizes: what a file is called, how it opens, how long it is.

use crate::Violation;
use crate::source::{self, Token};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Names that say who needed a place, not what it is.
const FORBIDDEN_NAMES: [&str; 9] =
    ["utils", "common", "helpers", "types", "traits", "services", "managers", "core", "shared"];

/// What the first lines of a room must name.
const HEADER_PARTS: [&str; 3] = ["**In**", "**Out**", "**Never**"];

/// Files and folders have names that say what they are.
pub fn names(path: &str, _text: &str) -> Vec<Violation> {
    // What a generator writes is called after what it is generated from.
    if !(path.starts_with("src/") || path.starts_with("web/src/")) || path.ends_with(".gen.ts") {
        return Vec::new();
    }
    let stems = path.split('/').map(|part| part.split('.').next().unwrap_or_default());
    let forbidden = stems.filter(|stem| FORBIDDEN_NAMES.contains(stem));
    forbidden
        .map(|stem| Violation::new(path, 0, format!("{stem} says who needed a place, not what it is")))
        .collect()
}

/// Each `mod.rs` opens with what goes in, what comes out, and what never happens there.
pub fn headers(path: &str, text: &str) -> Vec<Violation> {
    // The command line is no room: it only wires rooms.
    if !path.starts_with("src/") || !path.ends_with("/mod.rs") || path == "src/cli/mod.rs" {
        return Vec::new();
    }
    let header: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let missing = HEADER_PARTS.iter().filter(|part| !header.contains(**part));
    missing.map(|part| Violation::new(path, 1, format!("the header does not name {part}"))).collect()
}

/// A file can be read in one go.
pub fn file_lines(path: &str, text: &str) -> Vec<Violation> {
    let is_code = [".rs", ".ts", ".svelte", ".css", ".sql"].iter().any(|end| path.ends_with(end));
    let lines = text.lines().count();
    if !is_code || path.ends_with(".gen.ts") || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![Violation::new(path, lines, format!("{lines} lines are more than {FILE_LINES_MAX}"))]
}

/// A function fits a screen.
pub fn function_lines(path: &str, text: &str) -> Vec<Violation> {
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    let tokens = source::tokens(text);
    let starts = tokens.iter().enumerate().filter(|(_, token)| token.text == "fn").map(|(index, _)| index);
    starts.filter_map(|start| too_long(path, &tokens, start)).collect()
}

fn too_long(path: &str, tokens: &[Token], start: usize) -> Option<Violation> {
    let name = tokens.get(start + 1).filter(|token| token.is_word())?;
    let end = source::block_end(tokens, start)?;
    let lines = tokens[end].line - tokens[start].line + 1;
    let message = format!("{} has {lines} lines, more than {FUNCTION_LINES_MAX}", name.text);
    (lines > FUNCTION_LINES_MAX).then(|| Violation::new(path, tokens[start].line, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_name_is_found_as_a_file_and_as_a_folder() {
        assert_eq!(names("src/audio/utils.rs", "").len(), 1);
        assert_eq!(names("src/common/mod.rs", "").len(), 1);
        assert_eq!(names("web/src/state/types.ts", "").len(), 1);
        assert_eq!(names("src/audio/time.rs", ""), []);
        assert_eq!(names("docs/common/a.md", ""), []);
    }

    #[test]
    fn a_room_that_does_not_say_what_it_never_does_is_found() {
        let header = "//! Sound.\n//!\n//! - **In**: bytes.\n//! - **Out**: sound.\n\n// **Never**\n";
        assert_eq!(headers("src/audio/mod.rs", header)[0].message, "the header does not name **Never**");
        assert_eq!(headers("src/audio/time.rs", ""), []);
    }

    #[test]
    fn a_file_of_501_lines_is_found_and_one_of_500_is_not() {
        assert_eq!(file_lines("src/a.rs", &"\n".repeat(501)).len(), 1);
        assert_eq!(file_lines("src/a.rs", &"\n".repeat(500)), []);
        assert_eq!(file_lines("README.md", &"\n".repeat(900)), []);
        assert_eq!(file_lines("web/src/api/types.gen.ts", &"\n".repeat(900)), []);
    }

    #[test]
    fn a_function_of_71_lines_is_found_with_its_name_and_one_of_70_is_not() {
        let function = |lines: usize| format!("fn long(a: [u8; 2]) {{{}}}", "\n".repeat(lines - 1));
        let found = function_lines("src/a.rs", &function(71));
        assert_eq!(found[0].message, "long has 71 lines, more than 70");
        assert_eq!(function_lines("src/a.rs", &function(70)), []);
    }

    #[test]
    fn a_function_without_a_body_does_not_borrow_the_next_block() {
        let text =
            format!("trait A {{ fn a(&self);\n fn b(f: fn(u8) -> u8); }}\nmod c {{{}}}", "\n".repeat(90));
        assert_eq!(function_lines("src/a.rs", &text), []);
    }
}
