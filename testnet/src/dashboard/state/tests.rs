use super::super::scene::{Abilities, SceneNode};
use super::*;

fn scene() -> Scene {
    let node = |index: usize| SceneNode {
        name: format!("n{index}"),
        role: "full",
        user: true,
        cluster: None,
    };
    Scene {
        name: "small <b>".to_owned(),
        description: "Four in a ring.".to_owned(),
        run_as: "tests",
        duration: Some(std::time::Duration::from_secs(60)),
        planned: Some(2),
        nodes: (0..4).map(node).collect(),
        links: vec![(0, 1), (1, 2), (2, 3), (0, 3)],
        can: Abilities { split: true, cut: true, harm: true },
    }
}

fn running() -> State {
    let mut state = State::new(scene());
    state.begin();
    for node in 0..4 {
        state.set_node(node, Liveness::On);
    }
    state.set_peers(0, BTreeMap::from([(1, "tcp"), (3, "quic")]));
    state
}

#[test]
fn a_snapshot_has_all_and_a_change_only_what_changed() {
    let mut state = running();
    assert!(state.take_changes().is_some());
    assert!(state.take_changes().is_none(), "nothing changed");

    let fresh = Fresh { from: 2, to: 0, bytes: 5, written_s: 1.0 };
    state.written("x", fresh);
    state.set_node(1, Liveness::Off);
    let change = state.take_changes().unwrap_or_default();
    assert_eq!(change["nodes"]["1"]["state"], "off");
    assert_eq!(change["nodes"]["2"]["waiting"], 1);
    assert_eq!(change["nodes"].as_object().map(|nodes| nodes.len()), Some(2));
    assert_eq!(change["messages"][0]["from"], 2);
    assert_eq!(change["totals"]["written"], 1);
    assert!(change.get("phase").is_none() && change.get("log").is_none(), "{change}");

    let whole = state.snapshot();
    assert_eq!(whole["name"], "small <b>");
    assert_eq!(whole["nodes"][1]["now"]["state"], "off");
    assert_eq!(whole["messages"][0]["to"], 0);
    assert_eq!((&whole["phase"], &whole["ending"]), (&json!("running"), &Value::Null));
    state.end(true, "all met");
    assert_eq!(state.snapshot()["ending"]["words"], "all met");
    assert_eq!(state.take_changes().unwrap_or_default()["phase"], "ended");
}

#[test]
fn a_link_is_connected_while_both_ends_are_on_and_cut_by_itself_or_by_a_split() {
    let mut state = running();
    let link = |state: &State, a: usize, b: usize| {
        let found = state.links.iter().find(|link| (link.a, link.b) == (a, b));
        found.map(|link| (link.by, link.cut, link.planned))
    };
    assert_eq!(link(&state, 0, 1), Some((Some("tcp"), false, true)));
    assert_eq!(link(&state, 1, 2), Some((None, false, true)));
    // One that the network was not made with.
    state.set_peers(1, BTreeMap::from([(3, "tcp")]));
    assert_eq!(link(&state, 1, 3), Some((Some("tcp"), false, false)));
    state.set_node(3, Liveness::Off);
    assert_eq!((link(&state, 0, 3), link(&state, 1, 3)), (Some((None, false, true)), None));

    state.set_cut(1, 0, true, 1.0);
    state.happened(&Event::Partition(vec![vec![0, 1], vec![2, 3]]), 2.0, true);
    let cut = |state: &State| -> Vec<bool> { state.links.iter().map(|link| link.cut).collect() };
    assert_eq!(cut(&state), [true, true, true, false]);
    state.happened(&Event::Heal, 3.0, false);
    assert_eq!(cut(&state), [false; 4]);
    let change = state.take_changes().unwrap_or_default();
    let said: Vec<_> = (0..3).map(|line| change["log"][line]["what"].as_str()).collect();
    assert_eq!(
        said,
        [
            Some("link between n0 and n1 cut"),
            Some("split into 2 groups of 2 and 2 nodes"),
            Some("heal")
        ]
    );
    assert_eq!(
        (&change["log"][1]["by_hand"], &change["log"][2]["by_hand"]),
        (&json!(true), &json!(false))
    );
}

#[test]
fn the_event_log_is_bounded_and_a_page_that_waits_misses_only_what_is_gone() {
    let mut state = running();
    for number in 0..LOG_MAX + 5 {
        state.note(0.0, "start", number.to_string(), false);
    }
    let change = state.take_changes().unwrap_or_default();
    let log = change["log"].as_array().map(Vec::len);
    assert_eq!((log, &change["log"][0]["what"]), (Some(LOG_MAX), &json!("5")));
}

#[test]
fn what_is_asked_of_a_node_that_was_stopped_meanwhile_is_not_shown() {
    let mut state = running();
    state.set_node(0, Liveness::Stopping);
    state.set_peers(0, BTreeMap::from([(1, "tcp")]));
    assert!(state.links.iter().all(|link| link.by.is_none()));
    assert_eq!(state.snapshot()["nodes"][0]["now"]["connections"], 0);
}

#[test]
fn a_scenario_event_marks_the_nodes_it_is_about() {
    let mut state = running();
    state.take_changes();
    let lasts = std::time::Duration::from_secs(5);
    state.happened(&Event::Flood { at: 2, envelopes_per_s: 1, bytes: 1, lasts }, 10.0, false);
    state.happened(&Event::DiskFull(vec![1]), 11.0, false);
    let change = state.take_changes().unwrap_or_default();
    assert_eq!(change["nodes"]["2"]["flooded_until_s"], 15.0);
    assert_eq!(change["nodes"]["1"]["disk_full"], true);
    state.happened(&Event::DiskFree(vec![1]), 12.0, false);
    assert!(state.take_changes().unwrap_or_default()["nodes"]["1"].get("disk_full").is_none());
}
