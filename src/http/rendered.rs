//! Minutes as they cross the wire: what an edit left alone is neither written nor compressed again.
//!
//! Blocks are cut into pieces where a block's name is a multiple of [`PIECE`], so that an edit changes one piece and an
//! inserted block none but its own. Each piece is compressed for itself up to a byte's end; laid one behind the other
//! they are one deflate stream, and the check sum of the whole is put together from theirs.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Weak};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use moka::sync::Cache;
use serde::Serialize;

use crate::minutes::{Block, Minutes};
use crate::store::Id;
use crate::store::minutes::Document;

/// Bytes of rendered minutes kept: some dozens of long meetings.
const BYTES_MAX: u64 = 128 << 20;
/// Blocks of a piece, as a rule: about as many bytes as deflate looks back over.
const PIECE: u64 = 128;
/// A gzip member's head: deflate, no name, no time, no system (RFC 1952).
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The last deflate block, an empty one (RFC 1951, 3.2.3).
const GZIP_LAST: [u8; 2] = [3, 0];

/// The latest rendered minutes of each meeting, with and without the recognised words.
pub type Cached = Cache<(Id, bool), Arc<Rendered>>;

/// Makes an empty cache.
pub fn cache() -> Cached {
    let weigh = |_: &(Id, bool), rendered: &Arc<Rendered>| {
        let pieces = rendered.pieces.iter().map(|piece| piece.plain.len() + piece.zipped.len());
        u32::try_from(pieces.sum::<usize>() + rendered.zipped.len()).unwrap_or(u32::MAX)
    };
    Cache::builder().weigher(weigh).max_capacity(BYTES_MAX).build()
}

/// One revision as JSON, in pieces and compressed.
pub struct Rendered {
    revision: u64,
    pieces: Vec<Arc<Piece>>,
    zipped: Bytes,
}

/// A stretch of the JSON text.
struct Piece {
    /// The blocks it was made from; that none of them is another now is seen by their places in memory.
    blocks: Vec<Weak<Block>>,
    plain: Vec<u8>,
    zipped: Vec<u8>,
    crc: Crc,
}

/// Everything but the blocks.
#[derive(Serialize)]
struct Around<'a> {
    version: u32,
    header: &'a crate::minutes::Header,
    speakers: &'a [crate::minutes::Speaker],
    items: &'a [crate::minutes::Item],
}

impl Rendered {
    /// Renders a document, with the pieces of another of its revisions where they still fit.
    pub fn of(document: &Document, words: bool, other: Option<&Self>) -> Self {
        let known = other.map(|other| other.pieces.as_slice()).unwrap_or_default();
        let known: HashMap<*const Block, &Arc<Piece>> =
            known.iter().filter_map(|piece| Some((piece.blocks.first()?.as_ptr(), piece))).collect();
        let mut pieces = vec![Arc::new(Piece::new(&[], before_blocks(document)))];
        let blocks = document.minutes.blocks.as_slice();
        for (index, cut) in blocks.chunk_by(|_, next| !next.id().0.is_multiple_of(PIECE)).enumerate() {
            let same = known.get(&Arc::as_ptr(&cut[0])).filter(|piece| piece.is_of(cut, index == 0));
            pieces.push(
                same.map_or_else(|| Arc::new(Piece::of(cut, index == 0, words)), |piece| Arc::clone(piece)),
            );
        }
        pieces.push(Arc::new(Piece::new(&[], b"]}}".to_vec())));
        let zipped = gzip(&pieces);
        Self { revision: document.revision, pieces, zipped }
    }

    /// Returns the revision.
    pub const fn revision(&self) -> u64 {
        self.revision
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
        (StatusCode::OK, [kind, private, tag], self.plain()).into_response()
    }

    fn plain(&self) -> Vec<u8> {
        self.pieces.iter().map(|piece| piece.plain.as_slice()).collect::<Vec<_>>().concat()
    }
}

impl Piece {
    /// Writes blocks as members of a JSON list.
    fn of(blocks: &[Arc<Block>], is_first: bool, words: bool) -> Self {
        let mut plain = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            if index > 0 || !is_first {
                plain.push(b',');
            }
            let bare = if words { None } else { without_words(block) };
            write(&mut plain, bare.as_ref().unwrap_or(block));
        }
        Self::new(blocks, plain)
    }

    fn new(blocks: &[Arc<Block>], plain: Vec<u8>) -> Self {
        let mut crc = Crc::new();
        crc.update(&plain);
        // The fastest level: a fourth of the size for a tenth of the time of the best one.
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&plain).and_then(|()| encoder.flush()).expect("memory can be written to");
        // Flushed, it ends with a whole byte; what would end the stream is never written to it.
        let zipped = std::mem::take(encoder.get_mut());
        Self { blocks: blocks.iter().map(Arc::downgrade).collect(), plain, zipped, crc }
    }

    /// Tells whether it was made from just these blocks, at the beginning of the list or further on.
    fn is_of(&self, blocks: &[Arc<Block>], is_first: bool) -> bool {
        self.blocks.len() == blocks.len()
            && (self.plain.first() != Some(&b',')) == is_first
            && self.blocks.iter().zip(blocks).all(|(known, block)| known.as_ptr() == Arc::as_ptr(block))
    }
}

fn write(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("minutes are JSON, and memory can be written to");
}

