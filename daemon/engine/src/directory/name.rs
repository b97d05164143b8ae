//! Names that a user gives.

use martlet_protocol::limits::NAME_BYTES_MAX;

use crate::visible::has_something_visible;

/// Why a text can't be a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing in it but white space.
    #[error("a name that is empty")]
    Empty,
    /// Too long.
    #[error("a name longer than {NAME_BYTES_MAX} bytes")]
    TooLong,
    /// With control characters.
    #[error("a name with control characters")]
    Control,
    /// With a slash: names are parts of paths.
    #[error("a name with a '/'")]
    Slash,
    /// `.` or `..`: as a part of a path it means another path, also percent-encoded (URL Standard, 4.1).
    #[error("a name that is '.' or '..'")]
    Dots,
    /// Nothing in it that can be seen.
    #[error("a name of invisible characters")]
    Invisible,
    /// With characters that turn the direction of what follows: `\u{202e}` shows `txt.exe` as `exe.txt`.
    #[error("a name with characters that turn the direction of a text")]
    Turning,
}

/// Embeddings, overrides and isolates (UAX #9, 2.1 to 2.4). Names of scripts that run to the left need none of them.
const TURNING: [char; 9] = [
    '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}',
    '\u{2069}',
];

/// A name without white space around it: 1 to 64 bytes, something to be seen, nothing that turns its direction, no
/// control characters, and a part of a path as it is. Who is known under a name of before these rules keeps it.
///
/// # Errors
/// [`NameError`].
pub fn clean_name(name: &str) -> Result<String, NameError> {
    let whole = name;
    let name = whole.trim();
    if name.is_empty() {
        Err(NameError::Empty)
    } else if whole.len() > NAME_BYTES_MAX {
        Err(NameError::TooLong)
    } else if whole.chars().any(char::is_control) {
        Err(NameError::Control)
    } else if name.contains('/') {
        Err(NameError::Slash)
    } else if matches!(name, "." | "..") {
        Err(NameError::Dots)
    } else if !has_something_visible(name) {
        Err(NameError::Invisible)
    } else if name.contains(TURNING) {
        Err(NameError::Turning)
    } else {
        Ok(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_and_of_emoji_are_taken() {
        for name in [
            "Zoë",
            "Ann O'Neill-Ng",
            "...",
            ".hidden",
            "a..b",
            "한",
            "\u{1112}\u{1161}\u{11ab}",
            "علی\u{200c}رضا",
            "❤\u{fe0f}",
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
            "क्\u{200d}ष",
        ] {
            assert_eq!(clean_name(name).as_deref(), Ok(name));
        }
        assert_eq!(clean_name("  Ben\u{3000}").as_deref(), Ok("Ben"));
    }

    /// `..` was taken, and a client that normalizes URLs asked for another path; so was a Hangul filler alone, and a
    /// list of contacts had an empty line.
    #[test]
    fn what_cannot_be_seen_or_addressed_is_refused() {
        for (name, reason) in [
            (" \u{2003}", NameError::Empty),
            ("a\u{85}b", NameError::Control),
            ("ab\n", NameError::Control),
            ("a/b", NameError::Slash),
            (".", NameError::Dots),
            (" .. ", NameError::Dots),
            ("\u{3164}", NameError::Invisible),
            ("\u{115f}\u{1160}", NameError::Invisible),
            ("\u{ffa0}", NameError::Invisible),
            ("\u{200b}\u{2060} \u{feff}", NameError::Invisible),
            ("\u{202e}\u{2066}", NameError::Invisible),
            ("\u{ad}", NameError::Invisible),
            ("\u{e0041}\u{e0100}", NameError::Invisible),
            ("\u{2800}", NameError::Invisible),
            ("phone\u{202e}ksed", NameError::Turning),
            ("\u{2067}a", NameError::Turning),
        ] {
            assert_eq!(clean_name(name), Err(reason), "{name:?}");
        }
    }
}
