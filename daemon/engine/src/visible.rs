//! Whether anything is to be seen of a text.

use icu_properties::CodePointMapData;
use icu_properties::CodePointSetData;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};

/// Characters that are drawn as nothing though Unicode has them among the symbols: the Braille pattern without dots,
/// and the note without a head.
const BLANKS: [char; 2] = ['\u{2800}', '\u{1d159}'];

/// Whether something is drawn for a text.
pub(crate) fn has_something_visible(text: &str) -> bool {
    text.chars().any(is_visible)
}

/// Whether something is drawn for it. What joins or modifies other characters (in emoji, in Persian) is drawn as nothing
/// itself.
fn is_visible(character: char) -> bool {
    let is_ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character);
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    !is_ignorable
        && !character.is_whitespace()
        && category != GeneralCategory::Format
        && !BLANKS.contains(&character)
}
