//! A checkpoint as torch wrote it before 1.6: five pickles, then the numbers.

use std::collections::HashMap;

use super::{Parts, missing};
use crate::speech::model::ModelError;
use crate::speech::model::cursor::Cursor;
use crate::speech::model::pickle::{self, Value};

/// The protocol number of the form that is read.
const PROTOCOL: i64 = 1001;
/// Most storages in a file; the speaker encoder has 36, most of them of the optimiser.
const STORAGES_MAX: usize = 256;

/// Reads the object and borrows the numbers.
pub(super) fn read(checkpoint: &[u8]) -> Result<Parts<'_>, ModelError> {
    let mut input = Cursor::new(checkpoint);
    let _magic = pickle::read(&mut input)?;
    if *pickle::read(&mut input)? != Value::Int(PROTOCOL) {
        return Err(ModelError::Pickle(format!("it is not of protocol {PROTOCOL}")));
    }
    let _system = pickle::read(&mut input)?;
    let object = pickle::read(&mut input)?;
    let keys = pickle::read(&mut input)?;
    let storages = storages(&keys, &mut input)?;
    input.finish()?;
    Ok((object, storages))
}

/// Borrows the numbers of every storage, by key.
fn storages<'a>(keys: &Value, input: &mut Cursor<'a>) -> Result<HashMap<String, &'a [u8]>, ModelError> {
    let keys = keys.list().ok_or_else(|| missing("the keys of the storages"))?;
    if keys.len() > STORAGES_MAX {
        return Err(ModelError::TooMany { what: "storages", found: keys.len(), max: STORAGES_MAX });
    }
    let mut storages = HashMap::new();
    for key in keys {
        let key = key.text().ok_or_else(|| missing("the key of a storage"))?;
        let count = input.u64("the length of a storage")?;
        // A count that is no possible length is longer than the file.
        let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(4));
        let numbers = input.take(bytes.unwrap_or(usize::MAX), "the numbers of a storage")?;
        if storages.insert(key.to_owned(), numbers).is_some() {
            return Err(ModelError::Duplicate { name: key.to_owned() });
        }
    }
    Ok(storages)
}
