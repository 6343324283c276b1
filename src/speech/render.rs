//! The transcript as a person or a player reads it: plain text, subtitles, JSON.

use super::transcript::{GapRecord, Segment, Transcript};

/// Most columns of a subtitle line: 20 full-width characters, or 40 of half width.
const LINE_COLUMNS_MAX: usize = 40;

/// Most lines that stand on the screen at once.
const CUE_LINES_MAX: usize = 2;

/// Characters after which a sentence is over.
const SENTENCE_ENDS: &str = "。！？!?";

/// Characters after which a line may well end.
const CLAUSE_ENDS: &str = "、，,；;：: 　";

/// Characters that never begin a line: closing marks, small kana and the long-vowel mark.
///
/// Source: line-start prohibition of JIS X 4051, as far as subtitles need it.
const NEVER_FIRST: &str =
    "、。，．,.!?！？:;：；)）」』】〉》〕］｝ーっゃゅょぁぃぅぇぉゎッャュョァィゥェォヮヵヶ々ゝヽ・…‥%％";

/// Characters that never end a line.
const NEVER_LAST: &str = "(（「『【〈《〔［｛";

/// Writes lines `[00:01:02] text`, or `[00:01:02] 話者1: text` where the speaker is known, and a line for each stretch that could not be recognised.
///
/// Shape: one line a segment, ended by a line feed; nothing for a transcript without text. Text that was removed is not
/// shown.
pub fn txt(transcript: &Transcript) -> String {
    let mut out = String::new();
    for entry in entries(transcript) {
        match entry {
            Entry::Text(segment) => {
                let who = segment.speaker.map_or_else(String::new, |speaker| format!("話者{}: ", speaker.0));
                let (at, text) = (Clock::of(segment.start_ms).hms(), one_line(&segment.text));
                out += &format!("[{at}] {who}{text}\n");
            }
            Entry::Gap(gap) => out += &format!("{}\n", gap_marker(gap)),
        }
    }
    out
}

/// Writes SubRip subtitles.
///
/// Shape: numbered cues of at most two lines of 20 characters, lines ended by CR LF as players expect. `-->` inside a
/// text, which would end a cue's head, becomes `→`.
pub fn srt(transcript: &Transcript) -> String {
    let mut out = String::new();
    for (index, cue) in cues(transcript).iter().enumerate() {
        let (start, end) = (Clock::of(cue.start_ms), Clock::of(cue.end_ms));
        let text = cue.lines.join("\r\n").replace("-->", "→");
        out += &format!("{}\r\n{} --> {}\r\n{text}\r\n\r\n", index + 1, start.with_ms(','), end.with_ms(','));
    }
    out
}

/// Writes WebVTT subtitles.
///
/// Shape: the same cues as [`srt`], with `&`, `<` and `>` escaped; the header alone for a transcript without text.
pub fn vtt(transcript: &Transcript) -> String {
    let mut out = String::from("WEBVTT\n");
    for cue in cues(transcript) {
        let (start, end) = (Clock::of(cue.start_ms), Clock::of(cue.end_ms));
        let text = cue.lines.join("\n").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        out += &format!("\n{} --> {}\n{text}\n", start.with_ms('.'), end.with_ms('.'));
    }
    out
}

/// Writes the transcript itself, indented, always in the same order of fields.
pub fn json(transcript: &Transcript) -> String {
    let mut out = serde_json::to_string_pretty(transcript)
        .expect("a transcript has string keys only, and numbers that are no number are written as null");
    out.push('\n');
    out
}

/// What stands in the text, in the order of time.
enum Entry<'a> {
    Text(&'a Segment),
    Gap(&'a GapRecord),
}

/// Puts segments and gaps in the order of time; segments without text are left out.
fn entries(transcript: &Transcript) -> Vec<Entry<'_>> {
    let spoken = transcript.segments.iter().filter(|segment| !segment.text.trim().is_empty());
    let mut all: Vec<(u64, Entry)> = spoken.map(|s| (s.start_ms, Entry::Text(s))).collect();
    all.extend(transcript.gaps.iter().map(|gap| (gap.start_ms, Entry::Gap(gap))));
    all.sort_by_key(|(start_ms, _)| *start_ms);
    all.into_iter().map(|(_, entry)| entry).collect()
}

