//! "Did you mean": which of the words that there are was most likely meant.

/// How alike two words are from which on one is held to be meant by the other: Jaro-Winkler, 0 to 1.
const LIKENESS_MIN: f64 = 0.75;

/// The one of `known` that is most like `wrong`, if any is like it. Capitals make no difference.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&wrong, &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_found_and_what_is_nothing_alike_is_not() {
        let known = ["alice", "bob", "mailbox_bytes_max", "Zoë"];
        for (wrong, meant) in [
            ("Bob", Some("bob")),
            ("bobb", Some("bob")),
            ("zoë", Some("Zoë")),
            ("ailce", Some("alice")),
            ("mailbox_byte_max", Some("mailbox_bytes_max")),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, known), meant, "{wrong}");
        }
    }
}
