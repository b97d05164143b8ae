//! What was expected, and what was found.

use std::time::Duration;

use super::{SWEEP, seconds};
use crate::plan::Expectation;
use crate::report::words::{bytes, count, percent, short, time};
use crate::report::{Outcome, Report};

/// What the report itself does not tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Whether the runner could see how long envelopes were kept.
    pub(super) kept: bool,
    /// Whether the plan heals anything.
    pub(super) healed: bool,
}

/// What came of an expectation.
pub(super) fn judge(wanted: Expectation, report: &Report, seen: Seen) -> Outcome {
    let mut outcome = judge_whole_run(wanted, report, seen);
    if report.interrupted {
        outcome.passed = false;
        let so_far = if outcome.missed_by.is_empty() {
            "so far it was met"
        } else {
            outcome.missed_by.as_str()
        };
        outcome.missed_by = format!("the run was interrupted; {so_far}");
    }
    outcome
}

fn judge_whole_run(wanted: Expectation, report: &Report, seen: Seen) -> Outcome {
    match wanted {
        Expectation::DeliveryMin(min) => delivery(min, report),
        Expectation::LatencyP50Max(max) => {
            latency("latency_p50", 50, max, report.messages.latency.p50_s, report)
        }
        Expectation::LatencyP99Max(max) => {
            latency("latency_p99", 99, max, report.messages.latency.p99_s, report)
        }
        Expectation::BytesPerNodeMax(max) => bytes_per_node(max, report),
        Expectation::AmplificationMax(max) => amplification(max, report),
        Expectation::ConvergenceMax(max) => convergence(max, report, seen.healed),
        Expectation::NothingOlderThan(max) => nothing_older(max, report, seen.kept),
        Expectation::NoDuplicates => none_of(
            "no_duplicates",
            "no message shown twice",
            "shown twice",
            report.messages.duplicated,
            report,
        ),
        Expectation::InOrder => none_of(
            "in_order",
            "each conversation in the order of its writing",
            "shown before an earlier one",
            report.messages.out_of_order,
            report,
        ),
        Expectation::DeviceDeliveryMin(min) => device_delivery(min, report),
        Expectation::CutOff => cut_off(report),
        Expectation::OneRoomState => one_room_state(report),
        Expectation::FilesMin(min) => files_whole(min, report),
        Expectation::FilesP99Max(max) => files_p99(max, report),
    }
}

fn delivery(min: f64, report: &Report) -> Outcome {
    let messages = &report.messages;
    let (written, delivered) = (messages.written, messages.delivered);
    // To six digits, as the ratio: 0.95 of 20 are 19.
    let needed = (min * written as f64 - 1e-6).ceil().max(0.0) as u64;
    let found = if written == 0 {
        "no message was written".to_owned()
    } else {
        format!("{} of {} delivered", percent(delivered, written), count(written))
    };
    let missed = format!("{} too few", count(needed.saturating_sub(delivered)));
    let wanted = format!("at least {} % delivered", (min * 1e4).round() / 1e2);
    outcome("delivery", wanted, found, delivered >= needed, missed)
}

fn device_delivery(min: f64, report: &Report) -> Outcome {
    let name = "device_delivery";
    let wanted = format!("at least {} % shown on each device", (min * 1e4).round() / 1e2);
    let Some(devices) = report.messages.devices.as_ref().filter(|devices| devices.expected > 0)
    else {
        let found = "nothing was to be shown on several devices".to_owned();
        return outcome(name, wanted, found.clone(), false, found);
    };
    let needed = (min * devices.expected as f64 - 1e-6).ceil().max(0.0) as u64;
    let found = format!(
        "{} of {} shown",
        percent(devices.shown, devices.expected),
        count(devices.expected)
    );
    let missed = format!("{} too few", count(needed.saturating_sub(devices.shown)));
    outcome(name, wanted, found, devices.shown >= needed, missed)
}

fn cut_off(report: &Report) -> Outcome {
    let wanted = "who was cut off read nothing that was written by who knew of it".to_owned();
    let all = &report.messages.cut_off;
    let read: u64 = all.iter().map(|cut| cut.read_knowing).sum();
    let written: u64 = all.iter().map(|cut| cut.written_knowing).sum();
    let found = format!("{} of {} were read", count(read), count(written));
    // What nobody wrote proves nothing.
    let missed = match read {
        0 => "nobody who knew wrote anything".to_owned(),
        read => format!("{} too many", count(read)),
    };
    outcome("cut_off", wanted, found, read == 0 && written > 0, missed)
}

fn one_room_state(report: &Report) -> Outcome {
    let rooms = &report.messages.rooms;
    let apart: Vec<&str> = rooms
        .iter()
        .filter(|room| room.states_at_end != 1)
        .map(|room| room.name.as_str())
        .collect();
    let wanted = "at the end all who are in a room have the same state of it".to_owned();
    let found = match apart[..] {
        [] => format!("so it is in {} rooms", count(rooms.len() as u64)),
        _ => format!("not so in {}", apart.join(", ")),
    };
    let missed = format!("{} of {} rooms", apart.len(), rooms.len());
    outcome("one_room_state", wanted, found, apart.is_empty() && !rooms.is_empty(), missed)
}

