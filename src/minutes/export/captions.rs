//! Captions: what fits on the screen, long enough to be read, apart from the next.

use super::dates;
use super::kinsoku;
use super::options::Options;
use super::view::{Names, one_line};
use crate::minutes::{Minutes, Utterance};

/// Most characters of a line.
///
/// Source: MINUTES.md sections 12 and 13, for this and the other sizes.
const LINE_CHARACTERS_MAX: usize = 20;

/// Shortest and longest time that a caption stands.
const SHOWN_MS_MIN: u64 = 1_000;
const SHOWN_MS_MAX: u64 = 6_000;

/// Shortest time between two captions: the eye must see that something changed.
const GAP_MS_MIN: u64 = 80;

/// How long a character takes to be read: eight a second.
const READ_MS: u64 = 125;

/// Longest speaker's name that goes before the words.
const LABEL_CHARACTERS_MAX: usize = 10;

/// What stands on the screen at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cue {
    start_ms: u64,
    end_ms: u64,
    label: String,
    lines: Vec<String>,
}

/// Writes SubRip captions; the speaker is named at each change.
pub(super) fn srt(minutes: &Minutes, options: &Options) -> String {
    let mut text = String::new();
    for (index, cue) in cues(minutes, options, true).iter().enumerate() {
        let (start, end) = (clock(cue.start_ms, ','), clock(cue.end_ms, ','));
        text.push_str(&format!("{}\r\n{start} --> {end}\r\n{}\r\n\r\n", index + 1, cue.lines.join("\r\n")));
    }
    text
}

/// Writes WebVTT captions, each with its voice.
pub(super) fn vtt(minutes: &Minutes, options: &Options) -> String {
    let mut text = "WEBVTT\n".to_owned();
    for cue in cues(minutes, options, false) {
        let voice = if cue.label.is_empty() { String::new() } else { format!("<v {}>", escaped(&cue.label)) };
        let (start, end) = (clock(cue.start_ms, '.'), clock(cue.end_ms, '.'));
        text.push_str(&format!("\n{start} --> {end}\n{voice}{}\n", escaped(&cue.lines.join("\n"))));
    }
    text
}

