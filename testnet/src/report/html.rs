//! `report.html`: one file, which asks for nothing from anywhere and runs no script.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::words::{bytes, count, short, time};
use super::{Latency, Origin, Report};
use crate::plan::Runner;

mod axis;
mod figure;
mod figures;
mod files;
mod ink;
mod people;
mod plot;
mod rows;
mod sweep;
mod topology;

pub(super) use sweep::page as sweep_page;
pub(crate) use topology::places;

const STYLE: &str = include_str!("html/style.css");
/// Nothing may be fetched, whatever stands in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Why no figure came of it.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw: {0}")]
pub struct DrawError(#[from] plot::DrawError);

/// The page.
pub(super) fn page(report: &Report) -> Result<String, DrawError> {
    let mut drawn =
        vec![topology::figure(report)?, figures::delivery(report)?, figures::latency(report)?];
    drawn.extend(report.spread.as_ref().map(figures::spread).transpose()?);
    if !report.messages.rooms.is_empty() {
        drawn.push(figures::room_states(report)?);
    }
    drawn.push(figures::bytes_per_node(report)?);
    drawn.push(figures::amplification(report)?);
    drawn.push(figures::mailbox(report)?);
    let title = format!("{}, seed {}: {}", report.scenario, report.seed, verdict(report).1);
    let body = html! {
                main {
                    (head(report))
                    (expectations(report))
                    h2 { "What happened" }
                    @if report.spread.is_none() {
                        p.note { "How envelopes spread is not shown: only a simulation sees each of them arrive." }
                    }
                    div.figures { @for figure in &drawn { (figure.markup()) } }
                    (people::devices(report))
                    (people::rooms(report))
                    (people::cut_off(report))
                    (files::files(report))
                    h2 { "Tables" }
                    (latencies(report))
                    (events(report))
                    (convergence(report))
                    (nodes(report))
                }
                footer {
                    "Written by martlet-testnet. All figures are in report.json beside this file (schema "
                    (report.made.schema) ")."
                }
    };
    Ok(whole(&title, &body).into_string())
}

/// A page of this title.
fn whole(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(ink::classes())) }
            }
            body { (body) }
        }
    }
}

/// A class, and words.
fn verdict(report: &Report) -> (&'static str, String) {
    let class = if report.passed { "good" } else { "bad" };
    let sign = if report.passed { "✓" } else { "✗" };
    (class, format!("{sign} {}", report.verdict()))
}

fn head(report: &Report) -> Markup {
    let (class, words) = verdict(report);
    let roles = ["full", "edge", "mailbox"].map(|role| {
        let of_role = report.nodes.iter().filter(|node| node.role == role).count();
        (of_role > 0).then(|| format!("{} {role}", count(of_role as u64)))
    });
    let roles: Vec<_> = roles.into_iter().flatten().collect();
    let messages = &report.messages;
    let origin = report.made.origin.as_ref();
    let given = origin.map(|origin| {
        let nodes = origin.nodes.map(|nodes| format!("--nodes {nodes}"));
        let duration = origin.duration.as_ref().map(|duration| format!("--duration {duration}"));
        let set = origin.set.iter().map(|setting| format!("--set {setting}"));
        nodes.into_iter().chain(duration).chain(set).collect::<Vec<_>>().join(" ")
    });
    let facts = [
        ("Made by", origin.map_or("not told".to_owned(), Origin::program)),
        ("Seed", report.seed.to_string()),
        ("Run as", said(report.runner).to_owned()),
        (
            "Given otherwise",
            given.filter(|given| !given.is_empty()).unwrap_or("nothing".to_owned()),
        ),
        ("Nodes", format!("{} ({})", count(report.nodes.len() as u64), roles.join(", "))),
        ("Links", count(report.links.len() as u64)),
        ("Duration", time(report.duration_s)),
        ("Ran for", time(report.ran_s)),
        (
            "Messages",
            format!(
                "{} planned, {} written, {} skipped (their writer was off)",
                count(messages.planned),
                count(messages.written),
                count(messages.skipped)
            ),
        ),
    ];
    let tiles = [
        ("delivered", figures::delivered_part(report)),
        ("half shown, from writing, within", time(messages.latency.p50_s)),
        ("99 % shown, from writing, within", time(messages.latency.p99_s)),
        (
            "99 % shown, of the time both ends were connected, within",
            time(messages.latency_connected.p99_s),
        ),
        (
            "bytes received per payload byte",
            report.traffic.amplification.map_or("–".to_owned(), short),
        ),
        ("received by the busiest node", bytes(report.traffic.received_bytes_max as f64)),
        ("shown twice", count(messages.duplicated)),
        ("out of order", count(messages.out_of_order)),
    ];
    html! {
        header {
            p.kind { "martlet-testnet report" }
            h1 { (report.scenario) }
            p { (report.description) }
            p class={ "verdict " (class) } { (words) }
        }
        dl.tiles { @for (name, value) in &tiles { div { dt { (name) } dd { (value) } } } }
        dl.facts { @for (name, value) in &facts { div { dt { (name) } dd { (value) } } } }
        (how_made(report))
    }
}

