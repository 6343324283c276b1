//! The engine itself, step by step, in every order that a small office allows: a bounded model check.
//!
//! Three clients, two seats, T = 3 ticks, G = 1 tick, a network that loses and doubles, crashes, a change of the
//! leader, a server clock that may lag by a tick. Bounded liveness (I5, I12) is checked as "always" with counted ticks,
//! which is stronger than "eventually" on a bounded path.

use gijiroku::seats::Pools;
use gijiroku::seats::restart::Trust;
use stateright::{Checker, Model, Property};

use crate::branch::{Branch, Desk, Said};

/// How far the check goes.
pub struct Bounds {
    pub clients: usize,
    pub seats: u32,
    pub ticks: u8,
    pub crashes: u8,
    pub leaders: u8,
    pub lags: u8,
    /// Messages that reach the server within one tick, all clients together.
    pub calls: u8,
    /// Messages of the whole path.
    pub calls_in_all: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A client speaks and hears the answer, or does not.
    Say {
        client: usize,
        said: Said,
        is_answered: bool,
    },
    /// A copy of a message arrives once more.
    Copy {
        client: usize,
    },
    Tick,
    /// A tick in which the server's clock does not move.
    Lag,
    /// The server forgets what is not durable, and a tick passes.
    Crash,
    /// Another server takes over the durable state, and a tick passes.
    Leader,
}

impl Model for Bounds {
    type State = Branch;
    type Action = Action;

    fn init_states(&self) -> Vec<Branch> {
        vec![Branch::new(self)]
    }

    fn actions(&self, office: &Branch, actions: &mut Vec<Action>) {
        if office.broken.is_some() || office.tick >= self.ticks {
            return;
        }
        actions.push(Action::Tick);
        if office.lag < self.lags {
            actions.push(Action::Lag);
        }
        if office.crashes < self.crashes {
            actions.push(Action::Crash);
        }
        if office.leaders < self.leaders {
            actions.push(Action::Leader);
        }
        if office.calls >= self.calls || office.calls_in_all >= self.calls_in_all {
            return;
        }
        for (client, device) in office.clients.iter().enumerate() {
            if device.copy.is_some() {
                actions.push(Action::Copy { client });
            }
            let mut say = |said| {
                actions.push(Action::Say { client, said, is_answered: true });
                actions.push(Action::Say { client, said, is_answered: false });
            };
            match (device.held, device.ticket) {
                (Some(held), _) if office.tick < device.until => {
                    say(Said::Beat(held));
                    say(Said::Release(held));
                }
                (Some(held), _) if office.ledger.live.get(&held.lease).is_some_and(|seen| seen.is_offer) => {
                    say(Said::Accept(held));
                }
                (None, Some(ticket)) => say(Said::Keep(ticket)),
                (Some(_) | None, _) => say(Said::Acquire(device.requests)),
            }
        }
    }

    fn next_state(&self, office: &Branch, action: Action) -> Option<Branch> {
        let mut next = office.clone();
        match action {
            Action::Say { client, said, is_answered } => {
                (next.calls, next.calls_in_all) = (next.calls + 1, next.calls_in_all + 1);
                next.clients[client].copy = Some(said);
                if let Said::Release(_) = said {
                    // Work ends before the message leaves.
                    (next.clients[client].held, next.clients[client].until) = (None, 0);
                }
                let reply = next.arrive(client, said, self);
                if is_answered {
                    if let Said::Acquire(_) = said {
                        next.clients[client].requests += 1;
                    }
                    next.learn(client, said, &reply);
                }
            }
            Action::Copy { client } => {
                (next.calls, next.calls_in_all) = (next.calls + 1, next.calls_in_all + 1);
                let said = next.clients[client].copy.take()?;
                next.arrive(client, said, self);
            }
            Action::Tick => next.pass(self),
            Action::Lag => {
                next.lag += 1;
                next.pass(self);
            }
            Action::Crash | Action::Leader => {
                let is_crash = action == Action::Crash;
                (next.crashes, next.leaders) =
                    (next.crashes + u8::from(is_crash), next.leaders + u8::from(!is_crash));
                next.epoch = next.epoch.next()?;
                let (state, now) = (next.pools.state(), next.now());
                let (pools, events) = Pools::restart(state, next.checkpoint, next.epoch, Trust::Current, now);
                next.pools = pools;
                next.note(&events, self);
                // Two crashes without a tick between them are one: nothing was said in memory.
                next.pass(self);
            }
        }
        Some(next.sealed())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("I1, I3, I5, I9, I10, I12", |_, office: &Branch| office.broken.is_none()),
            Property::always(
                "I4: no more clients than seats pass the fence",
                |model: &Bounds, office: &Branch| {
                    let passes = |client: &&Desk| {
                        client.held.is_some_and(|held| office.pools.proof(held, office.now()).is_ok())
                    };
                    office.clients.iter().filter(passes).count() <= model.seats as usize
                },
            ),
            Property::always("I8: who works holds a seat", |_, office: &Branch| office.belief_holds()),
            Property::sometimes("somebody waits", |_, office: &Branch| !office.ledger.waiting.is_empty()),
            Property::sometimes("a dead holder's seat goes to a waiter", |_, office: &Branch| {
                office.ledger.ended.values().any(|(reason, _)| reason.word() == "lapsed")
            }),
            Property::sometimes("all seats are worked with", |model: &Bounds, office: &Branch| {
                office.clients.iter().filter(|client| office.tick < client.until).count()
                    == model.seats as usize
            }),
        ]
    }
}

fn check(bounds: Bounds) -> usize {
    let told = format!(
        "{} clients, {} seats, {} ticks, {} calls a tick, {} in all, {} crashes, {} leaders, {} lags",
        bounds.clients,
        bounds.seats,
        bounds.ticks,
        bounds.calls,
        bounds.calls_in_all,
        bounds.crashes,
        bounds.leaders,
        bounds.lags
    );
    let checker = bounds.checker().spawn_dfs().join();
    println!("{told}: {} states visited, {} different", checker.state_count(), checker.unique_state_count());
    for (name, path) in checker.discoveries() {
        let property = checker.model().properties().into_iter().find(|property| property.name == name);
        if property.is_some_and(|property| property.expectation.discovery_is_failure()) {
            let broken = path.last_state().broken.clone();
            panic!("{told}: {name}: {broken:?} after {:?}", path.into_actions());
        }
    }
    checker.assert_properties();
    checker.unique_state_count()
}

#[test]
fn three_clients_and_two_seats_in_every_order() {
    check(Bounds {
        clients: 3,
        seats: 2,
        ticks: 6,
        crashes: 0,
        leaders: 0,
        lags: 0,
        calls: 1,
        calls_in_all: 6,
    });
}

#[test]
fn three_clients_and_two_seats_with_a_crash_and_a_new_leader() {
    check(Bounds {
        clients: 3,
        seats: 2,
        ticks: 6,
        crashes: 1,
        leaders: 1,
        lags: 0,
        calls: 1,
        calls_in_all: 3,
    });
}

#[test]
fn two_clients_and_one_seat_in_every_order_with_everything_that_can_go_wrong() {
    check(Bounds {
        clients: 2,
        seats: 1,
        ticks: 5,
        crashes: 2,
        leaders: 1,
        lags: 1,
        calls: 1,
        calls_in_all: 5,
    });
}

#[test]
fn i5_a_dead_holder_lapses_however_often_the_server_starts_anew() {
    check(Bounds {
        clients: 2,
        seats: 1,
        ticks: 11,
        crashes: 2,
        leaders: 0,
        lags: 0,
        calls: 1,
        calls_in_all: 3,
    });
}
