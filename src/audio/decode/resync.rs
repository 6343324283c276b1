//! Finds the way back into a Matroska or WebM recording behind a damaged place.
//!
//! A flipped bit in the length of one element makes a demuxer lose all that follows, hours of a meeting perhaps.
//! Clusters begin with a mark and their own time, and the blocks inside follow each other without a gap: the header,
//! joined to the first cluster or block behind the damage, is a recording again.
//! Source: RFC 9559, elements Cluster, Timestamp, SimpleBlock, BlockGroup.

use std::io;

use super::source::{Piece, Recording};

/// Most damaged places that are crossed in one recording.
const CROSSINGS_MAX: u32 = 100;
/// Bytes searched at a time. Units: bytes.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes looked at behind a place: a cluster's head, or a block of sound and the head of the next. Units: bytes.
const AHEAD_BYTES: usize = 8_192;

const CLUSTER: [u8; 4] = [0x1F, 0x43, 0xB6, 0x75];
const TIMESTAMP: u8 = 0xE7;
const SIMPLE_BLOCK: u8 = 0xA3;
const BLOCK_GROUP: u8 = 0xA0;

/// Where the search stands.
#[derive(Debug, Default)]
pub(super) struct Crossing {
    /// Where the first cluster begins: what is before is the header.
    header_end: Option<u64>,
    /// The time of the cluster last passed.
    cluster_ticks: i64,
    /// Everything before this place is done with.
    searched: u64,
    crossed: u32,
}

/// A place from which the recording can be followed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A cluster and its time.
    Cluster(i64),
    /// A block, and its time within its cluster.
    Block(i64),
}

impl Crossing {
    /// Returns the recording behind the damage: what is later than `last_ticks`, with the header before it.
    ///
    /// Errors: those of the source.
    pub(super) fn next(&mut self, recording: &Recording, last_ticks: i64) -> io::Result<Option<Vec<Piece>>> {
        self.crossed += 1;
        if self.crossed > CROSSINGS_MAX {
            return Ok(None);
        }
        while self.searched < recording.len() {
            let bytes = recording.bytes(self.searched, CHUNK_BYTES + AHEAD_BYTES)?;
            if let Some((pos, head)) = self.search(&bytes, last_ticks) {
                let header_end = self.header_end.unwrap_or(pos);
                let rest = Piece::Range(pos..recording.len());
                return Ok(Some(vec![Piece::Range(0..header_end), Piece::Bytes(head), rest]));
            }
        }
        Ok(None)
    }

    /// Looks for a place in `bytes`, which begin at `searched`; returns it, and what must stand before it.
    fn search(&mut self, bytes: &[u8], last_ticks: i64) -> Option<(u64, Vec<u8>)> {
        for at in 0..bytes.len().min(CHUNK_BYTES) {
            let Some(place) = place_at(&bytes[at..]) else { continue };
            let pos = self.searched + at as u64;
            let (ticks, head) = match place {
                Place::Cluster(ticks) => {
                    self.header_end.get_or_insert(pos);
                    self.cluster_ticks = ticks;
                    (ticks, Vec::new())
                }
                Place::Block(ticks) => (self.cluster_ticks + ticks, cluster_head(self.cluster_ticks)),
            };
            if self.header_end.is_some() && ticks > last_ticks {
                self.searched = pos + 1;
                return Some((pos, head));
            }
        }
        self.searched += bytes.len().min(CHUNK_BYTES) as u64;
        None
    }
}

fn place_at(bytes: &[u8]) -> Option<Place> {
    match *bytes.first()? {
        0x1F => cluster_ticks(bytes).map(Place::Cluster),
        SIMPLE_BLOCK => block_ticks(bytes).map(Place::Block),
        _ => None,
    }
}

/// Reads the time of a cluster: it is the first element inside, by the standard.
fn cluster_ticks(bytes: &[u8]) -> Option<i64> {
    let rest = bytes.strip_prefix(&CLUSTER)?;
    let (_, length_bytes) = vint(rest)?;
    let (&TIMESTAMP, rest) = rest.get(length_bytes..)?.split_first()? else { return None };
    let (length, length_bytes) = vint(rest)?;
    let value = rest.get(length_bytes..)?.get(..usize::try_from(length).ok()?)?;
    let ticks = value.iter().fold(0, |ticks: u64, &byte| (ticks << 8) | u64::from(byte));
    i64::try_from(ticks).ok().filter(|_| value.len() <= 8)
}

