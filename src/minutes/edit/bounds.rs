//! What every value of minutes must keep to, however it got there.
//!
//! Edits and stored documents are held to the same rules: or an undo could bring back what an edit refuses.

use super::Refusal;
use crate::minutes::{Block, Gap, HeaderField, Heading, Item, Speaker, Utterance};

/// Most characters of one block's or item's text.
pub const TEXT_CHARS_MAX: usize = 20_000;
/// Most characters of one field of the header.
pub const HEADER_CHARS_MAX: usize = 10_000;
/// Most characters of a name, a role or an assignee.
pub const NAME_CHARS_MAX: usize = 200;
/// Most characters of a stable word: a reason, a flag.
pub const WORD_CHARS_MAX: usize = 100;
/// Most operations a person may send at once.
pub const OPS_MAX: usize = 10_000;
/// Most operations that undo one list: some need several to be undone.
pub const UNDO_OPS_MAX: usize = 10 * OPS_MAX;
/// Most blocks of one document: a meeting of 12 hours has about 10,000.
pub const BLOCKS_MAX: usize = 50_000;
/// Most decisions, issues and to-dos of one document.
pub const ITEMS_MAX: usize = 5_000;
/// Most speakers of one document.
pub const SPEAKERS_MAX: usize = 200;
/// Most recognised words of one utterance: at most one a character.
pub const WORDS_MAX: usize = 2 * TEXT_CHARS_MAX;
/// Most flags of one utterance.
pub const FLAGS_MAX: usize = 50;
/// The largest name of a thing: the largest whole number that a browser holds exactly.
pub const ID_MAX: u64 = (1 << 53) - 1;
/// How deep headings go.
pub const LEVEL_MAX: u8 = 3;

/// Passes a text of at most `chars_max` characters.
pub(crate) fn text(what: &str, text: &str, chars_max: usize) -> Result<(), Refusal> {
    // A character has at most four bytes: most texts need no counting.
    if text.len() <= chars_max {
        return Ok(());
    }
    let chars = text.chars().count();
    if chars > chars_max {
        return Err(Refusal::TooLong { what: what.into(), chars, chars_max });
    }
    Ok(())
}

/// Passes a list of at most `count_max` things.
pub(crate) fn count(what: &str, count: usize, count_max: usize) -> Result<(), Refusal> {
    if count > count_max {
        return Err(Refusal::TooMany { what: what.into(), count, count_max });
    }
    Ok(())
}

/// Passes a usable name of a thing.
pub(crate) fn id(what: &str, id: u64) -> Result<(), Refusal> {
    if !(1..=ID_MAX).contains(&id) {
        return Err(Refusal::bad(what, id));
    }
    Ok(())
}

/// Passes what a field of the header may hold; an empty value is for the caller to handle.
pub(crate) fn header(field: HeaderField, value: &str) -> Result<(), Refusal> {
    text("header", value, HEADER_CHARS_MAX)?;
    let fits = match field {
        HeaderField::HeldOn => value.is_empty() || is_date(value),
        HeaderField::StartsAt | HeaderField::EndsAt => value.is_empty() || is_time(value),
        HeaderField::Title
        | HeaderField::Place
        | HeaderField::Openness
        | HeaderField::ClosedReason
        | HeaderField::Present
        | HeaderField::Absent
        | HeaderField::Staff
        | HeaderField::Audience
        | HeaderField::Agenda
        | HeaderField::Materials
        | HeaderField::Result
        | HeaderField::Policy
        | HeaderField::Recording
        | HeaderField::Disclosure
        | HeaderField::Office
        | HeaderField::Author
        | HeaderField::NextMeeting
        | HeaderField::Notes => true,
    };
    if fits { Ok(()) } else { Err(Refusal::bad("header", value)) }
}

