//! `gijiroku capture` on real sound systems, against a server that speaks the protocol and can be taken away.

mod desk;
mod pulse;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use desk::{Cable, Desk};
use gijiroku::audio::health::{Advice, Health};
use pulse::{Pulse, RATE_HZ, until, wav};

use crate::support::{PROGRAM, meeting_sound, repository, text};

/// A running client; killed without a word when it is dropped.
struct Client {
    child: Child,
    log: PathBuf,
}

/// Where a client keeps its sound, and what it says.
struct Terminal {
    folder: tempfile::TempDir,
}

impl Terminal {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        std::fs::write(folder.path().join("token"), "gjr_room\n").expect("there is room");
        Self { folder }
    }

    fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    fn command(&self, server: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let (token, spool) = (self.folder.path().join("token"), self.spool());
        command.args(["capture", "--server", server, "--token-file", text(&token), "--spool", text(&spool)]);
        command.args(arguments).current_dir(self.folder.path()).env("HOME", self.folder.path());
        command
    }

    fn start(&self, mut command: Command) -> Client {
        let log = self.folder.path().join("log");
        let file = std::fs::File::create(&log).expect("there is room");
        let child = command.stderr(file).stdout(Stdio::null()).spawn().expect("the program can be started");
        Client { child, log }
    }

    /// Records a device of the sound server.
    fn record(&self, pulse: &Pulse, server: &str, arguments: &[&str]) -> Client {
        let mut command = self.command(server, arguments);
        command.env("PULSE_SERVER", pulse.address());
        self.start(command)
    }

    /// Returns the samples that are kept here.
    fn kept(&self) -> u64 {
        bytes_below(&self.spool(), "s16") / 2
    }
}

fn bytes_below(folder: &Path, extension: &str) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |path: PathBuf| match path.is_dir() {
        true => bytes_below(&path, extension),
        false if path.extension().is_some_and(|found| found == extension) => {
            path.metadata().map(|metadata| metadata.len()).unwrap_or(0)
        }
        false => 0,
    };
    entries.flatten().map(|entry| size(entry.path())).sum()
}

impl Client {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// Asks it to end, and returns its exit code.
    fn end(mut self) -> Option<i32> {
        self.signal("TERM");
        let ended = self.child.wait().expect("it can be waited for");
        ended.code()
    }

    fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// Sound without two equal stretches and without a zero, so that every place of it can be told.
fn sound(seconds: f64, seed: u32) -> Vec<i16> {
    let mut state = seed;
    let mut sample = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 19) as i16 - 4_096).max(1 - 4_096) | 1
    };
    (0..(seconds * f64::from(RATE_HZ)) as usize).map(|_| sample()).collect()
}

/// Returns where a sound begins in a recording.
fn place(recording: &[i16], sound: &[i16]) -> Option<usize> {
    recording.windows(64).position(|window| window[0] == sound[0] && window == &sound[..64])
}

