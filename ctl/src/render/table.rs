//! Tables with aligned columns.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::{Page, Paint};

/// A table: a dim heading, then rows. The last column is not padded.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<(Paint, String)>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, one cell a column. Untrusted text must have been made harmless.
    pub(crate) fn row(&mut self, cells: Vec<(Paint, String)>) {
        self.rows.push(cells);
    }

    /// Writes the table to `page`. Where it is too wide for it, what the last column has stands below each row; and if that
    /// is not enough, each row is a paragraph of labelled values.
    pub(crate) fn write(&self, page: &mut Page) {
        let widths: Vec<usize> = self
            .headings
            .iter()
            .enumerate()
            .map(|(column, heading)| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|(_, text)| width(text)).max().unwrap_or(0).max(width(heading))
            })
            .collect();
        let fits = |columns: usize| {
            let gaps = GAP.len() * columns.saturating_sub(1);
            let needed = widths.iter().take(columns).sum::<usize>() + gaps;
            page.columns().is_none_or(|room| needed <= room)
        };
        let last = self.headings.len().saturating_sub(1);
        if fits(last + 1) {
            self.lines(&widths, page);
        } else if fits(last) {
            self.lines_in_two(&widths[..last], page);
        } else {
            self.paragraphs(page);
        }
    }

    fn lines(&self, widths: &[usize], page: &mut Page) {
        let headings = self.headings.iter().zip(widths).map(|(text, &width)| pad(text, width));
        let headings: Vec<String> = headings.collect();
        page.raw_line(&page.paint(Paint::Dim, headings.join(GAP).trim_end()));
        for row in &self.rows {
            page.raw_line(row_of(row, widths, page).trim_end());
        }
    }

    fn lines_in_two(&self, widths: &[usize], page: &mut Page) {
        let headings = self.headings.iter().zip(widths).map(|(text, &width)| pad(text, width));
        let headings: Vec<String> = headings.collect();
        let last = self.headings.last().unwrap_or(&"");
        page.raw_line(&page.paint(Paint::Dim, headings.join(GAP).trim_end()));
        page.raw_line(&page.paint(Paint::Dim, &format!("{GAP}{last}")));
        for row in &self.rows {
            page.raw_line(row_of(row, widths, page).trim_end());
            if let Some((paint, text)) = row.get(widths.len()) {
                page.hanging(GAP, &page.paint(*paint, text));
            }
        }
    }

    fn paragraphs(&self, page: &mut Page) {
        let label = self.headings.iter().skip(1).map(|heading| width(heading)).max().unwrap_or(0);
        for row in &self.rows {
            for (number, (heading, (paint, text))) in self.headings.iter().zip(row).enumerate() {
                let text = page.paint(*paint, text);
                if number == 0 {
                    page.line(text);
                } else {
                    let heading = page.paint(Paint::Dim, &pad(heading, label));
                    page.hanging(&format!("{GAP}{heading}{GAP}"), &text);
                }
            }
        }
    }
}

/// Between columns.
const GAP: &str = "  ";

/// The cells of `row` for which there are `widths`.
fn row_of(row: &[(Paint, String)], widths: &[usize], page: &Page) -> String {
    let cells = row.iter().zip(widths).map(|((paint, text), &columns)| {
        let padding = " ".repeat(columns.saturating_sub(width(text)));
        page.paint(*paint, text) + &padding
    });
    cells.collect::<Vec<String>>().join(GAP)
}

/// `text` filled up with spaces to `columns` columns.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    text.to_owned() + &" ".repeat(columns.saturating_sub(width(text)))
}

/// Columns that `text` takes on a terminal: each grapheme by itself, since terminals draw no ligatures.
pub(crate) fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

#[cfg(test)]
mod tests {
    use martlet_protocol::UnixMillis;

    use super::super::Clock;
    use super::*;

    #[test]
    fn columns_are_aligned_for_wide_characters_too() {
        let mut table = Table::new(&["NAME", "UNREAD"]);
        table.row(vec![(Paint::Bold, "日本語".to_owned()), (Paint::Plain, "1".to_owned())]);
        table.row(vec![(Paint::Bold, "zoe".to_owned()), (Paint::Plain, "22".to_owned())]);
        let mut page = Page::new(false, Clock::at(UnixMillis(0)));
        table.write(&mut page);
        assert_eq!(page.text(), "NAME    UNREAD\n日本語  1\nzoe     22\n");
    }

    /// Lam and alef were taken for the one column of their ligature, which terminals don't draw: what followed such a name was
    /// shifted by a column.
    #[test]
    fn letters_that_print_joins_are_as_wide_as_a_terminal_draws_them() {
        assert_eq!(width("علاء"), 4);
        assert_eq!(width("سلام"), 4);
    }

    fn of_three(page: &mut Page) {
        let mut table = Table::new(&["NAME", "UNREAD", "ID"]);
        let id = "martlet1".repeat(3);
        table.row(vec![
            (Paint::Bold, "Zoë of the northern pier".to_owned()),
            (Paint::Plain, "1".to_owned()),
            (Paint::Plain, id),
        ]);
        table.write(page);
    }

    /// Contacts, peers and bans were lines of any length, and terminals broke them where they liked.
    #[test]
    fn a_table_is_made_narrower_by_putting_its_columns_below_each_other() {
        let clock = Clock::at(UnixMillis(0));
        let mut page = Page::of_columns(60, clock.clone());
        of_three(&mut page);
        assert_eq!(
            page.text(),
            "NAME                      UNREAD  ID\n\
             Zoë of the northern pier  1       martlet1martlet1martlet1\n"
        );
        let mut page = Page::of_columns(40, clock.clone());
        of_three(&mut page);
        assert_eq!(
            page.text(),
            "NAME                      UNREAD\n  ID\n\
             Zoë of the northern pier  1\n  martlet1martlet1martlet1\n"
        );
        let mut page = Page::of_columns(30, clock);
        of_three(&mut page);
        assert_eq!(
            page.text(),
            "Zoë of the northern pier\n  UNREAD  1\n  ID      martlet1martlet1martlet1\n"
        );
    }
}
