//! A made-up model of the smallest size goes through the importer; damaged ones are refused by name.

use sha2::{Digest, Sha256};

use super::quant::{Format, bf16_from_f32, f16_from_f32, f32_from_f16};
use super::*;

const WIDTH: usize = 64;
pub(super) const DIMS: Dims = Dims {
    vocab: 51_865,
    audio_ctx: 1500,
    state: WIDTH,
    audio_layers: 1,
    text_ctx: 448,
    text_layers: 1,
    mels: 80,
};

/// One entry of a container in the making.
#[derive(Clone)]
pub(super) struct Entry {
    name: String,
    shape: Vec<u32>,
    code: u8,
    data: Vec<u8>,
}

/// Builds a container's parts; `seed` makes the weights.
struct Maker {
    entries: Vec<Entry>,
    stored: Format,
    seed: u32,
}

impl Maker {
    fn code(&self) -> u8 {
        match self.stored {
            Format::F32 => 0,
            Format::Bf16 => 5,
            _ => 4,
        }
    }

    fn add(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let mut data = Vec::new();
        self.stored.encode(values, &mut data);
        let shape = shape.iter().map(|size| *size as u32).collect();
        self.entries.push(Entry { name: name.to_owned(), shape, code: self.code(), data });
    }

    /// Adds weights in [-1, 1) with a few subnormal halves among them.
    fn weights(&mut self, name: &str, shape: &[usize]) {
        let mut values = Vec::new();
        for index in 0..shape.iter().product() {
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f32::from((self.seed >> 16) as i16) / 32_768.0;
            values.push(if index % 1_000 == 999 { value / 65_536.0 } else { value });
        }
        self.add(name, shape, &values);
    }

    fn linear(&mut self, name: &str, rows: usize, columns: usize) {
        self.weights(&format!("{name}/weight"), &[rows, columns]);
        self.weights(&format!("{name}/bias"), &[rows]);
    }

    /// Adds a fused layer whose bias is zero in one of its parts.
    fn fused(&mut self, name: &str, parts: usize, key: usize) {
        self.linear(name, parts * WIDTH, WIDTH);
        let bytes = self.stored.bytes(WIDTH).expect("a whole number of bytes");
        let bias = self.entries.last_mut().expect("the bias was just added");
        bias.data[key * bytes..(key + 1) * bytes].fill(0);
    }

    fn norm(&mut self, name: &str) {
        self.weights(&format!("{name}/gamma"), &[WIDTH]);
        self.weights(&format!("{name}/beta"), &[WIDTH]);
    }

    fn setting(&mut self, name: &str, data: &[u8]) {
        self.entries.push(Entry {
            name: name.to_owned(),
            shape: vec![],
            code: data.len() as u8,
            data: data.to_vec(),
        });
    }

    fn side(&mut self, side: &str) {
        self.setting(&format!("{side}/num_heads"), &[1, 0]);
        self.norm(&format!("{side}/layer_norm"));
        let layer = format!("{side}/layer_0");
        self.fused(&format!("{layer}/self_attention/linear_0"), 3, 1);
        self.linear(&format!("{layer}/self_attention/linear_1"), WIDTH, WIDTH);
        self.norm(&format!("{layer}/self_attention/layer_norm"));
        self.linear(&format!("{layer}/ffn/linear_0"), 4 * WIDTH, WIDTH);
        self.linear(&format!("{layer}/ffn/linear_1"), WIDTH, 4 * WIDTH);
        self.norm(&format!("{layer}/ffn/layer_norm"));
    }
}

/// Makes the entries of the smallest model, its weights stored as `stored`.
pub(super) fn made_up(stored: Format) -> Vec<Entry> {
    let mut maker = Maker { entries: Vec::new(), stored, seed: 1 };
    maker.setting("decoder/activation", &[3]);
    maker.setting("decoder/alignment_layer", &[255, 255]);
    maker.side("encoder");
    maker.weights("encoder/conv1/weight", &[WIDTH, 80, 3]);
    maker.weights("encoder/conv1/bias", &[WIDTH]);
    maker.weights("encoder/conv2/weight", &[WIDTH, WIDTH, 3]);
    maker.weights("encoder/conv2/bias", &[WIDTH]);
    maker.add("encoder/position_encodings/encodings", &[1500, WIDTH], &sinusoids(DIMS));
    maker.side("decoder");
    maker.linear("decoder/layer_0/attention/linear_0", WIDTH, WIDTH);
    maker.fused("decoder/layer_0/attention/linear_1", 2, 0);
    maker.linear("decoder/layer_0/attention/linear_2", WIDTH, WIDTH);
    maker.norm("decoder/layer_0/attention/layer_norm");
    maker.weights("decoder/position_encodings/encodings", &[448, WIDTH]);
    maker.weights("decoder/embeddings/weight", &[51_865, WIDTH]);
    maker.entries
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16 + 1).to_le_bytes());
    out.extend(text.as_bytes());
    out.push(0);
}

