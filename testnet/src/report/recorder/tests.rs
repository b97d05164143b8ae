//! The recorder is told of runs that never were.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::plan::{Addressee, Expectation, MessagePlan, RoomPlan};
use crate::report::{Outcome, example};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Four nodes, and messages of 100 bytes from 0 to 1, one a second.
fn plan(messages: u64, expectations: Vec<Expectation>) -> Plan {
    let mut plan = example::plan(4);
    let message =
        |at| MessagePlan { at: s(at), from: 0, to: Addressee::Person(1), bytes: 100, file: None };
    plan.messages = (0..messages).map(message).collect();
    plan.expectations = expectations;
    plan
}

fn recorder(plan: &Plan) -> Recorder<'_> {
    Recorder::new(plan, Runner::Sim)
}

fn only(report: &Report) -> &Outcome {
    let [outcome] = report.expectations.as_slice() else { panic!("{:?}", report.expectations) };
    outcome
}

#[test]
fn a_failed_expectation_says_by_how_much() {
    let plan = plan(500, vec![Expectation::DeliveryMin(1.0)]);
    let mut recorder = recorder(&plan);
    for message in 0..500 {
        recorder.written(message, s(message as u64));
        if message >= 13 {
            recorder.shown(message, 1, s(message as u64 + 1));
        }
    }
    let report = recorder.finish(s(1_000), false);
    assert!(!report.passed);
    let outcome = only(&report);
    assert_eq!(outcome.name, "delivery");
    assert_eq!(outcome.wanted, "at least 100 % delivered");
    assert_eq!(outcome.found, "97.4 % of 500 delivered");
    assert_eq!(outcome.missed_by, "13 too few");
    assert_eq!(report.messages.delivery_ratio, 0.974);
}

#[test]
fn every_kind_of_expectation_is_met_or_says_what_it_missed() {
    use Expectation::*;
    let wanted = [
        (LatencyP50Max(s(1)), "4 s too much, 5.00 times what is allowed"),
        (LatencyP99Max(s(4)), "1 s too much, 1.25 times what is allowed"),
        (BytesPerNodeMax(1_000), "2.93 KiB too much, 4.00 times what is allowed"),
        (AmplificationMax(5.0), "3 too much, 1.60 times what is allowed"),
        (ConvergenceMax(s(2)), "there was no start"),
        (NothingOlderThan(s(3_600)), "1 h too much, 1.50 times what is allowed"),
        (NoDuplicates, "1 too many"),
        (InOrder, "1 too many"),
    ];
    let plan = plan(10, wanted.iter().map(|(wanted, _)| *wanted).collect());
    let mut recorder = recorder(&plan);
    for message in 0..10 {
        recorder.written(message, s(message as u64));
    }
    for message in [1, 0, 2, 3, 4, 5, 6, 7, 8, 9] {
        recorder.shown(message, 1, s(message as u64 + 5));
    }
    recorder.shown(9, 1, s(30));
    let mut nodes = [NodeSample { on: true, ..NodeSample::default() }; 4];
    nodes[0].received_bytes = 4_000;
    nodes[1].received_bytes = 4_000;
    nodes[2].mailbox_oldest = Some(s(3 * 3_600));
    recorder.sample(s(20), &nodes);
    let report = recorder.finish(s(100), false);
    let missed: Vec<_> =
        report.expectations.iter().map(|outcome| outcome.missed_by.as_str()).collect();
    let expected: Vec<_> = wanted.iter().map(|(_, missed)| *missed).collect();
    assert_eq!(missed, expected);
    assert_eq!((report.messages.duplicated, report.messages.out_of_order), (1, 1));
    assert_eq!(report.messages.payload_bytes, 1_000);
}

#[test]
fn an_interrupted_run_passes_nothing() {
    let plan = plan(1, vec![Expectation::DeliveryMin(1.0)]);
    let mut recorder = recorder(&plan);
    recorder.written(0, s(0));
    recorder.shown(0, 1, s(1));
    let report = recorder.finish(s(2), true);
    assert!(!report.passed && !only(&report).passed);
    assert_eq!(only(&report).missed_by, "the run was interrupted; so far it was met");
}

