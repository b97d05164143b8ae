//! The figures over time and over nodes.

use super::axis::Axis;
use super::figure::{Figure, Key};
use super::ink::Ink;
use super::plot::{self, DrawError, Layer, Mark, Plot};
use super::rows::{self, Row};
use crate::report::words::{bytes, count, percent, short, time};
use crate::report::{EventMark, Latency, NodeReport, Report, Spread};

const HEIGHT: i32 = 340;
const HEIGHT_OF_TWO: i32 = 440;
/// More events than that are not all labelled.
const LABELS_MAX: usize = 24;

/// So many nodes each have a bar beside their name.
const NAMED_MAX: usize = 32;
/// Of more nodes so many are named, below the figure.
const BUSIEST: usize = 5;

/// How envelopes spread.
pub(super) fn spread(spread: &Spread) -> Result<Figure, DrawError> {
    let ages = &spread.age_s;
    let (first, last) =
        (ages.first().copied().unwrap_or(0.001), ages.last().copied().unwrap_or(1.0));
    let low = reached_first(spread).unwrap_or(first).max(first);
    let points =
        |values: &[f64]| ages.iter().copied().zip(values.iter().copied()).collect::<Vec<_>>();
    let band = ages
        .iter()
        .zip(spread.p10.iter().zip(&spread.p90))
        .map(|(age, (low, high))| (*age, *low, *high));
    let within =
        |points: Vec<(f64, f64)>| points.into_iter().filter(|point| point.0 >= low).collect();
    let plot = Plot {
        x: Axis::log_time(low, last, "time since the envelope was made"),
        y: Axis::percent("nodes that have it"),
        layers: vec![
            Layer::Band(Ink::Kind(0), band.filter(|point| point.0 >= low).collect()),
            Layer::Line(Ink::Kind(0), within(points(&spread.median))),
        ],
        marks: Vec::new(),
    };
    let half = ages.iter().zip(&spread.median).find(|(_, part)| **part >= 0.5);
    let most = spread.median.last().copied().unwrap_or_default() * 100.0;
    let half = half.map_or("never half of the nodes".to_owned(), |(age, _)| {
        format!("half of the nodes after {}", time(*age))
    });
    Ok(Figure {
        id: "spread",
        title: "How envelopes spread",
        summary: format!(
            "the envelope in the middle had reached {half}, and {} % in the end",
            short(most)
        ),
        svg: plot::one(HEIGHT, &plot)?,
        legend: vec![
            (Key::Line(Ink::Kind(0)), "the envelope in the middle".to_owned()),
            (Key::Band(Ink::Kind(0)), "eight of ten envelopes".to_owned()),
        ],
        caption: format!(
            "Of the nodes that were on when an envelope was made, the part that had it so long after. The steeper \
             and the farther left, the faster. Over {} envelopes: the one in the middle reached {half}. The lower \
             edge of the band is the tenth that was slowest, for instance those made during a partition.",
            count(spread.envelopes)
        ),
    })
}

/// The age before which nobody but the maker had any.
fn reached_first(spread: &Spread) -> Option<f64> {
    let start = spread.p90.first()?;
    let first = spread.p90.iter().position(|part| part > start)?;
    spread.age_s.get(first.saturating_sub(2)).copied()
}

