use std::io::{Error, ErrorKind};
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::seats::licence::keys::SigningKey;

const FILE: &str = "gijiroku.toml";

fn no_files(_: &Path) -> std::io::Result<String> {
    Err(Error::from(ErrorKind::NotFound))
}

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Config::combine(Some((Path::new(FILE), text)), &variables, no_files)
}

fn config(text: &str) -> Config {
    load(text, &[]).expect("the text is good").config
}

fn refusal_of(text: &str, variables: &[(&str, &str)]) -> String {
    load(text, variables).expect_err("it must be refused").to_string()
}

fn machine() -> Machine {
    Machine { unusable: Vec::new(), port_min: 1024, disk_bytes: Some(1 << 40), can_write_data: true }
}

fn stopping(config: &Config, machine: &Machine) -> Vec<&'static str> {
    let found = config.problems(machine);
    found.iter().filter(|problem| problem.weight == Weight::Stops).map(|problem| problem.key).collect()
}

#[test]
fn no_file_is_needed_and_the_defaults_reach_nothing_outside() {
    let loaded = Config::combine(None, &[], no_files).expect("the defaults are good");
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.config.server.listen.addresses().iter().all(|address| address.ip().is_loopback()));
    assert_eq!(loaded.config.problems(&machine()), []);
}

#[test]
fn the_reference_reads_back_as_the_default_and_names_every_setting() {
    let reference = Config::reference();
    assert_eq!(config(&reference), Config::default());
    for key in KEYS {
        let line = |line: &str| line.trim_start_matches('#').starts_with(&format!("{} = ", key.name));
        assert!(reference.lines().any(line), "{}", key.full_name());
        assert!(key.doc.iter().all(|line| !line.trim().is_empty()), "{}", key.full_name());
    }
}

