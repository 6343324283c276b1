//! A day in a house of rooms, in virtual time.

use super::*;
use crate::audio::MediaSpan;
use crate::speech::{Effort, Language};

const NATIVE: Engine = Engine { slots: 4, yields: true };
const WHISPER: Engine = Engine { slots: 2, yields: false };

fn at(ms: u64) -> Mono {
    Mono::from_ms(ms)
}

fn ask(id: u64, urgency: Urgency, due_ms: u64) -> Ask {
    let effort = Effort { beam: 1, temperature: 0.0, audio_ctx: 320, tokens_max: 50 };
    let request = Request {
        samples: vec![0.0; 16_000],
        language: Language::Ja,
        prompt: Vec::new(),
        effort,
        due: Due::at(urgency, at(due_ms)),
    };
    let span = MediaSpan::from_ms(0, 1_000);
    Ask { id: AskId(id), request, span, due: at(due_ms), speculative: urgency == Urgency::Partial }
}

fn house(engine: Engine, rooms: u64) -> House {
    let mut house = House::new(engine);
    for room in 1..=rooms {
        assert_eq!(house.open(RoomId(room), at(0)), Admission::Captions);
    }
    house
}

/// Hands everything out that can be handed out; returns the rooms in order.
fn served(house: &mut House, now: Mono) -> Vec<u64> {
    let mut rooms = Vec::new();
    while let Some(next) = house.next(now) {
        if let Next::Submit(ticket, _) = next {
            rooms.push(house.flying[&ticket].room.0);
        }
    }
    rooms
}

#[test]
fn finals_come_by_their_deadline_and_before_every_guess() {
    let mut house = house(NATIVE, 3);
    house.ask(RoomId(1), ask(1, Urgency::Partial, 500));
    house.ask(RoomId(2), ask(1, Urgency::Final, 2_000));
    house.ask(RoomId(3), ask(1, Urgency::Final, 1_000));
    assert_eq!(served(&mut house, at(100)), [3, 2, 1]);
}

#[test]
fn a_room_has_one_guess_and_the_newer_one_takes_the_place_of_the_older() {
    let mut house = house(NATIVE, 1);
    assert_eq!(house.ask(RoomId(1), ask(1, Urgency::Partial, 500)), None);
    assert_eq!(house.ask(RoomId(1), ask(2, Urgency::Partial, 1_300)), Some(AskId(1)));
    assert_eq!(served(&mut house, at(100)).len(), 1);
}

#[test]
fn a_guess_that_would_come_too_late_is_dropped_and_a_final_never_is() {
    let mut house = house(Engine { slots: 1, yields: true }, 1);
    house.ask(RoomId(1), ask(1, Urgency::Final, 500));
    house.ask(RoomId(1), ask(2, Urgency::Final, 500));
    house.ask(RoomId(1), ask(3, Urgency::Partial, 500));
    assert!(matches!(house.next(at(100)), Some(Next::Submit(Ticket(0), _))));
    assert_eq!(house.next(at(100)), None);
    assert_eq!(house.next(at(60_000)), Some(Next::Dropped(RoomId(1), AskId(3))));
    assert_eq!(house.next(at(60_000)), None);
    assert_eq!(house.answered(Ticket(0), true, at(60_000)), Some((RoomId(1), AskId(1))));
    assert!(matches!(house.next(at(60_000)), Some(Next::Submit(Ticket(1), _))));
}

#[test]
fn rooms_take_turns_and_a_greedy_one_waits_for_its_credit() {
    let mut house = house(Engine { slots: 1, yields: true }, 2);
    let mut turns = [0_u32; 3];
    for step in 0..200_u64 {
        let now = at(step * 100);
        // Room 1 always wants, room 2 every third time.
        house.ask(RoomId(1), ask(step, Urgency::Partial, step * 100 + 800));
        if step % 3 == 0 {
            house.ask(RoomId(2), ask(step, Urgency::Partial, step * 100 + 800));
        }
        if let Some(Next::Submit(ticket, _)) = house.next(now) {
            let room = house.flying[&ticket].room.0;
            turns[room as usize] += 1;
            house.answered(ticket, true, now + Duration::from_millis(90));
        }
    }
    assert!(turns[2] >= 60, "the modest room is served when it asks: {turns:?}");
    assert!(turns[1] > turns[2], "what is left goes to who wants it: {turns:?}");
}

#[test]
fn a_room_beyond_what_the_machine_can_do_is_recorded_and_told_why() {
    let mut house = house(NATIVE, 5);
    let refused = house.open(RoomId(6), at(0));
    assert_eq!(refused, Admission::RecordingOnly(Refusal::Full { rooms: 5, rooms_max: 5 }));
    house.close(RoomId(2));
    assert_eq!(house.open(RoomId(6), at(0)), Admission::Captions);
    house.engine_works(false);
    assert_eq!(house.open(RoomId(7), at(0)), Admission::RecordingOnly(Refusal::EngineAway));
}

#[test]
fn where_windows_cannot_be_left_a_place_is_kept_for_the_next_final() {
    let mut house = house(WHISPER, 2);
    house.ask(RoomId(1), ask(1, Urgency::Partial, 900));
    house.ask(RoomId(2), ask(2, Urgency::Partial, 900));
    assert_eq!(served(&mut house, at(0)).len(), 1);
    house.ask(RoomId(2), ask(3, Urgency::Final, 900));
    assert_eq!(served(&mut house, at(0)), [2]);
}

