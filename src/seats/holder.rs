//! The client half: what one device believes about its seat, always the first to think that it is gone.
//!
//! The belief counts from *before* a sign of life was sent, the server's from hearing it, and ends two seconds earlier
//! than the server was told; so while this device works, the server cannot have given the seat to another. Only a
//! calendar that is set back while the machine sleeps, within one step, deceives it; then the token is the fence.
//! `web/src/state/seat.ts` is the same machine; both run `tests/fixtures/seats/holder_cases.json`.
//!
//! ```text
//! Free ──► Asking ──► Waiting ──► Offered ──► Asking ──► Working ⇄ ReadOnly ──► Asking again, if it lapsed
//!                └──────────────────────────────────────►   └──► Away ──► ReadOnly
//! ```

mod hear;
#[cfg(test)]
mod tests;
mod words;

use std::time::Duration;

use super::request::Held;
use super::{TicketId, Token};
pub use words::{Answer, Input, Message, Number, Output, Passed};

/// Between two signs of life of a page that is seen.
const BEAT: Duration = Duration::from_secs(10);
/// An unanswered belief asks once more this long before its end.
const EXTRA: Duration = Duration::from_secs(7);
/// Work stops this long before the end, so that a save under way is not cut.
const STOP: Duration = Duration::from_secs(2);
/// Least time between two tries while read-only; as much again is spread.
const RETRY: Duration = Duration::from_secs(1);
/// How long a request for a seat may be unanswered before it is sent again; a fifth of it is spread.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Sockets that broke together come back spread over this time.
const RECONNECT_SPREAD: Duration = Duration::from_secs(5);
/// A lease that ended longer ago is not asked for again unbidden: the person may have gone home.
const REATTACH_WITHIN: Duration = Duration::from_secs(30 * 60);
/// Signs of life whose answers are still understood; an older answer would prove nothing new.
const SENT_MAX: usize = 16;

