//! Tables of people's devices, of rooms, and of those who were cut off.

use maud::{Markup, html};

use super::super::words::{bytes, count, percent, time};
use super::super::{CutOff, Devices, Report};

fn name(report: &Report, node: usize) -> &str {
    report.nodes.get(node).map_or("?", |node| &node.name)
}

/// What became of messages on each device, where people have several.
pub(super) fn devices(report: &Report) -> Markup {
    let Some(devices) = &report.messages.devices else { return html! {} };
    let Devices { people, devices: number, linked, revoked, .. } = devices;
    html! {
        h2 { "Devices" }
        p {
            (count(*people)) " people have " (count(*number)) " devices, of which " (count(*linked))
            " were linked and " (count(*revoked)) " revoked. Per person: "
            (percent(report.messages.delivered, report.messages.written)) " of " (count(report.messages.written))
            " messages reached their recipient, on one device or another. Per device: of what was to be shown on devices that were not revoked, "
            (percent(devices.shown, devices.expected)) " of " (count(devices.expected)) " was."
        }
        div.scroll { table {
            thead { tr { @for name in ["Times", "Number", "Least", "p50", "p90", "p99", "Most"] { th { (name) } } } }
            tbody {
                @for (name, latency) in [("from writing to each device", &devices.latency), ("linking a device", &devices.linking)] {
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
        details {
            summary { "Each device (" (count(*number)) ")" }
            p.note { "A message is to be shown on each device of its recipient, and on each other one of its writer, from when it is linked until it is revoked." }
            div.scroll { table {
                thead { tr { @for name in ["Device", "Of", "Linked at", "Revoked at", "To be shown", "Shown"] { th { (name) } } } }
                tbody { @for device in &devices.each {
                    tr {
                        th scope="row" { (name(report, device.node)) }
                        td { (name(report, device.person)) }
                        td.number { (device.linked_s.map_or("✗ never".to_owned(), time)) }
                        td.number { (device.revoked_s.map_or(String::new(), time)) }
                        td.number { (count(device.expected)) }
                        td.number { (count(device.shown)) }
                    }
                } }
            } }
        }
    }
}

/// What became of messages in rooms, and of the rooms' states.
pub(super) fn rooms(report: &Report) -> Markup {
    let all = &report.messages.rooms;
    if all.is_empty() {
        return html! {};
    }
    let names = [
        "Room",
        "Members",
        "Written",
        "Shown to all",
        "Shown",
        "Of",
        "To each p50",
        "p99",
        "To all p50",
        "p99",
        "Most",
        "Received by a member",
        "States at the end",
        "At most",
        "Apart for",
    ];
    html! {
        h2 { "Rooms" }
        p.note {
            "A message is shown to all when the last of those has it who were in the room when it was written, as far as its writer knew, and stayed. "
            "States are those of the members who are on: one is what all have who know of the same operations."
        }
        div.scroll { table {
            thead { tr { @for name in names { th { (name) } } } }
            tbody { @for room in all {
                tr {
                    th scope="row" { (room.name) }
                    td.number { (count(room.members)) }
                    td.number { (count(room.written)) }
                    td.number { (count(room.delivered)) }
                    td.number { (count(room.shown)) }
                    td.number { (count(room.expected)) }
                    @for value in [room.to_each.p50_s, room.to_each.p99_s, room.to_all.p50_s, room.to_all.p99_s, room.to_all.max_s] {
                        td.number { (time(value)) }
                    }
                    td.number { (bytes(room.received_bytes_per_member as f64)) }
                    td.number { (count(room.states_at_end)) }
                    td.number { (count(room.states_max)) }
                    td.number { (time(room.diverged_s)) }
                }
            } }
        } }
    }
}

/// How long it took until all knew of it who wrote something for them afterwards.
fn known(cut: &CutOff) -> String {
    match cut.known_s {
        Some(known_s) => time((known_s - cut.at_s).max(0.0)),
        None if cut.written_knowing + cut.written_unknowing == 0 => "nobody wrote".to_owned(),
        None => "✗ not all did".to_owned(),
    }
}

/// What those read who were cut off.
pub(super) fn cut_off(report: &Report) -> Markup {
    let all = &report.messages.cut_off;
    if all.is_empty() {
        return html! {};
    }
    let sum = |what: fn(&CutOff) -> u64| count(all.iter().map(what).sum());
    html! {
        h2 { "Cut off" }
        p {
            "Of messages that were written after someone was cut off, and would have been for them: "
            (sum(|cut| cut.written_knowing)) " were written by who had heard of it, and "
            (sum(|cut| cut.read_knowing)) " of these were read; "
            (sum(|cut| cut.written_unknowing)) " were written by who had not heard yet, and "
            (sum(|cut| cut.read_unknowing)) " of these were read."
        }
        details {
            summary { "Each (" (count(all.len() as u64)) ")" }
            div.scroll { table {
                thead { tr {
                    @for name in ["Who", "At", "All writers knew after", "Written unknowing", "Read", "Written knowing", "Read"] { th { (name) } }
                } }
                tbody { @for cut in all {
                    tr {
                        th scope="row" {
                            (name(report, cut.node))
                            @if let Some(room) = cut.room.and_then(|room| report.messages.rooms.get(room)) {
                                ", from " (room.name)
                            }
                        }
                        td.number { (time(cut.at_s)) }
                        td.number { (known(cut)) }
                        td.number { (count(cut.written_unknowing)) }
                        td.number { (count(cut.read_unknowing)) }
                        td.number { (count(cut.written_knowing)) }
                        td.number { (count(cut.read_knowing)) }
                    }
                } }
            } }
        }
    }
}
