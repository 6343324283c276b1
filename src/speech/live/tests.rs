//! Rooms in virtual time. Speech is a row of beeps of 100 ms, one loudness a character, so that a scripted recogniser can
//! read any sound it is asked about, and errs only where a sound begins or ends inside a character.

use std::collections::VecDeque;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::audio::vad::testing::loudness_net;
use crate::speech::{Backend, Piece, Token};

static NET: LazyLock<Arc<Silero>> = LazyLock::new(|| Arc::new(loudness_net()));

/// Samples of a character.
const BEEP: usize = 1_600;
/// What can be said: in this order, over and over, so that no text is alike at a seam by chance.
const KANA: &str = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわ";

/// Speaks runs of `(characters, silent milliseconds)`.
fn speak(runs: &[(usize, usize)]) -> (Vec<f32>, String) {
    let kana: Vec<char> = KANA.chars().collect();
    let (mut sound, mut text) = (vec![0.0; 8_000], String::new());
    for (count, silent_ms) in runs {
        for _ in 0..*count {
            let said = text.chars().count() % kana.len();
            text.push(kana[said]);
            let loud = 0.2 + 0.01 * said as f32;
            sound.extend((0..BEEP).map(|index| if index / 8 % 2 == 0 { loud } else { -loud }));
        }
        sound.extend(vec![0.0; silent_ms * 16]);
        // Characters stay on the grid, so that the recogniser finds them.
        sound.resize(sound.len().next_multiple_of(BEEP), 0.0);
    }
    (sound, text)
}

/// Reads the characters of which at least half is in the sound, as one token numbered by how many they are.
fn read(ask: &Ask) -> Recognition {
    let kana: Vec<char> = KANA.chars().collect();
    let begin = ask.span.start().sample() as usize;
    let mut text = String::new();
    let mut at = 0;
    while at < ask.request.samples.len() {
        let end = ((begin + at) / BEEP + 1) * BEEP - begin;
        let part = &ask.request.samples[at..end.min(ask.request.samples.len())];
        let loud = part.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
        if loud > 0.1 && part.len() * 2 >= BEEP {
            text.push(kana[((loud - 0.2) * 100.0).round() as usize]);
        }
        at = end;
    }
    let end_ms = ask.span.len_ms();
    let id = text.chars().count() as u32;
    let tokens = vec![Token { id, bytes: text.into_bytes(), log_prob: -0.1 }];
    Recognition { language: "ja".into(), pieces: vec![Piece { start_ms: 0, end_ms, tokens }], passes: 1 }
}

fn settings() -> LiveSettings {
    LiveSettings::of(Backend::Native, Language::Ja)
}

/// What becomes of a question: an answer after so many milliseconds.
type Reply = (u64, Result<Recognition, Trouble>);

/// Plays sound into a session in real virtual time and returns what it told.
struct Play<A: FnMut(&Ask) -> Reply> {
    session: Session,
    answer: A,
    coming: VecDeque<(u64, AskId, Result<Recognition, Trouble>)>,
    told: Vec<(u64, Output)>,
    asked: Vec<Ask>,
    cancelled: Vec<AskId>,
}

impl<A: FnMut(&Ask) -> Reply> Play<A> {
    fn new(answer: A) -> Self {
        let session = Session::new(Arc::clone(&NET), settings(), Start::default());
        let (coming, told, asked, cancelled) = (VecDeque::new(), Vec::new(), Vec::new(), Vec::new());
        Self { session, answer, coming, told, asked, cancelled }
    }

    fn drain(&mut self, now_ms: u64) {
        while let Some(output) = self.session.poll(Mono::from_ms(now_ms)) {
            match output {
                Output::Recognise(ask) => {
                    let (delay_ms, answer) = (self.answer)(&ask);
                    self.coming.push_back((now_ms + delay_ms, ask.id, answer));
                    self.asked.push(ask);
                    self.deliver(now_ms);
                }
                Output::Cancel(id) => self.cancelled.push(id),
                shown @ (Output::Caption(_) | Output::Degraded(_) | Output::Lag { .. }) => {
                    self.told.push((now_ms, shown));
                }
            }
        }
    }

    /// Hands over the answers that have come by now.
    fn deliver(&mut self, now_ms: u64) {
        self.coming.make_contiguous().sort_by_key(|(at, _, _)| *at);
        while let Some((_, id, answer)) = self.coming.pop_front_if(|(at, _, _)| *at <= now_ms) {
            self.session.answered(id, answer, Mono::from_ms(now_ms));
        }
    }

