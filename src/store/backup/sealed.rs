//! A stream that only the key opens, and that tells when anything of it was changed, moved or cut off.
//!
//! Shape: a head of 35 bytes (what it is, number of the key, 19 random bytes), then pieces of 1 MiB, each encrypted
//! with XChaCha20-Poly1305 and 16 bytes longer. A piece's nonce is the random bytes, its number and whether it is the
//! last one; the head is authenticated with every piece.
//! Source: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, 2015).

use std::io::{self, Read, Write};

use chacha20poly1305::{AeadInOut as _, KeyInit as _, XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::store::audit::hex;

/// What such a file begins with.
const MAGIC: [u8; 8] = *b"GIJIBAK\x01";
/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes by which a head says which key opens it.
const KEY_NUMBER_BYTES: usize = 8;
/// Random bytes that make the nonces of a file its own.
const PREFIX_BYTES: usize = 19;
const HEAD_BYTES: usize = MAGIC.len() + KEY_NUMBER_BYTES + PREFIX_BYTES;
/// Bytes of a piece before it is encrypted.
const PIECE_BYTES: usize = 1 << 20;
/// Bytes by which encrypting makes a piece longer.
const TAG_BYTES: usize = 16;

/// The key of backups. Who has it can read them; who lost it cannot, and neither can anybody else.
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    /// Makes a new one.
    pub fn generate() -> Self {
        Self(Zeroizing::new(rand::random()))
    }

    /// Reads the text of a key file; `None` if it is no key.
    ///
    /// Shape: 64 hexadecimal digits, with white space around.
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() != KEY_BYTES * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        for (index, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
        }
        Some(Self(key))
    }

    /// Returns the text of a key file.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n", hex(&*self.0)))
    }

    /// Returns a number that tells keys apart and reveals nothing of them.
    fn number(&self) -> [u8; KEY_NUMBER_BYTES] {
        let digest = Sha256::new().chain_update(b"gijiroku backup key").chain_update(*self.0).finalize();
        let mut number = [0; KEY_NUMBER_BYTES];
        number.copy_from_slice(&digest[..KEY_NUMBER_BYTES]);
        number
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.0).into())
    }
}

/// Why a sealed stream cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// It is something else.
    #[error("バックアップのファイルではありません")]
    Foreign,
    /// It was made with another key.
    #[error("鍵が違います。このバックアップを作ったときの鍵ファイルを指定してください")]
    OtherKey,
    /// Its end is missing.
    #[error(
        "バックアップの途中までしかありません。複写が途切れた可能性があります。元のファイルを確認してください"
    )]
    Truncated,
    /// Something in it was changed, or its end is missing from the middle of a piece on.
    #[error(
        "バックアップが壊れているか、途中で切れているか、書き換えられています。別のバックアップを使ってください"
    )]
    Damaged,
}

impl From<SealFault> for io::Error {
    fn from(fault: SealFault) -> Self {
        Self::other(fault)
    }
}

/// What all pieces of a file have in common.
struct Pieces {
    cipher: XChaCha20Poly1305,
    head: [u8; HEAD_BYTES],
    /// How many pieces were handled.
    count: u32,
}

impl Pieces {
    fn nonce(&self, is_last: bool) -> XNonce {
        let mut nonce = [0; PREFIX_BYTES + 5];
        nonce[..PREFIX_BYTES].copy_from_slice(&self.head[MAGIC.len() + KEY_NUMBER_BYTES..]);
        nonce[PREFIX_BYTES..PREFIX_BYTES + 4].copy_from_slice(&self.count.to_le_bytes());
        nonce[PREFIX_BYTES + 4] = u8::from(is_last);
        nonce.into()
    }

    /// Counts a piece. Four thousand million pieces are 4 PiB.
    fn next(&mut self) -> io::Result<()> {
        self.count = self.count.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(())
    }
}

/// Seals what is written to it. What was not finished cannot be read.
pub struct SealedWriter<W> {
    out: W,
    pieces: Pieces,
    piece: Vec<u8>,
}