/// Writes entries as a container; returns where each entry begins, too.
fn container(entries: &[Entry]) -> (Vec<u8>, Vec<usize>) {
    let mut out = 6_u32.to_le_bytes().to_vec();
    text(&mut out, "WhisperSpec");
    out.extend(3_u32.to_le_bytes());
    out.extend((entries.len() as u32).to_le_bytes());
    let mut starts = Vec::new();
    for entry in entries {
        starts.push(out.len());
        text(&mut out, &entry.name);
        out.push(entry.shape.len() as u8);
        entry.shape.iter().for_each(|size| out.extend(size.to_le_bytes()));
        out.push(entry.code);
        out.extend((entry.data.len() as u32).to_le_bytes());
        out.extend(&entry.data);
    }
    starts.push(out.len());
    out.extend(1_u32.to_le_bytes());
    text(&mut out, "decoder/projection/weight");
    text(&mut out, "decoder/embeddings/weight");
    (out, starts)
}

/// Makes a vocabulary of single bytes and invented words.
fn tokenizer_json() -> Vec<u8> {
    let mut hidden = 0x100_u32..;
    let mut vocab = serde_json::Map::new();
    for byte in 0..=255_u8 {
        let visible = matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
        let code = if visible { u32::from(byte) } else { hidden.next().expect("endless") };
        vocab.insert(char::from_u32(code).expect("below U+0200").to_string(), byte.into());
    }
    for id in 256..50_256 {
        vocab.insert(format!("w{id}"), id.into());
    }
    vocab.insert(String::new(), 50_256.into());
    serde_json::json!({ "model": { "vocab": vocab } }).to_string().into_bytes()
}

pub(super) fn imported(entries: &[Entry], precision: Precision) -> Result<Vec<u8>, ModelError> {
    let mut file = Vec::new();
    import(&container(entries).0, &tokenizer_json(), precision, &mut file).map(|_| file)
}

fn refusal(entries: &[Entry]) -> ModelError {
    imported(entries, Precision::Bf16).expect_err("a changed container must be refused")
}

fn entry<'e>(entries: &'e mut [Entry], name: &str) -> &'e mut Entry {
    entries.iter_mut().find(|entry| entry.name == name).expect("a name of made_up")
}

#[test]
fn the_same_container_gives_the_same_file_for_ever() {
    let entries = made_up(Format::F16);
    let golden = [
        (Precision::F32, "4cfed2f4fa5e48924001436d0bc09a8c96de5008a1c0e424d7d918eeaf9f57a0"),
        (Precision::F16, "02f5b2ca5959fcb93d0641a20cf370438ffb29abe82471b83c2de2163b7f0ffd"),
        (Precision::Bf16, "1502a5da56527150481490d4dc2e785050e452e93b2a337a28b8d50fd1b8a6a5"),
        (Precision::Q8_0, "9d123e66e74e4bf8b8ceb42196b76687ce5de2b14323e7c8c91d485ee5240d13"),
    ];
    for (precision, expected) in golden {
        let file = imported(&entries, precision).expect("the made-up model is whole");
        let sha256: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sha256, expected, "{precision:?}");
    }
}

#[test]
fn every_tensor_read_back_is_the_source_after_the_declared_rounding() {
    let entries = made_up(Format::F16);
    for precision in [Precision::F32, Precision::F16, Precision::Bf16, Precision::Q8_0] {
        let file = imported(&entries, precision).expect("the made-up model is whole");
        let model = ggml::Model::read(&file).expect("what the importer writes can be read");
        assert_eq!(model.dims, DIMS);
        for spec in layout::tensors(DIMS) {
            let Origin::Rows { variable, part, parts } = &spec.origin else { continue };
            let source = &entries.iter().find(|entry| entry.name == *variable).expect("it was read").data;
            let halves: Vec<f32> =
                source.as_chunks().0.iter().map(|two| f32_from_f16(u16::from_le_bytes(*two))).collect();
            let own = &halves[part * spec.values()..][..spec.values()];
            assert_eq!(halves.len(), parts * spec.values());
            assert_rounded(&model.tensor(&spec.name).expect("the layout names it"), own, &spec.name);
        }
    }
}

