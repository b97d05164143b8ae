//! Plots: lines, bands and bars over two axes, with marks that don't cover each other.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::ink::{Ink, with_classes};

/// Figures are drawn at twice the size at which they are shown, since plotters has whole pixels only.
pub(super) const SCALE: i32 = 2;
/// Width of a figure as it is shown, pixels.
pub(super) const WIDTH: i32 = 640;
/// Of its letters.
const LETTERS: i32 = 13;
/// Rows of labels above a plot.
const ROWS: usize = 4;
/// More marks than that get a small line each, those without a label.
const LINES_MAX: usize = 40;

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
}

/// A line across a plot, with a label above it.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) at: f64,
    pub(super) label: String,
    /// Whether its label is placed before others'.
    pub(super) matters: bool,
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
    let mut svg = String::new();
    {
        let size = (scaled(WIDTH) as u32, scaled(height) as u32);
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
        let labels: Vec<_> = self.marks.iter().filter(|mark| !mark.label.is_empty()).collect();
        let row = scaled(LETTERS + 4);
        let rows = ROWS.min(labels.len()) as i32;
        let mut chart = ChartBuilder::on(area)
            .margin_top(rows * row + scaled(8))
            .margin_right(scaled(18))
            .x_label_area_size(scaled(if with_x_label { 44 } else { 24 }))
            .y_label_area_size(scaled(72))
            .build_cartesian_2d(self.x.scale(), self.y.scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
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
        let placed = self.place_labels(|mark| pixel(mark.at, top).0, area.dim_in_pixel().0 as i32);
        for (mark, place) in self.marks.iter().zip(placed) {
            let (x, bottom) = pixel(mark.at, floor);
            let mut y = pixel(mark.at, top).1;
            if let Some(Place { row: at_row, left, right, .. }) = place {
                let text_y = y - scaled(3) - at_row as i32 * row;
                // Its line goes up to it.
                y = text_y - scaled(LETTERS);
                let anchored =
                    if left == x { (HPos::Left, left + scaled(3)) } else { (HPos::Right, right) };
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

    /// Where labels stand, those that matter first; `None`: there was no room.
    fn place_labels(&self, x: impl Fn(&Mark) -> i32, width_max: i32) -> Vec<Option<Place>> {
        let mut order: Vec<_> = (0..self.marks.len()).collect();
        order.sort_by_key(|index| !self.marks[*index].matters);
        let mut placed: Vec<Option<Place>> = vec![None; self.marks.len()];
        for index in order {
            let mark = &self.marks[index];
            if mark.label.is_empty() {
                continue;
            }
            let (x, wide) = (x(mark), width(&mark.label) + scaled(8));
            let (left, right) =
                if x + wide > width_max { (x - wide, x - scaled(3)) } else { (x, x + wide) };
            let others: Vec<Place> = placed.iter().flatten().copied().collect();
            let free = (0..ROWS)
                .map(|row| Place { row, left, right, x })
                .find(|place| left >= 0 && !others.iter().any(|other| other.meets(place)));
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
        let mark = |at: f64, matters| Mark { at, label: "crash of n3".to_owned(), matters };
        let mut marks: Vec<_> = (0..100).map(|at| mark(f64::from(at), false)).collect();
        marks.push(mark(50.5, true));
        let plot = Plot { x: Axis::run(100.0), y: Axis::count(1.0, ""), layers: Vec::new(), marks };
        let placed = plot.place_labels(|mark| (mark.at * 12.0) as i32, 1_280);
        assert!(placed[100].is_some_and(|place| place.row == 0), "the one that matters");
        let shown: Vec<_> = placed.into_iter().flatten().collect();
        assert!((5..40).contains(&shown.len()), "{}", shown.len());
        for (index, one) in shown.iter().enumerate() {
            assert!(shown[index + 1..].iter().all(|other| !one.meets(other)));
        }
    }
}
