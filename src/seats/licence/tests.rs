use proptest::prelude::*;

use super::host::Part;
use super::request::{Nonce, Request};
use super::standing::{GrantRefusal, Match};
use super::*;

pub(super) fn day(text: &str) -> Day {
    Day::parse(text).expect("the test's days are in the calendar")
}

pub(super) fn id(text: &str) -> LicenceId {
    LicenceId::try_from(text.to_owned()).expect("the test's names are allowed")
}

fn vendor() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn ring() -> KeyRing {
    KeyRing::default().with([vendor().public()]).expect("one key is allowed")
}

pub(super) fn pool(seats: u32) -> PoolTerms {
    PoolTerms { feature: "standard".into(), seats, burst: None }
}

/// A licence of 50 seats for the fiscal year 2027.
pub(super) fn year() -> Licence {
    Licence {
        id: id("y2027"),
        customer: "北川県".into(),
        seq: 7,
        issued: day("2027-02-01"),
        kind: Kind::Contract,
        pools: vec![pool(50)],
        valid: [day("2027-04-01"), day("2028-03-31")],
        tz: Zone::Tokyo,
        grace_days: 14,
        bind: None,
        hosts: 1,
        supersedes: Vec::new(),
    }
}

/// The licence for the year after.
pub(super) fn next_year() -> Licence {
    Licence { id: id("y2028"), seq: 8, valid: [day("2028-04-01"), day("2029-03-31")], ..year() }
}

pub(super) fn host(number: u8) -> Vec<HostHash> {
    let parts = [Part::Machine, Part::Board, Part::Disk, Part::Network, Part::Instance];
    parts.iter().map(|part| HostHash::of(&[9; 32], *part, &format!("serial {number}"))).collect()
}

pub(super) fn bound() -> Licence {
    Licence { bind: Some(Bind { k: 3, n: 5, hashes: host(1) }), ..year() }
}

pub(super) fn installed(licences: &[Licence]) -> Vec<Installed> {
    licences.iter().map(|licence| Installed { licence: licence.clone(), unbound_since: None }).collect()
}

fn reopened(licence: &Licence) -> Result<Licence, LicenceError> {
    Licence::open(&licence.issue(&vendor()).expect("the test's licence is allowed"), &ring())
}

#[test]
fn i18_what_was_issued_is_what_is_read_and_fits_a_printed_code() {
    let full = Licence {
        bind: Some(Bind { k: 3, n: 5, hashes: [host(1), host(2)].concat() }),
        hosts: 2,
        supersedes: vec![id("y2026"), id("y2026-2")],
        pools: vec![PoolTerms { burst: Some(Burst { x: 2, days: 14 }), ..pool(50) }],
        ..year()
    };
    for licence in [year(), next_year(), bound(), full] {
        let text = licence.issue(&vendor()).expect("it is allowed");
        assert!(text.len() <= LICENCE_BYTES_MAX, "{} bytes", text.len());
        assert_eq!(Licence::open(&format!("{text}\n"), &ring()), Ok(licence));
    }
}

#[test]
fn i18_the_payload_is_the_published_form() {
    let text = bound().issue(&vendor()).expect("it is allowed");
    let payload: String = text.split('.').nth(1).expect("it has three parts").into();
    let json: Vec<u8> = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload)
        .expect("it is base64url");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
    assert_eq!(json["valid"], serde_json::json!(["2027-04-01", "2028-03-31"]));
    assert_eq!(json["tz"], "Asia/Tokyo");
    assert_eq!(json["kind"], "contract");
    assert_eq!(json["pools"], serde_json::json!([{ "feature": "standard", "seats": 50 }]));
    assert_eq!(json["bind"]["k"], 3);
}

#[test]
fn i18_a_file_with_any_byte_changed_is_refused() {
    let text = bound().issue(&vendor()).expect("it is allowed");
    for index in 0..text.len() {
        for bit in [1, 2, 4, 8, 16, 32, 64] {
            let mut bytes = text.clone().into_bytes();
            bytes[index] ^= bit;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(Licence::open(&changed, &ring()).is_err(), "byte {index}, bit {bit}");
        }
    }
    for end in 0..text.len() {
        assert!(Licence::open(&text[..end], &ring()).is_err(), "cut at {end}");
    }
}

