//! Blobs in an S3-compatible store.

use std::fmt;
use std::io::{ErrorKind, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as Location;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig, WriteMultipart,
};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use zeroize::Zeroizing;

use super::{BlobError, BlobKey, Listed, PIECE_BYTES, Sealed, Sha256Bytes};

/// Size of a part of an upload.
const PART_BYTES: u64 = 16 << 20;
/// Most parts of an upload, with a few to spare.
///
/// Source: S3 takes 10,000.
const PARTS_MAX: u64 = 9_900;
/// Parts on their way at once: at most 80 MiB of memory an upload.
const PARTS_AT_ONCE: usize = 4;
/// How often a request is repeated.
const RETRIES_MAX: usize = 4;
/// How long a request is repeated: below the life of its signature.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one request may take: a part at 140 kB/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How to reach an S3-compatible store.
#[derive(Clone)]
pub struct S3Settings {
    /// Where it listens.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// The region; most stores do not mind.
    pub region: String,
    /// The name of the key.
    pub access_key: String,
    /// The key.
    pub secret_key: Zeroizing<String>,
    /// Certificate of the office's own authority, PEM.
    pub ca_certificate: Option<PathBuf>,
    /// Whether an unencrypted endpoint is allowed.
    pub allow_http: bool,
    /// What every key begins with; empty for nothing.
    pub prefix: String,
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, bucket, prefix, .. } = self;
        f.debug_struct("S3Settings")
            .field("endpoint", endpoint)
            .field("bucket", bucket)
            .field("prefix", prefix)
            .finish_non_exhaustive()
    }
}

/// The bucket, behind its prefix.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    store: Arc<dyn ObjectStore>,
}

impl Remote {
    pub(super) async fn open(settings: S3Settings) -> Result<Self, BlobError> {
        // Fails if there is a provider already: then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = ClientOptions::new()
            .with_allow_http(settings.allow_http)
            .with_timeout(REQUEST_TIMEOUT)
            .with_connect_timeout(CONNECT_TIMEOUT);
        if let Some(path) = &settings.ca_certificate {
            let pem = tokio::fs::read(path).await.map_err(|error| BlobError::io(path, error))?;
            for certificate in Certificate::from_pem_bundle(&pem).map_err(unusable)? {
                client = client.with_root_certificate(certificate);
            }
        }
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_TIMEOUT,
        };
        let bucket = AmazonS3Builder::new()
            .with_endpoint(settings.endpoint)
            .with_bucket_name(settings.bucket)
            .with_region(settings.region)
            .with_access_key_id(settings.access_key)
            .with_secret_access_key(settings.secret_key.as_str())
            .with_client_options(client)
            .with_retry(retry)
            // Not every store knows the deletion of many.
            .with_disable_bulk_delete(true)
            .build()
            .map_err(unusable)?;
        let prefix = Location::parse(&settings.prefix)
            .map_err(|error| BlobError::Settings { source: error.into() })?;
        Ok(Self { store: Arc::new(PrefixStore::new(bucket, prefix)) })
    }

    #[cfg(test)]
    pub(super) fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    pub(super) async fn seal(
        &self,
        staged: &Path,
        key: &BlobKey,
        known: Option<Sha256Bytes>,
    ) -> Result<Sealed, BlobError> {
        let found = match self.size(key).await {
            Ok(bytes) => Some(bytes),
            Err(BlobError::Missing { .. }) => None,
            Err(error) => return Err(error),
        };
        let mut source = match Source::open(staged, known).await {
            Ok(source) => source,
            Err(BlobError::StagedMissing { path }) => {
                // The run before was interrupted after it had removed the file.
                let bytes = found.ok_or(BlobError::StagedMissing { path })?;
                return Ok(Sealed { bytes, sha256: self.hash(key, bytes, known).await? });
            }
            Err(error) => return Err(error),
        };
        let sha256 = match found {
            Some(bytes) if bytes != source.bytes => {
                return Err(BlobError::Taken { key: key.clone(), bytes });
            }
            Some(_) => source.hash().await?,
            None => self.upload(&mut source, key).await?,
        };
        let bytes = source.bytes;
        if self.size(key).await? != bytes {
            return Err(BlobError::Damaged { what: key.to_string() });
        }
        tokio::fs::remove_file(staged).await.map_err(|error| BlobError::io(staged, error))?;
        Ok(Sealed { bytes, sha256 })
    }

    /// Sends a file in parts; what was begun is ended if anything fails, a hash that differs included.
    async fn upload(&self, source: &mut Source<'_>, key: &BlobKey) -> Result<Sha256Bytes, BlobError> {
        if source.bytes <= PART_BYTES {
            let whole = source.piece(PART_BYTES).await?;
            let sha256 = source.finish()?;
            let put = self.store.put(&location(key), whole.into()).await;
            return put.map(|_| sha256).map_err(BlobError::store);
        }
        let part_bytes = part_bytes(source.bytes);
        let upload = self.store.put_multipart(&location(key)).await.map_err(BlobError::store)?;
        let mut write = WriteMultipart::new_with_chunk_size(upload, part_bytes as usize);
        match send(source, &mut write, part_bytes).await {
            Ok(sha256) => write.finish().await.map(|_| sha256).map_err(BlobError::store),
            Err(error) => {
                // The first error says more than one of the clearing up, and the bucket's rule clears up, too.
                let _ = write.abort().await;
                Err(error)
            }
        }
    }

    async fn hash(
        &self,
        key: &BlobKey,
        bytes: u64,
        known: Option<Sha256Bytes>,
    ) -> Result<Sha256Bytes, BlobError> {
        let mut digest = Sha256::new();
        let mut pieces = self.read(key, 0..bytes);
        while let Some(piece) = pieces.next().await {
            digest.update(&piece?);
        }
        compared(digest.finalize().into(), known, key.as_str())
    }

    /// One request a piece: a timeout then means something, and a broken connection costs one piece.
    pub(super) fn read(
        &self,
        key: &BlobKey,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, BlobError>> {
        let (store, key) = (Arc::clone(&self.store), key.clone());
        let pieces = stream::try_unfold(range, move |rest| {
            let (store, key) = (Arc::clone(&store), key.clone());
            async move {
                if rest.is_empty() {
                    return Ok(None);
                }
                let end = rest.end.min(rest.start + PIECE_BYTES);
                let piece = store.get_range(&location(&key), rest.start..end).await;
                let piece = piece.map_err(|error| BlobError::remote(&key, error))?;
                if piece.len() as u64 != end - rest.start {
                    return Err(BlobError::Damaged { what: key.to_string() });
                }
                Ok(Some((piece, end..rest.end)))
            }
        });
        pieces.boxed()
    }

    pub(super) async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        match self.store.delete(&location(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BlobError::store(error)),
        }
    }

    pub(super) async fn size(&self, key: &BlobKey) -> Result<u64, BlobError> {
        let found = self.store.head(&location(key)).await;
        found.map(|found| found.size).map_err(|error| BlobError::remote(key, error))
    }

    pub(super) fn list(&self) -> BoxStream<'static, Result<Listed, BlobError>> {
        let found = self.store.list(None).filter_map(async |found| {
            let found = match found {
                Ok(found) => found,
                Err(error) => return Some(Err(BlobError::store(error))),
            };
            let key = found.location.as_ref().parse().ok()?;
            let sealed_unix_ms = found.last_modified.timestamp_millis();
            Some(Ok(Listed { key, bytes: found.size, sealed_unix_ms }))
        });
        found.boxed()
    }

    pub(super) async fn probe(&self) -> Result<(), BlobError> {
        let first = self.store.list(None).next().await;
        first.transpose().map(drop).map_err(BlobError::store)
    }
}

