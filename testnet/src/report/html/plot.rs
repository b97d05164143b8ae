//! Plots: lines, bands and bars over two axes, with marks that don't cover each other.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::ink::{Ink, with_classes};

/// Figures are drawn at twice the size at which they are shown, since plotters has whole pixels
/// only.
pub(super) const SCALE: i32 = 2;
/// Width of a figure as it is shown, pixels.
pub(super) const WIDTH: i32 = 640;
/// Width and height of one of many plots that stand beside each other.
const SMALL: (i32, i32) = (400, 260);
/// Of its letters.
const LETTERS: i32 = 14;
/// Rows of labels above a plot.
const ROWS: usize = 5;
/// More marks than that get a small line each, those without a label.
const LINES_MAX: usize = 40;
/// What is left of a plot, for its numbers and what they are; and right of it, for half of the last
/// number.
const LEFT: i32 = 82;
const RIGHT: i32 = 30;

/// What is drawn on.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What can go wrong.
pub(super) type DrawError = DrawingAreaErrorKind<std::io::Error>;

/// Something in a plot.
#[derive(Debug, Clone)]
pub(super) enum Layer {
    /// A line through points.
    Line(Ink, Vec<(f64, f64)>),
    /// What is between two lines: x, lower, upper.
    Band(Ink, Vec<(f64, f64, f64)>),
    /// Bars: from x to x, and how high.
    Bars(Ink, Vec<(f64, f64, f64)>),
    /// A dot at each point.
    Dots(Ink, Vec<(f64, f64)>),
}

/// A line across a plot, with a label above it.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) at: f64,
    /// Empty: none.
    pub(super) label: String,
}

/// A plot.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) layers: Vec<Layer>,
    pub(super) marks: Vec<Mark>,
}

