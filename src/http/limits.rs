//! How often something may be asked: sign-ins by address and by login, requests by account and by token.
//!
//! Range: a limit tells at most 65,536 askers apart and needs no sweeping. Each asker has a place by a keyed hash;
//! two that share a place share its allowance, and nobody outside can aim at whose place that is.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::error::{Code, Problem};
use crate::clock::Mono;
use crate::store::Id;

/// Askers that one limit tells apart.
const PLACES: u64 = 1 << 16;

/// How often something may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    ///
    /// Units: times a minute.
    pub per_minute: NonZeroU32,
    /// At once, after a rest.
    pub burst: NonZeroU32,
}

impl Rate {
    /// Makes a rate; what is below one counts as one.
    pub const fn new(per_minute: u32, burst: u32) -> Self {
        Self { per_minute: at_least_one(per_minute), burst: at_least_one(burst) }
    }
}

const fn at_least_one(count: u32) -> NonZeroU32 {
    match NonZeroU32::new(count) {
        Some(count) => count,
        None => NonZeroU32::MIN,
    }
}

/// The limits that an administrator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Sign-ins, passwords and setup, for each network address.
    pub address: Rate,
    /// Sign-ins, for each login.
    pub login: Rate,
    /// Requests, for each account and each token.
    pub account: Rate,
    /// Requests for a seat, for each account.
    pub seat: Rate,
    /// What else is asked about seats, for each account.
    pub seat_calls: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            // An office behind one proxy or one terminal server has one address in the morning rush.
            address: Rate::new(60, 60),
            login: Rate::new(10, 10),
            account: Rate::new(50 * 60, 200),
            seat: Rate::new(60, 5),
            seat_calls: Rate::new(10 * 60, 60),
        }
    }
}

/// The time since some moment, read from outside: what governor calls a clock.
#[derive(Clone)]
struct Hands(std::sync::Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock for Hands {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(u64::try_from((self.0)().as_nanos()).unwrap_or(u64::MAX / 2))
    }
}

type Limiter = RateLimiter<u64, DashMapStateStore<u64>, Hands, governor::middleware::NoOpMiddleware<Nanos>>;

/// What was asked lately.
pub struct Limits {
    hands: Hands,
    places: RandomState,
    address: Limiter,
    login: Limiter,
    account: Limiter,
    seat: Limiter,
    seat_calls: Limiter,
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limits")
    }
}

impl Limits {
    /// Makes limits that count by the clock that never jumps.
    pub fn new(rates: &Rates) -> Self {
        Self::by(rates, || Mono::now().since(Mono::from_ms(0)))
    }

    /// Makes limits that count by another clock: the time since some fixed moment.
    pub fn by(rates: &Rates, clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        let hands = Hands(std::sync::Arc::new(clock));
        let limiter = |rate: Rate| {
            let quota = Quota::per_minute(rate.per_minute).allow_burst(rate.burst);
            RateLimiter::new(quota, DashMapStateStore::default(), hands.clone())
        };
        Self {
            places: RandomState::new(),
            address: limiter(rates.address),
            login: limiter(rates.login),
            account: limiter(rates.account),
            seat: limiter(rates.seat),
            seat_calls: limiter(rates.seat_calls),
            hands: hands.clone(),
        }
    }

    /// Counts a request of somebody unknown that costs a password's hash.
    ///
    /// Errors: [`Code::TooManyRequests`] with the seconds after which to ask again.
    pub fn from_address(&self, address: IpAddr) -> Result<(), Problem> {
        self.count(&self.address, network(address))
    }

    /// Counts a try to sign in under a login.
    ///
    /// Errors: as [`Limits::from_address`].
    pub fn for_login(&self, login: &str) -> Result<(), Problem> {
        self.count(&self.login, login)
    }

    /// Counts a request of an account, or of a token by its own name.
    ///
    /// Errors: as [`Limits::from_address`].
    pub fn by_account(&self, id: Id) -> Result<(), Problem> {
        self.count(&self.account, id)
    }

    /// Counts a request for a seat; by person, never by address, which a whole office may share.
    ///
    /// Errors: as [`Limits::from_address`].
    pub fn for_seat(&self, user: Id) -> Result<(), Problem> {
        self.count(&self.seat, user)
    }

    /// Counts what else a person asks about seats.
    ///
    /// Errors: as [`Limits::from_address`].
    pub fn about_seat(&self, user: Id) -> Result<(), Problem> {
        self.count(&self.seat_calls, user)
    }

    fn count(&self, limiter: &Limiter, asker: impl Hash) -> Result<(), Problem> {
        let place = self.places.hash_one(asker) % PLACES;
        limiter.check_key(&place).map_err(|until| {
            let wait = until.wait_time_from(self.hands.now());
            Problem::new(Code::TooManyRequests).retry_after(wait.as_secs() + 1)
        })
    }
}

/// Returns what one customer of a network has: an address of IPv4, the upper half of one of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let upper = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(upper.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn limits(rates: Rates) -> (Limits, Arc<AtomicU64>) {
        let ms = Arc::new(AtomicU64::new(0));
        let hands = Arc::clone(&ms);
        (Limits::by(&rates, move || Duration::from_millis(hands.load(Ordering::SeqCst))), ms)
    }

    #[test]
    fn after_a_burst_one_waits_and_is_told_how_long() {
        let (limits, clock) = limits(Rates { login: Rate::new(6, 3), ..Rates::default() });
        for _ in 0..3 {
            assert!(limits.for_login("sato").is_ok());
        }
        let refused = limits.for_login("sato").expect_err("the burst is used up");
        let json = serde_json::to_value(&refused).expect("a problem is JSON");
        assert_eq!((json["status"].as_u64(), json["code"].as_str()), (Some(429), Some("too_many_requests")));
        assert!(limits.for_login("suzuki").is_ok(), "somebody else is not held up");
        clock.store(9_900, Ordering::SeqCst);
        assert!(limits.for_login("sato").is_err());
        clock.store(10_000, Ordering::SeqCst);
        assert!(limits.for_login("sato").is_ok());
        assert!(limits.for_login("sato").is_err());
    }

    #[test]
    fn askers_without_end_take_no_memory_without_end() {
        let (limits, _) = limits(Rates::default());
        for number in 0..(PLACES * 3) {
            limits.count(&limits.account, number).ok();
        }
        assert!(limits.account.len() <= usize::try_from(PLACES).expect("it is small"));
    }

    #[test]
    fn an_address_of_ipv6_counts_by_its_network() {
        let (limits, _) = limits(Rates { address: Rate::new(1, 1), ..Rates::default() });
        let address = |text: &str| text.parse::<IpAddr>().expect("it is an address");
        assert!(limits.from_address(address("2001:db8::1")).is_ok());
        assert!(limits.from_address(address("2001:db8::2")).is_err());
        assert!(limits.from_address(address("2001:db8:0:1::1")).is_ok());
        assert!(limits.from_address(address("192.0.2.1")).is_ok());
        assert!(limits.from_address(address("::ffff:192.0.2.1")).is_err());
        assert!(limits.from_address(address("192.0.2.2")).is_ok());
    }
}
