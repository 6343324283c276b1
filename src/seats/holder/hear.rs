//! What an answer changes: late, doubled and swapped ones change nothing.

use std::time::Duration;

use super::words::{Answer, Message, Number, Output, Passed};
use super::{Ask, BEAT, Holding, Phase, REATTACH_WITHIN, RECONNECT_SPREAD, RETRY, Seat, Sent, send};
use crate::seats::request::Held;
use crate::seats::{TicketId, Token};

impl Holding {
    pub(super) fn hear(&mut self, passed: Passed, answer: Answer, out: &mut Vec<Output>) {
        match answer {
            Answer::Granted { number, held, ttl_ms } => {
                self.granted(passed, number, held, Duration::from_millis(ttl_ms), out);
            }
            Answer::Alive { number, ttl_ms } => self.alive(number, Duration::from_millis(ttl_ms), out),
            Answer::Lapsed { number } => self.lapsed(passed, number, out),
            Answer::Queued { number, ticket, position } => self.queued(number, ticket, position, out),
            Answer::Refused { number, code } => {
                if self.is_asking(number) {
                    self.free();
                    out.push(Output::ShowRefusal { code });
                }
            }
            Answer::Offered { held, hold_ms } => {
                self.offered(passed, held, Duration::from_millis(hold_ms), out);
            }
            Answer::OfferExpired { token } => self.offer_expired(token, out),
            Answer::Lost { token, reason } => self.lost(token, reason, out),
            Answer::Later { number, retry_ms } => {
                self.later(passed, number, Duration::from_millis(retry_ms));
            }
        }
    }

    fn granted(
        &mut self,
        passed: Passed,
        number: Option<Number>,
        held: Held,
        ttl: Duration,
        out: &mut Vec<Output>,
    ) {
        let asked_at = match &self.phase {
            Phase::Asking(ask) if Some(ask.number) == number => Some(ask.first_at),
            Phase::Free
            | Phase::Asking(_)
            | Phase::Waiting { .. }
            | Phase::Offered { .. }
            | Phase::Working(_)
            | Phase::ReadOnly(_)
            | Phase::Away(_) => None,
        };
        // The answer to what is asked now is fresh even with a known token: the message that ended it may be lost.
        let is_known =
            self.is_over(held.token) || self.seat().is_some_and(|seat| seat.held.token >= held.token);
        if asked_at.is_none() && is_known {
            return;
        }
        if matches!(self.phase, Phase::Free) {
            // Nobody here wants it any more: a seat that nobody uses would lock another person out.
            self.end(held.token);
            return out.push(send(Message::Release { held }));
        }
        // A grant that this device did not ask for says nothing about when it was given.
        let until = asked_at.map_or(self.age, |at| at + ttl);
        let seat = Seat { held, until, last_beat_at: self.age, retry_at: self.age, extra_sent: false };
        if self.age < seat.stop_at() {
            self.phase = Phase::Working(seat);
            out.push(Output::Work { held });
        } else {
            if matches!(self.phase, Phase::Working(_)) {
                out.extend([Output::ReadOnly, Output::KeepDraft]);
            }
            self.phase = Phase::ReadOnly(seat);
            self.retry(passed, out);
        }
    }

    fn alive(&mut self, number: Number, ttl: Duration, out: &mut Vec<Output>) {
        let Some(sent) = self.take_sent(number) else { return };
        let age = self.age;
        let (Phase::Working(seat) | Phase::ReadOnly(seat)) = &mut self.phase else { return };
        if sent.token != Some(seat.held.token) || sent.at + ttl <= seat.until {
            return;
        }
        seat.until = sent.at + ttl;
        seat.extra_sent = false;
        let seat = seat.clone();
        if matches!(self.phase, Phase::ReadOnly(_)) && age < seat.stop_at() {
            out.push(Output::Work { held: seat.held });
            self.phase = Phase::Working(seat);
        }
    }

