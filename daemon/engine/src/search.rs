//! Searching: what the user looks for, and whether a text has it.
//!
//! What is looked for is words, or the beginnings of them, in any order: a text must have all. There are no operators and
//! no patterns: each character means itself, but for [folding](fold). A word that begins with neither a letter nor a digit
//! (`.*`, `👍`), and one of a script without spaces, is found anywhere.

mod fold;

use zeroize::Zeroizing;

use crate::limits::{SEARCH_AFTER_CHARS, SEARCH_BEFORE_CHARS, SEARCH_WORDS_MAX};
use fold::{fold_character, is_in_word, is_unspaced};
use martlet_protocol::limits::SEARCH_BYTES_MAX;

/// Why nothing can be looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nothing was given, or nothing but accents.
    #[error("there is no word to look for")]
    Empty,
    /// More than anyone types.
    #[error("what to look for has {found} bytes, at most {max} are allowed")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// More words than anyone types.
    #[error("there are {found} words to look for, at most {max} are allowed")]
    TooManyWords {
        /// Words found.
        found: usize,
        /// Words allowed.
        max: usize,
    },
}

/// What the user looks for.
pub(crate) struct Query {
    words: Vec<Word>,
}

/// A word, or the beginning of one.
struct Word {
    folded: Zeroizing<String>,
    /// It need not stand where a word begins.
    is_anywhere: bool,
}

/// A text, folded.
pub(crate) struct Folded(Zeroizing<Box<str>>);

/// Where a text has what was looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Around {
    pub(crate) before: String,
    pub(crate) found: String,
    pub(crate) after: String,
}

impl Query {
    /// Of what the user typed.
    pub(crate) fn new(typed: &str) -> Result<Self, QueryError> {
        if typed.len() > SEARCH_BYTES_MAX {
            return Err(QueryError::TooLong { found: typed.len(), max: SEARCH_BYTES_MAX });
        }
        let mut words: Vec<Word> = Vec::new();
        for folded in typed.split_whitespace().map(fold::fold) {
            let is_known = words.iter().any(|word| *word.folded == folded);
            let Some(first) = folded.chars().next().filter(|_| !is_known) else { continue };
            let is_anywhere = !is_in_word(first) || is_unspaced(first);
            words.push(Word { folded: Zeroizing::new(folded), is_anywhere });
        }
        match words.len() {
            0 => Err(QueryError::Empty),
            found if found > SEARCH_WORDS_MAX => {
                Err(QueryError::TooManyWords { found, max: SEARCH_WORDS_MAX })
            }
            _ => {
                // The longest first: it is the rarest.
                words.sort_by_key(|word| std::cmp::Reverse(word.folded.len()));
                Ok(Self { words })
            }
        }
    }

    /// Whether a text has all words.
    pub(crate) fn is_in(&self, text: &Folded) -> bool {
        self.words.iter().all(|word| word.find(&text.0).is_some())
    }

    /// Where a text has one of the words first, with what stands around it.
    pub(crate) fn around(&self, text: &str) -> Option<Around> {
        let folded = Zeroizing::new(fold::fold(text));
        let found = self.words.iter().filter_map(|word| {
            let at = word.find(&folded)?;
            Some((at, at + word.folded.len()))
        });
        let (from, to) = found.min()?;
        let (from, to) = unfold(text, from, to);
        let (before, found, after) = (&text[..from], &text[from..to], &text[to..]);
        let is_cut = |cut: &str, whole: &str| cut.len() < whole.len();
        let from = before.char_indices().rev().nth(SEARCH_BEFORE_CHARS - 1).map_or(0, |(at, _)| at);
        let shown_before = &before[from..];
        let to = after.char_indices().nth(SEARCH_AFTER_CHARS).map_or(after.len(), |(at, _)| at);
        let shown_after = &after[..to];
        Some(Around {
            before: format!("{}{shown_before}", dots(is_cut(shown_before, before))),
            found: found.to_owned(),
            after: format!("{shown_after}{}", dots(is_cut(shown_after, after))),
        })
    }
}

