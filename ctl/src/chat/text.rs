//! Text on the screen: made harmless, measured, broken and cut by what a terminal shows.

use unicode_segmentation::UnicodeSegmentation;

use crate::limits::GRAPHEME_CHARS_MAX;
pub(super) use crate::render::width;
use crate::render::{block, one_line, word};

/// A name or other short text: harmless, and on one line.
pub(super) fn short(text: &str) -> String {
    calm(&word(text))
}

/// A text on one line: line ends are shown as `⏎`.
pub(super) fn in_one_line(text: &str) -> String {
    calm(&one_line(text))
}

/// The lines of a text, harmless, none wider than `columns`.
pub(super) fn lines(text: &str, columns: usize) -> Vec<String> {
    let safe = block(text, 0);
    safe.split('\n').flat_map(|line| wrap(&calm(line), columns)).collect()
}

/// `text`, at most `columns` wide; what is cut is shown by `…`.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut fitting = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let more = width(grapheme);
        if used + more + 1 > columns {
            break;
        }
        fitting.push_str(grapheme);
        used += more;
    }
    if columns > 0 {
        fitting.push('…');
    }
    fitting
}

/// `text` and spaces, `columns` wide; cut if it is wider.
pub(super) fn padded(text: &str, columns: usize) -> String {
    let mut padded = fit(text, columns);
    let used = width(&padded);
    padded.extend(std::iter::repeat_n(' ', columns.saturating_sub(used)));
    padded
}

/// Without the marks that pile up on one character, beyond what any script or emoji needs.
fn calm(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    text.graphemes(true).flat_map(|grapheme| grapheme.chars().take(GRAPHEME_CHARS_MAX)).collect()
}

/// One line broken between words where that is possible, within them where a word is wider than a line.
fn wrap(line: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let (mut current, mut used) = (String::new(), 0);
    // UAX #29 has spaces as words of their own, and CJK one by one.
    for part in parts(line) {
        let more = width(part);
        if used + more <= columns {
            current.push_str(part);
            used += more;
            continue;
        }
        // Spaces at the end of a line are not seen.
        if part.chars().all(char::is_whitespace) {
            lines.push(std::mem::take(&mut current));
            used = 0;
            continue;
        }
        if more <= columns {
            lines.push(std::mem::take(&mut current).trim_end().to_owned());
            current.push_str(part);
            used = more;
            continue;
        }
        if used > 0 && current.ends_with(' ') {
            lines.push(std::mem::take(&mut current).trim_end().to_owned());
            used = 0;
        }
        for grapheme in part.graphemes(true).flat_map(|grapheme| pieces(grapheme, columns)) {
            let more = width(grapheme);
            if used > 0 && used + more > columns {
                lines.push(std::mem::take(&mut current));
                used = 0;
            }
            current.push_str(grapheme);
            used += more;
        }
    }
    lines.push(current);
    lines
}

/// A grapheme whole, or, where it is wider than a line, the characters that it is of.
fn pieces(grapheme: &str, columns: usize) -> Vec<&str> {
    if width(grapheme) <= columns {
        return vec![grapheme];
    }
    let characters = grapheme.char_indices();
    characters.map(|(at, character)| &grapheme[at..at + character.len_utf8()]).collect()
}

/// What a line is made of: spaces, and words with the punctuation beside them.
fn parts(line: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    let (mut start, mut glued) = (0, false);
    for (at, part) in line.split_word_bound_indices() {
        let is_space = part.chars().all(char::is_whitespace);
        let is_word = part.chars().any(char::is_alphanumeric);
        let is_wide = part.chars().next().is_some_and(|first| !first.is_ascii()) && width(part) > 1;
        // A break is before and after spaces, and between characters of scripts without spaces.
        let breaks = is_space || (is_word && is_wide);
        if at > start && (breaks || !glued) {
            parts.push(&line[start..at]);
            start = at;
        }
        glued = !is_space;
    }
    if start < line.len() {
        parts.push(&line[start..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(lines("one two three", 8), ["one two", "three"]);
        assert_eq!(lines("(a) well, said. Yes!", 9), ["(a) well,", "said.", "Yes!"]);
        assert_eq!(lines("a\n\nb", 8), ["a", "", "b"]);
        assert_eq!(lines("", 8), [""]);
    }

    #[test]
    fn words_wider_than_a_line_are_broken() {
        assert_eq!(
            lines("see https://example.org/a", 10),
            ["see", "https://ex", "ample.org/", "a"]
        );
    }

    #[test]
    fn wide_and_combined_characters_count_as_they_are_shown() {
        assert_eq!(width("日本"), 4);
        assert_eq!(width("👩‍👩‍👧"), 2);
        assert_eq!(width("e\u{301}"), 1);
        assert_eq!(lines("日本語の文章", 5), ["日本", "語の", "文章"]);
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(padded("日本", 6), "日本  ");
    }

    /// A wide character with a sign of a width of its own is one grapheme, and was wider than a line of two columns.
    #[test]
    fn a_grapheme_that_is_wider_than_a_line_is_broken() {
        assert_eq!(lines("\u{30000}\u{b40}", 2), ["\u{30000}", "\u{b40}"]);
    }

    #[test]
    fn piled_up_marks_are_cut() {
        let tower = format!("a{}", "\u{301}".repeat(500));
        assert_eq!(short(&tower).chars().count(), GRAPHEME_CHARS_MAX);
        assert_eq!(short("👨🏽‍👩🏽‍👧🏽‍👦🏽"), "👨🏽‍👩🏽‍👧🏽‍👦🏽");
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_nothing_is_left_out(text in any::<String>(), columns in 2_usize..40) {
            let shown = lines(&text, columns);
            prop_assert!(shown.iter().all(|line| width(line) <= columns));
            let squeeze = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let safe: String = block(&text, 0).split('\n').map(calm).collect();
            prop_assert_eq!(squeeze(&shown.concat()), squeeze(&safe));
        }

        #[test]
        fn what_is_cut_fits(text in "\\PC*", columns in 0_usize..20) {
            prop_assert!(width(&fit(&text, columns)) <= columns);
            prop_assert_eq!(width(&padded(&text, columns)), columns);
        }
    }
}