fn unusable(error: object_store::Error) -> BlobError {
    BlobError::Settings { source: error.into() }
}

/// A key has no character that an object's name would have to escape.
fn location(key: &BlobKey) -> Location {
    Location::from(key.as_str())
}

/// Returns how large the parts of a file must be for their number to be allowed, in whole MiB.
pub(super) fn part_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(PARTS_MAX).next_multiple_of(1 << 20).max(PART_BYTES)
}

async fn send(
    source: &mut Source<'_>,
    write: &mut WriteMultipart,
    part_bytes: u64,
) -> Result<Sha256Bytes, BlobError> {
    loop {
        write.wait_for_capacity(PARTS_AT_ONCE).await.map_err(BlobError::store)?;
        let part = source.piece(part_bytes).await?;
        if part.is_empty() {
            return source.finish();
        }
        write.put(part);
    }
}

/// A staged file, read once and hashed meanwhile.
struct Source<'path> {
    path: &'path Path,
    file: File,
    bytes: u64,
    bytes_read: u64,
    digest: Sha256,
    known: Option<Sha256Bytes>,
}

impl<'path> Source<'path> {
    async fn open(path: &'path Path, known: Option<Sha256Bytes>) -> Result<Self, BlobError> {
        let io = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => BlobError::StagedMissing { path: path.to_owned() },
            _ => BlobError::io(path, error),
        };
        let mut file = File::open(path).await.map_err(io)?;
        let bytes = file.seek(SeekFrom::End(0)).await.map_err(io)?;
        file.rewind().await.map_err(io)?;
        Ok(Self { path, file, bytes, bytes_read: 0, digest: Sha256::new(), known })
    }

    /// Reads the next piece: whole, unless it is the last; empty at the end.
    async fn piece(&mut self, bytes_max: u64) -> Result<Bytes, BlobError> {
        let wanted = bytes_max.min(self.bytes - self.bytes_read) as usize;
        let mut piece = BytesMut::with_capacity(wanted);
        while piece.len() < wanted {
            let mut rest = (&mut self.file).take((wanted - piece.len()) as u64);
            let read = rest.read_buf(&mut piece).await.map_err(|error| BlobError::io(self.path, error))?;
            if read == 0 {
                return Err(self.damaged());
            }
        }
        self.bytes_read += wanted as u64;
        self.digest.update(&piece);
        Ok(piece.freeze())
    }

    fn finish(&mut self) -> Result<Sha256Bytes, BlobError> {
        let sha256 = std::mem::take(&mut self.digest).finalize().into();
        compared(sha256, self.known, &self.path.display().to_string())
    }

    /// Reads what is left for its hash only.
    async fn hash(&mut self) -> Result<Sha256Bytes, BlobError> {
        while !self.piece(PIECE_BYTES).await?.is_empty() {}
        self.finish()
    }

    fn damaged(&self) -> BlobError {
        BlobError::Damaged { what: self.path.display().to_string() }
    }
}

fn compared(sha256: Sha256Bytes, known: Option<Sha256Bytes>, what: &str) -> Result<Sha256Bytes, BlobError> {
    match known {
        Some(known) if known != sha256 => Err(BlobError::Damaged { what: what.into() }),
        _ => Ok(sha256),
    }
}
