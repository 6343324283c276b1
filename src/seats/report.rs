//! Reports: folds over the recorded events, by pool, department, month and fiscal year of Japan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calendar::{JstDay, JstMonth};
use super::event::{Event, Happened};
use super::{Holder, LeaseId, PoolId};
use crate::clock::UnixMs;

/// How soon somebody refused has to be served after all for the denial not to count as a true one.
pub(super) const TRUE_DENIAL_MS: i64 = 600_000;

/// A time span that figures are told for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A month.
    Month(JstMonth),
    /// A fiscal year (年度), by the year it begins in.
    FiscalYear(i32),
}

/// Whose figures they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The pool.
    pub pool: PoolId,
    /// The department; none is the whole office.
    pub department: Option<String>,
    /// When.
    pub period: Period,
}

/// The figures of a scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// The most seats in use at one time.
    pub peak: u32,
    /// Time seats were in use; divide by 3,600,000 for seat-hours.
    pub seat_ms: u64,
    /// Requests served, at once or after waiting.
    pub served: u64,
    /// Requests refused, and waits given up.
    pub denied: u64,
    /// Of these, not served within ten minutes either (満席による利用不可).
    pub true_denials: u64,
    /// Half of those served waited at most this long; who was served at once waited 0.
    pub wait_p50_ms: u64,
    /// 19 of 20 of those served waited at most this long.
    pub wait_p95_ms: u64,
    /// Time seats were held at the end of their leases without anything being done.
    pub idle_ms: u64,
    /// Seats lent to others.
    pub lent: u64,
    /// Reservations nobody came to; counted for the whole office.
    pub no_shows: u64,
}

/// One minute of a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// The most seats in use at one time.
    pub peak: u32,
    /// Seats in use on average, in thousandths.
    pub average_milli: u32,
    /// Requests refused.
    pub denied: u32,
    /// The most who waited at one time.
    pub waiting: u32,
}

/// A stretch of time a seat was held, or somebody waited.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    pub pool: PoolId,
    pub department: String,
    pub from: i64,
    pub to: i64,
    pub idle_ms: u64,
}

#[derive(Debug, Default)]
struct Gathered {
    figures: Figures,
    waits: Vec<u64>,
    changes: Vec<(i64, i32)>,
}

/// Returns the figures of every pool, department, month and fiscal year the events are of.
///
/// Range: the events of one office in their order; leases still live are counted up to `until`.
pub fn figures<'a>(events: impl IntoIterator<Item = &'a Event>, until: UnixMs) -> BTreeMap<Scope, Figures> {
    let events: Vec<&Event> = events.into_iter().collect();
    let mut gathered: BTreeMap<Scope, Gathered> = BTreeMap::new();
    for stretch in held(&events, until) {
        add_stretch(&mut gathered, &stretch);
    }
    let served = served_at(&events);
    for event in &events {
        let Some(pool) = &event.cause.pool else { continue };
        let department = event.cause.department.as_deref();
        for scope in scopes(pool, department, event.office) {
            count(gathered.entry(scope).or_default(), event, &served);
        }
    }
    gathered.into_iter().map(|(scope, gathered)| (scope, gathered.finish())).collect()
}

/// Returns every minute of a pool in which a seat was in use, somebody waited or was refused.
///
/// Units: the key is minutes since 1970.
pub fn minutes<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    pool: &PoolId,
    until: UnixMs,
) -> BTreeMap<i64, Minute> {
    let events: Vec<&Event> =
        events.into_iter().filter(|event| event.cause.pool.as_ref() == Some(pool)).collect();
    let mut minutes: BTreeMap<i64, Minute> = BTreeMap::new();
    let live = held(&events, until);
    by_minute(&live, |minute, most, busy_ms| {
        let known: &mut Minute = minutes.entry(minute).or_default();
        known.peak = known.peak.max(most);
        known.average_milli += (busy_ms * 1_000 / 60_000) as u32;
    });
    by_minute(&waited(&events, until), |minute, most, _| {
        let known: &mut Minute = minutes.entry(minute).or_default();
        known.waiting = known.waiting.max(most);
    });
    for event in &events {
        if matches!(event.what, Happened::Denied { .. }) {
            minutes.entry(event.office.ms().div_euclid(60_000)).or_default().denied += 1;
        }
    }
    minutes
}

/// Tells each stretch of equal occupancy within a minute: the minute, how many, and how many of them times how long.
fn by_minute(stretches: &[Stretch], mut tell: impl FnMut(i64, u32, u64)) {
    let mut changes: Vec<(i64, i32)> =
        stretches.iter().flat_map(|stretch| [(stretch.from, 1), (stretch.to, -1)]).collect();
    changes.sort_unstable();
    let mut live = 0;
    for (index, (at, change)) in changes.iter().enumerate() {
        live += change;
        let end = changes.get(index + 1).map_or(*at, |(next, _)| *next);
        let mut from = *at;
        while live > 0 && from < end {
            let minute = from.div_euclid(60_000);
            let to = end.min((minute + 1) * 60_000);
            tell(minute, live as u32, live as u64 * (to - from) as u64);
            from = to;
        }
    }
}

/// Returns the stretches in which seats were held.
pub(super) fn held(events: &[&Event], until: UnixMs) -> Vec<Stretch> {
    let mut open: BTreeMap<LeaseId, Stretch> = BTreeMap::new();
    let mut done = Vec::new();
    for event in events {
        match &event.what {
            Happened::Granted { lease, .. }
            | Happened::Offered { lease, .. }
            | Happened::Adopted { lease }
            | Happened::Served { lease: Some(lease), .. } => {
                let department = lease.applicant.department.clone();
                open.insert(lease.id, stretch(&lease.pool, department, event.office));
            }
            Happened::Ended { idle_ms, .. } => {
                let ended = event.cause.lease.and_then(|lease| open.remove(&lease));
                done.extend(ended.map(|held| Stretch { to: event.office.ms(), idle_ms: *idle_ms, ..held }));
            }
            _ => {}
        }
    }
    done.extend(open.into_values().map(|held| Stretch { to: until.ms(), ..held }));
    // A calendar that was corrected in between could turn a stretch round.
    done.retain(|held| held.to > held.from);
    done
}

