//! How a text ends tells whether more is to come. Pure.

use crate::speech::detect::is_punctuation;

/// What the end of a text lets expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A sentence that is complete.
    Sentence,
    /// A particle, a conjunctive form or a filler: the speaker searches for words.
    Open,
    /// Neither.
    Plain,
}

/// Ends of complete sentences.
const SENTENCE: [&str; 22] = [
    "です",
    "ます",
    "ました",
    "でした",
    "ません",
    "ませんでした",
    "ください",
    "でしょう",
    "ましょう",
    "ですね",
    "ますね",
    "ですよ",
    "ますよ",
    "ですか",
    "ますか",
    "ましたか",
    "でしょうか",
    "ませんか",
    "である",
    "はい",
    "いいえ",
    "以上",
];

/// Particles, conjunctive forms and fillers behind which people go on.
const OPEN: [&str; 34] = [
    "は",
    "が",
    "を",
    "に",
    "で",
    "と",
    "も",
    "の",
    "へ",
    "や",
    "て",
    "し",
    "から",
    "まで",
    "より",
    "ので",
    "けど",
    "けれど",
    "けれども",
    "たり",
    "ながら",
    "など",
    "なら",
    "れば",
    "えー",
    "ええ",
    "えっと",
    "えーと",
    "ええと",
    "あの",
    "あのー",
    "その",
    "まあ",
    "うーん",
];

impl Ending {
    /// Looks at the end of a text, punctuation aside; a particle counts more than a full stop behind it.
    ///
    /// English has no such endings: its full stops are believed.
    pub fn of(text: &str) -> Self {
        let spoken = text.trim_end_matches(|c: char| is_punctuation(c) || c.is_whitespace());
        let stops = text[spoken.len()..].contains(['。', '？', '！', '.', '?', '!']);
        if SENTENCE.iter().any(|end| spoken.ends_with(end)) {
            Self::Sentence
        } else if OPEN.iter().any(|end| spoken.ends_with(end)) {
            Self::Open
        } else if stops {
            Self::Sentence
        } else {
            Self::Plain
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polite_forms_end_a_sentence_with_and_without_a_full_stop() {
        for text in ["本日の議題は三つです", "報告します。", "足りているのでしょうか", "はい。", "I agree."]
        {
            assert_eq!(Ending::of(text), Ending::Sentence, "{text}");
        }
    }

    #[test]
    fn particles_and_fillers_let_expect_more_whatever_the_recogniser_wrote_behind_them() {
        for text in ["予算については", "配布しましたが、", "現在検討していて。", "それから、えーと"]
        {
            assert_eq!(Ending::of(text), Ending::Open, "{text}");
        }
    }

    #[test]
    fn a_noun_tells_nothing_and_neither_does_an_empty_text() {
        assert_eq!(Ending::of("議事録作成支援システム"), Ending::Plain);
        assert_eq!(Ending::of("議事録作成支援システム、"), Ending::Plain);
        assert_eq!(Ending::of(""), Ending::Plain);
    }
}
