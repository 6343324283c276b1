//! What to do with the engine child, decided from what happened. Pure: the time comes in, actions go out.
//!
//! ```text
//!            ┌──────────────── death, late ────────────────┐
//!            ▼                                             │
//!  start ─► Starting ──Ready──► Up ──death, late──► Backoff ┘        Unfit or stop ─► Over
//! ```
//!
//! Windows in flight at a death are suspects: they are tried again one at a time, alone, so that the guilty one is
//! known. A suspect that kills the child twice more is answered [`EngineError::Poisoned`]; nothing is ever dropped.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::EngineError;
use super::frame::{Frame, Hello, PROTOCOL};
use crate::clock::Mono;
use crate::speech::schedule::Queue;
use crate::speech::{Recognition, RecognizeError, Request};

/// Deaths of the child with one window alone in flight after which the window is given up.
const LONE_DEATHS_MAX: u32 = 2;
/// Deaths within [`DEGRADED_WITHIN`] without an answer in between that count as a broken engine.
const DEGRADED_DEATHS: usize = 5;
const DEGRADED_WITHIN: Duration = Duration::from_secs(60);
/// Longest wait before the child is started again.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Cost assumed before anything was measured: as long as the sound lasts, for each hypothesis.
const COST_START: f64 = 1.0;

/// How long the child may take. Each end of patience is kill and restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From start to ready; covers loading the model.
    pub ready: Duration,
    /// For a window, besides four times its predicted cost.
    pub window: Duration,
    /// Between two pings, and from ping to pong.
    pub ping: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ready: Duration::from_secs(60),
            window: Duration::from_secs(10),
            ping: Duration::from_secs(15),
        }
    }
}

/// What the owner has to do now, in order.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Start a child; what an earlier one still says no longer counts.
    Spawn,
    /// Tell the child.
    Send(Frame),
    /// Kill the child.
    Kill,
    /// Answer the one who submitted.
    Reply(u64, Result<Recognition, EngineError>),
}

/// How the engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The model is being loaded, for the first time or again.
    Starting,
    /// It works.
    Up,
    /// It dies again and again without an answer; work waits.
    Degraded {
        /// What the last death was.
        cause: String,
    },
    /// It cannot work, or was stopped.
    Over {
        /// Why.
        cause: String,
    },
}

#[derive(Debug, PartialEq)]
enum State {
    Starting { until: Mono },
    Up { ping_at: Mono, pong_by: Option<Mono> },
    Backoff { until: Mono },
    Over { cause: String },
}

#[derive(Debug)]
struct Window {
    request: Request,
    lone_deaths: u32,
    suspect: bool,
}

#[derive(Debug)]
struct Flight {
    window: Window,
    since: Mono,
    until: Mono,
}

/// Decides about one child and the windows given to it.
#[derive(Debug)]
pub struct Supervisor {
    hello: Hello,
    patience: Patience,
    state: State,
    waiting: Queue<(u64, Window)>,
    suspects: VecDeque<(u64, Window)>,
    flying: BTreeMap<u64, Flight>,
    /// The latest deaths without an answer since, at most [`DEGRADED_DEATHS`].
    deaths: VecDeque<Mono>,
    deaths_in_a_row: u32,
    degraded: bool,
    last_cause: String,
    cost_per_second: f64,
}

impl Supervisor {
    /// Begins; the first actions start the child.
    pub fn start(hello: Hello, patience: Patience, now: Mono) -> (Self, Vec<Action>) {
        let mut supervisor = Self {
            hello,
            patience,
            state: State::Backoff { until: now },
            waiting: Queue::default(),
            suspects: VecDeque::new(),
            flying: BTreeMap::new(),
            deaths: VecDeque::new(),
            deaths_in_a_row: 0,
            degraded: false,
            last_cause: String::new(),
            cost_per_second: COST_START,
        };
        let actions = supervisor.tick(now);
        (supervisor, actions)
    }

    /// Takes a window to recognise; it is answered exactly once.
    pub fn submit(&mut self, now: Mono, id: u64, request: Request) -> Vec<Action> {
        if let State::Over { cause } = &self.state {
            return vec![Action::Reply(id, Err(EngineError::Over { cause: cause.clone() }))];
        }
        self.waiting.push(request.due, (id, Window { request, lone_deaths: 0, suspect: false }));
        self.dispatch(now)
    }

    /// Learns that nobody wants a window any more; it is answered now, or by the child.
    pub fn cancel(&mut self, id: u64) -> Vec<Action> {
        if self.waiting.take(|_, (waiting, _)| *waiting == id).is_some() {
            return vec![Action::Reply(id, Err(EngineError::Refused(RecognizeError::Cancelled)))];
        }
        match self.flying.contains_key(&id) {
            true => vec![Action::Send(Frame::Cancel(id))],
            false => Vec::new(),
        }
    }

