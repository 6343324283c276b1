//! What the office sets: licence, rules, reservations, limits, bursts, epochs.

use super::calendar::JstDay;
use super::event::{Cause, Happened};
use super::lease::{Doubt, Lease, Phase};
use super::policy::{Bar, Licence, RULES_MAX, Rules, What};
use super::pool::{POOLS_MAX, Pools, Turn};
use super::request::{Act, LeaseReply, Request};
use super::reservation::{RESERVATIONS_MAX, Reservation};
use super::restart::Receipt;
use super::{Applicant, Device, Epoch, Limits, PoolId, Refusal, Reply, Use};

impl Pools {
    /// Answers what the office sets.
    pub(super) fn administer(&mut self, turn: &mut Turn, request: Request) -> Reply {
        match request {
            Request::SetLicence(licence) => self.set_licence(turn, licence),
            Request::SetRules(rules) => self.set_rules(turn, rules),
            Request::SetReservations { pool, list } => self.set_reservations(turn, pool, list),
            Request::SetLimits(limits) => self.set_limits(turn, limits),
            Request::OpenBurst { pool, act } => self.open_burst(turn, pool, act),
            Request::CloseBurst { pool, act } => self.close_burst(turn, pool, act),
            Request::Adopt { receipt, applicant, device, used_for } => {
                self.adopt(turn, &receipt, applicant, device, used_for)
            }
            Request::OpenEpoch { epoch } => self.open_epoch(turn, epoch),
            Request::ClearConflict(act) => {
                if self.office.conflict.is_some() {
                    let cause = Cause { by: Some(act.by), reason: Some(act.text), ..Cause::default() };
                    self.record(turn, cause, Happened::ConflictCleared);
                }
                Reply::Done
            }
            _ => Reply::Done,
        }
    }

    fn set_licence(&mut self, turn: &mut Turn, licence: Licence) -> Reply {
        if licence.pools.len() > POOLS_MAX {
            return Reply::Refused(Refusal::BadRequest { field: "pools".into() });
        }
        if self.office.licence == licence {
            return Reply::Done;
        }
        let ids: Vec<PoolId> = licence.pools.iter().map(|licensed| licensed.pool.clone()).collect();
        // A row for each pool, so that each one's history names its seats.
        for id in ids {
            let cause = Cause { pool: Some(id), ..Cause::default() };
            self.record(turn, cause, Happened::LicenceSet(licence.clone()));
        }
        if self.office.licence != licence {
            self.record(turn, Cause::default(), Happened::LicenceSet(licence));
        }
        Reply::Done
    }

    fn set_rules(&mut self, turn: &mut Turn, rules: Rules) -> Reply {
        if rules.list.len() > RULES_MAX {
            return Reply::Refused(Refusal::BadRequest { field: "rules".into() });
        }
        for (id, pool) in &self.pools {
            let promised: u32 = guaranteed(&rules, id);
            let list = &pool.kept.reservations;
            if let Some(refusal) = self.over_booked(id, list, promised, turn) {
                return Reply::Refused(refusal);
            }
        }
        if self.office.rules != rules {
            self.record(turn, Cause::default(), Happened::RulesSet(rules));
        }
        Reply::Done
    }

    fn set_reservations(&mut self, turn: &mut Turn, pool: PoolId, mut list: Vec<Reservation>) -> Reply {
        let Some(found) = self.pools.get(&pool) else { return Reply::Refused(Refusal::LicenceNone) };
        let is_wrong =
            |reservation: &Reservation| reservation.seats == 0 || reservation.to <= reservation.from;
        if list.len() > RESERVATIONS_MAX || list.iter().any(is_wrong) {
            return Reply::Refused(Refusal::BadRequest { field: "reservations".into() });
        }
        list.sort_by_key(|reservation| (reservation.from, reservation.id));
        for reservation in &mut list {
            // What happened to a meeting is the engine's to know.
            let known = found.kept.reservations.iter().find(|known| known.id == reservation.id);
            let was_moved = known.is_some_and(|known| known.from != reservation.from);
            let known = known.filter(|_| !was_moved);
            reservation.attended = known.is_some_and(|known| known.attended);
            reservation.freed = known.is_some_and(|known| known.freed);
            reservation.overrun_told = known.is_some_and(|known| known.overrun_told);
        }
        let promised = guaranteed(&self.office.rules, &pool);
        if let Some(refusal) = self.over_booked(&pool, &list, promised, turn) {
            return Reply::Refused(refusal);
        }
        if found.kept.reservations != list {
            let cause = Cause { pool: Some(pool), ..Cause::default() };
            self.record(turn, cause, Happened::ReservationsSet { list });
        }
        Reply::Done
    }

