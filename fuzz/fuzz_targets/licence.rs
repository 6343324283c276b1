//! Hostile bytes against the licence reader: as a file from outside, and as terms that were properly signed.

#![no_main]

use gijiroku::seats::licence::keys::{KeyRing, SigningKey};
use gijiroku::seats::licence::request::Request;
use gijiroku::seats::licence::standing::{Installed, standing};
use gijiroku::seats::licence::{Licence, day::Day, receipt};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let key = SigningKey::from_seed(&[1; 32]);
    let keys = KeyRing::default().with([key.public()]).expect("one key is allowed");
    assert!(Licence::open(&text, &KeyRing::vendor()).is_err(), "nobody signed it");
    let _ = Request::open(&text);
    assert!(receipt::verify(&text, &key.public()).is_err(), "nobody signed it");
    let Ok(licence) = serde_json::from_slice::<Licence>(bytes) else { return };
    let today = licence.first();
    let Ok(signed) = licence.issue(&key) else { return };
    assert_eq!(Licence::open(&signed, &keys).as_ref(), Ok(&licence), "what is issued is read back");
    let file = Installed { licence, unbound_since: None };
    for day in [today, today.minus(1), file.licence.grace_until().plus(1), Day::in_japan(Default::default())]
    {
        let seats: u32 = file.licence.pools.iter().map(|pool| pool.seats).max().unwrap_or(0);
        let found = standing(day, std::slice::from_ref(&file), &[]);
        assert!(found.pools.iter().all(|pool| pool.seats <= seats.max(5)), "no more seats than were signed");
    }
});