/// Passes a speaker's own values.
pub(crate) fn speaker(speaker: &Speaker) -> Result<(), Refusal> {
    id("speaker", speaker.id.0)?;
    text("name", &speaker.name, NAME_CHARS_MAX)?;
    text("role", &speaker.role, NAME_CHARS_MAX)?;
    text("public_name", &speaker.public_name, NAME_CHARS_MAX)?;
    if speaker.name.trim().is_empty() {
        return Err(Refusal::bad("name", &speaker.name));
    }
    speaker.confidence.map_or(Ok(()), confidence)
}

/// Passes an item's own values; whether its source exists is for the caller to see.
pub(crate) fn item(item: &Item) -> Result<(), Refusal> {
    id("item", item.id.0)?;
    text("item", &item.text, TEXT_CHARS_MAX)?;
    text("assignee", &item.assignee, NAME_CHARS_MAX)?;
    if !(item.due.is_empty() || is_date(&item.due)) {
        return Err(Refusal::bad("due", &item.due));
    }
    Ok(())
}

/// Passes a block's own values; whether its speaker exists is for the caller to see.
pub(crate) fn block(block: &Block) -> Result<(), Refusal> {
    id("block", block.id().0)?;
    match block {
        Block::Utterance(utterance) => utterance_values(utterance),
        Block::Heading(Heading { level: depth, text: title, .. }) => {
            level(*depth)?;
            text("text", title, TEXT_CHARS_MAX)
        }
        Block::Gap(Gap { start_ms, end_ms, reason, .. }) => {
            times(*start_ms, *end_ms)?;
            stable_word("reason", reason)
        }
    }
}

/// Passes the depth of a heading.
pub(crate) fn level(level: u8) -> Result<(), Refusal> {
    if !(1..=LEVEL_MAX).contains(&level) {
        return Err(Refusal::bad("level", level));
    }
    Ok(())
}

/// Passes a stable word.
pub(crate) fn stable_word(what: &str, word: &str) -> Result<(), Refusal> {
    if word.is_empty() {
        return Err(Refusal::bad(what, word));
    }
    text(what, word, WORD_CHARS_MAX)
}

fn utterance_values(utterance: &Utterance) -> Result<(), Refusal> {
    times(utterance.start_ms, utterance.end_ms)?;
    text("text", &utterance.text, TEXT_CHARS_MAX)?;
    count("words", utterance.words.len(), WORDS_MAX)?;
    count("flags", utterance.flags.len(), FLAGS_MAX)?;
    confidence(utterance.confidence)?;
    for word in &utterance.words {
        times(word.start_ms, word.end_ms)?;
        confidence(word.confidence)?;
        text("word", &word.text, TEXT_CHARS_MAX)?;
    }
    for flag in &utterance.flags {
        stable_word("flag", flag)?;
    }
    utterance.hidden.as_deref().map_or(Ok(()), |reason| stable_word("reason", reason))
}

fn times(start_ms: u64, end_ms: u64) -> Result<(), Refusal> {
    if end_ms < start_ms || end_ms > ID_MAX {
        return Err(Refusal::bad("time", format!("{start_ms} to {end_ms} ms")));
    }
    Ok(())
}

fn confidence(confidence: f32) -> Result<(), Refusal> {
    if !(0.0..=1.0).contains(&confidence) {
        return Err(Refusal::bad("confidence", confidence));
    }
    Ok(())
}

/// Tells whether a text is a day of the calendar, as `2026-11-22`.
pub(crate) fn is_date(text: &str) -> bool {
    let shape =
        |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    if text.len() != 10 || !text.bytes().enumerate().all(shape) {
        return false;
    }
    let part = |range: std::ops::Range<usize>| text[range].parse::<i8>().unwrap_or(0);
    let year = text[..4].parse::<i16>().unwrap_or(0);
    jiff::civil::Date::new(year, part(5..7), part(8..10)).is_ok()
}

/// Tells whether a text is a time of the day, as `13:30`.
fn is_time(text: &str) -> bool {
    let Some((hour, minute)) = text.split_once(':') else { return false };
    let within = |part: &str, max: u8| {
        part.len() == 2
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && part.parse::<u8>().is_ok_and(|n| n <= max)
    };
    within(hour, 23) && within(minute, 59)
}
