//! Bars beside each other's names: what each of a few nodes has.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ink::Ink;
use super::plot::{self, DrawError, WIDTH, letters, scaled, width};

/// Height of a row, pixels.
const ROW: i32 = 22;
/// Characters of a name that are shown; longer ones end in "…".
const NAME_CHARS: usize = 22;
/// What is left free right of the longest bar, for its value.
const VALUE_WIDTH: i32 = 96;

/// Something with a name, how much it has, and how that is said.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) said: String,
}

/// The rows below each other, as SVG.
pub(super) fn rows(rows: &[Row], ink: Ink) -> Result<String, DrawError> {
    let names: Vec<String> = rows.iter().map(|row| shortened(&row.name)).collect();
    let left = names.iter().map(|name| width(name)).max().unwrap_or_default() + scaled(14);
    let most = rows.iter().map(|row| row.value).fold(f64::MIN_POSITIVE, f64::max);
    let room = f64::from(scaled(WIDTH - VALUE_WIDTH) - left);
    let height = ROW * i32::try_from(rows.len()).unwrap_or(i32::MAX / ROW).max(1) + 8;
    plot::svg(height.max(110), |area| {
        area.draw(&PathElement::new(
            [(left, 0), (left, scaled(height))],
            Ink::Muted.color().stroke_width(scaled(1) as u32),
        ))?;
        for (place, (row, name)) in rows.iter().zip(&names).enumerate() {
            let top = scaled(ROW) * place as i32 + scaled(4);
            let middle = top + scaled(ROW) / 2;
            let end = left + (row.value / most * room).round() as i32;
            let corners = [(left, top + scaled(3)), (end.max(left + 1), top + scaled(ROW - 3))];
            area.draw(&Rectangle::new(corners, ink.color().mix(0.7).filled()))?;
            for (text, x, side) in
                [(name, left - scaled(6), HPos::Right), (&row.said, end + scaled(6), HPos::Left)]
            {
                let style = letters(Ink::Text).pos(Pos::new(side, VPos::Center));
                area.draw(&Text::new(text.clone(), (x, middle), style))?;
            }
        }
        Ok(())
    })
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_CHARS {
        return name.to_owned();
    }
    name.chars().take(NAME_CHARS - 1).chain(['…']).collect()
}
