//! Hostile messages against the protocol of seats, and any order of well-formed requests against the engine behind it.

#![no_main]

use gijiroku::clock::{Mono, UnixMs};
use gijiroku::http::seats::live::words::Said;
use gijiroku::http::seats::words::{AcquireInput, BeatInput, HandOverInput, ReleaseInput, TokenInput};
use gijiroku::seats::policy::{Licence, Licensed};
use gijiroku::seats::restart::Trust;
use gijiroku::seats::{Epoch, LeaseId, Now, PoolId, Pools, Request, State, Token};
use libfuzzer_sys::fuzz_target;

const SEATS: u32 = 2;

fn now(ms: u64) -> Now {
    Now { mono: Mono::from_ms(ms), office: UnixMs::from_ms(1_800_000_000_000 + ms as i64) }
}

/// Plays requests against two seats; whatever is asked, no third one is lent, and the events are the state.
fn play(requests: Vec<(u16, Request)>) {
    let pool = Licensed { pool: PoolId::standard(), seats: SEATS, burst: None };
    let (mut pools, mut events) = Pools::restart(State::default(), None, Epoch::new(1), Trust::Current, now(0));
    let licence = Request::SetLicence(Licence { pools: vec![pool], bar: None });
    events.extend(pools.step(now(0), licence).events);
    let mut ms = 0;
    for (pause, request) in requests.into_iter().take(200) {
        // What the office sets is not the protocol's.
        if matches!(request, Request::SetLicence(_) | Request::SetLimits(_) | Request::Adopt { .. } | Request::OpenEpoch { .. })
        {
            continue;
        }
        ms += u64::from(pause);
        events.extend(pools.step(now(ms), request).events);
        let counts = pools.counts(&PoolId::standard());
        assert!(counts.live <= counts.capacity.max(SEATS), "{} of {}", counts.live, counts.capacity);
        assert_eq!(counts.begun - counts.over, u64::from(counts.live));
    }
    assert_eq!(Pools::replay(State::default(), &events), pools.state());
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(requests) = serde_json::from_slice::<Vec<(u16, Request)>>(bytes) {
        play(requests);
    }
    let _ = serde_json::from_slice::<Said>(bytes);
    let _ = serde_json::from_slice::<AcquireInput>(bytes);
    let _ = serde_json::from_slice::<BeatInput>(bytes);
    let _ = serde_json::from_slice::<HandOverInput>(bytes);
    let _ = serde_json::from_slice::<ReleaseInput>(bytes);
    let _ = serde_json::from_slice::<TokenInput>(bytes);
    let text = String::from_utf8_lossy(bytes);
    for part in text.split('.') {
        if let Ok(lease) = part.parse::<LeaseId>() {
            assert_eq!(lease.to_string().parse::<LeaseId>().ok(), Some(lease));
        }
        let _ = part.parse::<Token>();
    }
});