/// What one device believes about its seat.
///
/// Units: times count from its making, by the longer of what the two clocks say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holding {
    age: Duration,
    phase: Phase,
    seen: bool,
    socket: Socket,
    next_number: Number,
    sent: Vec<Sent>,
    /// Tokens up to this one are over, whatever a late message says.
    over: Option<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    Free,
    Asking(Ask),
    Waiting { ticket: TicketId, beat_at: Duration },
    Offered { held: Held, until: Duration },
    Working(Seat),
    ReadOnly(Seat),
    Away(Seat),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Ask {
    number: Number,
    /// The offer that is being accepted; without one, a seat is asked for.
    offer: Option<Held>,
    /// The first sending: the server may have heard that one.
    first_at: Duration,
    again_at: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Seat {
    held: Held,
    /// The end as the server promised it, counted from before asking.
    until: Duration,
    last_beat_at: Duration,
    /// When to try again while read-only.
    retry_at: Duration,
    extra_sent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Socket {
    Idle,
    ConnectAt(Duration),
    Opening,
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Sent {
    number: Number,
    token: Option<Token>,
    at: Duration,
}

impl Default for Holding {
    fn default() -> Self {
        Self {
            age: Duration::ZERO,
            phase: Phase::Free,
            seen: true,
            socket: Socket::Idle,
            next_number: 1,
            sent: Vec::new(),
            over: None,
        }
    }
}

impl Holding {
    /// Takes one input and says what to do, in order.
    ///
    /// Range: call it also with [`Input::Wake`] when [`Self::wake_in`] is over; late calls only make it more careful.
    pub fn step(&mut self, passed: Passed, input: Input) -> Vec<Output> {
        self.age += passed.longest();
        let mut out = Vec::new();
        self.take(passed, input, &mut out);
        self.look_at_socket(&mut out);
        self.look_at_time(passed, &mut out);
        out
    }

    /// Returns what proves the seat to a protected call, `passed` after the last step.
    ///
    /// A page whose timers were throttled asks here and is not misled by a step that came too late.
    pub fn proof(&self, passed: Passed) -> Option<Held> {
        match &self.phase {
            Phase::Working(seat) if self.age + passed.longest() < seat.stop_at() => Some(seat.held),
            _ => None,
        }
    }

    /// Returns how long after the last step the next is due, if time alone can change anything.
    pub fn wake_in(&self) -> Option<Duration> {
        let phase_at = match &self.phase {
            Phase::Free | Phase::Away(_) => None,
            Phase::Asking(ask) => Some(ask.again_at),
            Phase::Waiting { beat_at, .. } => Some(*beat_at),
            Phase::Offered { until, .. } => Some(*until),
            Phase::Working(seat) => Some(seat.beat_at(self.seen).min(seat.stop_at())),
            Phase::ReadOnly(seat) => Some(seat.retry_at),
        };
        let socket_at = match self.socket {
            Socket::ConnectAt(at) => Some(at),
            Socket::Idle | Socket::Opening | Socket::Open => None,
        };
        phase_at.into_iter().chain(socket_at).min().map(|at| at.saturating_sub(self.age))
    }

    fn take(&mut self, passed: Passed, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Wake => {}
            Input::Want => self.want(passed, out),
            Input::Done => self.done(out),
            Input::Park => self.go_away(out, |held| Message::Park { held }),
            Input::Sleep => self.go_away(out, |held| Message::Sleep { held }),
            Input::Woke => self.woke(passed, out),
            Input::Accept => self.answer_offer(passed, true, out),
            Input::Decline => self.answer_offer(passed, false, out),
            Input::Shown => self.seen = true,
            Input::Hidden => self.seen = false,
            Input::Leave => self.leave(out),
            Input::SocketOpen => self.socket_open(passed, out),
            Input::SocketClosed => {
                self.socket = Socket::ConnectAt(self.age + passed.spread(Duration::ZERO, RECONNECT_SPREAD));
            }
            Input::Heard { answer } => self.hear(passed, answer, out),
        }
    }

    fn want(&mut self, passed: Passed, out: &mut Vec<Output>) {
        match &self.phase {
            Phase::Free | Phase::Away(_) => self.ask(passed, None, out),
            Phase::Offered { .. } => self.answer_offer(passed, true, out),
            Phase::ReadOnly(_) => self.retry(passed, out),
            Phase::Asking(_) | Phase::Waiting { .. } | Phase::Working(_) => {}
        }
    }

    /// Asks for a seat, or takes the offered one.
    fn ask(&mut self, passed: Passed, offer: Option<Held>, out: &mut Vec<Output>) {
        let number = self.number();
        let again_at = self.age + passed.spread(ASK_AGAIN, ASK_AGAIN / 5);
        let ask = Ask { number, offer, first_at: self.age, again_at };
        out.push(ask.said());
        self.phase = Phase::Asking(ask);
        if self.socket == Socket::Idle {
            self.socket = Socket::ConnectAt(self.age);
        }
    }

    fn done(&mut self, out: &mut Vec<Output>) {
        match self.free() {
            // Nothing is known to give back yet; a late answer gives it back by itself.
            Phase::Free | Phase::Asking(Ask { offer: None, .. }) => {}
            Phase::Waiting { ticket, .. } => out.push(send(Message::GiveUp { ticket })),
            Phase::Asking(Ask { offer: Some(held), .. }) | Phase::Offered { held, .. } => {
                self.end(held.token);
                out.push(send(Message::Decline { held }));
            }
            Phase::Working(Seat { held, .. })
            | Phase::ReadOnly(Seat { held, .. })
            | Phase::Away(Seat { held, .. }) => {
                self.end(held.token);
                out.push(send(Message::Release { held }));
            }
        }
    }

    fn go_away(&mut self, out: &mut Vec<Output>, said: fn(Held) -> Message) {
        match self.free() {
            Phase::Working(seat) => {
                out.extend([Output::ReadOnly, Output::KeepDraft, send(said(seat.held))]);
                self.phase = Phase::Away(seat);
            }
            Phase::ReadOnly(seat) => {
                out.push(send(said(seat.held)));
                self.phase = Phase::Away(seat);
            }
            other => self.phase = other,
        }
    }

    fn woke(&mut self, passed: Passed, out: &mut Vec<Output>) {
        match self.free() {
            Phase::Away(seat) => {
                self.phase = Phase::ReadOnly(seat);
                self.retry(passed, out);
            }
            other => {
                self.phase = other;
                self.live(out);
            }
        }
    }

    fn answer_offer(&mut self, passed: Passed, is_taken: bool, out: &mut Vec<Output>) {
        let Phase::Offered { held, .. } = self.phase else { return };
        if is_taken {
            self.ask(passed, Some(held), out);
        } else {
            self.done(out);
        }
    }

    fn leave(&mut self, out: &mut Vec<Output>) {
        let held = self.held();
        if let Phase::Working(_) = self.phase {
            out.extend([Output::ReadOnly, Output::KeepDraft]);
        }
        if self.free() != Phase::Free {
            out.push(send(Message::Bye { held }));
        }
        self.socket = Socket::Idle;
    }

    fn socket_open(&mut self, passed: Passed, out: &mut Vec<Output>) {
        self.socket = Socket::Open;
        out.push(send(Message::Hello { held: self.held() }));
        match self.phase {
            Phase::ReadOnly(_) => self.retry(passed, out),
            Phase::Working(_) | Phase::Waiting { .. } => self.live(out),
            Phase::Free | Phase::Asking(_) | Phase::Offered { .. } | Phase::Away(_) => {}
        }
    }

    fn look_at_socket(&mut self, out: &mut Vec<Output>) {
        if let Socket::ConnectAt(at) = self.socket {
            if self.phase == Phase::Free {
                self.socket = Socket::Idle;
            } else if self.age >= at {
                self.socket = Socket::Opening;
                out.push(Output::Connect);
            }
        }
    }

    fn look_at_time(&mut self, passed: Passed, out: &mut Vec<Output>) {
        let again_at = self.age + passed.spread(ASK_AGAIN, ASK_AGAIN / 5);
        match &mut self.phase {
            Phase::Free | Phase::Away(_) => {}
            Phase::Asking(ask) => {
                if self.age >= ask.again_at {
                    ask.again_at = again_at;
                    out.push(ask.said());
                }
            }
            Phase::Waiting { beat_at, .. } => {
                if self.age >= *beat_at {
                    self.live(out);
                }
            }
            Phase::Offered { held, until } => {
                if self.age >= *until {
                    let token = held.token;
                    self.end(token);
                    self.phase = Phase::Free;
                    out.push(Output::OfferOver);
                }
            }
            Phase::Working(seat) => {
                if self.age >= seat.stop_at() {
                    self.stop_work(out);
                    self.retry(passed, out);
                } else if self.age >= seat.beat_at(self.seen) {
                    self.live(out);
                }
            }
            Phase::ReadOnly(seat) => {
                if self.age >= seat.retry_at {
                    self.retry(passed, out);
                }
            }
        }
    }

    /// Sends a sign of life: for the seat, or for the place in line.
    fn live(&mut self, out: &mut Vec<Output>) {
        let (age, seen, number) = (self.age, self.seen, self.next_number);
        let (token, message) = match &mut self.phase {
            // The look at the time, next in this step, stops the work and sends.
            Phase::Working(seat) if age >= seat.stop_at() => return,
            Phase::Working(seat) | Phase::ReadOnly(seat) => {
                seat.last_beat_at = age;
                seat.extra_sent = age >= seat.until.saturating_sub(EXTRA);
                let held = seat.held;
                let is_open = self.socket == Socket::Open;
                let message =
                    if is_open { Message::Beat { number, held } } else { Message::Renew { number, held } };
                (Some(held.token), message)
            }
            Phase::Waiting { ticket, beat_at } => {
                *beat_at = age + BEAT;
                (None, Message::BeatWaiting { number, ticket: *ticket, attentive: seen })
            }
            Phase::Free | Phase::Asking(_) | Phase::Offered { .. } | Phase::Away(_) => return,
        };
        self.next_number += 1;
        if self.sent.len() == SENT_MAX {
            self.sent.remove(0);
        }
        self.sent.push(Sent { number, token, at: age });
        out.push(send(message));
    }

    fn retry(&mut self, passed: Passed, out: &mut Vec<Output>) {
        let retry_at = self.age + passed.spread(RETRY, RETRY);
        if let Phase::ReadOnly(seat) = &mut self.phase {
            seat.retry_at = retry_at;
            self.live(out);
        }
    }

    /// Working becomes read-only; what is read-only already stays so.
    fn stop_work(&mut self, out: &mut Vec<Output>) {
        if let Phase::Working(seat) = &self.phase {
            self.phase = Phase::ReadOnly(seat.clone());
            out.extend([Output::ReadOnly, Output::KeepDraft]);
        }
    }

    fn free(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::Free)
    }

    fn end(&mut self, token: Token) {
        self.over = self.over.max(Some(token));
    }

    fn seat(&self) -> Option<&Seat> {
        match &self.phase {
            Phase::Working(seat) | Phase::ReadOnly(seat) | Phase::Away(seat) => Some(seat),
            Phase::Free | Phase::Asking(_) | Phase::Waiting { .. } | Phase::Offered { .. } => None,
        }
    }

    fn held(&self) -> Option<Held> {
        self.seat().map(|seat| seat.held)
    }

    fn number(&mut self) -> Number {
        self.next_number += 1;
        self.next_number - 1
    }
}

impl Seat {
    fn stop_at(&self) -> Duration {
        self.until.saturating_sub(STOP)
    }

    fn beat_at(&self, is_seen: bool) -> Duration {
        let extra_at = if self.extra_sent { self.until } else { self.until.saturating_sub(EXTRA) };
        if is_seen { extra_at.min(self.last_beat_at + BEAT) } else { extra_at }
    }
}

impl Ask {
    fn said(&self) -> Output {
        send(match self.offer {
            None => Message::Acquire { number: self.number },
            Some(held) => Message::Accept { number: self.number, held },
        })
    }
}

fn send(message: Message) -> Output {
    Output::Send { message }
}
