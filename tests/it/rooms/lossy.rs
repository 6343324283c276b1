//! The product's own sender on a line that damages, doubles, swaps and cuts: the pure machine with a hostile driver.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use gijiroku::audio::frames::Frame;
use gijiroku::audio::sender::{Input, Moment, Output, Sender};
use gijiroku::store::Id;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::microphone::Line;

/// How long is listened to the server before the microphone has heard more.
const TURN: Duration = Duration::from_millis(5);

/// What was done to a recording on its way.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Frames with a bit turned.
    pub damaged: u32,
    /// Frames sent twice.
    pub doubled: u32,
    /// Frames that came behind the one after them.
    pub swapped: u32,
    /// Connections cut.
    pub cut: u32,
}

/// The microphone's side of a bad line.
pub struct Lossy<'a> {
    /// The path of the live meeting's microphones, with the server before it.
    pub place: (&'a str, String, &'a str),
    /// What is heard, 16 kHz.
    pub sound: &'a [i16],
    sender: Sender,
    line: Option<Line>,
    held_back: Option<Vec<u8>>,
    inputs: VecDeque<Input>,
    heard: u64,
    forgotten: u64,
    luck: u64,
    /// Whether anything happens to frames on their way.
    is_bad: bool,
    faults: Faults,
}

impl<'a> Lossy<'a> {
    /// Puts a microphone on a bad line.
    pub fn new(place: (&'a str, String, &'a str), sound: &'a [i16], seed: u64) -> Self {
        Self {
            place,
            sound,
            sender: Sender::new(Id::new().to_string(), 16_000),
            line: None,
            held_back: None,
            inputs: VecDeque::new(),
            heard: 0,
            forgotten: 0,
            luck: seed,
            is_bad: true,
            faults: Faults::default(),
        }
    }

    /// Puts one on a line that does no more than break.
    pub fn steady(place: (&'a str, String, &'a str), sound: &'a [i16]) -> Self {
        Self { is_bad: false, ..Self::new(place, sound, 1) }
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.luck ^= self.luck << 13;
        self.luck ^= self.luck >> 7;
        self.luck ^= self.luck << 17;
        self.is_bad && self.luck.is_multiple_of(times)
    }

    /// Records everything, whatever happens on the way; what happened.
    pub async fn record(mut self) -> Faults {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(120) {
            let input = match self.inputs.pop_front() {
                Some(input) => input,
                None => self.next_input().await,
            };
            let ms = u64::try_from(begin.elapsed().as_millis()).expect("tests are short");
            for output in self.sender.step(Moment { ms, luck: 0 }, input) {
                if self.carry_out(output).await {
                    return self.faults;
                }
            }
        }
        panic!("the sender never got rid of its sound: {:?} {:?}", self.sender, self.faults);
    }

    async fn next_input(&mut self) -> Input {
        let total = self.sound.len() as u64;
        let said = match &mut self.line {
            Some(line) => tokio::time::timeout(TURN, line.next()).await,
            None => tokio::time::timeout(TURN, std::future::pending()).await,
        };
        match said {
            Ok(Some(said)) => {
                let says = serde_json::from_value(said).expect("the server speaks the protocol");
                Input::Heard { says }
            }
            Ok(None) => {
                self.line = None;
                Input::Closed
            }
            Err(_) if self.heard < total => {
                // Some twenty times as fast as a meeting.
                self.heard = (self.heard + 1_600).min(total);
                if self.heard == total {
                    self.inputs.push_back(Input::Finish);
                }
                Input::Recorded { samples: self.heard }
            }
            Err(_) => Input::Wake,
        }
    }

    /// Does what the sender wants, badly; tells whether it is done.
    async fn carry_out(&mut self, output: Output) -> bool {
        match output {
            Output::Connect => {
                let (root, path, token) = &self.place;
                self.held_back = None;
                self.line = Line::open(root, path, Some(token)).await.ok();
                self.inputs.push_back(if self.line.is_some() { Input::Opened } else { Input::Closed });
            }
            Output::Close => self.line = None,
            Output::Say { message } => {
                if let Some(line) = &mut self.line {
                    line.say(json!(message)).await;
                }
            }
            Output::Send { number, first_sample, samples, hole_before } => {
                assert!(first_sample >= self.forgotten, "what was forgotten is asked for again");
                let from = usize::try_from(first_sample).expect("tests are short");
                let samples = self.sound[from..from + samples as usize].to_vec();
                self.send(&Frame { number, first_sample, hole_before, samples }).await;
            }
            Output::Forget { before } => self.forgotten = before,
            Output::Over { whole } => {
                assert!(whole, "the server has everything");
                return true;
            }
        }
        false
    }

    async fn send(&mut self, frame: &Frame) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        if self.one_in(97) {
            self.faults.cut += 1;
            self.line = None;
            self.inputs.push_back(Input::Closed);
            return;
        }
        if self.one_in(23) {
            self.faults.damaged += 1;
            let place = usize::try_from(self.luck >> 8).unwrap_or(0) % bytes.len();
            bytes[place] ^= 1 << (self.luck % 8);
        }
        if self.one_in(19) && self.held_back.is_none() {
            self.faults.swapped += 1;
            self.held_back = Some(bytes);
            return;
        }
        let twice = self.one_in(29).then(|| bytes.clone());
        self.faults.doubled += u32::from(twice.is_some());
        let held_back = self.held_back.take();
        for bytes in [Some(bytes), twice, held_back].into_iter().flatten() {
            if let Some(line) = &mut self.line {
                // A line that broke is found by who listens.
                line.0.send(Message::binary(bytes)).await.ok();
            }
        }
    }
}
