//! Which tensors a Whisper model has: their names, shapes and storage, and where the importer finds them.

use super::{ModelError, Precision, quant::Format};

/// Width of one attention head in every Whisper model.
const HEAD_WIDTH: usize = 64;

/// Encoder positions: 30 s in steps of 20 ms.
const AUDIO_CTX: usize = 1500;

/// Decoder positions: prompt and text.
const TEXT_CTX: usize = 448;

/// Most layers on one side: Whisper large has 32.
pub(super) const LAYERS_MAX: usize = 32;

/// The sizes everything else follows from.
///
/// Range: what [`Dims::checked`] admits: the published multilingual sizes, tiny to large-v3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dims {
    /// Token ids, 51,865 or 51,866.
    pub vocab: usize,
    /// Encoder positions of 20 ms, 1,500.
    pub audio_ctx: usize,
    /// Width, a multiple of 64 up to 1,280; the same on both sides.
    pub state: usize,
    /// Encoder layers, 1 to 32.
    pub audio_layers: usize,
    /// Decoder positions, 448.
    pub text_ctx: usize,
    /// Decoder layers, 1 to 32.
    pub text_layers: usize,
    /// Mel bands, 80 or 128.
    pub mels: usize,
}

impl Dims {
    /// The sizes of Whisper base, multilingual.
    pub const BASE: Self = Self {
        vocab: 51_865,
        audio_ctx: 1500,
        state: 512,
        audio_layers: 6,
        text_ctx: 448,
        text_layers: 6,
        mels: 80,
    };

    /// Passes sizes of a multilingual Whisper model and refuses all others.
    ///
    /// Errors: [`ModelError::Size`] with the first size out of range.
    pub fn checked(self) -> Result<Self, ModelError> {
        let size = |what, found, fits: bool, expected| {
            if fits { Ok(()) } else { Err(ModelError::Size { what, found, expected }) }
        };
        let layers = 1..=LAYERS_MAX;
        let width_fits = self.state.is_multiple_of(HEAD_WIDTH) && (64..=1280).contains(&self.state);
        size(
            "vocabulary",
            self.vocab,
            [51_865, 51_866].contains(&self.vocab),
            "51865 or 51866 (multilingual)",
        )?;
        size("encoder positions", self.audio_ctx, self.audio_ctx == AUDIO_CTX, "1500")?;
        size("width", self.state, width_fits, "a multiple of 64 up to 1280")?;
        size("encoder layers", self.audio_layers, layers.contains(&self.audio_layers), "1 to 32")?;
        size("decoder positions", self.text_ctx, self.text_ctx == TEXT_CTX, "448")?;
        size("decoder layers", self.text_layers, layers.contains(&self.text_layers), "1 to 32")?;
        size("mel bands", self.mels, [80, 128].contains(&self.mels), "80 or 128")?;
        Ok(self)
    }

    /// Returns the attention heads of each layer.
    pub fn heads(self) -> usize {
        self.state / HEAD_WIDTH
    }
}

/// What kind of number a tensor holds; decides how it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A matrix of a linear layer or the token table: stored as the file's precision says.
    Matrix,
    /// A convolution kernel: f16 unless the file is f32.
    Conv,
    /// A bias, norm or position table: always f32.
    Plain,
}

impl Class {
    /// Returns how a file of `precision` stores this class.
    ///
    /// Source: whisper.cpp's loader, which builds its tensors by the same rule.
    pub fn format(self, precision: Precision) -> Format {
        self.format_beside(precision.format())
    }

    /// Returns how this class is stored in a file whose matrices have the format `matrices`.
    pub(super) fn format_beside(self, matrices: Format) -> Format {
        match self {
            Self::Matrix => matrices,
            Self::Conv if matrices == Format::F32 => Format::F32,
            Self::Conv => Format::F16,
            Self::Plain => Format::F32,
        }
    }
}

/// Where the importer finds a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Part `part` of `parts` equal runs of rows of a container variable.
    Rows {
        /// Name in the container.
        variable: String,
        /// Which run, from 0.
        part: usize,
        /// How many tensors the variable was fused from.
        parts: usize,
    },
    /// The encoder's sine and cosine table, computed.
    Sinusoids,
}