fn clock(at_ms: u64, point: char) -> String {
    format!("{}{point}{:03}", dates::place(at_ms), at_ms % 1000)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cues(minutes: &Minutes, options: &Options, named: bool) -> Vec<Cue> {
    let names = Names::new(minutes, options.public_names);
    let (mut cues, mut before) = (Vec::new(), None);
    for utterance in minutes.utterances().filter(|utterance| utterance.hidden.is_none()) {
        let label = names.label(utterance.speaker);
        let changed = before != Some(utterance.speaker);
        let short = !label.is_empty() && label.chars().count() <= LABEL_CHARACTERS_MAX;
        let prefix = if named && changed && short { format!("{label}：") } else { String::new() };
        let timed = Timed::new(&prefix, utterance);
        if timed.characters.len() == prefix.chars().count() {
            continue;
        }
        before = Some(utterance.speaker);
        for (begin, end) in timed.pieces() {
            let lines = timed.lines(begin, end);
            cues.push(Cue {
                start_ms: timed.at_ms[begin],
                end_ms: timed.at_ms[end],
                label: label.clone(),
                lines,
            });
        }
    }
    spread(&mut cues);
    cues
}

/// Gives each caption the time it needs, in the order in which they are spoken.
fn spread(cues: &mut [Cue]) {
    let mut free_ms = 0;
    for index in 0..cues.len() {
        let next_ms = cues.get(index + 1).map(|next| next.start_ms);
        let cue = &mut cues[index];
        cue.start_ms = cue.start_ms.max(free_ms);
        let characters: usize = cue.lines.iter().map(|line| line.chars().count()).sum();
        let wanted_ms = cue.end_ms.max(cue.start_ms + characters as u64 * READ_MS);
        let room_ms = next_ms.map_or(u64::MAX, |next_ms| next_ms.saturating_sub(GAP_MS_MIN));
        let end_ms = wanted_ms.min(room_ms);
        cue.end_ms = end_ms.clamp(cue.start_ms + SHOWN_MS_MIN, cue.start_ms + SHOWN_MS_MAX);
        free_ms = cue.end_ms + GAP_MS_MIN;
    }
}

/// Text whose characters know when they were spoken.
struct Timed {
    characters: Vec<char>,
    /// When each character begins, and when the last ends.
    at_ms: Vec<u64>,
    /// Whether a line may end before the character.
    may_end: Vec<bool>,
}

impl Timed {
    fn new(prefix: &str, utterance: &Utterance) -> Self {
        let spoken = one_line(&utterance.text);
        let text = format!("{prefix}{spoken}");
        let mut at_ms = vec![utterance.start_ms; prefix.chars().count()];
        at_ms.extend(times(&spoken, utterance));
        let breaks: std::collections::BTreeSet<usize> = kinsoku::breaks(&text).collect();
        let may_end = text.char_indices().map(|(at, _)| breaks.contains(&at)).collect();
        Self { characters: text.chars().collect(), at_ms, may_end }
    }

    /// Divides the text into pieces that fit on the screen and are spoken in time.
    fn pieces(&self) -> Vec<(usize, usize)> {
        let (mut pieces, mut open) = (Vec::new(), vec![(0, self.characters.len())]);
        while let Some((begin, end)) = open.pop() {
            let fits = self.fold(begin, end).is_some();
            let slow = self.at_ms[end].saturating_sub(self.at_ms[begin]) > SHOWN_MS_MAX;
            match self.cut(begin, end, usize::MAX) {
                Some(at) if !fits || slow => open.extend([(at, end), (begin, at)]),
                None if !fits => {
                    let middle = begin + (end - begin) / 2;
                    open.extend([(middle, end), (begin, middle)]);
                }
                Some(_) | None => pieces.push((begin, end)),
            }
        }
        pieces
    }

    /// Returns where the second line begins: the end if one line is enough, nothing if two are not.
    fn fold(&self, begin: usize, end: usize) -> Option<usize> {
        match end - begin {
            0..=LINE_CHARACTERS_MAX => Some(end),
            _ => self.cut(begin, end, LINE_CHARACTERS_MAX),
        }
    }

    /// Returns the best place to end a line or a piece, with at most `side_max` characters on either side.
    fn cut(&self, begin: usize, end: usize, side_max: usize) -> Option<usize> {
        let middle = begin + (end - begin) / 2;
        let allowed =
            (begin + 1..end).filter(|&at| self.may_end[at] && at - begin <= side_max && end - at <= side_max);
        allowed.min_by_key(|&at| at.abs_diff(middle) + self.price(at))
    }

    /// Returns how much a reader minds a division: least after a sentence, then after a clause, then after a phrase.
    fn price(&self, at: usize) -> usize {
        let (before, after) = (self.characters[at - 1], self.characters[at]);
        let kana = |character: char| ('ぁ'..='ん').contains(&character);
        match before {
            '。' | '！' | '？' | '!' | '?' => 0,
            '、' | '，' | '：' | ' ' | '　' => 3,
            _ if kana(before) && !kana(after) => 7,
            _ => 14,
        }
    }

    fn lines(&self, begin: usize, end: usize) -> Vec<String> {
        let fold = self.fold(begin, end).unwrap_or(end);
        let line = |characters: &[char]| characters.iter().collect::<String>().trim().to_owned();
        let lines = [line(&self.characters[begin..fold]), line(&self.characters[fold..end])];
        lines.into_iter().filter(|line| !line.is_empty()).collect()
    }
}

/// Returns when each character begins, and when the last ends: by the words where the text is as it was recognised,
/// evenly where somebody changed it.
fn times(text: &str, utterance: &Utterance) -> Vec<u64> {
    let solid = |text: &str| text.chars().filter(|character| !character.is_whitespace()).collect::<String>();
    let recognised: String = utterance.words.iter().map(|word| solid(&word.text)).collect();
    let mut at_ms = Vec::new();
    if recognised == solid(text) && !recognised.is_empty() {
        let mut spoken = utterance.words.iter().flat_map(|word| {
            let count = solid(&word.text).chars().count();
            even(word.start_ms, word.end_ms, count).into_iter().take(count)
        });
        for character in text.chars() {
            let before = at_ms.last().copied().unwrap_or(utterance.start_ms);
            let now = if character.is_whitespace() { None } else { spoken.next() };
            at_ms.push(now.unwrap_or(before).max(before));
        }
        let last = utterance.words.last().map_or(utterance.end_ms, |word| word.end_ms);
        at_ms.push(last.max(at_ms.last().copied().unwrap_or(last)));
        return at_ms;
    }
    even(utterance.start_ms, utterance.end_ms, text.chars().count())
}

/// Returns `count` + 1 times from start to end, evenly apart.
fn even(start_ms: u64, end_ms: u64, count: usize) -> Vec<u64> {
    let length_ms = end_ms.saturating_sub(start_ms);
    (0..=count as u64).map(|index| start_ms + length_ms * index / (count as u64).max(1)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::minutes::export::testing;

    fn fitting(cues: &[Cue]) {
        for (index, cue) in cues.iter().enumerate() {
            assert!((1..=2).contains(&cue.lines.len()), "{cue:?}");
            assert!(cue.lines.iter().all(|line| line.chars().count() <= LINE_CHARACTERS_MAX), "{cue:?}");
            assert!((SHOWN_MS_MIN..=SHOWN_MS_MAX).contains(&(cue.end_ms - cue.start_ms)), "{cue:?}");
            if let Some(next) = cues.get(index + 1) {
                assert!(next.start_ms >= cue.end_ms + GAP_MS_MIN, "{cue:?} {next:?}");
            }
        }
    }

    #[test]
    fn a_long_utterance_is_divided_by_phrases() {
        let text = "次に、令和８年度の予算案についてご説明いたします。歳入は前年度に比べて３パーセント増えております。";
        let minutes = testing::spoken(&[(0, 9_000, text)]);
        let cues = cues(&minutes, &Options::default(), false);
        fitting(&cues);
        let lines: Vec<&str> = cues.iter().flat_map(|cue| &cue.lines).map(String::as_str).collect();
        assert_eq!(lines.concat(), text);
        assert_eq!(lines[0], "次に、令和８年度の");
    }

    #[test]
    fn short_replies_stand_long_enough_to_be_read() {
        let minutes =
            testing::spoken(&[(0, 300, "はい。"), (400, 700, "いいえ。"), (20_000, 20_300, "以上です。")]);
        let cues = cues(&minutes, &Options::default(), false);
        fitting(&cues);
        assert_eq!(cues[2].start_ms, 20_000);
    }

    #[test]
    fn marks_of_the_format_are_words_when_somebody_says_them() {
        let mut minutes = testing::spoken(&[(0, 2_000, "A<b>&--> C")]);
        minutes.speakers[0].name = "<山&田>".to_owned();
        let text = vtt(&minutes, &Options::default());
        assert!(text.contains("<v &lt;山&amp;田&gt;>A&lt;b&gt;&amp;--&gt; C\n"), "{text}");
    }

    #[test]
    fn hidden_words_are_never_shown() {
        let minutes = testing::meeting();
        for text in [srt(&minutes, &Options::default()), vtt(&minutes, &Options::default())] {
            assert!(!text.contains(testing::HIDDEN), "{text}");
        }
    }

    #[test]
    fn words_give_the_time_where_nobody_changed_the_text() {
        let minutes = testing::meeting();
        let spoken = minutes.utterances().find(|spoken| !spoken.words.is_empty()).expect("one has words");
        let at_ms = times(&spoken.text, spoken);
        assert_eq!(at_ms.len(), spoken.text.chars().count() + 1);
        assert_eq!(at_ms[0], spoken.words[0].start_ms);
        assert!(at_ms.is_sorted());
    }

    proptest! {
        #[test]
        fn captions_always_fit_and_lose_nothing(
            spoken in proptest::collection::vec((0_u64..3_000, 0_u64..25_000, "[あ-んァ-ヶ一-龠、。「」ー]{0,90}|[a-z]{1,60}"), 0..12)
        ) {
            let mut now = 0;
            let timed: Vec<(u64, u64, &str)> = spoken
                .iter()
                .map(|(gap, length, text)| {
                    let start = now + gap;
                    now = start + length;
                    (start, now, text.as_str())
                })
                .collect();
            let minutes = testing::spoken(&timed);
            let cues = cues(&minutes, &Options::default(), false);
            fitting(&cues);
            let shown: String = cues.iter().flat_map(|cue| cue.lines.clone()).collect();
            prop_assert_eq!(shown, spoken.iter().map(|(_, _, text)| text.as_str()).collect::<String>());
        }
    }
}
