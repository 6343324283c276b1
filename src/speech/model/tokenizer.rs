//! Whisper's vocabulary: text to tokens, tokens to bytes, and the ids that are no text.

use std::collections::HashMap;

use super::ModelError;

/// Text tokens of every multilingual Whisper model; the ids behind them are special.
pub const TEXT_TOKENS: usize = 50_257;

/// Most bytes of one token: the longest of Whisper has 33.
const TOKEN_BYTES_MAX: usize = 256;

/// Bytes that are split off a word too long to be one, so that work stays bounded.
const WORD_BYTES_MAX: usize = 2_048;

/// Whisper's languages in the order of their ids. Source: Whisper's tokenizer; `yue` came with large-v3.
pub const LANGUAGES: [&str; 100] = [
    "en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl", "ca", "nl", "ar", "sv", "it", "id",
    "hi", "fi", "vi", "he", "uk", "el", "ms", "cs", "ro", "da", "hu", "ta", "no", "th", "ur", "hr", "bg",
    "lt", "la", "mi", "ml", "cy", "sk", "te", "fa", "lv", "bn", "sr", "az", "sl", "kn", "et", "mk", "br",
    "eu", "is", "hy", "ne", "mn", "bs", "kk", "sq", "sw", "gl", "mr", "pa", "si", "km", "sn", "yo", "so",
    "af", "oc", "ka", "be", "tg", "sd", "gu", "am", "yi", "lo", "uz", "fo", "ht", "ps", "tk", "nn", "mt",
    "sa", "lb", "my", "bo", "tl", "mg", "as", "tt", "haw", "ln", "ha", "ba", "jw", "su", "yue",
];

/// The ids that are no text.
///
/// Range: everything from `translate` up moves by one with the hundredth language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Specials {
    /// End of the text.
    pub eot: u32,
    /// Start of a transcript.
    pub sot: u32,
    /// Task: translate into English.
    pub translate: u32,
    /// Task: write what was said.
    pub transcribe: u32,
    /// Start of a language model prompt; unused.
    pub start_of_lm: u32,
    /// Start of what was said before, the prompt.
    pub start_of_prev: u32,
    /// Nobody speaks.
    pub no_speech: u32,
    /// Write no timestamps.
    pub no_timestamps: u32,
    /// Timestamp 0.00 s; each id behind it is 20 ms later.
    pub first_timestamp: u32,
    /// How many of [`LANGUAGES`] the model knows, 99 or 100.
    pub languages: u32,
}

impl Specials {
    /// Derives the ids from the size of the vocabulary.
    ///
    /// Errors: [`ModelError::Vocabulary`] unless it is 51,865 or 51,866.
    pub fn of_vocabulary(size: usize) -> Result<Self, ModelError> {
        let languages = match size {
            51_865 => 99,
            51_866 => 100,
            _ => return Err(ModelError::Vocabulary(format!("{size} ids, expected 51865 or 51866"))),
        };
        let eot = TEXT_TOKENS as u32;
        let translate = eot + 2 + languages;
        Ok(Self {
            eot,
            sot: eot + 1,
            translate,
            transcribe: translate + 1,
            start_of_lm: translate + 2,
            start_of_prev: translate + 3,
            no_speech: translate + 4,
            no_timestamps: translate + 5,
            first_timestamp: translate + 6,
            languages,
        })
    }

    /// Returns the id of a language of this model, by its code.
    pub fn language(self, code: &str) -> Option<u32> {
        let index = LANGUAGES.iter().position(|known| *known == code)? as u32;
        (index < self.languages).then_some(self.sot + 1 + index)
    }

    /// Returns the code of a language by its id.
    pub fn language_code(self, id: u32) -> Option<&'static str> {
        let index = id.checked_sub(self.sot + 1)?;
        (index < self.languages).then(|| LANGUAGES[index as usize])
    }
}

/// The part of a `tokenizer.json` that holds the vocabulary.
#[derive(serde::Deserialize)]
struct TokenizerJson {
    model: VocabularyJson,
}

#[derive(serde::Deserialize)]
struct VocabularyJson {
    vocab: HashMap<String, u32>,
}

