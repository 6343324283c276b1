use super::*;
use crate::audio::MediaTime;
use crate::speech::window::WindowSettings;
use crate::speech::{Piece, Token};

const SETTINGS: LongFormSettings = LongFormSettings {
    window: WindowSettings { window_ms_max: 10_000, inner_silence_ms_max: 1_500, overlap_ms: 300, pad_ms: 0 },
    language: Language::Ja,
    prompt: Vec::new(),
    beam: 1,
    context: Context::FittingShort,
};

const SECOND: u64 = 1_000;

/// Pushes `spans` of speech, each followed by two seconds of silence.
fn long_form(spans: &[(u64, u64)], done_before: Vec<Outcome>) -> LongForm {
    let mut long_form = LongForm::new(SETTINGS, done_before);
    for (start, end) in spans {
        push(&mut long_form, MediaSpan::from_ms(*start, *end));
    }
    long_form.finish();
    long_form
}

fn push(long_form: &mut LongForm, span: MediaSpan) {
    let heard_ms = |ms: u64| vec![0.1; (ms * 16) as usize];
    let sound = heard_ms(span.len_ms() + 2 * SECOND);
    let probabilities = vec![0.9; sound.len() / 512];
    long_form.push(Heard {
        samples: &sound,
        probabilities: &probabilities,
        spans: &[span],
        open_since: None,
    });
}

fn says(text: &str) -> Option<Recognition> {
    let tokens = vec![Token { id: 1, bytes: text.as_bytes().to_vec(), log_prob: -0.1 }];
    let piece = Piece { start_ms: 0, end_ms: 4 * SECOND, tokens };
    Some(Recognition { language: "ja".into(), pieces: vec![piece], passes: 1 })
}

fn unsure(text: &str) -> Option<Recognition> {
    let mut recognition = says(text)?;
    recognition.pieces[0].tokens[0].log_prob = -1.5;
    Some(recognition)
}

fn texts(outcome: &Outcome) -> Vec<&str> {
    outcome.segments.iter().map(|segment| segment.text.as_str()).collect()
}

#[test]
fn outcomes_come_in_the_order_of_time_whatever_the_order_of_answers() {
    let mut long_form = long_form(&[(0, 4_000), (6_000, 10_000)], vec![]);
    let (first, second) =
        (long_form.next_task().expect("two windows"), long_form.next_task().expect("two windows"));
    long_form.answer(second.id, says("次の議題に移ります。"));
    assert_eq!(long_form.pop(), None);
    long_form.answer(first.id, says("会議を始めます。"));
    assert_eq!(texts(&long_form.pop().expect("first")), ["会議を始めます。"]);
    assert_eq!(texts(&long_form.pop().expect("second")), ["次の議題に移ります。"]);
    assert!(long_form.is_idle());
}

#[test]
fn a_window_that_waits_for_an_earlier_one_can_be_kept_and_is_not_asked_again() {
    let spans = [(0, 4_000), (6_000, 10_000)];
    let mut first_run = long_form(&spans, vec![]);
    let (_, second) =
        (first_run.next_task().expect("two windows"), first_run.next_task().expect("two windows"));
    assert_eq!(first_run.take_fresh(), None);
    first_run.answer(second.id, says("次の議題に移ります。"));
    let kept = first_run.take_fresh().expect("the second window is settled");
    assert_eq!((first_run.take_fresh(), first_run.pop()), (None, None));

    let mut second_run = long_form(&spans, vec![kept.clone()]);
    let first = second_run.next_task().expect("the first window was not settled");
    assert_eq!(second_run.next_task(), None);
    second_run.answer(first.id, says("会議を始めます。"));
    assert_eq!(texts(&second_run.take_fresh().expect("the first")), ["会議を始めます。"]);
    assert_eq!(second_run.take_fresh(), None, "what was kept before is not kept again");
    second_run.pop().expect("first");
    assert_eq!(second_run.pop(), Some(kept));
}