#[test]
fn i18_an_unknown_key_another_signer_and_a_large_file_are_refused() {
    let text = year().issue(&vendor()).expect("it is allowed");
    let kid = vendor().public().kid();
    assert_eq!(Licence::open(&text, &KeyRing::vendor()), Err(LicenceError::UnknownKey { kid }));
    let other = SigningKey::from_seed(&[2; 32]);
    let foreign = year().issue(&other).expect("it is allowed");
    assert!(matches!(Licence::open(&foreign, &ring()), Err(LicenceError::UnknownKey { .. })));
    let (signed, _) = text.rsplit_once('.').expect("it has three parts");
    let (_, signature) = foreign.rsplit_once('.').expect("it has three parts");
    assert_eq!(Licence::open(&format!("{signed}.{signature}"), &ring()), Err(LicenceError::Signature));
    let large = "A".repeat(LICENCE_BYTES_MAX + 1);
    assert_eq!(
        Licence::open(&large, &ring()),
        Err(LicenceError::TooLarge { bytes: LICENCE_BYTES_MAX + 1, bytes_max: LICENCE_BYTES_MAX })
    );
}

#[test]
fn i18_terms_nobody_knows_are_refused_even_if_properly_signed() {
    let json = serde_json::to_value(year()).expect("a licence has a form in JSON");
    let changed = |name: &str, value: serde_json::Value| {
        let mut json = json.clone();
        json[name] = value;
        Licence::open(&jws::sign(&json, &vendor()), &ring())
    };
    assert_eq!(changed("seq", serde_json::json!(7)), Ok(year()));
    for (name, value) in [
        ("perpetual", serde_json::json!(true)),
        ("tz", serde_json::json!("UTC")),
        ("kind", serde_json::json!("unlimited")),
        ("valid", serde_json::json!(["2027-04-01"])),
        ("valid", serde_json::json!(["2027-04-01", "2027-03-31"])),
        ("valid", serde_json::json!(["2027-04-01", "2027-04-31"])),
        ("valid", serde_json::json!(["2027-04-01T00:00:00Z", "2028-03-31"])),
        ("seq", serde_json::json!(0)),
        ("seq", serde_json::json!(-1)),
        ("seq", serde_json::json!(1.5)),
        ("grace_days", serde_json::json!(367)),
        ("hosts", serde_json::json!(0)),
        ("hosts", serde_json::json!(5)),
        ("customer", serde_json::json!("")),
        ("customer", serde_json::json!("北川県\n")),
        ("customer", serde_json::json!("あ".repeat(101))),
        ("id", serde_json::json!("a b")),
        ("pools", serde_json::json!([])),
        ("pools", serde_json::json!([{ "feature": "standard", "seats": 0 }])),
        ("pools", serde_json::json!([{ "feature": "standard", "seats": 100_001 }])),
        ("pools", serde_json::json!([{ "feature": "standard", "seats": 1, "price": 0 }])),
        ("pools", serde_json::json!([{ "feature": "a", "seats": 1 }, { "feature": "a", "seats": 1 }])),
        ("pools", serde_json::json!([{ "feature": "a", "seats": 1, "burst": { "x": 1, "days": 1 } }])),
        ("pools", serde_json::json!([{ "feature": "a", "seats": 1, "burst": { "x": 2, "days": 0 } }])),
        ("supersedes", serde_json::json!(["a", "b", "c", "d", "e", "f", "g", "h", "i"])),
        ("bind", serde_json::json!({ "k": 0, "n": 0, "hashes": [] })),
        ("bind", serde_json::json!({ "k": 2, "n": 1, "hashes": [host(1)[0].to_string()] })),
        ("bind", serde_json::json!({ "k": 1, "n": 2, "hashes": [host(1)[0].to_string()] })),
        ("bind", serde_json::json!({ "k": 1, "n": 1, "hashes": host(1) })),
        ("bind", serde_json::json!({ "k": 1, "n": 2, "hashes": [host(1)[0], host(1)[0]] })),
    ] {
        let found = changed(name, value.clone());
        assert!(matches!(found, Err(LicenceError::Terms { .. })), "{name} {value}: {found:?}");
    }
}