/// One tensor a model of the given sizes must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name in a ggml file.
    pub name: String,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// What it holds.
    pub class: Class,
    pub(super) origin: Origin,
}

impl TensorSpec {
    /// Counts the values.
    pub fn values(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Lists every tensor of a model in the order the importer writes them.
///
/// Shape: 11 + 15 per encoder layer + 24 per decoder layer; base has 245.
/// Range: `dims` has passed [`Dims::checked`].
/// Source: names as in whisper.cpp 1.8.3, `src/whisper-arch.h` and its loader.
pub fn tensors(dims: Dims) -> Vec<TensorSpec> {
    let mut list = List { width: dims.state, tensors: Vec::new() };
    list.convolution("1", [dims.state, dims.mels, 3]);
    list.convolution("2", [dims.state, dims.state, 3]);
    let positions = vec![dims.audio_ctx, dims.state];
    list.push("encoder.positional_embedding", positions, Class::Plain, Origin::Sinusoids);
    for layer in 0..dims.audio_layers {
        let (block, source) = (format!("encoder.blocks.{layer}"), format!("encoder/layer_{layer}"));
        list.self_attention(&block, &source);
        list.feed_forward(&block, &source);
    }
    list.norm("encoder.ln_post", "encoder/layer_norm");
    list.whole(
        "decoder.positional_embedding",
        "decoder/position_encodings/encodings",
        [dims.text_ctx, dims.state],
        Class::Plain,
    );
    list.whole(
        "decoder.token_embedding.weight",
        "decoder/embeddings/weight",
        [dims.vocab, dims.state],
        Class::Matrix,
    );
    for layer in 0..dims.text_layers {
        let (block, source) = (format!("decoder.blocks.{layer}"), format!("decoder/layer_{layer}"));
        list.self_attention(&block, &source);
        list.cross_attention(&block, &source);
        list.feed_forward(&block, &source);
    }
    list.norm("decoder.ln", "decoder/layer_norm");
    list.tensors
}

/// Lists the container's parts that Whisper does not have and that must hold zeros: biases of keys.
///
/// Shape: variable, part, parts, as in [`Origin::Rows`].
pub(super) fn key_biases(dims: Dims) -> Vec<(String, usize, usize)> {
    let encoder = (0..dims.audio_layers)
        .map(|layer| (format!("encoder/layer_{layer}/self_attention/linear_0/bias"), 1, 3));
    let decoder = (0..dims.text_layers).flat_map(|layer| {
        let own = (format!("decoder/layer_{layer}/self_attention/linear_0/bias"), 1, 3);
        [own, (format!("decoder/layer_{layer}/attention/linear_1/bias"), 0, 2)]
    });
    encoder.chain(decoder).collect()
}

/// The list while it grows.
struct List {
    width: usize,
    tensors: Vec<TensorSpec>,
}

impl List {
    fn push(&mut self, name: &str, shape: Vec<usize>, class: Class, origin: Origin) {
        self.tensors.push(TensorSpec { name: name.to_owned(), shape, class, origin });
    }

    fn whole<const N: usize>(&mut self, name: &str, variable: &str, shape: [usize; N], class: Class) {
        let origin = Origin::Rows { variable: variable.to_owned(), part: 0, parts: 1 };
        self.push(name, shape.to_vec(), class, origin);
    }

    fn convolution(&mut self, number: &str, shape: [usize; 3]) {
        self.whole(
            &format!("encoder.conv{number}.weight"),
            &format!("encoder/conv{number}/weight"),
            shape,
            Class::Conv,
        );
        // whisper.cpp adds this bias to a (time, channel) matrix and wants it as a column.
        let column = [shape[0], 1];
        self.whole(
            &format!("encoder.conv{number}.bias"),
            &format!("encoder/conv{number}/bias"),
            column,
            Class::Plain,
        );
    }

    fn norm(&mut self, name: &str, source: &str) {
        self.whole(&format!("{name}.weight"), &format!("{source}/gamma"), [self.width], Class::Plain);
        self.whole(&format!("{name}.bias"), &format!("{source}/beta"), [self.width], Class::Plain);
    }

    /// Adds a linear layer without bias: rows `part` of `parts` of `source`.
    fn weight(
        &mut self,
        name: &str,
        source: &str,
        [rows, columns]: [usize; 2],
        (part, parts): (usize, usize),
    ) {
        let origin = Origin::Rows { variable: format!("{source}/weight"), part, parts };
        self.push(&format!("{name}.weight"), vec![rows, columns], Class::Matrix, origin);
    }

    /// Adds a linear layer with bias: rows `part` of `parts` of `source`.
    fn linear(&mut self, name: &str, source: &str, shape: [usize; 2], (part, parts): (usize, usize)) {
        self.weight(name, source, shape, (part, parts));
        let origin = Origin::Rows { variable: format!("{source}/bias"), part, parts };
        self.push(&format!("{name}.bias"), vec![shape[0]], Class::Plain, origin);
    }

    fn self_attention(&mut self, block: &str, source: &str) {
        let (square, fused) = ([self.width; 2], format!("{source}/self_attention/linear_0"));
        self.norm(&format!("{block}.attn_ln"), &format!("{source}/self_attention/layer_norm"));
        self.linear(&format!("{block}.attn.query"), &fused, square, (0, 3));
        self.weight(&format!("{block}.attn.key"), &fused, square, (1, 3));
        self.linear(&format!("{block}.attn.value"), &fused, square, (2, 3));
        self.linear(
            &format!("{block}.attn.out"),
            &format!("{source}/self_attention/linear_1"),
            square,
            (0, 1),
        );
    }

    fn cross_attention(&mut self, block: &str, source: &str) {
        let (square, fused) = ([self.width; 2], format!("{source}/attention/linear_1"));
        self.norm(&format!("{block}.cross_attn_ln"), &format!("{source}/attention/layer_norm"));
        self.linear(
            &format!("{block}.cross_attn.query"),
            &format!("{source}/attention/linear_0"),
            square,
            (0, 1),
        );
        self.weight(&format!("{block}.cross_attn.key"), &fused, square, (0, 2));
        self.linear(&format!("{block}.cross_attn.value"), &fused, square, (1, 2));
        self.linear(
            &format!("{block}.cross_attn.out"),
            &format!("{source}/attention/linear_2"),
            square,
            (0, 1),
        );
    }

    fn feed_forward(&mut self, block: &str, source: &str) {
        let wide = 4 * self.width;
        self.norm(&format!("{block}.mlp_ln"), &format!("{source}/ffn/layer_norm"));
        self.linear(&format!("{block}.mlp.0"), &format!("{source}/ffn/linear_0"), [wide, self.width], (0, 1));
        self.linear(&format!("{block}.mlp.2"), &format!("{source}/ffn/linear_1"), [self.width, wide], (0, 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Dims = Dims::BASE;

    #[test]
    fn base_has_245_tensors_with_distinct_names() {
        let list = tensors(BASE);
        let names: std::collections::BTreeSet<_> = list.iter().map(|tensor| &tensor.name).collect();
        assert_eq!((list.len(), names.len()), (245, 245));
    }

    #[test]
    fn base_has_seventy_two_million_values() {
        // 72,593,920 parameters plus the 768,000 computed positions, as published: "74 M".
        assert_eq!(tensors(BASE).iter().map(TensorSpec::values).sum::<usize>(), 72_593_920);
    }

    #[test]
    fn large_v3_turbo_is_admitted() {
        let turbo = Dims { vocab: 51_866, state: 1280, audio_layers: 32, text_layers: 4, mels: 128, ..BASE };
        let checked = turbo.checked().expect("a published size");
        assert_eq!((checked.heads(), tensors(checked).len()), (20, 11 + 15 * 32 + 24 * 4));
    }

    #[test]
    fn sizes_no_whisper_model_has_are_refused() {
        let wrong = [
            Dims { vocab: 51_864, ..BASE },
            Dims { audio_ctx: 1499, ..BASE },
            Dims { state: 500, ..BASE },
            Dims { state: 1344, ..BASE },
            Dims { state: 0, ..BASE },
            Dims { audio_layers: 0, ..BASE },
            Dims { text_layers: 33, ..BASE },
            Dims { text_ctx: 449, ..BASE },
            Dims { mels: 81, ..BASE },
        ];
        for dims in wrong {
            assert!(matches!(dims.checked(), Err(ModelError::Size { .. })), "{dims:?}");
        }
        assert_eq!(BASE.checked().expect("base is a published size"), BASE);
    }
}
