use super::*;
use crate::speech::Due;

fn text(id: u32) -> Mark {
    Mark::Text(Token { id, bytes: vec![b'a'], log_prob: -0.1 })
}

fn cut_from(marks: Vec<Mark>, from_ms: u64, end_ms: u64) -> Vec<(u64, u64, usize)> {
    let mut pieces = Vec::new();
    cut(marks, from_ms, end_ms, &mut pieces);
    pieces.iter().map(|piece| (piece.start_ms, piece.end_ms, piece.tokens.len())).collect()
}

fn request(samples: usize) -> Request {
    Request {
        samples: vec![0.0; samples],
        language: Language::Ja,
        prompt: Vec::new(),
        effort: Effort { beam: 1, temperature: 0.0, audio_ctx: 1472, tokens_max: 200 },
        due: Due::BATCH,
    }
}

fn refusal(request: &Request) -> String {
    match check(request, 50_257, 1_500) {
        Err(RecognizeError::BadRequest(what)) => what,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn pieces_lie_between_the_timestamps_the_model_wrote() {
    let marks = vec![
        Mark::Stamp(0),
        text(1),
        text(2),
        Mark::Stamp(5_000),
        Mark::Stamp(6_000),
        text(3),
        Mark::Stamp(9_000),
    ];
    assert_eq!(cut_from(marks, 0, 10_000), [(0, 5_000, 2), (6_000, 9_000, 1)]);
}

#[test]
fn text_behind_the_last_timestamp_is_kept_until_the_end_of_the_sound() {
    let marks = vec![Mark::Stamp(0), text(1), Mark::Stamp(5_000), Mark::Stamp(5_000), text(2)];
    assert_eq!(cut_from(marks, 0, 8_000), [(0, 5_000, 1), (5_000, 8_000, 1)]);
}

#[test]
fn a_time_behind_the_end_of_the_sound_is_moved_inside() {
    assert_eq!(cut_from(vec![Mark::Stamp(0), text(1), Mark::Stamp(24_900)], 0, 23_160), [(0, 23_160, 1)]);
}

#[test]
fn a_later_pass_counts_from_where_it_began() {
    assert_eq!(
        cut_from(vec![Mark::Stamp(0), text(1), Mark::Stamp(3_000)], 20_000, 24_000),
        [(20_000, 23_000, 1)]
    );
}

#[test]
fn sound_behind_a_closing_pair_is_heard_again_and_behind_a_single_stamp_it_is_not() {
    let pair = [text(1), Mark::Stamp(20_000), Mark::Stamp(20_000)];
    assert_eq!(rest(&pair, 24 * 16_000), Some(20 * 16_000));
    assert_eq!(rest(&pair[..2], 24 * 16_000), None);
    assert_eq!(rest(&[text(1)], 24 * 16_000), None);
}

#[test]
fn a_rest_shorter_than_padding_or_without_progress_is_not_heard_again() {
    let at = |ms| [text(1), Mark::Stamp(ms), Mark::Stamp(ms)];
    assert_eq!(rest(&at(23_600), 24 * 16_000), None);
    assert_eq!(rest(&at(25_000), 24 * 16_000), None);
    assert_eq!(rest(&at(0), 24 * 16_000), None);
}

#[test]
fn every_log_probability_can_be_written_as_json() {
    let heard = [f32::NAN, f32::NEG_INFINITY, -0.5, 0.1].map(log_prob);
    assert_eq!(heard, [LOG_PROB_MIN, LOG_PROB_MIN, -0.5, 0.0]);
}

#[test]
fn a_request_inside_every_limit_is_accepted() {
    assert_eq!(check(&request(16_000), 50_257, 1_500), Ok(()));
}

#[test]
fn sound_longer_than_the_encoder_context_is_refused_because_it_would_be_dropped() {
    let mut long = request(10 * 16_000);
    long.effort.audio_ctx = 320;
    assert!(refusal(&long).contains("do not fit audio_ctx 320"));
}

#[test]
fn sound_too_short_too_long_or_not_a_number_is_refused() {
    assert!(refusal(&request(1_599)).contains("1599 samples"));
    assert!(refusal(&request(480_001)).contains("480001 samples"));
    let mut broken = request(16_000);
    broken.samples[7] = f32::NAN;
    assert!(refusal(&broken).contains("not a number"));
}

#[test]
fn a_prompt_of_special_tokens_is_refused_because_the_c_library_would_throw() {
    let mut special = request(16_000);
    special.prompt = vec![11, 50_257];
    assert!(refusal(&special).contains("50257"));
}

#[test]
fn effort_outside_its_range_is_refused() {
    let with = |effort: Effort| effort.check().expect_err("outside its range").to_string();
    let good = request(16_000).effort;
    assert!(with(Effort { beam: 9, ..good }).contains("beam 9"));
    assert!(with(Effort { temperature: f32::NAN, ..good }).contains("temperature"));
    assert!(with(Effort { tokens_max: 0, ..good }).contains("tokens_max 0"));
}

#[test]
fn the_fast_matrix_products_are_compiled_in() {
    assert!(has_fast_kernels(), "GGML_LLAMAFILE is off: {}", system_info());
}
