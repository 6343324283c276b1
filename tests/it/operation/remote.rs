//! Backups of an office whose recordings lie in an S3-compatible store.

use std::path::{Path, PathBuf};

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use futures_util::StreamExt as _;
use gijiroku::store::blobs::{BlobKey, Blobs, S3Settings, Settings};
use gijiroku::store::folder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use zeroize::Zeroizing;

use super::{meeting, recording_in};
use crate::office::Office;
use crate::support::{gijiroku, text, told};

/// Starts a store with two buckets on the loopback and returns where it listens.
async fn store(root: &Path) -> String {
    for bucket in ["old", "new"] {
        std::fs::create_dir_all(root.join(bucket)).expect("there is room");
    }
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).expect("the folder is there"));
    builder.set_auth(SimpleAuth::from_single("access", "secret"));
    let service = builder.build();
    let app = axum::Router::new().fallback(move |request: Request| {
        let service = service.clone();
        async move {
            match service.call(request.map(s3s::Body::http_body_unsync)).await {
                Ok(answer) => answer.map(axum::body::Body::new),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    endpoint
}

async fn bucket(endpoint: &str, name: &str) -> Blobs {
    let settings = S3Settings {
        endpoint: endpoint.to_owned(),
        bucket: name.to_owned(),
        region: "us-east-1".to_owned(),
        access_key: "access".to_owned(),
        secret_key: Zeroizing::new("secret".to_owned()),
        ca_certificate: None,
        allow_http: true,
        prefix: "office".to_owned(),
    };
    Blobs::open(Settings::S3(settings)).await.expect("good settings")
}

/// Writes the settings of a server with this bucket.
fn settings(place: &Path, data: &Path, endpoint: &str, bucket: &str) -> PathBuf {
    let file = place.join(format!("{bucket}.toml"));
    let text = format!(
        "[data]\nfolder = {data:?}\n[audio]\nstore = \"s3\"\n[s3]\nbucket = \"{bucket}\"\nendpoint = \"{endpoint}\"\n\
         access_key = \"access\"\nsecret_key = \"secret\"\nallow_http = true\nprefix = \"office\"\n"
    );
    std::fs::write(&file, text).expect("there is room");
    file
}

async fn content(blobs: &Blobs, key: &BlobKey) -> Option<Vec<u8>> {
    let mut reading = blobs.read(key, None).await.ok()?;
    let mut bytes = Vec::new();
    while let Some(piece) = reading.pieces.next().await {
        bytes.extend_from_slice(&piece.expect("it can be read"));
    }
    Some(bytes)
}

async fn count(blobs: &Blobs) -> usize {
    blobs.list().count().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recordings_in_a_store_elsewhere_are_backed_up_from_there_and_restored_into_an_empty_one() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let (data, place) = (office.folder.path(), tempfile::tempdir().expect("there is room"));
    let place = place.path();
    let endpoint = store(&place.join("store")).await;
    let (old, new) = (bucket(&endpoint, "old").await, bucket(&endpoint, "new").await);
    let id = meeting(&person, "定例会").await;
    // The sample came with the office's local folder; this office has always been on the store.
    super::sql(data, "DELETE FROM jobs", &[]).await;
    super::sql(data, "DELETE FROM recordings", &[]).await;
    std::fs::remove_dir_all(folder::audio_in(data)).expect("it is there");
    let (large, small) = (vec![7; 20 << 20], b"sound".to_vec());
    let first = recording_in(&old, data, &person, &id, &large).await;
    let second = recording_in(&old, data, &person, &id, &small).await;

    let (from, to) = (settings(place, data, &endpoint, "old"), place.join("restored"));
    let into = settings(place, &to, &endpoint, "new");
    let (key, file) = (place.join("key"), place.join("office.backup"));
    assert_eq!(gijiroku(&["backup", "keygen", "--to", text(&key)]).status.code(), Some(0));
    let made = gijiroku(&["backup", "--config", text(&from), "--to", text(&file), "--key", text(&key)]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let restore = |config: &Path| {
        gijiroku(&[
            "restore",
            "--config",
            text(config),
            "--from",
            text(&file),
            "--key",
            text(&key),
            "--data",
            text(&to),
        ])
    };
    let filled = restore(&from);
    assert_eq!(filled.status.code(), Some(1), "{filled:?}");
    assert!(told(&filled).contains("空ではありません"), "{}", told(&filled));
    assert!(!to.exists() && count(&old).await == 2, "what is there is left alone");

    let restored = restore(&into);
    assert_eq!(restored.status.code(), Some(0), "{restored:?}");
    assert_eq!(content(&new, &first).await, Some(large));
    assert_eq!(content(&new, &second).await, Some(small));
    assert!(folder::database_in(&to).is_file());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_fails_takes_its_recordings_out_of_the_store_again() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let (data, place) = (office.folder.path(), tempfile::tempdir().expect("there is room"));
    let place = place.path();
    let endpoint = store(&place.join("store")).await;
    let new = bucket(&endpoint, "new").await;
    let id = meeting(&person, "定例会").await;
    super::recording(data, &person, &id, b"sound").await;
    let (key, file) = (place.join("key"), place.join("office.backup"));
    assert_eq!(gijiroku(&["backup", "keygen", "--to", text(&key)]).status.code(), Some(0));
    let made = gijiroku(&["backup", "--data", text(data), "--to", text(&file), "--key", text(&key)]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    // A link that leads nowhere looks like a free name, until the folder is to take it.
    let to = place.join("restored");
    std::os::unix::fs::symlink(place.join("nowhere"), &to).expect("the name is free");
    let into = settings(place, &to, &endpoint, "new");
    let refused = gijiroku(&[
        "restore",
        "--config",
        text(&into),
        "--from",
        text(&file),
        "--key",
        text(&key),
        "--data",
        text(&to),
    ]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(!to.exists() && told(&refused).contains("restored"), "{}", told(&refused));
    assert_eq!(count(&new).await, 0);
    std::fs::remove_file(&to).expect("it is there");
    let restored = gijiroku(&[
        "restore",
        "--config",
        text(&into),
        "--from",
        text(&file),
        "--key",
        text(&key),
        "--data",
        text(&to),
    ]);
    assert_eq!(restored.status.code(), Some(0), "{restored:?}");
    assert!(count(&new).await > 0);
}
