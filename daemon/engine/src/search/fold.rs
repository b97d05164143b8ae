//! Folding: texts in the form in which they are compared, so that a user finds what they would call the same word.
//!
//! Capital and small letters are the same, and so are letters with and without the accents of Latin, Greek, Cyrillic,
//! Hebrew and Arabic, ligatures, wide and narrow forms (Unicode's NFKD), and both apostrophes. Marks that make another
//! letter in other scripts stay: of Japanese and of India's scripts, say.
//!
//! Each character is folded by itself, so that a place in the folded text is one in the text.

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::LineBreak;

/// A text, folded.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    text.chars().for_each(|character| fold_character(character, &mut folded));
    folded
}

/// Adds a character, folded: of an accent alone nothing is left.
pub(super) fn fold_character(character: char, to: &mut String) {
    if character.is_ascii() {
        return to.push(character.to_ascii_lowercase());
    }
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd();
    for part in decomposed.normalize_iter(std::iter::once(character)) {
        match part {
            // Combining marks of the scripts above.
            '\u{300}'..='\u{36f}'
            | '\u{483}'..='\u{487}'
            | '\u{591}'..='\u{5bd}'
            | '\u{5bf}'
            | '\u{5c1}'..='\u{5c7}'
            | '\u{610}'..='\u{61a}'
            | '\u{64b}'..='\u{65f}'
            | '\u{670}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}' => {}
            '\u{2019}' | '\u{2bc}' => to.push('\''),
            // By way of the capital: ß is like ss, and ς like σ.
            _ => to.extend(part.to_uppercase().flat_map(char::to_lowercase)),
        }
    }
}

/// Whether a folded character is part of a word: what is no letter and no digit stands between words.
pub(super) fn is_in_word(character: char) -> bool {
    character.is_alphanumeric()
}

/// Whether a character is of a script that leaves no spaces between words: any place there may begin one. (By the rules
/// for breaking lines, UAX #14: ideographs, kana, and the scripts of South East Asia.)
pub(super) fn is_unspaced(character: char) -> bool {
    if character.is_ascii() {
        return false;
    }
    let line_break = CodePointMapData::<LineBreak>::new().get(character);
    [
        LineBreak::Ideographic,
        LineBreak::ConditionalJapaneseStarter,
        LineBreak::Nonstarter,
        LineBreak::ComplexContext,
    ]
    .contains(&line_break)
}
