//! Scenarios a reader learns the rules from: `61s suzuki acquires → granted`.
//!
//! A line is a time, a subject, what it does, and behind the arrow what comes of it. Everyone who is connected gives a
//! sign of life every ten seconds and works with their seat, unless the scenario says otherwise.

use gijiroku::clock::UnixMs;
use gijiroku::seats::policy::{BurstTerms, Rule, What, Who};
use gijiroku::seats::request::{Act, Held};
use gijiroku::seats::reservation::{Reservation, ReservationId};
use gijiroku::seats::{Class, Happened, LeaseState, MeetingId, Mode, PoolId, Refusal, Reply, Request};
use uuid::Uuid;

use crate::office::{MORNING, Office};

/// Runs a scenario; the error names the line that did not come true.
pub fn play(text: &str) -> Result<(), String> {
    let mut office = Office::new(1);
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        play_line(&mut office, line).map_err(|wrong| format!("line {}: {line}\n  {wrong}", index + 1))?;
    }
    Ok(())
}

fn play_line(office: &mut Office, line: &str) -> Result<(), String> {
    let (said, expected) = line.split_once('→').unwrap_or((line, ""));
    let (time, said) = said.trim().split_once(' ').ok_or("a time and a sentence are wanted")?;
    office.pass_until(time_of(time)?);
    let words: Vec<&str> = said.split_whitespace().collect();
    let came = act(office, &words)?;
    let expected = expected.trim();
    if expected.is_empty() || came == expected { Ok(()) } else { Err(format!("came: {came}")) }
}

/// Reads `90s`, `3m` or `1h30m`.
fn time_of(text: &str) -> Result<u64, String> {
    let (mut total, mut number) = (0, 0);
    for ch in text.chars() {
        match ch {
            '0'..='9' => number = number * 10 + u64::from(ch as u8 - b'0'),
            'h' => (total, number) = (total + number * 3_600_000, 0),
            'm' => (total, number) = (total + number * 60_000, 0),
            's' => (total, number) = (total + number * 1_000, 0),
            _ => return Err(format!("no time: {text}")),
        }
    }
    Ok(total)
}

fn act(office: &mut Office, words: &[&str]) -> Result<String, String> {
    match words {
        ["office", rest @ ..] => set_up(office, rest),
        ["server", rest @ ..] => server(office, rest),
        ["admin", rest @ ..] => admin(office, rest),
        [name, rest @ ..] => person(office, name, rest),
        [] => Err("nothing is said".into()),
    }
}

/// What the office is and has decided.
fn set_up(office: &mut Office, words: &[&str]) -> Result<String, String> {
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("no number: {text}"));
    match words {
        ["has", seats, "seats" | "seat"] => {
            office.seats = number(seats)?;
            office.set_licence();
        }
        ["may", "multiply", "by", times, "for", days, "days"] => {
            office.burst = Some(BurstTerms { times: number(times)?, days: number(days)? });
            office.set_licence();
        }
        ["allows", group, max, "seats" | "seat"] => rule(office, group, What::Quota(number(max)?)),
        ["keeps", seats, "seats" | "seat", "for", group] => {
            rule(office, group, What::Guarantee(number(seats)?));
        }
        ["excludes", group] => rule(office, group, What::Exclude),
        ["reserves", seats, "seats" | "seat", "for", name, "from", from, "to", to] => {
            let (from, to) = (time_of(from)?, time_of(to)?);
            return reserve(office, number(seats)?, name, from, to);
        }
        _ => return Err(format!("an office does not understand {words:?}")),
    }
    Ok("done".into())
}

fn rule(office: &mut Office, group: &str, what: What) {
    let id = format!("rule-{}", office.rules.list.len() + 1);
    office.rules.list.push(Rule { id, pool: PoolId::standard(), who: Who::Department(group.into()), what });
    office.ask(Request::SetRules(office.rules.clone()));
}

fn reserve(office: &mut Office, seats: u32, name: &str, from: u64, to: u64) -> Result<String, String> {
    let person = office.person(name);
    let (organiser, meeting) = (person.applicant.holder, MeetingId(person.device.id.0));
    let at = |ms: u64| UnixMs::from_ms(MORNING.ms() + ms as i64);
    let id = ReservationId(Uuid::from_u128(900));
    let (from, to) = (at(from), at(to));
    let reservation = Reservation {
        id,
        meeting,
        room: None,
        organiser,
        from,
        to,
        seats,
        freed: false,
        attended: false,
        overrun_told: false,
    };
    let reply = office.ask(Request::SetReservations { pool: PoolId::standard(), list: vec![reservation] });
    Ok(reply_word(&reply))
}

