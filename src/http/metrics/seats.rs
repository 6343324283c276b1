//! Figures about the seats.

use super::super::error::Problem;
use super::super::{Shared, licence};
use crate::seats::PoolId;
use crate::seats::calendar::WallClock;
use crate::seats::licence::day::Day;

const LIVE: &str = "gijiroku_seats_live";
const FREE: &str = "gijiroku_seats_free";
const WAITING: &str = "gijiroku_seats_waiting";
const OFFERED: &str = "gijiroku_seats_offered";
const OFFERS: &str = "gijiroku_seat_offers_total";
const DENIALS: &str = "gijiroku_seat_denials_total";
const RECLAIMS: &str = "gijiroku_seat_reclaims_total";
const EPOCH: &str = "gijiroku_seat_epoch";
const CLOCK: &str = "gijiroku_clock_suspect";
const AWAY: &str = "gijiroku_seats_away";
const CONFLICT: &str = "gijiroku_seat_instance_conflict";
const SOCKETS: &str = "gijiroku_seat_sockets";
const DAYS: &str = "gijiroku_licence_days_left";
/// What stands for days that nobody is told of yet: a file that lasts, or none.
const MANY_DAYS: f64 = 9_999.0;

/// Says what the figures mean.
pub fn describe() {
    metrics::describe_gauge!(LIVE, "Seats in use, offered ones included");
    metrics::describe_gauge!(FREE, "Seats not in use");
    metrics::describe_gauge!(WAITING, "Places in the line");
    metrics::describe_gauge!(OFFERED, "Seats offered and not accepted yet");
    metrics::describe_counter!(OFFERS, "Seats offered to somebody who waited, since the start");
    metrics::describe_counter!(DENIALS, "Requests for a seat refused, by reason, since the start");
    metrics::describe_counter!(RECLAIMS, "Leases ended, by cause, since the start");
    metrics::describe_gauge!(EPOCH, "Number of this start of the seats");
    metrics::describe_gauge!(CLOCK, "Whether the wall clock and the trusted date differ");
    metrics::describe_gauge!(AWAY, "Whether the seats are not served now");
    metrics::describe_gauge!(CONFLICT, "Whether another server with the same licence seems to run");
    metrics::describe_gauge!(SOCKETS, "Sockets of pages that are open");
    metrics::describe_gauge!(
        DAYS,
        "Days until a licence ends or the host's time is over; 9999 if that is far"
    );
}

/// Tells the figures of now.
pub async fn tell(app: &Shared) -> Result<(), Problem> {
    let (counts, epoch, conflict, today) = app.seats.look(|pools, now| {
        let names: Vec<PoolId> = pools.names().cloned().collect();
        let counts: Vec<_> = names.into_iter().map(|name| (pools.counts(&name), name)).collect();
        (counts, pools.epoch(), pools.conflict().is_some(), Day::in_japan(now.office))
    });
    for (counts, pool) in counts {
        let pool = pool.0;
        metrics::gauge!(LIVE, "pool" => pool.clone()).set(f64::from(counts.live));
        let free = counts.capacity.saturating_sub(counts.live);
        metrics::gauge!(FREE, "pool" => pool.clone()).set(f64::from(free));
        metrics::gauge!(WAITING, "pool" => pool.clone()).set(f64::from(counts.waiting));
        metrics::gauge!(OFFERED, "pool" => pool).set(f64::from(counts.offered));
    }
    let tally = app.seats.tally();
    metrics::counter!(OFFERS).absolute(tally.offers);
    for (reason, count) in tally.denials {
        metrics::counter!(DENIALS, "reason" => reason).absolute(count);
    }
    for (cause, count) in tally.ends {
        metrics::counter!(RECLAIMS, "cause" => cause).absolute(count);
    }
    let flag = |is_so: bool| f64::from(u8::from(is_so));
    metrics::gauge!(EPOCH).set(f64::from(epoch.number()));
    metrics::gauge!(CLOCK).set(flag(app.seats.wall_clock() != WallClock::Agrees));
    metrics::gauge!(AWAY).set(flag(app.seats.is_away()));
    metrics::gauge!(CONFLICT).set(flag(conflict));
    metrics::gauge!(SOCKETS).set(app.sockets.count() as f64);
    let standing = app.store.licence_standing(&app.site, today).await?;
    metrics::gauge!(DAYS).set(licence::days_left(&standing).map_or(MANY_DAYS, f64::from));
    Ok(())
}