#[test]
fn i18_a_licence_that_no_server_would_accept_is_not_issued() {
    let wrong = Licence { grace_days: 1_000, ..year() };
    assert!(matches!(wrong.issue(&vendor()), Err(LicenceError::Terms { .. })));
    let pools = (0..16).map(|number| PoolTerms { feature: format!("{}{number}", "f".repeat(38)), ..pool(1) });
    let large = Licence { customer: "県".repeat(100), pools: pools.collect(), ..bound() };
    assert!(matches!(large.issue(&vendor()), Err(LicenceError::TooLarge { .. })));
}

#[test]
fn a_standby_is_bound_like_the_first_host() {
    let both =
        Licence { bind: Some(Bind { k: 3, n: 5, hashes: [host(1), host(2)].concat() }), hosts: 2, ..year() };
    for number in [1, 2] {
        assert_eq!(both.accept(&[], &host(number), day("2027-03-01")), Ok(()));
    }
    let other = both.accept(&[], &host(3), day("2027-03-01"));
    assert_eq!(other, Err(LicenceError::OtherHost { matched: 0, k: 3, n: 5 }));
}

#[test]
fn i18_a_file_that_is_old_foreign_or_over_is_not_accepted() {
    let here = installed(&[year()]);
    let today = day("2027-05-01");
    let accept = |licence: &Licence| licence.accept(&here, &host(1), today);
    assert_eq!(accept(&next_year()), Ok(()));
    assert_eq!(accept(&year()), Err(LicenceError::AlreadyInstalled { id: id("y2027") }));
    let older = Licence { id: id("other"), ..year() };
    assert_eq!(accept(&older), Err(LicenceError::Older { seq: 7, newest: 7 }));
    let foreign = Licence { customer: "南山市".into(), ..next_year() };
    let refused = LicenceError::OtherCustomer { customer: "南山市".into(), here: "北川県".into() };
    assert_eq!(accept(&foreign), Err(refused));
    let renamed = Licence { supersedes: vec![id("y2027")], ..foreign };
    assert_eq!(accept(&renamed), Ok(()));
    let over = Licence { valid: [day("2026-04-01"), day("2027-03-31")], grace_days: 31, ..next_year() };
    assert_eq!(accept(&over), Ok(()), "its grace is not over");
    let over = Licence { grace_days: 0, ..over };
    assert_eq!(accept(&over), Err(LicenceError::Over { last: day("2027-03-31") }));
    let elsewhere = Licence { id: id("bound"), seq: 8, ..bound() };
    assert_eq!(accept(&elsewhere), Ok(()));
    let refused = Err(LicenceError::OtherHost { matched: 0, k: 3, n: 5 });
    assert_eq!(elsewhere.accept(&here, &host(2), today), refused);
    let many: Vec<Licence> =
        (1..=64).map(|seq| Licence { id: id(&format!("n{seq}")), seq, ..year() }).collect();
    let one_more = Licence { seq: 65, ..next_year() };
    assert_eq!(one_more.accept(&installed(&many), &[], today), Err(LicenceError::TooMany { files_max: 64 }));
}

