//! Minutes as they cross the wire, made once a revision and then only copied.

use std::io::Write as _;
use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use moka::sync::Cache;

use crate::minutes::{Block, Minutes};
use crate::store::Id;
use crate::store::minutes::Document;

/// Bytes of rendered minutes kept: some dozens of long meetings.
const BYTES_MAX: u64 = 128 << 20;

/// Rendered minutes by meeting, revision, and whether words are in.
pub type Cached = Cache<(Id, u64, bool), Arc<Rendered>>;

/// Makes an empty cache.
pub fn cache() -> Cached {
    let weigh = |_: &(Id, u64, bool), rendered: &Arc<Rendered>| {
        u32::try_from(rendered.plain.len() + rendered.zipped.len()).unwrap_or(u32::MAX)
    };
    Cache::builder().weigher(weigh).max_capacity(BYTES_MAX).build()
}

/// One revision as JSON, plain and compressed.
pub struct Rendered {
    plain: Bytes,
    zipped: Bytes,
}

impl Rendered {
    /// Renders a document.
    pub fn of(document: &Document, words: bool) -> Self {
        let bare;
        let minutes = if words {
            &document.minutes
        } else {
            bare = Arc::new(without_words(&document.minutes));
            &bare
        };
        let json = serde_json::json!({ "revision": document.revision, "minutes": minutes.as_ref() });
        let plain = Bytes::from(json.to_string());
        // The fastest level: a fourth of the size for a tenth of the time of the best one.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let zipped = encoder.write_all(&plain).and_then(|()| encoder.finish());
        Self { plain, zipped: zipped.map(Bytes::from).expect("memory can be written to") }
    }

    /// Answers with it.
    pub fn answer(&self, etag: String, zipped: bool) -> Response {
        let kind = (header::CONTENT_TYPE, "application/json".to_owned());
        let private = (header::CACHE_CONTROL, "private, no-cache".to_owned());
        let tag = (header::ETAG, etag);
        if zipped {
            let encoding = (header::CONTENT_ENCODING, "gzip".to_owned());
            return (StatusCode::OK, [kind, private, tag, encoding], self.zipped.clone()).into_response();
        }
        (StatusCode::OK, [kind, private, tag], self.plain.clone()).into_response()
    }
}

fn without_words(minutes: &Minutes) -> Minutes {
    let bare = |block: &Arc<Block>| match block.as_ref() {
        Block::Utterance(utterance) if !utterance.words.is_empty() => {
            let mut utterance = utterance.clone();
            utterance.words.clear();
            Arc::new(Block::Utterance(utterance))
        }
        Block::Utterance(_) | Block::Heading(_) | Block::Gap(_) => Arc::clone(block),
    };
    Minutes { blocks: minutes.blocks.iter().map(bare).collect(), ..minutes.clone() }
}
