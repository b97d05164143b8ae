//! What is being typed: a text of several lines, and a cursor in it.

use martlet_protocol::limits::TEXT_BYTES_MAX;
use unicode_segmentation::UnicodeSegmentation;

use super::super::text::{short, width};

/// A text and a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Input {
    text: String,
    /// A byte's number, where a character begins.
    at: usize,
}

/// An input as it is shown: its lines, and the row and column of the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) lines: Vec<String>,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl Input {
    /// With a text, the cursor at its end.
    pub(crate) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), at: text.len() }
    }

    /// What is in it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Takes the text out.
    pub(crate) fn take(&mut self) -> String {
        self.at = 0;
        std::mem::take(&mut self.text)
    }

    /// Puts `text` in at the cursor, without control characters but line ends and tabs. False, and nothing is changed, if
    /// it would be longer than a message may be.
    pub(crate) fn insert(&mut self, text: &str) -> bool {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text: String =
            text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        if self.text.len() + text.len() > TEXT_BYTES_MAX {
            return false;
        }
        self.text.insert_str(self.at, &text);
        self.at += text.len();
        true
    }

    /// Removes the character before the cursor.
    pub(crate) fn backspace(&mut self) {
        let end = self.at;
        self.left();
        self.text.replace_range(self.at..end, "");
    }

    /// Removes the character after the cursor.
    pub(crate) fn delete(&mut self) {
        let start = self.at;
        self.right();
        self.text.replace_range(start..self.at, "");
        self.at = start;
    }

    /// Removes the word before the cursor.
    pub(crate) fn delete_word(&mut self) {
        let end = self.at;
        self.word_left();
        self.text.replace_range(self.at..end, "");
    }

    /// Removes what is before the cursor in its line.
    pub(crate) fn delete_to_start(&mut self) {
        let end = self.at;
        self.home();
        self.text.replace_range(self.at..end, "");
    }

    /// Removes what is after the cursor in its line.
    pub(crate) fn delete_to_end(&mut self) {
        let start = self.at;
        self.end();
        self.text.replace_range(start..self.at, "");
        self.at = start;
    }

    /// One character back.
    pub(crate) fn left(&mut self) {
        let before = self.text[..self.at].grapheme_indices(true).next_back();
        self.at = before.map_or(0, |(at, _)| at);
    }

    /// One character on.
    pub(crate) fn right(&mut self) {
        let after = self.text[self.at..].graphemes(true).next();
        self.at += after.map_or(0, str::len);
    }

    /// To the start of the word.
    pub(crate) fn word_left(&mut self) {
        let before = self.text[..self.at].unicode_word_indices().next_back();
        self.at = before.map_or(0, |(at, _)| at);
    }

    /// To the end of the word.
    pub(crate) fn word_right(&mut self) {
        let mut after = self.text[self.at..].unicode_word_indices();
        self.at = after.next().map_or(self.text.len(), |(at, word)| self.at + at + word.len());
    }

    /// To the start of the line.
    pub(crate) fn home(&mut self) {
        self.at = self.text[..self.at].rfind('\n').map_or(0, |at| at + 1);
    }

    /// To the end of the line.
    pub(crate) fn end(&mut self) {
        self.at = self.text[self.at..].find('\n').map_or(self.text.len(), |at| self.at + at);
    }

    /// To the line above. False if there is none.
    pub(crate) fn up(&mut self) -> bool {
        let start = self.text[..self.at].rfind('\n');
        let Some(start) = start else { return false };
        let column = self.text[start + 1..self.at].graphemes(true).count();
        let above = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        self.at = above + prefix(&self.text[above..start], column);
        true
    }

    /// To the line below. False if there is none.
    pub(crate) fn down(&mut self) -> bool {
        let start = self.text[..self.at].rfind('\n').map_or(0, |at| at + 1);
        let Some(end) = self.text[self.at..].find('\n') else { return false };
        let below = self.at + end + 1;
        let column = self.text[start..self.at].graphemes(true).count();
        let rest = self.text[below..].split('\n').next().unwrap_or_default();
        self.at = below + prefix(rest, column);
        true
    }

    /// Its lines in so many columns. The last column is the cursor's alone.
    pub(crate) fn shown(&self, columns: usize) -> Shown {
        let columns = columns.max(4) - 1;
        let mut shown = Shown { lines: vec![String::new()], row: 0, column: 0 };
        let (mut line, mut used) = (String::new(), 0);
        let mut lines = Vec::new();
        for (at, grapheme) in self.text.grapheme_indices(true) {
            let drawn = match grapheme {
                "\n" => String::new(),
                "\t" => "    ".to_owned(),
                _ => short(grapheme),
            };
            let more = width(&drawn);
            if used + more > columns {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            if at == self.at {
                (shown.row, shown.column) = (lines.len(), used);
            }
            if grapheme == "\n" {
                lines.push(std::mem::take(&mut line));
                used = 0;
            } else {
                line.push_str(&drawn);
                used += more;
            }
        }
        if self.at == self.text.len() {
            (shown.row, shown.column) = (lines.len(), used);
        }
        lines.push(line);
        shown.lines = lines;
        shown
    }
}

