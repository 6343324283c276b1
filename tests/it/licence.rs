//! Licences through the real program: from the vendor's key to the seats of an office, and every way to be refused.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use gijiroku::clock::UnixMs;
use gijiroku::seats::licence::day::Day;
use gijiroku::seats::licence::host::{Bind, HostHash, Part};
use gijiroku::seats::licence::keys::{KeyRing, SigningKey};
use gijiroku::seats::licence::{Kind, Licence, LicenceError, LicenceId, PoolTerms, Zone};
use gijiroku::store::audit::{Actor, Outcome};
use gijiroku::store::folder::{self, DataFolder};
use gijiroku::store::licences::{LicenceFile, NewFile};
use gijiroku::store::{Location, Store, instance};
use tempfile::TempDir;

use crate::postgres;
use crate::support::{gijiroku, text, told};

/// A folder in which an office keeps its data and a vendor its key.
struct Desk {
    folder: TempDir,
}

impl Desk {
    /// Makes an office with an empty database, which believes the vendor's key.
    async fn open() -> Self {
        let desk = Self { folder: tempfile::tempdir().expect("temporary folders can be made") };
        let made = gijiroku(&["licence", "keygen", "--to", &desk.path("vendor.key")]);
        assert!(made.status.success(), "{}", told(&made));
        let key = std::fs::read_to_string(desk.path("vendor.key")).expect("the key was written");
        let public = SigningKey::parse(&key).expect("it is a key").public();
        let said = String::from_utf8_lossy(&made.stdout).into_owned();
        assert!(said.contains(&public.to_string()) && said.contains(&public.kid()), "{said}");
        assert!(!said.contains(key.trim()), "the private key is not printed");
        desk.found_office("office", &public.to_string()).await;
        desk
    }

    /// Makes another office.
    async fn found_office(&self, name: &str, public: &str) {
        let folder = DataFolder::open(Path::new(&self.path(name))).expect("there is room");
        Store::open(&Location::File(folder.database()))
            .await
            .expect("a new database can be made")
            .close()
            .await;
        let settings =
            format!("[data]\nfolder = {:?}\n[licence]\nextra_keys = [{public:?}]\n", self.path(name));
        std::fs::write(self.path(&format!("{name}.toml")), settings).expect("there is room");
    }

    fn path(&self, name: &str) -> String {
        text(&self.folder.path().join(name)).to_owned()
    }

    fn issue(&self, to: &str, seq: u32, more: &[&str]) -> Output {
        let today = Day::in_japan(UnixMs::now());
        let (from, until) = (today.minus(10).to_string(), today.plus(200).to_string());
        let (key, to, seq) = (self.path("vendor.key"), self.path(to), seq.to_string());
        let mut arguments = vec!["licence", "issue", "--key", &key, "--to", &to, "--customer", "北川県"];
        arguments.extend(["--seq", &seq, "--seats", "50", "--from", &from, "--until", &until]);
        arguments.extend(more);
        gijiroku(&arguments)
    }

    /// Runs `inspect` or `install` in an office.
    fn run(&self, office: &str, verb: &str, file: &str) -> Output {
        let (settings, file) = (self.path(&format!("{office}.toml")), self.path(file));
        gijiroku(&["licence", verb, &file, "--config", &settings])
    }

    async fn store(&self, office: &str) -> Store {
        let path = PathBuf::from(self.path(office));
        Store::open(&Location::File(folder::database_in(&path))).await.expect("the office has a database")
    }