#[test]
fn a_window_nobody_could_recognise_becomes_a_gap_and_the_rest_goes_on() {
    let mut long_form = long_form(&[(0, 4_000), (6_000, 10_000)], vec![]);
    let (first, second) =
        (long_form.next_task().expect("two windows"), long_form.next_task().expect("two windows"));
    long_form.answer(first.id, None);
    long_form.answer(second.id, says("次の議題に移ります。"));
    let gap = long_form.pop().expect("the gap").gaps;
    assert_eq!((gap[0].start_ms, gap[0].end_ms, gap[0].reason.as_str()), (0, 4_000, "recognizer_failed"));
    assert_eq!(texts(&long_form.pop().expect("second")), ["次の議題に移ります。"]);
}

#[test]
fn a_suspect_window_is_tried_in_halves_and_then_with_a_beam_and_the_best_is_kept() {
    let mut long_form = LongForm::new(SETTINGS, vec![]);
    let spans = [MediaSpan::from_ms(0, 4_000), MediaSpan::from_ms(4_800, 8_000)];
    let heard =
        Heard { samples: &vec![0.1; 160_000], probabilities: &[0.9; 312], spans: &spans, open_since: None };
    long_form.push(heard);
    long_form.finish();

    let whole = long_form.next_task().expect("first attempt");
    long_form.answer(whole.id, unsure("会議を染めます。"));
    let (left, right) =
        (long_form.next_task().expect("left half"), long_form.next_task().expect("right half"));
    assert_eq!(left.request.samples.len() + right.request.samples.len(), whole.request.samples.len());
    assert_eq!(left.request.samples.len(), 4_400 * 16, "the cut lies in the middle of the pause");
    long_form.answer(left.id, unsure("会議を"));
    long_form.answer(right.id, unsure("はじめ"));
    let beam = long_form.next_task().expect("last attempt");
    assert_eq!(beam.request.effort.beam, RERUN_BEAM);
    let mut whole = says("会議を始めます。");
    whole.iter_mut().for_each(|heard| heard.pieces[0].end_ms = 8 * SECOND);
    long_form.answer(beam.id, whole);
    let outcome = long_form.pop().expect("settled");
    assert_eq!(texts(&outcome), ["会議を始めます。"]);
    assert_eq!(outcome.reruns, 2);
}

#[test]
fn a_rerun_that_fails_leaves_the_first_attempt() {
    let mut long_form = long_form(&[(0, 4_000)], vec![]);
    let whole = long_form.next_task().expect("first attempt");
    long_form.answer(whole.id, unsure("会議を始めます。"));
    let rerun = long_form.next_task().expect("second attempt");
    long_form.answer(rerun.id, None);
    let outcome = long_form.pop().expect("settled");
    assert_eq!(texts(&outcome), ["会議を始めます。"]);
    assert_eq!(outcome.segments[0].flags, ["low_confidence"]);
}

#[test]
fn reruns_are_bounded_over_the_whole_recording() {
    let spans: Vec<(u64, u64)> = (0..100).map(|index| (index * 6_000, index * 6_000 + 4_000)).collect();
    let mut long_form = LongForm::new(SETTINGS, vec![]);
    let (mut tasks, mut outcomes) = (0, 0);
    let mut drain = |long_form: &mut LongForm| {
        while let Some(task) = long_form.next_task() {
            tasks += 1;
            long_form.answer(task.id, unsure("会議を始めます。"));
        }
        while long_form.pop().is_some() {
            outcomes += 1;
        }
    };
    for (start, end) in spans {
        push(&mut long_form, MediaSpan::from_ms(start, end));
        drain(&mut long_form);
    }
    long_form.finish();
    drain(&mut long_form);
    assert_eq!(outcomes, 100);
    let allowed = 100 + 100 / 4 + (RERUN_MS_FREE / 4_000) as usize;
    assert!(tasks <= allowed, "{tasks} calls for 100 windows");
}

