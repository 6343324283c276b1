//! Latin letters, ！ and ？.

use crate::minutes::passage::{Edit, is_mark};
use crate::minutes::proposal::Rule;

/// Wide Latin letters become narrow; the letter of a list at the start of a line stays.
pub(super) fn latin(chars: &[char]) -> Vec<Edit> {
    let is_wide = |ch: &char| matches!(ch, 'Ａ'..='Ｚ' | 'ａ'..='ｚ');
    let mut edits = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let length = chars[at..].iter().take_while(|ch| is_wide(ch)).count();
        let starts_a_line = at == 0 || chars[at - 1] == '\n';
        let is_item = length == 1
            && starts_a_line
            && chars.get(at + 1).is_some_and(|ch| ch.is_whitespace() || *ch == '）');
        if length > 0 && !is_item {
            let narrow: String = chars[at..at + length]
                .iter()
                .filter_map(|ch| char::from_u32(u32::from(*ch) - 0xfee0))
                .collect();
            edits.push(Edit::new(at..at + length, narrow, Rule::LatinWidth));
        }
        at += length.max(1);
    }
    edits
}

/// ！ and ？ become 。, or nothing before another mark and in headings; 「Yahoo!」 stays.
pub(super) fn exclamations(chars: &[char], is_heading: bool) -> Vec<Edit> {
    let is_called = |ch: &char| matches!(ch, '！' | '？' | '!' | '?');
    let mut edits = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let length = chars[at..].iter().take_while(|ch| is_called(ch)).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let is_a_name = at > 0 && chars[at - 1].is_ascii_alphanumeric();
        let mut end = at + length;
        while chars.get(end).is_some_and(|ch| matches!(ch, ' ' | '　')) {
            end += 1;
        }
        let is_marked = chars.get(end).is_some_and(|ch| is_mark(*ch)) || at == 0 || is_mark(chars[at - 1]);
        if !is_a_name {
            edits.push(Edit::new(
                at..end,
                if is_heading || is_marked { "" } else { "。" },
                Rule::ExclamationMark,
            ));
        }
        at = end;
    }
    edits
}
