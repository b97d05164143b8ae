//! Where things are on the screen.

use ratatui::layout::Rect;

/// The least that the chat is drawn in.
pub(super) const COLUMNS_MIN: u16 = 40;
/// The same, in lines.
pub(super) const ROWS_MIN: u16 = 10;

/// From so many columns on, the list stands beside the messages; below, one takes the place of the other.
const BESIDE_MIN: u16 = 64;

/// Lines of the input at most.
const INPUT_ROWS_MAX: u16 = 6;

/// Areas of the screen; what is not shown is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Layout {
    /// The line above the list.
    pub(super) list_title: Rect,
    pub(super) list: Rect,
    /// The line between the list and the messages.
    pub(super) divider: Rect,
    /// The line above the messages.
    pub(super) title: Rect,
    pub(super) messages: Rect,
    /// The line above the input.
    pub(super) input_title: Rect,
    pub(super) input: Rect,
    pub(super) status: Rect,
}

/// The areas of a screen of so many columns and rows; none if it is too small. `input_rows` tells the lines of what is
/// being typed in so many columns.
pub(super) fn layout(
    columns: u16,
    rows: u16,
    narrow_shows_list: bool,
    input_rows: impl FnOnce(usize) -> usize,
) -> Layout {
    if columns < COLUMNS_MIN || rows < ROWS_MIN {
        return Layout::default();
    }
    let body = rows - 1;
    let status = Rect::new(0, body, columns, 1);
    let beside = columns >= BESIDE_MIN;
    let list_columns = match (beside, narrow_shows_list) {
        (true, _) => (columns * 3 / 10).clamp(20, 32),
        (false, true) => columns,
        (false, false) => 0,
    };
    let mut layout = Layout { status, ..Layout::default() };
    if list_columns > 0 {
        layout.list_title = Rect::new(0, 0, list_columns, 1);
        layout.list = Rect::new(0, 1, list_columns, body - 1);
    }
    if beside {
        layout.divider = Rect::new(list_columns, 0, 1, body);
    }
    let left = list_columns + u16::from(beside);
    if left < columns {
        let width = columns - left;
        let wanted = u16::try_from(input_rows(usize::from(width) - 2)).unwrap_or(u16::MAX);
        let input = wanted.clamp(1, INPUT_ROWS_MAX.min(rows / 4).max(1));
        layout.title = Rect::new(left, 0, width, 1);
        layout.messages = Rect::new(left, 1, width, body - 2 - input);
        layout.input_title = Rect::new(left, body - 1 - input, width, 1);
        // A column at each side is free.
        layout.input = Rect::new(left + 1, body - input, width - 2, input);
    }
    layout
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_cover_the_screen_and_none_lies_on_another() {
        for (columns, rows) in [(80, 24), (64, 10), (63, 20), (40, 10), (200, 60), (41, 300)] {
            for narrow_shows_list in [true, false] {
                let layout = layout(columns, rows, narrow_shows_list, |_| 9);
                let areas = [
                    layout.list_title,
                    layout.list,
                    layout.divider,
                    layout.title,
                    layout.messages,
                    layout.input_title,
                    layout.input,
                    layout.status,
                ];
                let covered: u32 = areas.iter().map(|area| area.area()).sum();
                // Beside the input two columns are free.
                let free = u32::from(layout.input.height) * 2;
                assert_eq!(covered + free, u32::from(columns) * u32::from(rows));
                for (at, area) in areas.iter().enumerate() {
                    assert!(area.right() <= columns && area.bottom() <= rows);
                    for other in &areas[at + 1..] {
                        assert!(area.intersection(*other).is_empty(), "{layout:?}");
                    }
                }
            }
        }
        assert_eq!(layout(39, 24, true, |_| 1), Layout::default());
    }
}
