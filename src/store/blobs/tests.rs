use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use object_store::memory::InMemory;
use proptest::prelude::*;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;

/// Larger than one part, and not a multiple of anything.
const LARGE_BYTES: usize = (40 << 20) + 7;

fn key(text: &str) -> BlobKey {
    text.parse().expect("a key")
}

fn sample(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index * 31 % 251) as u8).collect()
}

fn sha256(bytes: &[u8]) -> Sha256Bytes {
    Sha256::digest(bytes).into()
}

fn stage(folder: &TempDir, content: &[u8]) -> PathBuf {
    let path = folder.path().join("staged");
    std::fs::write(&path, content).expect("written");
    path
}

async fn local(folder: &TempDir) -> Blobs {
    let settings = Settings::Local { folder: folder.path().join("blobs/here") };
    Blobs::open(settings).await.expect("a folder can be made")
}

/// An S3 server on the loopback that can be told to refuse requests.
#[derive(Default)]
struct Server {
    seen: Mutex<Vec<String>>,
    busy: AtomicUsize,
    refuse_parts: AtomicUsize,
}

impl Server {
    async fn answer(&self, service: &S3Service, request: Request) -> Response {
        let query = request.uri().query().unwrap_or_default().to_owned();
        self.seen.lock().expect("no test panics with it").push(format!("{} {query}", request.method()));
        let is_put = request.method() == Method::PUT;
        let take = |count: &AtomicUsize| {
            count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        };
        if is_put && take(&self.busy) {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        if is_put && query.contains("partNumber") && take(&self.refuse_parts) {
            return StatusCode::FORBIDDEN.into_response();
        }
        match service.call(request.map(s3s::Body::http_body_unsync)).await {
            Ok(answer) => answer.map(axum::body::Body::new),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    fn saw(&self, method: &str, query: &str) -> bool {
        let seen = self.seen.lock().expect("no test panics with it");
        seen.iter().any(|request| request.starts_with(method) && request.contains(query))
    }
}

async fn s3(root: &TempDir, secret: &str) -> (Blobs, Arc<Server>) {
    std::fs::create_dir_all(root.path().join("bucket")).expect("a folder");
    let files = s3s_fs::FileSystem::new(root.path()).expect("a folder");
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single("access", "right"));
    let (service, server) = (builder.build(), Arc::new(Server::default()));
    let shared = Arc::clone(&server);
    let app = axum::Router::new().fallback(move |request: Request| {
        let (service, server) = (service.clone(), Arc::clone(&shared));
        async move { server.answer(&service, request).await }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let settings = settings(endpoint, secret);
    (Blobs::open(Settings::S3(settings)).await.expect("good settings"), server)
}

fn settings(endpoint: String, secret: &str) -> S3Settings {
    S3Settings {
        endpoint,
        bucket: "bucket".into(),
        region: "us-east-1".into(),
        access_key: "access".into(),
        secret_key: Zeroizing::new(secret.into()),
        ca_certificate: None,
        allow_http: true,
        prefix: "office".into(),
    }
}

async fn content(blobs: &Blobs, key: &BlobKey, range: Option<Range<u64>>) -> Vec<u8> {
    let mut reading = blobs.read(key, range).await.expect("it is there");
    let mut content = Vec::new();
    while let Some(piece) = reading.pieces.next().await {
        content.extend_from_slice(&piece.expect("readable"));
    }
    assert_eq!(content.len() as u64, reading.range.end - reading.range.start);
    content
}

async fn listed(blobs: &Blobs) -> Vec<(String, u64)> {
    let found = blobs.list().map(|found| found.expect("listable"));
    let mut found: Vec<_> = found.map(|found| (found.key.to_string(), found.bytes)).collect().await;
    found.sort();
    found
}

/// What every store does.
async fn a_blob_lives_and_ends(blobs: &Blobs, bytes: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, whole) = (key("audio/0199c0de-8b5e"), sample(bytes));
    let expected = Sealed { bytes: bytes as u64, sha256: sha256(&whole) };
    for known in [None, Some(expected.sha256)] {
        let staged = stage(&folder, &whole);
        assert_eq!(blobs.seal(&staged, &key, known).await.expect("sealed"), expected);
        assert!(!staged.exists());
    }
    // The answer of the first run was lost: the file is gone, the blob is there.
    let staged = folder.path().join("staged");
    assert_eq!(blobs.seal(&staged, &key, Some(expected.sha256)).await.expect("sealed before"), expected);
    assert_eq!(blobs.size(&key).await.expect("there"), bytes as u64);
    assert!(content(blobs, &key, None).await == whole);
    assert!(content(blobs, &key, Some(3..9)).await == whole[3..9]);
    assert!(content(blobs, &key, Some(bytes as u64 - 2..u64::MAX)).await == whole[bytes - 2..]);
    for range in [bytes as u64..bytes as u64 + 1, 5..5] {
        let refused = blobs.read(&key, Some(range)).await.err();
        assert!(matches!(refused, Some(BlobError::OutOfRange { .. })), "{refused:?}");
    }
    let fetched = blobs.fetch(&key, folder.path()).await.expect("fetched");
    assert!(std::fs::read(fetched.path()).expect("readable") == whole);
    assert_eq!(listed(blobs).await, [(key.to_string(), bytes as u64)]);
    blobs.probe().await.expect("it answers");
    for _ in 0..2 {
        blobs.delete(&key).await.expect("gone, or gone before");
    }
    assert!(matches!(blobs.size(&key).await, Err(BlobError::Missing { .. })));
    assert!(matches!(blobs.read(&key, None).await.err(), Some(BlobError::Missing { .. })));
    assert!(matches!(blobs.fetch(&key, folder.path()).await, Err(BlobError::Missing { .. })));
    assert_eq!(listed(blobs).await, []);
}

/// What every store refuses; the staged file is kept each time.
async fn a_wrong_seal_changes_nothing(blobs: &Blobs, bytes: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = key("audio/a");
    let none = folder.path().join("none");
    let refused = blobs.seal(&none, &key, None).await;
    assert!(matches!(refused, Err(BlobError::StagedMissing { .. })), "{refused:?}");
    let whole = sample(bytes);
    blobs.seal(&stage(&folder, &whole), &key, None).await.expect("sealed");
    let other = stage(&folder, b"another recording");
    let refused = blobs.seal(&other, &key, None).await;
    assert!(matches!(refused, Err(BlobError::Taken { .. })), "{refused:?}");
    assert!(other.exists());
    let again = stage(&folder, &whole);
    let refused = blobs.seal(&again, &key, Some([0; 32])).await;
    assert!(matches!(refused, Err(BlobError::Damaged { .. })), "{refused:?}");
    assert!(again.exists());
    assert!(content(blobs, &key, None).await == whole);
}

#[tokio::test]
async fn a_blob_lives_and_ends_in_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    a_blob_lives_and_ends(&local(&folder).await, 300_001).await;
}

#[tokio::test]
async fn a_blob_lives_and_ends_in_an_s3_store_in_one_request_and_in_parts() {
    let root = tempfile::tempdir().expect("a folder");
    let (blobs, server) = s3(&root, "right").await;
    a_blob_lives_and_ends(&blobs, 300_001).await;
    assert!(!server.saw("PUT", "partNumber"));
    a_blob_lives_and_ends(&blobs, LARGE_BYTES).await;
    assert!(server.saw("PUT", "partNumber=3") && !server.saw("PUT", "partNumber=4"));
}

#[tokio::test]
async fn a_wrong_seal_changes_nothing_in_any_store() {
    let folder = tempfile::tempdir().expect("a folder");
    a_wrong_seal_changes_nothing(&local(&folder).await, 1_000).await;
    let root = tempfile::tempdir().expect("a folder");
    a_wrong_seal_changes_nothing(&s3(&root, "right").await.0, 1_000).await;
}

#[tokio::test]
async fn a_folder_takes_a_file_by_its_name_and_gives_its_own_path() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = local(&folder).await;
    let staged = stage(&folder, b"sound");
    let inode = std::fs::metadata(&staged).expect("there").ino();
    blobs.seal(&staged, &key("a/b/c"), None).await.expect("sealed");
    let Fetched::Path(path) = blobs.fetch(&key("a/b/c"), folder.path()).await.expect("there") else {
        panic!("a folder needs no copy")
    };
    let found = std::fs::metadata(&path).expect("there");
    assert_eq!((found.ino(), found.permissions().mode() & 0o777), (inode, 0o600));
    assert!(blobs.free_bytes().expect("told").is_some_and(|bytes| bytes > 0));
}

#[tokio::test]
async fn an_empty_file_is_a_blob_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = tempfile::tempdir().expect("a folder");
    for blobs in [local(&folder).await, s3(&root, "right").await.0] {
        let sealed = blobs.seal(&stage(&folder, b""), &key("empty"), None).await.expect("sealed");
        assert_eq!(sealed, Sealed { bytes: 0, sha256: sha256(b"") });
        assert_eq!(content(&blobs, &key("empty"), None).await, b"");
    }
}

