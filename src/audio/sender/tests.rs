//! The cases that the browser runs too, and a line that breaks at random.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const CASES: &str = include_str!("../../../tests/fixtures/capture_cases.json");
const RATE_HZ: u32 = 1_000;

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Looks only at how far many frames go.
fn assert_sends(outputs: &Value, expected: &Value, name: &Value) {
    let sends: Vec<&Value> =
        outputs.as_array().expect("a list").iter().filter(|output| output["kind"] == "send").collect();
    let (first, last) = (sends[0], sends[sends.len() - 1]);
    let last_end = number(&last["first_sample"]) + number(&last["samples"]);
    let found = json!({"first": first["first_sample"], "frames": sends.len(), "last_end": last_end});
    assert_eq!(found, *expected, "{name}");
}

#[test]
fn every_case_that_the_browser_runs_too_goes_as_written() {
    let cases: Vec<Value> = serde_json::from_str(CASES).expect("the cases are JSON");
    assert!(cases.len() >= 10, "only {} cases", cases.len());
    for case in cases {
        let name = &case["name"];
        let mut sender =
            Sender::resume("m".into(), RATE_HZ, number(&case["kept_from"]), number(&case["recorded"]));
        for (index, step) in case["steps"].as_array().expect("steps").iter().enumerate() {
            let now = Moment { ms: number(&step["at_ms"]), luck: number(&step["luck"]) as u16 };
            let input = serde_json::from_value(step["input"].clone()).expect("an input");
            let outputs = json!(sender.step(now, input));
            match step.get("expect_sends") {
                Some(expected) => assert_sends(&outputs, expected, name),
                None => assert_eq!(outputs, step["expect"], "{name}, step {index}"),
            }
            assert_eq!(json!(sender.wake_in_ms(now.ms)), step["wake_ms"], "{name}, step {index}");
        }
    }
}

/// A server with a disk that syncs when told to, behind a line that may break.
#[derive(Debug, Default)]
struct Server {
    kept: Vec<u64>,
    holes: Vec<u64>,
    durable: usize,
    open: bool,
    ended: bool,
}

/// What the world does next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Record(u64),
    Hole,
    Pass(u64),
    Break,
    Sync,
    /// The next frame comes damaged.
    Damage,
    Crash,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        6 => (1..400_u64).prop_map(Turn::Record),
        1 => Just(Turn::Hole),
        4 => (1..20_000_u64).prop_map(Turn::Pass),
        2 => Just(Turn::Break),
        4 => Just(Turn::Sync),
        1 => Just(Turn::Damage),
        1 => Just(Turn::Crash),
    ];
    vec(turn, 1..120)
}

/// A sender, its recording (sample *i* is *i*) and a server.
struct World {
    sender: Sender,
    server: Server,
    ms: u64,
    recorded: u64,
    holes: Vec<u64>,
    forgotten: u64,
    damage: bool,
    whole: Option<bool>,
}

impl World {
    fn new() -> Self {
        let (sender, server) = (Sender::new("m".into(), RATE_HZ), Server::default());
        let holes = Vec::new();
        Self { sender, server, ms: 0, recorded: 0, holes, forgotten: 0, damage: false, whole: None }
    }

    fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = Moment { ms: self.ms, luck: (self.ms % 1000) as u16 };
            for output in self.sender.step(now, input) {
                inputs.extend(self.obey(output));
            }
        }
    }

    fn obey(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Connect => {
                self.server.open = true;
                Some(Input::Opened)
            }
            Output::Close => {
                self.server.open = false;
                None
            }
            Output::Say { message: ClientSays::Hello { .. } } => {
                let stored = self.server.durable as u64;
                self.server.kept.truncate(self.server.durable);
                self.server.holes.retain(|at| *at < stored);
                Some(Input::Heard { says: ServerSays::Welcome { stored } })
            }
            Output::Say { message: ClientSays::End { samples } } => {
                if self.server.kept.len() as u64 != samples {
                    return None;
                }
                self.server.durable = self.server.kept.len();
                self.server.ended = true;
                Some(Input::Heard { says: ServerSays::Ended })
            }
            Output::Say { message: ClientSays::Unknown } => panic!("nothing unknown is said"),
            Output::Send { first_sample, samples, hole_before, .. } => {
                self.receive(first_sample, u64::from(samples), hole_before)
            }
            Output::Forget { before } => {
                assert!(before <= self.server.durable as u64, "only what is on the disk is forgotten");
                self.forgotten = before;
                None
            }
            Output::Over { whole } => {
                self.whole = Some(whole);
                None
            }
        }
    }

    fn receive(&mut self, first: u64, samples: u64, hole_before: bool) -> Option<Input> {
        assert!(first >= self.forgotten && first + samples <= self.recorded, "only what is here is sent");
        assert!(samples <= u64::from(RATE_HZ));
        let from = self.server.kept.len() as u64;
        if std::mem::take(&mut self.damage) || first > from {
            return Some(Input::Heard { says: ServerSays::Resend { from } });
        }
        if first < from {
            return None;
        }
        if hole_before {
            self.server.holes.push(first);
        }
        self.server.kept.extend(first..first + samples);
        None
    }

    fn turn(&mut self, turn: Turn) {
        match turn {
            Turn::Record(samples) => {
                self.recorded += samples;
                self.step(Input::Recorded { samples: self.recorded });
            }
            Turn::Hole => {
                if self.holes.last() != Some(&self.recorded) {
                    self.holes.push(self.recorded);
                }
                self.step(Input::Hole { at: self.recorded });
            }
            Turn::Pass(ms) => {
                self.ms += ms;
                self.step(Input::Wake);
            }
            Turn::Break => {
                self.server.open = false;
                self.step(Input::Closed);
            }
            Turn::Sync => self.sync(),
            Turn::Damage => self.damage = true,
            Turn::Crash => {
                self.server.open = false;
                self.server.kept.truncate(self.server.durable);
                self.step(Input::Closed);
            }
        }
    }

    fn sync(&mut self) {
        self.server.durable = self.server.kept.len();
        let samples = self.server.durable as u64;
        if self.server.open {
            self.step(Input::Heard { says: ServerSays::Stored { samples } });
        }
    }
}

proptest! {
    #[test]
    fn whatever_breaks_everything_arrives_once_and_every_hole_is_marked(turns in turns()) {
        let mut world = World::new();
        for turn in turns {
            world.turn(turn);
        }
        world.damage = false;
        world.step(Input::Finish);
        for _ in 0..200 {
            if world.whole.is_some() {
                break;
            }
            world.ms += world.sender.wake_in_ms(world.ms).unwrap_or(1_000);
            world.step(Input::Wake);
            world.sync();
        }
        prop_assert_eq!(world.whole, Some(true));
        prop_assert!(world.server.kept.iter().copied().eq(0..world.recorded));
        let marked: Vec<u64> = world.holes.iter().copied().filter(|at| *at < world.recorded).collect();
        prop_assert_eq!(world.server.holes, marked);
    }
}