#[test]
fn every_refusal_says_in_japanese_what_happened_that_nothing_changed_and_what_to_do() {
    let errors = [
        LicenceError::TooLarge { bytes: 9_999, bytes_max: LICENCE_BYTES_MAX },
        LicenceError::Damaged,
        LicenceError::Header,
        LicenceError::UnknownKey { kid: "00".into() },
        LicenceError::Signature,
        LicenceError::Terms { what: "seq 0".into() },
        LicenceError::AlreadyInstalled { id: id("a") },
        LicenceError::OtherCustomer { customer: "南山市".into(), here: "北川県".into() },
        LicenceError::Older { seq: 1, newest: 2 },
        LicenceError::Over { last: day("2027-03-31") },
        LicenceError::OtherHost { matched: 1, k: 3, n: 5 },
        LicenceError::TooMany { files_max: 64 },
        LicenceError::PublicKey { text: "x".into() },
        LicenceError::KeyFile,
        LicenceError::TooManyKeys { keys_max: 16 },
    ];
    let mut codes: Vec<&str> = errors.iter().map(LicenceError::code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), errors.len());
    for error in &errors {
        let sentence = error.sentence();
        let nothing = ["変わっていません。", "変更していません。", "変更はありません。"];
        assert!(nothing.iter().any(|words| sentence.contains(words)), "{sentence}");
        let polite = ["ください。", "必要です。"];
        assert!(polite.iter().any(|words| sentence.ends_with(words)), "{sentence}");
    }
    let refusals = [
        GrantRefusal::None,
        GrantRefusal::NotStarted { from: day("2027-04-01") },
        GrantRefusal::Ended { last: day("2027-03-31") },
        GrantRefusal::HostUnbound(Match { matched: 1, k: 3, n: 5 }),
    ];
    for refusal in refusals {
        assert!(refusal.sentence().contains("利用中の作業は続けられます。"), "{}", refusal.code());
    }
}

#[test]
fn a_request_proves_its_key_and_names_no_serial_number() {
    let key = SigningKey::from_seed(&[5; 32]);
    let request = Request {
        instance: key.public(),
        hashes: host(1),
        nonce: Nonce::new([6; 16]),
        made: day("2027-02-01"),
    };
    let text = request.sign(&key).expect("it is allowed");
    assert!(text.len() <= request::REQUEST_BYTES_MAX && !text.contains("serial"));
    assert_eq!(Request::open(&text), Ok(request.clone()));
    assert!(matches!(request.sign(&vendor()), Err(LicenceError::Terms { .. })));
    let stolen = jws::sign(&request, &vendor());
    assert_eq!(Request::open(&stolen), Err(LicenceError::Signature));
    let many = Request { hashes: [host(1), host(2)].concat(), ..request.clone() };
    assert!(matches!(many.sign(&key), Err(LicenceError::Terms { .. })));
    assert!(Licence::open(&text, &KeyRing::default().with([key.public()]).expect("one key")).is_err());
    assert!(Request::open(&year().issue(&vendor()).expect("it is allowed")).is_err());
}

prop_compose! {
    /// Any licence of one customer around the fiscal year 2027.
    pub(super) fn any_licence()(
        number in 0_u8..6, seq in 1_u32..12, seats in 1_u32..100, start in 0_u32..900, length in 0_u32..500,
        grace_days in 0_u32..40, supersedes in proptest::collection::vec(0_u8..6, 0..3),
    ) -> Licence {
        let first = day("2027-01-01").plus(start);
        Licence {
            id: id(&format!("n{number}")),
            seq,
            pools: vec![pool(seats)],
            valid: [first, first.plus(length)],
            grace_days,
            supersedes: supersedes.iter().map(|number| id(&format!("n{number}"))).collect(),
            ..year()
        }
    }
}

proptest! {
    #[test]
    fn i18_any_licence_that_is_issued_is_read_back_the_same(licence in any_licence()) {
        prop_assert_eq!(reopened(&licence), Ok(licence));
    }

    #[test]
    fn i18_no_input_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), dots in 0_usize..4) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = Licence::open(&text, &ring());
        let _ = Request::open(&text);
        let _ = receipt::verify(&text, &vendor().public());
        let _ = SigningKey::parse(&text);
        let code = |part: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, part);
        let parts: Vec<String> = bytes.chunks(bytes.len() / (dots + 1) + 1).map(code).collect();
        let _ = Licence::open(&parts.join("."), &ring());
        let _ = Licence::open(&jws::sign(&text, &vendor()), &ring());
    }

    #[test]
    fn i18_a_properly_signed_file_with_any_words_in_it_is_no_panic(
        words in proptest::collection::vec("[a-z_\":,\\[\\]{}0-9-]{0,12}", 0..12),
    ) {
        let text = words.concat();
        if let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) {
            let _ = Licence::open(&jws::sign(&json, &vendor()), &ring());
        }
    }
}