    /// Finds a moment at which more seats are promised than the licence has; what is past does not count.
    fn over_booked(&self, id: &PoolId, list: &[Reservation], groups: u32, turn: &Turn) -> Option<Refusal> {
        let seats = self.office.licensed(id).map_or(0, |licensed| licensed.seats);
        let mut changes: Vec<(i64, i64)> = Vec::new();
        for reservation in list.iter().filter(|known| known.to > turn.office && !known.freed) {
            changes.push((reservation.from.ms(), reservation.seats.into()));
            changes.push((reservation.to.ms(), -i64::from(reservation.seats)));
        }
        // Ends sort before beginnings at the same moment.
        changes.sort_unstable();
        let mut promised = i64::from(groups);
        let mut worst = (promised, turn.office.ms());
        for (at, change) in changes {
            promised += change;
            if promised > worst.0 {
                worst = (promised, at);
            }
        }
        let (promised, at) = worst;
        let at = crate::clock::UnixMs::from_ms(at);
        let promised = u32::try_from(promised).unwrap_or(u32::MAX);
        (promised > seats).then_some(Refusal::OverBooked { promised, seats, at })
    }

    fn set_limits(&mut self, turn: &mut Turn, limits: Limits) -> Reply {
        if let Err(error) = limits.check() {
            return Reply::Refused(Refusal::BadRequest { field: error.name.into() });
        }
        if self.office.limits != limits {
            self.record(turn, Cause::default(), Happened::LimitsSet(limits));
        }
        Reply::Done
    }

    fn open_burst(&mut self, turn: &mut Turn, pool: PoolId, act: Act) -> Reply {
        let terms = self.office.licensed(&pool).and_then(|licensed| licensed.burst);
        let Some(found) = self.pools.get(&pool) else { return Reply::Refused(Refusal::LicenceNone) };
        let today = JstDay::of(turn.office);
        let days = &found.kept.burst.days;
        let used = days.iter().filter(|day| day.fiscal_year() == today.fiscal_year()).count() as u32;
        let is_new_day = !days.contains(&today);
        let allowed = terms.map_or(0, |terms| terms.days);
        if terms.is_none() || (is_new_day && used >= allowed) {
            return Reply::Refused(Refusal::BurstUnavailable { used, days: allowed });
        }
        if found.kept.burst.open {
            return Reply::Done;
        }
        let cause = acted(&pool, act);
        self.record(turn, cause.clone(), Happened::BurstOpened);
        if is_new_day {
            self.record(turn, cause, Happened::BurstDay { day: today.0 });
        }
        Reply::Done
    }

    fn close_burst(&mut self, turn: &mut Turn, pool: PoolId, act: Act) -> Reply {
        if self.pools.get(&pool).is_some_and(|found| found.kept.burst.open) {
            self.record(turn, acted(&pool, act), Happened::BurstClosed);
        }
        Reply::Done
    }

