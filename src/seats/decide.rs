//! The decision: which seat somebody may have now, and every number it rests on.

use std::time::Duration;

use super::lease::{Lent, LentBy};
use super::memory::{Claim, Memory};
use super::policy::{Evidence, Rules, SeatFrom, What, Who};
use super::pool::Pool;
use super::reservation::{Reservation, ReservationId};
use super::state::Office;
use super::{At, Limits, PoolId, Refusal, TicketId};
use crate::clock::UnixMs;

/// A loan shorter than this beyond its notice is no use to anybody.
const LOAN_MS_MIN: u64 = 60_000;

/// The seats of a pool at a moment.
#[derive(Debug, Clone)]
pub(super) struct Board {
    pub capacity: u32,
    pub live: u32,
    /// Leases that whoever is next may take.
    pub takeable: u32,
    /// Lent leases that cannot be taken at once.
    lent: u32,
    /// Seats kept for meetings, the nearest first.
    kept: Vec<KeptSeats>,
    /// Seats kept for groups: the rule, and how many are not used.
    guaranteed: Vec<(u32, u32)>,
}

/// Seats kept for a meeting and not taken.
#[derive(Debug, Clone)]
struct KeptSeats {
    id: ReservationId,
    from: UnixMs,
    left: u32,
    hold: Hold,
}

/// How firmly they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// The meeting is ahead: they are lent until its window opens.
    Ahead { back: UnixMs },
    /// The window is open: nobody else gets them.
    Firm,
    /// The meeting runs and has not needed them: they are lent, and asked back when it does.
    Spare,
}

/// A seat somebody may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seat {
    pub from: SeatFrom,
    pub lent: Option<Lent>,
    pub fills: Option<ReservationId>,
}

/// Returns the refusal of the first rule that shuts somebody out; it does not depend on free seats.
pub(super) fn blocking(memory: &Memory, rules: &Rules, claim: &Claim) -> Option<Refusal> {
    let about = || claim.rules.iter().filter_map(|index| Some((*index, rules.list.get(*index as usize)?)));
    if let Some((_, rule)) = about().find(|(_, rule)| rule.what == What::Exclude) {
        return Some(Refusal::Excluded { rule: rule.id.clone(), contact: rules.contact.clone() });
    }
    about().find_map(|(index, rule)| match rule.what {
        What::Quota(max) if memory.book.firm(index) >= max => {
            Some(Refusal::QuotaGroup { rule: rule.id.clone(), group: named(&rule.who), max })
        }
        What::Exclude | What::Quota(_) | What::Guarantee(_) => None,
    })
}

/// Returns a quota that is used up by leases that may be taken: one of its own has to go first.
pub(super) fn to_be_cleared(memory: &Memory, rules: &Rules, claim: &Claim) -> Option<u32> {
    let is_full = |index: &u32| match rules.list.get(*index as usize).map(|rule| rule.what) {
        Some(What::Quota(max)) => memory.book.used[*index as usize] >= max,
        Some(What::Exclude | What::Guarantee(_)) | None => false,
    };
    claim.rules.iter().copied().find(is_full)
}

fn named(who: &Who) -> String {
    match who {
        Who::Everyone | Who::Holder(_) => String::new(),
        Who::Department(name) | Who::Group(name) => name.clone(),
    }
}

/// Returns how a reservation keeps its seats at a moment; none if it does not.
fn hold(reservation: &Reservation, filled: u32, limits: &Limits, office: UnixMs) -> Option<Hold> {
    let opens = reservation.from.minus(Duration::from_millis(limits.reserve_before_ms));
    let lead = reservation.from.minus(Duration::from_millis(limits.reserve_lead_ms));
    let judged = reservation.from.plus(Duration::from_millis(limits.no_show_ms));
    if reservation.freed || office < lead.min(opens) || office >= reservation.to {
        return None;
    }
    if office < opens {
        return Some(Hold::Ahead { back: opens });
    }
    if office < judged {
        return Some(Hold::Firm);
    }
    (reservation.attended || filled > 0).then_some(Hold::Spare)
}

