//! Untrusted text, made harmless: no control character or escape sequence reaches the terminal,
//! and nothing turns the direction of what stands beside it.

use std::borrow::Cow;
use std::fmt::Write;

/// One line of `text`: line ends are shown as `⏎`.
pub(crate) fn one_line(text: &str) -> String {
    let lines: Vec<String> = lines(text).collect();
    lines.join(" ⏎ ")
}

/// `text` with its lines after the first indented by `indent` columns.
pub(crate) fn block(text: &str, indent: usize) -> String {
    let lines: Vec<String> = lines(text).collect();
    lines.join(&format!("\n{:indent$}", ""))
}

/// A name, ID, address or other short text: nothing in it is a line end.
pub(crate) fn word(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        push(&mut safe, character);
    }
    safe
}

/// A name as a shell takes it for one word, for commands that are shown to be copied. Before one that begins with a hyphen stands
/// `--`: so all options stand before the name.
pub(crate) fn argument(name: &str) -> String {
    let safe = word(name);
    // Only a NUL can't be quoted, and none is in it any more.
    let quoted = shlex::try_quote(&safe).map_or_else(|_| safe.clone(), Cow::into_owned);
    if safe.starts_with('-') { format!("-- {quoted}") } else { quoted }
}

/// JSON with everything [`word`] would escape written as `\u`. JSON has such characters nowhere
/// but in strings, where that is another way to write the same.
pub(crate) fn json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if is_dangerous(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

fn lines(text: &str) -> impl Iterator<Item = String> {
    text.split('\n').map(|line| {
        let mut safe = String::with_capacity(line.len());
        for character in line.strip_suffix('\r').unwrap_or(line).chars() {
            match character {
                '\t' => safe.push_str("    "),
                _ => push(&mut safe, character),
            }
        }
        safe
    })
}

fn push(safe: &mut String, character: char) {
    if is_dangerous(character) {
        safe.extend(character.escape_default());
    } else {
        safe.push(character);
    }
}

/// Control characters (C0, DEL, C1), line and paragraph separators, the characters that embed,
/// override or isolate a direction (Unicode UAX #9), and those of no width that make two names
/// look the same. Joiners and direction marks stay: scripts and emoji need them.
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_are_shown_not_done() {
        assert_eq!(word("\u{1b}]0;owned\u{7}"), "\\u{1b}]0;owned\\u{7}");
        assert_eq!(word("a\u{9b}31mb\u{7f}"), "a\\u{9b}31mb\\u{7f}");
        assert_eq!(word("bob\n\t\r"), "bob\\n\\t\\r");
        assert_eq!(word("\u{202e}live"), "\\u{202e}live");
    }

    /// A room called `night watch` was shown as `martletctl room invite night watch NAME`, and one called `bridge (e13541)` as what a
    /// shell refuses.
    #[test]
    fn a_name_in_a_command_is_one_word_to_a_shell() {
        for (name, argument_shown) in [
            ("bob", "bob"),
            ("Zoë", "'Zoë'"),
            ("night watch", "'night watch'"),
            ("bridge (e13541)", "'bridge (e13541)'"),
            ("O'Brien", "\"O'Brien\""),
            ("$HOME", "'$HOME'"),
            ("-x", "-- -x"),
            ("- -", "-- '- -'"),
        ] {
            assert_eq!(argument(name), argument_shown);
        }
    }

    #[test]
    fn ordinary_text_of_any_script_is_left_alone() {
        for text in ["Zoë", "日本語", "👩‍👩‍👧", "שלום\u{200f}!", "नमस्ते", "a \\ b"]
        {
            assert_eq!(word(text), text);
            assert_eq!(one_line(text), text);
        }
    }

    #[test]
    fn lines_of_a_message_are_indented() {
        assert_eq!(block("a\nb\r\n\tc", 3), "a\n   b\n       c");
        assert_eq!(one_line("a\nb\rc\n"), "a ⏎ b\\rc ⏎ ");
    }

    proptest! {
        #[test]
        fn nothing_dangerous_gets_through(text in any::<String>()) {
            prop_assert!(!word(&text).chars().any(is_dangerous));
            prop_assert!(!one_line(&text).chars().any(is_dangerous));
            prop_assert!(!block(&text, 4).chars().any(|c| c != '\n' && is_dangerous(c)));
        }

        #[test]
        fn json_stays_the_same_json(text in any::<String>()) {
            let written = json(&serde_json::to_string(&text).unwrap());
            prop_assert!(!written.chars().any(is_dangerous));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