fn server(office: &mut Office, words: &[&str]) -> Result<String, String> {
    match words {
        ["restarts", "after", time] => office.restart(time_of(time)?, false),
        ["is", "copied"] => office.copy_disk(),
        ["restarts", "from", "the", "copy"] => office.restart(1_000, true),
        ["clock", "jumps", "ten", "years", "ahead"] => office.office_jump_ms += crate::clocks::TEN_YEARS_MS,
        ["clock", "jumps", "ten", "years", "back"] => office.office_jump_ms -= crate::clocks::TEN_YEARS_MS,
        ["stands", "still", "for", time] => office.now_ms += time_of(time)?,
        ["has", "live", count] => {
            let live = office.live();
            return if live.to_string() == *count { Ok("yes".into()) } else { Err(format!("live: {live}")) };
        }
        _ => return Err(format!("a server does not understand {words:?}")),
    }
    Ok("done".into())
}

fn admin(office: &mut Office, words: &[&str]) -> Result<String, String> {
    let by = || Act { by: "kanri".into(), text: "left at night".into() };
    let pool = PoolId::standard();
    let request = match words {
        ["revokes", name] => Request::Revoke { lease: lease_of(office, name)?.lease, act: by() },
        ["ends", "the", "recording", "of", name] => {
            Request::EndRecording { lease: lease_of(office, name)?.lease, act: by() }
        }
        ["opens", "the", "burst"] => Request::OpenBurst { pool, act: by() },
        ["closes", "the", "burst"] => Request::CloseBurst { pool, act: by() },
        _ => return Err(format!("an administrator does not understand {words:?}")),
    };
    let reply = office.ask(request);
    Ok(reply_word(&reply))
}

/// Returns the lease that belongs to somebody, whether their device knows it or not.
fn lease_of(office: &mut Office, name: &str) -> Result<Held, String> {
    let holder = office.person(name).applicant.holder;
    let now = office.now();
    let mine = office.pools().mine(&PoolId::standard(), holder, now);
    let (lease, _) = mine.ok_or_else(|| format!("{name} has no lease"))?;
    Ok(Held { lease: lease.id, token: lease.token })
}

fn person(office: &mut Office, name: &str, words: &[&str]) -> Result<String, String> {
    let reply = match words {
        ["belongs", "to", department] => {
            office.person(name).applicant.department = (*department).into();
            return Ok("done".into());
        }
        ["is", "of", "class", class] => {
            office.person(name).applicant.class = class_of(class)?;
            return Ok("done".into());
        }
        ["acquires"] => office.acquire(name, false, Mode::Wait),
        ["acquires", "to", "record"] => office.acquire(name, true, Mode::Wait),
        ["acquires", "without", "waiting"] => office.acquire(name, false, Mode::Nowait),
        ["cable", is] => {
            office.person(name).is_connected = *is == "back";
            return Ok("done".into());
        }
        ["sleeps"] => {
            let held = held_by(office, name)?;
            let reply = office.ask(Request::Sleep(held));
            office.person(name).is_connected = false;
            reply
        }
        ["stops", "typing"] | ["types", "again"] => {
            office.person(name).is_typing = words[0] == "types";
            return Ok("done".into());
        }
        ["is", ..] | ["was", ..] | ["lost", ..] => return stands(office, name, words),
        _ => with_seat(office, name, words)?,
    };
    Ok(reply_word(&reply))
}

fn class_of(word: &str) -> Result<Class, String> {
    match word {
        "batch" => Ok(Class::Batch),
        "normal" => Ok(Class::Normal),
        "assembly" => Ok(Class::Assembly),
        "disaster" => Ok(Class::Disaster),
        _ => Err(format!("no class: {word}")),
    }
}

fn held_by(office: &mut Office, name: &str) -> Result<Held, String> {
    office.look(name);
    office.person(name).held.ok_or_else(|| format!("{name} holds nothing"))
}

