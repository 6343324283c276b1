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

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a checkpoint with the given instructions for its object, and storages by key.
    fn checkpoint(object: &[u8], storages: &[(&str, &[f32])]) -> Vec<u8> {
        let mut file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
        file.extend_from_slice(object);
        file.extend_from_slice(b"\x80\x02]q\x00(");
        storages.iter().for_each(|(key, _)| file.extend(text(key)));
        file.extend_from_slice(b"e.");
        for (_, numbers) in storages {
            file.extend((numbers.len() as u64).to_le_bytes());
            file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        file
    }

    fn text(text: &str) -> Vec<u8> {
        [b"X", (text.len() as u32).to_le_bytes().as_slice(), text.as_bytes()].concat()
    }

    fn int(number: usize) -> Vec<u8> {
        [b"J", (number as u32).to_le_bytes().as_slice()].concat()
    }

    fn tuple(values: &[usize]) -> Vec<u8> {
        [b"(".to_vec(), values.iter().flat_map(|value| int(*value)).collect(), b"t".to_vec()].concat()
    }

    /// Writes the instructions that stand for a tensor, as torch does.
    fn tensor(key: &str, offset: usize, shape: &[usize], class: &str) -> Vec<u8> {
        let strides: Vec<usize> = (0..shape.len()).map(|at| shape[at + 1..].iter().product()).collect();
        [
            b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
            text("storage"),
            format!("ctorch\n{class}\n").into_bytes(),
            text(key),
            text("cpu"),
            b"K\x01NtQ".to_vec(),
            int(offset),
            tuple(shape),
            tuple(&strides),
            b"\x89ccollections\nOrderedDict\n)RtR".to_vec(),
        ]
        .concat()
    }

    /// Returns a whole checkpoint whose tensors lie one behind the other, and what its numbers are.
    fn whole() -> (Vec<u8>, Vec<f32>) {
        let mut state = b"\x80\x02}(".to_vec();
        state.extend(text("model_state"));
        state.extend(b"ccollections\nOrderedDict\n)R(");
        let mut offset = 0;
        for (name, shape) in TENSORS {
            state.extend(text(name));
            state.extend(tensor("a", offset, shape, "FloatStorage"));
            offset += shape.iter().product::<usize>();
        }
        state.extend(b"uu.");
        let numbers: Vec<f32> = (0..offset).map(|index| (index % 1000) as f32 * 1e-3).collect();
        (checkpoint(&state, &[("a", &numbers)]), numbers)
    }

    #[test]
    fn the_tensors_of_a_checkpoint_are_taken_over_to_the_bit() {
        let (checkpoint, numbers) = whole();
        let file = import_voice(&checkpoint).expect("it is whole");
        assert_eq!(file, import_voice(&checkpoint).expect("it is whole"));
        let tensors = safetensors::SafeTensors::deserialize(&file).expect("it was just written");
        assert_eq!(tensors.len(), TENSORS.len());
        let first = tensors.tensor("lstm.weight_ih_l0").expect("it is there");
        let wanted: Vec<u8> = numbers[..40 * 1024].iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!((first.shape(), first.data()), ([1024, 40].as_slice(), wanted.as_slice()));
    }

    #[test]
    fn a_checkpoint_that_is_cut_off_or_goes_on_is_refused() {
        let (mut checkpoint, _) = whole();
        for length in [0, 1, 20, 40, 500, 3_000, checkpoint.len() - 1] {
            assert!(import_voice(&checkpoint[..length]).is_err(), "the first {length} bytes were accepted");
        }
        checkpoint.push(0);
        assert!(matches!(import_voice(&checkpoint), Err(ModelError::Trailing { bytes: 1 })));
    }

    #[test]
    fn a_checkpoint_that_asks_to_call_something_is_refused_and_nothing_is_called() {
        for call in ["cos\nsystem\n", "cbuiltins\neval\n", "ctorch\nload\n"] {
            let object =
                [b"\x80\x02".to_vec(), call.as_bytes().to_vec(), b"(".to_vec(), text("id"), b"tR.".to_vec()];
            let error = import_voice(&checkpoint(&object.concat(), &[])).expect_err("it asks to call");
            assert!(matches!(&error, ModelError::Pickle(why) if why.contains("call")), "{error}");
        }
    }

    #[test]
    fn an_instruction_that_no_checkpoint_needs_is_refused() {
        for object in [
            b"\x80\x02}\x8c\x01a.".as_slice(),
            b"\x80\x02i.",
            b"\x80\x02}u.",
            b"\x80\x02R.",
            b"\x80\x02h\x05.",
        ] {
            assert!(import_voice(&checkpoint(object, &[])).is_err(), "{object:?}");
        }
    }

    #[test]
    fn numbers_that_are_missing_misplaced_or_no_numbers_are_refused() {
        let state = |tensor: Vec<u8>| {
            let name = text("model_state");
            [b"\x80\x02}".to_vec(), name, b"}".to_vec(), text("lstm.weight_ih_l0"), tensor, b"ss.".to_vec()]
                .concat()
        };
        let many = vec![0.5; 40 * 1024];
        let refused = |tensor: Vec<u8>, numbers: &[f32]| {
            import_voice(&checkpoint(&state(tensor), &[("a", numbers)])).expect_err("it is wrong").to_string()
        };
        let shape = [1024, 40];
        assert!(refused(tensor("b", 0, &shape, "FloatStorage"), &many).contains("missing"));
        assert!(refused(tensor("a", 0, &shape, "HalfStorage"), &many).contains("missing"));
        assert!(refused(tensor("a", 1, &shape, "FloatStorage"), &many).contains("bytes"));
        assert!(refused(tensor("a", 0, &[40, 1024], "FloatStorage"), &many).contains("shape"));
        let mut broken = many.clone();
        broken[7] = f32::NAN;
        assert!(refused(tensor("a", 0, &shape, "FloatStorage"), &broken).contains("finite"));
        // The first tensor is right; the second is missing.
        assert!(refused(tensor("a", 0, &shape, "FloatStorage"), &many).contains("lstm.weight_hh_l0"));
    }
}