fn files_whole(min: f64, report: &Report) -> Outcome {
    let name = "files";
    let wanted =
        format!("at least {} % of files whole where they were to come", (min * 1e4).round() / 1e2);
    let Some(files) = report.messages.files.as_ref().filter(|files| files.expected > 0) else {
        let found = "no file was to come to anyone".to_owned();
        return outcome(name, wanted, found.clone(), false, found);
    };
    let needed = (min * files.expected as f64 - 1e-6).ceil().max(0.0) as u64;
    let found =
        format!("{} of {} whole", percent(files.whole, files.expected), count(files.expected));
    let missed = format!("{} too few", count(needed.saturating_sub(files.whole)));
    outcome(name, wanted, found, files.whole >= needed, missed)
}

fn files_p99(max: Duration, report: &Report) -> Outcome {
    let (name, max_s) = ("files_p99", seconds(max));
    let wanted = format!("99 % of files that came whole within {}", time(max_s));
    let Some(files) = report.messages.files.as_ref().filter(|files| files.to_each.count > 0) else {
        let found = "no file came".to_owned();
        return outcome(name, wanted, found.clone(), false, found);
    };
    let found_s = files.to_each.p99_s;
    let found = format!("99 % within {}", time(found_s));
    outcome(name, wanted, found, found_s <= max_s, over(found_s, max_s, time))
}

fn latency(name: &str, part: u32, max: Duration, found_s: f64, report: &Report) -> Outcome {
    let max_s = seconds(max);
    let wanted = format!("{part} % of messages delivered within {}", time(max_s));
    if report.messages.delivered == 0 {
        let passed = report.messages.written == 0;
        let missed = "no message was delivered".to_owned();
        return outcome(name, wanted, missed.clone(), passed, missed);
    }
    let found = format!("{part} % within {}", time(found_s));
    outcome(name, wanted, found, found_s <= max_s, over(found_s, max_s, time))
}

fn bytes_per_node(max: u64, report: &Report) -> Outcome {
    let found = report.traffic.received_bytes_max;
    let most = report.nodes.iter().find(|node| node.received_bytes == found);
    let name = most.map_or("no node", |node| node.name.as_str());
    outcome(
        "bytes_per_node",
        format!("no node receives more than {}", bytes(max as f64)),
        format!("{name} received {}", bytes(found as f64)),
        found <= max,
        over(found as f64, max as f64, bytes),
    )
}

fn amplification(max: f64, report: &Report) -> Outcome {
    let wanted = format!("at most {max} bytes received for each byte of text delivered");
    let name = "amplification";
    match report.traffic.amplification {
        Some(found) => {
            let text = format!("{} bytes for each byte", short(found));
            outcome(name, wanted, text, found <= max, over(found, max, short))
        }
        None => {
            let found = "no text was delivered".to_owned();
            outcome(name, wanted, found.clone(), report.messages.written == 0, found)
        }
    }
}

fn convergence(max: Duration, report: &Report, healed: bool) -> Outcome {
    let (name, max_s) = ("convergence", seconds(max));
    let what = if healed { "heal" } else { "start" };
    let wanted = format!(
        "all that was written before the last {what} delivered within {} of it",
        time(max_s)
    );
    let all = &report.convergence;
    let last = if healed { all.iter().rfind(|one| one.after == "heal") } else { all.last() };
    let Some(last) = last else {
        let found = format!("there was no {what}");
        return outcome(name, wanted, found.clone(), false, found);
    };
    let outstanding = count(last.outstanding);
    match last.took_s {
        Some(took_s) => {
            let found =
                format!("the last of {outstanding} that waited came after {}", time(took_s));
            let found = if last.outstanding == 0 { "nothing waited".to_owned() } else { found };
            outcome(name, wanted, found, took_s <= max_s, over(took_s, max_s, time))
        }
        None => {
            let left = time((report.ran_s - last.at_s).max(0.0));
            let found = format!("not all of {outstanding} that waited came");
            let missed = format!("some had not come when the run ended, {left} later");
            outcome(name, wanted, found, false, missed)
        }
    }
}

fn nothing_older(max: Duration, report: &Report, seen: bool) -> Outcome {
    let (name, max_s) = ("nothing_older_than", seconds(max));
    let wanted = format!(
        "no envelope kept longer than {}, and until the sweep at most {} later",
        time(max_s),
        time(seconds(SWEEP))
    );
    if !seen {
        let found = "not seen: nobody looked how long envelopes were kept".to_owned();
        return outcome(name, wanted, found.clone(), false, found);
    }
    let bound_s = seconds(max + SWEEP);
    let (oldest_s, looks) = (report.retention.oldest_s, report.retention.over_six_days);
    let found = format!("the longest was kept for {}", time(oldest_s));
    let mut missed = over(oldest_s, bound_s, time);
    if looks > 0 {
        missed = format!("{missed}; seen over six days {} times", count(looks));
    }
    outcome(name, wanted, found, oldest_s <= bound_s, missed)
}

fn none_of(name: &str, wanted: &str, what: &str, found: u64, report: &Report) -> Outcome {
    let delivered = count(report.messages.delivered);
    outcome(
        name,
        wanted.to_owned(),
        format!("{} of {delivered} {what}", count(found)),
        found == 0,
        format!("{} too many", count(found)),
    )
}

/// "3 s too much (1.6 times what is allowed)".
fn over(found: f64, max: f64, said: impl Fn(f64) -> String) -> String {
    let times = if max > 0.0 {
        format!(", {:.2} times what is allowed", found / max)
    } else {
        String::new()
    };
    format!("{} too much{times}", said(found - max))
}

fn outcome(name: &str, wanted: String, found: String, passed: bool, missed: String) -> Outcome {
    let missed_by = if passed { String::new() } else { missed };
    Outcome { name: name.to_owned(), wanted, found, passed, missed_by }
}