/// Reads a block's time within its cluster, if another element of a cluster follows it.
fn block_ticks(bytes: &[u8]) -> Option<i64> {
    let (length, length_bytes) = vint(bytes.get(1..)?)?;
    let content = 1 + length_bytes;
    let (_, track_bytes) = vint(bytes.get(content..)?)?;
    let ticks = bytes.get(content + track_bytes..)?.first_chunk()?;
    let next = content.checked_add(usize::try_from(length).ok()?)?;
    let follower = bytes.get(next..)?;
    let follows =
        follower.starts_with(&CLUSTER) || matches!(follower.first(), Some(&(SIMPLE_BLOCK | BLOCK_GROUP)));
    // The track is repeated: two chance bytes are rarer than one.
    let same_track = follower.starts_with(&CLUSTER) || {
        let (_, length_bytes) = vint(follower.get(1..)?)?;
        follower.first() == Some(&BLOCK_GROUP)
            || vint(follower.get(1 + length_bytes..)?) == vint(&bytes[content..])
    };
    (follows && same_track).then_some(i64::from(i16::from_be_bytes(*ticks)))
}

/// Writes the head of a cluster that ends where the next begins.
fn cluster_head(ticks: i64) -> Vec<u8> {
    [CLUSTER.as_slice(), &[0xFF, TIMESTAMP, 0x88], &ticks.to_be_bytes()].concat()
}

/// Reads a number of variable length: its value, and how many bytes it takes.
fn vint(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let len = first.leading_zeros() as usize + 1;
    let number = bytes.get(..len).filter(|_| len <= 8)?;
    let mask = if len == 8 { 0 } else { 0xFF_u8 >> len };
    let start = u64::from(first & mask);
    Some((number[1..].iter().fold(start, |value, &byte| (value << 8) | u64::from(byte)), len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn recording(bytes: &[u8]) -> Recording {
        Recording::new(Box::new(Cursor::new(bytes.to_vec()))).expect("memory can be measured")
    }

    fn cluster(ticks: u8) -> [u8; 9] {
        [0x1F, 0x43, 0xB6, 0x75, 0xFF, TIMESTAMP, 0x81, ticks, 0xEC]
    }

    fn block(ticks: u8) -> [u8; 7] {
        [SIMPLE_BLOCK, 0x85, 0x81, 0, ticks, 0x80, 0x11]
    }

    fn found(bytes: &[u8], last_ticks: i64) -> Option<Vec<Piece>> {
        Crossing::default().next(&recording(bytes), last_ticks).expect("memory can be read")
    }

    #[test]
    fn the_first_later_cluster_is_joined_to_the_header() {
        let bytes = [b"header".as_slice(), &cluster(1), &cluster(5), &cluster(9)].concat();
        let end = bytes.len() as u64;
        assert_eq!(
            found(&bytes, 5),
            Some(vec![Piece::Range(0..6), Piece::Bytes(Vec::new()), Piece::Range(24..end)])
        );
        assert_eq!(found(&bytes, 9), None);
    }

    #[test]
    fn a_later_block_of_the_same_cluster_gets_a_new_head() {
        let bytes = [b"header".as_slice(), &cluster(40), &block(1), &block(2), &block(3)].concat();
        let expected =
            vec![Piece::Range(0..6), Piece::Bytes(cluster_head(40)), Piece::Range(22..bytes.len() as u64)];
        assert_eq!(found(&bytes, 41), Some(expected));
    }

    #[test]
    fn a_block_that_nothing_follows_is_not_believed() {
        let bytes = [b"header".as_slice(), &cluster(40), &block(1), b"noise"].concat();
        assert_eq!(found(&bytes, 40), None);
    }

    #[test]
    fn a_mark_inside_a_picture_is_not_taken_for_a_cluster() {
        let bytes = [b"header".as_slice(), &CLUSTER, b"picture", &cluster(7)].concat();
        let pieces = found(&bytes, 0).expect("a cluster is there");
        assert_eq!(pieces[0], Piece::Range(0..17));
    }

    #[test]
    fn a_mark_across_two_chunks_is_found() {
        let mut bytes = vec![0; CHUNK_BYTES - 2];
        bytes.extend_from_slice(&cluster(3));
        let pieces = found(&bytes, 0).expect("a cluster is there");
        assert_eq!(pieces[0], Piece::Range(0..CHUNK_BYTES as u64 - 2));
    }

    #[test]
    fn a_recording_of_damage_only_is_given_up() {
        let bytes = [b"header".as_slice(), &cluster(1)].concat();
        let bytes = [bytes, (2..250).flat_map(cluster).collect()].concat();
        let (mut crossing, recording) = (Crossing::default(), recording(&bytes));
        let mut next = || crossing.next(&recording, 0).expect("memory can be read");
        assert!((0..CROSSINGS_MAX).all(|_| next().is_some()));
        assert!(next().is_none());
    }
}
