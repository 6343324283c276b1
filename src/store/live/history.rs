//! What was told of a live meeting, so that whoever was away gets what they missed. Pure, and bounded.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::event::{Event, Line, Note, Numbered, Snapshot, Status, Tentative};

/// Events that are kept word for word; who was away for longer gets everything at once.
const EVENTS_MAX: usize = 2_000;
/// Sentences that are kept: a day of talk.
const LINES_MAX: usize = 20_000;
/// Sentences that are told at once.
const SHOWN_MAX: usize = 300;
/// Notes that are kept.
const NOTES_MAX: usize = 2_000;

/// What an event may be replaced by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replaced {
    /// By the next event of the same line.
    Line(u64),
    /// By the next state.
    State,
    /// By nothing.
    Never,
}

/// One event as it is sent.
#[derive(Debug, Clone)]
struct Told {
    seq: u64,
    replaced: Replaced,
    json: Arc<str>,
}

/// What was told, and how things stand.
#[derive(Debug)]
pub struct History {
    next: u64,
    events: VecDeque<Told>,
    /// The newest event that is not kept any more.
    forgotten: u64,
    lines: BTreeMap<u64, Line>,
    tentative: BTreeMap<u64, Tentative>,
    notes: VecDeque<Note>,
    status: Status,
}

impl History {
    /// Begins with what is known; the first event has the number `first`.
    pub fn new(first: u64, lines: Vec<Line>, notes: Vec<Note>, status: Status) -> Self {
        let lines = lines.into_iter().map(|line| (line.line, line)).collect();
        let next = first.max(1);
        Self {
            next,
            events: VecDeque::new(),
            forgotten: next - 1,
            lines,
            tentative: BTreeMap::new(),
            notes: notes.into(),
            status,
        }
    }

    /// Takes in an event and returns its number.
    pub fn tell(&mut self, event: Event) -> u64 {
        let replaced = self.apply(&event);
        match replaced {
            Replaced::Line(line) => self.events.retain(|told| told.replaced != Replaced::Line(line)),
            Replaced::State => self.events.retain(|told| told.replaced != Replaced::State),
            Replaced::Never => {}
        }
        let is_tentative = matches!(event, Event::Tentative(_));
        let seq = self.next;
        self.next += 1;
        let replaced = match replaced {
            Replaced::Line(_) if !is_tentative => Replaced::Never,
            other => other,
        };
        let json = json(seq, event);
        self.events.push_back(Told { seq, replaced, json });
        if self.events.len() > EVENTS_MAX
            && let Some(oldest) = self.events.pop_front()
        {
            self.forgotten = oldest.seq;
        }
        seq
    }

    /// Returns what was told behind the event `after`, or everything at once if that is not known any more.
    pub fn since(&self, after: Option<u64>) -> Vec<(u64, Arc<str>)> {
        match after {
            Some(after) if after >= self.forgotten && after < self.next => {
                let missed = self.events.iter().filter(|told| told.seq > after);
                missed.map(|told| (told.seq, Arc::clone(&told.json))).collect()
            }
            Some(_) | None => {
                let seq = self.next - 1;
                vec![(seq, json(seq, Event::Snapshot(self.snapshot())))]
            }
        }
    }

    /// Returns everything at once.
    pub fn snapshot(&self) -> Snapshot {
        let skipped = self.lines.len().saturating_sub(SHOWN_MAX);
        Snapshot {
            lines: self.lines.values().skip(skipped).cloned().collect(),
            tentative: self.tentative.values().cloned().collect(),
            notes: self.notes.iter().cloned().collect(),
            status: self.status.clone(),
        }
    }

    /// Returns sentences before a line, the newest first.
    pub fn lines_before(&self, before: u64, most: usize) -> Vec<Line> {
        self.lines.range(..before).rev().take(most).map(|(_, line)| line.clone()).collect()
    }

    /// Returns a sentence.
    pub fn line(&self, line: u64) -> Option<&Line> {
        self.lines.get(&line)
    }

    /// Returns the last sentence of a microphone.
    pub fn last_line(&self, stream: u32) -> Option<&Line> {
        self.lines.values().rev().find(|line| line.stream == stream)
    }

    /// Returns the number that no sentence had before.
    pub fn next_line(&self) -> u64 {
        let known =
            [self.lines.last_key_value().map(|(line, _)| *line), self.tentative.keys().next_back().copied()];
        known.into_iter().flatten().max().map_or(1, |line| line + 1)
    }

    /// Returns the number of the next event.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Returns how things stand.
    pub fn status(&self) -> &Status {
        &self.status
    }