/// What somebody does with the seat their device knows of.
fn with_seat(office: &mut Office, name: &str, words: &[&str]) -> Result<Reply, String> {
    let held = if words.ends_with(&["old", "token"]) {
        office.person(name).old.ok_or_else(|| format!("{name} has no old token"))?
    } else {
        held_by(office, name)?
    };
    let device = office.person(name).device.id;
    Ok(match words[0] {
        "saves" => {
            let now = office.now();
            match office.pools().proof(held, now) {
                Ok(_) => Reply::Done,
                Err(refusal) => Reply::Refused(refusal),
            }
        }
        "beats" => office.ask(Request::Beat(held)),
        "accepts" => office.ask(Request::Accept(held)),
        "declines" => office.ask(Request::Decline(held)),
        "parks" => office.ask(Request::Park(held)),
        "yields" => office.ask(Request::Yield(held)),
        "closes" => {
            office.person(name).is_connected = false;
            office.ask(Request::SocketClosed { held, device })
        }
        "releases" => {
            let reply = office.ask(Request::Release { held, device });
            if words.len() == 1 {
                office.person(name).held = None;
            }
            reply
        }
        _ => return Err(format!("{name} does not understand {words:?}")),
    })
}

/// How somebody's seat stands, or what the audit says of it.
fn stands(office: &mut Office, name: &str, words: &[&str]) -> Result<String, String> {
    office.look(name);
    let holder = office.person(name).applicant.holder;
    let about = |what: fn(&Happened) -> bool| {
        office.log.iter().any(|event| event.cause.holder == Some(holder) && what(&event.what))
    };
    match words {
        ["was", "warned"] => {
            let is_warned = about(|what| matches!(what, Happened::Warned { .. }));
            return if is_warned { Ok("yes".into()) } else { Err("nobody warned them".into()) };
        }
        ["was", "not", "warned"] => {
            let is_warned = about(|what| matches!(what, Happened::Warned { .. }));
            return if is_warned { Err("they were warned".into()) } else { Ok("yes".into()) };
        }
        ["lost", "it", "as", reason] => {
            let ends = office.log.iter().rev().find_map(|event| match &event.what {
                Happened::Ended { reason, .. } if event.cause.holder == Some(holder) => Some(reason.word()),
                _ => None,
            });
            return if ends == Some(*reason) { Ok("yes".into()) } else { Err(format!("ended: {ends:?}")) };
        }
        _ => {}
    }
    let stands = match office.state_of(name) {
        Some(LeaseState::Offered) => "offered",
        Some(LeaseState::Active) => "active",
        Some(LeaseState::Stale) => "stale",
        Some(LeaseState::Reclaimable) => "reclaimable",
        Some(LeaseState::Parked) => "parked",
        None if is_waiting(office, name) => "waiting",
        None => "gone",
    };
    if words.get(1) == Some(&stands) { Ok("yes".into()) } else { Err(format!("{name} is {stands}")) }
}

fn is_waiting(office: &mut Office, name: &str) -> bool {
    let holder = office.person(name).applicant.holder;
    let now = office.now();
    office.pools().places(&PoolId::standard(), now).iter().any(|(waiting, _)| *waiting == holder)
}

/// Returns the word a scenario uses for a reply.
fn reply_word(reply: &Reply) -> String {
    match reply {
        Reply::Granted(_) => "granted".into(),
        Reply::Attached(lease) if lease.state == LeaseState::Offered => "offered".into(),
        Reply::Attached(_) => "attached".into(),
        Reply::Queued { place, .. } => format!("queued {}", place.position),
        Reply::Beating { .. } => "beating".into(),
        Reply::Done => "done".into(),
        Reply::Refused(refusal) => format!("refused {}", refusal_word(refusal)),
    }
}

fn refusal_word(refusal: &Refusal) -> String {
    let json = serde_json::to_value(refusal).expect("a refusal is plain data");
    let code = json.get("code").and_then(|code| code.as_str()).unwrap_or("without a code");
    code.to_owned()
}

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            let text = include_str!(concat!("../fixtures/seats/", stringify!($name), ".scenario"));
            if let Err(wrong) = play(text) {
                panic!("{wrong}");
            }
        }
    )*};
}

scenarios!(
    admin_takes_a_seat_back,
    cable_out_three_minutes,
    disaster_opens_more_seats,
    first_come_first_served,
    idle_seat_is_taken_only_when_somebody_waits,
    no_show_frees_the_reserved_seat,
    page_is_closed,
    parked_seat_is_kept_until_somebody_needs_it,
    quota_of_a_department,
    recording_is_never_cut,
    restart_keeps_the_seats,
    restored_copy_waits,
    second_device_during_a_recording,
    tablet_sleeps,
);

#[test]
fn a_scenario_that_does_not_come_true_names_its_line() {
    let wrong = play("0s tanaka acquires → granted\n1s suzuki acquires → granted").expect_err("one seat");
    assert!(wrong.starts_with("line 2: 1s suzuki"), "{wrong}");
    assert!(play("0s tanaka dances").is_err());
    assert!(play("1x tanaka acquires").is_err());
}