    /// Pushes sound in pieces of these lengths, each when its last sample has been spoken, then waits for everything.
    fn run(mut self, sound: &[f32], pieces: impl Iterator<Item = usize>) -> Self {
        let mut at = 0;
        for piece in pieces {
            let end = (at + piece).min(sound.len());
            let now_ms = end as u64 / 16;
            self.deliver(now_ms);
            self.drain(now_ms);
            at += self.session.push(&sound[at..end], Mono::from_ms(now_ms));
            self.drain(now_ms);
            if at == sound.len() {
                break;
            }
        }
        self.session.end();
        let begin_ms = sound.len() as u64 / 16;
        // An engine that is away sixty times, each answer four seconds late, is waited for.
        for now_ms in (begin_ms..begin_ms + 600_000).step_by(50) {
            self.deliver(now_ms);
            self.drain(now_ms);
            if self.session.is_over() {
                return self;
            }
        }
        panic!("the session does not end");
    }

    fn events(&self) -> Vec<&CaptionEvent> {
        self.told.iter().filter_map(|(_, output)| output.caption()).collect()
    }

    fn finals(&self) -> Vec<&Final> {
        self.events().into_iter().filter_map(CaptionEvent::as_final).collect()
    }

    fn text(&self) -> String {
        self.finals().iter().map(|told| told.text()).collect()
    }
}

/// An answer at once.
fn at_once(ask: &Ask) -> Reply {
    (0, Ok(read(ask)))
}

fn frames() -> impl Iterator<Item = usize> {
    std::iter::repeat(512)
}

#[test]
fn what_was_said_is_told_once_and_in_order() {
    let (sound, text) = speak(&[(12, 1_300), (30, 1_200), (3, 2_000), (25, 700)]);
    let play = Play::new(at_once).run(&sound, frames());
    assert_eq!(play.text(), text);
    let ids: Vec<u64> = play.finals().iter().map(|told| told.utterance.0).collect();
    assert_eq!(ids, [0, 1, 2, 3]);
    let first = play.finals()[0];
    assert!((200..=500).contains(&first.start_ms) && (1_700..=2_000).contains(&first.end_ms), "{first:?}");
}

#[test]
fn a_sentence_is_final_within_a_second_of_its_end_and_shown_within_a_second_of_its_onset() {
    let (sound, _) = speak(&[(30, 3_000)]);
    let play = Play::new(at_once).run(&sound, frames());
    let shown_ms = play.told.first().map_or(0, |(at, _)| *at);
    assert!(shown_ms < 500 + 1_000, "{shown_ms}");
    let final_ms = play.told.last().map_or(0, |(at, _)| *at);
    assert!((3_500 + 400..3_500 + 850).contains(&final_ms), "{final_ms}");
}

#[test]
fn a_monologue_is_cut_and_its_seams_have_no_character_twice_and_none_missing() {
    let (sound, text) = speak(&[(700, 1_000)]);
    let play = Play::new(at_once).run(&sound, frames());
    assert_eq!(play.text(), text);
    let longest = play.finals().iter().map(|told| told.end_ms - told.start_ms).max();
    assert!(longest <= Some(12_000), "{longest:?}");
    assert!(play.asked.iter().all(|ask| ask.span.len_ms() <= 12_032));
}

#[test]
fn a_pause_inside_a_sentence_costs_one_cancelled_guess_and_no_text() {
    let (sound, text) = speak(&[(20, 300), (20, 2_000)]);
    let play = Play::new(|ask| (1_000, Ok(read(ask)))).run(&sound, frames());
    assert_eq!(play.text(), text);
    assert_eq!(play.finals().len(), 1);
    assert!(!play.cancelled.is_empty());
}

#[test]
fn a_guess_that_heard_everything_becomes_the_final_and_is_not_asked_again() {
    let (sound, _) = speak(&[(20, 2_000)]);
    let play = Play::new(|ask| (400, Ok(read(ask)))).run(&sound, frames());
    let finals = play.asked.iter().filter(|ask| ask.urgency() == Urgency::Final).count();
    assert_eq!((finals, play.finals().len()), (1, 1));
}

/// Returns what each utterance was asked with.
fn hints<A: FnMut(&Ask) -> Reply>(play: &Play<A>, second_ms: u64) -> [Vec<&[u32]>; 2] {
    let (first, second): (Vec<&Ask>, Vec<&Ask>) =
        play.asked.iter().partition(|ask| ask.span.start().ms() < second_ms);
    [first, second].map(|asks| asks.into_iter().map(|ask| ask.request.prompt.as_slice()).collect())
}

