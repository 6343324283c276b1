//! The sending half of a microphone: what to send next, what may be forgotten, when to connect again.
//!
//! It holds no sound, no socket and no clock. Sound is kept by whoever drives it, until [`Output::Forget`]; a connection
//! may break, a server may vanish for days, and what it has not confirmed is sent again. `web/src/state/capture.ts` is
//! the same machine; both run `tests/fixtures/capture_cases.json`.
//!
//! ```text
//! Waiting ─Connect─► Connecting ─hello─► Greeting ─welcome─► Sending ⇄ Ending ─ended─► Over
//!    ▲                   └───────────────────┴───────────────────┴────────┘ broken, silent, refused
//!    └─ back-off 0.5 s … 30 s, half of it by luck ──────────────────┘
//! ```

#[cfg(test)]
mod tests;
mod words;

use std::collections::VecDeque;

use super::record::{ClientSays, PROTOCOL, ServerSays};
pub use words::{Input, Moment, Output};

/// Least sound of a frame while the microphone runs: a tenth of a second keeps captions quick.
const FRAMES_PER_SECOND: u32 = 10;
/// Sound that may be under way unconfirmed. Source: a server syncs once a second, so a backlog goes at up to 30 times
/// the speed of the meeting, and the socket never holds more than 3 MB at 48 kHz.
const UNDER_WAY_SECONDS: u64 = 30;
/// How long opening the socket, or the welcome, may take.
const GREETING_MS: u64 = 15_000;
/// How long a server that has something to confirm may say nothing.
const SILENCE_MS: u64 = 20_000;
/// The first and the longest pause before the next try.
const BACKOFF_MS: (u64, u64) = (500, 30_000);
/// The pause after a refusal: somebody has to do something first.
const REFUSED_MS: u64 = 60_000;
/// Requests to send again without anything being stored in between; then the line is made anew.
const RESENDS_MAX: u32 = 8;
/// How far a server may be ahead of a machine that lost its power, and with it what was not yet on its disk.
const AHEAD_SECONDS_MAX: u64 = 60;
/// Holes not yet confirmed. A microphone that breaks more often is marked no further.
const HOLES_MAX: usize = 65_536;

/// One microphone's way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    stream: String,
    rate_hz: u32,
    recorded: u64,
    /// What the server has on its disk.
    stored: u64,
    /// The next sample to send.
    next: u64,
    /// The farthest that was sent on this connection.
    reached: u64,
    /// First samples behind holes that the server has not confirmed, in order.
    holes: VecDeque<u64>,
    number: u32,
    finished: bool,
    phase: Phase,
    failures: u32,
    resends: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting { until_ms: u64 },
    Connecting { until_ms: u64 },
    Greeting { until_ms: u64 },
    Sending { heard_ms: u64 },
    Ending { heard_ms: u64 },
    Over,
}

impl Sender {
    /// Begins a recording of the microphone `stream` with `rate_hz`, 1 or more.
    pub fn new(stream: String, rate_hz: u32) -> Self {
        Self::resume(stream, rate_hz, 0, 0)
    }

    /// Goes on with a recording of an earlier run: samples from `kept_from` to `recorded` are here.
    pub fn resume(stream: String, rate_hz: u32, kept_from: u64, recorded: u64) -> Self {
        Self {
            stream,
            rate_hz: rate_hz.max(1),
            recorded,
            stored: kept_from.min(recorded),
            next: kept_from.min(recorded),
            reached: 0,
            holes: VecDeque::new(),
            number: 0,
            finished: false,
            phase: Phase::Waiting { until_ms: 0 },
            failures: 0,
            resends: 0,
        }
    }