#[test]
fn a_closed_room_is_forgotten_with_all_its_questions() {
    let mut house = house(NATIVE, 2);
    house.ask(RoomId(1), ask(1, Urgency::Final, 900));
    house.ask(RoomId(1), ask(2, Urgency::Partial, 900));
    assert_eq!(served(&mut house, at(0)).len(), 2);
    assert_eq!(house.close(RoomId(1)), [Ticket(0), Ticket(1)]);
    assert_eq!(house.answered(Ticket(0), true, at(10)), None);
    assert_eq!(house.ask(RoomId(1), ask(3, Urgency::Final, 900)), Some(AskId(3)));
}

#[test]
fn batch_work_runs_beside_rooms_where_it_can_be_left_and_in_short_windows_where_not() {
    assert_eq!(House::new(NATIVE).batch(), BatchLeave::Runs { span_ms_max: None });
    assert_eq!(house(NATIVE, 1).batch(), BatchLeave::Runs { span_ms_max: None });
    let mut slow = house(WHISPER, 1);
    assert_eq!(slow.batch(), BatchLeave::Runs { span_ms_max: Some(10_000) });
    slow.ask(RoomId(1), ask(1, Urgency::Partial, 900));
    assert_eq!(slow.batch(), BatchLeave::Waits);
}

/// Three rooms speak without a pause; an engine with one slot takes `cost` of the sound's length for finals.
struct Day {
    house: House,
    now_ms: u64,
    busy_until_ms: u64,
    computing: Option<Ticket>,
    asked: u64,
    finals_answered: u64,
    levels: Vec<(u64, Level)>,
}

impl Day {
    fn begin() -> Self {
        let house = house(Engine { slots: 1, yields: true }, 3);
        let levels = Vec::new();
        Self { house, now_ms: 0, busy_until_ms: 0, computing: None, asked: 0, finals_answered: 0, levels }
    }

    /// Lives on; a final takes `final_ms`, a guess `partial_ms`.
    fn live(&mut self, until_ms: u64, final_ms: u64, partial_ms: u64) {
        while self.now_ms < until_ms {
            self.now_ms += 100;
            let now = at(self.now_ms);
            if let Some(ticket) = self.computing.take_if(|_| self.now_ms >= self.busy_until_ms) {
                let is_final = self.house.flying[&ticket].due.urgency == Urgency::Final;
                self.finals_answered += u64::from(is_final);
                self.house.answered(ticket, true, now);
            }
            self.speak();
            while self.computing.is_none() {
                match self.house.next(now) {
                    Some(Next::Submit(ticket, request)) => {
                        let is_final = request.due.urgency == Urgency::Final;
                        self.busy_until_ms = self.now_ms + if is_final { final_ms } else { partial_ms };
                        self.computing = Some(ticket);
                    }
                    Some(Next::Dropped(..)) => {}
                    None => break,
                }
            }
            self.levels.extend(self.house.observe(now).map(|level| (self.now_ms, level)));
        }
    }

    /// Each room ends an utterance every 6 s, and wants guesses as often as the level allows.
    fn speak(&mut self) {
        for room in 1..=3 {
            if (self.now_ms + room * 2_000).is_multiple_of(6_000) {
                self.asked += 1;
                self.house.ask(RoomId(room), ask(self.asked * 2, Urgency::Final, self.now_ms + 1_500));
            }
            let every = self.house.level().partial_every().map(|every| every.as_millis() as u64);
            if every.is_some_and(|every| self.now_ms.is_multiple_of(every.next_multiple_of(100))) {
                self.house.ask(RoomId(room), ask(self.asked * 2 + 1, Urgency::Partial, self.now_ms + 800));
            }
        }
    }
}

#[test]
fn with_enough_power_nothing_is_left_out() {
    let mut day = Day::begin();
    day.live(120_000, 300, 100);
    assert_eq!(day.levels, []);
    assert!(day.finals_answered + 1 >= day.asked);
}

#[test]
fn overload_takes_guesses_away_but_no_final_and_ease_brings_them_back() {
    let mut day = Day::begin();
    day.live(60_000, 300, 100);
    // Something else takes the machine for a minute: finals take 1.5 s, guesses 1.4 s.
    day.live(120_000, 1_500, 1_400);
    let worst = day.levels.iter().map(|(_, level)| *level).max().unwrap_or_default();
    assert!(worst >= Level::SlowPartials, "{:?}", day.levels);
    day.live(420_000, 300, 100);
    assert_eq!(day.house.level(), Level::Full, "{:?}", day.levels);
    assert!(day.finals_answered + 1 >= day.asked, "{} of {}", day.finals_answered, day.asked);
}

#[test]
fn work_that_is_too_much_for_ever_ends_in_captions_that_are_late_and_still_complete() {
    let mut day = Day::begin();
    day.live(60_000, 2_100, 500);
    assert_eq!(day.house.level(), Level::Delayed, "{:?}", day.levels);
    let waiting: usize = day.house.rooms.values().map(|room| room.finals.len()).sum();
    let lost = day.asked - day.finals_answered - waiting as u64 - u64::from(day.computing.is_some());
    assert_eq!(lost, 0);
}

#[test]
fn what_captions_can_do_without_is_left_out_before_the_first_step_of_the_ladder() {
    let mut house = house(NATIVE, 1);
    assert!(house.is_at_ease(at(0)));
    house.ask(RoomId(1), ask(1, Urgency::Final, 1_000));
    assert!(house.is_at_ease(at(900)), "it is not due yet");
    assert!(!house.is_at_ease(at(1_100)), "a final is late");
    assert_eq!(house.level(), Level::Full);
}