#[test]
fn every_example_of_the_reference_is_accepted() {
    let uncommented: String = Config::reference()
        .lines()
        .map(|line| {
            let is_example = line.starts_with('#') && !line.starts_with("# ");
            let is_file_twin = line.starts_with("#url_file") || line.starts_with("#secret_key_file");
            format!("{}\n", if is_example && !is_file_twin { &line[1..] } else { line })
        })
        .collect();
    assert_eq!(config(&uncommented).s3.bucket.as_deref(), Some("gijiroku"));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_what_is_allowed() {
    let told = refusal_of("[data]\nfolder = \"x\"\n[uploads]\nbytes_maximum = 3\n", &[]);
    assert!(told.contains("4 行目"), "{told}");
    assert!(told.contains("uploads.bytes_maximum") && told.contains("bytes_max, hours_max"), "{told}");
    let told = refusal_of("\n[upload]\nx = 1", &[]);
    assert!(told.contains("2 行目") && told.contains("uploads"), "{told}");
    assert!(refusal_of("data = 5", &[]).contains("[data]"));
}

#[test]
fn a_value_of_the_wrong_kind_is_told_with_key_and_line() {
    let told = refusal_of("[uploads]\n\nhours_max = \"long\"\n", &[]);
    assert!(told.contains("3 行目") && told.contains("hours_max"), "{told}");
    let told = refusal_of("[uploads\n", &[]);
    assert!(told.contains("1 行目"), "{told}");
    for listen in ["\"everywhere\"", "[]", "[\"127.0.0.1:1\", \"127.0.0.1:1\"]", "5"] {
        assert!(refusal_of(&format!("[server]\nlisten = {listen}"), &[]).contains("2 行目"), "{listen}");
    }
}

#[test]
fn the_environment_wins_over_the_file_and_the_origins_are_known() {
    let text = "[uploads]\nhours_max = 3\nbytes_max = 5\n";
    let loaded = load(text, &[("GIJIROKU__UPLOADS__HOURS_MAX", "4")]).expect("good");
    assert_eq!((loaded.config.uploads.hours_max, loaded.config.uploads.bytes_max), (4, 5));
    let origin = |name: &str| loaded.origin(KEYS.iter().find(|key| key.full_name() == name).expect("known"));
    assert_eq!(origin("uploads.hours_max"), Origin::Environment);
    assert_eq!(origin("uploads.bytes_max"), Origin::File);
    assert_eq!(origin("data.folder"), Origin::Default);
}

#[test]
fn variables_take_every_kind_of_value() {
    let variables = [
        ("GIJIROKU__SERVER__LISTEN", "127.0.0.1:1, [::1]:2"),
        ("GIJIROKU__SERVER__TRUSTED_PROXIES", "10.0.0.1,10.0.0.2"),
        ("GIJIROKU__S3__ALLOW_HTTP", "true"),
        ("GIJIROKU__S3__BUCKET", "12"),
        ("GIJIROKU__AUDIO__STORE", "s3"),
    ];
    let config = load("", &variables).expect("good").config;
    assert_eq!(config.server.listen.addresses().len(), 2);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!((config.s3.allow_http, config.s3.bucket.as_deref()), (true, Some("12")));
    assert_eq!(config.audio.store, AudioStore::S3);
}

#[test]
fn a_variable_that_does_not_fit_is_named() {
    let told = refusal_of("", &[("GIJIROKU__UPLOADS__HOURS_MAX", "long")]);
    assert!(told.contains("GIJIROKU__UPLOADS__HOURS_MAX"), "{told}");
    for name in ["GIJIROKU__UPLOADS__X", "GIJIROKU__X__Y", "GIJIROKU__UPLOADS", "GIJIROKU__"] {
        assert!(refusal_of("", &[(name, "1")]).contains("使えるのは"), "{name}");
    }
}

#[test]
fn a_secret_can_lie_in_a_file_and_its_last_line_break_is_no_part_of_it() {
    let read = |path: &Path| match path.to_str() {
        Some("/etc/key") => Ok("s3cret\n".to_owned()),
        _ => no_files(path),
    };
    let variables = [("GIJIROKU__S3__SECRET_KEY_FILE".to_owned(), "/etc/key".to_owned())];
    let file = "[s3]\nsecret_key = \"other\"";
    let loaded = Config::combine(Some((Path::new(FILE), file)), &variables, read).expect("good");
    assert_eq!(loaded.config.s3.secret_key.as_ref().map(Secret::reveal), Some("s3cret"));
    let shown = loaded.shown();
    let shown = shown.iter().find(|shown| shown.name == "s3.secret_key").expect("listed");
    assert_eq!(shown.origin, Origin::SecretFile);
    let missing = load("[database]\nurl_file = \"/none\"", &[]).expect_err("not there");
    assert!(matches!(missing, ConfigError::File { .. }));
}

#[test]
fn a_secret_given_twice_is_refused() {
    let both = "[s3]\nsecret_key = \"hunter2\"\nsecret_key_file = \"/x\"";
    assert!(matches!(load(both, &[]), Err(ConfigError::Twice { .. })));
    let variables = [("GIJIROKU__S3__SECRET_KEY", "a"), ("GIJIROKU__S3__SECRET_KEY_FILE", "b")];
    assert!(matches!(load("", &variables), Err(ConfigError::Twice { .. })));
}

#[test]
fn a_secret_is_never_shown() {
    let loaded = load("[s3]\nsecret_key = \"hunter2\"\n[database]\nurl = \"postgres://a:hunter2@b/c\"", &[]);
    let loaded = loaded.expect("good");
    assert!(!format!("{loaded:?}").contains("hunter2"));
    assert!(!format!("{:?}", loaded.shown()).contains("hunter2"));
    assert!(loaded.shown().iter().any(|shown| shown.value.as_deref() == Some("\"（設定済み）\"")));
    for text in [
        "[s3]\nsecret_key = \"hunter2",
        "[s3]\nsecret_key = [\"hunter2\"]",
        "[s3]\nsecret_key = {hunter2 = 1}",
    ] {
        let error = load(text, &[]).expect_err("wrong");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn what_does_not_fit_together_stops_the_server_and_names_the_setting() {
    for (text, key) in [
        ("[server]\nlisten = \"127.0.0.1:80\"", "server.listen"),
        ("[server]\npublic_url = \"gijiroku\"", "server.public_url"),
        ("[server]\ntls_certificate = \"a\"", "server.tls_key"),
        ("[server]\ntls_key = \"a\"", "server.tls_certificate"),
        ("[database]\nurl = \"mysql://a\"", "database.url"),
        ("[database]\nconnections_max = 0", "database.connections_max"),
        ("[limits]\nsign_ins_per_login_minute = 0", "limits.sign_ins_per_login_minute"),
        ("[limits]\nrequests_per_account_burst = 1", "limits.requests_per_account_burst"),
        ("[uploads]\nbytes_max = 0", "uploads.bytes_max"),
        ("[uploads]\ndisk_free_bytes_min = 1099511627776", "uploads.disk_free_bytes_min"),
        ("[accounts]\npassword_chars_min = 4", "accounts.password_chars_min"),
        ("[recognition]\nmodel = \" \"", "recognition.model"),
        ("[recognition]\njobs_at_once = 0", "recognition.jobs_at_once"),
        ("[retention]\naudio_days = 36501", "retention.audio_days"),
        ("[backup]\nkeep = 0", "backup.keep"),
        ("[log]\nfilter = \"a=b=c\"", "log.filter"),
    ] {
        assert_eq!(stopping(&config(text), &machine()), [key], "{text}");
    }
}

#[test]
fn s3_needs_its_keys_and_plain_http_must_be_allowed() {
    let keys = ["s3.bucket", "s3.endpoint", "s3.access_key", "s3.secret_key"];
    assert_eq!(stopping(&config("[audio]\nstore = \"s3\""), &machine()), keys);
    let s3 = "[audio]\nstore = \"s3\"\n[s3]\nbucket = \"b\"\naccess_key = \"a\"\nsecret_key = \"c\"\n";
    let plain = format!("{s3}endpoint = \"http://s3\"\n");
    assert_eq!(stopping(&config(&plain), &machine()), ["s3.endpoint"]);
    assert_eq!(stopping(&config(&format!("{plain}allow_http = true")), &machine()), [""; 0]);
    assert_eq!(stopping(&config(&format!("{s3}endpoint = \"s3\"")), &machine()), ["s3.endpoint"]);
}

#[test]
fn audio_lies_in_the_data_folder_or_where_s3_says() {
    let blobs::Settings::Local { folder } = Config::default().blobs() else { panic!("local is the default") };
    assert_eq!(folder, Path::new("data/audio"));
    let s3 = config("[audio]\nstore = \"s3\"\n[s3]\nbucket = \"b\"\nsecret_key = \"hunter2\"");
    let blobs::Settings::S3(settings) = s3.blobs() else { panic!("s3 was asked for") };
    assert_eq!((settings.bucket.as_str(), settings.secret_key.as_str()), ("b", "hunter2"));
}

#[test]
fn what_the_machine_lacks_is_told() {
    let mut machine = machine();
    machine.can_write_data = false;
    machine.unusable = vec![("server.tls_key", "/k".into(), "no".into())];
    assert_eq!(stopping(&Config::default(), &machine), ["server.tls_key", "data.folder"]);
    let open = config("[server]\nlisten = \"0.0.0.0:8080\"");
    let found = open.problems(&super::tests::machine());
    assert_eq!((found.len(), found[0].weight), (1, Weight::Advice));
}

#[test]
fn a_certificate_that_is_none_is_found_by_looking() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("server.crt");
    std::fs::write(&path, "hello").expect("written");
    let mut config = Config::default();
    config.data.folder = folder.path().join("not/yet/there");
    config.server.tls_certificate = Some(path);
    config.server.tls_key = Some(folder.path().join("none.key"));
    let machine = Machine::look(&config);
    let keys: Vec<_> = machine.unusable.iter().map(|(key, ..)| *key).collect();
    assert_eq!(keys, ["server.tls_certificate", "server.tls_key"]);
    assert!(machine.can_write_data && machine.disk_bytes.is_some_and(|bytes| bytes > 0));
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in "(\\[?(server|s3|uploads|x)\\]?|[a-z_]+ ?= ?|[\"\\[\\]{},.=#\\n0-9あ])*") {
        let _ = load(&text, &[]);
    }

    #[test]
    fn no_variable_makes_reading_panic(name in "GIJIROKU__[A-Z_あ]{0,20}", value in ".{0,40}") {
        let _ = load("", &[(&name, &value)]);
    }
}

#[test]
fn keys_that_may_sign_licences_are_read_and_a_wrong_one_is_told_with_its_line() {
    let key = |number| SigningKey::from_seed(&[number; 32]).public();
    let text = format!("[licence]\nextra_keys = [\"{}\"]\n", key(1));
    let ring = config(&text).licence_keys().expect("one key is allowed");
    assert!(ring.find(&key(1).kid()).is_some() && ring.find(&key(2).kid()).is_none());
    let told = refusal_of("[licence]\nextra_keys = [\"abc\"]\n", &[]);
    assert!(told.contains("2 行目") && told.contains("公開鍵として読み取れません"), "{told}");
    let many: Vec<String> = (0..16).map(|number| format!("\"{}\"", key(number))).collect();
    let many = config(&format!("[licence]\nextra_keys = [{}]\n", many.join(", ")));
    assert_eq!(stopping(&many, &machine()), ["licence.extra_keys"]);
}