    /// Takes a receipt for what it proves: a lease this server may have forgotten, or that another server runs.
    fn adopt(
        &mut self,
        turn: &mut Turn,
        receipt: &Receipt,
        applicant: Applicant,
        device: Device,
        used_for: Use,
    ) -> Reply {
        let held = super::request::Held { lease: receipt.lease, token: receipt.token };
        let own = self.office.counter.epoch;
        let seen = receipt.token.epoch();
        let Some(_) = self.office.recovery else {
            if seen > own && self.office.conflict.is_none() {
                let cause = Cause { holder: Some(receipt.holder), ..Cause::default() };
                self.record(turn, cause, Happened::Conflict { seen });
            }
            return match self.office.conflict {
                Some(seen) if receipt.token.epoch() > own => {
                    Reply::Refused(Refusal::InstanceConflict { seen, own })
                }
                _ => self.answer(turn, Request::Beat(held)),
            };
        };
        let Some(pool) = self.pools.get(&receipt.pool).filter(|_| applicant.holder == receipt.holder) else {
            return Reply::Refused(Refusal::BadRequest { field: "receipt".into() });
        };
        // A lease whose older token was superseded lives again under the newer one.
        let is_live = pool.kept.leases.contains_key(&receipt.lease);
        if !is_live && self.office.ended.find(receipt.lease).is_some() {
            return Reply::Refused(self.lost(receipt.lease, turn.at));
        }
        let known = pool.memory.holders.get(&receipt.holder).and_then(|id| pool.kept.leases.get(id));
        if let Some(known) = known {
            if known.token >= receipt.token {
                return self.answer(turn, Request::Beat(held));
            }
            // The state is older than the receipt: its lease takes the place of the one remembered. A device may have
            // just been heard for the old one; like one the seat was moved away from, it is told so, and fenced at once.
            let old = known.id;
            self.offer_over(turn, old, |waited_ms| Happened::TimedOut { waited_ms });
            self.end(turn, old, super::EndReason::Superseded);
        }
        if let Some(ticket) =
            self.pools.get(&receipt.pool).and_then(|pool| pool.memory.waiters.get(&receipt.holder))
        {
            let ticket = *ticket;
            self.answer(turn, Request::Leave { ticket });
        }
        let lease = adopted(turn, receipt, applicant, device, used_for);
        let cause = Cause::about(&lease);
        self.record(turn, cause, Happened::Adopted { lease });
        match self.find(receipt.lease) {
            Some(lease) => {
                let reply: LeaseReply = self.lease_reply(lease, turn.at, turn.office);
                Reply::Attached(reply)
            }
            None => Reply::Refused(self.lost(receipt.lease, turn.at)),
        }
    }

    fn open_epoch(&mut self, turn: &mut Turn, epoch: Epoch) -> Reply {
        let own = self.office.counter.epoch;
        let is_early =
            self.office.recovery.is_some_and(|recovery| turn.at < recovery.until || epoch <= recovery.seen);
        if epoch <= own || is_early {
            return Reply::Refused(Refusal::BadRequest { field: "epoch".into() });
        }
        self.record(turn, Cause::default(), Happened::EpochOpened { epoch });
        Reply::Done
    }
}

fn adopted(
    turn: &Turn,
    receipt: &Receipt,
    applicant: Applicant,
    device: Device,
    used_for: Use,
) -> Box<Lease> {
    Box::new(Lease {
        id: receipt.lease,
        pool: receipt.pool.clone(),
        applicant,
        token: receipt.token,
        devices: vec![device],
        uses: vec![used_for],
        since: turn.at,
        since_office: turn.office,
        phase: Phase::Seated,
        doubt: Doubt::None,
        lent: None,
        fills: None,
        warned: None,
        ticket: None,
    })
}

fn acted(pool: &PoolId, act: Act) -> Cause {
    Cause { pool: Some(pool.clone()), by: Some(act.by), reason: Some(act.text), ..Cause::default() }
}

fn guaranteed(rules: &Rules, pool: &PoolId) -> u32 {
    let seats = rules.list.iter().filter(|rule| rule.pool == *pool).map(|rule| match rule.what {
        What::Guarantee(seats) => seats,
        What::Exclude | What::Quota(_) => 0,
    });
    seats.sum()
}

impl Bar {
    /// Returns the refusal that says it.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::None => Refusal::LicenceNone,
            Self::NotStarted { file, from } => Refusal::LicenceNotStarted { file: file.clone(), from: *from },
            Self::Ended { file, to } => Refusal::LicenceEnded { file: file.clone(), to: *to },
            Self::HostUnbound { matched, needed } => {
                Refusal::HostUnbound { matched: *matched, needed: *needed }
            }
        }
    }
}
