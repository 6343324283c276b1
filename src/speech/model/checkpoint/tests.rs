//! Checkpoints made by hand, whole and damaged.

use super::*;
use crate::speech::voice::weights::TENSORS;

fn import_voice(checkpoint: &[u8]) -> Result<Vec<u8>, ModelError> {
    import(checkpoint, Network::Ge2e)
}

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
    for object in
        [b"\x80\x02}\x8c\x01a.".as_slice(), b"\x80\x02i.", b"\x80\x02}u.", b"\x80\x02R.", b"\x80\x02h\x05."]
    {
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

/// Writes a zip file that packs nothing, as torch does: heads without sizes, then a table.
fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut archive, mut table) = (Vec::new(), Vec::new());
    let number = |bytes: &[u8]| (bytes.len() as u32).to_le_bytes();
    for (name, contents) in files {
        let place = number(&archive);
        archive.extend(b"PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        archive.extend([(name.len() as u16).to_le_bytes(), 4_u16.to_le_bytes()].concat());
        archive.extend([name.as_bytes(), b"FB\0\0", contents].concat());
        table.extend(b"PK\x01\x02\0\0\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0");
        table.extend([number(contents), number(contents)].concat());
        table.extend((name.len() as u16).to_le_bytes());
        table.extend([0; 12]);
        table.extend([place.as_slice(), name.as_bytes()].concat());
    }
    let (place, length, count) = (number(&archive), number(&table), (files.len() as u16).to_le_bytes());
    archive.extend(table);
    archive.extend([b"PK\x05\x06\0\0\0\0".as_slice(), &count, &count, &length, &place, b"\0\0"].concat());
    archive
}

/// Writes the object of a checkpoint whose tensors each have a storage; what only training knows is in it, too.
fn object(network: Network, change: impl Fn(&str, Vec<usize>) -> Vec<usize>) -> Vec<u8> {
    let mut object = b"\x80\x02}(".to_vec();
    if network == Network::Segmentation3 {
        object.extend(text("pyannote.audio"));
        object.extend(b"cpyannote.audio.core.task\nSpecifications\n)\x81}");
        object.extend(text("problem"));
        object.extend(b"cpyannote.audio.core.task\nProblem\nK\x01\x85RsbX\x0a\0\0\0state_dict}(");
    }
    for (name, shape) in network.tensors() {
        object.extend(text(&name));
        object.extend(tensor(&name, 0, &change(&name, shape), "FloatStorage"));
    }
    object.extend(text("head.bn1.num_batches_tracked"));
    object.extend(tensor("count", 0, &[], "LongStorage"));
    object.extend(if network == Network::Segmentation3 { b"uu.".as_slice() } else { b"u." });
    object
}

/// Returns the files of an archive for a network, whose numbers tell the tensors apart.
fn archived(network: Network) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![("archive/data.pkl".to_owned(), object(network, |_, shape| shape))];
    for (index, (name, shape)) in network.tensors().into_iter().enumerate() {
        let numbers = (0..shape.iter().product()).map(|at: usize| (index * 3 + at % 7) as f32 * 1e-3);
        files.push((format!("archive/data/{name}"), numbers.flat_map(f32::to_le_bytes).collect()));
    }
    files.push(("archive/data/count".to_owned(), vec![1; 8]));
    files.push(("archive/version".to_owned(), b"3\n".to_vec()));
    files
}

#[test]
fn the_tensors_of_an_archive_are_taken_over_to_the_bit_and_counters_are_left_out() {
    for network in [Network::Segmentation3, Network::Campplus] {
        let files = archived(network);
        let made = import(&zip(&files), network).expect("it is whole");
        let tensors = safetensors::SafeTensors::deserialize(&made).expect("it was just written");
        assert_eq!(tensors.len(), network.tensors().len());
        for ((name, shape), (_, numbers)) in network.tensors().iter().zip(&files[1..]) {
            let tensor = tensors.tensor(name).expect("it is there");
            assert_eq!((tensor.shape(), tensor.data()), (shape.as_slice(), numbers.as_slice()), "{name}");
        }
    }
}

#[test]
fn an_archive_that_is_cut_off_goes_on_or_is_packed_is_refused() {
    let network = Network::Segmentation3;
    let mut archive = zip(&archived(network));
    for length in [4, 21, 22, 23, 1_000, archive.len() / 2, archive.len() - 1] {
        assert!(import(&archive[..length], network).is_err(), "the first {length} bytes were accepted");
    }
    let table = archive.windows(4).position(|four| four == b"PK\x01\x02").expect("it has a table");
    // The method, the flag of encryption, the size, the place of the first file.
    for (place, value) in [(10, 8), (8, 9), (27, 0x7f), (44, 0x7f), (0, 0)] {
        let mut damaged = archive.clone();
        damaged[table + place] = value;
        assert!(import(&damaged, network).is_err(), "byte {place} of the table");
    }
    archive.push(0);
    assert!(matches!(import(&archive, network), Err(ModelError::Cut { .. })));
}

#[test]
fn an_archive_with_an_instruction_or_a_call_that_is_not_known_is_refused() {
    let network = Network::Segmentation3;
    for wrong in [b"\x80\x02\x95.".as_slice(), b"\x80\x02cos\nsystem\n)R.", b"\x80\x02cos\nsystem\n)\x81."] {
        let mut files = archived(network);
        files[0].1 = wrong.to_vec();
        assert!(matches!(import(&zip(&files), network), Err(ModelError::Pickle(_))), "{wrong:?}");
    }
    let mut files = archived(network);
    files[0].1.push(b'.');
    assert!(matches!(import(&zip(&files), network), Err(ModelError::Trailing { bytes: 1 })));
}

#[test]
fn an_archive_with_a_tensor_of_another_shape_or_without_numbers_is_refused() {
    let network = Network::Segmentation3;
    let mut files = archived(network);
    let turned = |name: &str, mut shape: Vec<usize>| {
        if name == "linear.0.weight" {
            shape.reverse();
        }
        shape
    };
    files[0].1 = object(network, turned);
    assert!(matches!(import(&zip(&files), network), Err(ModelError::Shape { .. })));
    let mut files = archived(network);
    files[5].1.pop();
    assert!(matches!(import(&zip(&files), network), Err(ModelError::Length { .. })));
    let mut files = archived(network);
    files.remove(7);
    assert!(matches!(import(&zip(&files), network), Err(ModelError::Missing { .. })));
    let mut files = archived(network);
    files.push(files[3].clone());
    assert!(matches!(import(&zip(&files), network), Err(ModelError::Duplicate { .. })));
}