fn gap_marker(gap: &GapRecord) -> String {
    format!("【未認識 {}–{}】", Clock::of(gap.start_ms).short(), Clock::of(gap.end_ms).short())
}

fn one_line(text: &str) -> String {
    text.trim().chars().map(|ch| if ch.is_control() { ' ' } else { ch }).collect()
}

/// A time as a clock shows it.
struct Clock {
    hours: u64,
    minutes: u64,
    seconds: u64,
    ms: u64,
}

impl Clock {
    fn of(ms: u64) -> Self {
        let seconds = ms / 1_000;
        Self { hours: seconds / 3_600, minutes: seconds / 60 % 60, seconds: seconds % 60, ms: ms % 1_000 }
    }

    fn hms(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.hours, self.minutes, self.seconds)
    }

    fn with_ms(&self, decimal_mark: char) -> String {
        format!("{}{decimal_mark}{:03}", self.hms(), self.ms)
    }

    fn short(&self) -> String {
        if self.hours > 0 {
            return format!("{}:{:02}:{:02}", self.hours, self.minutes, self.seconds);
        }
        format!("{:02}:{:02}", self.minutes, self.seconds)
    }
}

/// What stands on the screen at once.
struct Cue {
    start_ms: u64,
    end_ms: u64,
    lines: Vec<String>,
}

/// A character with its time.
#[derive(Clone, Copy)]
struct Glyph {
    ch: char,
    start_ms: u64,
    end_ms: u64,
}

fn cues(transcript: &Transcript) -> Vec<Cue> {
    let mut out = Vec::new();
    for entry in entries(transcript) {
        match entry {
            Entry::Text(segment) => out.extend(segment_cues(segment)),
            Entry::Gap(gap) => out.push(Cue::lasting(gap.start_ms, gap.end_ms, vec![gap_marker(gap)])),
        }
    }
    out
}

impl Cue {
    /// Makes a cue that lasts at least a millisecond: players drop a cue that ends when it starts.
    fn lasting(start_ms: u64, end_ms: u64, lines: Vec<String>) -> Self {
        Self { start_ms, end_ms: end_ms.max(start_ms + 1), lines }
    }
}

fn segment_cues(segment: &Segment) -> Vec<Cue> {
    let glyphs = glyphs(segment);
    let mut lines: Vec<&[Glyph]> = Vec::new();
    let mut rest = glyphs.as_slice();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(line_len(rest));
        lines.push(line);
        rest = behind;
    }
    lines.chunks(CUE_LINES_MAX).filter_map(cue).collect()
}

fn cue(lines: &[&[Glyph]]) -> Option<Cue> {
    let (first, last) = (lines.first()?.first()?, lines.last()?.last()?);
    let texts =
        lines.iter().map(|line| line.iter().map(|glyph| glyph.ch).collect::<String>().trim().to_owned());
    Some(Cue::lasting(first.start_ms, last.end_ms, texts.filter(|text| !text.is_empty()).collect()))
}

/// Gives every character of the shown text its time: from the words if they are that text, else evenly.
fn glyphs(segment: &Segment) -> Vec<Glyph> {
    let joined: String = segment.words.iter().map(|word| word.text.as_str()).collect();
    if one_line(&joined) != one_line(&segment.text) {
        return spread(&one_line(&segment.text), segment.start_ms, segment.end_ms);
    }
    let words = segment.words.iter();
    let timed = words.flat_map(|word| spread(&one_line_inside(&word.text), word.start_ms, word.end_ms));
    let mut glyphs: Vec<Glyph> = timed.skip_while(|glyph| glyph.ch.is_whitespace()).collect();
    glyphs.truncate(glyphs.iter().rposition(|glyph| !glyph.ch.is_whitespace()).map_or(0, |last| last + 1));
    glyphs
}

/// Keeps the white space at both ends, which parts a word from its neighbours.
fn one_line_inside(text: &str) -> String {
    text.chars().map(|ch| if ch.is_control() { ' ' } else { ch }).collect()
}

fn spread(text: &str, start_ms: u64, end_ms: u64) -> Vec<Glyph> {
    let count = text.chars().count() as u64;
    let at = |k: u64| start_ms + end_ms.saturating_sub(start_ms) * k / count;
    (0..count).zip(text.chars()).map(|(k, ch)| Glyph { ch, start_ms: at(k), end_ms: at(k + 1) }).collect()
}