/// Says by hand what each format may do to a value, without the encoder under test.
fn assert_rounded(tensor: &ggml::Tensor<'_>, source: &[f32], name: &str) {
    let values = tensor.values().expect("a format the importer writes");
    assert_eq!(values.len(), source.len(), "{name}");
    for (block, source) in values.chunks(32).zip(source.chunks(32)) {
        let largest = source.iter().fold(0_f32, |largest, value| largest.max(value.abs()));
        for (value, source) in block.iter().zip(source) {
            let error_max = match tensor.format {
                Format::F32 | Format::F16 => 0.0,
                Format::Bf16 => source.abs() / 256.0,
                _ => largest / 127.0 * 0.57 + 1e-7,
            };
            assert!((value - source).abs() <= error_max, "{name}: {value} from {source}");
        }
    }
}

#[test]
fn the_file_carries_filters_positions_and_vocabulary() {
    let file = imported(&made_up(Format::F16), Precision::Bf16).expect("the made-up model is whole");
    let model = ggml::Model::read(&file).expect("what the importer writes can be read");
    assert_eq!(model.filters, mel::filterbank(80));
    assert_eq!((model.vocabulary.len(), model.vocabulary[50_256]), (50_257, &[][..]));
    assert_eq!([model.vocabulary[0x20], model.vocabulary[300]], [&b" "[..], b"w300"]);
    let positions = model.tensor("encoder.positional_embedding").expect("the layout names it");
    assert_eq!(positions.values().expect("plain numbers"), sinusoids(DIMS));
}

#[test]
fn all_three_ways_to_store_a_source_are_read() {
    for stored in [Format::F32, Format::Bf16] {
        let file = imported(&made_up(stored), Precision::F16).expect("the made-up model is whole");
        let model = ggml::Model::read(&file).expect("what the importer writes can be read");
        let first = model.tensor("encoder.conv1.weight").expect("the layout names it").data[..2].to_vec();
        let value =
            made_up(Format::F32).iter().find(|it| it.name == "encoder/conv1/weight").expect("made").data[..4]
                .try_into()
                .map(f32::from_le_bytes)
                .expect("four bytes");
        let stored_value =
            if stored == Format::F32 { value } else { f32::from_bits(u32::from(bf16_from_f32(value)) << 16) };
        assert_eq!(first, f16_from_f32(stored_value).to_le_bytes());
    }
}

#[test]
fn a_container_cut_anywhere_is_refused_as_cut() {
    let (bytes, starts) = container(&made_up(Format::F16));
    let near_starts = starts.iter().flat_map(|start| start - 2..start + 40);
    let steps = (0..bytes.len()).step_by(1_009);
    for length in (0..2_000).chain(near_starts).chain(steps).chain(bytes.len() - 80..bytes.len()) {
        let found = Container::read(&bytes[..length]).expect_err("a part of a container");
        assert!(matches!(found, ModelError::Cut { .. }), "{length}: {found}");
    }
}

#[test]
fn a_container_with_any_byte_of_its_structure_changed_never_panics() {
    let (mut bytes, starts) = container(&made_up(Format::F16));
    for place in starts.iter().flat_map(|start| *start..start + 60).chain(0..30) {
        for change in [0xff, 0x01, 0x80] {
            let Some(byte) = bytes.get_mut(place) else { continue };
            *byte ^= change;
            let _ = Container::read(&bytes);
            bytes[place] ^= change;
        }
    }
    assert!(Container::read(&bytes).is_ok());
}

#[test]
fn a_container_of_another_kind_is_refused_by_what_differs() {
    let (bytes, _) = container(&made_up(Format::F16));
    let changed = |place: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[place] = byte;
        Container::read(&bytes).expect_err("it is another kind")
    };
    assert!(matches!(changed(0, 5), ModelError::ContainerVersion { found: 5 }));
    assert!(matches!(changed(6, b'w'), ModelError::Specification { .. }));
    assert!(matches!(changed(6, 0xff), ModelError::Text { .. }));
    assert!(matches!(changed(18, 4), ModelError::Revision { found: 4 }));
    assert!(matches!(changed(24, 0xff), ModelError::TooMany { .. }));
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(Container::read(&longer), Err(ModelError::Trailing { bytes: 1 })));
}

