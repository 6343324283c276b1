//! The real engine child with the real model is killed, stopped and starved: every window is answered all the same.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gijiroku::clock::Mono;
use gijiroku::speech::engine::{EngineError, EngineSettings, Handle, Health, Patience};
use gijiroku::speech::whisper::Whisper;
use gijiroku::speech::{
    Backend, Due, Effort, Language, Recognition, RecognizeError, Recognizer as _, Request,
};
use gijiroku::store::models::Manifest;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{PROGRAM, command, meeting_sound, repository, text, write_wav};

/// What the first six seconds of the sample meeting are about.
const HEARD: &str = "会議を始めます";

type Answer = Result<Recognition, EngineError>;

fn settings() -> EngineSettings {
    let manifest = Manifest::shipped();
    let base = manifest.model("base").expect("the manifest knows the default model");
    EngineSettings {
        program: PathBuf::from(PROGRAM),
        arguments: Vec::new(),
        model: repository("models/weights").join(&base.file),
        sha256: base.sha256.clone(),
        backend: Backend::Whisper,
        threads: 1,
        patience: Patience::default(),
    }
}

fn start(settings: EngineSettings) -> Handle {
    Handle::start(settings, Mono::now)
}

fn request(samples: Vec<f32>) -> Request {
    let effort = Effort { beam: 1, temperature: 0.0, audio_ctx: 448, tokens_max: 80 };
    Request { samples, language: Language::Ja, prompt: Vec::new(), effort, due: Due::BATCH }
}

/// The first sentence of the sample meeting.
fn first_sentence() -> Request {
    request(meeting_sound(7))
}

fn submit(engine: &mut Handle, id: u64, request: Request) {
    engine.try_submit(id, request).map_err(|(error, _)| error).expect("there is room for the window");
}

/// Waits for that many answers, two minutes for each.
fn answers(engine: &mut Handle, count: usize) -> BTreeMap<u64, Answer> {
    let wait = Duration::from_secs(120);
    let next = |_| engine.receive(wait).unwrap_or_else(|| panic!("no answer, health {:?}", engine.health()));
    (0..count).map(next).collect()
}

fn only_answer(engine: &mut Handle) -> Answer {
    answers(engine, 1).into_values().next().expect("one was asked for")
}

fn written(answer: &Answer) -> String {
    let heard = answer.as_ref().expect("the window was recognised");
    let tokens = heard.pieces.iter().flat_map(|piece| &piece.tokens);
    String::from_utf8(tokens.flat_map(|token| token.bytes.clone()).collect()).expect("whole pieces are UTF-8")
}

/// Looks every few milliseconds until `is_so`: a state of other processes, which no channel can tell.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if is_so() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("{what}: not within a minute");
}

fn wait_until_up(engine: &Handle) -> u32 {
    wait_until("the engine is up", || engine.health() == Health::Up);
    engine.process_id().expect("an engine that is up has a process")
}

fn signal(process: u32, signal: Signal) {
    let pid = Pid::from_raw(process as i32).expect("a process number is positive");
    kill_process(pid, signal).expect("the process runs");
}

/// Tells whether a process runs; one that ended but was not waited for does not.
fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Processor time used so far, in ticks of the kernel.
fn ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit(") ").next().unwrap_or_default();
    behind_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Waits until the child computes: a process that only waits uses no time.
fn wait_until_busy(process: u32) {
    let before = ticks(process);
    wait_until("the child computes", || ticks(process) > before + 5);
}

fn memory_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells");
    line.trim().trim_end_matches(" kB").parse().expect("a number of kibibytes")
}

#[test]
fn a_window_is_recognised_with_times_inside_the_sound() {
    let mut engine = start(settings());
    submit(&mut engine, 7, first_sentence());
    let (id, answer) = answers(&mut engine, 1).pop_first().expect("one answer");
    assert!(written(&answer).contains(HEARD), "{}", written(&answer));
    let heard = answer.expect("the window was recognised");
    assert_eq!((id, heard.language.as_str(), heard.passes), (7, "ja", 1));
    assert!(heard.pieces.iter().all(|piece| piece.start_ms <= piece.end_ms && piece.end_ms <= 7_000));
    assert!(heard.pieces.iter().flat_map(|piece| &piece.tokens).all(|token| token.log_prob <= 0.0));
}