fn waited(events: &[&Event], until: UnixMs) -> Vec<Stretch> {
    let mut open = BTreeMap::new();
    let mut done = Vec::new();
    for event in events {
        let Some(ticket) = event.cause.ticket else { continue };
        match &event.what {
            Happened::Queued { ticket: place } => {
                let department = place.applicant.department.clone();
                open.insert(ticket, stretch(&place.pool, department, event.office));
            }
            Happened::Offered { .. }
            | Happened::Served { .. }
            | Happened::Left { .. }
            | Happened::TimedOut { .. } => {
                let over: Option<Stretch> = open.remove(&ticket);
                done.extend(over.map(|waited| Stretch { to: event.office.ms(), ..waited }));
            }
            _ => {}
        }
    }
    done.extend(open.into_values().map(|waited| Stretch { to: until.ms(), ..waited }));
    done.retain(|waited| waited.to > waited.from);
    done
}

fn stretch(pool: &PoolId, department: String, from: UnixMs) -> Stretch {
    Stretch { pool: pool.clone(), department, from: from.ms(), to: from.ms(), idle_ms: 0 }
}

/// Returns when each holder was served, to tell true denials.
fn served_at(events: &[&Event]) -> BTreeMap<Holder, Vec<i64>> {
    let mut served: BTreeMap<Holder, Vec<i64>> = BTreeMap::new();
    for event in events {
        if let (true, Some(holder)) = (is_served(event), event.cause.holder) {
            served.entry(holder).or_default().push(event.office.ms());
        }
    }
    served
}

fn is_served(event: &Event) -> bool {
    matches!(event.what, Happened::Granted { .. } | Happened::Served { .. } | Happened::Reattached { .. })
}

/// Tells whether somebody was refused, or gave up, for want of a seat.
pub(super) fn is_denied(event: &Event) -> bool {
    match &event.what {
        Happened::Denied { refusal, .. } => {
            matches!(refusal.code(), "no_free_seat" | "quota_group" | "reserved" | "queue_full")
        }
        Happened::Left { .. } | Happened::TimedOut { .. } => true,
        _ => false,
    }
}

fn count(gathered: &mut Gathered, event: &Event, served: &BTreeMap<Holder, Vec<i64>>) {
    let figures = &mut gathered.figures;
    match &event.what {
        Happened::Granted { lease, .. } => {
            figures.served += 1;
            figures.lent += u64::from(lease.lent.is_some());
            gathered.waits.push(0);
        }
        Happened::Served { waited_ms, lease } => {
            figures.served += 1;
            figures.lent += u64::from(lease.as_ref().is_some_and(|lease| lease.lent.is_some()));
            gathered.waits.push(*waited_ms);
        }
        Happened::Offered { lease, .. } => figures.lent += u64::from(lease.lent.is_some()),
        Happened::NoShow { .. } => figures.no_shows += 1,
        _ if is_denied(event) => {
            figures.denied += 1;
            let at = event.office.ms();
            let times = event.cause.holder.and_then(|holder| served.get(&holder));
            let soon = |time: &i64| (at..=at + TRUE_DENIAL_MS).contains(time);
            if !times.is_some_and(|times| times.iter().any(soon)) {
                figures.true_denials += 1;
            }
        }
        _ => {}
    }
}

fn add_stretch(gathered: &mut BTreeMap<Scope, Gathered>, held: &Stretch) {
    let mut from = held.from;
    while from < held.to {
        let day = JstDay::of(UnixMs::from_ms(from));
        let to = held.to.min(JstDay(day.0 + 1).start().ms());
        for scope in scopes(&held.pool, Some(&held.department), UnixMs::from_ms(from)) {
            let gathered = gathered.entry(scope).or_default();
            gathered.figures.seat_ms += (to - from) as u64;
            gathered.changes.extend([(from, 1), (to, -1)]);
            if to == held.to {
                gathered.figures.idle_ms += held.idle_ms.min((held.to - held.from) as u64);
            }
        }
        from = to;
    }
}

fn scopes(pool: &PoolId, department: Option<&str>, office: UnixMs) -> Vec<Scope> {
    let day = JstDay::of(office);
    let periods = [Period::Month(day.month()), Period::FiscalYear(day.fiscal_year())];
    let departments = std::iter::once(None).chain(department.map(|name| Some(name.to_owned())));
    let scope = |department: Option<String>, period| Scope { pool: pool.clone(), department, period };
    departments.flat_map(|name| periods.map(|period| scope(name.clone(), period))).collect()
}

impl Gathered {
    fn finish(mut self) -> Figures {
        // At the same moment ends come before beginnings: a seat passed on is one seat.
        self.changes.sort_unstable();
        let mut live = 0;
        for (_, change) in self.changes {
            live += change;
            self.figures.peak = self.figures.peak.max(u32::try_from(live).unwrap_or(0));
        }
        self.waits.sort_unstable();
        self.figures.wait_p50_ms = percentile(&self.waits, 50);
        self.figures.wait_p95_ms = percentile(&self.waits, 95);
        self.figures
    }
}

/// Returns the nearest-rank percentile of sorted values; 0 if there are none.
pub(super) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}