/// Reads the text tokens of a published `tokenizer.json`.
///
/// Shape: [`TEXT_TOKENS`] tokens by id; the last is empty, as in every multilingual model.
/// Errors: [`ModelError::Vocabulary`] if the file is damaged or an id below that is missing.
pub fn vocabulary_from_json(json: &[u8]) -> Result<Vec<Vec<u8>>, ModelError> {
    let refused = |reason: String| ModelError::Vocabulary(reason);
    let parsed: TokenizerJson = serde_json::from_slice(json).map_err(|error| refused(error.to_string()))?;
    let bytes_of = bytes_of_characters();
    let mut vocabulary = vec![None; TEXT_TOKENS];
    for (text, id) in parsed.model.vocab {
        let Some(slot) = vocabulary.get_mut(id as usize) else { continue };
        let bytes: Option<Vec<u8>> =
            text.chars().map(|character| bytes_of.get(&character).copied()).collect();
        let bytes = bytes.ok_or_else(|| refused(format!("token {id} is not in GPT-2's byte alphabet")))?;
        if bytes.len() > TOKEN_BYTES_MAX {
            return Err(refused(format!(
                "token {id} has {} bytes, at most {TOKEN_BYTES_MAX} are allowed",
                bytes.len()
            )));
        }
        if slot.replace(bytes).is_some() {
            return Err(refused(format!("id {id} appears twice")));
        }
    }
    let missing = |id: usize| refused(format!("id {id} is missing"));
    vocabulary.into_iter().enumerate().map(|(id, bytes)| bytes.ok_or_else(|| missing(id))).collect()
}

/// Inverts GPT-2's alphabet, in which every byte is a visible character.
///
/// Source: GPT-2's encoder: printable bytes stand for themselves, the other 68 for U+0100 and up, in order.
fn bytes_of_characters() -> HashMap<char, u8> {
    let mut hidden = 0x100..;
    let mut character = |byte: u8| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        _ => hidden.next().and_then(char::from_u32).expect("68 code points from U+0100 are characters"),
    };
    (0..=u8::MAX).map(|byte| (character(byte), byte)).collect()
}

/// Turns prompt text into tokens and tokens back into bytes.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    vocabulary: Vec<Box<[u8]>>,
    ids: HashMap<Box<[u8]>, u32>,
    specials: Specials,
}

impl Tokenizer {
    /// Takes the text tokens of a model by id, and the size of its whole vocabulary.
    ///
    /// Errors: [`ModelError::Vocabulary`] if there are fewer than [`TEXT_TOKENS`], or a byte has no token.
    pub fn new<T: AsRef<[u8]>>(tokens: &[T], size: usize) -> Result<Self, ModelError> {
        let specials = Specials::of_vocabulary(size)?;
        let tokens = tokens.get(..TEXT_TOKENS).ok_or_else(|| {
            ModelError::Vocabulary(format!("{} text tokens, expected {TEXT_TOKENS}", tokens.len()))
        })?;
        let vocabulary: Vec<Box<[u8]>> = tokens.iter().map(|token| Box::from(token.as_ref())).collect();
        let mut ids = HashMap::with_capacity(vocabulary.len());
        for (id, token) in (0_u32..).zip(&vocabulary) {
            // The first of two equal tokens is the one that merging makes.
            ids.entry(token.clone()).or_insert(id);
        }
        match (0..=u8::MAX).find(|byte| !ids.contains_key([*byte].as_slice())) {
            Some(byte) => Err(ModelError::Vocabulary(format!("byte {byte:#04x} has no token"))),
            None => Ok(Self { vocabulary, ids, specials }),
        }
    }

    /// Returns the ids that are no text.
    pub fn specials(&self) -> Specials {
        self.specials
    }

    /// Returns the bytes of a text token: not always whole characters, so join before decoding UTF-8.
    ///
    /// Range: `None` for special tokens, timestamps and ids outside the vocabulary.
    pub fn bytes(&self, id: u32) -> Option<&[u8]> {
        self.vocabulary.get(id as usize).map(AsRef::as_ref)
    }