#[test]
fn a_message_that_was_skipped_is_not_owed() {
    let plan = plan(3, vec![Expectation::DeliveryMin(1.0)]);
    let mut recorder = recorder(&plan);
    recorder.skipped(0);
    recorder.written(1, s(1));
    recorder.shown(1, 1, s(2));
    let report = recorder.finish(s(1), false);
    assert!(report.passed);
    let messages = &report.messages;
    assert_eq!((messages.planned, messages.written, messages.skipped), (2, 1, 1));
}

#[test]
fn a_message_shown_though_its_writer_died_before_it_said_so_was_written() {
    let plan = plan(2, Vec::new());
    let mut recorder = recorder(&plan);
    recorder.skipped(1);
    recorder.shown(1, 1, s(3));
    let messages = recorder.finish(s(10), false).messages;
    assert_eq!((messages.written, messages.delivered, messages.skipped), (1, 1, 0));
    assert_eq!(messages.latency.max_s, 2.0);
}

#[test]
fn what_waited_for_a_heal_counts_in_all_latencies_but_not_among_the_reachable() {
    let plan = plan(10, Vec::new());
    let mut recorder = recorder(&plan);
    for message in 0..10 {
        if message == 4 {
            recorder.happened(&Event::Partition(vec![vec![0], vec![1, 2, 3]]), s(4));
        }
        recorder.written(message, s(message as u64));
        if message < 4 {
            recorder.shown(message, 1, s(message as u64));
        }
    }
    recorder.happened(&Event::Heal, s(60));
    for message in 4..10 {
        recorder.shown(message, 1, s(61 + message as u64));
    }
    let report = recorder.finish(s(100), false);
    let reachable = report.messages.latency_reachable.unwrap();
    assert_eq!((reachable.count, reachable.max_s), (4, 0.0));
    assert_eq!((report.messages.latency.count, report.messages.latency.max_s), (10, 61.0));
    let [healed] = report.convergence.as_slice() else { panic!("{:?}", report.convergence) };
    assert_eq!((healed.after.as_str(), healed.outstanding, healed.took_s), ("heal", 6, Some(10.0)));
    assert_eq!(report.nodes[0].partition, Some(0));
    assert_eq!(report.events[0].label, "split into 2 groups of 1 and 3 nodes");
    assert_eq!(report.events[0].groups, [0, 1, 1, 1]);
}

#[test]
fn starts_within_a_second_are_one_and_what_never_came_is_said() {
    let plan = plan(3, vec![Expectation::ConvergenceMax(s(10))]);
    let mut recorder = recorder(&plan);
    recorder.happened(&Event::Crash(vec![1, 2]), s(0));
    recorder.written(0, s(1));
    recorder.written(1, s(1));
    recorder.happened(&Event::Start(vec![1]), s(10));
    recorder.happened(&Event::Start(vec![2]), s(11));
    recorder.happened(&Event::Start(vec![3]), s(11));
    recorder.shown(0, 1, s(12));
    let report = recorder.finish(s(100), false);
    let [started] = report.convergence.as_slice() else { panic!("{:?}", report.convergence) };
    assert_eq!(started.after, "start of n1, n2");
    assert_eq!((started.at_s, started.outstanding, started.took_s), (11.0, 2, None));
    assert_eq!(only(&report).found, "not all of 2 that waited came");
}

#[test]
fn who_keeps_envelopes_unseen_is_not_taken_for_one_who_keeps_none_too_long() {
    let plan = plan(0, vec![Expectation::NothingOlderThan(s(10))]);
    let mut recorder = recorder(&plan);
    let nodes = [NodeSample { on: true, mailbox_envelopes: 1, ..NodeSample::default() }; 4];
    recorder.sample(s(1), &nodes);
    let report = recorder.finish(s(100), false);
    assert!(!only(&report).passed, "{:?}", only(&report));
}