    /// Takes one input and says what to do, in order.
    ///
    /// Range: call it also with [`Input::Wake`] when [`Self::wake_in_ms`] is over; late calls only make it slower.
    pub fn step(&mut self, now: Moment, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Wake => {}
            Input::Recorded { samples } => self.recorded = self.recorded.max(samples),
            Input::Hole { at } => self.note_hole(at),
            Input::Finish => self.finished = true,
            Input::Opened => self.greet(now, &mut out),
            Input::Closed => self.retry_after_break(now),
            Input::Refused => self.wait(now, REFUSED_MS),
            Input::Heard { says } => self.hear(now, says, &mut out),
        }
        self.look_at_time(now, &mut out);
        self.send(now, &mut out);
        out
    }

    /// Returns in how many milliseconds time alone changes something; nothing if it cannot.
    pub fn wake_in_ms(&self, now_ms: u64) -> Option<u64> {
        Some(self.due_ms()?.saturating_sub(now_ms))
    }

    /// Returns the samples that exist and that the server has.
    pub fn progress(&self) -> (u64, u64) {
        (self.recorded, self.stored)
    }

    /// Tells whether sound is going to the server now.
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Sending { .. } | Phase::Ending { .. })
    }

    fn note_hole(&mut self, at: u64) {
        let is_new = at >= self.next && self.holes.back().is_none_or(|last| *last < at);
        if is_new && self.holes.len() < HOLES_MAX {
            self.holes.push_back(at);
        }
    }

    fn greet(&mut self, now: Moment, out: &mut Vec<Output>) {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        let message =
            ClientSays::Hello { stream: self.stream.clone(), rate_hz: self.rate_hz, protocol: PROTOCOL };
        out.push(Output::Say { message });
        self.phase = Phase::Greeting { until_ms: now.ms + GREETING_MS };
    }

    fn hear(&mut self, now: Moment, says: ServerSays, out: &mut Vec<Output>) {
        match self.phase {
            // Words of a connection that is over.
            Phase::Waiting { .. } | Phase::Connecting { .. } | Phase::Over => {}
            Phase::Greeting { .. } => match says {
                ServerSays::Welcome { stored } => self.begin(now, stored, out),
                ServerSays::Ended => self.end(out),
                ServerSays::Stored { .. }
                | ServerSays::Resend { .. }
                | ServerSays::Advice { .. }
                | ServerSays::State { .. }
                | ServerSays::Unknown => {}
            },
            Phase::Sending { .. } => {
                self.phase = Phase::Sending { heard_ms: now.ms };
                self.follow(now, says, out);
            }
            Phase::Ending { .. } => {
                self.phase = Phase::Ending { heard_ms: now.ms };
                self.follow(now, says, out);
            }
        }
    }

    fn follow(&mut self, now: Moment, says: ServerSays, out: &mut Vec<Output>) {
        match says {
            ServerSays::Stored { samples } if samples > self.reached => self.break_off(now, out),
            ServerSays::Stored { samples } => self.confirm(samples, out),
            ServerSays::Resend { from } => self.send_again(now, from, out),
            ServerSays::Ended => self.end(out),
            // A second welcome means nothing; the others are for the people in the room.
            ServerSays::Welcome { .. }
            | ServerSays::Advice { .. }
            | ServerSays::State { .. }
            | ServerSays::Unknown => {}
        }
    }

    fn begin(&mut self, now: Moment, stored: u64, out: &mut Vec<Output>) {
        if stored > self.recorded + AHEAD_SECONDS_MAX * u64::from(self.rate_hz) {
            // It speaks of another recording: believing it would cost this one.
            out.push(Output::Close);
            return self.wait(now, REFUSED_MS);
        }
        if stored < self.stored && self.holes.front() != Some(&self.stored) {
            // The server lost what it had confirmed, and it is gone here, too: the place is marked.
            self.holes.push_front(self.stored);
        }
        (self.number, self.resends) = (0, 0);
        self.phase = Phase::Sending { heard_ms: now.ms };
        self.next = stored.max(self.stored);
        self.reached = self.next;
        self.confirm(stored, out);
    }

    /// Takes to heart that the server has this much on its disk.
    fn confirm(&mut self, samples: u64, out: &mut Vec<Output>) {
        if samples <= self.stored {
            return;
        }
        self.stored = samples;
        self.next = self.next.max(samples);
        (self.failures, self.resends) = (0, 0);
        // A server may know more than a machine that lost its power: then that many are recorded, and never sent twice.
        self.recorded = self.recorded.max(samples);
        while self.holes.front().is_some_and(|at| *at < samples) {
            self.holes.pop_front();
        }
        out.push(Output::Forget { before: samples });
    }

    fn send_again(&mut self, now: Moment, from: u64, out: &mut Vec<Output>) {
        self.resends += 1;
        if from < self.stored || from > self.reached || self.resends > RESENDS_MAX {
            return self.break_off(now, out);
        }
        self.next = from;
        self.phase = Phase::Sending { heard_ms: now.ms };
    }

    fn end(&mut self, out: &mut Vec<Output>) {
        let is_answer = matches!(self.phase, Phase::Ending { .. });
        let whole = is_answer || (self.finished && self.stored >= self.recorded);
        if whole {
            self.confirm(self.recorded, out);
        }
        self.phase = Phase::Over;
        out.extend([Output::Close, Output::Over { whole }]);
    }

    fn break_off(&mut self, now: Moment, out: &mut Vec<Output>) {
        out.push(Output::Close);
        self.retry_after_break(now);
    }

    fn retry_after_break(&mut self, now: Moment) {
        if matches!(self.phase, Phase::Waiting { .. } | Phase::Over) {
            return;
        }
        let (first, longest) = BACKOFF_MS;
        let pause = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures += 1;
        self.wait(now, pause);
    }

    fn wait(&mut self, now: Moment, pause_ms: u64) {
        if self.phase != Phase::Over {
            let half = pause_ms / 2;
            let until_ms = now.ms + half + half * u64::from(now.luck.min(999)) / 1000;
            self.phase = Phase::Waiting { until_ms };
        }
    }

    fn due_ms(&self) -> Option<u64> {
        match self.phase {
            Phase::Waiting { until_ms } | Phase::Connecting { until_ms } | Phase::Greeting { until_ms } => {
                Some(until_ms)
            }
            Phase::Sending { heard_ms } => (self.next > self.stored).then_some(heard_ms + SILENCE_MS),
            Phase::Ending { heard_ms } => Some(heard_ms + SILENCE_MS),
            Phase::Over => None,
        }
    }

    fn look_at_time(&mut self, now: Moment, out: &mut Vec<Output>) {
        if self.due_ms().is_none_or(|due| now.ms < due) {
            return;
        }
        if matches!(self.phase, Phase::Waiting { .. }) {
            out.push(Output::Connect);
            self.phase = Phase::Connecting { until_ms: now.ms + GREETING_MS };
        } else {
            self.break_off(now, out);
        }
    }

    /// Sends what may go, and says the end behind the last sample.
    fn send(&mut self, now: Moment, out: &mut Vec<Output>) {
        let Phase::Sending { .. } = self.phase else { return };
        let was_idle = self.next == self.stored;
        while let Some(samples) = self.ready() {
            let hole_before = self.holes.binary_search(&self.next).is_ok();
            out.push(Output::Send { number: self.number, first_sample: self.next, samples, hole_before });
            self.next += u64::from(samples);
            self.reached = self.reached.max(self.next);
            self.number = self.number.wrapping_add(1);
        }
        if was_idle && self.next > self.stored {
            // It had nothing to confirm until now: its time begins here.
            self.phase = Phase::Sending { heard_ms: now.ms };
        }
        if self.finished && self.next >= self.recorded {
            out.push(Output::Say { message: ClientSays::End { samples: self.recorded } });
            self.phase = Phase::Ending { heard_ms: now.ms };
        }
    }

    /// Returns how long the next frame is, if one may go: at most a second, and a hole begins a new one.
    fn ready(&self) -> Option<u32> {
        let second = u64::from(self.rate_hz);
        let hole = self.holes.get(self.holes.partition_point(|at| *at <= self.next)).copied();
        let until = hole.map_or(self.recorded, |hole| hole.min(self.recorded));
        let may_go = second * UNDER_WAY_SECONDS - (self.next - self.stored).min(second * UNDER_WAY_SECONDS);
        let samples = until.saturating_sub(self.next).min(second);
        let is_last = self.finished || hole.is_some_and(|hole| hole <= self.recorded);
        let enough = samples >= u64::from(self.rate_hz / FRAMES_PER_SECOND) || is_last;
        (samples > 0 && enough && samples <= may_go).then_some(samples as u32)
    }
}