    fn apply(&mut self, event: &Event) -> Replaced {
        match event {
            Event::Tentative(tentative) => {
                self.tentative.insert(tentative.line, tentative.clone());
                Replaced::Line(tentative.line)
            }
            Event::Final(line) => {
                self.tentative.remove(&line.line);
                self.lines.insert(line.line, line.clone());
                if self.lines.len() > LINES_MAX {
                    self.lines.pop_first();
                }
                Replaced::Line(line.line)
            }
            Event::Withdrawn { line } => {
                self.tentative.remove(line);
                Replaced::Line(*line)
            }
            Event::Corrected { line, text } => {
                if let Some(line) = self.lines.get_mut(line) {
                    let before = std::mem::replace(&mut line.text, text.clone());
                    line.heard.get_or_insert(before);
                }
                Replaced::Never
            }
            Event::Mark(note) | Event::Agenda(note) => {
                self.notes.push_back(note.clone());
                if self.notes.len() > NOTES_MAX {
                    self.notes.pop_front();
                }
                Replaced::Never
            }
            Event::Message { .. } | Event::Snapshot(_) => Replaced::Never,
            Event::State(status) => {
                self.status = status.clone();
                Replaced::State
            }
        }
    }
}

fn json(seq: u64, event: Event) -> Arc<str> {
    // Numbers and text: nothing in it can fail to be written.
    serde_json::to_string(&Numbered { seq, event }).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::live::event::{Phase, Recognition};

    fn history() -> History {
        History::new(1, Vec::new(), Vec::new(), Status::default())
    }

    fn tentative(line: u64, tail: &str) -> Event {
        let (committed, tail) = (String::new(), tail.to_owned());
        Event::Tentative(Tentative { line, stream: 0, start_ms: 0, end_ms: 1, committed, tail })
    }

    fn empty(line: u64) -> Line {
        let (text, speaker, heard) = (String::new(), None, None);
        Line { line, stream: 0, start_ms: 0, end_ms: 1, text, speaker, heard }
    }

    fn finished(line: u64, text: &str) -> Event {
        Event::Final(Line { text: text.to_owned(), ..empty(line) })
    }

    fn missed(history: &History, after: Option<u64>) -> Vec<(u64, String)> {
        let kind = |json: &str| {
            let event: serde_json::Value = serde_json::from_str(json).expect("it is JSON");
            event["kind"].as_str().expect("it has a kind").to_owned()
        };
        history.since(after).into_iter().map(|(seq, json)| (seq, kind(&json))).collect()
    }

    #[test]
    fn who_comes_back_gets_what_they_missed_and_nothing_that_was_replaced() {
        let mut history = history();
        for event in [tentative(1, "あ"), tentative(1, "ある"), finished(1, "ある。"), tentative(2, "い")]
        {
            history.tell(event);
        }
        let expected = [(3, "final".to_owned()), (4, "tentative".to_owned())];
        assert_eq!(missed(&history, Some(1)), expected);
        assert_eq!(missed(&history, Some(3)), expected[1..]);
        assert_eq!(missed(&history, Some(4)), []);
    }

    #[test]
    fn who_is_new_was_away_for_too_long_or_says_nonsense_gets_everything_at_once() {
        let mut history = history();
        for line in 1..=2_500 {
            history.tell(finished(line, "文。"));
        }
        for after in [None, Some(0), Some(499), Some(9_999)] {
            assert_eq!(missed(&history, after), [(2_500, "snapshot".to_owned())], "{after:?}");
        }
        assert_eq!(missed(&history, Some(500)).len(), 2_000);
        let lines = history.snapshot().lines;
        assert_eq!((lines.len(), lines[0].line), (300, 2_201));
    }

    #[test]
    fn a_correction_changes_the_sentence_where_it_stands_and_keeps_what_was_heard_first() {
        let mut history = history();
        history.tell(finished(1, "水道慮金。"));
        history.tell(Event::Corrected { line: 1, text: "水道料.".to_owned() });
        history.tell(Event::Corrected { line: 1, text: "水道料金。".to_owned() });
        let line = history.line(1).expect("it is there");
        assert_eq!((line.text.as_str(), line.heard.as_deref()), ("水道料金。", Some("水道慮金。")));
    }

    #[test]
    fn only_the_newest_state_is_told_to_who_was_away() {
        let mut history = history();
        for phase in [Phase::Recording, Phase::Paused, Phase::Recording] {
            history.tell(Event::State(Status::new(phase, Recognition::Resting)));
        }
        assert_eq!(missed(&history, Some(0)), [(3, "state".to_owned())]);
        assert_eq!(history.status().phase, Phase::Recording);
    }

    #[test]
    fn numbers_never_begin_again_after_a_restart() {
        let mut history = History::new(1_000, vec![empty(4)], Vec::new(), Status::default());
        assert_eq!(missed(&history, Some(57)), [(999, "snapshot".to_owned())]);
        assert_eq!((history.tell(tentative(5, "あ")), history.next_line()), (1_000, 6));
    }
}