impl Word {
    /// Where a folded text has it first.
    fn find(&self, text: &str) -> Option<usize> {
        let mut from = 0;
        loop {
            let at = from + text.get(from..)?.find(self.folded.as_str())?;
            let before = text[..at].chars().next_back();
            if self.is_anywhere || before.is_none_or(|it| !is_in_word(it) || is_unspaced(it)) {
                return Some(at);
            }
            // A word doesn't begin within another: on with the character after the first.
            from = at + text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
}

impl Folded {
    /// A text, to be looked through.
    pub(crate) fn new(text: &str) -> Self {
        Self(Zeroizing::new(fold::fold(text).into_boxed_str()))
    }

    /// Its length, bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Which bytes of `text` became those of the folded text from `from` up to `to`: whole characters, with their accents.
fn unfold(text: &str, from: usize, to: usize) -> (usize, usize) {
    let (mut folded, mut start, mut end) = (String::new(), 0, text.len());
    for (at, character) in text.char_indices() {
        let before = folded.len();
        fold_character(character, &mut folded);
        if before <= from && folded.len() > before {
            start = at;
        }
        if before >= to && folded.len() > before {
            end = at;
            break;
        }
    }
    zeroize::Zeroize::zeroize(&mut folded);
    (start, end)
}

fn dots(is_cut: bool) -> &'static str {
    if is_cut { "…" } else { "" }
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Query({} words)", self.words.len())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn has(text: &str, typed: &str) -> bool {
        Query::new(typed).unwrap().is_in(&Folded::new(text))
    }

    #[test]
    fn words_and_their_beginnings_are_found_in_any_order_and_all_of_them() {
        let text = "The martlet never lands, says bob@example.org";
        for typed in ["martlet", "MART", "lands the", "never  martlet\tsays", "example", "lands,"] {
            assert!(has(text, typed), "{typed}");
        }
        for typed in ["artlet", "martlets", "martlet falls", "ob", "says,"] {
            assert!(!has(text, typed), "{typed}");
        }
    }

    #[test]
    fn accents_case_and_forms_make_no_difference() {
        for (text, typed) in [
            ("Crème brûlée", "creme brulee"),
            ("creme brulee", "CRÈME BRÛLÉE"),
            ("cre\u{300}me", "crème"),
            ("Straße", "STRASSE"),
            ("ΟΔΟΣ", "οδος"),
            ("Ёлка", "елка"),
            ("İstanbul", "istanbul"),
            ("ﬁne Ｗｉｄｅ", "fine wide"),
            ("don’t", "don't"),
            ("שָׁלוֹם", "שלום"),
        ] {
            assert!(has(text, typed), "{text} {typed}");
        }
    }

    #[test]
    fn where_words_have_no_spaces_between_them_they_are_found_anywhere() {
        for (text, typed) in [
            ("明日は東京で会いましょう", "東京"),
            ("明日は東京で会いましょう", "会い ましょ"),
            ("これはアーキテクチャです", "テク"),
            ("ｶﾀｶﾅ", "タカ"),
            ("พรุ่งนี้เจอกันที่สวนสาธารณะ", "สวน"),
            ("東京tower", "tower"),
            ("see 東京", "see 京"),
        ] {
            assert!(has(text, typed), "{text} {typed}");
        }
        assert!(!has("明日は東京で", "京都"));
    }

    #[test]
    fn a_pattern_is_taken_literally_and_so_are_signs() {
        assert!(has("use a.*b|c[d] here", "a.*b|c[d]"));
        assert!(!has("use axxb here", "a.*b"));
        assert!(has("100% sure 👍🏽", "% 👍"));
        assert!(has("see C++ (draft)", "c++"));
        assert!(!has("see C", "c++"));
        assert!(has("a\0b", "a\0b") && !has("ab", "a\0b"));
    }

    #[test]
    fn nothing_too_much_and_too_many_are_refused() {
        for typed in ["", "  \t\n", "\u{301}"] {
            assert_eq!(Query::new(typed).unwrap_err(), QueryError::Empty, "{typed:?}");
        }
        let long = "x".repeat(10 * 1024);
        let refused = Query::new(&long).unwrap_err();
        assert_eq!(refused, QueryError::TooLong { found: 10_240, max: SEARCH_BYTES_MAX });
        let many: String = (0..=SEARCH_WORDS_MAX).map(|n| format!("{n} ")).collect();
        let refused = Query::new(&many).unwrap_err();
        assert!(matches!(refused, QueryError::TooManyWords { .. }), "{refused}");
        Query::new(&"again ".repeat(100)).unwrap();
    }

    #[test]
    fn what_is_found_is_shown_with_what_stands_around_it() {
        let around = |text: &str, typed: &str| {
            let Around { before, found, after } = Query::new(typed).unwrap().around(text).unwrap();
            format!("{before}[{found}]{after}")
        };
        assert_eq!(around("Ein Cafe\u{301} in Köln", "cafe"), "Ein [Cafe\u{301}] in Köln");
        assert_eq!(around("Die Straße hier", "strass hier"), "Die [Straß]e hier");
        assert_eq!(around("ﬁne", "fin"), "[ﬁn]e");
        assert_eq!(around("ﬁ", "f"), "[ﬁ]");
        let long = format!("{}needle {}", "é ".repeat(300), "ü".repeat(300));
        let shown = around(&long, "needle");
        assert!(shown.starts_with("…") && shown.ends_with("ü…"), "{shown}");
        let chars = SEARCH_BEFORE_CHARS + SEARCH_AFTER_CHARS + "…[needle]…".chars().count();
        assert_eq!(shown.chars().count(), chars);
        assert_eq!(Query::new("other").unwrap().around("text"), None);
    }
}
