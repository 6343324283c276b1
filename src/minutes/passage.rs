//! One block's text as characters: what may not be touched, where the voice paused, how it is rewritten.

use std::collections::HashMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::minutes::proposal::{Effect, Proposal, Rule};
use crate::minutes::{Block, BlockId};
use crate::speech::transcript::Word;

/// Most words that can be protected at once; the others are passed over.
pub const PROTECTED_WORDS_MAX: usize = 50_000;
/// Longest word that can be protected, in characters; longer ones are passed over.
pub const PROTECTED_CHARS_MAX: usize = 100;
/// Above this product of lengths an edited text is not laid against its words: pauses count as unknown.
const ALIGN_CELLS_MAX: usize = 4_000_000;

/// The words that no rule touches: names, terms of the dictionary.
///
/// Text between 「」 or 『』 is protected besides, by every rule that asks.
#[derive(Debug, Clone, Default)]
pub struct Protected {
    finder: Option<AhoCorasick>,
}

impl Protected {
    /// Protects these words beside quoted text.
    ///
    /// Range: at most [`PROTECTED_WORDS_MAX`] words of at most [`PROTECTED_CHARS_MAX`] characters.
    pub fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let usable = |word: &&str| !word.is_empty() && word.chars().count() <= PROTECTED_CHARS_MAX;
        let words: Vec<&str> = words.into_iter().filter(usable).take(PROTECTED_WORDS_MAX).collect();
        if words.is_empty() {
            return Self::default();
        }
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(words);
        Self {
            finder: Some(finder.expect("50,000 words of 100 characters stay below the automaton's limits")),
        }
    }

    /// Tells for each character whether it belongs to a protected word or to a quotation.
    pub(super) fn mask(&self, chars: &[char]) -> Vec<bool> {
        let mut mask = quoted(chars);
        let Some(finder) = &self.finder else { return mask };
        let (text, starts) = indexed(chars);
        for hit in finder.find_iter(&text) {
            let (from, to) = (char_at(&starts, hit.start()), char_at(&starts, hit.end()));
            mask[from..to].fill(true);
        }
        mask
    }
}

/// Returns the text and the byte at which each of its characters begins, with its length at the end.
pub(super) fn indexed(chars: &[char]) -> (String, Vec<usize>) {
    let text: String = chars.iter().collect();
    let mut starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    starts.push(text.len());
    (text, starts)
}

/// Returns the character that begins at a byte.
pub(super) fn char_at(starts: &[usize], byte: usize) -> usize {
    starts.partition_point(|start| *start < byte)
}

/// A quotation that does not close, or does not open, in this block reaches to the block's edge.
fn quoted(chars: &[char]) -> Vec<bool> {
    let mut mask = vec![false; chars.len()];
    let mut open: Vec<usize> = Vec::new();
    for (at, ch) in chars.iter().enumerate() {
        match ch {
            '「' | '『' => open.push(at),
            '」' | '』' => mask[open.pop().unwrap_or(0)..=at].fill(true),
            _ => {}
        }
    }
    if let Some(first) = open.first() {
        mask[*first..].fill(true);
    }
    mask
}

/// Returns the text that rules may change: that of a heading or of an utterance that is shown.
pub(super) fn text_of(block: &Block) -> Option<&str> {
    match block {
        Block::Utterance(utterance) => utterance.hidden.is_none().then_some(utterance.text.as_str()),
        Block::Heading(heading) => Some(heading.text.as_str()),
        Block::Gap(_) => None,
    }
}

/// Tells a mark between clauses from a letter.
pub(super) fn is_mark(ch: char) -> bool {
    matches!(
        ch,
        '、' | '。'
            | '，'
            | '．'
            | '？'
            | '！'
            | '?'
            | '!'
            | '…'
            | '「'
            | '」'
            | '『'
            | '』'
            | '（'
            | '）'
            | '・'
    ) || ch.is_whitespace()
}

/// Tells a mark that ends a sentence.
pub(super) fn is_stop(ch: char) -> bool {
    matches!(ch, '。' | '．' | '？' | '！' | '?' | '!' | '\n')
}

/// Tells 、 and ，.
pub(super) fn is_comma(ch: char) -> bool {
    matches!(ch, '、' | '，')
}

pub(super) fn is_hiragana(ch: char) -> bool {
    ('\u{3041}'..='\u{309f}').contains(&ch)
}

pub(super) fn is_katakana(ch: char) -> bool {
    ('\u{30a1}'..='\u{30ff}').contains(&ch)
}

