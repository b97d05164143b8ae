//! A screen as a picture.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Position;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

const CELL_WIDTH: f64 = 8.4;
const CELL_HEIGHT: f64 = 18.0;
/// Around the screen.
const MARGIN: f64 = 12.0;
const BACKGROUND: &str = "#1d1f24";
const FOREGROUND: &str = "#d8dbe2";

/// How a cell looks.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Look {
    ink: &'static str,
    paper: Option<&'static str>,
    is_bold: bool,
    is_dim: bool,
}

pub(super) fn picture(buffer: &Buffer, cursor: Option<Position>, title: &str) -> String {
    let width = f64::from(buffer.area.width) * CELL_WIDTH + 2.0 * MARGIN;
    let height = f64::from(buffer.area.height) * CELL_HEIGHT + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"14\">\n\
         <title>{}</title>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n",
        escaped(title)
    );
    for y in 0..buffer.area.height {
        row(buffer, y, &mut svg);
    }
    if let Some(at) = cursor {
        let (x, y) = corner(at.x, at.y);
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"2\" height=\"{CELL_HEIGHT}\" fill=\"{FOREGROUND}\"/>"
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn corner(x: u16, y: u16) -> (f64, f64) {
    (MARGIN + f64::from(x) * CELL_WIDTH, MARGIN + f64::from(y) * CELL_HEIGHT)
}

/// One line: cells of one look together, those of two columns by themselves.
fn row(buffer: &Buffer, y: u16, svg: &mut String) {
    let mut x = 0;
    while x < buffer.area.width {
        let (first, look) = (x, look(&buffer[(x, y)]));
        let mut text = String::new();
        while x < buffer.area.width && self::look(&buffer[(x, y)]) == look {
            let symbol = buffer[(x, y)].symbol();
            let columns = u16::try_from(symbol.width().max(1)).unwrap_or(1);
            if columns > 1 && !text.is_empty() {
                break;
            }
            text.push_str(symbol);
            x += columns;
            if columns > 1 {
                break;
            }
        }
        run(&text, look, (first, x, y), svg);
    }
}

fn run(text: &str, look: Look, (first, end, y): (u16, u16, u16), svg: &mut String) {
    let (x, top) = corner(first, y);
    let width = f64::from(end - first) * CELL_WIDTH;
    if let Some(paper) = look.paper {
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{CELL_HEIGHT}\" fill=\"{paper}\"/>"
        );
    }
    // Spaces at the ends would be left out, and the rest stretched.
    let blank = text.len() - text.trim_start().len();
    let shown = text.trim();
    if shown.is_empty() {
        return;
    }
    let x = x + f64::from(u16::try_from(blank).unwrap_or(0)) * CELL_WIDTH;
    let columns = u16::try_from(shown.width()).unwrap_or(1);
    let weight = if look.is_bold { " font-weight=\"bold\"" } else { "" };
    let opacity = if look.is_dim { " opacity=\"0.6\"" } else { "" };
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" fill=\"{}\"{weight}{opacity} xml:space=\"preserve\">{}</text>",
        top + 13.5,
        f64::from(columns) * CELL_WIDTH,
        look.ink,
        escaped(shown)
    );
}

fn look(cell: &Cell) -> Look {
    let (mut ink, mut paper) = (colour(cell.fg), colour(cell.bg));
    if cell.modifier.contains(Modifier::REVERSED) {
        (ink, paper) = (paper.or(Some(BACKGROUND)), ink.or(Some(FOREGROUND)));
    }
    Look {
        ink: ink.unwrap_or(FOREGROUND),
        paper,
        is_bold: cell.modifier.contains(Modifier::BOLD),
        is_dim: cell.modifier.contains(Modifier::DIM),
    }
}

/// The colours that the theme has.
fn colour(colour: Color) -> Option<&'static str> {
    match colour {
        Color::Black => Some("#1d1f24"),
        Color::Red => Some("#f07178"),
        Color::Green => Some("#98c379"),
        Color::Yellow => Some("#e5c07b"),
        Color::Magenta => Some("#c792ea"),
        Color::Cyan => Some("#56b6c2"),
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
