//! Tables with aligned columns.

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

    /// Writes the table to `page`.
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
        let headings = self.headings.iter().zip(&widths).map(|(text, &width)| pad(text, width));
        let headings: Vec<String> = headings.collect();
        page.line(page.paint(Paint::Dim, headings.join("  ").trim_end()));
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|((paint, text), &columns)| {
                    let padding = " ".repeat(columns.saturating_sub(width(text)));
                    page.paint(*paint, text) + &padding
                })
                .collect();
            page.line(cells.join("  "));
        }
    }
}

/// `text` filled up with spaces to `columns` columns.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    text.to_owned() + &" ".repeat(columns.saturating_sub(width(text)))
}

/// Columns that `text` takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
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
}