/// Bytes of the first `characters` of `line`, or of all of it.
fn prefix(line: &str, characters: usize) -> usize {
    line.grapheme_indices(true).nth(characters).map_or(line.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_like_one_character_is_removed_at_once() {
        let mut input = Input::of("a👩‍👩‍👧e\u{301}");
        input.backspace();
        assert_eq!(input.text(), "a👩‍👩‍👧");
        input.left();
        input.delete();
        assert_eq!(input.text(), "a");
    }

    #[test]
    fn words_and_lines_are_moved_over() {
        let mut input = Input::of("one two\nthree");
        assert!(!input.down());
        assert!(input.up());
        input.insert("|");
        assert_eq!(input.text(), "one t|wo\nthree");
        input.word_left();
        input.delete_to_end();
        assert_eq!(input.text(), "one \nthree");
        assert!(input.down());
        input.end();
        input.delete_word();
        assert_eq!(input.text(), "one \n");
    }

    #[test]
    fn pasted_control_characters_are_left_out() {
        let mut input = Input::default();
        assert!(input.insert("a\r\nb\u{1b}[31m\tc\0"));
        assert_eq!(input.text(), "a\nb[31m\tc");
    }

    #[test]
    fn a_text_longer_than_a_message_is_refused() {
        let mut input = Input::of("x");
        assert!(!input.insert(&"y".repeat(TEXT_BYTES_MAX)));
        assert_eq!(input.text(), "x");
        assert!(input.insert(&"y".repeat(TEXT_BYTES_MAX - 1)));
    }

    #[test]
    fn the_cursor_is_where_the_next_character_comes() {
        let input = Input::of("日本語 ab");
        assert_eq!(
            input.shown(6),
            Shown { lines: vec!["日本".into(), "語 ab".into()], row: 1, column: 5 }
        );
        assert_eq!(
            Input::of("a\n").shown(9),
            Shown { lines: vec!["a".into(), "".into()], row: 1, column: 0 }
        );
        assert_eq!(Input::default().shown(9), Shown { lines: vec!["".into()], row: 0, column: 0 });
    }

    proptest! {
        #[test]
        fn any_keys_keep_it_whole(text in "\\PC{0,20}", keys in prop::collection::vec(0_u8..14, 0..40), columns in 4_usize..20) {
            let mut input = Input::default();
            for key in keys {
                match key {
                    0 => input.left(),
                    1 => input.right(),
                    2 => input.word_left(),
                    3 => input.word_right(),
                    4 => input.home(),
                    5 => input.end(),
                    6 => drop(input.up()),
                    7 => drop(input.down()),
                    8 => input.backspace(),
                    9 => input.delete(),
                    10 => input.delete_word(),
                    11 => input.delete_to_end(),
                    12 => drop(input.insert("\n")),
                    _ => drop(input.insert(&text)),
                }
                let shown = input.shown(columns);
                prop_assert!(shown.row < shown.lines.len());
                prop_assert!(shown.column < columns);
                prop_assert!(shown.lines.iter().all(|line| width(line) < columns.max(4)));
            }
        }
    }
}