/// Tells whether a recording holds a sound to the sample.
fn holds(recording: &[i16], sound: &[i16]) -> bool {
    place(recording, sound).is_some_and(|at| recording[at..].starts_with(sound))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_room_hears_arrives_to_the_sample_and_is_deleted_here() {
    let (pulse, desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let arguments = ["--device", "room.monitor", "--title", "定例会", "--room", "第1会議室"];
    let client = terminal.record(&pulse, &desk.root(), &arguments);
    desk.until(|books| books.stored(0) > 0).await;
    let spoken = sound(3.0, 1);
    pulse.play("room", &wav(&spoken));
    desk.until(|books| holds(books.heard(0), &spoken)).await;
    let log = client.log();
    assert_eq!(client.end(), Some(0), "{log}");
    desk.look(|books| {
        assert_eq!(
            books.wishes,
            [serde_json::json!({"title": "定例会", "meeting_id": null, "room": "第1会議室"})]
        );
        assert_eq!(books.tokens, ["Bearer gjr_room"]);
        let stream = books.stream(0);
        assert_eq!(stream.rate_hz, RATE_HZ);
        assert_eq!(stream.end, Some(stream.sound.len() as u64));
        assert_eq!(stream.holes, [0_u64; 0], "the microphone had no hole");
    });
    assert_eq!(terminal.kept(), 0, "the server has it");
    assert!(!log.contains("gjr_room"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_killed_loses_no_second_and_the_next_start_sends_the_rest() {
    let (pulse, mut desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    until("it records", || terminal.kept() > 0).await;
    let (began, heard) = (Instant::now(), terminal.kept());
    desk.until(|books| books.stored(0) > 0).await;
    desk.go_away().await;
    let spoken = sound(3.0, 2);
    pulse.play("room", &wav(&spoken));
    let before = terminal.kept();
    until("a second more is kept", || terminal.kept() > before + u64::from(RATE_HZ)).await;
    let passed = began.elapsed();
    client.kill();
    let kept = terminal.kept();
    let lost = passed.as_secs_f64() - (kept - heard) as f64 / f64::from(RATE_HZ);
    assert!(lost < 1.0, "{lost} s were heard and are gone");
    desk.come_back().await;
    let sent = terminal.command(&desk.root(), &["--send-spool"]).output().expect("it can be started");
    assert_eq!(sent.status.code(), Some(0), "{}", String::from_utf8_lossy(&sent.stderr));
    desk.look(|books| {
        assert!(holds(books.heard(0), &spoken));
        assert!(books.heard(0).len() as u64 >= kept);
        assert_eq!(books.wishes.len(), 1, "it is the same session");
        assert!(books.stream(0).end.is_some());
    });
    assert_eq!(terminal.kept(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_killed_and_started_again_goes_on_in_the_same_recording() {
    let (pulse, desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let (before, after) = (sound(1.0, 16), sound(1.0, 17));
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    desk.until(|books| books.stored(0) > 0).await;
    pulse.play("room", &wav(&before));
    desk.until(|books| holds(books.heard(0), &before)).await;
    client.kill();
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    desk.until(|books| !books.stream(0).holes.is_empty()).await;
    pulse.play("room", &wav(&after));
    desk.until(|books| holds(books.heard(0), &after)).await;
    assert_eq!(client.end(), Some(0));
    desk.look(|books| {
        assert_eq!(
            (books.wishes.len(), books.streams()),
            (1, 1),
            "it is the same session and the same stream"
        );
        assert!(holds(books.heard(0), &before));
        assert_eq!(books.stream(0).holes.len(), 1);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_records_while_the_server_is_away_and_tells_it_everything_later() {
    let (pulse, mut desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    desk.go_away().await;
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    until("it records", || terminal.kept() > 0).await;
    let spoken = sound(2.0, 3);
    pulse.play("room", &wav(&spoken));
    assert!(client.log().contains("sound is kept here"), "{}", client.log());
    desk.come_back().await;
    desk.until(|books| books.streams() == 1 && holds(books.heard(0), &spoken)).await;
    assert_eq!(client.end(), Some(0));
    assert_eq!(terminal.kept(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_ends_while_the_server_is_away_keeps_everything_for_the_next_start() {
    let (pulse, mut desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    desk.go_away().await;
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor", "--linger", "0"]);
    until("it records", || terminal.kept() > 0).await;
    let spoken = sound(1.0, 4);
    pulse.play("room", &wav(&spoken));
    assert_eq!(client.end(), Some(7), "it says that something is left");
    assert!(terminal.kept() > spoken.len() as u64);
    desk.come_back().await;
    let next = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    desk.until(|books| books.whole().iter().any(|heard| holds(heard, &spoken))).await;
    assert_eq!(next.end(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_cut_in_the_middle_costs_nothing() {
    let (pulse, desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let cable = Cable::to(desk.address()).await;
    let client = terminal.record(&pulse, &cable.root(), &["--device", "room.monitor"]);
    desk.until(|books| books.stored(0) > 0).await;
    let spoken = sound(6.0, 5);
    let file = wav(&spoken);
    let mut playing = pulse.begin_to_play("room", &file);
    for cut in 1..=3 {
        let before = desk.look(|books| books.stored(0));
        desk.until(|books| books.stored(0) > before).await;
        cable.cut();
        let kept = terminal.kept();
        until("sound comes in while the line is cut", || terminal.kept() > kept + 20_000).await;
        cable.mend();
        desk.until(|books| books.hellos > cut).await;
    }
    assert!(playing.wait().expect("it plays").success());
    desk.until(|books| holds(books.heard(0), &spoken)).await;
    assert_eq!(client.end(), Some(0));
    desk.look(|books| assert_eq!(books.stream(0).holes, [0_u64; 0], "the microphone had no hole"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loses_what_it_had_not_confirmed_is_sent_it_again() {
    let (pulse, mut desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    desk.until(|books| books.stored(0) > 0).await;
    let spoken = sound(4.0, 6);
    let file = wav(&spoken);
    let mut playing = pulse.begin_to_play("room", &file);
    for _ in 0..3 {
        let (heard, stored) = desk.look(|books| (books.heard(0).len(), books.stored(0)));
        desk.until(|books| books.heard(0).len() > heard + 20_000 && books.stored(0) >= stored).await;
        desk.go_away().await;
        desk.come_back().await;
    }
    assert!(playing.wait().expect("it plays").success());
    desk.until(|books| holds(books.heard(0), &spoken)).await;
    assert_eq!(client.end(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stood_still_marks_the_hole_and_keeps_the_time() {
    let (pulse, desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    // The device's nature has to be known before a hole can be told from it.
    desk.until(|books| books.stored(0) > 11 * u64::from(RATE_HZ)).await;
    let (first, second) = (sound(1.0, 7), sound(1.0, 8));
    pulse.play("room", &wav(&first));
    desk.until(|books| holds(books.heard(0), &first)).await;
    client.signal("STOP");
    let pause = 8.0;
    pulse.play("room", &wav(&vec![0; (pause * f64::from(RATE_HZ)) as usize]));
    client.signal("CONT");
    desk.until(|books| !books.stream(0).holes.is_empty()).await;
    pulse.play("room", &wav(&second));
    desk.until(|books| holds(books.heard(0), &second)).await;
    let log = client.log();
    assert!(log.contains("had a hole"), "{log}");
    assert_eq!(client.end(), Some(0));
    desk.look(|books| {
        let heard = books.heard(0);
        let (from, to) =
            (place(heard, &first).expect("it is there"), place(heard, &second).expect("it is there"));
        let apart = (to - from) as f64 / f64::from(RATE_HZ);
        // Each play begins a little late, and hearing of the hole takes two seconds.
        assert!((pause + 1.0..pause + 9.0).contains(&apart), "{apart} s between both");
        let hole = books.stream(0).holes[0] as usize;
        assert!((from..to).contains(&hole), "the mark lies between both");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_microphone_that_is_unplugged_is_waited_for_and_its_hole_is_marked() {
    let (pulse, desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    desk.until(|books| books.stored(0) > 0).await;
    pulse.unplug("room");
    until("it is noticed", || client.log().contains("the device is gone")).await;
    let before = desk.look(|books| books.heard(0).len());
    desk.until(|books| books.heard(0).len() > before + RATE_HZ as usize).await;
    pulse.plug("room");
    desk.until(|books| !books.stream(0).holes.is_empty()).await;
    let spoken = sound(1.0, 9);
    pulse.play("room", &wav(&spoken));
    desk.until(|books| holds(books.heard(0), &spoken)).await;
    assert_eq!(client.end(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_microphones_of_a_room_are_two_streams_of_one_recording() {
    let (pulse, desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    pulse.plug("web");
    let arguments = ["--device", "pulseaudio:room.monitor", "--device", "web.monitor"];
    let client = terminal.record(&pulse, &desk.root(), &arguments);
    desk.until(|books| books.streams() == 2 && books.stored(0) > 0 && books.stored(1) > 0).await;
    let (here, there) = (sound(1.0, 10), sound(1.0, 11));
    pulse.play("room", &wav(&here));
    pulse.play("web", &wav(&there));
    desk.until(|books| holds(books.heard(0), &here) && holds(books.heard(1), &there)).await;
    assert_eq!(client.end(), Some(0));
    desk.look(|books| {
        assert_eq!(books.wishes.len(), 1);
        assert_eq!(place(books.heard(0), &there), None, "they are not mixed");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn days_without_a_server_end_at_the_limit_and_what_is_lost_is_marked() {
    let (pulse, mut desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    desk.go_away().await;
    let limit: u64 = 300_000;
    let arguments = ["--device", "room.monitor", "--spool-max", &limit.to_string()];
    let client = terminal.record(&pulse, &desk.root(), &arguments);
    let first = sound(1.0, 12);
    until("it records", || terminal.kept() > 0).await;
    pulse.play("room", &wav(&first));
    until("it says that sound is lost", || client.log().contains("new sound is lost")).await;
    pulse.play("room", &wav(&sound(1.0, 13)));
    desk.come_back().await;
    desk.until(|books| books.streams() == 1 && !books.stream(0).holes.is_empty()).await;
    let last = sound(1.0, 14);
    pulse.play("room", &wav(&last));
    desk.until(|books| holds(books.heard(0), &last)).await;
    assert_eq!(client.end(), Some(0));
    desk.look(|books| {
        let heard = books.heard(0);
        assert!(holds(heard, &first), "the oldest is kept");
        assert_eq!(place(heard, &sound(1.0, 13)), None, "there was no room for it");
        assert!(place(heard, &last).expect("it is there") as u64 >= books.stream(0).holes[0]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_while_a_meeting_is_paused() {
    let (pulse, desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    desk.until(|books| books.stored(0) > 0).await;
    let (private, public) = (sound(1.0, 18), sound(1.0, 19));
    desk.pause(true);
    let (mut last, mut calm) = (0, 0);
    // The device gives something twenty times a second: half a second of nothing is the pause.
    let has_stopped = || {
        let kept = terminal.kept();
        calm = if kept == last { calm + 1 } else { 0 };
        last = kept;
        calm >= 25
    };
    until("it stops", has_stopped).await;
    pulse.play("room", &wav(&private));
    let kept = terminal.kept();
    desk.pause(false);
    desk.until(|books| books.stored(0) > kept).await;
    pulse.play("room", &wav(&public));
    desk.until(|books| holds(books.heard(0), &public)).await;
    assert_eq!(client.end(), Some(0));
    desk.look(|books| {
        assert_eq!(place(books.heard(0), &private), None, "what was said in the pause is nowhere");
        assert_eq!(books.stream(0).holes.len(), 1, "the place of the pause is marked");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_that_is_ended_at_the_server_ends_the_client() {
    let (pulse, desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let mut client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    desk.until(|books| books.stored(0) > 0).await;
    desk.end_all();
    let ended = tokio::task::spawn_blocking(move || {
        let code = client.child.wait().expect("it can be waited for").code();
        (code, client.log())
    });
    let (code, log) =
        tokio::time::timeout(Duration::from_secs(30), ended).await.expect("soon").expect("it ends");
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(terminal.kept(), 0, "what came after the end belongs to no meeting");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sound_of_an_alsa_device_arrives_however_fast_it_comes() {
    let (desk, terminal) = (Desk::open().await, Terminal::new());
    let spoken = sound(5.0, 15);
    let bytes: Vec<u8> = spoken.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let folder = terminal.folder.path();
    std::fs::write(folder.join("in.raw"), bytes).expect("there is room");
    // Mono at 48 kHz, read as fast as anybody asks: nothing paces it.
    let pcm = format!(
        "pcm.!default {{ type plug; slave {{ pcm paper; format S16_LE; channels 1; rate 48000 }} }}\n\
         pcm.paper {{ type file; slave.pcm \"null\"; file \"/dev/null\"; infile \"{}\"; format raw }}\n",
        text(&folder.join("in.raw")),
    );
    std::fs::write(folder.join(".asoundrc"), pcm).expect("there is room");
    let arguments = ["--device", "alsa:default", "--spool-max", "40000000"];
    let mut command = terminal.command(&desk.root(), &arguments);
    command.env("PULSE_SERVER", "unix:/nonexistent");
    let client = terminal.start(command);
    desk.until(|books| books.heard(0).len() > 48_000).await;
    client.end();
    desk.look(|books| {
        let heard = books.heard(0);
        // The plug-in reads on in its file between two calls; what it gives in one call is one piece of it.
        assert_eq!(heard[..1_000], spoken[..1_000]);
        let at = heard.iter().zip(&spoken).take_while(|(heard, spoken)| heard == spoken).count();
        assert!(holds(&spoken, &heard[at..at + 1_000]), "{at} samples, then something else");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_believed_only_by_the_authority_that_was_named() {
    let (pulse, desk) = (Pulse::start(), Desk::open().await);
    let cable = Cable::with_tls(desk.address()).await;
    let (authority, port) = (repository("tests/fixtures/tls/authority.pem"), cable.port());
    let unknown = (format!("https://localhost:{port}"), vec!["--device", "room.monitor"]);
    let other_name =
        (format!("https://127.0.0.1:{port}"), vec!["--device", "room.monitor", "--ca", text(&authority)]);
    for (server, arguments) in [unknown, other_name] {
        let terminal = Terminal::new();
        let client = terminal.record(&pulse, &server, &arguments);
        until("it says that it keeps the sound", || client.log().contains("sound is kept here")).await;
        assert!(client.log().contains("certificate"), "{}", client.log());
    }
    desk.look(|books| {
        assert_eq!((books.wishes.len(), books.hellos), (0, 0), "no token was shown to a stranger")
    });
    let terminal = Terminal::new();
    let arguments = ["--device", "room.monitor", "--ca", text(&authority)];
    let client = terminal.record(&pulse, &format!("https://localhost:{port}"), &arguments);
    desk.until(|books| books.stored(0) > 0).await;
    assert_eq!(client.end(), Some(0));
}

#[test]
fn advice_on_a_real_meeting_follows_its_loudness() {
    let meeting = meeting_sound(30);
    let advice = |gain: f32| {
        let mut health = Health::new(16_000);
        // A cast saturates, as a converter does.
        let sound: Vec<i16> = meeting.iter().map(|sample| (sample * gain * 32_768.0) as i16).collect();
        health.hear(&sound);
        health.advice()
    };
    assert_eq!(advice(0.05), Some(Advice::TooLow));
    assert_eq!(advice(0.5), Some(Advice::Good));
    assert_eq!(advice(1.0), Some(Advice::Good));
    assert_eq!(advice(20.0), Some(Advice::Clipping));
}

#[test]
fn what_cannot_work_is_said_at_once_in_plain_words() {
    let terminal = Terminal::new();
    let told = |command: &mut Command| {
        let output = command.output().expect("it can be started");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = told(&mut terminal.command("gijiroku.example", &[]));
    assert!(code == Some(1) && text.contains("https://"), "{text}");
    let (code, text) = told(&mut terminal.command("http://127.0.0.1:1", &["--token-file", "none"]));
    assert!(code == Some(2) || text.contains("none"), "{text}");
    let (code, text) = told(
        Command::new(PROGRAM).args(["capture", "--server", "http://a"]).env_remove("GIJIROKU_CAPTURE_TOKEN"),
    );
    assert!(code == Some(1) && text.contains("GIJIROKU_CAPTURE_TOKEN"), "{text}");
}

#[test]
fn devices_are_listed_with_the_names_by_which_they_are_taken() {
    let pulse = Pulse::start();
    let mut command = Command::new(PROGRAM);
    let output = command.args(["capture", "--list"]).env("PULSE_SERVER", pulse.address()).output();
    let output = output.expect("it can be started");
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    assert!(listed.lines().any(|line| line.starts_with("pulseaudio:room.monitor\t")), "{listed}");
    assert!(
        !listed.lines().any(|line| line.starts_with("pulseaudio:room\t")),
        "a loudspeaker does not hear: {listed}"
    );
}