/// The distribution of latencies.
pub(super) fn latency(report: &Report) -> Result<Figure, DrawError> {
    let all = &report.messages.latency;
    let connected = &report.messages.latency_connected;
    let bars = buckets(all);
    let outline = if connected == all { Vec::new() } else { buckets(connected) };
    let both = || bars.iter().chain(&outline);
    let low = both().map(|bar| bar.0).reduce(f64::min).unwrap_or(0.001);
    let high = bars.last().map_or(1.0, |bar| bar.1);
    let most = both().map(|bar| bar.2).fold(1.0, f64::max);
    let mut layers = vec![Layer::Bars(Ink::Kind(0), bars)];
    let mut legend = vec![(Key::Band(Ink::Kind(0)), "from writing to being shown".to_owned())];
    if !outline.is_empty() {
        let outline = outline.into_iter().flat_map(|(from, to, high)| [(from, high), (to, high)]);
        layers.push(Layer::Line(Ink::Kind(1), outline.collect()));
        let words = "of that, while the recipient was on and not cut off from the writer";
        legend.push((Key::Line(Ink::Kind(1)), words.to_owned()));
    }
    let percentiles = [("p50", all.p50_s), ("p90", all.p90_s), ("p99", all.p99_s)];
    let mark = |(name, at): (&str, f64)| {
        let label = format!("{name} {}", time(at));
        Mark { at, label }
    };
    let marks = if all.count > 0 { percentiles.map(mark).to_vec() } else { Vec::new() };
    legend.push((Key::Mark, "percentiles, from writing".to_owned()));
    let plot = Plot {
        x: Axis::log_time(low, high, "time until it was shown"),
        y: Axis::count(most, "messages"),
        layers,
        marks,
    };
    let [p50, p90, p99] = percentiles.map(|(_, at)| time(at));
    Ok(Figure {
        id: "latency",
        title: "Latency",
        summary: format!("half of {} messages within {p50}, 90 % within {p90}, 99 % within {p99}", count(all.count)),
        svg: plot::one(HEIGHT, &plot)?,
        legend,
        caption: "Each bar counts the messages that took so long from writing to being shown; the scale is \
                  logarithmic. Half of all took at most p50, 99 % at most p99. A second hump far to the right are \
                  messages that waited for their recipient, or for a partition's end; the line leaves such waiting out."
            .to_owned(),
    })
}

fn buckets(latency: &Latency) -> Vec<(f64, f64, f64)> {
    let factor = 10_f64.powf(0.1);
    latency
        .histogram
        .iter()
        .map(|(bound, number)| (bound / factor, *bound, *number as f64))
        .collect()
}

/// What was written and delivered until when, and what happened.
pub(super) fn delivery(report: &Report) -> Result<Figure, DrawError> {
    let series = &report.series;
    let end = report.ran_s;
    let most = series.written.iter().chain(&series.delivered).max().copied().unwrap_or_default();
    let nodes = report.nodes.len() as f64;
    let upper = Plot {
        x: Axis::run(end),
        y: Axis::count(most as f64, "messages"),
        layers: vec![
            Layer::Line(Ink::Kind(0), over_time(series, &series.written)),
            Layer::Line(Ink::Kind(1), over_time(series, &series.delivered)),
        ],
        marks: marks(&report.events, true),
    };
    let lower = Plot {
        x: Axis::run(end),
        y: Axis::count(nodes, "nodes on"),
        layers: vec![Layer::Line(Ink::Kind(2), over_time(series, &series.nodes_on))],
        marks: marks(&report.events, false),
    };
    let messages = &report.messages;
    let converged = report.convergence.last().map(|last| {
        let what = match last.took_s {
            Some(took) if last.outstanding > 0 => format!(
                "the {} messages that waited were delivered within {}",
                count(last.outstanding),
                time(took)
            ),
            Some(_) => "nothing waited".to_owned(),
            None => {
                format!("of the {} messages that waited some never came", count(last.outstanding))
            }
        };
        format!(" After the last heal or start ({}, at {}) {what}.", last.after, time(last.at_s))
    });
    let labelled = if report.events.len() > LABELS_MAX {
        " Only some of the many events are labelled; the table of events has all."
    } else {
        ""
    };
    let mut legend = vec![
        (Key::Line(Ink::Kind(0)), "written".to_owned()),
        (Key::Line(Ink::Kind(1)), "delivered".to_owned()),
        (Key::Line(Ink::Kind(2)), "nodes on (lower plot)".to_owned()),
    ];
    if !report.events.is_empty() {
        legend.push((Key::Mark, "events".to_owned()));
    }
    Ok(Figure {
        id: "delivery",
        title: "Delivery and convergence",
        summary: format!(
            "{} written, {} delivered, {} events",
            count(messages.written),
            count(messages.delivered),
            report.events.len()
        ),
        svg: plot::two(HEIGHT_OF_TWO + 70, &upper, &lower, HEIGHT_OF_TWO - 90)?,
        legend,
        caption: format!(
            "Messages written and delivered until each time of the run; what is between the lines is on its way. \
             The lower plot has the nodes that are on.{}{labelled}",
            converged.unwrap_or_default()
        ),
    })
}