    /// Encodes text as the model was taught; text that looks like a special token stays text.
    ///
    /// Range: a word of more than 2,048 bytes is cut there first: other tokens at the cut, the same bytes.
    /// Source: byte-level BPE of GPT-2. The file has no merges, but a merge's rank is the order of the ids it
    /// makes, so merging the pair with the lowest id is the same.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        for word in words(text) {
            for bytes in word.as_bytes().chunks(WORD_BYTES_MAX) {
                self.encode_word(bytes, &mut tokens);
            }
        }
        tokens
    }

    fn encode_word(&self, bytes: &[u8], tokens: &mut Vec<u32>) {
        // Starts of the parts, closed by the word's end; `ranks[i]` belongs to parts i and i + 1 together.
        let mut starts: Vec<usize> = (0..=bytes.len()).collect();
        let rank = |starts: &[usize], part: usize| -> Option<u32> {
            let end = *starts.get(part + 2)?;
            self.ids.get(&bytes[starts[part]..end]).copied()
        };
        let mut ranks: Vec<Option<u32>> = (0..bytes.len()).map(|part| rank(&starts, part)).collect();
        while let Some((part, _)) = lowest(&ranks) {
            starts.remove(part + 1);
            ranks.remove(part + 1);
            ranks[part] = rank(&starts, part);
            if let Some(before) = part.checked_sub(1) {
                ranks[before] = rank(&starts, before);
            }
        }
        let part_ids = starts.windows(2).map(|ends| self.ids[&bytes[ends[0]..ends[1]]]);
        tokens.extend(part_ids);
    }
}

/// Finds the pair to merge next: the lowest id, the leftmost of equals.
fn lowest(ranks: &[Option<u32>]) -> Option<(usize, u32)> {
    let known = ranks.iter().enumerate().filter_map(|(part, rank)| rank.map(|rank| (part, rank)));
    known.min_by_key(|(part, rank)| (*rank, *part))
}

/// What GPT-2's pattern tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Number,
    Space,
    Other,
}

impl Kind {
    fn of(character: char) -> Self {
        if character.is_whitespace() {
            Self::Space
        } else if character.is_numeric() {
            Self::Number
        } else if is_letter(character) {
            Self::Letter
        } else {
            Self::Other
        }
    }
}

/// Tells the general category L: `is_alphabetic` also admits marks, letter numbers and letters in circles.
///
/// Source: Unicode, DerivedCoreProperties: Alphabetic = L + Nl + Other_Alphabetic (marks and enclosed letters).
fn is_letter(character: char) -> bool {
    let enclosed = matches!(character, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}');
    character.is_alphabetic() && !enclosed && !unicode_normalization::char::is_combining_mark(character)
}

/// Splits text into the pieces that are merged each on its own.
///
/// Source: GPT-2's pattern, in order of preference: `'s|'t|'re|'ve|'m|'ll|'d`, ` ?\p{L}+`, ` ?\p{N}+`,
/// ` ?[^\s\p{L}\p{N}]+`, `\s+(?!\S)`, `\s+`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (word, behind) = rest.split_at(word_length(rest));
        rest = behind;
        (!word.is_empty()).then_some(word)
    })
}

/// Measures the first word in bytes; 0 only for empty text.
fn word_length(text: &str) -> usize {
    const ENDINGS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
    if let Some(ending) = ENDINGS.iter().find(|ending| text.starts_with(**ending)) {
        return ending.len();
    }
    let body = text.strip_prefix(' ').unwrap_or(text);
    match body.chars().next().map(Kind::of) {
        Some(Kind::Space) | None => space_length(text),
        Some(kind) => text.len() - body.trim_start_matches(|next| Kind::of(next) == kind).len(),
    }
}

