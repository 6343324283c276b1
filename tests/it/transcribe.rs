//! `gijiroku transcribe` as its user meets it: the real program, the real model, real interruptions.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use gijiroku::speech::score::{self, Hypothesis, Truth};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::{TempDir, tempdir};

use crate::support::{
    command, gijiroku, meeting_sound, repository, sample_meeting, text, told, transcript, write_wav,
};

/// The sample meeting's error rate may not rise above this, in percent; the figure itself is in benches/README.md.
const CER_PERCENT_MAX: f64 = 8.5;

fn folder() -> TempDir {
    tempdir().expect("a folder for the test")
}

/// Runs a transcription to its end and returns its exit code.
fn transcribe(input: &Path, out: &Path, more: &[&str]) -> Option<i32> {
    let output = gijiroku(&[&["transcribe", text(input), "-o", text(out)], more].concat());
    eprint!("{}", told(&output));
    output.status.code()
}

/// Starts a transcription on one thread: of the whole meeting it is far from its end when the first windows are kept.
fn start(input: &Path, out: &Path) -> Child {
    let mut run = command(&["transcribe", text(input), "-o", text(out), "--threads", "1"]);
    run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program can be started")
}

/// Waits until `lines` windows are in the checkpoint: durable work, not passed time, is what the test needs.
fn wait_for_windows(checkpoint: &Path, lines: usize) {
    for _ in 0..1_200 {
        let kept = std::fs::read_to_string(checkpoint).unwrap_or_default();
        if kept.lines().count() > lines {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    panic!("no {lines} windows were kept within two minutes");
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("the child is still running");
}

#[test]
fn the_sample_meeting_becomes_timed_text_with_few_errors() {
    let folder = folder();
    let out = folder.path().join("meeting.json");
    assert_eq!(transcribe(&sample_meeting(), &out, &[]), Some(0));
    let heard = transcript(&out);
    assert!((heard.duration_ms as i64 - 351_372).abs() < 50, "{} ms", heard.duration_ms);
    assert_eq!((heard.language.as_deref(), heard.gaps.len()), (Some("ja"), 0));

    let truth = std::fs::read_to_string(repository("tests/fixtures/audio/sample_meeting.json"));
    let truth = Truth::from_json(&truth.expect("in the repository")).expect("the truth is well formed");
    let report = score::evaluate(&truth, &Hypothesis::of_transcript(&heard)).expect("both can be compared");
    let percent = 100.0 * report.normalised.rate.expect("something was said");
    assert!(percent <= CER_PERCENT_MAX, "error rate {percent:.2} %");
    let starts = report.start_errors.expect("the text can be aligned");
    assert!(starts.median_ms <= 300, "median error of start times {} ms", starts.median_ms);
    assert!(!out.with_extension("json.checkpoint").exists(), "a finished run leaves no checkpoint");
}

#[test]
fn a_killed_run_continues_where_it_was_and_ends_with_the_same_text() {
    let folder = folder();
    let (input, whole, resumed) =
        (sample_meeting(), folder.path().join("whole.json"), folder.path().join("resumed.json"));
    assert_eq!(transcribe(&input, &whole, &[]), Some(0));

    let checkpoint = folder.path().join("resumed.json.checkpoint");
    let mut run = start(&input, &resumed);
    wait_for_windows(&checkpoint, 2);
    signal(&run, Signal::KILL);
    run.wait().expect("the killed run is gone");
    let kept = std::fs::read_to_string(&checkpoint).expect("a killed run leaves its checkpoint");
    assert!(!resumed.exists(), "a killed run leaves no half transcript");

    let output = gijiroku(&["transcribe", text(&input), "-o", text(&resumed), "--resume"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let windows = kept.lines().filter(|line| line.ends_with('}')).count() - 1;
    assert!(told(&output).contains(&format!("{windows} 区間")), "the reuse is told: {}", told(&output));
    assert_eq!(transcript(&resumed), transcript(&whole));
}

#[test]
fn ctrl_c_keeps_what_is_done_and_says_how_to_go_on() {
    let folder = folder();
    let (input, out) = (sample_meeting(), folder.path().join("out.json"));
    let mut run = command(&["transcribe", text(&input), "-o", text(&out), "--threads", "1"]);
    let run = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program can be started");
    wait_for_windows(&folder.path().join("out.json.checkpoint"), 1);
    signal(&run, Signal::INT);
    let output = run.wait_with_output().expect("the run ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(told(&output).contains("--resume"), "{}", told(&output));
    assert!(!out.exists());
}

#[test]
fn nothing_is_written_where_nobody_speaks() {
    let folder = folder();
    let (input, out) = (folder.path().join("in.wav"), folder.path().join("out.json"));
    let speech = meeting_sound(22);
    let silence_s = 300;
    let mut sound = speech.clone();
    // Half of the silence is digital, half is the noise of a quiet room.
    sound.extend(std::iter::repeat_n(0.0, silence_s / 2 * 16_000));
    sound.extend(
        (0..silence_s / 2 * 16_000).map(|index| ((index * 7_919) % 1_009) as f32 / 1_009.0 * 0.004 - 0.002),
    );
    sound.extend(&speech);
    write_wav(&input, &sound);
    assert_eq!(transcribe(&input, &out, &[]), Some(0));
    let heard = transcript(&out);
    let (from, to) = (22_500, (22 + silence_s as u64) * 1_000 - 500);
    let invented: Vec<_> = heard.segments.iter().filter(|s| s.start_ms < to && s.end_ms > from).collect();
    assert_eq!(invented, Vec::<&gijiroku::speech::transcript::Segment>::new());
    assert!(
        heard.segments.iter().any(|segment| segment.start_ms > to),
        "the speech behind the silence is there"
    );
}

#[test]
fn silence_alone_gives_an_empty_transcript_and_no_error() {
    let folder = folder();
    let (input, out) = (folder.path().join("in.wav"), folder.path().join("out.json"));
    write_wav(&input, &vec![0.0; 30 * 16_000]);
    assert_eq!(transcribe(&input, &out, &[]), Some(0));
    assert_eq!(transcript(&out).segments, []);
}

#[test]
fn each_format_holds_the_same_words() {
    let folder = folder();
    let input = folder.path().join("in.wav");
    write_wav(&input, &meeting_sound(8));
    for (format, mark) in
        [("txt", "[00:00:01] "), ("srt", "\r\n00:00:01,"), ("vtt", "WEBVTT"), ("json", "\"version\"")]
    {
        let output = gijiroku(&["transcribe", text(&input), "--format", format]);
        let written = String::from_utf8(output.stdout).expect("output is UTF-8");
        assert!(written.contains(mark), "{format}: {written}");
        assert!(written.contains("会議を始めます"), "{format}: {written}");
    }
}

#[test]
fn a_list_of_words_makes_fewer_errors_and_leaves_no_text_out() {
    let folder = folder();
    let (list, out) = (folder.path().join("words.txt"), folder.path().join("meeting.json"));
    std::fs::write(&list, "議事録作成支援システム\n情報システム課\n総務課\n出先機関\n")
        .expect("there is room");
    assert_eq!(transcribe(&sample_meeting(), &out, &["--vocabulary", text(&list)]), Some(0));
    let truth = std::fs::read_to_string(repository("tests/fixtures/audio/sample_meeting.json"));
    let truth = Truth::from_json(&truth.expect("in the repository")).expect("the truth is well formed");
    let report = score::evaluate(&truth, &Hypothesis::of_transcript(&transcript(&out))).expect("short texts");
    let rate = 100.0 * report.normalised.rate.expect("something was said");
    assert!(rate < 7.5 && report.normalised.deletions < 40, "{rate:.2} %, {:?}", report.normalised);
}

#[test]
fn words_of_the_vocabulary_are_written_as_the_office_writes_them() {
    let folder = folder();
    let (input, out, list) =
        (folder.path().join("in.wav"), folder.path().join("out.json"), folder.path().join("words.txt"));
    write_wav(&input, &meeting_sound(8));
    std::fs::write(&list, "# 表記\n会議を => 會議を\n").expect("there is room");
    assert_eq!(transcribe(&input, &out, &["--vocabulary", text(&list)]), Some(0));
    let heard = transcript(&out);
    let written: String = heard.segments.iter().map(|segment| segment.text.as_str()).collect();
    assert!(written.contains("會議を") && !written.contains("会議を"), "{written}");
}

#[test]
fn the_language_is_found_when_nobody_names_it() {
    let folder = folder();
    let (input, out) = (folder.path().join("in.wav"), folder.path().join("out.json"));
    write_wav(&input, &meeting_sound(20));
    assert_eq!(transcribe(&input, &out, &["--language", "auto"]), Some(0));
    assert_eq!(transcript(&out).language.as_deref(), Some("ja"));
}

#[test]
fn what_is_no_recording_is_refused_with_its_reason() {
    let folder = folder();
    let input = folder.path().join("minutes.txt");
    std::fs::write(&input, "議事録です。\n".repeat(200)).expect("there is room");
    let output = gijiroku(&["transcribe", text(&input)]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(told(&output).contains("minutes.txt"), "{}", told(&output));
}

#[test]
fn an_unknown_model_is_refused_before_any_work() {
    let output = gijiroku(&["transcribe", text(&sample_meeting()), "--model", "no-such-model"]);
    assert_eq!(output.status.code(), Some(5), "{}", told(&output));
}

#[test]
fn a_damaged_model_is_refused_and_the_person_told_what_to_do() {
    let (folder, weights) = (folder(), repository("models/weights"));
    let detector = "silero_vad_16k.safetensors";
    std::fs::copy(weights.join(detector), folder.path().join(detector)).expect("there is room");
    std::fs::write(folder.path().join("ggml-whisper-base-bf16.bin"), b"no weights").expect("there is room");
    let output = gijiroku(&["transcribe", text(&sample_meeting()), "--models", text(folder.path())]);
    let said = told(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("is damaged") && said.contains("import it again"), "{said}");
}

#[test]
fn a_cut_off_recording_gives_its_text_and_says_what_is_missing() {
    let folder = folder();
    let (whole, input, out) =
        (folder.path().join("whole.wav"), folder.path().join("cut.wav"), folder.path().join("out.json"));
    write_wav(&whole, &meeting_sound(20));
    let bytes = std::fs::read(&whole).expect("just written");
    std::fs::write(&input, &bytes[..bytes.len() / 2]).expect("there is room");
    assert_eq!(transcribe(&input, &out, &[]), Some(0));
    let heard = transcript(&out);
    assert!(heard.segments.iter().any(|segment| segment.text.contains("会議")));
    let audio = heard.audio.expect("the loss is told");
    assert!((9_900..10_100).contains(&audio.missing_ms), "{} ms", audio.missing_ms);
}
