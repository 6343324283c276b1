//! The words that a recogniser is told before it listens: few fit, so the meeting decides which.

use super::Entry;
use crate::speech::vocabulary::ENTRIES_MAX as VOCABULARY_ENTRIES_MAX;

/// What is known of a meeting before it begins.
#[derive(Debug, Clone, Copy, Default)]
pub struct Meeting<'a> {
    /// Who takes part, as on the list of attendees.
    pub attendees: &'a [String],
    /// The agenda, one item a line.
    pub agenda: &'a str,
}

/// Chooses the words of the hint: attendees, then entries that the agenda names, then the most recent.
///
/// Shape: 表記, each once; a word that does not fit is passed over and a shorter one may follow.
/// Range: at most `words_max` words of `chars_max` characters in all, a 、 between them included.
pub fn hint(entries: &[&Entry], meeting: Meeting, words_max: usize, chars_max: usize) -> Vec<String> {
    let attendees = meeting.attendees.iter().map(|name| name.trim());
    let on_agenda = |entry: &&&Entry| {
        meeting.agenda.contains(&entry.written)
            || (!entry.reading.is_empty() && meeting.agenda.contains(&entry.reading))
    };
    let named = entries.iter().filter(on_agenda).map(|entry| entry.written.as_str());
    let recent = entries.iter().map(|entry| entry.written.as_str());
    let mut chosen: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut left = chars_max;
    for word in attendees.chain(named).chain(recent).filter(|word| !word.is_empty()) {
        if chosen.len() >= words_max {
            break;
        }
        let length = word.chars().count() + usize::from(!chosen.is_empty());
        if length <= left && seen.insert(word) {
            left -= length;
            chosen.push(word.to_owned());
        }
    }
    chosen
}

/// Writes the list that [`Vocabulary::parse`](crate::speech::vocabulary::Vocabulary::parse) reads: the hint's words,
/// then every replacement.
///
/// Range: at most as many lines as the recogniser takes; a word it would read as something else is passed over.
pub fn vocabulary_text(hint: &[String], entries: &[&Entry]) -> String {
    let is_plain = |word: &str| {
        let word = word.trim();
        !word.is_empty()
            && !word.starts_with('#')
            && !word.contains("=>")
            && !word.contains(['\n', '\r', ',', '\t'])
    };
    let words = hint.iter().filter(|word| is_plain(word)).cloned();
    let rules = entries.iter().flat_map(|entry| {
        let sources = entry.sources.iter().filter(|source| is_plain(source) && is_plain(&entry.written));
        sources.map(|source| format!("{source} => {}", entry.written))
    });
    let lines: Vec<String> = words.chain(rules).take(VOCABULARY_ENTRIES_MAX).collect();
    lines.join("\n")
}