impl Board {
    /// Looks at a pool.
    pub fn of(pool: &Pool, office: &Office, id: &PoolId, at: At, now: UnixMs) -> Self {
        let memory = &pool.memory;
        let limits = &office.limits;
        let mut kept = Vec::new();
        let lead = Duration::from_millis(limits.reserve_lead_ms.max(limits.reserve_before_ms));
        for reservation in &pool.kept.reservations {
            // They stand in the order of their beginning.
            if reservation.from.minus(lead) > now {
                break;
            }
            let filled = memory.filled.get(&reservation.id).copied().unwrap_or(0);
            let Some(hold) = hold(reservation, filled, limits, now) else { continue };
            let left = reservation.seats.saturating_sub(filled);
            if left > 0 {
                kept.push(KeptSeats { id: reservation.id, from: reservation.from, left, hold });
            }
        }
        let unused = |(rule, seats): &(u32, u32)| {
            let left = seats.saturating_sub(memory.book.used[*rule as usize]);
            (left > 0).then_some((*rule, left))
        };
        let is_firm = |lease| !pool.can_be_taken(lease, office, at);
        Self {
            capacity: pool.kept.capacity(office.licensed(id)),
            live: pool.kept.leases.len() as u32,
            takeable: pool.takeable(office, at),
            lent: memory.lent.iter().filter(|lease| is_firm(**lease)).count() as u32,
            kept,
            guaranteed: memory.book.guarantees.iter().filter_map(unused).collect(),
        }
    }

    /// Returns how many seats are free, or free to be taken.
    pub fn within_reach(&self) -> u32 {
        (self.capacity + self.takeable).saturating_sub(self.live)
    }

    /// Returns how many seats are kept for others than the claimant.
    pub fn held_from(&self, claim: &Claim) -> u32 {
        let meetings = self.kept.iter().filter(|kept| !kept.is_open_to(claim)).map(|kept| kept.left);
        let groups = self.guaranteed.iter().filter(|(rule, _)| !claim.rules.contains(rule));
        meetings.sum::<u32>() + groups.map(|(_, left)| left).sum::<u32>()
    }

    /// Tells whether one more seat may be somebody's own, were every lent one given back.
    pub fn is_open_to(&self, claim: &Claim) -> bool {
        let firm = self.live.saturating_sub(self.takeable).saturating_sub(self.lent);
        self.capacity > firm.saturating_add(self.held_from(claim))
    }

    /// Returns the seat somebody may have now; none if there is none in reach for them.
    pub fn seat_for(&self, claim: &Claim, rules: &Rules, limits: &Limits, now: UnixMs) -> Option<Seat> {
        if self.within_reach() == 0 {
            return None;
        }
        if self.is_open_to(claim) {
            let own = self.kept.iter().find(|kept| claim.own.contains(&kept.id));
            let has_guarantee = self.guaranteed.iter().any(|(rule, _)| claim.rules.contains(rule));
            let is_kept = has_guarantee || own.is_some_and(|kept| kept.is_open_to(claim));
            let from = if is_kept { SeatFrom::Kept } else { SeatFrom::Free };
            return Some(Seat { from, lent: None, fills: own.map(|kept| kept.id) });
        }
        if claim.recording {
            return None;
        }
        let firm = self.kept.iter().filter(|kept| kept.hold == Hold::Firm && !kept.is_open_to(claim));
        if self.within_reach() <= firm.map(|kept| kept.left).sum() {
            return None;
        }
        let lent = self.loan(claim, rules)?;
        let shortest = limits.lent_notice_ms + LOAN_MS_MIN;
        if lent.back.is_some_and(|back| (back.since(now).as_millis() as u64) < shortest) {
            return None;
        }
        Some(Seat { from: SeatFrom::Lent, lent: Some(lent), fills: None })
    }

