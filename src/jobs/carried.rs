//! What people did in a live meeting, from the store's words into those of the minutes.

use crate::minutes::carry::{LiveCorrection, LiveHeading, LiveMark, LiveWork};
use crate::store::live::Carried;
use crate::store::live::event::{AGENDA, Note};

/// Returns live work as the minutes take it.
pub(super) fn live_work(carried: Carried) -> LiveWork {
    let (agenda, marks): (Vec<Note>, Vec<Note>) =
        carried.notes.into_iter().partition(|note| note.what == AGENDA);
    let heading = |Note { at_ms, text, .. }| LiveHeading { at_ms, text };
    let mark = |Note { what, at_ms, text, .. }: Note| {
        // A mark that a later version has taken back says nothing any more.
        let mark = serde_json::from_value(serde_json::Value::String(what)).ok()?;
        Some(LiveMark { at_ms, mark, text })
    };
    let corrections = carried.corrected.into_iter().filter_map(|line| {
        let (start_ms, end_ms, corrected) = (line.start_ms, line.end_ms, line.text);
        Some(LiveCorrection { start_ms, end_ms, heard: line.heard?, corrected })
    });
    LiveWork {
        headings: agenda.into_iter().map(heading).collect(),
        marks: marks.into_iter().filter_map(mark).collect(),
        corrections: corrections.collect(),
    }
}
