//! People with several devices.

use std::time::Duration;

use super::plan;
use super::refused::all_refused;
use crate::plan::{Addressee, Event, NodeIndex, Plan};

const PEOPLE: &str = r#"
duration = "2m"

[[nodes]]
name = "user"
count = 3
devices = 2

[[nodes]]
name = "ann"
devices = 3

[[contacts]]
pairs = "all"

[[traffic]]
from = "all"
to = "contacts"
rate = "1/s"

[[events]]
at = "40s"
do = "link"
nodes = "user-d2"
over = "3s"

[[events]]
at = "60s"
do = "revoke"
nodes = "ann-d3"
"#;

fn names(plan: &Plan, nodes: &[NodeIndex]) -> Vec<String> {
    nodes.iter().map(|node| plan.nodes[*node].name.clone()).collect()
}

#[test]
fn people_have_devices_and_are_one_person_each() {
    let plan = plan(PEOPLE);
    let all: Vec<NodeIndex> = (0..plan.nodes.len()).collect();
    let wanted = [
        "user-1",
        "user-2",
        "user-3",
        "user-1-d2",
        "user-2-d2",
        "user-3-d2",
        "ann",
        "ann-d2",
        "ann-d3",
    ];
    assert_eq!(names(&plan, &all), wanted);
    let person: Vec<NodeIndex> = all.iter().map(|node| plan.person(*node)).collect();
    assert_eq!(person, [0, 1, 2, 0, 1, 2, 6, 6, 6]);
    // Contacts are people, and messages go to people.
    assert_eq!(plan.contacts.len(), 6);
    assert!(
        plan.contacts
            .iter()
            .all(|pair| plan.person(pair.a) == pair.a && plan.person(pair.b) == pair.b)
    );
    for message in &plan.messages {
        let Addressee::Person(to) = message.to else { panic!("{message:?}") };
        assert!(plan.person(to) == to && plan.person(message.from) != to, "{message:?}");
    }
}

#[test]
fn devices_are_linked_as_soon_as_they_are_there_or_when_an_event_says_so() {
    let plan = plan(PEOPLE);
    let of = |wanted: fn(&Event) -> Option<&Vec<NodeIndex>>| {
        let events = plan.events.iter();
        let found = events.filter_map(|timed| Some((timed.at.as_secs(), wanted(&timed.event)?)));
        found.map(|(at, nodes)| (at, names(&plan, nodes))).collect::<Vec<_>>()
    };
    let name = |name: &str| vec![name.to_owned()];
    let linked = of(|event| if let Event::Link(nodes) = event { Some(nodes) } else { None });
    let first = vec!["ann-d2".to_owned(), "ann-d3".to_owned()];
    let later = [(40, name("user-1-d2")), (41, name("user-2-d2")), (42, name("user-3-d2"))];
    assert_eq!(linked, [vec![(0, first)], later.to_vec()].concat());
    let revoked = of(|event| if let Event::Revoke(nodes) = event { Some(nodes) } else { None });
    assert_eq!(revoked, [(60, name("ann-d3"))]);
}

#[test]
fn people_write_as_often_as_with_one_device_and_on_those_that_are_theirs() {
    let plan = plan(PEOPLE);
    let written = |name: &str, from: u64, to: u64| {
        let within = |at: Duration| (from..to).contains(&at.as_secs());
        let of = |message: &&crate::plan::MessagePlan| {
            plan.nodes[message.from].name == name && within(message.at)
        };
        plan.messages.iter().filter(of).count()
    };
    assert_eq!(written("user-1-d2", 0, 40), 0, "it is not linked");
    assert!(written("user-1-d2", 41, 120) > 20 && written("user-1", 41, 120) > 20);
    assert!(written("ann-d3", 0, 60) > 10);
    assert_eq!(written("ann-d3", 60, 120), 0, "it is lost");
    let all: usize = ["ann", "ann-d2", "ann-d3"].iter().map(|name| written(name, 0, 120)).sum();
    assert_eq!(all, 120);
}

#[test]
fn devices_that_can_not_be_are_refused() {
    let cases = [
        ("devices = 2", "devices = 9", "nodes[0].devices", "give 1 to 8"),
        ("devices = 2", "devices = 2\nuser = false", "nodes[0].devices", "only people"),
        ("name = \"ann\"", "name = \"user-1-d2\"", "nodes[1].name", "two nodes"),
        ("nodes = \"ann-d3\"", "nodes = \"ann\"", "events[1].nodes", "has the root"),
        (
            "nodes = \"ann-d3\"",
            "nodes = \"user-1-d2\"\n[[events]]\nat = \"70s\"\ndo = \"revoke\"\nnodes = \"user-d2\"",
            "events[2].at",
            "revoked already",
        ),
        ("at = \"60s\"", "at = \"30s\"", "", ""),
        ("nodes = \"user-d2\"", "nodes = \"user-d3\"", "events[0].nodes", "no node"),
        (
            "nodes = \"ann-d3\"",
            "nodes = \"ann-d3\"\n[expect]\ncut_off = true\nconvergence = \"1s\"",
            "expect.convergence",
            "none",
        ),
    ];
    for (from, to, key, message) in cases {
        let text = PEOPLE.replacen(from, to, 1);
        assert_ne!(text, PEOPLE, "{from}");
        if key.is_empty() {
            plan(&text);
            continue;
        }
        let all = all_refused(&text);
        let found = all.iter().any(|(_, at, said)| at == key && said.contains(message));
        assert!(found, "{to}: {all:?}");
    }
    let early = PEOPLE.replace("nodes = \"ann-d3\"", "nodes = \"user-1-d2\"").replace("60s", "20s");
    let all = all_refused(&early);
    assert!(
        all.iter().any(|(_, at, said)| at == "events[1].at" && said.contains("not linked yet")),
        "{all:?}"
    );
}