    /// Names whose seat would be lent: the one that is needed back first.
    fn loan(&self, claim: &Claim, rules: &Rules) -> Option<Lent> {
        let mut spare = None;
        for kept in self.kept.iter().filter(|kept| !kept.is_open_to(claim)) {
            match kept.hold {
                Hold::Ahead { back } => {
                    let owner = LentBy::Reservation(kept.id);
                    return Some(Lent { owner, back: Some(back), recalled: None });
                }
                Hold::Spare => spare = spare.or(Some(kept.id)),
                Hold::Firm => {}
            }
        }
        let group = self.guaranteed.iter().find(|(rule, _)| !claim.rules.contains(rule));
        let guarantee = || Some(LentBy::Guarantee(rules.list.get(group?.0 as usize)?.id.clone()));
        let owner = spare.map(LentBy::Reservation).or_else(guarantee)?;
        Some(Lent { owner, back: None, recalled: None })
    }

    /// Says why there is no seat in reach.
    pub fn refusal(&self, claim: &Claim, pool: &Pool, now: UnixMs) -> Refusal {
        let free = self.within_reach();
        if free > 0 {
            let first = self.kept.iter().find(|kept| !kept.is_open_to(claim));
            let until = first.and_then(|kept| match kept.hold {
                Hold::Ahead { back } => Some(back),
                Hold::Firm | Hold::Spare => None,
            });
            return Refusal::Reserved {
                seats: free,
                reservation: first.map(|kept| kept.id),
                from: first.map(|kept| kept.from),
                until,
            };
        }
        let position = pool.kept.waiting.len() as u32 + 1;
        let eta = pool.kept.releases.eta(now, position);
        Refusal::NoFreeSeat { used: self.live, seats: self.capacity, eta }
    }

    /// Lists what was looked at.
    pub fn evidence(&self, claim: &Claim, rules: &Rules) -> Vec<Evidence> {
        let mut found = Vec::new();
        for kept in self.kept.iter().filter(|kept| claim.own.contains(&kept.id)) {
            found.push(Evidence::OwnReservation { reservation: kept.id, left: kept.left });
        }
        for (rule, left) in self.guaranteed.iter().filter(|(rule, _)| claim.rules.contains(rule)) {
            let rule = rules.list.get(*rule as usize).map_or_else(String::new, |rule| rule.id.clone());
            found.push(Evidence::OwnGuarantee { rule, left: *left });
        }
        let held = self.held_from(claim);
        found.push(Evidence::Seats { live: self.live, capacity: self.capacity, held });
        found
    }
}

impl KeptSeats {
    /// Before the window opens the meeting's own people queue like everyone, but fill its seats.
    fn is_open_to(&self, claim: &Claim) -> bool {
        !matches!(self.hold, Hold::Ahead { .. }) && claim.own.contains(&self.id)
    }
}

/// Who is next, and with which seat.
pub(super) fn next_waiter(
    pool: &Pool,
    office: &Office,
    board: &Board,
    now: UnixMs,
) -> Option<(TicketId, Seat)> {
    if board.within_reach() == 0 {
        return None;
    }
    let seat_for = |claim: &Claim| {
        if blocking(&pool.memory, &office.rules, claim).is_some() {
            return None;
        }
        board.seat_for(claim, &office.rules, &office.limits, now)
    };
    pool.memory.line.iter().find_map(|id| Some((id, pool.memory.claim_of(id).and_then(seat_for)?)))
}

/// Counts those who wait whom only seats keep from being served, up to `enough`.
pub(super) fn wanting(
    pool: &Pool,
    office: &Office,
    enough: usize,
    is_open: impl Fn(&Claim) -> bool,
) -> usize {
    let claims = pool.memory.line.iter().filter_map(|id| pool.memory.claim_of(id));
    let unblocked = claims.filter(|claim| blocking(&pool.memory, &office.rules, claim).is_none());
    unblocked.filter(|claim| is_open(claim)).take(enough).count()
}
