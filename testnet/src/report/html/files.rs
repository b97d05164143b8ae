//! Tables of files.

use maud::{Markup, html};

use super::super::words::{bytes, count, percent, time};
use super::super::{FileReport, Report};

/// Most pairs of nodes, and files, of which each has a row.
const ROWS_MAX: usize = 100;

/// What became of files, and who fetched them from whom.
pub(super) fn files(report: &Report) -> Markup {
    let Some(files) = &report.messages.files else { return html! {} };
    let name = |node: usize| report.nodes.get(node).map_or("?", |node| &node.name);
    let mut pairs = files.fetched.clone();
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.bytes));
    html! {
        h2 { "Files" }
        p {
            (count(files.sent)) " files of " (bytes(files.bytes as f64)) " were sent: "
            (count(files.in_messages)) " in their messages, " (count(files.in_parts)) " in parts through mailboxes, "
            (count(files.direct)) " directly. Of what was to come to someone "
            (percent(files.whole, files.expected)) " of " (count(files.expected)) " was whole there"
            @if files.failed > 0 { ", and " (count(files.failed)) " failed" }
            ". Nodes fetched " (bytes(files.fetched_bytes as f64)) " from each other directly."
        }
        div.scroll { table {
            thead { tr { @for name in ["Times", "Number", "Least", "p50", "p90", "p99", "Most"] { th { (name) } } } }
            tbody {
                @for (name, latency) in [("from sending to each", &files.to_each), ("from sending to all", &files.to_all)] {
                    tr {
                        th scope="row" { (name) }
                        td.number { (count(latency.count)) }
                        @for value in [latency.min_s, latency.p50_s, latency.p90_s, latency.p99_s, latency.max_s] {
                            td.number { (time(value)) }
                        }
                    }
                }
            }
        } }
        @if !files.nodes.is_empty() {
            details {
                summary { "Fetched and given by each node (" (count(files.nodes.len() as u64)) ")" }
                div.scroll { table {
                    thead { tr { @for name in ["Node", "Fetched", "Gave"] { th { (name) } } } }
                    tbody { @for node in &files.nodes {
                        tr {
                            th scope="row" { (name(node.node)) }
                            td.number { (bytes(node.received_bytes as f64)) }
                            td.number { (bytes(node.sent_bytes as f64)) }
                        }
                    } }
                } }
            }
        }
        @if !pairs.is_empty() {
            details {
                summary { "Who fetched from whom (" (count(pairs.len() as u64)) ")" }
                @if pairs.len() > ROWS_MAX { p.note { "The largest " (count(ROWS_MAX as u64)) ". All are in report.json." } }
                div.scroll { table {
                    thead { tr { @for name in ["Node", "From", "Bytes"] { th { (name) } } } }
                    tbody { @for pair in pairs.iter().take(ROWS_MAX) {
                        tr {
                            th scope="row" { (name(pair.by)) }
                            td { (name(pair.from)) }
                            td.number { (bytes(pair.bytes as f64)) }
                        }
                    } }
                } }
            }
        }
        details {
            summary { "Each file (" (count(files.each.len() as u64)) ")" }
            @if files.each.len() > ROWS_MAX { p.note { "The first " (count(ROWS_MAX as u64)) ". More are in report.json." } }
            div.scroll { table {
                thead { tr { @for name in ["From", "To", "Bytes", "Goes", "Sent at", "To come to", "Whole at", "At all after"] { th { (name) } } } }
                tbody { @for file in files.each.iter().take(ROWS_MAX) { (row(file, name(file.from))) } }
            } }
        }
    }
}

fn row(file: &FileReport, from: &str) -> Markup {
    html! {
        tr {
            th scope="row" { (from) }
            td { (file.to) }
            td.number { (bytes(file.bytes as f64)) }
            td { (file.way) }
            td.number { (time(file.sent_s)) }
            td.number { (count(file.expected)) }
            td.number { (count(file.whole)) }
            td.number { (file.to_all_s.map_or("✗ never".to_owned(), time)) }
        }
    }
}
