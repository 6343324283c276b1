//! Text is divided where a sentence ends, and joined without a gap.

/// Marks that end a sentence.
const ENDS: &str = "。！？!?";

/// Marks that open what a sentence's end does not divide, and those that close it.
const OPENING: &str = "「『（(【〈《〔［";
const CLOSING: &str = "」』）)】〉》〕］";

/// Returns the sentences of a text, each with its mark; quotations and brackets are kept whole.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut begin, mut depth) = (0, 0_usize);
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if OPENING.contains(character) {
            depth += 1;
        } else if CLOSING.contains(character) {
            depth = depth.saturating_sub(1);
        }
        let goes_on =
            characters.peek().is_some_and(|(_, next)| ENDS.contains(*next) || CLOSING.contains(*next));
        if depth == 0 && ENDS.contains(character) && !goes_on {
            let end = at + character.len_utf8();
            found.push(text[begin..end].trim());
            begin = end;
        }
    }
    found.push(text[begin..].trim());
    found.retain(|sentence| !sentence.is_empty());
    found
}

/// Puts a text behind another: Japanese without a gap, Latin words with one.
pub(super) fn join(text: &mut String, next: &str) {
    let latin =
        |character: Option<char>| character.is_some_and(|character| character.is_ascii_alphanumeric());
    if latin(text.chars().last()) && latin(next.chars().next()) {
        text.push(' ');
    }
    text.push_str(next);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_their_marks() {
        let cases: [(&str, &[&str]); 7] = [
            ("はい。そうです。", &["はい。", "そうです。"]),
            ("続きます", &["続きます"]),
            ("本当ですか？！ええ。", &["本当ですか？！", "ええ。"]),
            ("「はい。そうです。」と答えた。次。", &["「はい。そうです。」と答えた。", "次。"]),
            ("（笑い。）次です。", &["（笑い。）次です。"]),
            ("閉じない「引用。続く。", &["閉じない「引用。続く。"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(sentences(text), expected, "{text}");
        }
    }

    #[test]
    fn japanese_is_joined_without_a_gap() {
        for (first, next, joined) in
            [("はい。", "次", "はい。次"), ("the", "end", "the end"), ("AI", "は", "AIは")]
        {
            let mut text = first.to_owned();
            join(&mut text, next);
            assert_eq!(text, joined);
        }
    }
}