impl<W: Write> SealedWriter<W> {
    /// Begins a stream with `prefix`, 19 random bytes that no other stream of this key has.
    pub fn new(mut out: W, key: &Key, prefix: [u8; PREFIX_BYTES]) -> io::Result<Self> {
        let mut head = [0; HEAD_BYTES];
        head[..MAGIC.len()].copy_from_slice(&MAGIC);
        head[MAGIC.len()..MAGIC.len() + KEY_NUMBER_BYTES].copy_from_slice(&key.number());
        head[MAGIC.len() + KEY_NUMBER_BYTES..].copy_from_slice(&prefix);
        out.write_all(&head)?;
        let pieces = Pieces { cipher: key.cipher(), head, count: 0 };
        Ok(Self { out, pieces, piece: Vec::with_capacity(PIECE_BYTES + TAG_BYTES) })
    }

    /// Seals the last piece and returns what everything was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.emit(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn emit(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = self.pieces.nonce(is_last);
        self.pieces
            .cipher
            .encrypt_in_place(&nonce, &self.pieces.head, &mut self.piece)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.out.write_all(&self.piece)?;
        self.piece.clear();
        self.pieces.next()
    }
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full piece waits for what follows: only then is it known not to be the last.
        if self.piece.len() == PIECE_BYTES && !bytes.is_empty() {
            self.emit(false)?;
        }
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens what [`SealedWriter`] sealed. Nothing is given out before it is known to be genuine.
pub struct SealedReader<R> {
    source: R,
    pieces: Pieces,
    piece: Vec<u8>,
    /// How much of the piece was given out.
    given: usize,
    /// The piece after it, still sealed.
    ahead: Vec<u8>,
    is_over: bool,
}

impl<R: Read> SealedReader<R> {
    /// Reads the head.
    ///
    /// Errors: [`SealFault::Foreign`], [`SealFault::OtherKey`], [`SealFault::Truncated`], inside the [`io::Error`].
    pub fn new(mut source: R, key: &Key) -> io::Result<Self> {
        let mut start = Vec::new();
        source.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut start)?;
        let known = start.len().min(MAGIC.len());
        if start[..known] != MAGIC[..known] || start.is_empty() {
            return Err(SealFault::Foreign.into());
        }
        let head: [u8; HEAD_BYTES] = start.try_into().map_err(|_| SealFault::Truncated)?;
        if head[MAGIC.len()..MAGIC.len() + KEY_NUMBER_BYTES] != key.number() {
            return Err(SealFault::OtherKey.into());
        }
        let pieces = Pieces { cipher: key.cipher(), head, count: 0 };
        let (piece, ahead) = (Vec::new(), Vec::with_capacity(PIECE_BYTES + TAG_BYTES));
        let mut reader = Self { source, pieces, piece, given: 0, ahead, is_over: false };
        reader.look_ahead()?;
        Ok(reader)
    }

    fn look_ahead(&mut self) -> io::Result<()> {
        self.ahead.clear();
        let limit = (PIECE_BYTES + TAG_BYTES) as u64;
        self.source.by_ref().take(limit).read_to_end(&mut self.ahead).map(drop)
    }

    fn open_next(&mut self) -> io::Result<()> {
        self.given = 0;
        std::mem::swap(&mut self.piece, &mut self.ahead);
        self.look_ahead()?;
        let is_last = self.ahead.is_empty();
        let sealed = is_last.then(|| self.piece.clone());
        if !self.open(is_last) {
            // Genuine as a piece in the middle, but nothing follows: the end was cut off at its edge.
            let was_middle = sealed.is_some_and(|sealed| {
                self.piece = sealed;
                self.open(false)
            });
            self.piece.clear();
            return Err(if was_middle { SealFault::Truncated } else { SealFault::Damaged }.into());
        }
        self.is_over = is_last;
        self.pieces.next()
    }

    fn open(&mut self, is_last: bool) -> bool {
        let nonce = self.pieces.nonce(is_last);
        self.pieces.cipher.decrypt_in_place(&nonce, &self.pieces.head, &mut self.piece).is_ok()
    }
}

