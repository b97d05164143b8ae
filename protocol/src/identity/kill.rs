//! The kill key: who has it can end the identity, and do nothing else with it.
//!
//! It is made of the root's seed, so it is kept nowhere, and who restores an identity from its recovery phrase has the same
//! kill phrase again. From the kill phrase nothing leads to the root. With `e` = the first 16 bytes of BLAKE3
//! derive_key(`"martlet 2026 kill phrase v2"`, root seed): the kill phrase is `e` as 12 English words (BIP 39), and the key is
//! Ed25519's with the seed BLAKE3 derive_key(`"martlet 2026 kill key v2"`, `e`). The recovery phrase has 24 words, so neither
//! is taken for the other.

use bip39::{Language, Mnemonic};
use ed25519_dalek::SigningKey;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::RootKey;
use super::statement::{Stated, Termination};
use crate::format::FormatInfo;
use crate::ids::IdentityId;
use crate::nearest::nearest;
use crate::time::UnixMillis;

/// Words of a kill phrase.
pub const KILL_PHRASE_WORDS: usize = 12;

/// What ends an identity.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KillKey([u8; 16]);

/// Why a text is no kill phrase. It doesn't tell the phrase, but for a word that is none of the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KillPhraseError {
    /// Another number of words.
    #[error("a kill phrase has {KILL_PHRASE_WORDS} words, this has {found}")]
    Words {
        /// Words found.
        found: usize,
    },
    /// A word that is not in the list.
    #[error("word {at} is in no kill phrase{}", did_you_mean(.nearest.as_deref()))]
    Word {
        /// Which one, from 1.
        at: usize,
        /// The word of the list that is most like it.
        nearest: Option<String>,
    },
    /// All its words are in the list, and they don't fit together.
    #[error("a word of the kill phrase is wrong, or two are in the wrong order")]
    Checksum,
}

fn did_you_mean(word: Option<&str>) -> String {
    word.map(|word| format!(": did you mean {word:?}?")).unwrap_or_default()
}

impl KillKey {
    pub(super) fn of(root: &RootKey) -> Self {
        let whole = Zeroizing::new(blake3::derive_key("martlet 2026 kill phrase v2", root.seed()));
        let mut entropy = [0; 16];
        entropy.copy_from_slice(&whole[..16]);
        Self(entropy)
    }

    /// The key in twelve words.
    ///
    /// # Errors
    /// [`KillPhraseError`].
    pub fn from_phrase(phrase: &str) -> Result<Self, KillPhraseError> {
        let words: Vec<_> = phrase.split_whitespace().map(str::to_lowercase).collect();
        let words = Zeroizing::new(words);
        if words.len() != KILL_PHRASE_WORDS {
            return Err(KillPhraseError::Words { found: words.len() });
        }
        let unknown = words.iter().position(|word| Language::English.find_word(word).is_none());
        if let Some(at) = unknown {
            let nearest = nearest(&words[at], Language::English.word_list().iter().copied());
            return Err(KillPhraseError::Word { at: at + 1, nearest: nearest.map(str::to_owned) });
        }
        let phrase = Zeroizing::new(words.join(" "));
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &phrase);
        let (whole, len) = mnemonic.map_err(|_| KillPhraseError::Checksum)?.to_entropy_array();
        let whole = Zeroizing::new(whole);
        whole[..len].try_into().map(Self).map_err(|_| KillPhraseError::Checksum)
    }

    /// The key as twelve English words.
    #[must_use]
    pub fn phrase(&self) -> Zeroizing<String> {
        // 16 bytes are one of the lengths BIP 39 takes, so this can't fail.
        Mnemonic::from_entropy(&self.0)
            .map(|mnemonic| Zeroizing::new(mnemonic.to_string()))
            .unwrap_or_default()
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.signing_key().verifying_key().to_bytes()
    }

    /// Says that `identity` ended. That counts where its root has named this key.
    #[must_use]
    pub fn terminate(&self, identity: IdentityId, now: UnixMillis) -> Stated<Termination> {
        let format = FormatInfo::current();
        let said = Termination { format, identity, at: now, by: self.public() };
        Stated::sign(&self.signing_key(), said)
    }

    fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&blake3::derive_key("martlet 2026 kill key v2", &self.0))
    }
}

impl std::fmt::Debug for KillKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KillKey(…)")
    }
}
