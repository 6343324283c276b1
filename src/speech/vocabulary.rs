//! Words an office uses: a hint to the recogniser, and the repair of what it always writes wrongly.
//!
//! ```text
//! # one entry a line, UTF-8
//! 議事録作成支援システム            a word; it is hinted to the recogniser
//! 佐々木,ささき                    a word and how it is read; the reading is for people
//! ユーエスビーキー => USBキー       always written so
//! ```

use aho_corasick::{AhoCorasick, MatchKind};

use super::model::tokenizer::Tokenizer;
use super::transcript::Segment;

/// Most entries of one list.
pub const ENTRIES_MAX: usize = 5_000;
/// Longest entry, characters.
pub const ENTRY_CHARS_MAX: usize = 100;
/// Most tokens given to the recogniser as a hint: a longer prompt costs time and invites loops (SPEECH §3.2).
pub const PROMPT_TOKENS_MAX: usize = 32;

/// Why a list cannot be used; nothing of it was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    /// Shorten the list.
    #[error("the list has more than {ENTRIES_MAX} entries")]
    TooMany,
    /// Mend the named line.
    #[error("line {line}: {problem}")]
    Line {
        /// Line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

/// A list of words.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    words: Vec<String>,
    replacements: Vec<String>,
    finder: Option<AhoCorasick>,
}

impl Vocabulary {
    /// Reads a list; empty lines and lines that begin with `#` are comments.
    ///
    /// Errors: see [`VocabularyError`].
    pub fn parse(text: &str) -> Result<Self, VocabularyError> {
        let mut words = Vec::new();
        let mut rules: Vec<(String, String)> = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let entry = line.trim();
            if entry.is_empty() || entry.starts_with('#') {
                continue;
            }
            match entry.split_once("=>") {
                Some((wrong, right)) => rules.push((checked(wrong, index)?, checked(right, index)?)),
                None => words.push(checked(entry.split([',', '\t']).next().unwrap_or(entry), index)?),
            }
            if words.len() + rules.len() > ENTRIES_MAX {
                return Err(VocabularyError::TooMany);
            }
        }
        let (wrong, replacements): (Vec<String>, Vec<String>) = rules.into_iter().unzip();
        Ok(Self { words, replacements, finder: finder(&wrong) })
    }

    /// Returns the hint for the recogniser: as many words, from the top, as the limit allows.
    ///
    /// Shape: tokens of 「、」-joined words; empty for an empty list.
    pub fn prompt(&self, tokenizer: &Tokenizer) -> Vec<u32> {
        let mut prompt = Vec::new();
        let mut text = String::new();
        for word in &self.words {
            let longer = if text.is_empty() { word.clone() } else { format!("{text}、{word}") };
            let tokens = tokenizer.encode(&format!("{longer}。"));
            if tokens.len() > PROMPT_TOKENS_MAX {
                break;
            }
            (text, prompt) = (longer, tokens);
        }
        prompt
    }

    /// Replaces in a segment what the list says is always written otherwise; the longest entry wins.
    ///
    /// A replacement stands in the word where the replaced text began; times stay.
    pub fn correct(&self, segment: &mut Segment) {
        let Some(finder) = &self.finder else { return };
        let text: String = segment.words.iter().map(|word| word.text.as_str()).collect();
        let found: Vec<_> = finder.find_iter(&text).collect();
        for hit in found.iter().rev() {
            splice(segment, hit.start(), hit.end(), &self.replacements[hit.pattern().as_usize()]);
        }
        if !found.is_empty() {
            segment.words.retain(|word| !word.text.is_empty());
            segment.text =
                segment.words.iter().map(|word| word.text.as_str()).collect::<String>().trim_end().into();
        }
    }
}

fn checked(part: &str, index: usize) -> Result<String, VocabularyError> {
    let part = part.trim();
    let problem = match part.chars().count() {
        0 => "an entry is empty".to_owned(),
        chars if chars > ENTRY_CHARS_MAX => {
            format!("an entry of {chars} characters is longer than {ENTRY_CHARS_MAX}")
        }
        _ => return Ok(part.to_owned()),
    };
    Err(VocabularyError::Line { line: index + 1, problem })
}

fn finder(wrong: &[String]) -> Option<AhoCorasick> {
    if wrong.is_empty() {
        return None;
    }
    let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(wrong);
    Some(finder.expect("5,000 entries of 100 characters stay far below the automaton's limits"))
}

/// Puts `right` in place of the bytes `start..end` of the words' joined text.
fn splice(segment: &mut Segment, start: usize, end: usize, right: &str) {
    let mut at = 0;
    for word in &mut segment.words {
        let length = word.text.len();
        let (from, to) = (start.max(at), end.min(at + length));
        if from < to {
            let replacement = if from == start { right } else { "" };
            word.text.replace_range(from - at..to - at, replacement);
        }
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::transcript::Word;

    fn segment(words: &[&str]) -> Segment {
        let words: Vec<Word> = words
            .iter()
            .map(|text| Word { start_ms: 0, end_ms: 100, text: (*text).into(), confidence: 0.9 })
            .collect();
        let text = words.iter().map(|word| word.text.as_str()).collect();
        Segment { start_ms: 0, end_ms: 100, text, confidence: 0.9, speaker: None, flags: vec![], words }
    }

    #[test]
    fn what_is_always_wrong_is_always_mended_even_across_words() {
        let list = Vocabulary::parse("ユーエス美キー => USBキー").expect("a good list");
        let mut segment = segment(&["以前は", "ユーエス", "美", "キーが", "必要"]);
        list.correct(&mut segment);
        assert_eq!(segment.text, "以前はUSBキーが必要");
        assert_eq!(segment.words[1].text, "USBキー");
        assert_eq!(segment.words.len(), 4);
    }

    #[test]
    fn the_longest_entry_wins() {
        let list = Vocabulary::parse("県 => 縣\n県庁 => 県庁舎").expect("a good list");
        let mut segment = segment(&["県庁と県"]);
        list.correct(&mut segment);
        assert_eq!(segment.text, "県庁舎と縣");
    }

    #[test]
    fn a_wrong_line_is_named() {
        let error = Vocabulary::parse("議事録\n => USB").expect_err("nothing stands left of the arrow");
        assert_eq!(error, VocabularyError::Line { line: 2, problem: "an entry is empty".into() });
    }

    #[test]
    fn comments_blank_lines_and_a_byte_order_mark_are_passed_over() {
        let list = Vocabulary::parse("\u{feff}# 用語\n\n佐々木,ささき\n").expect("a good list");
        assert_eq!(list.words, ["佐々木"]);
    }
}
