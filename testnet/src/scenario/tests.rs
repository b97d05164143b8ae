//! Promises of the format: the ready scenarios are right, chance is the seed's, and the reference
//! has every key.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::plan::{Addressee, Event, Expectation, LossAs};

mod devices;
mod documented;
mod files;
mod links;
mod refused;
mod rooms;

fn plan(text: &str) -> Plan {
    let plan = Scenario::parse(text, "good.toml").and_then(|it| it.plan(&PlanOptions::default()));
    plan.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn ready_scenarios_are_right_and_expect_something() {
    for ready in READY {
        let scenario = Scenario::find(ready.name).unwrap_or_else(|error| panic!("{error}"));
        let plan = scenario.plan(&PlanOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(plan.name, ready.name);
        assert!(!plan.description.is_empty() && !plan.messages.is_empty(), "{}", ready.name);
        let delivery = |it: &Expectation| matches!(it, Expectation::DeliveryMin(_));
        assert!(plan.expectations.iter().any(delivery), "{}", ready.name);
        // They run with every change.
        if ready.name != "six-day-network" {
            assert!(plan.nodes.len() <= 60 && plan.messages.len() < 2000, "{}", ready.name);
        }
    }
}

/// `--nodes` refused most scenarios that name single nodes: `split-and-heal` says which half user-1 to user-8 are in.
#[test]
fn ready_scenarios_take_other_numbers_of_nodes_or_say_which_line_hinders() {
    // A person is one, whatever devices they have.
    let counted = |plan: &Plan| plan.nodes.iter().filter(|node| node.device_of.is_none()).count();
    for ready in READY {
        let scenario = Scenario::find(ready.name).unwrap();
        let usual = counted(&scenario.plan(&PlanOptions::default()).unwrap());
        for nodes in [usual * 2, usual * 3 / 2 + 1, usual / 2 + 3] {
            let options = PlanOptions { nodes: Some(nodes), ..PlanOptions::default() };
            match scenario.plan(&options) {
                Ok(plan) => assert_eq!(counted(&plan), nodes, "{}", ready.name),
                Err(error) => {
                    let said = error.to_string();
                    // All of its nodes are single ones.
                    let single = ["first-contact.toml:8", "big-file-over-thin-link.toml:6"];
                    let is_one = |place: &&str| said.starts_with(&format!("{place}: nodes: "));
                    assert!(single.iter().any(is_one), "{} of {nodes}: {said}", ready.name);
                }
            }
        }
    }
}

#[test]
fn ready_scenarios_take_other_durations_or_say_which_line_hinders() {
    for ready in READY {
        let scenario = Scenario::find(ready.name).unwrap();
        let usual = scenario.plan(&PlanOptions::default()).unwrap().duration;
        let plan = |duration| {
            scenario.plan(&PlanOptions { duration: Some(duration), ..PlanOptions::default() })
        };
        assert_eq!(plan(usual * 2).unwrap().duration, usual * 2, "{}", ready.name);
        match plan(usual / 3) {
            Ok(plan) => assert_eq!(plan.duration, usual / 3, "{}", ready.name),
            Err(error) => {
                let said = error.to_string();
                assert!(said.starts_with(&format!("{}.toml:", ready.name)), "{said}");
                assert!(said.contains("the end of the run"), "{said}");
            }
        }
    }
}

/// Half of the network was user-1 to user-8 of sixteen; of eight there was no user-9, and of 32 most were in no half.
#[test]
fn halves_stay_halves_whatever_the_number_of_nodes() {
    for nodes in [8, 16, 22, 64] {
        let options = PlanOptions { nodes: Some(nodes), ..PlanOptions::default() };
        let plan = Scenario::find("split-and-heal").unwrap().plan(&options).unwrap();
        let parts = plan.events.iter().find_map(|timed| match &timed.event {
            Event::Partition(parts) => Some(parts.iter().map(Vec::len).collect::<Vec<_>>()),
            _ => None,
        });
        assert_eq!(parts, Some(vec![nodes / 2, nodes / 2]));
    }
    // In lists of links a name stands for all that take its place.
    let options = PlanOptions { nodes: Some(8), ..PlanOptions::default() };
    let plan = Scenario::find("offline-five-days").unwrap().plan(&options).unwrap();
    assert_eq!((plan.nodes.len(), plan.links.len()), (8, 6 + 9 + 6));
}

#[test]
fn contacts_with_only_edge_nodes_between_them_are_told_of() {
    let line = |role: &str| {
        plan(&format!(
            "duration = \"1m\"\n\
             [[nodes]]\nname = \"end\"\ncount = 2\n[[nodes]]\nname = \"middle\"\nrole = \"{role}\"\n\
             [topology]\nkind = \"edges\"\nedges = [[\"end-1\", \"middle\"], [\"middle\", \"end-2\"]]\n\
             [[contacts]]\npairs = \"all\"\n"
        ))
    };
    assert!(Summary::of(&line("full")).warnings.is_empty());
    // Each end and the middle are neighbours; the ends are not.
    let warnings = Summary::of(&line("edge")).warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("1 of 3 pairs of contacts, the first end-1 and end-2,"));
}

#[test]
fn all_files_beside_the_ready_scenarios_are_among_them() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let files: BTreeSet<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, READY.iter().map(Ready::file).collect());
}

