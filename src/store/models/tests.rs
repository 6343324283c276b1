//! The store of models on a real folder: what is believed, what is refused, and what a failure leaves behind.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Error, ErrorKind};

use super::*;

/// A manifest of two invented models: a detector used as published, and a Whisper model to be made.
fn manifest(vad: &[u8]) -> Manifest {
    let text = format!(
        r#"
        [[model]]
        id = "ear"
        kind = "whisper"
        file = "ear.bin"
        bytes = 1
        sha256 = "00"
        precision = "bf16"
        source = "ear"
        licence = "MIT"
        languages = "any"
        derived_from = "invented"
        [[model]]
        id = "vad"
        kind = "vad"
        file = "vad.safetensors"
        bytes = {}
        sha256 = "{}"
        source = "ear"
        licence = "MIT"
        languages = "any"
        derived_from = "invented"
        [[source]]
        id = "ear"
        package = []
        container = {{ file = "ear/model.bin", bytes = 9, sha256 = "{}" }}
        tokenizer = {{ file = "ear/tokenizer.json", bytes = 2, sha256 = "{}" }}
        "#,
        vad.len(),
        Fingerprint::of(vad).sha256,
        Fingerprint::of(b"container").sha256,
        Fingerprint::of(b"{}").sha256,
    );
    toml::from_str(&text).expect("the invented manifest is TOML")
}

fn store(dir: &Path) -> ModelStore {
    ModelStore::with_manifest(manifest(b"weights"), dir).expect("an empty folder has no list")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("the machine has room for a test")
}

#[expect(clippy::disallowed_methods, reason = "a test of files")]
fn put(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().expect("inside the folder")).expect("the test folder is writable");
    fs::write(&path, bytes).expect("the test folder is writable");
    path
}

#[expect(clippy::disallowed_methods, reason = "a test of files")]
fn files(dir: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(dir).expect("the test folder is readable");
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.map(|it| it.file_name().to_string_lossy().into_owned());
    names.map(|entry| name(entry).expect("readable")).filter(|name| name != ".lock").collect()
}

/// Makes the smallest file whisper.cpp could be given.
fn ggml_file() -> Vec<u8> {
    let dims = model::layout::Dims {
        vocab: 51_865,
        audio_ctx: 1500,
        state: 64,
        audio_layers: 1,
        text_ctx: 448,
        text_layers: 1,
        mels: 80,
    };
    let mut bytes = Vec::new();
    let mut writer =
        ggml::Writer::start(&mut bytes, dims, Precision::F16, &[]).expect("memory takes everything");
    for spec in model::layout::tensors(dims) {
        let format = writer.tensor(&spec).expect("memory takes everything");
        let size = format.bytes(spec.values()).expect("whole blocks");
        writer.data(&vec![0; size]).expect("memory takes everything");
    }
    writer.finish().expect("memory takes everything");
    bytes
}

fn drop_in<'a>(path: &'a Path, id: Option<&'a str>) -> FileImport<'a> {
    FileImport { path, tokenizer: None, precision: Precision::Bf16, id }
}

#[test]
fn the_list_tells_present_missing_and_damaged_apart() {
    let dir = folder();
    let store = store(dir.path());
    let states = || store.list().expect("readable").iter().map(|listed| listed.state).collect::<Vec<_>>();
    assert_eq!(states(), [State::Missing, State::Missing]);
    put(dir.path(), "vad.safetensors", b"weights");
    put(dir.path(), "ear.bin", b"half");
    assert_eq!(states(), [State::Damaged, State::Present]);
}

#[test]
fn the_detector_is_read_only_if_its_bytes_are_the_known_ones() {
    let dir = folder();
    let store = store(dir.path());
    assert!(matches!(store.read_vad("vad"), Err(ModelStoreError::Missing { .. })));
    put(dir.path(), "vad.safetensors", b"weightz");
    assert!(matches!(store.read_vad("vad"), Err(ModelStoreError::Damaged { .. })));
    put(dir.path(), "vad.safetensors", b"weights and more");
    assert!(matches!(store.read_vad("vad"), Err(ModelStoreError::TooLarge { .. })));
    put(dir.path(), "vad.safetensors", b"weights");
    assert_eq!(store.read_vad("vad").expect("whole"), b"weights");
}

#[test]
fn a_model_of_another_kind_is_not_handed_out() {
    let dir = folder();
    put(dir.path(), "vad.safetensors", b"weights");
    let store = store(dir.path());
    assert!(matches!(store.resolve("vad"), Err(ModelStoreError::OtherKind { .. })));
    assert!(matches!(store.read_vad("ear"), Err(ModelStoreError::OtherKind { .. })));
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let dir = folder();
    let error = store(dir.path()).resolve("eer").expect_err("there is none");
    assert!(error.to_string().ends_with("known are ear, vad"), "{error}");
}

#[test]
fn a_dropped_in_file_is_refused_until_it_was_imported() {
    let dir = folder();
    let path = put(dir.path(), "ggml-Small.bin", &ggml_file());
    let mut store = store(dir.path());
    let name = path.to_str().expect("a test folder has a plain name");
    let error = store.resolve(name).expect_err("nobody has checked it");
    assert!(
        matches!(error, ModelStoreError::NotImported { .. }) && error.to_string().contains("model import")
    );

    let imported = store.import_file(drop_in(&path, None)).expect("a whole file");
    assert!(matches!(imported, Imported::Recorded(it) if it.id == "small"));
    let again = ModelStore::with_manifest(manifest(b""), dir.path()).expect("the list was just written");
    assert_eq!(again.resolve(name).expect("recorded").id, "small");
    assert!(again.resolve("small").expect("recorded").path.ends_with("ggml-Small.bin"));
}

