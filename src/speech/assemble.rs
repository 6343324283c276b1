//! Tokens of a recogniser become segments of timed words.
//!
//! Whisper's timestamps are coarse and lie near silence, so they are held against the speech detector: a segment
//! begins and ends where somebody speaks, and its characters are laid over speech only. Pauses of the speaker and
//! punctuation of the text are matched, because both stand at the same places.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::detect::{Evidence, Suspicion, collapse_loops, is_punctuation, suspicions};
use super::transcript::{Segment, Word};
use super::window::Window;
use super::{Piece, Recognition};
use crate::audio::{MediaSpan, MediaTime};

/// A pause and a punctuation mark further apart than this are not the same, milliseconds.
const ANCHOR_MS_MAX: u64 = 1_000;
/// A segment whose timestamps miss all speech is moved to speech at most this far away, milliseconds.
const STRAY_MS_MAX: u64 = 400;

/// A segment with the reasons to doubt it.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The segment; its flags are still empty.
    pub segment: Segment,
    /// The text as the recogniser wrote it, loops included.
    pub raw_text: String,
    /// Every reason to look at it again.
    pub suspicions: Vec<Suspicion>,
}

/// Turns what was recognised in a window into segments, in the order of time.
pub fn assemble(window: &Window, recognition: &Recognition) -> Vec<Draft> {
    let tokens = recognition.tokens_per_pass();
    let drafts = recognition.pieces.iter().filter_map(|piece| draft(window, piece, tokens));
    in_order(drafts.collect())
}

/// Returns the mean natural logarithm of all tokens' probabilities; 0 for no tokens.
pub fn mean_log_prob(pieces: &[Piece]) -> f32 {
    let (sum, count) = pieces
        .iter()
        .flat_map(|piece| &piece.tokens)
        .fold((0.0, 0), |(s, n), token| (s + token.log_prob, n + 1));
    if count == 0 { 0.0 } else { sum / count as f32 }
}

fn draft(window: &Window, piece: &Piece, window_tokens: usize) -> Option<Draft> {
    let spelled = Spelled::of(piece);
    if spelled.chars.iter().all(|(c, _)| c.is_whitespace() || is_punctuation(*c)) {
        return None;
    }
    let raw_text: String = spelled.chars.iter().map(|(c, _)| *c).collect();
    let claimed = MediaSpan::new(
        window.span.start().plus_ms(piece.start_ms).min(window.span.end()),
        window.span.start().plus_ms(piece.end_ms).min(window.span.end()),
    );
    let speech = speech_within(claimed, &window.speech);
    let mean_log_prob = mean_log_prob(std::slice::from_ref(piece));
    let evidence = Evidence {
        span_ms: claimed.len_ms().max(1),
        speech_ms: window.speech.iter().map(|span| span.overlap_ms(claimed)).sum(),
        speech_probability: window.speech_probability,
        mean_log_prob,
        window_tokens,
    };
    let suspicions = suspicions(&raw_text, &evidence);
    let spelled = spelled.without_loops(mean_log_prob);
    let words = words(&spelled, &lay_out(&spelled.chars, &speech));
    Some(Draft { segment: segment(words, mean_log_prob), raw_text, suspicions })
}

fn segment(words: Vec<Word>, mean_log_prob: f32) -> Segment {
    let text = words.iter().map(|word| word.text.as_str()).collect::<String>().trim_end().to_owned();
    Segment {
        start_ms: words.first().map_or(0, |word| word.start_ms),
        end_ms: words.last().map_or(0, |word| word.end_ms),
        text,
        confidence: confidence(mean_log_prob),
        speaker: None,
        flags: Vec::new(),
        words,
    }
}

fn confidence(log_prob: f32) -> f32 {
    let rounded = (log_prob.exp() * 1000.0).round() / 1000.0;
    rounded.clamp(0.0, 1.0)
}

/// Characters of a piece, each with the log-probability of the token that completed it.
struct Spelled {
    chars: Vec<(char, f32)>,
}