    /// Takes what the child said.
    pub fn hear(&mut self, now: Mono, frame: Frame) -> Vec<Action> {
        match frame {
            Frame::Ready(ready) if ready.protocol == PROTOCOL => {
                self.state = State::Up { ping_at: now + self.patience.ping, pong_by: None };
                self.dispatch(now)
            }
            Frame::Ready(ready) => self.end(format!("the child speaks protocol {}", ready.protocol)),
            Frame::Unfit(cause) => self.end(cause),
            Frame::Done(id, recognition) => self.settle(now, id, Ok(recognition)),
            Frame::Failed(id, error) => self.settle(now, id, Err(EngineError::Refused(error))),
            Frame::Pong(_) => {
                if let State::Up { pong_by, .. } = &mut self.state {
                    *pong_by = None;
                }
                Vec::new()
            }
            Frame::Hello(_) | Frame::Recognize(..) | Frame::Cancel(_) | Frame::Ping(_) | Frame::Stop => {
                self.kill(now, "the child said what only a parent says")
            }
        }
    }

    /// Learns that the child is gone.
    pub fn child_died(&mut self, now: Mono, cause: &str) -> Vec<Action> {
        if matches!(self.state, State::Over { .. }) {
            return Vec::new();
        }
        self.count_death(now);
        cause.clone_into(&mut self.last_cause);
        let alone = self.flying.len() == 1;
        let mut actions = Vec::new();
        for (id, flight) in std::mem::take(&mut self.flying) {
            let Window { request, mut lone_deaths, suspect } = flight.window;
            // The first death accuses everybody in flight; only a suspect dying alone is proven guilty.
            lone_deaths += u32::from(suspect && alone);
            if lone_deaths >= LONE_DEATHS_MAX {
                self.forgive();
                actions.push(Action::Reply(id, Err(EngineError::Poisoned { cause: cause.to_owned() })));
            } else {
                self.suspects.push_back((id, Window { request, lone_deaths, suspect: true }));
            }
        }
        self.state = State::Backoff { until: now + self.backoff() };
        actions.extend(self.tick(now));
        actions
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Mono) -> Vec<Action> {
        match &mut self.state {
            State::Starting { until } if now >= *until => self.kill(now, "the model was not ready in time"),
            State::Up { pong_by: Some(pong_by), .. } if now >= *pong_by => {
                self.kill(now, "the child did not answer a ping")
            }
            State::Up { .. } if self.flying.values().any(|flight| now >= flight.until) => {
                self.kill(now, "a window took too long")
            }
            State::Up { ping_at, pong_by } if now >= *ping_at => {
                *ping_at = now + self.patience.ping + self.patience.ping;
                *pong_by = Some(now + self.patience.ping);
                vec![Action::Send(Frame::Ping(0))]
            }
            State::Backoff { until } if now >= *until => {
                self.state = State::Starting { until: now + self.patience.ready };
                vec![Action::Spawn, Action::Send(Frame::Hello(self.hello.clone()))]
            }
            State::Starting { .. } | State::Up { .. } | State::Backoff { .. } | State::Over { .. } => {
                Vec::new()
            }
        }
    }

    /// Returns when [`Supervisor::tick`] has something to do; `None` when nothing is awaited any more.
    pub fn next_due(&self) -> Option<Mono> {
        match &self.state {
            State::Starting { until } | State::Backoff { until } => Some(*until),
            State::Up { ping_at, pong_by } => {
                let windows = self.flying.values().map(|flight| flight.until);
                windows.chain([*ping_at]).chain(*pong_by).min()
            }
            State::Over { .. } => None,
        }
    }

    /// Ends the child and answers everybody.
    pub fn stop(&mut self) -> Vec<Action> {
        let mut actions = vec![Action::Send(Frame::Stop)];
        actions.extend(self.end("stopped".to_owned()));
        actions
    }

    /// Tells how the engine is.
    pub fn health(&self) -> Health {
        if let State::Over { cause } = &self.state {
            return Health::Over { cause: cause.clone() };
        }
        if self.degraded {
            return Health::Degraded { cause: self.last_cause.clone() };
        }
        match self.state {
            State::Up { .. } => Health::Up,
            State::Starting { .. } | State::Backoff { .. } | State::Over { .. } => Health::Starting,
        }
    }

