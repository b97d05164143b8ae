//! A report in a few lines, for people.

use std::fmt::Write as _;

use crate::report::Report;

/// What a terminal is wide, if nobody made it wider.
const COLUMNS: usize = 80;

/// What came of a run, in a few lines. The page that `--report` makes has the rest.
#[must_use]
pub fn summary(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{}", hanging(&format!("  {label:<14}"), &value));
    };
    let messages = &report.messages;
    line(
        "delivery",
        format!(
            "{:.2} % ({} of {} written; {} not written, as their writers were off)",
            messages.delivery_ratio * 100.0,
            messages.delivered,
            messages.written,
            messages.skipped
        ),
    );
    if messages.duplicated + messages.out_of_order > 0 {
        line(
            "flaws",
            format!("{} shown twice, {} out of order", messages.duplicated, messages.out_of_order),
        );
    }
    if messages.latency.count > 0 {
        let of = |latency: &crate::report::Latency| {
            let shown = [latency.p50_s, latency.p99_s, latency.max_s].map(seconds);
            format!("p50 {}, p99 {}, most {}", shown[0], shown[1], shown[2])
        };
        line("latency", of(&messages.latency));
        if messages.latency_connected != messages.latency {
            line("  connected", of(&messages.latency_connected));
        }
        if let Some(reachable) = &messages.latency_reachable {
            line("  reachable", of(reachable));
        }
    }
    for convergence in &report.convergence {
        let took = match convergence.took_s {
            Some(took) => format!("in {}", seconds(took)),
            None => "not by the end".to_owned(),
        };
        line(
            "convergence",
            format!(
                "{} waiting at \"{}\", all there {took}",
                convergence.outstanding, convergence.after
            ),
        );
    }
    let nodes = u64::try_from(report.nodes.len()).unwrap_or(u64::MAX).max(1);
    let traffic = &report.traffic;
    let amplification = traffic
        .amplification
        .map_or_else(String::new, |factor| format!("; {factor:.1} for each byte of text"));
    line(
        "received",
        format!(
            "{} a node on average, {} at most{amplification}",
            bytes(traffic.received_bytes / nodes),
            bytes(traffic.received_bytes_max)
        ),
    );
    if !report.expectations.is_empty() {
        text.push('\n');
        text.push_str(&expectations(report));
    }
    let heading = format!(
        "{}, seed {}: {} nodes for {}{}\n",
        report.scenario,
        report.seed,
        report.nodes.len(),
        seconds(report.ran_s),
        if report.interrupted {
            format!(" of {} (interrupted)", seconds(report.duration_s))
        } else {
            String::new()
        }
    );
    heading + &text
}

/// Each expectation: whether it was met, its name, and beside them what was wanted and what was found.
fn expectations(report: &Report) -> String {
    let names = report.expectations.iter().map(|outcome| outcome.name.chars().count());
    let width = names.max().unwrap_or(0);
    let mut text = String::new();
    for outcome in &report.expectations {
        let verdict = if outcome.passed {
            "met"
        } else if report.interrupted {
            "-"
        } else {
            "NOT MET"
        };
        let missed = match outcome.missed_by.as_str() {
            "" => String::new(),
            missed => format!(" ({missed})"),
        };
        let said = format!("wanted {}; found {}{missed}", outcome.wanted, outcome.found);
        text.push_str(&hanging(&format!("  {verdict:<7}  {:<width$}  ", outcome.name), &said));
        text.push('\n');
    }
    text
}

/// `lead` and, beside it, `text` in lines that a terminal of 80 columns has room for.
fn hanging(lead: &str, text: &str) -> String {
    let indent = " ".repeat(lead.chars().count());
    let options = textwrap::Options::new(COLUMNS)
        .initial_indent(lead)
        .subsequent_indent(&indent)
        .break_words(false)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .word_separator(textwrap::WordSeparator::AsciiSpace);
    textwrap::fill(text, options)
}

fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", s * 1000.0),
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}

fn bytes(bytes: u64) -> String {
    let mib = bytes as f64 / 1_048_576.0;
    match mib {
        mib if mib < 1.0 => format!("{:.1} KiB", mib * 1024.0),
        mib if mib < 1024.0 => format!("{mib:.1} MiB"),
        mib => format!("{:.2} GiB", mib / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    /// The table of expectations was 140 columns wide.
    #[test]
    fn a_summary_fits_80_columns() {
        for mut report in [example::split_and_heal(), example::churn(), example::thousand()] {
            for outcome in &mut report.expectations {
                outcome.passed = false;
                outcome.missed_by = "1,234.5 s over, 617.25 times what is allowed".to_owned();
            }
            let text = summary(&report);
            let verdict = if report.interrupted { "-" } else { "NOT MET" };
            assert!(text.contains(&format!("\n  {verdict:<7}  delivery")), "{text}");
            for line in text.lines() {
                assert!(line.chars().count() <= COLUMNS, "{line}\n{text}");
            }
        }
    }

    #[test]
    fn units_are_those_a_person_would_choose() {
        assert_eq!(
            [0.25, 12.34, 600.0, 9000.0, 518_400.0].map(seconds).join(" | "),
            "250 ms | 12.3 s | 10 min | 2.5 h | 6.0 d"
        );
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(3 << 20), "3.0 MiB");
    }
}