fn over_time(series: &crate::report::Series, values: &[u64]) -> Vec<(f64, f64)> {
    series.t_s.iter().copied().zip(values.iter().map(|value| *value as f64)).collect()
}

fn marks(events: &[EventMark], labelled: bool) -> Vec<Mark> {
    let mark = |event: &EventMark| {
        let matters = ["partition", "heal", "flood"].contains(&event.kind.as_str());
        let label = match event.kind.as_str() {
            _ if !labelled || (events.len() > LABELS_MAX && !matters) => String::new(),
            "flood" => event.label.split(':').next().unwrap_or_default().to_owned(),
            "partition" => event.label.split(" of ").next().unwrap_or_default().to_owned(),
            _ => event.label.clone(),
        };
        Mark { at: event.at_s, label }
    };
    events.iter().map(mark).collect()
}

/// What each node received.
pub(super) fn bytes_per_node(report: &Report) -> Result<Figure, DrawError> {
    let mut nodes: Vec<_> = report.nodes.iter().collect();
    // Of those that are equal, in the order of the scenario.
    nodes.sort_by_key(|node| std::cmp::Reverse(node.received_bytes));
    let received = |place: usize| nodes.get(place).map_or(0.0, |node| node.received_bytes as f64);
    let most = received(0);
    let (svg, named) = if nodes.len() <= NAMED_MAX {
        let row = |node: &&NodeReport| Row {
            name: node.name.clone(),
            value: node.received_bytes as f64,
            said: bytes(node.received_bytes as f64),
        };
        (rows::rows(&nodes.iter().map(row).collect::<Vec<_>>(), Ink::Kind(3))?, String::new())
    } else {
        let steps: Vec<_> = (0..nodes.len())
            .flat_map(|place| [place, place + 1].map(|x| (x as f64, received(place))))
            .collect();
        let area = steps.iter().map(|(place, bytes)| (*place, 0.0, *bytes)).collect();
        let plot = Plot {
            x: Axis::count(nodes.len() as f64, "nodes, by what they received"),
            y: Axis::bytes(most, "received"),
            layers: vec![Layer::Band(Ink::Kind(3), area), Layer::Line(Ink::Kind(3), steps)],
            marks: Vec::new(),
        };
        let busiest = nodes.iter().take(BUSIEST);
        let busiest: Vec<_> = busiest
            .map(|node| format!("{} ({})", node.name, bytes(node.received_bytes as f64)))
            .collect();
        (plot::one(HEIGHT, &plot)?, format!(" The busiest are {}.", busiest.join(", ")))
    };
    let (most, middle) = (bytes(most), bytes(received(nodes.len() / 2)));
    Ok(Figure {
        id: "bytes-per-node",
        title: "Bytes per node",
        summary: format!("the busiest node received {most}, the one in the middle {middle}"),
        svg,
        legend: Vec::new(),
        caption: format!(
            "Bytes that each node received on its links, the busiest first. The busiest received {most}, the one \
             in the middle {middle}.{named} If all are alike, load is shared well; a few that received much more \
             carry for others."
        ),
    })
}

/// What the network received for each byte of text.
pub(super) fn amplification(report: &Report) -> Result<Figure, DrawError> {
    let series = &report.series;
    let messages = &report.messages;
    let mean = messages.payload_bytes as f64 / messages.delivered.max(1) as f64;
    let found = report.traffic.amplification;
    // The first few messages pay for all that the network does before.
    let enough = messages.delivered / 50 + 1;
    let points: Vec<_> = (0..series.t_s.len())
        .filter(|at| series.delivered[*at] >= enough && mean > 0.0)
        .map(|at| {
            let payload = series.delivered[at] as f64 * mean;
            (series.t_s[at], series.received_bytes[at] as f64 / payload)
        })
        .collect();
    let most = points.iter().map(|point| point.1).fold(1.0, f64::max);
    let plot = Plot {
        x: Axis::run(report.ran_s),
        y: Axis::count(most, "received per payload byte"),
        layers: vec![Layer::Line(Ink::Kind(4), points)],
        marks: marks(&report.events, false),
    };
    let found = found.map_or("no text was delivered".to_owned(), |found| {
        format!("{} bytes received for each byte of text", short(found))
    });
    Ok(Figure {
        id: "amplification",
        title: "Amplification",
        summary: found.clone(),
        svg: plot::one(HEIGHT, &plot)?,
        legend: Vec::new(),
        caption: format!(
            "Bytes that all nodes received until each time, over bytes of text delivered until then (at the mean \
             length of the texts). In the end: {found}. A network that rests goes on receiving, so few messages \
             make the figure high."
        ),
    })
}