impl Spelled {
    /// Joins the bytes of all tokens before decoding: a character may be spread over several tokens.
    ///
    /// Bytes that are no UTF-8 even then are left out: they are halves of characters at a cut.
    fn of(piece: &Piece) -> Self {
        let bytes: Vec<u8> = piece.tokens.iter().flat_map(|token| token.bytes.iter().copied()).collect();
        let owners: Vec<f32> = piece
            .tokens
            .iter()
            .flat_map(|token| std::iter::repeat_n(token.log_prob, token.bytes.len()))
            .collect();
        let mut chars = Vec::new();
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            for (index, c) in chunk.valid().char_indices() {
                chars.push((c, owners[at + index + c.len_utf8() - 1]));
            }
            at += chunk.valid().len() + chunk.invalid().len();
        }
        let leading = chars.iter().take_while(|(c, _)| c.is_whitespace()).count();
        Self { chars: chars.split_off(leading) }.composed()
    }

    /// Brings the text to NFC; a recogniser hardly ever writes anything else.
    fn composed(self) -> Self {
        let text: String = self.chars.iter().map(|(c, _)| *c).collect();
        if is_nfc(&text) {
            return self;
        }
        let mean = self.chars.iter().map(|(_, log_prob)| log_prob).sum::<f32>() / self.chars.len() as f32;
        Self { chars: text.nfc().map(|c| (c, mean)).collect() }
    }

    fn without_loops(self, mean_log_prob: f32) -> Self {
        let text: String = self.chars.iter().map(|(c, _)| *c).collect();
        match collapse_loops(&text) {
            Some(once) => Self { chars: once.chars().map(|c| (c, mean_log_prob)).collect() },
            None => self,
        }
    }
}

/// Returns the speech inside the claimed span; speech close by if there is none; else the claimed span itself.
fn speech_within(claimed: MediaSpan, voiced: &[MediaSpan]) -> Vec<MediaSpan> {
    let inside = |span: MediaSpan| -> Vec<MediaSpan> {
        let cut = |v: &MediaSpan| MediaSpan::new(v.start().max(span.start()), v.end().min(span.end()));
        voiced.iter().filter(|v| v.overlap_ms(span) > 0).map(cut).collect()
    };
    let speech = inside(claimed);
    if !speech.is_empty() {
        return speech;
    }
    let wide = MediaSpan::new(claimed.start().minus_ms(STRAY_MS_MAX), claimed.end().plus_ms(STRAY_MS_MAX));
    let near = inside(wide);
    if near.is_empty() { vec![claimed] } else { near }
}

/// Gives each character its share of the speech, in proportion to how long it takes to say.
///
/// Shape: one span a character, in order, inside the first and last instant of `speech`.
fn lay_out(chars: &[(char, f32)], speech: &[MediaSpan]) -> Vec<MediaSpan> {
    let mut ends = Vec::with_capacity(chars.len() + 1);
    let mut sum = 0.0;
    ends.push(0.0);
    for (c, _) in chars {
        sum += spoken_length(*c);
        ends.push(sum);
    }
    let knots = knots(chars, &ends, speech);
    let place = |weight: f64| time_at(speech, interpolate(&knots, weight));
    // A word begins with the speech behind a pause and ends with the speech before it.
    let start = |index: usize| place(ends[index]).1;
    let end = |index: usize| place(ends[index + 1]).0;
    (0..chars.len()).map(|index| MediaSpan::new(start(index), end(index).max(start(index)))).collect()
}

/// Pairs of (spoken length so far, speech so far in milliseconds): the ends, and each pause matched to punctuation.
fn knots(chars: &[(char, f32)], ends: &[f64], speech: &[MediaSpan]) -> Vec<(f64, f64)> {
    let total_ms: u64 = speech.iter().map(|span| span.len_ms()).sum();
    let whole = ends[chars.len()].max(f64::MIN_POSITIVE);
    let mut knots = vec![(0.0, 0.0)];
    let mut taken = 0;
    let mut before_pause = 0;
    for span in &speech[..speech.len() - 1] {
        before_pause += span.len_ms();
        let distance = |index: usize| (ends[index] / whole * total_ms as f64 - before_pause as f64).abs();
        let nearest = (taken + 1..chars.len())
            .filter(|index| is_punctuation(chars[index - 1].0) && !is_punctuation(chars[*index].0))
            .min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
        if let Some(index) = nearest.filter(|index| distance(*index) <= ANCHOR_MS_MAX as f64) {
            knots.push((ends[index], before_pause as f64));
            taken = index;
        }
    }
    knots.push((whole, total_ms as f64));
    knots
}

fn interpolate(knots: &[(f64, f64)], weight: f64) -> f64 {
    let right = knots.partition_point(|knot| knot.0 < weight).clamp(1, knots.len() - 1);
    let ((x0, y0), (x1, y1)) = (knots[right - 1], knots[right]);
    let share = if x1 > x0 { (weight - x0) / (x1 - x0) } else { 0.0 };
    y0 + share.clamp(0.0, 1.0) * (y1 - y0)
}

