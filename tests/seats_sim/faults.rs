//! What goes wrong in a history, drawn before it begins.

use gijiroku::seats::holder::Input;
use gijiroku::seats::request::Act;
use gijiroku::seats::restart::Trust;
use gijiroku::seats::{Limits, Request};

use crate::clocks::TEN_YEARS_MS;
use crate::random::Luck;
use crate::world::{Happening, World};

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The process is killed and comes back.
    Crash {
        down_ms: u64,
    },
    /// The machine starts anew: its steady clock begins at nought.
    Reboot {
        down_ms: u64,
    },
    /// The machine stands still and its clock goes on.
    Pause {
        ms: u64,
    },
    /// The disk takes its time.
    Stall {
        ms: u64,
    },
    ServerWall {
        by_ms: i64,
    },
    ClientWall {
        client: usize,
        by_ms: i64,
    },
    /// A client never says anything again.
    Dead {
        client: usize,
    },
    Cut {
        client: usize,
        ms: u64,
        is_noticed: bool,
    },
    /// A client's process is stopped; its clocks go on.
    Stop {
        client: usize,
        ms: u64,
    },
    /// A client's machine sleeps; its steady clock stops.
    Sleep {
        client: usize,
        ms: u64,
        is_announced: bool,
    },
    /// An administrator takes somebody's seat.
    Revoke,
    /// Another licence: more seats, or fewer than are in use.
    Seats {
        seats: u32,
    },
    /// The disk is copied.
    Backup,
    /// The server is gone, and the copy takes its place.
    Restore {
        down_ms: u64,
    },
}

/// How bad the network is, in percent.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub lost: u64,
    pub doubled: u64,
    pub late_ms: u64,
}

/// Everything about a history that is fixed before it begins.
#[derive(Clone, Debug)]
pub struct Plan {
    pub limits: Limits,
    pub seats: u32,
    /// The person at each device; one person may have two devices.
    pub people: Vec<u64>,
    pub weather: Weather,
    pub length_ms: u64,
    pub faults: Vec<(u64, Fault)>,
}

impl Plan {
    pub fn draw(luck: &mut Luck) -> Self {
        let short = Limits { ttl_ms: 30_000, grace_ms: 5_000, offer_ms: 20_000, ..Limits::default() };
        let limits = if luck.percent(70) { short } else { Limits::default() };
        let seats = luck.within(1, 3) as u32;
        let mut people: Vec<u64> = (1..=luck.within(2, 5)).collect();
        if luck.percent(25) {
            people.push(1);
        }
        let weather = Weather {
            lost: [0, 5, 20][luck.index(3)],
            doubled: [0, 10][luck.index(2)],
            late_ms: [4_000, 20_000, 90_000][luck.index(3)],
        };
        let length_ms = luck.within(2, 4) * (limits.ttl_ms + limits.grace_ms);
        let mut faults = Vec::new();
        let is_loop = luck.percent(8);
        if is_loop {
            draw_crash_loop(luck, length_ms, &mut faults);
        }
        if luck.percent(8) {
            let at = luck.within(5_000, length_ms / 2);
            faults.push((at, Fault::Backup));
            let (after, down_ms) = (luck.within(1_000, 40_000), luck.within(1_000, 30_000));
            faults.push((at + after, Fault::Restore { down_ms }));
        }
        for _ in 0..luck.within(0, 5) {
            faults.push((luck.within(1_000, length_ms), draw_fault(luck, people.len())));
        }
        faults.sort_by_key(|(at, _)| *at);
        Self { limits, seats, people, weather, length_ms, faults }
    }
}

/// The server dies again and again while one holder is dead.
fn draw_crash_loop(luck: &mut Luck, length_ms: u64, faults: &mut Vec<(u64, Fault)>) {
    faults.push((luck.within(8_000, 20_000), Fault::Dead { client: 0 }));
    let (every, mut at) = (luck.within(4_000, 12_000), 20_000);
    while at < length_ms {
        faults.push((at, Fault::Crash { down_ms: luck.within(200, 1_500) }));
        at += every;
    }
}

fn draw_fault(luck: &mut Luck, clients: usize) -> Fault {
    let client = luck.index(clients);
    let jump = |luck: &mut Luck| {
        [TEN_YEARS_MS, -TEN_YEARS_MS, 3_600_000, -3_600_000, 30_000, -30_000][luck.index(6)]
    };
    match luck.index(100) {
        0..15 => Fault::Crash { down_ms: luck.within(100, 30_000) },
        15..22 => Fault::Reboot { down_ms: luck.within(5_000, 30_000) },
        // Between the two the engine may or may not notice; both are right.
        22..27 => Fault::Pause { ms: luck.within(100, 3_500) },
        27..34 => Fault::Pause { ms: luck.within(6_500, 30_000) },
        34..42 => Fault::Stall { ms: luck.within(500, 8_000) },
        42..50 => Fault::ServerWall { by_ms: jump(luck) },
        50..58 => Fault::ClientWall { client, by_ms: jump(luck) },
        58..68 => Fault::Dead { client },
        68..80 => Fault::Cut { client, ms: luck.within(1_000, 180_000), is_noticed: luck.percent(50) },
        80..87 => Fault::Stop { client, ms: luck.within(1_000, 90_000) },
        87..95 => Fault::Sleep { client, ms: luck.within(1_000, 90_000), is_announced: luck.percent(60) },
        95..98 => Fault::Seats { seats: luck.within(1, 4) as u32 },
        _ => Fault::Revoke,
    }
}