/// Writes the JSON text up to the first block.
fn before_blocks(document: &Document) -> Vec<u8> {
    let Minutes { version, header, speakers, blocks: _, items } = document.minutes.as_ref();
    let mut text = format!("{{\"revision\":{},\"minutes\":", document.revision).into_bytes();
    write(&mut text, &Around { version: *version, header, speakers, items });
    // The list of the blocks is the object's last member.
    text.pop();
    text.extend_from_slice(b",\"blocks\":[");
    text
}

fn gzip(pieces: &[Arc<Piece>]) -> Bytes {
    let mut crc = Crc::new();
    let mut zipped = GZIP_HEAD.to_vec();
    for piece in pieces {
        zipped.extend_from_slice(&piece.zipped);
        crc.combine(&piece.crc);
    }
    zipped.extend_from_slice(&GZIP_LAST);
    zipped.extend_from_slice(&crc.sum().to_le_bytes());
    zipped.extend_from_slice(&crc.amount().to_le_bytes());
    zipped.into()
}

fn without_words(block: &Block) -> Option<Arc<Block>> {
    match block {
        Block::Utterance(utterance) if !utterance.words.is_empty() => {
            let mut utterance = utterance.clone();
            utterance.words.clear();
            Some(Arc::new(Block::Utterance(utterance)))
        }
        Block::Utterance(_) | Block::Heading(_) | Block::Gap(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use serde_json::{Value, json};

    use super::*;
    use crate::minutes::BlockId;

    fn document(revision: u64, blocks: Value) -> Document {
        let minutes = json!({
            "version": 1, "header": { "title": "「会議」\"blocks\":[]" }, "items": [],
            "speakers": [{ "id": 1, "name": "話者1" }], "blocks": blocks,
        });
        Document { revision, minutes: Arc::new(serde_json::from_value(minutes).expect("it is a document")) }
    }

    fn utterances(count: u64) -> Value {
        let word = json!({ "start_ms": 0, "end_ms": 9, "text": "発言", "confidence": 0.5 });
        let utterance = |id: u64| {
            json!({
                "kind": "utterance", "id": id, "start_ms": id, "end_ms": id + 1, "text": format!("{id}番目の発言"),
                "confidence": 0.5, "words": [word],
            })
        };
        (1..=count).map(utterance).collect()
    }

    fn edited(document: &Document, edit: impl Fn(&mut Vec<Arc<Block>>)) -> Document {
        let mut minutes = document.minutes.as_ref().clone();
        edit(&mut minutes.blocks);
        Document { revision: document.revision + 1, minutes: Arc::new(minutes) }
    }

    /// Returns both forms, which must say the same.
    fn read(rendered: &Rendered) -> Value {
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(rendered.zipped.as_ref())
            .read_to_end(&mut unpacked)
            .expect("it is gzip");
        assert_eq!(unpacked, rendered.plain());
        serde_json::from_slice(&unpacked).expect("it is JSON")
    }

    fn expected(document: &Document) -> Value {
        json!({ "revision": document.revision, "minutes": *document.minutes })
    }

    fn anew(document: &Document, other: &Rendered) -> (Rendered, usize) {
        let made = Rendered::of(document, true, Some(other));
        let is_kept = |piece: &&Arc<Piece>| other.pieces.iter().any(|known| Arc::ptr_eq(known, piece));
        let kept = made.pieces.iter().filter(is_kept).count();
        assert_eq!(read(&made), expected(document));
        (made, kept)
    }

    #[test]
    fn what_is_put_together_from_pieces_is_the_document() {
        for count in [0, 1, 2, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE] {
            let document = document(7, utterances(count));
            assert_eq!(read(&Rendered::of(&document, true, None)), expected(&document), "{count} blocks");
        }
        let words = read(&Rendered::of(&document(1, utterances(3)), false, None));
        assert!(
            words["minutes"]["blocks"]
                .as_array()
                .expect("a list")
                .iter()
                .all(|block| block["words"].is_null())
        );
    }

    #[test]
    fn an_edit_writes_one_piece_anew_and_whatever_happens_the_text_is_right() {
        let first = document(1, utterances(10 * PIECE));
        let rendered = Rendered::of(&first, true, None);
        let pieces = rendered.pieces.len() - 2;
        assert_eq!(pieces, 11, "the first piece ends before the block that begins the second");
        let text = edited(&first, |blocks| blocks[300] = Arc::new(Block::clone(&blocks[300])));
        assert_eq!(anew(&text, &rendered).1, pieces - 1);
        let inserted = edited(&first, |blocks| {
            let mut block = Block::clone(&blocks[300]);
            if let Block::Utterance(utterance) = &mut block {
                utterance.id = BlockId(100_001);
            }
            blocks.insert(300, Arc::new(block));
        });
        assert_eq!(anew(&inserted, &rendered).1, pieces - 1);
        let (shorter, kept) = anew(&edited(&first, |blocks| blocks.truncate(200)), &rendered);
        assert_eq!(kept, 1);
        // The first piece has no comma before it, and another one becomes the first.
        anew(&edited(&first, |blocks| _ = blocks.drain(..PIECE as usize - 1)), &shorter);
        anew(&edited(&first, |blocks| blocks.reverse()), &rendered);
        anew(&edited(&first, Vec::clear), &rendered);
    }
}
