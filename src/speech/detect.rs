//! Signs that a recogniser wrote what nobody said, and the repair of loops. All pure; nothing is dropped here.

use serde::{Deserialize, Serialize};

/// Longest repeated unit looked for, characters: covers phrases, and a name read twelve times stays a name.
const LOOP_UNIT_CHARS_MAX: usize = 20;
/// Repetitions that make a loop; はいはいはい is one short of it.
const LOOP_REPEATS_MIN: usize = 4;
/// A repeated single character is a loop only when longer than any drawn-out sound of speech.
const LOOP_SINGLE_REPEATS_MIN: usize = 8;
/// Mean log-probability below which text is doubted. Source: Whisper's own default.
const MEAN_LOG_PROB_MIN: f32 = -1.0;
/// Fastest speech believed, characters a second. Source: 12 is above any measured speaker of Japanese.
const CHARS_PER_SECOND_MAX: f64 = 12.0;
/// Slowest text believed over at least [`SPEED_MS_MIN`] of speech, characters a second.
const CHARS_PER_SECOND_MIN: f64 = 0.5;
/// Shorter speech says nothing about speed.
const SPEED_MS_MIN: u64 = 2_000;
/// A result this long was cut off by the decoder. Source: whisper.cpp stops at 220 tokens.
const TOKENS_SUSPECT: usize = 215;
/// Less speech than this share of a segment is evidence of silence.
const SPEECH_SHARE_MIN: f64 = 0.5;
/// Mean probability of speech below which the detector itself was unsure.
const SPEECH_PROBABILITY_MIN: f32 = 0.6;

/// Sentences Whisper learnt from subtitles and writes over silence or music.
///
/// ご清聴ありがとうございました and はい are not here: they are really said in meetings.
const SUBTITLE_PHRASES: [&str; 12] = [
    "ご視聴ありがとうございました",
    "ご視聴ありがとうございます",
    "最後までご視聴いただきありがとうございます",
    "最後までご視聴いただきありがとうございました",
    "チャンネル登録をお願いいたします",
    "チャンネル登録お願いします",
    "チャンネル登録よろしくお願いします",
    "次の動画でお会いしましょう",
    "また次の動画でお会いしましょう",
    "おやすみなさい",
    "字幕視聴ありがとうございました",
    "字幕by",
];

/// Why a segment needs a second look; stable words of the transcript format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// The same words again and again; the text was collapsed to one of them.
    Loop,
    /// The model itself was unsure.
    LowConfidence,
    /// More or fewer characters than a person can speak in that time.
    Speed,
    /// The model wrote until it was stopped: the end may be missing.
    CutOff,
    /// The speech detector heard (almost) nothing there.
    Silence,
    /// A sentence known from subtitles, not from meetings.
    SubtitlePhrase,
}

/// What is known about a text besides the text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Milliseconds from start to end.
    pub span_ms: u64,
    /// Milliseconds of it in which the detector heard speech.
    pub speech_ms: u64,
    /// Mean probability of speech of the window, 0 to 1.
    pub speech_probability: f32,
    /// Mean natural logarithm of the tokens' probabilities.
    pub mean_log_prob: f32,
    /// Tokens the model wrote in the same window.
    pub window_tokens: usize,
}

/// Returns every reason to doubt `text`, in a fixed order, each once.
pub fn suspicions(text: &str, evidence: &Evidence) -> Vec<Suspicion> {
    let phrase = is_subtitle_phrase(text);
    let checks = [
        (Suspicion::Loop, collapse_loops(text).is_some()),
        (Suspicion::LowConfidence, evidence.mean_log_prob < MEAN_LOG_PROB_MIN),
        (Suspicion::Speed, is_impossible_speed(text, evidence.speech_ms)),
        (Suspicion::CutOff, evidence.window_tokens >= TOKENS_SUSPECT),
        (Suspicion::Silence, is_silence(evidence)),
        (Suspicion::SubtitlePhrase, phrase),
    ];
    checks.into_iter().filter_map(|(suspicion, fires)| fires.then_some(suspicion)).collect()
}

/// Tells whether the text is to be hidden: it was written over silence, or two signs say it is a subtitle.
///
/// A known phrase alone never suffices: somebody may have said it.
pub fn is_invented(suspicions: &[Suspicion]) -> bool {
    let has = |suspicion| suspicions.contains(&suspicion);
    let doubt = has(Suspicion::Silence) || has(Suspicion::LowConfidence) || has(Suspicion::Speed);
    (has(Suspicion::SubtitlePhrase) && doubt)
        || (has(Suspicion::Silence) && (has(Suspicion::LowConfidence) || has(Suspicion::Loop)))
}