#[test]
fn an_answer_does_not_depend_on_the_windows_before_it() {
    let mut engine = start(settings());
    let full = Request { effort: Effort { audio_ctx: 1_472, ..first_sentence().effort }, ..first_sentence() };
    let mut other = request(meeting_sound(20).split_off(12 * 16_000));
    other.prompt = vec![11, 12, 13];
    submit(&mut engine, 0, full.clone());
    submit(&mut engine, 1, other);
    submit(&mut engine, 2, Request { language: Language::Auto, ..first_sentence() });
    submit(&mut engine, 3, full);
    let mut heard = answers(&mut engine, 4);
    assert_eq!(heard[&2].as_ref().expect("recognised").language, "ja");
    assert_eq!(heard.remove(&3), heard.remove(&0));
}

#[test]
fn a_sampled_window_gets_the_same_answer_each_time() {
    let mut engine = start(settings());
    let sampled =
        Request { effort: Effort { temperature: 0.8, ..first_sentence().effort }, ..first_sentence() };
    submit(&mut engine, 0, sampled.clone());
    submit(&mut engine, 1, sampled);
    let mut heard = answers(&mut engine, 2);
    assert_eq!(heard.remove(&0), heard.remove(&1));
}

#[test]
fn a_request_outside_its_limits_is_refused_and_the_child_lives_on() {
    let mut engine = start(settings());
    submit(&mut engine, 0, request(vec![0.0; 100]));
    let refused = only_answer(&mut engine);
    assert!(matches!(refused, Err(EngineError::Refused(RecognizeError::BadRequest(_)))), "{refused:?}");
    let before = engine.process_id();
    submit(&mut engine, 1, first_sentence());
    assert!(written(&only_answer(&mut engine)).contains(HEARD));
    assert_eq!(engine.process_id(), before);
}

#[test]
fn the_engine_is_busy_at_its_limit_and_gives_the_window_back() {
    let mut engine = start(settings());
    for id in 0..engine.capacity() as u64 {
        submit(&mut engine, id, request(vec![0.0; 16_000]));
    }
    let (error, back) = engine.try_submit(99, first_sentence()).expect_err("nothing fits any more");
    assert_eq!((error, back), (EngineError::Busy, first_sentence()));
}

#[test]
fn a_child_killed_in_the_middle_of_a_window_is_replaced_and_the_window_redone() {
    let mut engine = start(settings());
    let child = wait_until_up(&engine);
    submit(&mut engine, 0, first_sentence());
    wait_until_busy(child);
    signal(child, Signal::KILL);
    assert!(written(&only_answer(&mut engine)).contains(HEARD));
    assert_ne!(engine.process_id(), Some(child));
    assert!(!runs(child));
}

#[test]
fn a_child_that_hangs_is_killed_at_its_deadline_and_the_window_redone() {
    let ping = Duration::from_secs(2);
    let mut engine =
        start(EngineSettings { patience: Patience { ping, ..Patience::default() }, ..settings() });
    let child = wait_until_up(&engine);
    submit(&mut engine, 0, first_sentence());
    wait_until_busy(child);
    signal(child, Signal::STOP);
    assert!(written(&only_answer(&mut engine)).contains(HEARD));
    assert_ne!(engine.process_id(), Some(child));
    assert!(!runs(child));
}

#[test]
fn a_window_that_always_kills_the_child_is_given_up_and_its_neighbours_are_recognised() {
    let arguments = vec!["--die-of".to_owned(), "16000".to_owned()];
    let mut engine = start(EngineSettings { arguments, threads: 2, ..settings() });
    submit(&mut engine, 0, first_sentence());
    submit(&mut engine, 1, request(vec![0.0; 16_000]));
    submit(&mut engine, 2, first_sentence());
    let heard = answers(&mut engine, 3);
    assert!(matches!(heard[&1], Err(EngineError::Poisoned { .. })), "{:?}", heard[&1]);
    assert!(written(&heard[&0]).contains(HEARD));
    assert!(written(&heard[&2]).contains(HEARD));
}