#[test]
fn samples_become_series_and_nodes() {
    let plan = plan(0, Vec::new());
    let mut recorder = recorder(&plan);
    let mut nodes =
        [NodeSample { on: true, connections: 3, mailbox_envelopes: 5, ..NodeSample::default() }; 4];
    recorder.sample(s(1), &nodes);
    recorder.happened(&Event::Leave(vec![3]), s(2));
    nodes[3].on = false;
    nodes[0].mailbox_envelopes = 2;
    recorder.sample(s(3), &nodes);
    let report = recorder.finish(s(4), false);
    assert_eq!(report.series.t_s, [1.0, 3.0]);
    assert_eq!(report.series.nodes_on, [4, 3]);
    assert_eq!(report.series.connections, [6, 5]);
    assert_eq!(report.series.mailbox_envelopes, [20, 12], "a disk that was erased holds nothing");
    assert_eq!((report.nodes[0].mailbox_envelopes, report.nodes[0].mailbox_envelopes_max), (2, 5));
    assert!(!report.nodes[3].on && report.nodes[3].connections == 0);
    assert_eq!(report.retention.left_at_end, 12);
}

#[test]
fn the_examples_are_as_told() {
    let split = example::split_and_heal();
    assert!(split.spread.is_some());
    assert!(!split.passed);
    assert!(split.series.t_s.len() > 500);
    let churn = example::churn();
    assert!(churn.series.t_s.len() <= series::SAMPLES_MAX + 1);
    assert!(!example::thousand().passed, "it was interrupted");
    assert!(churn.convergence.len() > 100);
}

/// Node 3 is the second device of node 0; the room is of the people 0, 1 and 2.
fn plan_of_many() -> Plan {
    let mut plan = example::plan(4);
    plan.nodes[3].device_of = Some(0);
    plan.rooms =
        vec![RoomPlan { name: "deck".to_owned(), creator: 0, strict: false, members_add: false }];
    let room = |deed, whom| Event::Room { room: 0, by: 0, deed, whom };
    plan.events = vec![
        example::timed(0, Event::Link(vec![3])),
        example::timed(0, room(RoomDeed::Create, vec![1, 2])),
        example::timed(50, Event::Revoke(vec![3])),
        example::timed(50, room(RoomDeed::Remove, vec![2])),
    ];
    let message = |at, from, to| MessagePlan { at: s(at), from, to, bytes: 100, file: None };
    let (person, room) = (Addressee::Person(0), Addressee::Room(0));
    plan.messages = vec![
        message(10, 1, person),
        message(20, 0, room),
        message(60, 1, person),
        message(70, 1, person),
        message(60, 1, room),
        message(70, 1, room),
    ];
    plan
}

/// A recorder that was told the events, and that all messages were written when planned.
fn told(plan: &Plan) -> Recorder<'_> {
    let mut recorder = recorder(plan);
    plan.events.iter().for_each(|timed| recorder.happened(&timed.event, timed.at));
    recorder.linked(3, s(2));
    (0..plan.messages.len()).for_each(|index| recorder.written(index, plan.messages[index].at));
    recorder
}

#[test]
fn a_person_has_a_message_with_one_device_and_each_device_is_told_of() {
    let plan = plan_of_many();
    let mut recorder = told(&plan);
    recorder.shown(0, 3, s(11));
    recorder.shown(0, 0, s(15));
    // Twice on one device.
    recorder.shown(2, 0, s(60));
    recorder.shown(2, 0, s(61));
    // The copy of what was written on the other device; and where it was written.
    recorder.shown(1, 3, s(21));
    recorder.shown(1, 0, s(20));
    let report = recorder.finish(s(100), false);
    let messages = &report.messages;
    assert_eq!((messages.delivered, messages.latency.max_s, messages.duplicated), (2, 1.0, 1));
    let devices = messages.devices.as_ref().unwrap();
    assert_eq!((devices.people, devices.devices, devices.linked, devices.revoked), (1, 2, 2, 1));
    let each: Vec<_> = devices.each.iter().map(|it| (it.node, it.expected, it.shown)).collect();
    assert_eq!(each, [(0, 5, 2), (3, 2, 2)]);
    assert_eq!((devices.expected, devices.shown), (5, 2), "of the one that was not revoked");
    assert_eq!(devices.linking.max_s, 2.0);
}

