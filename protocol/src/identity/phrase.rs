//! Recovery phrases: the root's seed in words, as BIP 39 has it, and what is wrong with one that was typed.

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use super::RootKey;
use crate::nearest::nearest;

/// Words of a recovery phrase: 256 bits and 8 of checksum, 11 bits each.
pub const PHRASE_WORDS: usize = 24;

/// Words from the end of a recovery phrase that show that someone has it at hand.
pub const LAST_WORDS: usize = 4;

/// Why a text is no recovery phrase. It repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// Another number of words.
    #[error(
        "a recovery phrase has {PHRASE_WORDS} words, and this has {found}; give all of them, in their order"
    )]
    Words {
        /// Words found.
        found: usize,
    },
    /// A word that is in no phrase.
    #[error("word {place} is in no recovery phrase{}", meant(.nearest.as_ref()))]
    Unknown {
        /// Which word, from 1.
        place: usize,
        /// The word that was most likely meant.
        nearest: Option<&'static str>,
    },
    /// Words of phrases, which are none together.
    #[error(
        "these words are no recovery phrase together: the checksum is wrong. One of them is another word, or two stand in \
         each other's place; compare each with what you wrote down"
    )]
    Checksum,
}

fn meant(nearest: Option<&&'static str>) -> String {
    nearest.map(|word| format!("; did you mean {word:?}?")).unwrap_or_default()
}

impl RootKey {
    /// The seed as 24 English words (BIP 39, which adds 8 bits of checksum to the 256).
    #[must_use]
    pub fn recovery_phrase(&self) -> Zeroizing<String> {
        // 32 bytes are one of the lengths BIP 39 takes, so this can't fail.
        Mnemonic::from_entropy(&self.0)
            .map(|mnemonic| Zeroizing::new(mnemonic.to_string()))
            .unwrap_or_default()
    }

    /// The root key of a recovery phrase. Capitals, white space, commas and the words' numbers make no difference.
    ///
    /// # Errors
    /// [`PhraseError`].
    pub fn from_phrase(text: &str) -> Result<Self, PhraseError> {
        let text = Zeroizing::new(text.to_lowercase());
        let words: Vec<&str> = words_of(&text).collect();
        if words.len() != PHRASE_WORDS {
            return Err(PhraseError::Words { found: words.len() });
        }
        let is_unknown = |word: &&str| Language::English.find_word(word).is_none();
        if let Some(at) = words.iter().position(is_unknown) {
            return Err(PhraseError::Unknown { place: at + 1, nearest: likely(&words, at) });
        }
        let mnemonic = read(&words).ok_or(PhraseError::Checksum)?;
        let (entropy, _) = mnemonic.to_entropy_array();
        let entropy = Zeroizing::new(entropy);
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(&entropy[..32]);
        Ok(Self::from_seed(*seed))
    }

    /// Whether these are the last [`LAST_WORDS`] words of the recovery phrase. Capitals, white space, commas and numbers make
    /// no difference.
    #[must_use]
    pub fn ends_with_words(&self, typed: &str) -> bool {
        let (phrase, typed) = (self.recovery_phrase(), Zeroizing::new(typed.to_lowercase()));
        let last = phrase.split(' ').skip(PHRASE_WORDS - LAST_WORDS);
        last.eq(words_of(&typed))
    }
}

/// A word of recovery phrases as it is in the list.
///
/// # Errors
/// The word that was most likely meant, if there is one.
pub fn phrase_word(typed: &str) -> Result<&'static str, Option<&'static str>> {
    let typed = Zeroizing::new(typed.to_lowercase());
    let list = Language::English.word_list();
    match Language::English.find_word(&typed) {
        Some(at) => list.get(usize::from(at)).copied().ok_or(None),
        None => Err(nearest(&typed, list.iter().copied())),
    }
}

/// The words of a text in lower case, without what is written around them.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    let is_around = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | ')' | ':');
    let words = text.split_whitespace().map(move |word| word.trim_matches(is_around));
    words.filter(|word| !word.is_empty())
}

fn read(words: &[&str]) -> Option<Mnemonic> {
    let phrase = Zeroizing::new(words.join(" "));
    Mnemonic::parse_in_normalized(Language::English, &phrase).ok()
}

/// The word that was most likely meant at a place: of those that look like it the one with which the checksum is
/// right, if the other words are.
fn likely(words: &[&str], at: usize) -> Option<&'static str> {
    let (wrong, list) = (words[at], Language::English.word_list());
    let nearest_of = |words: &mut dyn Iterator<Item = &'static str>| nearest(wrong, words);
    let fits = |word: &&'static str| {
        let mut words = words.to_vec();
        words[at] = word;
        read(&words).is_some()
    };
    let best = nearest_of(&mut list.iter().copied())?;
    let others_are_known =
        words.iter().filter(|word| Language::English.find_word(word).is_none()).count() == 1;
    if !others_are_known || fits(&best) {
        return Some(best);
    }
    // One word in 256 fits by chance: among all that are alike it is the one that was meant.
    nearest_of(&mut list.iter().copied().filter(fits)).or(Some(best))
}