/// Returns how many characters the next line takes, at least one.
fn line_len(rest: &[Glyph]) -> usize {
    let columns: usize = rest.iter().map(|glyph| columns(glyph.ch)).sum();
    if columns <= LINE_COLUMNS_MAX {
        return rest.len();
    }
    // What fits two lines is cut near its middle; a longer text fills its line.
    let (least, aim) = if columns <= CUE_LINES_MAX * LINE_COLUMNS_MAX {
        (columns - LINE_COLUMNS_MAX, columns / 2)
    } else {
        (LINE_COLUMNS_MAX / 2, LINE_COLUMNS_MAX)
    };
    let mut best = (Break::Anywhere, usize::MAX, 1);
    let mut width = 0;
    for (index, pair) in rest.windows(2).enumerate() {
        width += self::columns(pair[0].ch);
        if width > LINE_COLUMNS_MAX {
            break;
        }
        let candidate = (break_between(pair[0].ch, pair[1].ch), width.abs_diff(aim), index + 1);
        if width >= least && candidate < best {
            best = candidate;
        }
    }
    best.2
}

/// How good a place is for the end of a line, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Break {
    AfterSentence,
    AfterClause,
    /// Kana before, no kana behind: mostly the end of a phrase.
    BeforeWord,
    InsideWord,
    /// Forbidden, but better than a line without end.
    Anywhere,
}

fn break_between(before: char, after: char) -> Break {
    let is_latin = |ch: char| ch.is_ascii_alphanumeric();
    let is_hiragana = |ch: char| ('ぁ'..='ゖ').contains(&ch);
    if NEVER_FIRST.contains(after) || NEVER_LAST.contains(before) || (is_latin(before) && is_latin(after)) {
        Break::Anywhere
    } else if SENTENCE_ENDS.contains(before) {
        Break::AfterSentence
    } else if CLAUSE_ENDS.contains(before) {
        Break::AfterClause
    } else if is_hiragana(before) && !is_hiragana(after) {
        Break::BeforeWord
    } else {
        Break::InsideWord
    }
}