#[test]
fn what_was_read_by_who_was_cut_off_is_counted_by_what_its_writer_knew() {
    let plan = plan_of_many();
    let mut recorder = told(&plan);
    recorder.knows_cut(1, 3, s(65));
    let seen = |members: &[usize]| RoomSeen {
        is_in: true,
        members: members.to_vec(),
        digest: format!("{members:?}"),
    };
    recorder.sees_room(1, 0, seen(&[0, 1]), s(65));
    for (message, node) in [(2, 3), (4, 2), (5, 2)] {
        recorder.shown(message, node, s(80));
    }
    let report = recorder.finish(s(100), false);
    let found: Vec<_> = report
        .messages
        .cut_off
        .iter()
        .map(|cut| {
            let unknowing = (cut.written_unknowing, cut.read_unknowing);
            (cut.node, cut.room, cut.known_s, unknowing, (cut.written_knowing, cut.read_knowing))
        })
        .collect();
    // Two to the person, and two to the room, of which the device is as well.
    assert_eq!(found[0], (3, None, Some(65.0), (2, 1), (2, 0)));
    assert_eq!(found[1], (2, Some(0), Some(65.0), (1, 1), (1, 1)));
}

#[test]
fn a_message_is_delivered_in_a_room_with_the_last_who_stays_and_its_states_are_counted() {
    let plan = plan_of_many();
    let mut recorder = told(&plan);
    let seen =
        |digest: &str, is_in| RoomSeen { is_in, members: vec![0, 1, 2], digest: digest.to_owned() };
    for node in 0..3 {
        recorder.sees_room(node, 0, seen("a", true), s(60));
    }
    recorder.sees_room(3, 0, seen("old", true), s(61));
    recorder.sees_room(0, 0, seen("b", true), s(62));
    recorder.sees_room(1, 0, seen("b", true), s(70));
    recorder.sees_room(2, 0, seen("b", false), s(72));
    // Of the message from 0, person 1 is due, and 2, who does not stay, is not.
    recorder.shown(1, 2, s(22));
    recorder.shown(1, 1, s(25));
    let report = recorder.finish(s(100), false);
    assert_eq!(report.messages.delivered, 1);
    let room = &report.messages.rooms[0];
    assert_eq!((room.members, room.written, room.delivered), (2, 3, 1));
    assert_eq!((room.expected, room.shown, room.to_all.max_s), (3, 1, 5.0));
    assert_eq!((room.states_at_end, room.states_max, room.diverged_s), (1, 2, 10.0));
}

/// In an outage someone was added; another member, who could not hear of it, was taken to owe them messages.
#[test]
fn what_is_written_by_who_has_not_heard_of_someone_is_not_for_them() {
    let mut plan = plan_of_many();
    plan.events.retain(|timed| !matches!(timed.event, Event::Room { deed: RoomDeed::Remove, .. }));
    let mut recorder = recorder(&plan);
    plan.events.iter().for_each(|timed| recorder.happened(&timed.event, timed.at));
    let seen = |members: &[usize]| RoomSeen {
        is_in: true,
        members: members.to_vec(),
        digest: String::new(),
    };
    recorder.sees_room(0, 0, seen(&[0, 1]), s(15));
    recorder.written(1, s(20));
    recorder.shown(1, 1, s(21));
    recorder.sees_room(1, 0, seen(&[0, 1, 2]), s(55));
    recorder.written(4, s(60));
    recorder.shown(4, 0, s(61));
    recorder.sees_room(1, 0, seen(&[1]), s(65));
    recorder.written(5, s(70));
    let (report, data) = recorder.with_data().finish_with_data(s(100), false);
    let room = &report.messages.rooms[0];
    assert_eq!((room.written, room.delivered, room.expected, room.shown), (3, 2, 3, 2));
    assert_eq!(
        report.messages.delivered, 2,
        "the last is for nobody, and the one before lacks person 2"
    );
    let missing: Vec<_> = data.unwrap().messages.iter().map(|row| row.missing).collect();
    assert_eq!(missing, [None, None, None, None, Some(2), None]);
}