#[test]
fn a_recorded_file_that_changes_is_refused_again() {
    let dir = folder();
    let mut bytes = ggml_file();
    let path = put(dir.path(), "small.bin", &bytes);
    let mut store = store(dir.path());
    store.import_file(drop_in(&path, None)).expect("a whole file");
    *bytes.last_mut().expect("not empty") ^= 1;
    put(dir.path(), "small.bin", &bytes);
    assert!(matches!(store.verify_known("small"), Err(ModelStoreError::Damaged { .. })));
    assert!(matches!(store.resolve(&path.to_string_lossy()), Err(ModelStoreError::NotImported { .. })));
}

#[test]
fn a_damaged_drop_in_is_refused_and_leaves_nothing() {
    let dir = folder();
    let bytes = ggml_file();
    let path = put(dir.path(), "small.bin", &bytes[..bytes.len() - 1]);
    let mut store = store(dir.path());
    assert!(matches!(store.import_file(drop_in(&path, None)), Err(ModelStoreError::Refused { .. })));
    assert_eq!(files(dir.path()), BTreeSet::from(["small.bin".to_owned()]));
}

#[test]
fn a_name_that_is_taken_or_strange_is_refused() {
    let dir = folder();
    let path = put(dir.path(), "file.bin", &ggml_file());
    let mut store = store(dir.path());
    for id in ["ear", "", "../x", "a b", "Ä", ".hidden", &"a".repeat(65)] {
        let found = store.import_file(drop_in(&path, Some(id)));
        assert!(matches!(found, Err(ModelStoreError::BadName { .. })), "{id:?}");
    }
}

#[test]
fn a_model_is_not_made_from_missing_changed_or_senseless_sources() {
    let dir = folder();
    let store = store(dir.path());
    let error = store.import_known("ear").expect_err("no source is here");
    assert!(error.to_string().contains("models/fetch.sh"), "{error}");
    put(dir.path(), "ear/model.bin", b"containex");
    put(dir.path(), "ear/tokenizer.json", b"{}");
    assert!(matches!(store.import_known("ear"), Err(ModelStoreError::Damaged { .. })));
    put(dir.path(), "ear/model.bin", b"container");
    assert!(matches!(store.import_known("ear"), Err(ModelStoreError::Refused { .. })));
    assert_eq!(files(dir.path()), BTreeSet::from(["ear".to_owned()]));
}

#[test]
fn a_full_disk_leaves_neither_a_part_nor_a_changed_old_file() {
    let dir = folder();
    put(dir.path(), "ear.bin", b"old");
    let locked = Folder::lock(dir.path()).expect("nobody else is here");
    let full = |out: &mut dyn std::io::Write| {
        out.write_all(&[0; 100_000]).expect("the buffer takes it");
        let source = Error::from(ErrorKind::StorageFull);
        Err(StoreError::io(Path::new("ear.bin"), source).into())
    };
    let found = locked.install("ear.bin", full, |_| Ok(()));
    assert!(matches!(found, Err(ModelStoreError::Store(StoreError::Full))));
    assert_eq!(files(dir.path()), BTreeSet::from(["ear.bin".to_owned()]));
    assert_eq!(
        Fingerprint::of_file(&dir.path().join("ear.bin")).expect("readable"),
        Some(Fingerprint::of(b"old"))
    );
}

#[test]
fn a_file_that_reads_back_wrongly_gets_no_name() {
    let dir = folder();
    let locked = Folder::lock(dir.path()).expect("nobody else is here");
    let write = |out: &mut dyn std::io::Write| {
        out.write_all(b"new").map_err(|error| StoreError::io(Path::new("ear.bin"), error).into())
    };
    let check = |written: &[u8]| {
        assert_eq!(written, b"new");
        Err(ModelStoreError::BadName { id: "ear".into(), reason: "any error will do" })
    };
    assert!(locked.install("ear.bin", write, check).is_err());
    assert_eq!(files(dir.path()), BTreeSet::new());
}

#[test]
fn what_a_killed_import_left_is_removed_by_the_next() {
    let dir = folder();
    put(dir.path(), ".import-abc", b"half");
    let _locked = Folder::lock(dir.path()).expect("nobody else is here");
    assert_eq!(files(dir.path()), BTreeSet::new());
}

#[test]
fn two_imports_at_a_time_are_refused() {
    let dir = folder();
    let _first = Folder::lock(dir.path()).expect("nobody else is here");
    assert!(matches!(Folder::lock(dir.path()), Err(StoreError::Busy { .. })));
}

#[test]
fn a_damaged_list_is_told_not_forgotten() {
    let dir = folder();
    put(dir.path(), LOCAL_FILE, b"[[model]]\nid = 3");
    assert!(matches!(ModelStore::open(dir.path()), Err(ModelStoreError::LocalList { .. })));
}

#[test]
fn a_precision_leads_to_the_model_stored_so() {
    let dir = folder();
    let store = ModelStore::open(dir.path()).expect("an empty folder has no list");
    let found = [Precision::Bf16, Precision::F16, Precision::Q8_0]
        .map(|it| store.variant("base", it).expect("shipped"));
    assert_eq!(found, ["base", "base-f16", "base-q8_0"]);
    assert!(store.variant("base", Precision::F32).is_err());
}