impl World {
    /// Lets one thing go wrong.
    pub fn break_something(&mut self, fault: Fault) -> Result<(), String> {
        match fault {
            Fault::Crash { down_ms } => self.crash(down_ms, false, Trust::Current),
            Fault::Reboot { down_ms } => self.crash(down_ms, true, Trust::Current),
            Fault::Seats { seats } => {
                if self.now_ms >= self.paused_until {
                    self.server.set_seats(self.now_ms, seats)?;
                }
            }
            Fault::Backup => self.server.back_up(),
            Fault::Restore { down_ms } => self.crash(down_ms, true, Trust::MayBeOld),
            Fault::Pause { ms } => {
                if self.server.pools.is_some() && self.now_ms >= self.paused_until {
                    self.paused_until = self.now_ms + ms;
                    let is_noticed = ms > 5_000;
                    // What is given back begins with the engine's last step, up to a tick before the machine stood still.
                    self.server.excused_ms += if is_noticed { ms + 1_000 } else { ms };
                    self.server.given_ms += if is_noticed { ms } else { 0 };
                }
            }
            Fault::Stall { ms } => {
                self.server.stall_until = self.now_ms + ms;
                self.server.excused_ms += ms;
            }
            Fault::ServerWall { by_ms } => self.server.clocks.set_wall(by_ms),
            Fault::ClientWall { client, by_ms } => self.set_client_wall(client, by_ms),
            Fault::Dead { client } => self.clients[client].stopped_until = u64::MAX,
            Fault::Cut { client, ms, is_noticed } => {
                let until = self.now_ms + ms;
                self.clients[client].cut_until = self.clients[client].cut_until.max(until);
                if is_noticed {
                    self.after(100, Happening::Input(client, Input::SocketClosed));
                }
            }
            Fault::Stop { client, ms } => self.stop(client, ms),
            Fault::Sleep { client, ms, is_announced } => {
                if is_announced {
                    self.drive(client, Input::Sleep);
                }
                self.stop(client, ms);
                let clocks = &mut self.clients[client].clocks;
                clocks.advance(self.now_ms);
                clocks.is_asleep = true;
            }
            Fault::Revoke => self.revoke()?,
        }
        Ok(())
    }

    /// A calendar that is set back by as much as the machine sleeps, between two steps, deceives any program: both
    /// clocks lie at once. Then only the fence is left, and I4 watches that; here a step stands on either side.
    fn set_client_wall(&mut self, client: usize, by_ms: i64) {
        if self.clients[client].stopped_until > self.now_ms {
            return;
        }
        self.drive(client, Input::Wake);
        let clocks = &mut self.clients[client].clocks;
        clocks.advance(self.now_ms);
        clocks.set_wall(by_ms);
        self.drive(client, Input::Wake);
    }

    fn crash(&mut self, down_ms: u64, is_machine: bool, trust: Trust) {
        if self.server.pools.is_none() || self.now_ms < self.paused_until {
            return;
        }
        self.server.crash(self.now_ms);
        if trust == Trust::MayBeOld {
            self.server.restore();
        }
        if is_machine {
            self.server.clocks.advance(self.now_ms);
            self.server.clocks.boot();
        }
        self.after(down_ms, Happening::Boot(trust));
        for index in 0..self.clients.len() {
            let delay = self.luck.within(0, 500);
            self.after(delay, Happening::Input(index, Input::SocketClosed));
        }
    }

    fn stop(&mut self, client: usize, ms: u64) {
        let until = self.now_ms + ms;
        let stopped = &mut self.clients[client].stopped_until;
        *stopped = until.max(*stopped);
        self.after(ms, Happening::Back(client));
    }

    fn revoke(&mut self) -> Result<(), String> {
        let live: Vec<_> = self.server.ledger.live.keys().copied().collect();
        if live.is_empty() || self.now_ms < self.paused_until {
            return Ok(());
        }
        let lease = live[self.luck.index(live.len())];
        let act = Act { by: "admin".into(), text: "left".into() };
        self.server.request(self.now_ms, Request::Revoke { lease, act })?;
        Ok(())
    }
}
