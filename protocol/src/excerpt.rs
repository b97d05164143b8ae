//! What is told of an input that could not be parsed: where it is wrong and what was expected there, and nothing
//! that stands in it.
//!
//! Parsers show what they stumble over. A file may hold a network's key, a request a passphrase, a mistaken path
//! may lead to anything; and what is wrong with them goes to terminals, logs and answers. Of the input only the
//! names of keys are repeated, and only those that look like one.

use crate::nearest::nearest;

/// Longest name of a key that is repeated, bytes: longer than any there is.
const NAME_BYTES_MAX: usize = 32;

/// What a parser that reports errors as serde does (serde_json, toml) begins with where it repeats a value, and
/// what is said instead.
const VALUES: [(&str, &str); 4] = [
    ("invalid type: ", "a value of another kind"),
    ("invalid value: ", "a value that is not allowed"),
    ("invalid length ", "a wrong number of values"),
    ("unknown variant ", "a word that is not known"),
];

/// A parser's message without what it repeats of the input.
#[must_use]
pub fn message(of_parser: &str) -> String {
    // What is expected comes last, and is the parser's own.
    const EXPECTED: &str = ", expected ";
    for (start, instead) in VALUES {
        if let Some(rest) = of_parser.strip_prefix(start) {
            return match rest.rsplit_once(EXPECTED) {
                Some((_, expected)) => format!("{instead}; expected {expected}"),
                None => instead.to_owned(),
            };
        }
    }
    let Some(rest) = of_parser.strip_prefix("unknown field `") else { return of_parser.to_owned() };
    let (name, expected) = rest.rsplit_once("`, expected ").unwrap_or((rest, "nothing here"));
    let told = if is_name(name) { format!(" `{name}`") } else { String::new() };
    // Names stand between backquotes.
    match nearest(name, expected.split('`').skip(1).step_by(2)) {
        Some(meant) => format!("unknown field{told}, did you mean `{meant}`? Expected {expected}"),
        None => format!("unknown field{told}, expected {expected}"),
    }
}

/// What is wrong with the TOML `text`: the line, from 1, and its key, and the reason.
#[must_use]
pub fn toml(text: &str, error: &toml::de::Error) -> String {
    let message = message(error.message());
    let span = error.span().filter(|_| !message.starts_with("missing field"));
    // What is missing stands on no line.
    let Some(span) = span else { return message };
    let before = text.get(..span.start).unwrap_or(text);
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let key = line.split_once('=').map(|(key, _)| key.trim().trim_matches(['"', '\'']));
    match key.filter(|key| is_name(key)) {
        Some(key) => format!("line {number}: {key} = …: {message}"),
        None => format!("line {number}: {message}"),
    }
}

/// Whether a text may be the name of a key, and is no secret: those have digits, or are longer.
fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only refused")]
    struct Asked {
        passphrase: Option<String>,
        bits: u8,
        privacy: Privacy,
        pair: (u8, u8),
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Privacy {
        Fast,
        Mixed,
    }

    const SECRET: &str = "hunter2, expected `x`, expected one of";

    fn of_json<T: DeserializeOwned + Debug>(text: &str) -> String {
        message(&serde_json::from_str::<T>(text).expect_err("refused").to_string())
    }

    fn of_toml<T: DeserializeOwned + Debug>(text: &str) -> String {
        toml(text, &toml::from_str::<T>(text).expect_err("refused"))
    }

    #[test]
    fn nothing_that_stands_in_the_input_is_told() {
        let rest = "\"privacy\": \"fast\", \"pair\": [1, 2]";
        for (text, told) in [
            (format!("{SECRET:?}"), "expected struct Asked at line 1 column"),
            (format!("{{\"bits\": {SECRET:?}, {rest}}}"), "expected u8 at line 1 column"),
            (format!("{{{SECRET:?}: 1, {rest}}}"), "expected one of `passphrase`, `bits`"),
            (format!("{{\"privacy\": {SECRET:?}}}"), "expected `fast` or `mixed`"),
            (format!("{{\"bits\": 300, {rest}}}"), "expected u8"),
            (format!("{{\"pair\": [1], {rest}}}"), "expected a tuple of size 2"),
            (format!("{{\"bits\": hunter2, {rest}}}"), "expected value at line 1 column"),
            (format!("hunter2 {{\"bits\": 1, {rest}}}"), "expected value at line 1 column"),
        ] {
            let found = of_json::<Asked>(&text);
            assert!(found.contains(told) && !found.contains("hunter2"), "{text}: {found}");
        }
        let rest = "privacy = \"fast\"\npair = [1, 2]";
        for (text, told) in [
            (
                format!("bits = {SECRET:?}\n{rest}"),
                "line 1: bits = …: a value of another kind; expected u8",
            ),
            (format!("{SECRET:?} = 1\n{rest}"), "line 1: unknown field, expected one of"),
            (format!("{rest}\nprivacy = {SECRET:?}"), "line 3: privacy = …: duplicate key"),
            (format!("privacy = {SECRET:?}"), "expected `fast` or `mixed`"),
            (format!("{SECRET:?}\n{rest}"), "line 1: "),
            (format!("hunter2\n{rest}"), "line 1: "),
            (format!("hunter2{rest}"), "line 1: "),
            (format!("bits = hunter2\n{rest}"), "line 1: bits = …: "),
            (format!("bits = \"hunter2\n{rest}"), "line 1: bits = …: "),
        ] {
            let found = of_toml::<Asked>(&text);
            assert!(found.contains(told) && !found.contains("hunter2"), "{text}: {found}");
        }
    }

    #[test]
    fn what_helps_is_told() {
        assert_eq!(
            message("missing field `to` at line 1 column 2"),
            "missing field `to` at line 1 column 2"
        );
        assert_eq!(of_toml::<Asked>("bits = 1"), "missing field `privacy`");
        assert!(
            of_toml::<Asked>("\ncolour = 1").contains("line 2: colour = …: unknown field `colour`")
        );
        assert!(
            of_json::<Asked>("{\"colour\": 1}")
                .starts_with("unknown field `colour`, expected one of")
        );
        assert!(of_json::<Asked>("{\"bits\": 1").starts_with("EOF while parsing"));
        assert!(
            of_json::<Asked>("{\"pasphrase\": null}").starts_with(
                "unknown field `pasphrase`, did you mean `passphrase`? Expected one of"
            )
        );
        assert!(of_toml::<Asked>("Bits = 1").contains("did you mean `bits`?"));
        // Of what is too odd to be repeated the nearest is told all the same.
        assert!(of_toml::<Asked>("bits1 = 1").contains("unknown field, did you mean `bits`?"));
    }
}