#[tokio::test]
async fn a_file_on_another_disk_is_copied_hashed_and_removed() {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
    let folder = tempfile::tempdir().expect("a folder");
    let memory = Path::new("/dev/shm");
    if device(memory).is_none() || device(memory) == device(folder.path()) {
        eprintln!("skipped: there is no second disk to copy from");
        return;
    }
    let elsewhere = tempfile::tempdir_in(memory).expect("a folder");
    let blobs = local(&folder).await;
    let whole = sample(3_000_001);
    let staged = stage(&elsewhere, &whole);
    let refused = blobs.seal(&staged, &key("a/b"), Some([0; 32])).await;
    assert!(matches!(refused, Err(BlobError::Damaged { .. })), "{refused:?}");
    assert!(staged.exists());
    assert_eq!(std::fs::read_dir(folder.path().join("blobs/here/a")).expect("made").count(), 0);
    // What a killed run has left is no obstacle, and no blob.
    std::fs::write(folder.path().join("blobs/here/a/.copy-a-b"), sample(4_000_000)).expect("written");
    assert_eq!(listed(&blobs).await, []);
    let sealed = blobs.seal(&staged, &key("a/b"), None).await.expect("sealed");
    assert_eq!(sealed, Sealed { bytes: whole.len() as u64, sha256: sha256(&whole) });
    assert!(!staged.exists() && content(&blobs, &key("a/b"), None).await == whole);
    assert_eq!(std::fs::read_dir(folder.path().join("blobs/here/a")).expect("made").count(), 1);
}