/// Returns when `ms` of speech have passed: as the end of what was before, and as the start of what comes next.
///
/// Both differ only exactly at a pause.
fn time_at(speech: &[MediaSpan], ms: f64) -> (MediaTime, MediaTime) {
    let mut left = ms.round() as u64;
    for (index, span) in speech.iter().enumerate() {
        if left < span.len_ms() {
            let time = span.start().plus_ms(left);
            return (time, time);
        }
        if left == span.len_ms() {
            let next = speech.get(index + 1).map_or(span.end(), |next| next.start());
            return (span.end(), next);
        }
        left -= span.len_ms();
    }
    let end = speech.last().map_or(MediaTime::ZERO, |span| span.end());
    (end, end)
}

/// How long a character takes to say, in morae. Start values; a kanji is read with 1.8 morae on average.
fn spoken_length(c: char) -> f64 {
    match Script::of(c) {
        Script::Silent => 0.0,
        Script::Hiragana | Script::Katakana if "ゃゅょャュョぁぃぅぇぉァィゥェォ".contains(c) => {
            0.2
        }
        Script::Hiragana | Script::Katakana => 1.0,
        Script::Kanji => 1.8,
        Script::Alphanumeric if c.is_numeric() => 1.8,
        Script::Alphanumeric if c.is_uppercase() => 2.0,
        Script::Alphanumeric => 0.6,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Silent,
    Hiragana,
    Katakana,
    Kanji,
    Alphanumeric,
}

impl Script {
    fn of(c: char) -> Self {
        match c {
            _ if is_punctuation(c) || c.is_whitespace() => Self::Silent,
            '\u{3041}'..='\u{309f}' => Self::Hiragana,
            '\u{30a0}'..='\u{30ff}' | '\u{ff66}'..='\u{ff9f}' => Self::Katakana,
            '々' | '〆' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => {
                Self::Kanji
            }
            _ => Self::Alphanumeric,
        }
    }

    /// Tells whether a character of this script goes on with the word that ends in `before`.
    ///
    /// Japanese writes no spaces; a new word shows as a new script, but endings and particles (hiragana) belong to
    /// what they follow, and a counter (kanji) to its number.
    fn continues(self, before: Self) -> bool {
        match (before, self) {
            (_, Self::Silent) => true,
            (Self::Silent, _) => false,
            (Self::Kanji | Self::Katakana | Self::Alphanumeric, Self::Hiragana) => true,
            (Self::Alphanumeric, Self::Kanji) => true,
            (before, now) => before == now,
        }
    }
}

fn words(spelled: &Spelled, spans: &[MediaSpan]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut log_probs: Vec<f32> = Vec::new();
    let mut before = Script::Silent;
    for ((c, log_prob), span) in spelled.chars.iter().zip(spans) {
        let script = Script::of(*c);
        let word = match words.last_mut() {
            Some(word) if script.continues(before) && !c.is_whitespace() => word,
            _ => {
                log_probs.clear();
                words.push(Word {
                    start_ms: span.start().ms(),
                    end_ms: span.end().ms(),
                    text: String::new(),
                    confidence: 0.0,
                });
                words.last_mut().expect("a word was just pushed")
            }
        };
        word.text.push(*c);
        word.end_ms = word.end_ms.max(span.end().ms());
        log_probs.push(*log_prob);
        word.confidence = confidence(log_probs.iter().sum::<f32>() / log_probs.len() as f32);
        // A blank begins a word and is part of it, so that the words joined are the text.
        before = if c.is_whitespace() { Script::Alphanumeric } else { script };
    }
    words
}

/// Whisper may let a segment begin before the one before it ended: starts only grow.
fn in_order(mut drafts: Vec<Draft>) -> Vec<Draft> {
    let mut earliest = 0;
    for draft in &mut drafts {
        let segment = &mut draft.segment;
        segment.start_ms = segment.start_ms.max(earliest);
        segment.end_ms = segment.end_ms.max(segment.start_ms);
        for word in &mut segment.words {
            word.start_ms = word.start_ms.clamp(segment.start_ms, segment.end_ms);
            word.end_ms = word.end_ms.clamp(word.start_ms, segment.end_ms);
        }
        earliest = segment.start_ms;
    }
    drafts
}

#[cfg(test)]
mod tests {
    use super::super::Token;
    use super::*;

    fn window(speech: &[(u64, u64)]) -> Window {
        let speech: Vec<MediaSpan> = speech.iter().map(|(a, b)| MediaSpan::from_ms(*a, *b)).collect();
        let span = MediaSpan::new(speech[0].start(), speech[speech.len() - 1].end());
        Window { span, samples: Vec::new(), speech, speech_probability: 0.9, overlaps_previous: false }
    }

    fn token(text: &str) -> Token {
        Token { id: 1, bytes: text.as_bytes().to_vec(), log_prob: -0.1 }
    }

    fn heard(pieces: &[(u64, u64, &str)]) -> Recognition {
        let piece = |(start_ms, end_ms, text): &(u64, u64, &str)| Piece {
            start_ms: *start_ms,
            end_ms: *end_ms,
            tokens: vec![token(text)],
        };
        Recognition { language: "ja".into(), pieces: pieces.iter().map(piece).collect(), passes: 1 }
    }

    fn word_texts(draft: &Draft) -> Vec<&str> {
        draft.segment.words.iter().map(|word| word.text.as_str()).collect()
    }

    #[test]
    fn words_are_cut_where_the_script_changes_and_join_to_the_text() {
        let drafts =
            assemble(&window(&[(0, 4_000)]), &heard(&[(0, 4_000, "第3回の会議をエクセルで始めます。")]));
        assert_eq!(word_texts(&drafts[0]), ["第", "3回の", "会議を", "エクセルで", "始めます。"]);
        assert_eq!(drafts[0].segment.text, "第3回の会議をエクセルで始めます。");
    }

    #[test]
    fn english_words_keep_their_blank() {
        let drafts = assemble(&window(&[(0, 2_000)]), &heard(&[(0, 2_000, " Good morning all")]));
        assert_eq!(word_texts(&drafts[0]), ["Good", " morning", " all"]);
    }

    #[test]
    fn a_character_spread_over_tokens_is_whole() {
        let bytes = "鷗外".as_bytes();
        let tokens = vec![
            Token { bytes: bytes[..2].to_vec(), ..token("") },
            Token { bytes: bytes[2..].to_vec(), ..token("") },
        ];
        let piece = Piece { start_ms: 0, end_ms: 1_000, tokens };
        let recognition = Recognition { language: "ja".into(), pieces: vec![piece], passes: 1 };
        assert_eq!(assemble(&window(&[(0, 1_000)]), &recognition)[0].segment.text, "鷗外");
    }

    #[test]
    fn a_segment_begins_where_speech_begins_not_where_whisper_says() {
        let window = Window { span: MediaSpan::from_ms(10_000, 14_000), ..window(&[(10_200, 13_800)]) };
        let drafts = assemble(&window, &heard(&[(0, 4_000, "はい、そうです。")]));
        assert_eq!(drafts[0].segment.start_ms, 10_200);
        assert_eq!(drafts[0].segment.end_ms, 13_800);
    }

    #[test]
    fn the_word_after_a_full_stop_begins_after_the_pause() {
        let speech = [(0, 2_000), (3_000, 6_000)];
        let text = "ありがとうございます。何か質問はありますか。";
        let drafts = assemble(&window(&speech), &heard(&[(0, 6_000, text)]));
        let word =
            drafts[0].segment.words.iter().find(|word| word.text.starts_with('何')).expect("it was said");
        assert_eq!(word.start_ms, 3_000);
    }

    #[test]
    fn words_stay_inside_their_segment_and_in_order() {
        let speech = [(0, 900), (1_300, 2_000), (2_600, 6_000)];
        let drafts = assemble(
            &window(&speech),
            &heard(&[(0, 2_500, "はい。では次に。"), (2_400, 6_000, "予算です。")]),
        );
        let times: Vec<u64> = drafts
            .iter()
            .flat_map(|draft| draft.segment.words.iter().flat_map(|word| [word.start_ms, word.end_ms]))
            .collect();
        assert!(times.is_sorted(), "{times:?}");
    }

    #[test]
    fn a_loop_is_collapsed_and_its_raw_text_kept() {
        let text = "それで".repeat(30);
        let drafts = assemble(&window(&[(0, 9_000)]), &heard(&[(0, 9_000, &text)]));
        assert_eq!(drafts[0].segment.text, "それで");
        assert_eq!(drafts[0].raw_text, text);
        assert!(drafts[0].suspicions.contains(&Suspicion::Loop));
    }

    #[test]
    fn a_piece_of_punctuation_only_is_no_segment() {
        assert!(assemble(&window(&[(0, 1_000)]), &heard(&[(0, 1_000, " 。")])).is_empty());
    }
}
