//! How easily a passphrase is guessed, told where it is set. It is never refused for that.
//!
//! Here and not in the daemon: what this makes of a passphrase isn't wiped, and this process ends.

use zxcvbn::{Score, zxcvbn};

use crate::render::Output;

/// Says so if a new passphrase is weak. `words` are those that a guesser would try first: the user's name.
pub(crate) fn tell(passphrase: &str, words: &[&str], output: &Output) {
    if let Some(text) = weakness(passphrase, words) {
        output.note(&text);
    }
}

/// What is weak about a passphrase.
fn weakness(passphrase: &str, words: &[&str]) -> Option<String> {
    // Empty: the daemon has the words for it.
    if passphrase.is_empty() {
        return None;
    }
    let found = zxcvbn(passphrase, words);
    // 10⁸ guesses and more at a second each take years.
    if matches!(found.score(), Score::Three | Score::Four) {
        return None;
    }
    let why = found.feedback().and_then(|feedback| feedback.warning());
    let why = why.map(|why| format!(" {why}")).unwrap_or_default();
    Some(format!(
        "warning: this passphrase is weak: {} will do.{why} Whoever has a copy of the vault's files can try them, about one a \
         second on a machine like this. Four or more words that have nothing to do with each other are better: martletctl \
         passphrase",
        guesses(found.guesses())
    ))
}

fn guesses(count: u64) -> String {
    match count {
        0..=1_000 => "some hundred guesses".to_owned(),
        1_001..=1_000_000 => format!("some {} thousand guesses", count.div_ceil(1_000)),
        1_000_001.. => format!("some {} million guesses", count.div_ceil(1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passphrases_are_told_and_strong_ones_not() {
        for (weak, told) in [
            ("qwerty", "some hundred guesses will do. This is a top-10 common password."),
            ("alice1990", "guesses will do."),
            ("correct", "guesses will do."),
            ("aaaaaaaaaaaaaaaa", "Repeats like"),
            ("é", "guesses will do."),
        ] {
            let text = weakness(weak, &["alice"]).unwrap_or_default();
            assert!(text.contains(told) && !text.contains(weak), "{weak}: {text}");
        }
        for strong in
            ["correct horse battery staple", "x7!kQ9#vTz2$", "Donaudampfschiff fährt grün"]
        {
            assert_eq!(weakness(strong, &[]), None);
        }
        assert_eq!(weakness("", &[]), None);
        // The user's own name is no secret.
        assert_eq!(weakness("Zwetschgenknoedelmann", &[]), None);
        assert!(weakness("Zwetschgenknoedelmann", &["Zwetschgenknoedelmann"]).is_some());
    }

    /// The longest takes no longer than a person notices.
    #[test]
    fn the_longest_is_judged_in_time() {
        let longest = "aB3$x".repeat(martlet_protocol::limits::PASSPHRASE_BYTES_MAX / 5);
        let began = std::time::Instant::now();
        weakness(&longest, &[]);
        assert!(began.elapsed() < std::time::Duration::from_secs(10));
    }
}