pub(super) fn is_kanji(ch: char) -> bool {
    matches!(ch, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' | '々')
}

/// Tells whether a text stands at a place.
pub(super) fn stands(chars: &[char], at: usize, text: &str) -> bool {
    let mut rest = chars.get(at..).unwrap_or_default().iter();
    text.chars().all(|ch| rest.next() == Some(&ch))
}

/// Tells whether a text stands right before a place.
pub(super) fn stands_before(chars: &[char], at: usize, text: &str) -> bool {
    at.checked_sub(text.chars().count()).is_some_and(|from| stands(chars, from, text))
}

/// Words found by their first character; the longest is tried first.
pub(super) struct WordTable<T> {
    by_first: HashMap<char, Vec<(Vec<char>, T)>>,
}

impl<T: Copy> WordTable<T> {
    pub(super) fn new(words: impl IntoIterator<Item = (&'static str, T)>) -> Self {
        let mut by_first: HashMap<char, Vec<(Vec<char>, T)>> = HashMap::new();
        for (word, value) in words {
            let word: Vec<char> = word.chars().collect();
            by_first.entry(word[0]).or_default().push((word, value));
        }
        for words in by_first.values_mut() {
            words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        }
        Self { by_first }
    }

    /// Lists the words that begin at a place, the longest first, each with its length.
    pub(super) fn at(&self, chars: &[char], at: usize) -> impl Iterator<Item = (usize, T)> {
        let words = self.by_first.get(&chars[at]).map_or(&[][..], Vec::as_slice);
        let rest = &chars[at..];
        words.iter().filter(|(word, _)| rest.starts_with(word)).map(|(word, value)| (word.len(), *value))
    }
}

/// A change of the text as it now is.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) after: String,
    pub(super) rule: Rule,
}

impl Edit {
    pub(super) fn new(range: Range<usize>, after: impl Into<String>, rule: Rule) -> Self {
        Self { range, after: after.into(), rule }
    }

    /// Tells whether it changes nothing that is masked; what is only inserted must not stand inside such a stretch.
    pub(super) fn is_free(&self, mask: &[bool]) -> bool {
        let Range { start, end } = self.range;
        if start == end {
            return start == 0 || start == mask.len() || !(mask[start - 1] && mask[start]);
        }
        mask[start..end].iter().all(|masked| !masked)
    }
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    ch: char,
    origin: Result<usize, Rule>,
}

/// A text that several rules rewrite one after the other, and that still knows what stood where at first.
#[derive(Debug)]
pub(super) struct Rewrite {
    original: Vec<char>,
    removed_by: Vec<Option<Rule>>,
    cells: Vec<Cell>,
}

impl Rewrite {
    pub(super) fn new(text: &str) -> Self {
        let original: Vec<char> = text.chars().collect();
        let cells = original.iter().enumerate().map(|(at, ch)| Cell { ch: *ch, origin: Ok(at) }).collect();
        Self { removed_by: vec![None; original.len()], original, cells }
    }

    /// Returns the text as it now is.
    pub(super) fn chars(&self) -> Vec<char> {
        self.cells.iter().map(|cell| cell.ch).collect()
    }

    /// Applies edits of the text as it now is; of edits that overlap, the one that begins first is applied.
    pub(super) fn apply(&mut self, mut edits: Vec<Edit>) {
        edits.sort_by_key(|edit| edit.range.start);
        let mut end = 0;
        edits.retain(|edit| {
            let is_free = edit.range.start >= end;
            end = if is_free { edit.range.end } else { end };
            is_free
        });
        for edit in edits.into_iter().rev() {
            for cell in &self.cells[edit.range.clone()] {
                if let Ok(at) = cell.origin {
                    self.removed_by[at] = Some(edit.rule);
                }
            }
            let put = edit.after.chars().map(|ch| Cell { ch, origin: Err(edit.rule) });
            self.cells.splice(edit.range, put);
        }
    }

    /// Returns what changed since the beginning, as proposals.
    ///
    /// Shape: sorted, disjoint; changes that touch are one, under the name of the first rule.
    pub(super) fn into_proposals(self, block: BlockId) -> Vec<Proposal> {
        let mut proposals = Vec::new();
        let mut hunk: Option<Proposal> = None;
        let (mut at, mut cell) = (0, 0);
        while at < self.original.len() || cell < self.cells.len() {
            let origin = self.cells.get(cell).map(|cell| cell.origin);
            if origin == Some(Ok(at)) {
                proposals.extend(hunk.take().filter(|hunk| hunk.before != hunk.after));
                (at, cell) = (at + 1, cell + 1);
                continue;
            }
            let inserted = if let Some(Err(rule)) = origin { Some(rule) } else { None };
            let rule = inserted.or_else(|| self.removed_by[at]).unwrap_or(Rule::FindReplace);
            let open = hunk.get_or_insert_with(|| Proposal {
                block,
                rule,
                at: u32::try_from(at).unwrap_or(u32::MAX),
                before: String::new(),
                after: String::new(),
                effect: Effect::Rewrite,
            });
            if inserted.is_some() {
                open.after.push(self.cells[cell].ch);
                cell += 1;
            } else {
                open.before.push(self.original[at]);
                at += 1;
            }
        }
        proposals.extend(hunk.filter(|hunk| hunk.before != hunk.after));
        proposals
    }
}

/// Returns for each character how long the voice paused behind it.
///
/// Shape: 0 where a word goes on, where nothing is known and behind the last word.
/// Units: milliseconds.
pub(super) fn pauses_ms(chars: &[char], words: &[Word]) -> Vec<u64> {
    let mut pauses = vec![0; chars.len()];
    let spoken: Vec<(char, usize)> = words
        .iter()
        .enumerate()
        .flat_map(|(index, word)| word.text.chars().map(move |ch| (ch, index)))
        .filter(|(ch, _)| !is_mark(*ch))
        .collect();
    let written: Vec<usize> = (0..chars.len()).filter(|at| !is_mark(chars[*at])).collect();
    if spoken.is_empty() || spoken.len() * written.len() > ALIGN_CELLS_MAX {
        return pauses;
    }
    for (at, heard) in aligned(chars, &written, &spoken) {
        let Some((_, next)) = spoken.get(heard + 1) else { continue };
        let word = spoken[heard].1;
        if word != *next {
            pauses[at] = words[*next].start_ms.saturating_sub(words[word].end_ms);
        }
    }
    pauses
}

/// Pairs written with spoken characters: the longest common subsequence, the latest where several are equal.
fn aligned(chars: &[char], written: &[usize], spoken: &[(char, usize)]) -> Vec<(usize, usize)> {
    if written.len() == spoken.len() && written.iter().zip(spoken).all(|(at, (ch, _))| chars[*at] == *ch) {
        return written.iter().copied().zip(0..).collect();
    }
    let width = spoken.len() + 1;
    let mut length = vec![0_u32; (written.len() + 1) * width];
    for (row, at) in written.iter().enumerate() {
        for (column, (ch, _)) in spoken.iter().enumerate() {
            let here = (row + 1) * width + column + 1;
            let same = length[row * width + column] + 1;
            let best = length[here - 1].max(length[here - width]);
            length[here] = if chars[*at] == *ch { same.max(best) } else { best };
        }
    }
    let mut pairs = Vec::new();
    let (mut row, mut column) = (written.len(), spoken.len());
    while row > 0 && column > 0 {
        let here = row * width + column;
        if chars[written[row - 1]] == spoken[column - 1].0 && length[here] == length[here - width - 1] + 1 {
            pairs.push((written[row - 1], column - 1));
            (row, column) = (row - 1, column - 1);
        } else if length[here - 1] >= length[here - width] {
            column -= 1;
        } else {
            row -= 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn words_and_quotations_are_protected_and_nothing_else() {
        let protected = Protected::words(["あのー丸", ""]);
        for (text, expected) in [
            ("あのー丸が", "●●●●○"),
            ("と「えー」と", "○●●●●○"),
            ("彼は「えー", "○○●●●"),
            ("えー」と", "●●●○"),
            ("あのー", "○○○"),
        ] {
            let mask: String =
                protected.mask(&chars(text)).iter().map(|masked| if *masked { '●' } else { '○' }).collect();
            assert_eq!(mask, expected, "{text}");
        }
    }

    #[test]
    fn a_rewritten_text_knows_what_stood_where() {
        let mut rewrite = Rewrite::new("えー予算は百円です");
        rewrite.apply(vec![Edit::new(0..2, "", Rule::Filler), Edit::new(5..6, "1", Rule::KanjiNumeral)]);
        rewrite.apply(vec![Edit::new(3..4, "１００", Rule::DigitWidth)]);
        assert_eq!(rewrite.chars().iter().collect::<String>(), "予算は１００円です");
        let proposals = rewrite.into_proposals(BlockId(7));
        let told: Vec<_> =
            proposals.iter().map(|one| (one.at, one.before.as_str(), one.after.as_str())).collect();
        assert_eq!(told, [(0, "えー", ""), (5, "百", "１００")]);
    }

    #[test]
    fn pauses_are_found_in_a_text_that_was_edited() {
        let word =
            |text: &str, start_ms, end_ms| Word { start_ms, end_ms, text: text.into(), confidence: 1.0 };
        let words =
            [word("その", 0, 200), word("、", 200, 600), word("件は", 600, 900), word("可決", 1400, 1800)];
        assert_eq!(pauses_ms(&chars("その、件は可決"), &words), [0, 400, 0, 0, 500, 0, 0]);
        assert_eq!(pauses_ms(&chars("この件はすぐ可決"), &words)[3], 500);
        assert_eq!(pauses_ms(&chars("その件"), &[]), [0, 0, 0]);
    }
}