#[tokio::test]
async fn a_run_that_was_killed_between_blob_and_removal_is_repeated_with_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = local(&folder).await;
    blobs.seal(&stage(&folder, b"sound"), &key("a"), None).await.expect("sealed");
    let staged = stage(&folder, b"sound");
    blobs.seal(&staged, &key("a"), None).await.expect("sealed before");
    assert!(!staged.exists());
    let other = stage(&folder, b"SOUND");
    let refused = blobs.seal(&other, &key("a"), None).await;
    assert!(matches!(refused, Err(BlobError::Taken { .. })), "{refused:?}");
    assert!(other.exists());
}

#[tokio::test]
async fn what_is_no_blob_is_not_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = local(&folder).await;
    let here = folder.path().join("blobs/here");
    for name in ["UPPER", ".hidden", "会議"] {
        std::fs::write(here.join(name), "x").expect("written");
    }
    std::os::unix::fs::symlink(folder.path(), here.join("link")).expect("linked");
    assert_eq!(listed(&blobs).await, []);
}

#[tokio::test]
async fn a_store_that_is_busy_for_a_moment_is_asked_again() {
    let root = tempfile::tempdir().expect("a folder");
    let (blobs, server) = s3(&root, "right").await;
    server.busy.store(2, Ordering::SeqCst);
    blobs.seal(&stage(&root, b"sound"), &key("a"), None).await.expect("sealed at the third attempt");
    assert_eq!(content(&blobs, &key("a"), None).await, b"sound");
}

#[tokio::test]
async fn an_upload_that_fails_half_way_is_ended_and_the_file_is_kept() {
    let root = tempfile::tempdir().expect("a folder");
    let (blobs, server) = s3(&root, "right").await;
    let whole = sample(LARGE_BYTES);
    let staged = stage(&root, &whole);
    server.refuse_parts.store(1, Ordering::SeqCst);
    let refused = blobs.seal(&staged, &key("a"), None).await;
    assert!(matches!(refused, Err(BlobError::Refused { .. })), "{refused:?}");
    assert!(server.saw("DELETE", "uploadId") && staged.exists());
    let refused = blobs.seal(&staged, &key("a"), Some([1; 32])).await;
    assert!(matches!(refused, Err(BlobError::Damaged { .. })), "{refused:?}");
    assert!(staged.exists());
    assert_eq!(listed(&blobs).await, []);
    blobs.seal(&staged, &key("a"), Some(sha256(&whole))).await.expect("sealed at last");
}

