//! What the screens of a room showed, and when.

use std::collections::BTreeMap;

use gijiroku::speech::live::{CaptionEvent, Final, UtteranceId};
use serde_json::{Value, json};

/// Sound before the onset, and behind the speech, that an utterance takes along; see `speech::live`.
const PRE_ROLL_MS: u64 = 300;
const POST_ROLL_MS: u64 = 200;

/// Everything one room was told.
#[derive(Default)]
pub struct Tally {
    utterances: BTreeMap<UtteranceId, Shown>,
    finals: Vec<Final>,
    /// Committed characters that a later tentative text of the same utterance no longer began with.
    retracted: usize,
    /// Characters of tentative text taken back by later tentative text.
    erased: usize,
    /// The same, with the final text as the last one.
    erased_by_finals: usize,
    tentatives: usize,
    /// When which text stood on the screen: settled, and with what is tentative.
    steps: Vec<Value>,
    settled: String,
}

#[derive(Default)]
struct Shown {
    first_ms: Option<u64>,
    committed: String,
    text: String,
    over: bool,
}

impl Tally {
    /// Takes an event at a moment of the room's own time: 0 is when its first sample was spoken.
    pub fn take(&mut self, at_ms: u64, event: &CaptionEvent) {
        let shown = self.utterances.entry(event.utterance()).or_default();
        match event {
            CaptionEvent::Tentative(told) => {
                self.tentatives += 1;
                let kept = common(&shown.committed, &told.committed);
                self.retracted += shown.committed.chars().count() - kept;
                let text = format!("{}{}", told.committed, told.tail);
                self.erased += shown.text.chars().count() - common(&shown.text, &text);
                if !text.is_empty() {
                    shown.first_ms.get_or_insert(at_ms);
                }
                self.steps.push(json!([at_ms, self.settled.chars().count(), text]));
                (shown.committed, shown.text) = (told.committed.clone(), text);
            }
            CaptionEvent::Final(told) => {
                let text = told.text();
                self.erased_by_finals += shown.text.chars().count() - common(&shown.text, &text);
                shown.first_ms.get_or_insert(at_ms);
                shown.over = true;
                self.settled.push_str(&text);
                self.steps.push(json!([at_ms, self.settled.chars().count(), ""]));
                self.finals.push(told.clone());
            }
            CaptionEvent::Withdrawn { .. } => {
                self.erased_by_finals += shown.text.chars().count();
                shown.over = true;
            }
        }
    }

    /// Returns the finals so far.
    pub fn finals(&self) -> &[Final] {
        &self.finals
    }

    /// Returns the finals as a list that `gijiroku evaluate` reads.
    pub fn listed(&self) -> Value {
        let segments = self.finals.iter().flat_map(|told| &told.segments);
        let seconds = |ms: u64| ms as f64 / 1_000.0;
        let list =
            segments.map(|s| json!({"start": seconds(s.start_ms), "end": seconds(s.end_ms), "text": s.text}));
        Value::Array(list.collect())
    }

    /// Returns what stood on the screen when: the whole text, and steps of moment, characters settled, tentative text.
    pub fn screen(&self) -> Value {
        json!({"text": self.settled, "steps": self.steps})
    }

    /// Returns all figures of the room; `finals_ms` are the moments of the finals, in their order.
    pub fn figures(&self, finals_ms: &[u64]) -> Value {
        let chars: usize = self.finals.iter().map(|told| told.text().chars().count()).sum();
        let row = |(told, at_ms): (&Final, &u64)| {
            let first_ms = self.utterances.get(&told.utterance).and_then(|shown| shown.first_ms);
            json!({
                "onset_ms": told.start_ms + PRE_ROLL_MS,
                "speech_end_ms": told.end_ms - POST_ROLL_MS.min(told.end_ms),
                "first_ms": first_ms, "final_ms": at_ms, "gap": told.gap.is_some(),
            })
        };
        let rows: Vec<Value> = self.finals.iter().zip(finals_ms).map(row).collect();
        json!({
            "utterances": rows,
            "open": self.utterances.values().filter(|shown| !shown.over).count(),
            "gaps": self.finals.iter().filter(|told| told.gap.is_some()).count(),
            "tentatives": self.tentatives,
            "retracted_chars": self.retracted,
            "erased_chars": self.erased,
            "erased_by_finals_chars": self.erased_by_finals,
            "final_chars": chars,
        })
    }
}

/// Characters at the beginning of both.
fn common(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}
