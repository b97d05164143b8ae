//! What must be true at the end.

use super::error::Fault;
use super::file::Expect;
use crate::plan::{Event, Expectation, MessagePlan, RoomDeed, TimedEvent};

/// Expectations that the plan can meet or miss.
pub(crate) fn expectations(
    expect: &Expect,
    messages: &[MessagePlan],
    events: &[TimedEvent],
) -> Result<Vec<Expectation>, Fault> {
    let Expect {
        delivery,
        latency_p50,
        latency_p99,
        bytes_per_node,
        amplification,
        convergence,
        nothing_older_than,
        no_duplicates,
        in_order,
        device_delivery,
        cut_off,
        one_room_state,
        files,
        files_p99,
    } = expect;
    let of_messages = [
        ("delivery", delivery.is_some()),
        ("latency_p50", latency_p50.is_some()),
        ("latency_p99", latency_p99.is_some()),
        ("amplification", amplification.is_some()),
        ("convergence", convergence.is_some()),
        ("device_delivery", device_delivery.is_some()),
    ];
    if let Some((key, _)) = of_messages.iter().find(|(_, given)| *given && messages.is_empty()) {
        let message = "nobody writes a message; add [[traffic]], or leave it out";
        return Err(Fault::new(format!("expect.{key}"), message));
    }
    let of_files = [("files", files.is_some()), ("files_p99", files_p99.is_some())];
    let sends = messages.iter().any(|message| message.file.is_some());
    if let Some((key, _)) = of_files.iter().find(|(_, given)| *given && !sends) {
        let message = "nobody sends a file; add [[files]], or leave it out";
        return Err(Fault::new(format!("expect.{key}"), message));
    }
    let converges = |event: &TimedEvent| matches!(event.event, Event::Heal | Event::Start(_));
    if convergence.is_some() && !events.iter().any(converges) {
        let message =
            "it counts from a heal or a start, and there is none; add one, or leave it out";
        return Err(Fault::new("expect.convergence", message));
    }
    let cuts = |event: &TimedEvent| {
        matches!(event.event, Event::Revoke(_) | Event::Room { deed: RoomDeed::Remove, .. })
    };
    if cut_off.is_some() && !events.iter().any(cuts) {
        let message =
            "nobody is cut off; revoke a device, remove someone from a room, or leave it out";
        return Err(Fault::new("expect.cut_off", message));
    }
    let is_of_room = |event: &TimedEvent| matches!(event.event, Event::Room { .. });
    if one_room_state.is_some() && !events.iter().any(is_of_room) {
        let message = "there is no room; add [[rooms]], or leave it out";
        return Err(Fault::new("expect.one_room_state", message));
    }
    let all = [
        delivery.map(|part| Expectation::DeliveryMin(part.0)),
        latency_p50.map(|time| Expectation::LatencyP50Max(time.0)),
        latency_p99.map(|time| Expectation::LatencyP99Max(time.0)),
        bytes_per_node.map(|bytes| Expectation::BytesPerNodeMax(bytes.0)),
        amplification.map(|factor| Expectation::AmplificationMax(factor.0)),
        convergence.map(|time| Expectation::ConvergenceMax(time.0)),
        nothing_older_than.map(|time| Expectation::NothingOlderThan(time.0)),
        no_duplicates.filter(|wanted| *wanted).map(|_| Expectation::NoDuplicates),
        in_order.filter(|wanted| *wanted).map(|_| Expectation::InOrder),
        device_delivery.map(|part| Expectation::DeviceDeliveryMin(part.0)),
        cut_off.filter(|wanted| *wanted).map(|_| Expectation::CutOff),
        one_room_state.filter(|wanted| *wanted).map(|_| Expectation::OneRoomState),
        files.map(|part| Expectation::FilesMin(part.0)),
        files_p99.map(|time| Expectation::FilesP99Max(time.0)),
    ];
    Ok(all.into_iter().flatten().collect())
}
