//! Rust as tokens: enough to find paths, blocks and functions, far from a parser.

/// Blanks comments and the insides of strings and characters; lines and columns stay where they are.
pub fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut index = 0;
    while index < chars.len() {
        let end = skipped_end(&chars, index);
        if end == index {
            out.push(chars[index]);
            index += 1;
        } else {
            out.extend(chars[index..end].iter().map(|&ch| if ch == '\n' { '\n' } else { ' ' }));
            index = end;
        }
    }
    out
}

/// Returns the index behind the comment, string or character that begins here; the same index if none does.
fn skipped_end(chars: &[char], start: usize) -> usize {
    let rest = &chars[start..];
    let is_word_before = start > 0 && (chars[start - 1].is_alphanumeric() || chars[start - 1] == '_');
    match rest {
        ['/', '/', ..] => start + rest.iter().take_while(|&&ch| ch != '\n').count(),
        ['/', '*', ..] => start + block_comment_len(rest),
        ['"', ..] => start + quoted_len(rest),
        ['r', '"' | '#', ..] | ['b' | 'c', 'r', '"' | '#', ..] if !is_word_before => {
            start + raw_string_len(rest)
        }
        ['\'', '\\', ..] => {
            start + 2 + rest[2..].iter().skip(1).position(|&ch| ch == '\'').map_or(0, |at| at + 2)
        }
        ['\'', _, '\'', ..] => start + 3,
        _ => start,
    }
}

fn block_comment_len(rest: &[char]) -> usize {
    let (mut depth, mut index) = (0_usize, 0);
    while index < rest.len() {
        match rest[index..] {
            ['/', '*', ..] => (depth, index) = (depth + 1, index + 2),
            ['*', '/', ..] if depth == 1 => return index + 2,
            ['*', '/', ..] => (depth, index) = (depth - 1, index + 2),
            _ => index += 1,
        }
    }
    index
}

fn quoted_len(rest: &[char]) -> usize {
    let mut index = 1;
    while index < rest.len() && rest[index] != '"' {
        index += if rest[index] == '\\' { 2 } else { 1 };
    }
    (index + 1).min(rest.len())
}

/// Returns 0 for a raw identifier such as `r#type`.
fn raw_string_len(rest: &[char]) -> usize {
    let prefix = rest.iter().take_while(|&&ch| ch.is_ascii_alphabetic()).count();
    let hashes = rest[prefix..].iter().take_while(|&&ch| ch == '#').count();
    if rest.get(prefix + hashes) != Some(&'"') {
        return 0;
    }
    let inside = prefix + hashes + 1;
    let closes = |at: &usize| {
        rest[*at] == '"' && rest[at + 1..].iter().take(hashes).filter(|&&ch| ch == '#').count() == hashes
    };
    (inside..rest.len()).find(closes).map_or(rest.len(), |at| at + 1 + hashes)
}

/// A word or a mark of Rust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The word, `::`, or one other character.
    pub text: String,
    /// Line, counted from 1.
    pub line: usize,
}

impl Token {
    /// Tells a name or keyword from a mark.
    pub fn is_word(&self) -> bool {
        self.text.starts_with(|ch: char| ch.is_alphanumeric() || ch == '_')
    }
}

/// Cuts code into tokens; comments and strings are gone.
pub fn tokens(text: &str) -> Vec<Token> {
    let code: Vec<char> = code_of(text).chars().collect();
    let (mut out, mut index, mut line) = (Vec::new(), 0, 1);
    while index < code.len() {
        let word = code[index..].iter().take_while(|ch| ch.is_alphanumeric() || **ch == '_').count();
        let length = if word > 0 { word } else { 1 + usize::from(code[index..].starts_with(&[':', ':'])) };
        if code[index] == '\n' {
            line += 1;
        } else if !code[index].is_whitespace() {
            out.push(Token { text: code[index..index + length].iter().collect(), line });
        }
        index += length;
    }
    out
}

/// A path as code names it, `use` trees spread out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its parts with `::` between them.
    pub path: String,
    /// Line of its first part.
    pub line: usize,
}

/// Lists every path of at least two parts, and every single name that a `use` brings in.
pub fn paths(tokens: &[Token]) -> Vec<Named> {
    let mut out = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let follows_a_path = index > 0 && matches!(tokens[index - 1].text.as_str(), "::" | ".");
        if tokens[index].text == "use" && !follows_a_path {
            index = use_tree(tokens, index + 1, "", &mut out);
        } else if tokens[index].is_word() && !follows_a_path {
            let (path, end) = chain(tokens, index);
            if path.contains("::") {
                out.push(Named { path, line: tokens[index].line });
            }
            index = end.max(index + 1);
        } else {
            index += 1;
        }
    }
    out
}