#[test]
fn what_was_said_last_is_told_to_the_recogniser_with_every_question_that_follows() {
    let (sound, _) = speak(&[(20, 2_000), (30, 2_000)]);
    let play = Play::new(at_once).run(&sound, frames());
    let [first, second] = hints(&play, 3_000);
    assert!(first.iter().all(|prompt| prompt.is_empty()), "{first:?}");
    assert!(second.len() > 2 && second.iter().all(|prompt| *prompt == [20]), "{second:?}");
}

#[test]
fn a_doubtful_text_is_asked_again_without_a_hint_and_is_none_itself() {
    let (sound, text) = speak(&[(20, 2_000), (30, 2_000), (15, 1_000)]);
    let mumbles = |ask: &Ask| {
        let mut heard = read(ask);
        if (3_000..6_000).contains(&ask.span.start().ms()) {
            heard.pieces[0].tokens[0].log_prob = -3.0;
        }
        (0, Ok(heard))
    };
    let play = Play::new(mumbles).run(&sound, frames());
    let [_, mut second] = hints(&play, 3_000);
    let again = second.iter().position(|prompt| prompt.is_empty()).expect("it is asked again");
    let third = second.split_off(again);
    assert!(second.iter().all(|prompt| *prompt == [20]), "{second:?}");
    assert!(third.len() > 2 && third.iter().all(|prompt| prompt.is_empty()), "{third:?}");
    assert_eq!(play.text(), text);
}

#[test]
fn a_recogniser_that_fails_leaves_a_gap_that_says_where() {
    let (sound, _) = speak(&[(20, 2_000), (10, 1_000)]);
    let fails = |ask: &Ask| match ask.urgency() {
        Urgency::Final if ask.span.start().ms() < 2_000 => (100, Err(Trouble::Failed)),
        Urgency::Final | Urgency::Partial | Urgency::Batch => at_once(ask),
    };
    let play = Play::new(fails).run(&sound, frames());
    let gap = play.finals()[0].gap.clone().expect("nothing was recognised");
    assert!(gap.start_ms < 600 && gap.end_ms > 2_400, "{gap:?}");
    assert!(play.finals()[1].gap.is_none());
}

#[test]
fn an_engine_that_is_away_costs_time_and_no_text_and_says_by_how_much_captions_are_behind() {
    let (sound, text) = speak(&[(20, 2_000), (10, 1_000), (30, 1_000)]);
    let mut asked = 0;
    let play = Play::new(|ask| {
        asked += 1;
        if asked < 12 { (0, Err(Trouble::Away)) } else { at_once(ask) }
    })
    .run(&sound, frames());
    assert_eq!(play.text(), text);
    let lags: Vec<u64> = play
        .told
        .iter()
        .filter_map(|(_, output)| if let Output::Lag { ms } = output { Some(*ms) } else { None })
        .collect();
    assert!(lags.iter().any(|ms| *ms >= 3_000) && lags.last() == Some(&0), "{lags:?}");
}

#[test]
fn a_knock_is_not_told() {
    let mut sound = vec![0.0; 8_000];
    sound.extend((0..1_100).map(|index| if index / 8 % 2 == 0 { 0.5_f32 } else { -0.5 }));
    sound.extend(vec![0.0; 32_000]);
    assert_eq!(Play::new(at_once).run(&sound, frames()).told, []);
}

#[test]
fn a_hole_moves_the_times_of_what_follows_and_ends_what_was_open() {
    let (sound, _) = speak(&[(20, 0)]);
    let mut session = Session::new(Arc::clone(&NET), settings(), Start::default());
    let mut finals = Vec::new();
    let mut poll = |session: &mut Session, now: Mono| {
        while let Some(output) = session.poll(now) {
            match output {
                Output::Recognise(ask) => session.answered(ask.id, Ok(read(&ask)), now),
                Output::Caption(CaptionEvent::Final(told)) => finals.push((told.start_ms, told.end_ms)),
                Output::Caption(_) | Output::Cancel(_) | Output::Degraded(_) | Output::Lag { .. } => {}
            }
        }
    };
    assert_eq!(session.push(&sound, Mono::from_ms(2_500)), sound.len());
    poll(&mut session, Mono::from_ms(2_500));
    session.hole(60 * 16_000, Mono::from_ms(62_500));
    assert_eq!(session.push(&sound, Mono::from_ms(65_000)), sound.len());
    session.end();
    poll(&mut session, Mono::from_ms(65_000));
    assert_eq!(finals.len(), 2, "{finals:?}");
    assert!(
        (62_600..=63_000).contains(&finals[1].0) && (64_900..=65_100).contains(&finals[1].1),
        "{finals:?}"
    );
}

