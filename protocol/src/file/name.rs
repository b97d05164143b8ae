//! Names and media types of files, as others give them: made harmless where they are read, so that nothing behind it sees
//! another.

use crate::limits::{FILE_NAME_BYTES_MAX, MEDIA_TYPE_BYTES_MAX};

/// What stands in a name for what may not be in it.
const STANDS_IN: char = '_';
/// The name of a file of whose name nothing is left.
const NAMELESS: &str = "file";
/// Longest extension that stays when a name is cut, bytes, with its dot.
const EXTENSION_BYTES_MAX: usize = 17;
/// The type of what has none, or none that can be read.
const ANY_TYPE: &str = "application/octet-stream";
/// What Windows takes for devices, whatever extension follows.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
/// The same, with a digit behind.
const NUMBERED_DEVICES: [&str; 2] = ["COM", "LPT"];

/// The name of a file that is a name in every folder, of Windows too: never a path, never hidden, never an option.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FileName(String);

impl FileName {
    /// Makes a name harmless:
    ///
    /// - separators, control characters and what Windows does not take become `_`, and so do characters that change the
    ///   direction of writing or are not drawn, but for the two that join letters;
    /// - all white space becomes a blank, and none is left at either end, nor dots at the end;
    /// - dots and hyphens at the beginning become `_`, and the names of devices get one before them;
    /// - it is cut to [`FILE_NAME_BYTES_MAX`] bytes at the boundary of a character, before a short extension.
    #[must_use]
    pub fn harmless(text: &str) -> Self {
        let replaced: String = text.chars().map(harmless).collect();
        let trimmed = trim_end(replaced.trim_start());
        let rest = trimmed.trim_start_matches(['.', '-']);
        let mut name = "_".repeat(trimmed.len() - rest.len());
        name.push_str(rest);
        if is_device(&name) {
            name.insert(0, STANDS_IN);
        }
        if name.is_empty() {
            name.push_str(NAMELESS);
        }
        Self(cut(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the last dot, and the rest with that dot.
    #[must_use]
    pub fn split(&self) -> (&str, &str) {
        match self.0.rfind('.') {
            Some(dot) if dot > 0 => self.0.split_at(dot),
            Some(_) | None => (&self.0, ""),
        }
    }
}

/// Hand-written: names of files are never logged.
impl std::fmt::Debug for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileName({} bytes)", self.0.len())
    }
}

/// A media type that is one (RFC 6838, section 4.2), in small letters and without parameters; else that of any bytes.
#[must_use]
pub fn media_type(text: &str) -> String {
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_type = essence.len() <= MEDIA_TYPE_BYTES_MAX
        && essence.split_once('/').is_some_and(|(kind, rest)| is_part(kind) && is_part(rest));
    if is_type { essence.to_ascii_lowercase() } else { ANY_TYPE.to_owned() }
}

fn harmless(character: char) -> char {
    match character {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => STANDS_IN,
        // Line and paragraph separators among them.
        '\u{2028}' | '\u{2029}' => STANDS_IN,
        _ if character.is_control() || is_unseen(character) => STANDS_IN,
        _ if character.is_whitespace() => ' ',
        _ => character,
    }
}

/// Characters of Unicode's category Cf, and those that are drawn as nothing, but for U+200C and U+200D: Persian, Hindi and
/// emoji are not written without them.
fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

fn trim_end(name: &str) -> &str {
    name.trim_end_matches(|end: char| end.is_whitespace() || end == '.')
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is_numbered = |device: &&str| {
        let Some(rest) = stem.get(device.len()..) else { return false };
        let mut rest = rest.chars();
        let has_digit = rest.next().is_some_and(|end| end.is_ascii_digit() || "¹²³".contains(end));
        stem.get(..device.len()).is_some_and(|start| start.eq_ignore_ascii_case(device))
            && has_digit
            && rest.next().is_none()
    };
    DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device))
        || NUMBERED_DEVICES.iter().any(is_numbered)
}

fn cut(name: String) -> String {
    if name.len() <= FILE_NAME_BYTES_MAX {
        return name;
    }
    let extension = match name.rfind('.') {
        Some(dot) if name.len() - dot <= EXTENSION_BYTES_MAX => &name[dot..],
        Some(_) | None => "",
    };
    let end = name.floor_char_boundary(FILE_NAME_BYTES_MAX - extension.len());
    let mut short = trim_end(&name[..end]).to_owned();
    short.push_str(extension);
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(text: &str) -> String {
        FileName::harmless(text).0
    }

    #[test]
    fn names_that_do_harm_become_names_that_do_none() {
        for (told, name) in [
            ("photo.jpg", "photo.jpg"),
            ("../../etc/passwd", "___.._etc_passwd"),
            ("C:\\Windows\\win.ini", "C__Windows_win.ini"),
            (".bashrc", "_bashrc"),
            ("-rf", "_rf"),
            ("..", "file"),
            ("", "file"),
            ("  \u{3000} ", "file"),
            ("bill\u{202e}fdp.exe", "bill_fdp.exe"),
            ("a\u{0}b\nc\u{9b}d", "a_b_c_d"),
            ("con", "_con"),
            ("Lpt1.tar.gz", "_Lpt1.tar.gz"),
            ("COM\u{b9}", "_COM\u{b9}"),
            ("COM", "COM"),
            ("nul .txt", "_nul .txt"),
            ("end. . ", "end"),
            ("tab\there", "tab_here"),
            ("\u{200f}x\u{feff}", "_x_"),
            ("خانه\u{200c}ها.txt", "خانه\u{200c}ها.txt"),
        ] {
            assert_eq!(made(told), name, "{told:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_between_characters_and_keeps_its_extension() {
        let name = made(&format!("{}.jpeg", "ß".repeat(200)));
        assert_eq!(name, format!("{}.jpeg", "ß".repeat(125)));
        assert_eq!(made(&"a".repeat(300)).len(), FILE_NAME_BYTES_MAX);
        assert_eq!(made(&format!("a.{}", "b".repeat(300))).len(), FILE_NAME_BYTES_MAX);
    }

    #[test]
    fn what_is_no_media_type_is_that_of_any_bytes() {
        assert_eq!(media_type("Image/JPEG; charset=x"), "image/jpeg");
        assert_eq!(media_type("application/vnd.ms-excel"), "application/vnd.ms-excel");
        for none in ["", "image", "/", "a/", "a/b/c", "a/\nb", "text/ht ml", &"a/".repeat(60)] {
            assert_eq!(media_type(none), ANY_TYPE, "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn a_harmless_name_is_a_name_and_stays_as_it_is(
            text in prop_oneof![any::<String>(), "[./ \\-\u{202e}a\u{e9}]{0,300}", "(?i)(con|lpt[0-9]|nul)[. ]{0,2}.{0,4}"],
        ) {
            let name = made(&text);
            prop_assert!(!name.is_empty() && name.len() <= FILE_NAME_BYTES_MAX);
            prop_assert!(!name.starts_with(['.', '-', ' ']) && !name.ends_with(['.', ' ']));
            let harmful = ['/', '\\', '\0', '\n', '\u{202e}'];
            prop_assert!(!name.contains(harmful));
            prop_assert_eq!(made(&name), name);
        }
    }
}
