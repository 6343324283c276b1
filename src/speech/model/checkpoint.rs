//! A checkpoint of torch, in the old form or the new one, becomes a safetensors file.
//!
//! ```text
//! legacy   magic │ protocol │ system │ object │ keys of storages │ count, numbers; …   ┐
//! archive  zip, nothing packed: data.pkl = object │ data/KEY = numbers │ …             ┴─► tensors of one network
//! ```
//!
//! The object says names, shapes and places of tensors; it is a pickle, of which nothing is called.

mod archive;
mod legacy;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::rc::Rc;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::ModelError;
use super::pickle::Value;
use crate::speech::{segmentation, voice};

/// A network whose tensors are taken out of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub enum Network {
    /// The speaker encoder GE2E; [`Voice::load`](crate::speech::voice::Voice::load) reads it.
    #[serde(rename = "ge2e")]
    Ge2e,
    /// Who of three speaks; [`Segmenter::open`](crate::speech::segmentation::Segmenter::open) reads it.
    #[serde(rename = "segmentation-3")]
    Segmentation3,
    /// The speaker encoder CAM++.
    #[serde(rename = "campplus")]
    Campplus,
}

impl Network {
    /// Returns the tensors of the network, by name and shape.
    pub fn tensors(self) -> Vec<(String, Vec<usize>)> {
        match self {
            Self::Ge2e => {
                let owned = |(name, shape): (&str, &[usize])| (name.to_owned(), shape.to_vec());
                voice::weights::TENSORS.into_iter().map(owned).collect()
            }
            Self::Segmentation3 => segmentation::weights::tensors(),
            Self::Campplus => voice::campplus::weights::tensors(),
        }
    }

    /// Finds the tensors in what a checkpoint holds.
    fn state(self, object: &Value) -> Option<&Value> {
        match self {
            Self::Ge2e => object.get("model_state").map(|state| &**state),
            Self::Segmentation3 => object.get("state_dict").map(|state| &**state),
            Self::Campplus => Some(object),
        }
    }
}

/// What a checkpoint holds: the object, and the numbers of every storage by key.
type Parts<'a> = (Rc<Value>, HashMap<String, &'a [u8]>);

/// Converts a checkpoint to a safetensors file.
///
/// Shape: the tensors of the network alone; what only training needs is left out.
/// Range: the same input gives the same bytes on every machine.
/// Errors: see [`ModelError`].
pub fn import(checkpoint: &[u8], network: Network) -> Result<Vec<u8>, ModelError> {
    let is_archive = archive::is_archive(checkpoint);
    let (object, storages) = if is_archive { archive::read(checkpoint)? } else { legacy::read(checkpoint)? };
    let state = network.state(&object).ok_or_else(|| missing("the mapping of tensors"))?;
    let expected = network.tensors();
    let mut views = Vec::with_capacity(expected.len());
    for (name, shape) in &expected {
        let tensor = state.get(name).ok_or_else(|| missing(name))?;
        let bytes = stored(name, shape, tensor, &storages)?;
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        views.push((name, view.expect("the length was checked against the shape")));
    }
    Ok(safetensors::serialize(views, None).expect("names are single and offsets small"))
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