    async fn files(&self, office: &str) -> Vec<LicenceFile> {
        let store = self.store(office).await;
        let files = store.licence_files().await.expect("the database answers");
        store.close().await;
        files
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_licence_goes_from_the_vendors_key_to_the_seats_of_an_office() {
    let desk = Desk::open().await;
    let settings = desk.path("office.toml");
    let asked = gijiroku(&["licence", "request", "--to", &desk.path("a.request"), "--config", &settings]);
    assert!(asked.status.success(), "{}", told(&asked));
    assert!(said(&asked).contains('█') && said(&asked).contains("製造番号などは含みません"));
    let looked = desk.run("office", "inspect", "a.request");
    assert!(said(&looked).contains("ライセンスの申請です"), "{looked:?}");
    let issued = desk.issue("a.licence", 1, &["--request", &desk.path("a.request"), "--qr"]);
    assert!(issued.status.success(), "{}", told(&issued));
    assert!(said(&issued).contains("standard 50席") && said(&issued).contains('█'), "{}", said(&issued));
    let looked = desk.run("office", "inspect", "a.licence");
    assert!(looked.status.success(), "{}", told(&looked));
    assert!(said(&looked).contains("判定: 受け付けられます。"), "{}", said(&looked));
    assert_eq!(desk.files("office").await, [], "looking changes nothing");
    let installed = desk.run("office", "install", "a.licence");
    assert!(installed.status.success(), "{}", told(&installed));
    assert!(said(&installed).contains("本日の席(契約): standard 50席"), "{}", said(&installed));
    let looked = desk.run("office", "inspect", "a.licence");
    assert!(said(&looked).contains("登録済みで、有効です。"), "{}", said(&looked));
    let files = desk.files("office").await;
    assert_eq!(files.iter().map(|file| file.seq).collect::<Vec<_>>(), [1]);
    let store = desk.store("office").await;
    let lines = store.audit_lines(0, 10, None).await.expect("the database answers");
    store.close().await;
    let events: Vec<_> = lines.iter().map(|line| (line.event.as_str(), line.result)).collect();
    assert_eq!(events, [("licence.install", Outcome::Done)]);
    assert_eq!(lines[0].subject, files[0].id);
}

#[tokio::test]
async fn every_file_that_is_not_for_this_office_changes_nothing_and_says_why() {
    let desk = Desk::open().await;
    let public = std::fs::read_to_string(desk.path("vendor.key")).expect("the key was written");
    let public = SigningKey::parse(&public).expect("it is a key").public().to_string();
    desk.found_office("neighbour", &public).await;
    let settings = desk.path("neighbour.toml");
    let asked = gijiroku(&["licence", "request", "--to", &desk.path("n.request"), "--config", &settings]);
    assert!(asked.status.success(), "{}", told(&asked));
    for (to, seq, more) in [
        ("now.licence", 5, vec![]),
        ("older.licence", 4, vec![]),
        ("bound.licence", 6, vec!["--request".to_owned(), desk.path("n.request")]),
    ] {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let issued = desk.issue(to, seq, &more);
        assert!(issued.status.success(), "{}", told(&issued));
    }
    let good = std::fs::read_to_string(desk.path("now.licence")).expect("it was issued");
    let other = std::fs::read_to_string(desk.path("older.licence")).expect("it was issued");
    let signature = |signed: &str| signed.trim().rsplit_once('.').map(|(_, end)| end.to_owned());
    let swapped = good.trim().replace(
        &signature(&good).expect("it has three parts"),
        &signature(&other).expect("it has three parts"),
    );
    std::fs::write(desk.path("swapped.licence"), swapped).expect("there is room");
    std::fs::write(desk.path("damaged.licence"), &good[..good.len() / 2]).expect("there is room");
    std::fs::write(desk.path("picture.licence"), [0xff_u8; 9_000]).expect("there is room");
    let stranger = SigningKey::from_seed(&[8; 32]);
    let strange = licence(9).issue(&stranger).expect("the terms are allowed");
    std::fs::write(desk.path("strange.licence"), strange).expect("there is room");
    assert!(desk.run("office", "install", "now.licence").status.success());
    let before = desk.files("office").await;
    let refused = [
        ("swapped.licence", "署名が一致しません"),
        ("damaged.licence", "読み取れません"),
        ("picture.licence", "大きすぎます"),
        ("strange.licence", "登録されていません"),
        ("older.licence", "より新しくない"),
        ("bound.licence", "別のサーバに結び付けられた"),
        ("now.licence", "登録済みです"),
    ];
    for (file, reason) in refused {
        let output = desk.run("office", "install", file);
        assert_eq!(output.status.code(), Some(6), "{file}: {output:?}");
        let why = told(&output);
        assert!(
            why.contains(reason) && why.contains("変わっていません") | why.contains("変更はありません"),
            "{file}: {why}"
        );
        if file != "now.licence" {
            let looked = desk.run("office", "inspect", file);
            assert_eq!(looked.status.code(), Some(6), "{file}");
            assert_eq!(told(&looked), why, "looking says the same");
        }
    }
    assert_eq!(desk.files("office").await, before);
    let store = desk.store("office").await;
    let lines = store.audit_lines(1, 100, None).await.expect("the database answers");
    store.close().await;
    assert_eq!(lines.len(), refused.len());
    assert!(lines.iter().all(|line| line.result == Outcome::Refused));
}

#[tokio::test]
async fn a_private_key_is_its_owners_alone_and_never_written_over() {
    let desk = Desk::open().await;
    let mode = std::fs::metadata(desk.path("vendor.key")).expect("the key is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = std::fs::read_to_string(desk.path("vendor.key")).expect("the key is there");
    let again = gijiroku(&["licence", "keygen", "--to", &desk.path("vendor.key")]);
    assert!(!again.status.success());
    assert_eq!(std::fs::read_to_string(desk.path("vendor.key")).expect("the key is there"), before);
}

#[tokio::test]
async fn an_order_is_read_from_a_file_and_one_that_is_not_allowed_makes_no_licence() {
    let desk = Desk::open().await;
    let today = Day::in_japan(UnixMs::now());
    let order = |seats: u32| {
        format!(
            "customer = \"北川県\"\nseq = 3\nvalid = [\"{today}\", \"{}\"]\n\
             [[pools]]\nfeature = \"standard\"\nseats = {seats}\nburst = {{ x = 2, days = 14 }}\n",
            today.plus(364)
        )
    };
    let issue = |name: &str| {
        let (key, order, to) = (desk.path("vendor.key"), desk.path("order.toml"), desk.path(name));
        gijiroku(&["licence", "issue", "--key", &key, "--order", &order, "--to", &to])
    };
    std::fs::write(desk.path("order.toml"), order(60)).expect("there is room");
    let issued = issue("ordered.licence");
    assert!(said(&issued).contains("standard 60席(災害時の増席: 2倍、年14日まで)"), "{issued:?}");
    std::fs::write(desk.path("order.toml"), order(0)).expect("there is room");
    let refused = issue("none.licence");
    assert!(!refused.status.success() && told(&refused).contains("0 seats"), "{refused:?}");
    assert!(!Path::new(&desk.path("none.licence")).exists());
}

#[tokio::test]
async fn a_restored_office_keeps_its_licence_and_the_key_it_is_bound_to() {
    let desk = Desk::open().await;
    let (settings, data, restored) = (desk.path("office.toml"), desk.path("office"), desk.path("restored"));
    gijiroku(&["licence", "request", "--to", &desk.path("a.request"), "--config", &settings]);
    desk.issue("a.licence", 1, &["--request", &desk.path("a.request")]);
    assert!(desk.run("office", "install", "a.licence").status.success());
    let (file, key) = (desk.path("office.backup"), desk.path("backup.key"));
    for arguments in [
        vec!["backup", "keygen", "--to", &key],
        vec!["backup", "--to", &file, "--key", &key, "--data", &data],
        vec!["restore", "--from", &file, "--key", &key, "--data", &restored],
    ] {
        let output = gijiroku(&arguments);
        assert!(output.status.success(), "{arguments:?}: {}", told(&output));
    }
    let kept = |data: &str| std::fs::read(instance::key_in(Path::new(data))).expect("there is a key");
    assert_eq!(kept(&data), kept(&restored));
    let looked = gijiroku(&[
        "licence",
        "inspect",
        &desk.path("a.licence"),
        "--config",
        &settings,
        "--data",
        &restored,
    ]);
    assert!(said(&looked).contains("登録済みで、有効です。"), "{looked:?}");
}

fn licence(seq: u32) -> Licence {
    let day = |text| Day::parse(text).expect("it is in the calendar");
    Licence {
        id: LicenceId::try_from(format!("n{seq}")).expect("it is a name"),
        customer: "北川県".into(),
        seq,
        issued: day("2027-02-01"),
        kind: Kind::Contract,
        pools: vec![PoolTerms { feature: "standard".into(), seats: 50, burst: None }],
        valid: [day("2027-04-01"), day("2028-03-31")],
        tz: Zone::Tokyo,
        grace_days: 14,
        bind: None,
        hosts: 1,
        supersedes: Vec::new(),
    }
}

/// Installs, refuses and marks licences; returns what was observed.
async fn story(store: &Store) -> Vec<String> {
    let vendor = SigningKey::from_seed(&[1; 32]);
    let keys = KeyRing::default().with([vendor.public()]).expect("one key is allowed");
    let (here, there) =
        ([HostHash::of(&[1; 32], Part::Machine, "a")], [HostHash::of(&[1; 32], Part::Machine, "b")]);
    let bound = Licence { bind: Some(Bind { k: 1, n: 1, hashes: here.to_vec() }), ..licence(7) };
    let day = |text| Day::parse(text).expect("it is in the calendar");
    let (server, now) = (Actor::server(), UnixMs::from_ms(1_806_000_000_000));
    let mut seen = Vec::new();
    for licence in [&bound, &licence(6), &licence(8), &bound] {
        let text = licence.issue(&vendor).expect("the terms are allowed");
        let file = NewFile { text: &text, keys: &keys, host: &here, today: day("2027-05-01") };
        let done = store.install_licence(file, &server, now).await.expect("the database answers");
        seen.push(format!("{:?}", done.map(|licence| licence.seq)));
    }
    for (host, today) in [(&there, "2027-06-01"), (&there, "2027-06-09"), (&here, "2027-06-10")] {
        store.note_licence_hosts(&keys, host, day(today), now).await.expect("the database answers");
        let files = store.licence_files().await.expect("the database answers");
        seen.push(format!("{files:?}"));
    }
    // Without its key a file counts for nothing, and yet what came before it stays old.
    let other = SigningKey::from_seed(&[2; 32]);
    let keys = KeyRing::default().with([other.public()]).expect("one key is allowed");
    let text = licence(8).issue(&other).expect("the terms are allowed");
    let file = NewFile { text: &text, keys: &keys, host: &here, today: day("2027-05-01") };
    let done = store.install_licence(file, &server, now).await.expect("the database answers");
    assert_eq!(done, Err(LicenceError::Older { seq: 8, newest: 8 }));
    let lines = store.audit_lines(0, 100, None).await.expect("the database answers");
    seen.extend(lines.iter().map(|line| format!("{} {} {}", line.event, line.subject, line.detail)));
    seen
}

#[tokio::test]
async fn both_databases_keep_licences_alike() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let mut told = Vec::new();
    for location in [Location::File(folder.path().join("gijiroku.sqlite")), postgres::database()] {
        let store = Store::open(&location).await.expect("a new database can be made");
        told.push(story(&store).await);
        store.close().await;
    }
    assert_eq!(told[0], told[1]);
    let installs = &told[0][..4];
    assert_eq!(installs[0], "Ok(7)");
    assert_eq!(installs[1], "Err(Older { seq: 6, newest: 7 })");
    assert_eq!(installs[2], "Ok(8)");
    assert!(installs[3].starts_with("Err(AlreadyInstalled"));
    assert!(told[0][4].contains("unbound_since: Some") && told[0][4] == told[0][5], "since the first day");
    assert!(!told[0][6].contains("unbound_since: Some"));
    assert_eq!(told[0].iter().filter(|line| line.starts_with("licence.host")).count(), 2);
}