/// How a run is made, in a few words.
pub(crate) fn said(runner: Runner) -> &'static str {
    match runner {
        Runner::Sim => "simulation in one process, under a virtual clock",
        Runner::Local => "processes on loopback",
        Runner::Netns => "processes in network namespaces",
        Runner::Agents => "nodes started elsewhere, by their agents",
    }
}

/// How to run it again, and what it was made of.
fn how_made(report: &Report) -> Markup {
    let Some(origin) = &report.made.origin else { return html! {} };
    let file = &origin.file;
    html! {
        p { "To run it again, from the report alone or with what was given:" }
        pre { code {
            @if report.runner != Runner::Agents { "martlet-testnet rerun report.json --report DIR\n" }
            (report.command().unwrap_or_default())
        } }
        details {
            summary { "The scenario: " (file) }
            p.note {
                @if origin.is_ready { "One that comes with the program." }
                @else { "A file of whoever ran it: the second command needs it as " code { (file) } "." }
            }
            pre { code { (origin.text) } }
            @if let Some(edges) = &origin.edges {
                p { "Its list of edges, " code { (edges.file) } ":" }
                pre { code { (edges.text) } }
            }
        }
    }
}

fn expectations(report: &Report) -> Markup {
    // Of an interrupted run none is met.
    let any_missed = report.expectations.iter().any(|outcome| !outcome.passed);
    html! {
        h2 { "Expectations" }
        @if report.expectations.is_empty() {
            p.note { "The scenario expects nothing." }
        } @else {
            table.expectations {
                thead { tr {
                    th { "Result" } th { "Expected" } th { "Found" }
                    @if any_missed { th { "Missed by" } }
                } }
                tbody {
                    @for outcome in &report.expectations {
                        tr {
                            td {
                                @if outcome.passed { span.good { "✓ met" } }
                                @else { span.bad { "✗ missed" } }
                            }
                            td { (outcome.wanted) " " code { (outcome.name) } }
                            td data-name="Found" { (outcome.found) }
                            @if outcome.passed { @if any_missed { td.none {} } }
                            @else { td data-name="Missed by" { (outcome.missed_by) } }
                        }
                    }
                }
            }
        }
    }
}

fn latencies(report: &Report) -> Markup {
    let row = |name: &str, latency: &Latency| {
        html! {
            tr {
                th scope="row" { (name) }
                td.number { (count(latency.count)) }
                @for value in [latency.min_s, latency.p50_s, latency.p90_s, latency.p99_s, latency.max_s] {
                    td.number { (time(value)) }
                }
            }
        }
    };
    html! {
        details {
            summary { "Latency" }
            div.scroll { table {
                thead { tr {
                    @for name in ["Messages", "Number", "Least", "p50", "p90", "p99", "Most"] { th { (name) } }
                } }
                tbody {
                    (row("from writing", &report.messages.latency))
                    (row("without the time in which the recipient was off or cut off", &report.messages.latency_connected))
                    @if let Some(reachable) = &report.messages.latency_reachable {
                        (row("from writing, both on and reachable all the time", reachable))
                    }
                }
            } }
        }
    }
}

fn events(report: &Report) -> Markup {
    html! {
        details {
            summary { "Events (" (count(report.events.len() as u64)) ")" }
            div.scroll { table {
                thead { tr { th { "At" } th { "Kind" } th { "What" } } }
                tbody { @for event in &report.events {
                    tr { td.number { (time(event.at_s)) } td { (event.kind) } td { (event.label) } }
                } }
            } }
        }
    }
}

