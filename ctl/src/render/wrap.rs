//! Text that fits the terminal: broken between words, never within one.

use std::borrow::Cow;
use std::env;
use std::io::IsTerminal;
use std::os::fd::AsFd;

use textwrap::core::Word;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

use super::table::width;

/// The narrowest terminal that text is made to fit: below, each line would have a word or two, and the terminal breaks
/// lines as it likes.
const COLUMNS_MIN: usize = 20;

/// Columns by which text is indented that has no room beside what leads it.
const FALLBACK_INDENT: usize = 4;

/// How many columns there are where `output` is a terminal of a known size; else lines may have any length.
///
/// `COLUMNS` goes before the terminal's own size, as in other programs: shells export it only if told to.
pub(super) fn columns(output: impl AsFd + IsTerminal) -> Option<usize> {
    if !output.is_terminal() {
        return None;
    }
    let told = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let size = || rustix::termios::tcgetwinsize(&output).ok();
    told.or_else(|| size().map(|size| usize::from(size.ws_col)))
        .filter(|columns| *columns >= COLUMNS_MIN)
}

/// The lines of `lead` and, beside it, `text`, whose further lines are as far indented as its first.
///
/// If `lead` takes more than half of the columns, `text` begins below it. A word that is longer than a line stays whole,
/// so that an ID or an address can be copied: the terminal breaks it.
pub(super) fn hanging(lead: &str, text: &str, columns: Option<usize>) -> Vec<String> {
    let indent = width_without_colours(lead);
    let below = columns.is_some_and(|columns| {
        indent > columns / 2 && indent + width_without_colours(text) > columns
    });
    let (mut lines, indent, lead) = match below {
        true => {
            let spaces = " ".repeat(FALLBACK_INDENT);
            (wrap(lead.trim_end(), columns, "", ""), FALLBACK_INDENT, Cow::Owned(spaces))
        }
        false => (Vec::new(), indent, Cow::Borrowed(lead)),
    };
    lines.extend(indented(&lead, &" ".repeat(indent), text, columns));
    lines
}

/// The lines of `text`, the first after `first`, all others after `others`.
pub(super) fn indented(
    first: &str,
    others: &str,
    text: &str,
    columns: Option<usize>,
) -> Vec<String> {
    let lines = text.split('\n').enumerate();
    let wrapped = lines.flat_map(|(number, line)| {
        wrap(line, columns, if number == 0 { first } else { others }, others)
    });
    wrapped.collect()
}

fn wrap(text: &str, columns: Option<usize>, first: &str, others: &str) -> Vec<String> {
    let Some(columns) = columns else { return vec![format!("{first}{text}")] };
    let options = Options::new(columns)
        .initial_indent(first)
        .subsequent_indent(others)
        .break_words(false)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .word_splitter(WordSplitter::NoHyphenation)
        .word_separator(WordSeparator::Custom(words));
    textwrap::wrap(text, options).into_iter().map(Cow::into_owned).collect()
}

/// Words between spaces; those with more than ASCII may be broken where Unicode says (UAX #14), for scripts without
/// spaces. Addresses and paths are ASCII, and stay whole.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    Box::new(WordSeparator::AsciiSpace.find_words(line).flat_map(|word| {
        let mut parts: Vec<Word<'_>> = match word.word.is_ascii() {
            true => vec![word],
            false => WordSeparator::UnicodeBreakProperties.find_words(word.word).collect(),
        };
        if let Some(last) = parts.last_mut() {
            last.whitespace = word.whitespace;
        }
        parts
    }))
}

/// Columns that `text` takes, in which only colours are escape sequences.
fn width_without_colours(text: &str) -> usize {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().map_or(0, width);
    first
        + parts.map(|part| width(part.split_once('m').map_or("", |(_, text)| text))).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_hangs_beside_what_leads_it() {
        let lines = hanging("12:00  bob  ", "one two three four\nfive", Some(24));
        assert_eq!(lines, ["12:00  bob  one two", "            three four", "            five"]);
        assert_eq!(hanging("a  ", "one two", None), ["a  one two"]);
    }

    #[test]
    fn colours_take_no_columns() {
        let lines = hanging("\u{1b}[2m12:00\u{1b}[0m  ", "one two three four", Some(20));
        assert_eq!(lines, ["\u{1b}[2m12:00\u{1b}[0m  one two three", "       four"]);
    }

    #[test]
    fn no_word_is_broken() {
        let id = "martlet1".repeat(8);
        let lines = hanging("ID  ", &format!("is {id} here"), Some(30));
        assert_eq!(lines, ["ID  is".to_owned(), format!("    {id}"), "    here".to_owned()]);
        let address = "/ip4/192.168.178.27/udp/4177/quic-v1";
        assert_eq!(hanging("", &format!("at {address}"), Some(20)), ["at", address]);
    }

    #[test]
    fn scripts_without_spaces_are_broken_by_width() {
        let lines = hanging("bob  ", "日本語の文章、です。", Some(20));
        assert_eq!(lines, ["bob  日本語の文章、", "     です。"]);
    }

    #[test]
    fn text_without_room_begins_below_its_lead() {
        let lines = hanging("12:00  a name of many letters  ", "one two three", Some(30));
        assert_eq!(lines, ["12:00  a name of many letters", "    one two three"]);
        // But not if all fits on the line.
        assert_eq!(hanging("12:00  a name  ", "one", Some(24)), ["12:00  a name  one"]);
    }
}