/// Measures leading white space, without its last character if a word follows: that one belongs to the word.
fn space_length(text: &str) -> usize {
    let behind = text.trim_start();
    let length = text.len() - behind.len();
    let last = text[..length].chars().next_back().map_or(0, char::len_utf8);
    if behind.is_empty() || length == last { length } else { length - last }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strings and their tokens by the reference implementation, and every token that occurs in one of them.
    #[derive(serde::Deserialize)]
    struct Golden {
        tokens: HashMap<String, u32>,
        cases: Vec<(String, Vec<u32>)>,
    }

    fn golden() -> (Tokenizer, Vec<(String, Vec<u32>)>) {
        let json = include_str!("../../../tests/fixtures/tokenizer/golden.json");
        let golden: Golden = serde_json::from_str(json).expect("the fixture is JSON");
        let mut vocabulary = vec![Vec::new(); TEXT_TOKENS];
        for (hex, id) in golden.tokens {
            let digits: Vec<u8> = hex
                .chars()
                .map(|digit| digit.to_digit(16).expect("the fixture is hexadecimal") as u8)
                .collect();
            vocabulary[id as usize] =
                digits.as_chunks().0.iter().map(|[high, low]| high << 4 | low).collect();
        }
        (Tokenizer::new(&vocabulary, 51_865).expect("the fixture has every byte"), golden.cases)
    }

    #[test]
    fn every_golden_text_becomes_the_tokens_of_the_reference() {
        let (tokenizer, cases) = golden();
        assert!(cases.len() > 80);
        for (text, expected) in cases {
            assert_eq!(tokenizer.encode(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn tokens_joined_give_back_the_text() {
        let (tokenizer, cases) = golden();
        for (text, _) in cases {
            let tokens = tokenizer.encode(&text);
            let bytes: Vec<u8> =
                tokens.iter().filter_map(|id| tokenizer.bytes(*id)).flatten().copied().collect();
            assert_eq!(String::from_utf8(bytes).expect("whole characters went in"), text);
        }
    }

    #[test]
    fn an_endless_word_is_cut_and_loses_nothing() {
        let (tokenizer, _) = golden();
        let text = "あ".repeat(20_000);
        let tokens = tokenizer.encode(&text);
        let bytes: Vec<u8> = tokens.iter().filter_map(|id| tokenizer.bytes(*id)).flatten().copied().collect();
        assert_eq!(bytes, text.as_bytes());
    }

    #[test]
    fn text_that_looks_like_a_special_token_stays_text() {
        let (tokenizer, _) = golden();
        assert!(tokenizer.encode("<|endoftext|>").iter().all(|id| *id < TEXT_TOKENS as u32));
        assert_eq!(tokenizer.bytes(50_257), None);
    }

    #[test]
    fn special_ids_have_their_published_numbers() {
        let base = Specials::of_vocabulary(51_865).expect("a published size");
        let ids = [base.eot, base.sot, base.translate, base.transcribe, base.start_of_prev, base.no_speech];
        assert_eq!(ids, [50_257, 50_258, 50_358, 50_359, 50_361, 50_362]);
        assert_eq!([base.no_timestamps, base.first_timestamp], [50_363, 50_364]);
        assert_eq!(
            [base.language("ja"), base.language("en"), base.language("yue")],
            [Some(50_266), Some(50_259), None]
        );
        assert_eq!([base.language_code(50_266), base.language_code(50_358)], [Some("ja"), None]);
    }

    #[test]
    fn a_hundredth_language_moves_the_ids_behind_it() {
        let large = Specials::of_vocabulary(51_866).expect("a published size");
        assert_eq!([large.language("yue"), large.language("ja")], [Some(50_358), Some(50_266)]);
        let ids = [large.translate, large.transcribe, large.no_timestamps, large.first_timestamp];
        assert_eq!(ids, [50_359, 50_360, 50_364, 50_365]);
    }

    #[test]
    fn a_vocabulary_that_is_not_whispers_is_refused() {
        let refused =
            |result: Result<Tokenizer, ModelError>| matches!(result, Err(ModelError::Vocabulary(_)));
        assert!(Specials::of_vocabulary(51_864).is_err());
        assert!(refused(Tokenizer::new(&vec![vec![b'a']; 100], 51_865)));
        assert!(refused(Tokenizer::new(&vec![vec![b'a']; TEXT_TOKENS], 51_865)));
    }

    #[test]
    fn a_damaged_tokenizer_file_is_refused() {
        let refused =
            |json: &str| matches!(vocabulary_from_json(json.as_bytes()), Err(ModelError::Vocabulary(_)));
        assert!(refused(""));
        assert!(refused("{}"));
        assert!(refused(r#"{"model": {"vocab": {"a": -1}}}"#));
        assert!(refused(r#"{"model": {"vocab": {"a": 0}}}"#));
        assert!(refused(r#"{"model": {"vocab": {"a": 0, "b": 0}}}"#));
        assert!(refused(r#"{"model": {"vocab": {"議": 0}}}"#));
    }
}