#[test]
fn each_tensor_missing_is_told_by_name() {
    let entries = made_up(Format::F16);
    for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.shape.is_empty()) {
        let mut fewer = entries.clone();
        fewer.remove(index);
        let found = Container::read(&container(&fewer).0).expect_err("a tensor is missing");
        // Without the first layer there is no layer at all.
        let named = matches!(&found, ModelError::Missing { name } if *name == entry.name);
        assert!(
            named || matches!(found, ModelError::Size { found: 0, .. } | ModelError::Missing { .. }),
            "{found}"
        );
    }
}

#[test]
fn each_tensor_of_another_shape_is_refused() {
    let entries = made_up(Format::F16);
    for index in (0..entries.len()).filter(|index| !entries[*index].shape.is_empty()) {
        let mut other = entries.clone();
        other[index].shape.push(1);
        let found = Container::read(&container(&other).0).expect_err("a shape is wrong");
        assert!(matches!(found, ModelError::Shape { .. } | ModelError::Rank { .. }), "{found}");
    }
}

#[test]
fn damage_that_keeps_the_structure_is_refused_by_name() {
    let mut int8 = made_up(Format::F16);
    let weight = entry(&mut int8, "decoder/layer_0/ffn/linear_0/weight");
    (weight.code, weight.data) = (1, vec![0; weight.data.len() / 2]);
    assert!(matches!(refusal(&int8), ModelError::Quantised { name } if name.ends_with("linear_0/weight")));

    let mut scaled = made_up(Format::F16);
    let scale =
        Entry { name: "decoder/embeddings/weight_scale".into(), shape: vec![1], code: 0, data: vec![0; 4] };
    scaled.push(scale);
    assert!(matches!(refusal(&scaled), ModelError::Quantised { .. }));

    let mut stray = made_up(Format::F16);
    stray.push(Entry { name: "decoder/projection/bias".into(), shape: vec![1], code: 0, data: vec![0; 4] });
    assert!(matches!(refusal(&stray), ModelError::Unexpected { .. }));

    let mut twice = made_up(Format::F16);
    twice.push(twice[0].clone());
    assert!(matches!(refusal(&twice), ModelError::Duplicate { .. }));

    let mut heads = made_up(Format::F16);
    entry(&mut heads, "decoder/num_heads").data = vec![2, 0];
    assert!(matches!(refusal(&heads), ModelError::Setting { found: Some(2), expected: 1, .. }));

    let mut kind = made_up(Format::F16);
    entry(&mut kind, "encoder/conv1/bias").code = 9;
    assert!(matches!(refusal(&kind), ModelError::DataType { found: 9, .. }));
}

#[test]
fn sizes_that_overflow_are_refused_before_anything_is_allocated() {
    let mut huge = made_up(Format::F16);
    entry(&mut huge, "decoder/embeddings/weight").shape = vec![u32::MAX; 4];
    assert!(matches!(refusal(&huge), ModelError::Length { .. }));
    entry(&mut huge, "decoder/embeddings/weight").shape = vec![1; 200];
    assert!(matches!(refusal(&huge), ModelError::TooMany { .. }));
}

#[test]
fn weights_whisper_does_not_have_are_refused() {
    let mut keys = made_up(Format::F16);
    entry(&mut keys, "decoder/layer_0/attention/linear_1/bias").data[1] = 0x3c;
    assert!(matches!(refusal(&keys), ModelError::KeyBias { largest: 1.0, .. }));

    let mut positions = made_up(Format::F16);
    entry(&mut positions, ENCODER_POSITIONS).data[..2].copy_from_slice(&[0, 0x3c]);
    assert!(matches!(refusal(&positions), ModelError::Positions { .. }));

    let mut endless = made_up(Format::F16);
    entry(&mut endless, "decoder/embeddings/weight").data[..2].copy_from_slice(&[0, 0x7c]);
    assert!(
        matches!(refusal(&endless), ModelError::NotFinite { name } if name == "decoder.token_embedding.weight")
    );

    let mut too_large = made_up(Format::F32);
    entry(&mut too_large, "encoder/conv1/weight").data[..4].copy_from_slice(&70_000_f32.to_le_bytes());
    assert!(matches!(refusal(&too_large), ModelError::NotFinite { name } if name == "encoder.conv1.weight"));
}

#[test]
fn an_output_that_fails_is_told() {
    struct FullDisk(usize);
    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let bytes = container(&made_up(Format::F16)).0;
    let found = import(&bytes, &tokenizer_json(), Precision::Bf16, FullDisk(1 << 20));
    assert!(
        matches!(found, Err(ModelError::Write(error)) if error.kind() == std::io::ErrorKind::StorageFull)
    );
}
