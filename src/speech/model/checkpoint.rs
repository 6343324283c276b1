//! A checkpoint of the speaker encoder, as torch wrote it before 1.6, becomes a safetensors file.
//!
//! ```text
//! magic │ protocol │ system │ object: names and places of tensors │ keys of storages │ count, numbers; count, numbers …
//! └────────────────── five pickles, of which nothing is called ──────────────────────┘
//! ```

use std::collections::HashMap;
use std::rc::Rc;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::ModelError;
use super::cursor::Cursor;
use super::pickle::{self, Value};
use crate::speech::voice::weights::TENSORS;

/// The protocol number of the form that is read.
const PROTOCOL: i64 = 1001;
/// Most storages in a file; this checkpoint has 36, most of them of the optimiser.
const STORAGES_MAX: usize = 256;

/// Converts a checkpoint to the safetensors file that [`Voice::load`](crate::speech::voice::Voice::load) reads.
///
/// Shape: the tensors of the network alone; what only training needs is left out.
/// Range: the same input gives the same bytes on every machine.
/// Errors: see [`ModelError`].
pub fn import_voice(checkpoint: &[u8]) -> Result<Vec<u8>, ModelError> {
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
    let state = object.get("model_state").ok_or_else(|| missing("model_state"))?;
    let mut tensors = Vec::new();
    for (name, shape) in TENSORS {
        let tensor = state.get(name).ok_or_else(|| missing(name))?;
        tensors.push((name, shape, stored(name, shape, tensor, &storages)?));
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes);
        (*name, view.expect("the length was checked against the shape"))
    });
    Ok(safetensors::serialize(views, None).expect("names are single and offsets small"))
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

/// Borrows the numbers of one tensor, once everything about it is as it must be.
fn stored<'a>(
    name: &str,
    shape: &[usize],
    tensor: &Value,
    storages: &HashMap<String, &'a [u8]>,
) -> Result<&'a [u8], ModelError> {
    let Value::Tensor(storage, offset, found, strides) = tensor else { return Err(missing(name)) };
    let found = counts(found).ok_or_else(|| missing(name))?;
    if found != shape {
        return Err(ModelError::Shape { name: name.to_owned(), found, expected: shape.to_vec() });
    }
    let dense: Vec<usize> =
        (0..shape.len()).map(|index| shape[index + 1..].iter().product::<usize>()).collect();
    let (Value::Outside(storage), Some(offset), Some(strides)) =
        (&**storage, offset.count(), counts(strides))
    else {
        return Err(missing(name));
    };
    if strides != dense {
        return Err(ModelError::Shape { name: name.to_owned(), found: strides, expected: dense });
    }
    let numbers = key_of_floats(storage).and_then(|key| storages.get(key)).ok_or_else(|| missing(name))?;
    let length = shape.iter().product::<usize>();
    let range = offset.checked_mul(4).and_then(|from| Some(from..from.checked_add(length * 4)?));
    let bytes = range.and_then(|range| numbers.get(range)).ok_or_else(|| ModelError::Length {
        name: name.to_owned(),
        found: numbers.len(),
        shape: shape.to_vec(),
    })?;
    let finite = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes).is_finite();
    if !bytes.as_chunks::<4>().0.iter().all(finite) {
        return Err(ModelError::NotFinite { name: name.to_owned() });
    }
    Ok(bytes)
}

fn counts(list: &Value) -> Option<Vec<usize>> {
    list.list()?.iter().map(|value| value.count()).collect()
}

/// Returns the key of a storage of single floats: the third word of what stands for it.
fn key_of_floats(storage: &Rc<Value>) -> Option<&str> {
    match storage.list()? {
        [kind, class, key, ..] if kind.text() == Some("storage") => {
            (**class == Value::Name("torch.FloatStorage".into())).then(|| key.text()).flatten()
        }
        _ => None,
    }
}

fn missing(name: &str) -> ModelError {
    ModelError::Missing { name: name.to_owned() }
}
