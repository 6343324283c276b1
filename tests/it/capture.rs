//! `gijiroku capture` on real sound systems, against a server that speaks the protocol and can be taken away.

pub mod desk;
mod pulse;
mod sound;
mod terminal;

use std::process::Command;
use std::time::{Duration, Instant};

use desk::{Cable, Desk};
use gijiroku::audio::health::{Advice, Health};
use gijiroku::store::Id;
use pulse::{Pulse, RATE_HZ, wav};
use sound::{PIECE, agree, find, holds, place, sound};
use terminal::Terminal;

use crate::support::{PROGRAM, meeting_sound, repository, text, until};

/// Plays a sound until the server has it: the loudspeaker of a busy machine stumbles.
async fn speak(pulse: &Pulse, desk: &Desk, sound: &[i16]) {
    for _ in 0..5 {
        pulse.play("room", &wav(sound));
        if desk.soon(Duration::from_secs(15), |books| holds(books.heard(0), sound)).await {
            return;
        }
    }
    panic!("it was said five times and not heard once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_room_hears_arrives_to_the_sample_and_is_deleted_here() {
    let (pulse, desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let arguments = ["--device", "room.monitor", "--title", "定例会", "--room", "第1会議室"];
    let client = terminal.record(&pulse, &desk.root(), &arguments);
    desk.until(|books| books.stored(0) > 0).await;
    // A loudspeaker that stumbles is given another chance; whoever loses sound of his own gets none of them right.
    let spoken: Vec<Vec<i16>> = (100..103).map(|seed| sound(1.0, seed)).collect();
    for spoken in &spoken {
        pulse.play("room", &wav(spoken));
        desk.until(|books| holds(books.heard(0), spoken)).await;
    }
    let log = client.log();
    assert_eq!(client.end(), Some(0), "{log}");
    desk.look(|books| {
        let heard = books.heard(0);
        let is_exact =
            |sound: &Vec<i16>| find(heard, &sound[..PIECE]).is_some_and(|at| heard[at..].starts_with(sound));
        assert!(spoken.iter().any(is_exact), "not one of three sounds is there to the sample");
        let mut wish = books.wishes[0].clone();
        let name = wish.as_object_mut().expect("it is an object").remove("request_id");
        assert!(name.is_some_and(|name| name.as_str().is_some_and(|name| name.parse::<Id>().is_ok())));
        assert_eq!(
            (wish, books.wishes.len()),
            (serde_json::json!({"title": "定例会", "meeting_id": null, "room": "第1会議室"}), 1)
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
    let spoken = sound(1.0, 2);
    // Said three times: the loudspeaker of a busy machine stumbles, and nobody can be asked meanwhile.
    for _ in 0..3 {
        pulse.play("room", &wav(&spoken));
    }
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
    speak(&pulse, &desk, &before).await;
    client.kill();
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    desk.until(|books| !books.stream(0).holes.is_empty()).await;
    speak(&pulse, &desk, &after).await;
    assert_eq!(client.end(), Some(0));
    desk.look(|books| {
        assert_eq!(
            (books.wishes.len(), books.streams()),
            (1, 1),
            "it is the same session and the same stream"
        );
        assert!(holds(books.heard(0), &before));
        assert!(!books.stream(0).holes.is_empty(), "the time between is marked");
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
async fn a_start_whose_answer_is_lost_is_tried_again_and_begins_no_second_meeting() {
    let (pulse, desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    desk.lose_answers(2);
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    desk.until(|books| books.stored(0) > 0).await;
    assert_eq!(client.end(), Some(0));
    desk.look(|books| {
        let names: Vec<_> = books.wishes.iter().map(|wish| wish["request_id"].clone()).collect();
        assert_eq!(names.len(), 3, "two answers were lost");
        assert!(names[0].is_string() && names.iter().all(|name| *name == names[0]), "{names:?}");
        assert_eq!(books.lives(), ["live-1"], "the microphone went to the meeting that was begun first");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_ends_while_the_server_is_away_keeps_everything_for_the_next_start() {
    let (pulse, mut desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    desk.go_away().await;
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor", "--linger", "0"]);
    until("it records", || terminal.kept() > 0).await;
    let spoken = sound(1.0, 4);
    for _ in 0..3 {
        pulse.play("room", &wav(&spoken));
    }
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
    let (good_desk, good_terminal) = (Desk::open().await, Terminal::new());
    let _good = good_terminal.record(&pulse, &good_desk.root(), &["--device", "room.monitor"]);
    let cable = Cable::to(desk.address()).await;
    let client = terminal.record(&pulse, &cable.root(), &["--device", "room.monitor"]);
    desk.until(|books| books.stored(0) > 0).await;
    good_desk.until(|books| books.stored(0) > 0).await;
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
    good_desk.until(|books| holds(books.heard(0), &spoken)).await;
    desk.until(|books| holds(books.heard(0), &spoken)).await;
    assert_eq!(client.end(), Some(0));
    let good = good_desk.look(|books| books.heard(0).to_vec());
    desk.look(|books| {
        assert!(agree(books.heard(0), &good, &spoken), "over a bad line comes the same as over a good one");
        assert_eq!(books.stream(0).holes, [0_u64; 0], "the microphone had no hole");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loses_what_it_had_not_confirmed_is_sent_it_again() {
    let (pulse, mut desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let (good_desk, good_terminal) = (Desk::open().await, Terminal::new());
    let _good = good_terminal.record(&pulse, &good_desk.root(), &["--device", "room.monitor"]);
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    desk.until(|books| books.stored(0) > 0).await;
    good_desk.until(|books| books.stored(0) > 0).await;
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
    good_desk.until(|books| holds(books.heard(0), &spoken)).await;
    desk.until(|books| holds(books.heard(0), &spoken)).await;
    assert_eq!(client.end(), Some(0));
    let good = good_desk.look(|books| books.heard(0).to_vec());
    desk.look(|books| assert!(agree(books.heard(0), &good, &spoken), "both servers were told the same"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stood_still_marks_the_hole_and_keeps_the_time() {
    let (pulse, desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    // The device's nature has to be known before a hole can be told from it.
    desk.until(|books| books.stored(0) > 11 * u64::from(RATE_HZ)).await;
    let (first, second) = (sound(1.0, 7), sound(1.0, 8));
    speak(&pulse, &desk, &first).await;
    client.signal("STOP");
    let pause = 8.0;
    pulse.play("room", &wav(&vec![0; (pause * f64::from(RATE_HZ)) as usize]));
    client.signal("CONT");
    desk.until(|books| !books.stream(0).holes.is_empty()).await;
    speak(&pulse, &desk, &second).await;
    let log = client.log();
    assert!(log.contains("had a hole"), "{log}");
    assert_eq!(client.end(), Some(0));
    desk.look(|books| {
        let heard = books.heard(0);
        let (from, to) =
            (place(heard, &first).expect("it is there"), place(heard, &second).expect("it is there"));
        let apart = (to - from) as f64 / f64::from(RATE_HZ);
        // Each play begins a little late, and hearing of the hole takes two seconds.
        assert!((pause + 1.0..pause + 60.0).contains(&apart), "{apart} s between both");
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
    speak(&pulse, &desk, &spoken).await;
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
    speak(&pulse, &desk, &last).await;
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
    speak(&pulse, &desk, &public).await;
    assert_eq!(client.end(), Some(0));
    desk.look(|books| {
        assert_eq!(place(books.heard(0), &private), None, "what was said in the pause is nowhere");
        assert_eq!(books.stream(0).holes.len(), 1, "the place of the pause is marked");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_that_is_ended_at_the_server_ends_the_client() {
    let (pulse, desk, terminal) = (Pulse::start(), Desk::open().await, Terminal::new());
    let client = terminal.record(&pulse, &desk.root(), &["--device", "room.monitor"]);
    desk.until(|books| books.stored(0) > 0).await;
    desk.end_all();
    let ended = tokio::task::spawn_blocking(move || client.wait());
    let code = tokio::time::timeout(Duration::from_secs(60), ended).await.expect("soon").expect("it ends");
    assert_eq!(code, Some(0));
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
        assert_eq!(heard[..1_000], spoken[..1_000]);
        // The plug-in reads on in its file between two calls: what it gives in one call is one piece of it. What comes
        // faster than it can be kept is a hole, and silence in the recording; the sound has no silence of its own.
        let at = heard.iter().zip(&spoken).take_while(|(heard, spoken)| heard == spoken).count();
        let next: Vec<i16> =
            heard[at..].iter().copied().skip_while(|sample| *sample == 0).take(1_000).collect();
        assert!(next.len() < 1_000 || holds(&spoken, &next), "{at} samples, then something else");
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
