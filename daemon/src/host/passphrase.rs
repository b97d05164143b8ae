//! Passphrases as people type them: one form for all that look the same.
//!
//! An é may come as one character or as two, a space as one of a dozen, and some editors put a byte order mark
//! before a file's first line. RFC 8265 (OpaqueString) says which form is taken: other spaces become U+0020, then
//! Unicode's normalization form C.
//!
//! It also refuses what its tables of Unicode 6.3 don't have, most emoji among it, and looks for that before all
//! else, where Korean may still be in pieces that it refuses. Here only what can't be seen or typed is refused
//! (controls, invisible characters, private use), in the form that is taken: no later Unicode changes that.

use martlet_protocol::limits::PASSPHRASE_BYTES_MAX;
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::Rules;
use precis_profiles::precis_core::{DerivedPropertyValue, FreeformClass, StringClass};
use zeroize::Zeroizing;

/// What some editors put before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a text can't be a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Nothing is in it.
    #[error("the passphrase is empty")]
    Empty,
    /// It is longer than [`PASSPHRASE_BYTES_MAX`].
    #[error("the passphrase has {bytes} bytes; at most {PASSPHRASE_BYTES_MAX} are allowed")]
    TooLong {
        /// Its bytes, in the form that is taken.
        bytes: usize,
    },
    /// Something in it can't be seen or typed.
    #[error(
        "character {number} of the passphrase is a control or an invisible character (U+{code:04X}); leave it out"
    )]
    Invisible {
        /// Which character, from 1.
        number: usize,
        /// Its code point.
        code: u32,
    },
}

/// A passphrase in the form that is taken.
///
/// # Errors
/// [`PassphraseError`].
pub(super) fn enforce(typed: &str) -> Result<Zeroizing<String>, PassphraseError> {
    let typed = typed.strip_prefix(BYTE_ORDER_MARK).unwrap_or(typed);
    check(typed)?;
    let profile = OpaqueString::new();
    let normal =
        profile.additional_mapping_rule(typed).and_then(|text| profile.normalization_rule(text));
    // Neither rule refuses anything.
    let normal = Zeroizing::new(normal.map_or_else(|_| typed.to_owned(), Into::into));
    check(&normal)?;
    let class = FreeformClass::default();
    for (at, character) in normal.chars().enumerate() {
        match class.get_value_from_char(character) {
            DerivedPropertyValue::Disallowed => {
                let code = u32::from(character);
                return Err(PassphraseError::Invisible { number: at + 1, code });
            }
            DerivedPropertyValue::PValid
            | DerivedPropertyValue::SpecClassPval
            | DerivedPropertyValue::SpecClassDis
            | DerivedPropertyValue::ContextJ
            | DerivedPropertyValue::ContextO
            | DerivedPropertyValue::Unassigned => {}
        }
    }
    Ok(normal)
}

/// Refuses what is too short or too long to be a passphrase, new or old.
///
/// # Errors
/// [`PassphraseError`].
pub(super) fn check(text: &str) -> Result<(), PassphraseError> {
    match text.len() {
        0 => Err(PassphraseError::Empty),
        bytes if bytes > PASSPHRASE_BYTES_MAX => Err(PassphraseError::TooLong { bytes }),
        _ => Ok(()),
    }
}

/// What a passphrase may mean where a vault is opened, the likeliest first: its form, and as it is, for vaults of
/// before there was a form.
pub(super) fn meanings(typed: &Zeroizing<String>) -> Vec<Zeroizing<String>> {
    let mut meanings: Vec<_> = enforce(typed).into_iter().collect();
    if meanings.first() != Some(typed) {
        meanings.push(typed.clone());
    }
    meanings
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        for (typed, taken) in [
            ("correct horse", "correct horse"),
            ("caf\u{e9}", "caf\u{e9}"),
            ("cafe\u{301}", "caf\u{e9}"),
            ("\u{feff}caf\u{e9}", "caf\u{e9}"),
            ("a\u{a0}b\u{3000}c", "a b c"),
            (" two  spaces ", " two  spaces "),
            ("\u{d55c}", "\u{1112}\u{1161}\u{11ab}"),
            // Not the same, only alike: compatibility forms stay.
            ("\u{fb01}", "\u{fb01}"),
            // Newer than the tables, and joined by an invisible character.
            ("\u{1f9d1}\u{200d}\u{1f680}", "\u{1f9d1}\u{200d}\u{1f680}"),
        ] {
            assert_eq!(*enforce(typed).unwrap(), *enforce(taken).unwrap(), "{typed:?}");
        }
        assert_eq!(**enforce("cafe\u{301}").unwrap(), *"caf\u{e9}");
        assert_ne!(*enforce("\u{fb01}").unwrap(), *enforce("fi").unwrap());
    }

    #[test]
    fn what_cannot_be_typed_again_is_refused_and_where_it_stands_told() {
        assert_eq!(enforce("").unwrap_err(), PassphraseError::Empty);
        assert_eq!(enforce("\u{feff}").unwrap_err(), PassphraseError::Empty);
        // Each of these takes twice its bytes in normal form.
        let grows = "\u{0958}".repeat(PASSPHRASE_BYTES_MAX / 3);
        let bytes = grows.len() * 2;
        assert_eq!(enforce(&grows).unwrap_err(), PassphraseError::TooLong { bytes });
        for invisible in ['\u{7}', '\t', '\u{ad}', '\u{200b}', '\u{e000}', '\u{feff}'] {
            let code = u32::from(invisible);
            let refused = enforce(&format!("ab{invisible}")).unwrap_err();
            assert_eq!(refused, PassphraseError::Invisible { number: 3, code });
        }
    }

    #[test]
    fn vaults_of_before_there_was_a_form_are_opened_by_what_was_typed_then() {
        let meanings = |typed: &str| {
            let all = super::meanings(&Zeroizing::new(typed.to_owned()));
            all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(meanings("plain"), ["plain"]);
        assert_eq!(meanings("e\u{301}"), ["\u{e9}", "e\u{301}"]);
        assert_eq!(meanings("\u{feff}plain"), ["plain", "\u{feff}plain"]);
        assert_eq!(meanings("tab\t"), ["tab\t"]);
    }
}