#[test]
fn sound_beyond_what_may_wait_is_left_with_the_caller() {
    let (sound, text) = speak(&[(600, 1_000)]);
    let mut session = Session::new(Arc::clone(&NET), settings(), Start::default());
    let taken = session.push(&sound, Mono::from_ms(0));
    assert!(taken < sound.len() && !session.wants_sound());
    let play = Play { session, ..Play::new(at_once) };
    assert_eq!(play.run(&sound[taken..], std::iter::repeat(16_000)).text(), text);
}

#[test]
fn a_new_session_goes_on_with_times_and_names_where_the_old_one_stopped() {
    let (sound, _) = speak(&[(20, 2_000)]);
    let start = Start { sample: 160_000, utterance: 7 };
    let session = Session::new(Arc::clone(&NET), settings(), start);
    let play = Play { session, ..Play::new(at_once) }.run(&sound, frames());
    let told = play.finals()[0];
    assert_eq!(told.utterance, UtteranceId(7));
    assert!((10_200..10_500).contains(&told.start_ms), "{told:?}");
}

#[test]
fn with_every_step_down_there_are_fewer_guesses_and_the_same_finals() {
    let (sound, text) = speak(&[(60, 1_200), (60, 1_200)]);
    let mut before = usize::MAX;
    for level in Level::ALL {
        let mut play = Play::new(at_once);
        play.session.set_level(level);
        let play = play.run(&sound, frames());
        let guesses = play.asked.iter().filter(|ask| ask.urgency() == Urgency::Partial).count();
        assert!(guesses <= before, "{level:?}: {guesses} after {before}");
        assert_eq!(play.text(), text);
        before = guesses;
    }
    assert_eq!(before, 0);
}

/// Checks what is always true of a room's captions.
fn check(events: &[&CaptionEvent]) -> Result<(), TestCaseError> {
    let mut committed = std::collections::BTreeMap::new();
    let mut over = Vec::new();
    for event in events {
        match event {
            CaptionEvent::Tentative(told) => {
                prop_assert!(!over.contains(&told.utterance), "tentative text after the end");
                let before: String =
                    committed.insert(told.utterance, told.committed.clone()).unwrap_or_default();
                prop_assert!(told.committed.starts_with(&before), "{before} became {}", told.committed);
            }
            CaptionEvent::Final(Final { utterance, .. }) | CaptionEvent::Withdrawn { utterance, .. } => {
                prop_assert!(over.last().is_none_or(|last| last < utterance), "{utterance:?} after {over:?}");
                over.push(*utterance);
            }
        }
    }
    prop_assert!(committed.keys().all(|utterance| over.contains(utterance)), "an utterance has no end");
    Ok(())
}

fn meeting() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((1_usize..50, 100_usize..1_500), 1..8)
}

/// Tells whether all characters of a text stand in another one, in order.
fn is_part_of(text: &str, shown: &str) -> bool {
    let mut shown = shown.chars();
    text.chars().all(|wanted| shown.any(|found| found == wanted))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_pieces_in_which_sound_comes_change_nothing(
        runs in meeting(),
        pieces in prop::collection::vec(1_usize..9_000, 1..40),
    ) {
        let (sound, _) = speak(&runs);
        let even = Play::new(at_once).run(&sound, frames());
        let uneven = Play::new(at_once).run(&sound, pieces.into_iter().cycle());
        prop_assert_eq!(even.events(), uneven.events());
        check(&even.events())?;
    }

    #[test]
    fn answers_that_come_late_or_never_lose_no_final_and_retract_nothing(
        runs in meeting(),
        replies in prop::collection::vec((0_u64..4_000, 0_u8..8), 1..40),
    ) {
        let (sound, text) = speak(&runs);
        let mut replies = replies.into_iter().cycle();
        let mut refused = 0;
        let play = Play::new(|ask| {
            let (delay_ms, kind) = replies.next().unwrap_or((0, 7));
            // Not for ever: the test is to end.
            refused += usize::from(kind < 2);
            match kind {
                0 if refused < 60 => (delay_ms, Err(Trouble::Dropped)),
                1 if refused < 60 => (delay_ms, Err(Trouble::Away)),
                _ => (delay_ms, Ok(read(ask))),
            }
        })
        .run(&sound, frames());
        check(&play.events())?;
        // A single character of 100 ms is too short to be told from a knock.
        if runs.iter().all(|(count, _)| *count > 2) {
            let shown = play.text();
            prop_assert!(is_part_of(&text, &shown), "{} instead of {}", shown, text);
            // A cut at the longest length of an utterance may leave the one character on it in both halves.
            let cuts_max = sound.len() / 160_000;
            prop_assert!(shown.chars().count() <= text.chars().count() + cuts_max, "{} instead of {}", shown, text);
        }
    }
}
