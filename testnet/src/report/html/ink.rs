//! Colours: figures are drawn in stand-ins, which become classes, whose colours are the style
//! sheet's, one set for light and one for dark.

use plotters::style::RGBColor;

/// What something is drawn in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// Words, and the axes.
    Text,
    /// Words and lines that matter less.
    Muted,
    /// The grid.
    Grid,
    /// What is behind all.
    Paper,
    /// The line of an event, or of a percentile.
    Mark,
    /// Little (0) to much ([`LOADS`] - 1).
    Load(usize),
    /// One of some kinds; past [`KINDS`] they come again.
    Kind(usize),
}

/// Steps from little to much.
pub(super) const LOADS: usize = 5;
/// Kinds that differ.
pub(super) const KINDS: usize = 8;

/// Stand-ins are this red and green.
const STAND_IN: (u8, u8) = (0x4D, 0x4C);

impl Ink {
    fn number(self) -> usize {
        match self {
            Self::Text => 0,
            Self::Muted => 1,
            Self::Grid => 2,
            Self::Paper => 3,
            Self::Mark => 4,
            Self::Load(step) => 5 + step.min(LOADS - 1),
            Self::Kind(kind) => 5 + LOADS + kind % KINDS,
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let others = [Self::Text, Self::Muted, Self::Grid, Self::Paper, Self::Mark];
        others.into_iter().chain((0..LOADS).map(Self::Load)).chain((0..KINDS).map(Self::Kind))
    }

    /// The stand-in.
    pub(super) fn color(self) -> RGBColor {
        RGBColor(STAND_IN.0, STAND_IN.1, self.number() as u8)
    }

    /// The class of what is filled.
    pub(super) fn fill(self) -> String {
        format!("f{}", self.number())
    }

    /// The class of lines.
    pub(super) fn stroke(self) -> String {
        format!("s{}", self.number())
    }
}

/// The classes; the style sheet has the colours.
pub(super) fn classes() -> String {
    let class = |ink: Ink| {
        let number = ink.number();
        format!(".f{number}{{fill:var(--k{number})}}.s{number}{{stroke:var(--k{number})}}")
    };
    Ink::all().map(class).collect()
}

/// Replaces stand-ins by classes, in what plotters drew; and leaves out what goes without saying.
pub(super) fn with_classes(mut svg: String) -> String {
    for ink in Ink::all() {
        let RGBColor(red, green, blue) = ink.color();
        let color = format!("#{red:02X}{green:02X}{blue:02X}");
        svg = svg.replace(&format!("fill=\"{color}\""), &format!("class=\"{}\"", ink.fill()));
        svg = svg.replace(&format!("stroke=\"{color}\""), &format!("class=\"{}\"", ink.stroke()));
    }
    svg.replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\"", "")
        .replace(" font-family=\"sans-serif\"", "")
}
