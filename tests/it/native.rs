//! Our own recogniser with the real weights: against whisper.cpp, on every level this machine has, alone and together.

use std::path::Path;
use std::sync::LazyLock;

use gijiroku::speech::native::{Level, Native, NativeSettings, Precision};
use gijiroku::speech::whisper::Whisper;
use gijiroku::speech::{Due, Effort, Language, Recognition, Recognizer, Request, Urgency};

use crate::support::{meeting_sound, repository};

const HEARD: &str = "会議を始めます";

static WEIGHTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path = repository("models/weights/ggml-whisper-base-bf16.bin");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make model` first", path.display()))
});

fn native(level: Level, precision: Precision) -> Native {
    let settings = NativeSettings { level, precision, ..NativeSettings::default() };
    Native::load(&WEIGHTS, settings).expect("the weights are sound and the machine has the level")
}

fn request(from_s: usize, to_s: usize, beam: u8) -> Request {
    let samples = meeting_sound(to_s).split_off(from_s * 16_000);
    let effort = Effort { beam, temperature: 0.0, audio_ctx: 1_500, tokens_max: 200 };
    Request { samples, language: Language::Ja, prompt: Vec::new(), effort, due: Due::BATCH }
}

fn text(recognition: &Recognition) -> String {
    let tokens = recognition.pieces.iter().flat_map(|piece| &piece.tokens);
    String::from_utf8_lossy(&tokens.flat_map(|token| token.bytes.clone()).collect::<Vec<u8>>()).into_owned()
}

fn heard(worker: &mut impl Recognizer, request: &Request) -> Recognition {
    worker.recognize(request).expect("the window is within its limits")
}

#[test]
fn in_full_precision_it_writes_what_whisper_cpp_writes_but_for_blanks() {
    // whisper.cpp rounds activations to bf16 where the weights are; a blank between two sentences is a near tie.
    let bare = |recognition: &Recognition| text(recognition).replace(' ', "");
    let whisper = Whisper::load(Path::new(&repository("models/weights/ggml-whisper-base-bf16.bin")), 1);
    let mut reference = whisper.expect("run `make model` first").worker().expect("there is memory");
    let mut ours = native(Level::best(), Precision::F32).worker();
    for (from_s, to_s) in [(0, 7), (21, 43)] {
        let request = request(from_s, to_s, 1);
        assert_eq!(bare(&heard(&mut ours, &request)), bare(&heard(&mut reference, &request)));
    }
}

#[test]
fn every_level_of_this_machine_hears_the_first_sentence() {
    let request =
        Request { effort: Effort { audio_ctx: 448, ..request(0, 7, 1).effort }, ..request(0, 7, 1) };
    // The portable level is the specification and takes minutes a window; its kernels are tested one by one.
    for level in Level::available().into_iter().filter(|level| *level != Level::Portable) {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let written = text(&heard(&mut native(level, precision).worker(), &request));
            assert!(written.contains(HEARD), "{} {precision:?}: {written}", level.name());
        }
    }
}

#[test]
fn a_window_reads_the_same_alone_and_beside_others() {
    let model = native(Level::best(), Precision::Bf16);
    let requests = [request(0, 7, 5), request(21, 43, 1), request(7, 20, 5)];
    let together = model.worker().recognize_all(&requests);
    for (request, beside) in requests.iter().zip(together) {
        assert_eq!(beside, model.worker().recognize(request));
    }
}

#[test]
fn threads_do_not_change_a_word() {
    let request = request(0, 20, 5);
    let alone = heard(&mut native(Level::best(), Precision::Bf16).worker(), &request);
    let settings = NativeSettings { precision: Precision::Bf16, threads: 3, ..NativeSettings::default() };
    let three = Native::load(&WEIGHTS, settings).expect("the weights are sound");
    assert_eq!(heard(&mut three.worker(), &request), alone);
}

#[test]
fn a_request_outside_its_limits_is_refused_and_the_next_one_heard() {
    let mut worker = native(Level::best(), Precision::Bf16).worker();
    let mut wrong = request(0, 7, 1);
    wrong.effort.audio_ctx = 64;
    assert!(worker.recognize(&wrong).is_err(), "seven seconds do not fit into 64 frames");
    assert!(text(&heard(&mut worker, &request(0, 7, 1))).contains(HEARD));
}

#[test]
fn a_damaged_file_is_refused() {
    let half = &WEIGHTS[..WEIGHTS.len() / 2];
    assert!(Native::load(half, NativeSettings::default()).is_err());
}

#[test]
fn a_final_that_comes_later_is_done_first_and_changes_no_word_of_the_others() {
    let model = native(Level::best(), Precision::Bf16);
    let (batch, mut urgent) = (request(21, 43, 5), request(0, 7, 1));
    urgent.due = Due { urgency: Urgency::Final, by_ms: 0 };
    let mut worker = model.worker();
    worker.join(1, batch.clone()).expect("there is room");
    for _ in 0..9 {
        assert_eq!(worker.advance(), [], "twenty seconds take longer");
    }
    worker.join(2, urgent.clone()).expect("a final always finds room");
    let mut answers = Vec::new();
    while !worker.is_idle() {
        answers.extend(worker.advance());
    }
    let alone = [(2, model.worker().recognize(&urgent)), (1, model.worker().recognize(&batch))];
    assert_eq!(answers, alone);
}

#[test]
fn a_window_that_is_sent_away_leaves_no_trace() {
    let model = native(Level::best(), Precision::Bf16);
    let (unwanted, wanted) = (request(21, 43, 1), request(0, 7, 1));
    let mut worker = model.worker();
    worker.join(1, unwanted).expect("there is room");
    worker.join(2, wanted.clone()).expect("there is room");
    worker.advance();
    assert!(worker.leave(1) && !worker.leave(1));
    let mut answers = Vec::new();
    while !worker.is_idle() {
        answers.extend(worker.advance());
    }
    assert_eq!(answers, [(2, model.worker().recognize(&wanted))]);
}