#[tokio::test]
async fn a_copy_of_a_remote_blob_is_removed_with_its_owner() {
    let root = tempfile::tempdir().expect("a folder");
    let into = tempfile::tempdir().expect("a folder");
    let (blobs, _) = s3(&root, "right").await;
    blobs.seal(&stage(&root, b"sound"), &key("a"), None).await.expect("sealed");
    let fetched = blobs.fetch(&key("a"), into.path()).await.expect("fetched");
    assert!(matches!(fetched, Fetched::Copied(_)));
    drop(fetched);
    assert_eq!(std::fs::read_dir(into.path()).expect("there").count(), 0);
    assert_eq!(blobs.free_bytes().expect("told"), None);
}

#[tokio::test]
async fn wrong_keys_are_refused_and_a_silent_store_is_unreachable() {
    let root = tempfile::tempdir().expect("a folder");
    let (blobs, _) = s3(&root, "wrong").await;
    let refused = blobs.probe().await;
    assert!(matches!(refused, Err(BlobError::Refused { .. })), "{refused:?}");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let settings = Settings::S3(settings(format!("http://{port}"), "right"));
    let blobs = Blobs::open(settings).await.expect("nothing is asked yet");
    let refused = blobs.probe().await;
    assert!(matches!(refused, Err(BlobError::Unreachable { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_the_bucket_holds_beside_our_blobs_is_passed_over() {
    let store = Arc::new(InMemory::new());
    let blobs = Blobs(Arc::new(Place::Remote(Remote::over(Arc::clone(&store) as _))));
    let folder = tempfile::tempdir().expect("a folder");
    blobs.seal(&stage(&folder, b"sound"), &key("a/b"), None).await.expect("sealed");
    let other = object_store::path::Path::from("Other Thing");
    object_store::ObjectStoreExt::put(&*store, &other, "x".into()).await.expect("put");
    assert_eq!(listed(&blobs).await, [("a/b".to_owned(), 5)]);
}

#[test]
fn a_full_disk_is_told_apart_from_a_broken_one() {
    let full = std::fs::write("/dev/full", "x").expect_err("the kernel says so");
    assert!(matches!(BlobError::io(Path::new("a"), full), BlobError::Full { .. }));
    for errno in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT, rustix::io::Errno::FBIG] {
        assert!(matches!(BlobError::io(Path::new("a"), errno.into()), BlobError::Full { .. }));
    }
    let broken = rustix::io::Errno::IO.into();
    assert!(matches!(BlobError::io(Path::new("a"), broken), BlobError::Io { .. }));
}

#[test]
fn a_large_file_has_few_enough_parts() {
    assert_eq!(remote::part_bytes(20 << 30), 16 << 20);
    for bytes in [1, 160 << 30, 1 << 40, 5 << 40] {
        assert!(u64::div_ceil(bytes, remote::part_bytes(bytes)) <= 9_900);
    }
}

#[test]
fn a_key_leads_nowhere_else() {
    for good in ["a", "0199c0de-8b5e-7c3a", "audio/2026/11/a_b.c-d"] {
        assert_eq!(key(good).as_str(), good);
    }
    let long = "a".repeat(65);
    for bad in
        ["", "/", "/a", "a/", "a//b", "..", "a/../b", "a/.b", "A", "a b", "a\0", "会", "a/b/c/d/e", &long]
    {
        assert!(matches!(bad.parse::<BlobKey>(), Err(BlobError::BadKey { .. })), "{bad:?}");
    }
}

#[test]
fn a_secret_key_is_not_printed() {
    let printed = format!("{:?}", Settings::S3(settings("http://s3".into(), "hunter2")));
    assert!(printed.contains("bucket") && !printed.contains("hunter2"));
}

proptest! {
    #[test]
    fn every_key_stays_inside_its_folder(text in "[a-z0-9._/-]{0,40}") {
        if let Ok(key) = text.parse::<BlobKey>() {
            let path = Path::new("root").join(key.as_str());
            let parts: Vec<_> = path.components().collect();
            prop_assert!(parts.iter().all(|part| matches!(part, std::path::Component::Normal(_))));
            let location = object_store::path::Path::from(key.as_str());
            prop_assert_eq!(location.as_ref(), key.as_str());
        }
    }
}
