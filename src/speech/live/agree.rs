//! What two guesses in a row agree on stays on the screen. Pure.
//!
//! Compared are characters (Japanese has no spaces) after NFKC and without punctuation. The last characters agreed on are
//! held back: they lie at the edge of the sound, where a guess is weakest. What no second guess has said yet is shown a few
//! characters far, since a guess that changes its mind erases all behind the place; and what stands on the screen keeps its
//! spelling as long as it compares equal.

use unicode_normalization::UnicodeNormalization;

use crate::speech::detect::is_punctuation;

/// Characters at the end of an agreement that are not yet believed.
const HELD_BACK: usize = 3;

/// Characters that are shown beyond what two guesses agree on.
const AHEAD: usize = 4;

/// What stands on the screen of one utterance.
#[derive(Debug, Clone, Default)]
pub struct Agreement {
    /// Agreed on; only ever grows.
    committed: String,
    /// The rest of the last guess, as far as it is shown.
    tail: String,
    /// The rest of the last guess, as it is compared; `None` before the first.
    before: Option<Vec<char>>,
}

impl Agreement {
    /// Returns the text that stays.
    pub fn committed(&self) -> &str {
        &self.committed
    }

    /// Returns the text that may change.
    pub fn tail(&self) -> &str {
        &self.tail
    }

    /// Takes a guess at the whole utterance so far; tells whether the screen changes.
    pub fn hear(&mut self, guess: &str) -> bool {
        let shown = (self.committed.len(), std::mem::take(&mut self.tail));
        let on_screen = Spelled::of(&shown.1);
        let guess = Spelled::of(guess);
        let known = Spelled::of(&self.committed);
        let from = best_prefix(&known.compared, &guess.compared);
        let rest = guess.behind(from);
        let rest = on_screen.followed_by(&rest, common(&on_screen.compared, &rest.compared));
        let same = self.before.as_ref().map_or(0, |before| common(before, &rest.compared));
        let agreed = same.saturating_sub(HELD_BACK);
        let (committed, tail) = rest.split(agreed);
        self.committed.push_str(&committed);
        self.before = Some(rest.compared[agreed..].to_vec());
        let far = same - agreed + AHEAD;
        let spelled = Spelled::of(&tail);
        self.tail = if far < spelled.compared.len() { spelled.split(far).0 } else { tail };
        (self.committed.len(), &self.tail) != (shown.0, &shown.1)
    }
}

/// A text with the characters that are compared, each with its place.
struct Spelled {
    shown: Vec<char>,
    /// Characters after NFKC, without punctuation and spaces.
    compared: Vec<char>,
    /// For each of them, the shown character it comes from.
    places: Vec<usize>,
}

impl Spelled {
    fn of(text: &str) -> Self {
        let shown: Vec<char> = text.chars().collect();
        let (mut compared, mut places) = (Vec::new(), Vec::new());
        for (place, c) in shown.iter().enumerate() {
            for c in c.nfkc().filter(|c| !is_punctuation(*c) && !c.is_whitespace()) {
                compared.push(c);
                places.push(place);
            }
        }
        Self { shown, compared, places }
    }

    /// Returns what stands behind the first `count` compared characters.
    fn behind(mut self, count: usize) -> Self {
        let from = self.end_of(count);
        self.places =
            self.places.split_off(count).into_iter().map(|place| place.saturating_sub(from)).collect();
        self.compared = self.compared.split_off(count);
        self.shown = self.shown.split_off(from);
        self
    }

    /// Returns the first `count` compared characters of this text, and what stands behind as many of `other`.
    fn followed_by(&self, other: &Self, count: usize) -> Self {
        let text: String = self.split(count).0 + &other.split(count).1;
        Self::of(&text)
    }

    /// Splits what is shown behind the first `count` compared characters.
    fn split(&self, count: usize) -> (String, String) {
        let at = self.end_of(count);
        (self.shown[..at].iter().collect(), self.shown[at..].iter().collect())
    }

    fn end_of(&self, count: usize) -> usize {
        count.checked_sub(1).map_or(0, |last| self.places[last] + 1)
    }
}

/// Returns how many characters both begin with.
fn common(a: &[char], b: &[char]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Returns how many characters of `guess` stand for all of `known`: the prefix with the fewest differences, and of
/// several the one of the nearest length.
fn best_prefix(known: &[char], guess: &[char]) -> usize {
    if guess.starts_with(known) {
        return known.len();
    }
    // One row of the usual table of edit distances; row i holds the distance of known[..i] to every prefix of guess.
    let mut row: Vec<usize> = (0..=guess.len()).collect();
    for (i, a) in known.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in guess.iter().enumerate() {
            let cost = (diagonal + usize::from(a != b)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    let order = |length: &usize| (row[*length], length.abs_diff(known.len()));
    (0..=guess.len()).min_by_key(order).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(guesses: &[&str]) -> (String, String) {
        let mut agreement = Agreement::default();
        for guess in guesses {
            agreement.hear(guess);
        }
        (agreement.committed, agreement.tail)
    }

    fn shown(committed: &str, tail: &str) -> (String, String) {
        (committed.to_owned(), tail.to_owned())
    }

    #[test]
    fn one_guess_alone_commits_nothing_and_shows_its_first_four_characters() {
        assert_eq!(after(&["それでは会議を"]), shown("", "それでは"));
    }

    #[test]
    fn a_comma_that_comes_and_goes_leaves_the_screen_alone() {
        let guesses = ["ですので第三", "ですので第三", "ですので、第三回です"];
        let (committed, tail) = after(&guesses);
        assert_eq!(format!("{committed}{tail}"), "ですので第三回です");
    }

    #[test]
    fn what_two_guesses_agree_on_stays_but_for_the_last_three_characters() {
        assert_eq!(after(&["それでは会議を", "それでは会議を始めます"]), shown("それでは", "会議を始めます"));
    }

    #[test]
    fn width_and_punctuation_make_no_difference_and_keep_their_first_form() {
        let guesses = ["第３回の会議を始めます", "第3回の、会議を始めます。"];
        assert_eq!(after(&guesses), shown("第３回の、会議を始", "めます。"));
    }

    #[test]
    fn what_was_committed_stays_when_a_later_guess_writes_it_otherwise() {
        let guesses = ["今日は良い天気です", "今日は良い天気ですね", "京は良い天気ですねと言った"];
        let (committed, tail) = after(&guesses);
        assert_eq!(committed, "今日は良い天気");
        assert_eq!(tail, "ですねと言った");
    }

    #[test]
    fn a_guess_that_adds_nothing_changes_no_screen() {
        let mut agreement = Agreement::default();
        assert!(agreement.hear("はい"));
        assert!(!agreement.hear("はい"));
        assert!(agreement.hear("はい、"));
    }

    proptest! {
        #[test]
        fn committed_text_only_grows(guesses in prop::collection::vec("[あいう、１1。]{0,12}", 1..12)) {
            let mut agreement = Agreement::default();
            let mut before = String::new();
            for guess in guesses {
                agreement.hear(&guess);
                prop_assert!(agreement.committed().starts_with(&before));
                before = agreement.committed().to_owned();
            }
        }

        #[test]
        fn equal_guesses_are_shown_as_they_are(guess in "[あいうえお、。]{0,20}") {
            let mut agreement = Agreement::default();
            agreement.hear(&guess);
            agreement.hear(&guess);
            prop_assert_eq!(format!("{}{}", agreement.committed(), agreement.tail()), guess);
        }
    }
}