#[test]
fn a_model_with_another_sha256_is_never_loaded_and_the_reason_is_told() {
    let mut engine = start(EngineSettings { sha256: "0".repeat(64), ..settings() });
    submit(&mut engine, 0, first_sentence());
    let refused = only_answer(&mut engine);
    let Err(EngineError::Over { cause }) = &refused else { panic!("{refused:?}") };
    assert!(cause.contains("sha256"), "{cause}");
    assert!(matches!(engine.health(), Health::Over { .. }));
}

#[test]
fn a_child_starved_of_memory_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let (program, starts) = (folder.path().join("engine.sh"), folder.path().join("starts"));
    // Only the first child may not have the memory its model needs.
    let script = format!(
        "#!/bin/sh\n[ -e {starts} ] || ulimit -v 200000\necho start >> {starts}\nexec {PROGRAM} \"$@\"\n",
        starts = text(&starts)
    );
    write_program(&program, &script);
    let mut engine = start(EngineSettings { program, ..settings() });
    submit(&mut engine, 0, first_sentence());
    assert!(written(&only_answer(&mut engine)).contains(HEARD));
    let starts = std::fs::read_to_string(starts).expect("the program was started");
    assert_eq!(starts.lines().count(), 2, "the first one died of hunger");
}

fn write_program(path: &Path, script: &str) {
    std::fs::write(path, script).expect("there is room");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("the file is ours");
}

#[test]
fn a_dropped_engine_leaves_no_child_behind() {
    let mut engine = start(settings());
    let child = wait_until_up(&engine);
    submit(&mut engine, 0, first_sentence());
    drop(engine);
    assert!(!runs(child));
}

#[test]
fn a_child_does_not_outlive_a_parent_that_was_killed() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let (input, out) = (folder.path().join("in.wav"), folder.path().join("out.json"));
    write_wav(&input, &meeting_sound(110));
    let mut run = command(&["transcribe", text(&input), "-o", text(&out)]);
    let mut parent =
        run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program can be started");
    wait_until("the engine child runs", || child_of(parent.id()).is_some());
    let child = child_of(parent.id()).expect("it was there a moment ago");
    wait_until_busy(child);
    signal(parent.id(), Signal::KILL);
    let killed_at = Mono::now();
    parent.wait().expect("a killed process ends");
    wait_until("the child is gone", || !runs(child));
    // A child that is loading looks at its parent only when it is done, and a busy machine takes its time.
    assert!(Mono::now().since(killed_at) < Duration::from_secs(15));
}

/// Returns the process a program started, whichever of its threads did.
fn child_of(parent: u32) -> Option<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    let lists =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).next()
}

#[test]
fn many_calls_do_not_make_the_child_grow() {
    let mut engine = start(settings());
    let child = wait_until_up(&engine);
    let short = |index: usize| {
        let mut short = request(meeting_sound(2).split_off(16_000));
        short.effort = Effort { beam: 1, temperature: 0.0, audio_ctx: 64, tokens_max: 4 };
        short.prompt = vec![1_000 + index as u32];
        short.language = [Language::Ja, Language::En, Language::Auto][index % 3];
        if index.is_multiple_of(50) {
            short.effort.temperature = 0.5;
        }
        short
    };
    let mut recognise = |count: usize| {
        for index in 0..count {
            submit(&mut engine, index as u64, short(index));
            only_answer(&mut engine).expect("a short window is recognised");
        }
        memory_kib(child)
    };
    // The allocator settles within the first calls that need a new state, every fiftieth.
    let (early, late) = (recognise(160), recognise(200));
    // The kernel may give a larger page at any time; a child that grows goes on growing.
    let last = if late < early + 4_096 { late } else { recognise(200) };
    assert!(
        last < late.max(early) + 4_096,
        "{early} KiB after 160 calls, {late} after 360, {last} at the end"
    );
}

#[test]
fn a_cancelled_worker_stops_and_works_again_afterwards() {
    let settings = settings();
    let whisper = Whisper::load(&settings.model, 1).expect("the model is in models/weights");
    let mut worker = whisper.worker().expect("there is memory for one worker");
    let cancel = worker.cancel_flag();
    cancel.store(true, Ordering::Relaxed);
    assert_eq!(worker.recognize(&first_sentence()), Err(RecognizeError::Cancelled));
    cancel.store(false, Ordering::Relaxed);
    assert!(written(&worker.recognize(&first_sentence()).map_err(EngineError::from)).contains(HEARD));
}