    fn settle(&mut self, now: Mono, id: u64, answer: Result<Recognition, EngineError>) -> Vec<Action> {
        let Some(flight) = self.flying.remove(&id) else { return Vec::new() };
        self.forgive();
        self.learn_cost(&flight, now);
        self.excuse_less_urgent(&flight, now);
        let mut actions = vec![Action::Reply(id, answer)];
        actions.extend(self.dispatch(now));
        actions
    }

    /// Sends what fits: suspects alone, everything else as many as there are slots.
    fn dispatch(&mut self, now: Mono) -> Vec<Action> {
        if !matches!(self.state, State::Up { .. }) {
            return Vec::new();
        }
        if !self.suspects.is_empty() || self.flying.values().any(|flight| flight.window.suspect) {
            return if self.flying.is_empty() {
                self.fly(now, true).into_iter().collect()
            } else {
                Vec::new()
            };
        }
        std::iter::from_fn(|| self.fly(now, false)).collect()
    }

    /// Sends the next window there is a slot for: every urgency has slots of its own, so that none waits for a lower one.
    fn fly(&mut self, now: Mono, suspect: bool) -> Option<Action> {
        let (id, window) = if suspect {
            self.suspects.pop_front()?
        } else {
            let (flying, slots) = (&self.flying, self.hello.slots());
            self.waiting.take(|due, _| {
                let beside = |flight: &&Flight| flight.window.request.due.urgency == due.urgency;
                flying.values().filter(beside).count() < slots
            })?
        };
        let frame = Frame::Recognize(id, window.request.clone());
        let until = now + self.patience.window + self.predicted(&window.request) * 4;
        self.flying.insert(id, Flight { window, since: now, until });
        Some(Action::Send(frame))
    }

    fn predicted(&self, request: &Request) -> Duration {
        Duration::from_secs_f64(weight(request) * self.cost_per_second)
    }

    /// Follows what windows really cost on this machine, faster upwards than downwards.
    fn learn_cost(&mut self, flight: &Flight, now: Mono) {
        let measured = now.since(flight.since).as_secs_f64() / weight(&flight.window.request).max(0.1);
        let share = if measured > self.cost_per_second { 0.5 } else { 0.1 };
        self.cost_per_second = (1.0 - share) * self.cost_per_second + share * measured;
    }

    /// Gives windows that stood still for a more urgent one the time it took.
    fn excuse_less_urgent(&mut self, done: &Flight, now: Mono) {
        let urgency = done.window.request.due.urgency;
        for flight in self.flying.values_mut().filter(|flight| flight.window.request.due.urgency > urgency) {
            flight.until = flight.until + now.since(done.since);
        }
    }

    fn kill(&mut self, now: Mono, cause: &str) -> Vec<Action> {
        let mut actions = vec![Action::Kill];
        actions.extend(self.child_died(now, cause));
        actions
    }

    fn end(&mut self, cause: String) -> Vec<Action> {
        let flying = std::mem::take(&mut self.flying).into_keys();
        let suspects = std::mem::take(&mut self.suspects).into_iter().map(|(id, _)| id);
        let waiting: Vec<u64> = self.waiting.drain().map(|(id, _)| id).collect();
        let over = |id| Action::Reply(id, Err(EngineError::Over { cause: cause.clone() }));
        let mut actions: Vec<Action> = flying.chain(suspects).chain(waiting).map(over).collect();
        actions.push(Action::Kill);
        self.state = State::Over { cause };
        actions
    }

    fn count_death(&mut self, now: Mono) {
        self.deaths_in_a_row = self.deaths_in_a_row.saturating_add(1);
        self.deaths.push_back(now);
        if self.deaths.len() > DEGRADED_DEATHS {
            self.deaths.pop_front();
        }
        let quick = self.deaths.front().is_some_and(|first| now.since(*first) < DEGRADED_WITHIN);
        self.degraded |= quick && self.deaths.len() == DEGRADED_DEATHS;
    }

    /// An answer shows that the engine works, whatever happened before; so does knowing the guilty window.
    fn forgive(&mut self) {
        self.deaths.clear();
        self.deaths_in_a_row = 0;
        self.degraded = false;
    }

    /// 0, 1, 2, 4 … 30 s: by how often it died without an answer in between.
    fn backoff(&self) -> Duration {
        match self.deaths_in_a_row {
            0 | 1 => Duration::ZERO,
            deaths => Duration::from_secs(1 << (deaths - 2).min(5)).min(BACKOFF_MAX),
        }
    }
}

/// Seconds of sound, counted once for each hypothesis.
fn weight(request: &Request) -> f64 {
    request.samples.len() as f64 / 16_000.0 * f64::from(request.effort.beam.max(1))
}

#[cfg(test)]
mod tests;