/// An SVG of so many pixels in height.
pub(super) fn svg(
    height: i32,
    draw: impl FnOnce(&Area<'_>) -> Result<(), DrawError>,
) -> Result<String, DrawError> {
    svg_of((WIDTH, height), draw)
}

/// One of many plots that stand beside each other, as SVG.
pub(super) fn small(plot: &Plot) -> Result<String, DrawError> {
    svg_of(SMALL, |area| plot.draw(area, true))
}

fn svg_of(
    (width, height): (i32, i32),
    draw: impl FnOnce(&Area<'_>) -> Result<(), DrawError>,
) -> Result<String, DrawError> {
    let mut svg = String::new();
    {
        let size = (scaled(width) as u32, scaled(height) as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&area)?;
        area.present()?;
    }
    Ok(with_classes(svg))
}

/// One plot, as SVG.
pub(super) fn one(height: i32, plot: &Plot) -> Result<String, DrawError> {
    svg(height, |area| plot.draw(area, true))
}

/// Two above each other, which have the same x axis.
pub(super) fn two(height: i32, upper: &Plot, lower: &Plot, at: i32) -> Result<String, DrawError> {
    svg(height, |area| {
        let (above, below) = area.split_vertically(scaled(at));
        upper.draw(&above, false)?;
        lower.draw(&below, true)
    })
}

/// Letters of the size of all, in `ink`.
pub(super) fn letters(ink: Ink) -> TextStyle<'static> {
    // plotters makes them smaller by this.
    let size = f64::from(scaled(LETTERS)) * 1.24;
    let mut style = TextStyle::from(("sans-serif", size));
    style.color = ink.color().to_backend_color();
    style
}

/// Pixels to what is drawn.
pub(super) const fn scaled(pixels: i32) -> i32 {
    pixels * SCALE
}

/// The width of a text, about, in what is drawn.
pub(super) fn width(text: &str) -> i32 {
    text.chars().count() as i32 * scaled(LETTERS) * 56 / 100
}

impl Plot {
    fn draw(&self, area: &Area<'_>, with_x_label: bool) -> Result<(), DrawError> {
        let placed = self.place_labels(area.dim_in_pixel().0 as i32);
        let row = scaled(LETTERS + 4);
        let rows =
            placed.iter().flatten().map(|place| place.row as i32 + 1).max().unwrap_or_default();
        let mut chart = ChartBuilder::on(area)
            // Room for labels; for half of the uppermost number, where there are none.
            .margin_top(if rows == 0 { scaled(14) } else { rows * row + scaled(8) })
            .margin_left(scaled(6))
            .margin_right(scaled(RIGHT))
            .x_label_area_size(scaled(if with_x_label { 48 } else { 28 }))
            .y_label_area_size(scaled(LEFT - 6))
            .build_cartesian_2d(self.x.scale(), self.y.scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .set_all_tick_mark_size(scaled(5))
            .bold_line_style(Ink::Grid.color())
            .axis_style(Ink::Muted.color())
            .label_style(letters(Ink::Text))
            .axis_desc_style(letters(Ink::Text))
            .x_label_formatter(&|place| self.x.tick_label(*place))
            .y_label_formatter(&|place| self.y.tick_label(*place))
            .x_desc(if with_x_label { self.x.label.as_str() } else { "" })
            .y_desc(self.y.label.as_str())
            .draw()?;
        let at = |x: f64, y: f64| (self.x.place(x), self.y.place(y));
        let floor = self.y.place(0.0);
        for layer in &self.layers {
            match layer {
                Layer::Line(ink, points) => {
                    let points = points.iter().map(|(x, y)| at(*x, *y));
                    let style = ink.color().stroke_width(scaled(2) as u32);
                    chart.draw_series(LineSeries::new(points, style))?;
                }
                Layer::Band(ink, points) => {
                    let lower = points.iter().map(|(x, low, _)| at(*x, *low));
                    let upper = points.iter().rev().map(|(x, _, high)| at(*x, *high));
                    let outline: Vec<_> = lower.chain(upper).collect();
                    chart.draw_series([Polygon::new(outline, ink.color().mix(0.25))])?;
                }
                Layer::Dots(ink, points) => {
                    let dot = |(x, y): &(f64, f64)| {
                        Circle::new(at(*x, *y), scaled(3), ink.color().mix(0.6).filled())
                    };
                    chart.draw_series(points.iter().map(dot))?;
                }
                Layer::Bars(ink, bars) => {
                    let bar = |(from, to, high): &(f64, f64, f64)| {
                        let corners = [(self.x.place(*from), floor), at(*to, *high)];
                        Rectangle::new(corners, ink.color().mix(0.7).filled())
                    };
                    chart.draw_series(bars.iter().filter(|bar| bar.2 > 0.0).map(bar))?;
                }
            }
        }
        let (base_x, base_y) = area.get_base_pixel();
        let pixel = |x: f64, y: f64| {
            let (x, y) = chart.backend_coord(&(self.x.place(x), y));
            (x - base_x, y - base_y)
        };
        let top = chart.y_range().end;
        for (mark, place) in self.marks.iter().zip(placed) {
            let (x, bottom) = pixel(mark.at, floor);
            let mut y = pixel(mark.at, top).1;
            if let Some(Place { row: at_row, left, right, x: line }) = place {
                let text_y = y - scaled(3) - at_row as i32 * row;
                // Its line goes up to it.
                y = text_y - scaled(LETTERS);
                let anchored = if left == line {
                    (HPos::Left, left + scaled(3))
                } else {
                    (HPos::Right, right - scaled(3))
                };
                let style = letters(Ink::Text).pos(Pos::new(anchored.0, VPos::Bottom));
                area.draw(&Text::new(mark.label.clone(), (anchored.1, text_y), style))?;
            } else if self.marks.len() > LINES_MAX {
                y = bottom - scaled(8);
            }
            let style = Ink::Mark.color().stroke_width(scaled(1) as u32);
            area.draw(&PathElement::new([(x, y), (x, bottom)], style))?;
        }
        Ok(())
    }

    /// Where labels stand; `None`: there was no room. Words right of their lines, the later the
    /// lower, or left of them, the earlier the lower: so no line goes up through words. What has
    /// room for more of them is taken.
    fn place_labels(&self, width_max: i32) -> Vec<Option<Place>> {
        let [right, left] = [false, true].map(|to_left| self.place_to_side(width_max, to_left));
        let shown = |placed: &[Option<Place>]| placed.iter().flatten().count();
        if shown(&left) > shown(&right) { left } else { right }
    }

    fn place_to_side(&self, width_max: i32, to_left: bool) -> Vec<Option<Place>> {
        let inner = f64::from(width_max - scaled(LEFT + RIGHT));
        let mut order: Vec<_> = (0..self.marks.len()).collect();
        order.sort_by(|one, other| self.marks[*one].at.total_cmp(&self.marks[*other].at));
        if !to_left {
            order.reverse();
        }
        let mut placed: Vec<Option<Place>> = vec![None; self.marks.len()];
        for index in order {
            let mark = &self.marks[index];
            if mark.label.is_empty() {
                continue;
            }
            let x = scaled(LEFT) + (self.x.part(mark.at) * inner).round() as i32;
            let wide = width(&mark.label) + scaled(8);
            // Left of the plot are the numbers of its axis.
            let turns = if to_left { x - wide >= scaled(LEFT) } else { x + wide > width_max };
            let (left, right) = if turns { (x - wide, x) } else { (x, x + wide) };
            let free = (0..ROWS)
                .map(|row| Place { row, left, right, x })
                .find(|place| !placed.iter().flatten().any(|other| other.meets(place)));
            placed[index] = free;
        }
        placed
    }
}

/// Where a label stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    row: usize,
    left: i32,
    right: i32,
    /// Where its line is, which goes up to it.
    x: i32,
}

impl Place {
    fn meets(&self, other: &Self) -> bool {
        let words = self.row == other.row && self.left < other.right && other.left < self.right;
        // A line that goes up past another's words.
        let crosses = |line: &Self, words: &Self| {
            line.row > words.row && words.left < line.x && line.x < words.right
        };
        words || crosses(self, other) || crosses(other, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_beside_each_other_or_are_left_out() {
        let mark = |at: i32| Mark { at: f64::from(at), label: "crash of n3".to_owned() };
        let marks: Vec<_> = (0..100).map(mark).collect();
        let plot = Plot { x: Axis::run(100.0), y: Axis::count(1.0, ""), layers: Vec::new(), marks };
        let placed = plot.place_labels(1_280);
        let shown: Vec<_> = placed.into_iter().flatten().collect();
        assert!((5..40).contains(&shown.len()), "{}", shown.len());
        for (index, one) in shown.iter().enumerate() {
            assert!(shown[index + 1..].iter().all(|other| !one.meets(other)));
        }
    }
}