/// Returns 1 for half-width characters and 2 for all others.
fn columns(ch: char) -> usize {
    if ch.is_ascii() || ('\u{FF61}'..='\u{FF9F}').contains(&ch) { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::transcript::Word;

    fn segment(start_ms: u64, end_ms: u64, text: &str) -> Segment {
        let (text, words) = (text.into(), Vec::new());
        Segment { start_ms, end_ms, text, confidence: 1.0, speaker: None, flags: Vec::new(), words }
    }

    fn transcript(segments: Vec<Segment>) -> Transcript {
        Transcript { duration_ms: 60_000, model: "m".into(), segments, ..Transcript::default() }
    }

    fn gap(start_ms: u64, end_ms: u64) -> GapRecord {
        GapRecord { start_ms, end_ms, reason: "recognizer_failed".into() }
    }

    fn lines_of(text: &str) -> Vec<Vec<String>> {
        segment_cues(&segment(0, 10_000, text)).into_iter().map(|cue| cue.lines).collect()
    }

    #[test]
    fn a_line_of_text_shows_when_it_was_said() {
        let shown = txt(&transcript(vec![
            segment(62_900, 65_000, " 会議です。\n"),
            segment(70_000, 71_000, "はい。"),
        ]));
        assert_eq!(shown, "[00:01:02] 会議です。\n[00:01:10] はい。\n");
    }

    #[test]
    fn a_gap_stands_where_its_text_would_be() {
        let mut with_gap = transcript(vec![segment(0, 1_000, "前"), segment(960_000, 961_000, "後")]);
        with_gap.gaps = vec![gap(720_000, 960_000), gap(3_600_000, 3_725_000)];
        let expected = "[00:00:00] 前\n【未認識 12:00–16:00】\n[00:16:00] 後\n【未認識 1:00:00–1:02:05】\n";
        assert_eq!(txt(&with_gap), expected);
    }

    #[test]
    fn nothing_heard_gives_empty_files_of_each_kind() {
        let empty = transcript(Vec::new());
        assert_eq!((txt(&empty).as_str(), srt(&empty).as_str(), vtt(&empty).as_str()), ("", "", "WEBVTT\n"));
    }

    #[test]
    fn a_segment_without_text_is_not_shown() {
        assert_eq!(srt(&transcript(vec![segment(0, 1_000, " \n ")])), "");
    }

    #[test]
    fn subtitles_are_numbered_with_a_comma_in_srt_and_a_point_in_vtt() {
        let shown = transcript(vec![segment(1_002, 2_500, "はい。"), segment(3_000, 4_000, "どうぞ。")]);
        let expected = "1\r\n00:00:01,002 --> 00:00:02,500\r\nはい。\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nどうぞ。\r\n\r\n";
        assert_eq!(srt(&shown), expected);
        let expected =
            "WEBVTT\n\n00:00:01.002 --> 00:00:02.500\nはい。\n\n00:00:03.000 --> 00:00:04.000\nどうぞ。\n";
        assert_eq!(vtt(&shown), expected);
    }

    #[test]
    fn hours_grow_beyond_nine_and_beyond_ninety_nine() {
        assert_eq!(Clock::of(37_230_004).with_ms(','), "10:20:30,004");
        assert_eq!(Clock::of(360_000_000).hms(), "100:00:00");
    }

    #[test]
    fn marks_of_the_subtitle_formats_inside_a_text_do_no_harm() {
        let shown = transcript(vec![segment(0, 1_000, "a --> b <b>&")]);
        assert!(vtt(&shown).ends_with("\na --&gt; b &lt;b&gt;&amp;\n"));
        assert!(srt(&shown).contains("\r\na → b <b>&\r\n"));
    }

    #[test]
    fn a_long_segment_is_cut_at_punctuation_into_lines_and_cues() {
        let text = "本日の議題は三つです。一つ目は議事録作成支援システムの利用状況、二つ目はタブレット端末の更新、三つ目は来年度の予算要求についてです。";
        assert_eq!(
            lines_of(text),
            [
                vec!["本日の議題は三つです。", "一つ目は議事録作成支援システムの"],
                vec!["利用状況、二つ目はタブレット端末の更新、", "三つ目は来年度の予算要求についてです。"],
            ]
        );
    }

    #[test]
    fn no_line_is_wider_than_twenty_characters_or_begins_with_a_closing_mark() {
        let text = "それは、「ああああああああああああああああああああああっ」ということで。ーーーーーーーーーーーーーーーーーーーーーーーーーー";
        for line in lines_of(text).concat() {
            assert!(line.chars().map(columns).sum::<usize>() <= LINE_COLUMNS_MAX, "{line}");
        }
        assert!(
            !lines_of("ああああああああああああああああああああ。いい")
                .concat()
                .iter()
                .any(|l| l.starts_with('。'))
        );
    }

    #[test]
    fn a_latin_word_is_not_cut() {
        let lines = lines_of("The committee discussed interoperability requirements for tablets").concat();
        assert_eq!(
            lines,
            ["The committee discussed interoperability", "requirements for tablets"].map(String::from)
        );
    }

    #[test]
    fn cues_take_their_times_from_the_words() {
        let first = "あ".repeat(20);
        let mut long = segment(0, 10_000, &format!("{first}。{first}。いい。"));
        let word =
            |start_ms, end_ms, text: &str| Word { start_ms, end_ms, text: text.into(), confidence: 1.0 };
        long.words = vec![word(0, 2_000, &format!("{first}。")), word(2_000, 4_000, &format!("{first}。"))];
        long.words.push(word(9_000, 9_500, "いい。"));
        let cues = segment_cues(&long);
        assert_eq!(cues.last().map(|cue| cue.end_ms), Some(9_500));
        assert_eq!(cues[0].start_ms, 0);
    }

    #[test]
    fn a_cue_never_ends_when_it_starts() {
        let shown = srt(&transcript(vec![segment(5_000, 5_000, "はい")]));
        assert!(shown.contains("00:00:05,000 --> 00:00:05,001"));
    }

    #[test]
    fn a_gap_is_a_cue_too() {
        let mut shown = transcript(Vec::new());
        shown.gaps = vec![gap(1_000, 3_000)];
        assert!(vtt(&shown).contains("00:00:01.000 --> 00:00:03.000\n【未認識 00:01–00:03】"));
    }

    #[test]
    fn json_is_indented_and_can_be_read_back() {
        let shown = transcript(vec![segment(0, 1_000, "はい")]);
        assert!(json(&shown).starts_with("{\n  \"version\": 1,\n  \"duration_ms\": 60000,"));
        assert_eq!(Transcript::from_json(&json(&shown)).expect("we wrote it"), shown);
    }
}