impl<R: Read> Read for SealedReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.piece.len() {
            if self.is_over {
                return Ok(0);
            }
            self.open_next()?;
        }
        let taken = into.len().min(self.piece.len() - self.given);
        into[..taken].copy_from_slice(&self.piece[self.given..self.given + taken]);
        self.given += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::from_text(&"07".repeat(KEY_BYTES)).expect("64 digits are a key")
    }

    fn seal(plain: &[u8]) -> Vec<u8> {
        let mut writer = SealedWriter::new(Vec::new(), &key(), [3; PREFIX_BYTES]).expect("memory takes it");
        writer.write_all(plain).expect("memory takes it");
        writer.finish().expect("memory takes it")
    }

    fn open(sealed: &[u8], key: &Key) -> Result<Vec<u8>, SealFault> {
        let mut plain = Vec::new();
        let read = SealedReader::new(sealed, key).and_then(|mut reader| reader.read_to_end(&mut plain));
        read.map(|_| plain).map_err(|error| error.downcast().expect("memory has no other errors"))
    }

    fn text(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|index| (index * 31 % 251) as u8).collect()
    }

    #[test]
    fn what_was_sealed_is_read_again_at_every_length_around_the_edges() {
        for bytes in
            [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 3 * PIECE_BYTES + 7]
        {
            assert!(open(&seal(&text(bytes)), &key()) == Ok(text(bytes)), "{bytes}");
        }
    }

    #[test]
    fn a_changed_byte_is_found_wherever_it_is() {
        let sealed = seal(&text(2 * PIECE_BYTES + 100));
        for at in
            [0, 9, 20, HEAD_BYTES, HEAD_BYTES + PIECE_BYTES, HEAD_BYTES + 2 * PIECE_BYTES, sealed.len() - 1]
        {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&changed, &key()).is_err(), "{at}");
        }
    }

    #[test]
    fn a_stream_that_was_cut_off_is_told_from_one_that_was_changed() {
        let sealed = seal(&text(2 * PIECE_BYTES + 100));
        let piece = PIECE_BYTES + TAG_BYTES;
        for length in [HEAD_BYTES - 1, HEAD_BYTES + piece, HEAD_BYTES + 2 * piece] {
            assert_eq!(open(&sealed[..length], &key()), Err(SealFault::Truncated), "{length}");
        }
        for length in [HEAD_BYTES, HEAD_BYTES + 1, HEAD_BYTES + piece - 1, sealed.len() - 1] {
            assert_eq!(open(&sealed[..length], &key()), Err(SealFault::Damaged), "{length}");
        }
    }

    #[test]
    fn pieces_in_another_order_or_from_another_file_are_refused() {
        let piece = PIECE_BYTES + TAG_BYTES;
        let sealed = seal(&text(3 * PIECE_BYTES));
        let mut swapped = sealed.clone();
        swapped[HEAD_BYTES..HEAD_BYTES + 2 * piece].rotate_left(piece);
        assert_eq!(open(&swapped, &key()), Err(SealFault::Damaged));
        let mut other = SealedWriter::new(Vec::new(), &key(), [4; PREFIX_BYTES]).expect("memory takes it");
        other.write_all(&text(3 * PIECE_BYTES)).expect("memory takes it");
        let other = other.finish().expect("memory takes it");
        let mut mixed = sealed;
        mixed[HEAD_BYTES..HEAD_BYTES + piece].copy_from_slice(&other[HEAD_BYTES..HEAD_BYTES + piece]);
        assert_eq!(open(&mixed, &key()), Err(SealFault::Damaged));
    }

    #[test]
    fn another_key_and_another_kind_of_file_are_told_apart() {
        assert_eq!(open(&seal(b"x"), &Key::generate()), Err(SealFault::OtherKey));
        assert_eq!(open(b"PK\x03\x04 something else", &key()), Err(SealFault::Foreign));
        assert_eq!(open(b"", &key()), Err(SealFault::Foreign));
    }

    #[test]
    fn a_key_survives_its_file_and_nothing_else_is_taken_for_one() {
        let key = Key::generate();
        let read = Key::from_text(&key.to_text()).expect("its own text is a key");
        assert_eq!(key.number(), read.number());
        for text in ["", "07", &"zz".repeat(32), &"07".repeat(33), &"あ".repeat(22)] {
            assert!(Key::from_text(text).is_none(), "{text}");
        }
    }
}