/// Reads `a::b::c` and returns it with the index behind it.
fn chain(tokens: &[Token], start: usize) -> (String, usize) {
    let mut path = tokens[start].text.clone();
    let mut index = start + 1;
    while index + 1 < tokens.len() && tokens[index].text == "::" && tokens[index + 1].is_word() {
        path = path + "::" + &tokens[index + 1].text;
        index += 2;
    }
    (path, index)
}

/// Reads one tree of a `use`; returns the index behind it.
fn use_tree(tokens: &[Token], start: usize, prefix: &str, out: &mut Vec<Named>) -> usize {
    let mut index = start;
    while tokens.get(index).is_some_and(|token| token.text == "::") {
        index += 1;
    }
    let Some(first) = tokens.get(index) else { return index };
    let (mut path, line) = (prefix.to_owned(), first.line);
    if first.is_word() {
        let (own, end) = chain(tokens, index);
        path = if prefix.is_empty() { own } else { format!("{prefix}::{own}") };
        index = end;
        if tokens.get(index).is_some_and(|token| token.text == "::") {
            index += 1;
        }
    }
    if tokens.get(index).is_none_or(|token| token.text != "{") {
        out.push(Named { path, line });
        return index;
    }
    while tokens.get(index).is_some_and(|token| token.text == "{" || token.text == ",") {
        if tokens.get(index + 1).is_some_and(|token| token.text == "}") {
            return index + 2;
        }
        index = use_tree(tokens, index + 1, &path, out);
        index += tokens[index..]
            .iter()
            .take_while(|token| !matches!(token.text.as_str(), "," | "}" | ";"))
            .count();
    }
    index + 1
}

/// Returns the index of the brace that closes the first one at or behind `start`, if there is one before a `;`.
pub fn block_end(tokens: &[Token], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut brackets = 0_i32;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "[" | "(" => brackets += 1,
            "]" | ")" => brackets -= 1,
            "{" => depth += 1,
            "}" if depth <= 1 => return (depth == 1).then_some(index),
            "}" => depth -= 1,
            ";" if depth == 0 && brackets == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Drops the modules that only tests see.
pub fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut out = Vec::with_capacity(tokens.len());
    let mut index = 0;
    while index < tokens.len() {
        let window = tokens[index..].iter().take(mark.len()).map(|token| token.text.as_str());
        if window.eq(mark)
            && let Some(end) = block_end(tokens, index + mark.len())
        {
            index = end + 1;
        } else {
            out.push(tokens[index].clone());
            index += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Vec<String> {
        paths(&tokens(text)).into_iter().map(|named| named.path).collect()
    }

    #[test]
    fn comments_strings_and_characters_are_blank_and_lifetimes_stay() {
        let code = code_of(
            "a // b\n\"c \\\" d\" 'e' '\\'' '\\u{1F600}' r#\"f \" g\"# /* h /* i */ j */ &'k l r#type br\"m\"",
        );
        let left: String = code.chars().filter(|ch| !ch.is_whitespace()).collect();
        assert_eq!(left, "a&'klr#type");
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn a_use_tree_is_spread_out() {
        let text = "use a::{b, c::{self, D as E}, f::*}; use {g, h::i}; x(j::k()); l::<m::n>();";
        assert_eq!(listed(text), ["a::b", "a::c::self", "a::c::D", "a::f", "g", "h::i", "j::k", "m::n"]);
    }

    #[test]
    fn a_use_in_braces_does_not_swallow_what_follows() {
        assert_eq!(
            listed("use a::{b,}; use c::{d::{e}, f}; fn g() { h::i() }"),
            ["a::b", "c::d::e", "c::f", "h::i"]
        );
    }

    #[test]
    fn a_test_module_is_dropped_and_what_follows_it_stays() {
        let text = "fn a() {} #[cfg(test)] mod tests { fn b() { c::d() } } fn e() {}";
        let left: Vec<String> = without_tests(&tokens(text)).into_iter().map(|token| token.text).collect();
        assert!(!left.contains(&"tests".to_owned()) && left.contains(&"e".to_owned()));
    }

    #[test]
    fn a_declared_test_module_does_not_take_the_next_block_with_it() {
        let text = "#[cfg(test)] mod testing; fn kept() { a::b() }";
        assert!(without_tests(&tokens(text)).iter().any(|token| token.text == "kept"));
    }
}