#[test]
fn six_day_expiry_delivers_exactly_what_can_be() {
    let plan = Scenario::find("six-day-expiry").unwrap().plan(&PlanOptions::default()).unwrap();
    let to = |name: &str| {
        let node = plan.nodes.iter().position(|node| node.name == name).unwrap();
        plan.messages.iter().filter(|message| message.to == Addressee::Person(node)).count()
    };
    assert_eq!(to("bob"), to("carol"));
    let last = plan.messages.iter().map(|message| message.at).max().unwrap();
    let back = plan
        .events
        .iter()
        .filter(|event| matches!(event.event, Event::Start(_)))
        .map(|event| event.at);
    // With the hour of expiry and the one in which it is swept.
    assert!(back.max().unwrap() > last + Duration::from_secs((6 * 24 + 2) * 3600));
}

#[test]
fn the_full_size_of_thousand_nodes_is_a_thousand_for_ten_minutes() {
    let options = PlanOptions {
        nodes: Some(1000),
        duration: Some(parse_duration("10m").unwrap()),
        ..PlanOptions::default()
    };
    let plan = Scenario::find("thousand-nodes").unwrap().plan(&options).unwrap();
    let summary = Summary::of(&plan);
    assert_eq!((summary.nodes, summary.links, summary.duration_s), (1000, 4000, 600.0));
    assert!(summary.messages > 800 && summary.diameter <= 6, "{summary}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_seed_gives_the_same_plan(seed: u64, which in 0..READY.len()) {
        let options = PlanOptions { seed: Some(seed), ..PlanOptions::default() };
        let scenario = Scenario::find(READY[which].name).unwrap();
        let plan = scenario.plan(&options).unwrap();
        prop_assert!(plan == scenario.plan(&options).unwrap());
        let other = PlanOptions { seed: Some(seed ^ 1), ..options };
        prop_assert!(plan != scenario.plan(&other).unwrap());
    }

    #[test]
    fn a_plan_keeps_its_promises(seed: u64, which in 0..READY.len()) {
        let options = PlanOptions { seed: Some(seed), ..PlanOptions::default() };
        let plan = Scenario::find(READY[which].name).unwrap().plan(&options).unwrap();
        let n = plan.nodes.len();
        prop_assert!(plan.links.iter().all(|link| link.a < link.b && link.b < n));
        let pairs: BTreeSet<_> = plan.links.iter().map(|link| (link.a, link.b)).collect();
        prop_assert_eq!(pairs.len(), plan.links.len());
        prop_assert_eq!(topology::graph::apart(n, &pairs), None);
        prop_assert!(plan.messages.is_sorted_by_key(|message| message.at));
        prop_assert!(plan.events.is_sorted_by_key(|event| event.at));
        prop_assert!(plan.contacts.is_sorted_by_key(|contact| contact.at));
        for message in &plan.messages {
            prop_assert!(message.at < plan.duration && (message.file.is_some() || message.bytes >= limits::TEXT_BYTES_MIN));
            let from = plan.person(message.from);
            let to = match message.to {
                Addressee::Person(to) => to,
                Addressee::Room(room) => {
                    let all = crate::plan::memberships(&plan.events);
                    let is_in = |one: &crate::plan::Membership| {
                        one.room == room && one.person == from && one.is_in(message.at)
                    };
                    prop_assert!(all.iter().any(is_in), "{:?}", message);
                    continue;
                }
            };
            let contact = |it: &&crate::plan::ContactPlan| {
                (it.a, it.b) == topology::graph::pair(from, to)
            };
            prop_assert!(plan.contacts.iter().find(contact).unwrap().at <= message.at);
        }
        // Who is stopped is on, who is started is off.
        let mut on: Vec<bool> = plan.nodes.iter().map(|node| node.starts).collect();
        for event in &plan.events {
            prop_assert!(event.at < plan.duration);
            let (nodes, start) = match &event.event {
                Event::Start(nodes) => (nodes, true),
                Event::Stop(nodes) | Event::Crash(nodes) | Event::Leave(nodes) => (nodes, false),
                _ => continue,
            };
            for node in nodes {
                prop_assert_eq!(on[*node], !start);
                on[*node] = start;
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-z0-9\\[\\]=\"., \n-]{0,200}") {
        if let Ok(scenario) = Scenario::parse(&text, "x.toml") {
            let _ = scenario.plan(&PlanOptions::default());
        }
    }

    #[test]
    fn a_spoiled_scenario_does_not_make_it_panic(which in 0..READY.len(), cut in any::<prop::sample::Index>(), with in "[\"a-z0-9.\\[-]{0,3}") {
        let text = READY[which].text;
        let mut places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
        places.push(text.len());
        let place = places[cut.index(places.len() - 1)];
        let next = places.iter().find(|next| **next > place).unwrap();
        let text = format!("{}{with}{}", &text[..place], &text[*next..]);
        if let Ok(scenario) = Scenario::parse(&text, "x.toml") {
            let _ = scenario.plan(&PlanOptions::default());
        }
    }
}

#[test]
fn what_lasts_is_undone_and_who_joins_is_not_there_before() {
    let plan = plan(
        r#"
duration = "10m"
[[nodes]]
name = "n"
count = 6
[[events]]
at = "8m"
do = "leave"
nodes = "n-1"
[[events]]
at = "1m"
do = "crash"
nodes = ["n-1", "n-2"]
lasts = "1m"
[[events]]
at = "3m"
do = "restart"
nodes = "n-1"
[[events]]
at = "4m"
do = "disk-full"
nodes = "n-2"
lasts = "30s"
[[events]]
at = "5m"
do = "join"
nodes = "n-3..n-4"
over = "1m"
[[events]]
at = "6m"
do = "partition"
into = 2
lasts = "1m"
[[events]]
at = "7m30s"
do = "flood"
node = "n-6"
rate = "50/s"
lasts = "10s"
"#,
    );
    let found: Vec<(u64, Event)> = plan
        .events
        .into_iter()
        .map(|event| match event.event {
            // Who is in which group is chance.
            Event::Partition(groups) => {
                let sizes = groups.into_iter().map(|group| vec![group.len()]).collect();
                (event.at.as_secs(), Event::Partition(sizes))
            }
            other => (event.at.as_secs(), other),
        })
        .collect();
    let lasts = Duration::from_secs(10);
    let expected = [
        (60, Event::Crash(vec![0, 1])),
        (120, Event::Start(vec![0, 1])),
        (180, Event::Stop(vec![0])),
        (181, Event::Start(vec![0])),
        (240, Event::DiskFull(vec![1])),
        (270, Event::DiskFree(vec![1])),
        (300, Event::Start(vec![2])),
        (330, Event::Start(vec![3])),
        (360, Event::Partition(vec![vec![3], vec![3]])),
        (420, Event::Heal),
        (450, Event::Flood { at: 5, envelopes_per_s: 50, bytes: 1024, lasts }),
        (480, Event::Leave(vec![0])),
    ];
    assert_eq!(found, expected);
    let starts: Vec<bool> = plan.nodes.iter().map(|node| node.starts).collect();
    assert_eq!(starts, [true, true, false, false, true, true]);
}

#[test]
fn traffic_keeps_to_its_hours_and_its_rate() {
    let text = |pattern: &str, more: &str| {
        format!(
            "duration = \"4d\"\n[[nodes]]\nname = \"n\"\ncount = 10\n[[contacts]]\npairs = \"all\"\n[[traffic]]\n\
             from = \"n\"\nto = \"contacts\"\nrate = \"24/d\"\npattern = \"{pattern}\"\n{more}"
        )
    };
    // 10 writers, 24 a day, 4 days.
    assert_eq!(plan(&text("regular", "")).messages.len(), 960);
    let poisson = plan(&text("poisson", "size = [16, 100]")).messages;
    assert!((840..1080).contains(&poisson.len()), "{}", poisson.len());
    assert!(poisson.iter().all(|message| (16..=100).contains(&message.bytes)));
    let daily =
        plan(&text("regular", "daily = { from = \"8h\", to = \"20h\" }\nburst = 2")).messages;
    assert_eq!(daily.len(), 960);
    let hour = |message: &crate::plan::MessagePlan| message.at.as_secs() / 3600 % 24;
    assert!(daily.iter().all(|message| (8..20).contains(&hour(message))));
    let each = plan(&text("regular", "pick = \"each\"\nend = \"1h\"")).messages;
    assert_eq!(each.len(), 90);
}

/// `sim` of a named pipe waited for ever.
#[test]
fn a_pipe_is_no_scenario() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe.toml");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let error = Scenario::load(&path).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("it is a pipe"));
}