#[test]
fn a_window_done_before_is_not_asked_again() {
    let mut first_run = long_form(&[(0, 4_000), (6_000, 10_000)], vec![]);
    let task = first_run.next_task().expect("first window");
    first_run.answer(task.id, says("会議を始めます。"));
    let done = first_run.pop().expect("one window was done before the run was killed");

    let mut second_run = long_form(&[(0, 4_000), (6_000, 10_000)], vec![done.clone()]);
    assert_eq!(second_run.pop(), Some(done));
    let task = second_run.next_task().expect("only the second window is left");
    second_run.answer(task.id, says("次の議題に移ります。"));
    assert_eq!(texts(&second_run.pop().expect("second")), ["次の議題に移ります。"]);
    assert_eq!(second_run.next_task(), None);
}

#[test]
fn another_sound_at_the_same_place_is_asked_again() {
    let mut first_run = long_form(&[(0, 4_000)], vec![]);
    let task = first_run.next_task().expect("first window");
    first_run.answer(task.id, says("会議を始めます。"));
    let done = first_run.pop().expect("done");

    let mut other = LongForm::new(SETTINGS, vec![done]);
    let (sound, span) = (vec![0.2; 96_000], MediaSpan::from_ms(0, 4_000));
    let heard = Heard { samples: &sound, probabilities: &[0.9; 187], spans: &[span], open_since: None };
    other.push(heard);
    other.finish();
    assert!(other.next_task().is_some());
}

#[test]
fn the_language_is_settled_by_the_first_window_with_enough_speech() {
    let mut long_form = LongForm::new(LongFormSettings { language: Language::Auto, ..SETTINGS }, vec![]);
    push(&mut long_form, MediaSpan::new(MediaTime::ZERO, MediaTime::from_ms(6_000)));
    let task = long_form.next_task().expect("first window");
    assert_eq!(task.request.language, Language::Auto);
    long_form.answer(task.id, says("会議を始めます。"));
    push(&mut long_form, MediaSpan::from_ms(8_000, 12_000));
    long_form.finish();
    assert_eq!(long_form.next_task().expect("second window").request.language, Language::Ja);
}

#[test]
fn a_language_nobody_speaks_here_is_a_mishearing_and_asked_again() {
    let mut long_form = LongForm::new(LongFormSettings { language: Language::Auto, ..SETTINGS }, vec![]);
    push(&mut long_form, MediaSpan::from_ms(0, 2_000));
    long_form.finish();
    let task = long_form.next_task().expect("first attempt");
    let korean = Recognition { language: "ko".into(), ..says("안녕하세요").expect("a recognition") };
    long_form.answer(task.id, Some(korean));
    let again = long_form.next_task().expect("asked again");
    assert_eq!(again.request.language, Language::Ja);
    long_form.answer(again.id, says("こんにちは。"));
    assert_eq!(texts(&long_form.pop().expect("settled")), ["こんにちは。"]);
}

#[test]
fn sound_is_refused_while_too_many_windows_wait() {
    let mut long_form = LongForm::new(SETTINGS, vec![]);
    let mut at = 0;
    while long_form.wants_sound() {
        push(&mut long_form, MediaSpan::from_ms(at, at + 4_000));
        at += 6_000;
    }
    assert!(long_form.works.len() <= WINDOWS_MAX);
}

#[test]
fn sound_always_fits_the_context_asked_for() {
    let long_form = LongForm::new(SETTINGS, vec![]);
    for length_ms in (200..=WINDOW_MS_LONGEST).step_by(37) {
        for context in [Context::Full, Context::FittingShort, Context::Fitting] {
            let effort = long_form.effort(length_ms, 1, context);
            assert!(
                length_ms * 16 <= 320 * u64::from(effort.audio_ctx),
                "{length_ms} ms in {}",
                effort.audio_ctx
            );
        }
    }
}

const WINDOW_MS_LONGEST: u64 = super::super::window::WINDOW_MS_MAX;
