//! 満席による利用不可: each refusal, and what became of it.

use std::collections::BTreeMap;

use super::event::{Event, Happened};
use super::report::{TRUE_DENIAL_MS, is_denied};
use super::{Holder, PoolId};
use crate::clock::UnixMs;

/// A refusal, or a wait given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// When.
    pub at: UnixMs,
    /// Of which kind of seat.
    pub pool: PoolId,
    /// Who, and whether as a person or a room.
    pub holder: Option<Holder>,
    /// Their department then.
    pub department: String,
    /// The stable word of the refusal; `left` and `timed_out` for those who waited in vain.
    pub reason: &'static str,
    /// When they were served after all, if that was within ten minutes; otherwise it is a true denial.
    pub served: Option<UnixMs>,
}

/// Returns every denial the events are of, in their order.
pub fn denials<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Denial> {
    let mut found: Vec<Denial> = Vec::new();
    // The denials of a holder whose ten minutes may not be over yet.
    let mut open: BTreeMap<Holder, Vec<usize>> = BTreeMap::new();
    for event in events {
        let Some(pool) = &event.cause.pool else { continue };
        if let (true, Some(holder)) = (is_service(event), event.cause.holder) {
            for index in open.remove(&holder).unwrap_or_default() {
                let is_soon = event.office.ms() - found[index].at.ms() <= TRUE_DENIAL_MS;
                found[index].served = is_soon.then_some(event.office);
            }
        }
        if is_denied(event) {
            if let Some(holder) = event.cause.holder {
                open.entry(holder).or_default().push(found.len());
            }
            found.push(Denial {
                at: event.office,
                pool: pool.clone(),
                holder: event.cause.holder,
                department: event.cause.department.clone().unwrap_or_default(),
                reason: reason(event),
                served: None,
            });
        }
    }
    found
}

fn is_service(event: &Event) -> bool {
    matches!(event.what, Happened::Granted { .. } | Happened::Served { .. } | Happened::Reattached { .. })
}

fn reason(event: &Event) -> &'static str {
    match &event.what {
        Happened::Denied { refusal, .. } => refusal.code(),
        Happened::Left { .. } => "left",
        _ => "timed_out",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Desk;
    use super::super::{Mode, Request};
    use super::*;

    #[test]
    fn who_is_served_within_ten_minutes_was_not_truly_denied() {
        let mut desk = Desk::with_seats(1);
        let held = desk.seat(0, 1);
        desk.acquire(1_000, 2, Mode::Nowait);
        desk.acquire(2_000, 3, Mode::Nowait);
        desk.ask(10_000, Request::Release { held, device: super::super::testing::device(1).id });
        desk.acquire(20_000, 2, Mode::Nowait);
        let found = denials(&desk.events);
        let told: Vec<_> = found.iter().map(|denial| (denial.reason, denial.served.is_some())).collect();
        assert_eq!(told, [("no_free_seat", true), ("no_free_seat", false)]);
    }
}
