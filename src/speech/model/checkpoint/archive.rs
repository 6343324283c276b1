//! A checkpoint as torch has written it since 1.6: a zip file that packs nothing.
//!
//! Its sha256 was compared before; the checksums inside it are not looked at again.
//!
//! Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.

use std::collections::HashMap;

use super::{Parts, missing};
use crate::speech::model::ModelError;
use crate::speech::model::cursor::Cursor;
use crate::speech::model::pickle;

/// First bytes of a file in the archive, and so of the archive.
const FILE: u32 = 0x0403_4b50;
/// First bytes of a row of its table.
const ROW: u32 = 0x0201_4b50;
/// First bytes of its end.
const END: u32 = 0x0605_4b50;
/// Bytes of its end; torch writes no remark behind it.
const END_BYTES: usize = 22;
/// Most files in it; CAM++ has 939.
const FILES_MAX: usize = 4_096;
/// Longest name of a file in it.
const NAME_BYTES_MAX: usize = 200;
/// The file with the object, and what stands before the keys of storages.
const OBJECT: &str = "data.pkl";
const STORAGES: &str = "data/";

/// Tells an archive from a checkpoint of the old form.
pub(super) fn is_archive(checkpoint: &[u8]) -> bool {
    checkpoint.first_chunk::<4>() == Some(&FILE.to_le_bytes())
}

/// Reads the object and borrows the numbers.
pub(super) fn read(checkpoint: &[u8]) -> Result<Parts<'_>, ModelError> {
    let files = files(checkpoint)?;
    let (folder, object) = files
        .iter()
        .find_map(|(name, bytes)| Some((name.strip_suffix(OBJECT)?, *bytes)))
        .ok_or_else(|| missing(OBJECT))?;
    let mut input = Cursor::new(object);
    let object = pickle::read(&mut input)?;
    input.finish()?;
    let mut storages = HashMap::new();
    for (name, bytes) in &files {
        let Some(key) = name.strip_prefix(folder).and_then(|name| name.strip_prefix(STORAGES)) else {
            continue;
        };
        if storages.insert(key.to_owned(), *bytes).is_some() {
            return Err(ModelError::Duplicate { name: key.to_owned() });
        }
    }
    Ok((object, storages))
}

/// Borrows every file of the archive, in the order of its table.
fn files(archive: &[u8]) -> Result<Vec<(String, &[u8])>, ModelError> {
    let what = "the end of the archive";
    let at = archive.len().checked_sub(END_BYTES).ok_or(ModelError::Cut { what, offset: archive.len() })?;
    let mut end = Cursor::new(&archive[at..]);
    let (mark, _disks, _here) = (end.u32(what)?, end.u32(what)?, end.u16(what)?);
    if mark != END {
        return Err(ModelError::Cut { what, offset: archive.len() });
    }
    let count = usize::from(end.u16(what)?);
    if count > FILES_MAX {
        return Err(ModelError::TooMany { what: "files in an archive", found: count, max: FILES_MAX });
    }
    let (_bytes, first) = (end.u32(what)?, end.u32(what)? as usize);
    let table = archive.get(first..at).ok_or(ModelError::Cut { what, offset: archive.len() })?;
    let mut table = Cursor::new(table);
    (0..count).map(|_| file(archive, &mut table)).collect()
}

/// Reads one row of the table and borrows the file it tells of.
fn file<'a>(archive: &'a [u8], table: &mut Cursor<'_>) -> Result<(String, &'a [u8]), ModelError> {
    let what = "the table of the archive";
    let (mark, _versions) = (table.u32(what)?, table.u32(what)?);
    let (flags, method) = (table.u16(what)?, table.u16(what)?);
    let (_time, _checksum) = (table.u32(what)?, table.u32(what)?);
    let (packed, bytes) = (table.u32(what)? as usize, table.u32(what)? as usize);
    let (name, extra, remark) = (table.u16(what)?.into(), table.u16(what)?, table.u16(what)?);
    let (_disk, _attributes, _more) = (table.u16(what)?, table.u16(what)?, table.u32(what)?);
    let place = table.u32(what)? as usize;
    if mark != ROW || flags & 1 != 0 || method != 0 || packed != bytes || name > NAME_BYTES_MAX {
        return Err(ModelError::Pickle("a file of the archive is packed, locked or none".to_owned()));
    }
    let name = String::from_utf8(table.take(name, what)?.to_vec()).map_err(|_| ModelError::Text { what })?;
    table.take(usize::from(extra) + usize::from(remark), what)?;
    Ok((name, contents(archive, place, bytes)?))
}

/// Borrows `bytes` behind the head of a file that begins at `place`.
fn contents(archive: &[u8], place: usize, bytes: usize) -> Result<&[u8], ModelError> {
    let what = "a file of the archive";
    let rest = archive.get(place..).ok_or(ModelError::Cut { what, offset: archive.len() })?;
    let mut file = Cursor::new(rest);
    if file.u32(what)? != FILE {
        return Err(ModelError::Pickle("the table of the archive is wrong".to_owned()));
    }
    file.take(22, what)?;
    let (name, extra) = (file.u16(what)?, file.u16(what)?);
    file.take(usize::from(name) + usize::from(extra), what)?;
    file.take(bytes, what)
}