/// Replaces each unit of at most 20 characters that stands four or more times in a row by one of it.
///
/// Returns `None` if there is no such loop. A single character counts from eight on.
pub fn collapse_loops(text: &str) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut kept = String::with_capacity(text.len());
    let mut index = 0;
    let mut found = false;
    while index < chars.len() {
        match loop_at(&chars[index..]) {
            Some((unit, repeats)) => {
                kept.extend(&chars[index..index + unit]);
                index += unit * repeats;
                found = true;
            }
            None => {
                kept.push(chars[index]);
                index += 1;
            }
        }
    }
    found.then_some(kept)
}

/// Returns the shortest unit that repeats from the first character on, and how often it stands there.
fn loop_at(chars: &[char]) -> Option<(usize, usize)> {
    (1..=LOOP_UNIT_CHARS_MAX.min(chars.len() / LOOP_REPEATS_MIN)).find_map(|unit| {
        let repeats = chars.chunks_exact(unit).take_while(|chunk| *chunk == &chars[..unit]).count();
        let needed = if unit == 1 { LOOP_SINGLE_REPEATS_MIN } else { LOOP_REPEATS_MIN };
        // Digits repeat in honest numbers: 10000000.
        let number = chars[..unit].iter().all(|c| c.is_numeric());
        (repeats >= needed && !number).then_some((unit, repeats))
    })
}

/// Tells whether nobody can speak a text in so much speech; of short speech that is not said.
pub fn is_impossible_speed(text: &str, speech_ms: u64) -> bool {
    if speech_ms < SPEED_MS_MIN {
        return false;
    }
    let chars = text.chars().filter(|c| !is_punctuation(*c)).count();
    let per_second = chars as f64 * 1000.0 / speech_ms as f64;
    !(CHARS_PER_SECOND_MIN..=CHARS_PER_SECOND_MAX).contains(&per_second)
}

fn is_silence(evidence: &Evidence) -> bool {
    let share = evidence.speech_ms as f64 / evidence.span_ms.max(1) as f64;
    share < SPEECH_SHARE_MIN || evidence.speech_probability < SPEECH_PROBABILITY_MIN
}

fn is_subtitle_phrase(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !is_punctuation(*c) && !c.is_whitespace()).collect();
    SUBTITLE_PHRASES.iter().any(|phrase| bare == *phrase)
}

/// Tells whether a character is written but not spoken.
pub fn is_punctuation(c: char) -> bool {
    matches!(
        c,
        '。' | '、'
            | '！'
            | '？'
            | '!'
            | '?'
            | '.'
            | ','
            | '，'
            | '．'
            | '・'
            | '…'
            | '「'
            | '」'
            | '『'
            | '』'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAR: Evidence = Evidence {
        span_ms: 3_000,
        speech_ms: 2_800,
        speech_probability: 0.95,
        mean_log_prob: -0.2,
        window_tokens: 40,
    };

    #[test]
    fn a_clear_sentence_is_not_doubted() {
        assert_eq!(suspicions("それでは会議を始めます。", &CLEAR), []);
    }

    #[test]
    fn a_loop_is_collapsed_to_one_of_its_units() {
        let text = "次に、".to_string() + &"予算について".repeat(9) + "です";
        assert_eq!(collapse_loops(&text).as_deref(), Some("次に、予算についてです"));
        assert_eq!(suspicions(&text, &Evidence { speech_ms: 9_000, ..CLEAR }), [Suspicion::Loop]);
    }

    #[test]
    fn three_times_yes_is_no_loop() {
        assert_eq!(collapse_loops("はいはいはい"), None);
    }

    #[test]
    fn a_drawn_out_sound_and_a_long_number_are_no_loops() {
        assert_eq!(collapse_loops("えーーーーと100000000円"), None);
    }

    #[test]
    fn impossible_speed_is_doubted_in_both_directions() {
        assert_eq!(
            suspicions(&"あいうえおかきくけこ".repeat(5), &CLEAR),
            [Suspicion::Loop, Suspicion::Speed]
        );
        assert_eq!(
            suspicions("あ", &Evidence { speech_ms: 8_000, span_ms: 8_000, ..CLEAR }),
            [Suspicion::Speed]
        );
    }

    #[test]
    fn a_subtitle_phrase_in_clear_speech_is_flagged_but_kept() {
        let found = suspicions("ご視聴ありがとうございました。", &CLEAR);
        assert_eq!(found, [Suspicion::SubtitlePhrase]);
        assert!(!is_invented(&found));
    }

    #[test]
    fn a_subtitle_phrase_over_silence_is_invented() {
        let found = suspicions("ご視聴ありがとうございました", &Evidence { speech_ms: 300, ..CLEAR });
        assert!(is_invented(&found));
    }

    #[test]
    fn thanks_for_listening_is_never_a_subtitle() {
        let found = suspicions("ご清聴ありがとうございました", &Evidence { speech_ms: 300, ..CLEAR });
        assert!(!found.contains(&Suspicion::SubtitlePhrase));
        assert!(!is_invented(&found));
    }
}