/// What mailboxes hold.
pub(super) fn mailbox(report: &Report) -> Result<Figure, DrawError> {
    let series = &report.series;
    let most = |values: &[u64]| values.iter().max().copied().unwrap_or_default();
    let (envelopes, held) = (most(&series.mailbox_envelopes), most(&series.mailbox_bytes));
    let upper = Plot {
        x: Axis::run(report.ran_s),
        y: Axis::count(envelopes as f64, "envelopes"),
        layers: vec![Layer::Line(Ink::Kind(5), over_time(series, &series.mailbox_envelopes))],
        marks: marks(&report.events, false),
    };
    let lower = Plot {
        x: Axis::run(report.ran_s),
        y: Axis::bytes(held as f64, "size"),
        layers: vec![Layer::Line(Ink::Kind(3), over_time(series, &series.mailbox_bytes))],
        marks: marks(&report.events, false),
    };
    let oldest = time(report.retention.oldest_s);
    Ok(Figure {
        id: "mailbox",
        title: "Mailbox fill",
        summary: format!("at most {} envelopes, {}", count(envelopes), bytes(held as f64)),
        svg: plot::two(HEIGHT_OF_TWO, &upper, &lower, HEIGHT_OF_TWO / 2 - 10)?,
        legend: vec![
            (Key::Line(Ink::Kind(5)), "live envelopes in all mailboxes".to_owned()),
            (Key::Line(Ink::Kind(3)), "their size".to_owned()),
        ],
        caption: format!(
            "Live envelopes in the mailboxes of all nodes together. An envelope stays until every addressed device \
             proved that it has it, six days at most. The longest that one was seen to stay: {oldest}; left at the \
             end: {}.",
            count(report.retention.left_at_end)
        ),
    })
}

/// How many states of a room there were.
pub(super) fn room_states(report: &Report) -> Result<Figure, DrawError> {
    let rooms = &report.messages.rooms;
    let most = rooms.iter().map(|room| room.states_max).max().unwrap_or_default();
    // The room that was apart longest: the most at each time would be a line that no room had.
    let worst = rooms.iter().max_by(|a, b| a.diverged_s.total_cmp(&b.diverged_s));
    let mut line: Vec<(f64, f64)> = Vec::new();
    for (at, states) in worst.into_iter().flat_map(|room| &room.states) {
        if let Some((_, before)) = line.last().copied() {
            line.push((*at, before));
        }
        line.push((*at, *states as f64));
    }
    if let Some((_, last)) = line.last().copied() {
        line.push((report.ran_s, last));
    }
    let name = worst.map_or("no room", |room| room.name.as_str());
    let plot = Plot {
        x: Axis::run(report.ran_s),
        y: Axis::count(most as f64, "states of the room"),
        layers: vec![Layer::Line(Ink::Kind(4), line)],
        marks: marks(&report.events, false),
    };
    let apart = worst.map_or(0.0, |room| room.diverged_s);
    Ok(Figure {
        id: "room-states",
        title: "States of a room",
        summary: format!(
            "{name}: at most {} states, more than one for {}",
            count(most),
            time(apart)
        ),
        svg: plot::one(HEIGHT, &plot)?,
        legend: vec![(
            Key::Line(Ink::Kind(4)),
            format!("states of {name} among its members who are on"),
        )],
        caption: format!(
            "How many states of {name} there are among those of its members who are on. With one, all know of the same \
             operations.{}",
            match rooms.len() {
                0 | 1 => String::new(),
                number => {
                    let number = count(number as u64);
                    format!(" Of {number} rooms it is the one whose members were apart longest.")
                }
            }
        ),
    })
}

/// The part that was delivered, for the head of the page.
pub(super) fn delivered_part(report: &Report) -> String {
    percent(report.messages.delivered, report.messages.written)
}
