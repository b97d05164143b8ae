//! The comparison as people read it.

use std::env;
use std::fmt::Write;
use std::io::IsTerminal;
use std::os::fd::AsFd;

use textwrap::{Options, WordSplitter};

use super::child::Build;
use super::compare::{Comparison, FigureComparison, PartComparison, Spread, Verdict};
use crate::bench::report::significant;

/// Fewest columns that lines are folded to.
const COLUMNS_MIN: usize = 20;

/// How many columns there are where `output` is a terminal of a known size; else lines may have any length. `COLUMNS`
/// goes before the terminal's own size.
pub(super) fn columns(output: &(impl AsFd + IsTerminal)) -> Option<usize> {
    if !output.is_terminal() {
        return None;
    }
    let told = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let size = || rustix::termios::tcgetwinsize(output).ok();
    told.or_else(|| size().map(|size| usize::from(size.ws_col)))
        .filter(|columns| *columns >= COLUMNS_MIN)
}

/// The figures of both builds beside each other, or, where there is no room for that, below each other.
pub(super) fn table(comparison: &Comparison, columns: Option<usize>) -> String {
    let mut text = String::new();
    let mut say = |line: &str, indent: &str| {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{}", folded(line, indent, columns));
    };
    say(&format!("this build:  {}", of_build(&comparison.this)), "  ");
    say(&format!("other build: {}", of_build(&comparison.other)), "  ");
    let rows: Vec<Vec<Row>> = comparison.parts.iter().map(rows).collect();
    let widths = widths(rows.iter().flatten());
    let is_wide = columns.is_none_or(|columns| widths.iter().sum::<usize>() + 4 * GAP <= columns);
    if is_wide {
        let head = ["", "this build", "other build", "ratio", ""].map(str::to_owned);
        say(beside(&head, &widths).trim_end(), "");
    }
    for (part, rows) in comparison.parts.iter().zip(&rows) {
        say(&part.part, "");
        for trouble in part.told() {
            say(&format!("  {trouble}"), "    ");
        }
        for row in rows {
            if is_wide {
                say(beside(row, &widths).trim_end(), "");
                continue;
            }
            let [name, this, other, ratio, verdict] = row;
            let verdict = if verdict.is_empty() { "" } else { &format!(": {verdict}") };
            say(&format!("{name}{verdict}"), "    ");
            for (label, value) in [("this", this), ("other", other), ("ratio", ratio)] {
                say(&format!("    {label:<5}  {value}"), "           ");
            }
        }
    }
    for line in notes(comparison) {
        say(&line, "");
    }
    text
}

/// Name, this build's figure, the other's, their ratio, the verdict.
type Row = [String; 5];

/// Between two columns.
const GAP: usize = 2;

fn rows(part: &PartComparison) -> Vec<Row> {
    part.figures().iter().map(|figure| row(&part.part, figure)).collect()
}

fn row(part: &str, figure: &FigureComparison) -> Row {
    let name = figure.figure.strip_prefix(part).and_then(|rest| rest.strip_prefix('.'));
    let said = |spread: Option<Spread>| spread.map_or_else(|| "-".to_owned(), spread_words);
    [
        format!("  {}", name.unwrap_or(&figure.figure)),
        said(figure.this),
        said(figure.other),
        said(figure.ratio),
        verdict_words(figure.verdict).to_owned(),
    ]
}

fn spread_words(Spread { median, least, most }: Spread) -> String {
    let of = [median, least, most];
    let is_whole = of.iter().all(|value| value.fract() == 0.0);
    let number = |value: f64| if is_whole { format!("{value:.0}") } else { significant(value) };
    let [median, least, most] = of.map(number);
    if least == most { median } else { format!("{median} ({least} to {most})") }
}

fn verdict_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::WithinTheSpread => "within the spread",
        Verdict::Same => "same",
        Verdict::OneSided | Verdict::Unjudged => "",
        Verdict::OneRound => "one round",
    }
}

fn of_build(Build { program, version, is_debug }: &Build) -> String {
    let debug = if *is_debug { ", a debug build: its figures say nothing" } else { "" };
    format!("{} ({version}{debug})", program.display())
}

fn widths<'a>(rows: impl Iterator<Item = &'a Row>) -> [usize; 5] {
    let mut widths = ["", "this build", "other build", "ratio", ""].map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn beside(row: &Row, widths: &[usize; 5]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    cells.collect::<Vec<_>>().join(&" ".repeat(GAP))
}

/// What the words of the table mean.
fn notes(comparison: &Comparison) -> Vec<String> {
    let rounds = comparison.rounds;
    let mut notes = vec![format!(
        "Medians of {rounds} rounds, with the least and the most. ratio: this build's figure over the other's in the \
         same round."
    )];
    if rounds > 1 {
        notes.push(
            "better, worse: by more than the rounds differ (95 % confidence interval of the ratio). Of two builds that \
             are alike 1 figure in 20 is that by chance; more --rounds find smaller differences."
                .to_owned(),
        );
    }
    if comparison.quick {
        notes.push("(--quick: small counts; no measurement)".to_owned());
    }
    notes
}

fn folded(line: &str, indent: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return line.to_owned() };
    let lead: String = line.chars().take_while(|character| *character == ' ').collect();
    // What is longer than a line stays whole, so that a path can be copied: the terminal breaks it.
    let options = Options::new(columns)
        .initial_indent(&lead)
        .subsequent_indent(indent)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(line.trim_start(), options)
}