fn convergence(report: &Report) -> Markup {
    html! {
        details {
            summary { "Convergence (" (count(report.convergence.len() as u64)) ")" }
            p.note { "After each heal and each start: messages written before that waited for it, and how long it took until the last of them was delivered." }
            div.scroll { table {
                thead { tr { th { "At" } th { "After" } th { "Waited" } th { "Took" } } }
                tbody { @for one in &report.convergence {
                    tr {
                        td.number { (time(one.at_s)) }
                        td { (one.after) }
                        td.number { (count(one.outstanding)) }
                        td.number { (one.took_s.map_or("✗ some never came".to_owned(), time)) }
                    }
                } }
            } }
        }
    }
}

fn nodes(report: &Report) -> Markup {
    let names = [
        "Node",
        "Role",
        "On at the end",
        "Received",
        "Sent",
        "Envelopes new",
        "Again",
        "Connections",
        "Mailbox at the end",
        "At most",
        "Size",
        "Written",
        "Delivered",
    ];
    html! {
        details {
            summary { "Nodes (" (count(report.nodes.len() as u64)) ")" }
            div.scroll { table {
                thead { tr { @for name in names { th { (name) } } } }
                tbody { @for node in &report.nodes {
                    tr {
                        th scope="row" { (node.name) }
                        td { (node.role) }
                        td { @if node.on { "on" } @else { "off" } }
                        td.number { (bytes(node.received_bytes as f64)) }
                        td.number { (bytes(node.sent_bytes as f64)) }
                        td.number { (count(node.envelopes_new)) }
                        td.number { (count(node.envelopes_duplicate)) }
                        td.number { (count(node.connections)) }
                        td.number { (count(node.mailbox_envelopes)) }
                        td.number { (count(node.mailbox_envelopes_max)) }
                        td.number { (bytes(node.mailbox_bytes as f64)) }
                        td.number { (count(node.written)) }
                        td.number { (count(node.delivered)) }
                    }
                } }
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::report::example;

    #[test]
    fn the_page_has_every_figure_named_and_asks_for_nothing() {
        let page = page(&example::split_and_heal()).unwrap();
        for id in [
            "topology",
            "delivery",
            "latency",
            "spread",
            "bytes-per-node",
            "amplification",
            "mailbox",
        ] {
            assert!(page.contains(&format!("<figure id=\"{id}\">")), "{id}");
            assert!(page.contains(&format!("aria-labelledby=\"{id}-title\"")), "{id}");
        }
        assert!(page.contains("split into 2 groups") && page.contains(">heal"));
        for asks in ["http:", "https:", "<script", "url(", "src="] {
            assert!(!page.contains(asks), "{asks}");
        }
        assert!(!page.contains("#4D4C"), "a colour without a class");
    }

    #[test]
    fn what_a_scenario_says_is_text_and_no_markup() {
        let mut report = example::split_and_heal();
        report.description = "<script>alert(1)</script>".to_owned();
        report.nodes[0].name = "<b>n0</b>".to_owned();
        let page = page(&report).unwrap();
        assert!(!page.contains("<script") && !page.contains("<b>"));
    }

    #[test]
    fn the_page_tells_the_program_the_scenario_and_what_was_given() {
        let page = page(&example::split_and_heal()).unwrap();
        for told in [
            "martlet-testnet 0.1.0, commit 1a2b3c4d5e6f",
            "--nodes 20 --duration 15m --set links.latency=80ms",
            "martlet-testnet rerun report.json --report DIR\n",
            "martlet-testnet sim split-and-heal.toml --seed 7 --nodes 20 --duration 15m \
             --set links.latency=80ms --report DIR",
            "file = &quot;edges.txt&quot;",
            "n0 n1\nn1 n2\n",
        ] {
            assert!(page.contains(told), "{told}");
        }
    }

    #[test]
    fn a_run_that_ended_before_anything_happened_has_a_page_too() {
        let plan = example::plan(1);
        let recorder = crate::report::recorder::Recorder::new(&plan, Runner::Local);
        let report = recorder.finish(std::time::Duration::ZERO, true);
        assert!(page(&report).unwrap().contains("interrupted"));
    }
}