    fn lapsed(&mut self, passed: Passed, number: Number, out: &mut Vec<Output>) {
        let Some(sent) = self.take_sent(number) else { return };
        if let (Phase::Waiting { .. }, None) = (&self.phase, sent.token) {
            return self.ask(passed, None, out);
        }
        let (Phase::Working(seat) | Phase::ReadOnly(seat)) = &self.phase else { return };
        if sent.token != Some(seat.held.token) {
            return;
        }
        let (token, ended_at) = (seat.held.token, seat.until);
        self.stop_work(out);
        self.end(token);
        if self.age.saturating_sub(ended_at) <= REATTACH_WITHIN {
            self.ask(passed, None, out);
        } else {
            self.free();
            out.push(Output::ShowLoss { reason: "lease_lapsed".into() });
        }
    }

    fn queued(&mut self, number: Number, ticket: TicketId, position: u32, out: &mut Vec<Output>) {
        match &self.phase {
            // Nobody here waits any more.
            Phase::Free => out.push(send(Message::GiveUp { ticket })),
            Phase::Asking(ask) if ask.number == number && ask.offer.is_none() => {
                self.phase = Phase::Waiting { ticket, beat_at: self.age + BEAT };
                out.push(Output::ShowPlace { position });
            }
            Phase::Waiting { ticket: own, .. } if *own == ticket => out.push(Output::ShowPlace { position }),
            Phase::Asking(_)
            | Phase::Waiting { .. }
            | Phase::Offered { .. }
            | Phase::Working(_)
            | Phase::ReadOnly(_)
            | Phase::Away(_) => {}
        }
    }

    fn offered(&mut self, passed: Passed, held: Held, hold: Duration, out: &mut Vec<Output>) {
        if self.is_over(held.token) {
            return;
        }
        match &self.phase {
            Phase::Free => {
                self.end(held.token);
                out.push(send(Message::Decline { held }));
            }
            Phase::Asking(Ask { offer: None, .. }) | Phase::Waiting { .. } => {
                let until = self.age + hold;
                self.phase = Phase::Offered { held, until };
                if self.seen {
                    self.ask(passed, Some(held), out);
                } else {
                    let hold_ms = u64::try_from(hold.as_millis()).unwrap_or(u64::MAX);
                    out.push(Output::AskOffer { hold_ms });
                }
            }
            Phase::Asking(_)
            | Phase::Offered { .. }
            | Phase::Working(_)
            | Phase::ReadOnly(_)
            | Phase::Away(_) => {}
        }
    }

    fn offer_expired(&mut self, token: Token, out: &mut Vec<Output>) {
        let offered = match &self.phase {
            Phase::Offered { held, .. } => Some(held.token),
            Phase::Asking(ask) => ask.offer.map(|held| held.token),
            Phase::Free | Phase::Waiting { .. } | Phase::Working(_) | Phase::ReadOnly(_) | Phase::Away(_) => {
                None
            }
        };
        if offered == Some(token) {
            self.end(token);
            self.free();
            out.push(Output::OfferOver);
        }
    }

    fn lost(&mut self, token: Token, reason: String, out: &mut Vec<Output>) {
        if self.seat().is_none_or(|seat| seat.held.token != token) {
            return;
        }
        self.stop_work(out);
        self.end(token);
        self.free();
        out.push(Output::ShowLoss { reason });
    }

    /// A server that starts asks everyone to wait; they come back spread.
    fn later(&mut self, passed: Passed, number: Number, wait: Duration) {
        if self.is_asking(number) {
            let again_at = self.age + passed.spread(wait, RECONNECT_SPREAD);
            if let Phase::Asking(ask) = &mut self.phase {
                ask.again_at = again_at;
            }
        } else if self.take_sent(number).is_some()
            && let Phase::ReadOnly(seat) = &mut self.phase
        {
            seat.retry_at = self.age + passed.spread(wait, RETRY);
        }
    }

    fn is_asking(&self, number: Number) -> bool {
        matches!(&self.phase, Phase::Asking(ask) if ask.number == number)
    }

    fn is_over(&self, token: Token) -> bool {
        self.over.is_some_and(|over| token <= over)
    }

    fn take_sent(&mut self, number: Number) -> Option<Sent> {
        let index = self.sent.iter().position(|sent| sent.number == number)?;
        Some(self.sent.remove(index))
    }
}
