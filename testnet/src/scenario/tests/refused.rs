//! What is wrong is told with its line, before anything runs.

use super::super::*;
use super::plan;
use crate::plan::Runner;

/// A scenario in which all is right, to be spoiled.
const GOOD: &str = r#"
duration = "10m"

[[nodes]]
name = "user"
count = 6

[[nodes]]
name = "mailbox"
role = "mailbox"

[[contacts]]
pairs = "all"

[[traffic]]
from = "user"
to = "contacts"
every = "10s"

[[events]]
at = "1m"
do = "partition"
groups = [["user-1..user-3"], ["rest"]]

[[events]]
at = "2m"
do = "heal"
"#;

/// The first that is wrong.
fn refused(text: &str) -> (usize, String, String) {
    all_refused(text).remove(0)
}

/// All that is wrong, as line, key and message.
pub(super) fn all_refused(text: &str) -> Vec<(usize, String, String)> {
    let refused = Scenario::parse(text, "bad.toml").and_then(|it| it.plan(&PlanOptions::default()));
    let told = |error: ScenarioError| match error {
        ScenarioError::Wrong { file, line, key, message } => {
            assert_eq!(file, "bad.toml");
            (line, key, message)
        }
        other => panic!("{other}"),
    };
    match refused {
        Err(ScenarioError::Several(errors)) => errors.into_iter().map(told).collect(),
        Err(other) => vec![told(other)],
        Ok(_) => panic!("this was taken:\n{text}"),
    }
}

/// [`GOOD`] with `from` put in the place of `to` is refused for `key` at the line of `at`, with
/// `message` in the reason.
#[track_caller]
fn assert_refused(from: &str, to: &str, (at, key, message): (&str, &str, &str)) {
    assert!(GOOD.contains(from), "{from}");
    let text = GOOD.replacen(from, to, 1);
    let place = text.find(at).unwrap_or_else(|| panic!("{at:?} is not in it"));
    let line = text[..place].matches('\n').count() + 1;
    let all = all_refused(&text);
    let is_it = |(found_line, found_key, found): &(usize, String, String)| {
        (found_key.as_str(), *found_line) == (key, line) && found.contains(message)
    };
    assert!(all.iter().any(is_it), "{key}, line {line}, {message}: {all:?}");
}

/// Only the first was told: who had five to mend ran it six times.
#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = "duration = \"10m\"\nseeds = 3\n[[nodes]]\nname = 5\ncuont = 6\n[[nodes]]\nname = \"b\"\n\
                [links]\nlatency = \"fast\"\n[[contacts]]\npairs = \"all\"\nech = 2\n\
                [[events]]\nat = \"1m\"\ndo = \"explode\"\n[[events]]\ndo = \"heal\"\n\
                [[traffic]]\nfrom = \"b\"\n";
    let found = all_refused(text);
    let expected = [
        (2, "seeds"),
        (4, "nodes[0].name"),
        (5, "nodes[0].cuont"),
        (9, "links.latency"),
        (12, "contacts[0].ech"),
        (15, "events[0].do"),
        (16, "events[1].at"),
        (18, "traffic[0].to"),
    ];
    let found: Vec<_> = found.iter().map(|(line, key, _)| (*line, key.as_str())).collect();
    assert_eq!(found, expected);

    // The shape is right, and what it says is not.
    let text = GOOD
        .replace("pairs = \"all\"", "pairs = \"al\"")
        .replace("at = \"1m\"", "at = \"11m\"")
        .replace("every = \"10s\"", "every = \"10s\"\nend = \"11m\"")
        .replace("duration = \"10m\"", "duration = \"10m\"\nsettings = { quiet_factor = 0 }");
    let found = all_refused(&text);
    let keys: Vec<_> = found.iter().map(|(_, key, _)| key.as_str()).collect();
    // Traffic waits for the contacts to be right.
    assert_eq!(keys, ["settings.quiet_factor", "contacts[0].pairs", "events[0].at"]);
    let found = all_refused(&text.replace("pairs = \"al\"", "pairs = \"all\""));
    let keys: Vec<_> = found.iter().map(|(_, key, _)| key.as_str()).collect();
    assert_eq!(keys, ["settings.quiet_factor", "traffic[0].end", "events[0].at"]);
}

#[test]
fn unknown_keys_are_told_with_the_nearest_that_there_is() {
    assert_refused("count = 6", "cuont = 6", ("cuont", "nodes[0].cuont", "did you mean count?"));
    assert_refused("every =", "evry =", ("evry", "traffic[0].evry", "did you mean every?"));
    assert_refused(
        "[[contacts]]",
        "[topologie]\n[[contacts]]",
        ("[topologie]", "topologie", "did you mean topology?"),
    );
    assert_refused(
        "role = \"mailbox\"",
        "role = \"mail\"",
        ("role", "nodes[1].role", "did you mean mailbox?"),
    );
    assert_refused(
        "do = \"heal\"",
        "do = \"heal\"\nnodes = \"user\"",
        ("nodes = \"user\"", "events[1].nodes", "no such key; leave it out"),
    );
    assert_refused(
        "[[nodes]]\nname = \"mailbox\"\nrole = \"mailbox\"\n\n[[contacts]]",
        "[contacts]",
        ("[contacts]", "contacts", "write [[contacts]]"),
    );
    assert_refused("groups =", "node =", ("node =", "events[0].node", "invalid type"));
    assert_refused(
        "[[contacts]]",
        "[topology]\nkind = \"full\"\ndegree = 3\n[[contacts]]",
        ("degree", "topology.degree", "no such key"),
    );
}

#[test]
fn impossible_topologies_are_refused() {
    let topology = |keys: &str| format!("[topology]\n{keys}\n[[contacts]]");
    let cases = [
        ("kind = \"random-regular\"\ndegree = 7", "degree", "topology.degree", "at most 6"),
        ("kind = \"random-regular\"\ndegree = 3", "degree", "topology.degree", "half a link"),
        ("kind = \"random-regular\"", "[topology]", "topology.degree", "missing"),
        ("kind = \"small-world\"\ndegree = 3\nrewire = 0.1", "degree", "topology.degree", "even"),
        ("kind = \"small-world\"\ndegree = 2\nrewire = 1.5", "rewire", "topology.rewire", "0 to 1"),
        ("kind = \"scale-free\"\nlinks = 0", "links", "topology.links", "at least 1"),
        ("kind = \"scale-free\"\nlinks = 7", "links", "topology.links", "at most 6"),
        ("kind = \"clusters\"\nclusters = 0", "clusters = 0", "topology.clusters", "1 to 7"),
        ("kind = \"clusters\"\nclusters = 8", "clusters = 8", "topology.clusters", "1 to 7"),
        (
            "kind = \"clusters\"\nclusters = 2\nbridges = 13",
            "bridges",
            "topology.bridges",
            "1 to 12",
        ),
        (
            "kind = \"clusters\"\nclusters = 2\ndegree = 9",
            "degree",
            "topology.degree",
            "in cluster 1",
        ),
        (
            "kind = \"lans\"\nlans = 2\nrouters = \"user-1\"",
            "routers",
            "topology.routers",
            "no router is in LAN 2",
        ),
        (
            "kind = \"edges\"\nedges = [[\"user-1\", \"user-2\"]]",
            "[topology]",
            "topology",
            "no way leads",
        ),
        (
            "kind = \"edges\"\nedges = [\n[\"user-1\", \"user-1\"]]",
            "[\"user-1\", \"user-1\"]",
            "topology.edges[0]",
            "itself",
        ),
        (
            "kind = \"edges\"\nedges = [\n[\"user-1\", \"bob\"]]",
            "[\"user-1\", \"bob\"]",
            "topology.edges[0]",
            "no node \"bob\"",
        ),
        (
            "kind = \"edges\"\nfile = \"x\"",
            "file",
            "topology.file",
            "only a scenario that is a file",
        ),
        ("kind = \"hexagons\"", "kind", "topology.kind", "there are: full"),
    ];
    for (keys, at, key, message) in cases {
        assert_refused("[[contacts]]", &topology(keys), (at, key, message));
    }
}

#[test]
fn impossible_nodes_are_refused() {
    assert_refused("count = 6", "count = 0", ("count", "nodes[0].count", "give 1 to 10000"));
    assert_refused("count = 6", "count = -1", ("count", "nodes[0].count", "whole number"));
    assert_refused("count = 6", "count = 10001", ("count", "nodes[0].count", "give 1 to 10000"));
    assert_refused(
        "from = \"user\"",
        "from = \"mailbox\"",
        ("from", "traffic[0].from", "has no user"),
    );
    assert_refused(
        "count = 6",
        "count = 6\nuser = false",
        ("pairs", "contacts[0].pairs", "of 0 users"),
    );
    assert_refused(
        "name = \"mailbox\"",
        "name = \"user-2\"",
        ("name = \"user-2\"", "nodes[1].name", "two nodes \"user-2\""),
    );
    assert_refused(
        "name = \"mailbox\"",
        "name = \"all\"",
        ("name = \"all\"", "nodes[1].name", "something else"),
    );
    assert_refused(
        "role = \"mailbox\"",
        "role = \"mailbox\"\nuser = true",
        ("user = true", "nodes[1].user", "no user"),
    );
    assert_refused("count = 6", "joins = \"10m\"", ("joins", "nodes[0].joins", "after the end"));
    assert_refused("count = 6", "cluster = 1", ("cluster", "nodes[0].cluster", "has no clusters"));
    let (line, key, message) = refused("duration = \"1m\"\n");
    assert_eq!((line, key.as_str()), (1, "nodes"), "{message}");
    let (_, key, message) = refused("[[nodes]]\nname = \"a\"");
    assert_eq!((key.as_str(), message.as_str()), ("duration", "it is missing; add it"));
    let (line, key, _) = refused("duration = \"1m\"\n\n[[nodes]]\ncount = 2\n");
    assert_eq!((line, key.as_str()), (3, "nodes[0].name"));
}

#[test]
fn impossible_partitions_are_refused() {
    let groups = "groups = [[\"user-1..user-3\"], [\"rest\"]]";
    let cases = [
        ("groups = [[\"bob\"], [\"rest\"]]", "events[0].groups[0]", "no node \"bob\""),
        ("groups = [[\"user-1..user-9\"], [\"rest\"]]", "events[0].groups[0]", "user-1 to user-6"),
        (
            "groups = [[\"user-1\"], [\"user-2..user-6\"]]",
            "events[0].groups",
            "no group has mailbox",
        ),
        (
            "groups = [[\"user\"], [\"user-2\", \"mailbox\"]]",
            "events[0].groups[1]",
            "user-2 is named twice",
        ),
        ("groups = [[\"all\"], [\"rest\"]]", "events[0].groups[1]", "nobody is left"),
        ("groups = [[\"all\"]]", "events[0].groups", "two groups or more"),
        ("groups = \"clusters\"", "events[0].groups", "no two clusters"),
        ("into = 8", "events[0].into", "2 to 7"),
    ];
    for (with, key, message) in cases {
        assert_refused(groups, with, (with, key, message));
    }
}

#[test]
fn impossible_times_are_refused() {
    assert_refused(
        "at = \"2m\"",
        "at = \"10m\"",
        ("at = \"10m\"", "events[1].at", "not before the end of the run, which is 10m"),
    );
    assert_refused("at = \"2m\"", "at = \"-1m\"", ("at = \"-1m\"", "events[1].at", "negative"));
    assert_refused("at = \"2m\"", "at = 120", ("at = 120", "events[1].at", "duration such as"));
    assert_refused("duration = \"10m\"", "duration = \"0s\"", ("duration", "duration", "at least"));
    assert_refused(
        "duration = \"10m\"",
        "duration = \"90d\"",
        ("duration", "duration", "at most 31d"),
    );
    assert_refused("every = \"10s\"", "every = \"0s\"", ("every", "traffic[0].every", "at least"));
    assert_refused(
        "every = \"10s\"",
        "every = \"10s\"\nend = \"11m\"",
        ("end = ", "traffic[0].end", "after the end of the run"),
    );
    assert_refused(
        "every = \"10s\"",
        "every = \"10s\"\nstart = \"10m\"",
        ("start", "traffic[0].start", "start earlier"),
    );
    assert_refused(
        "at = \"1m\"",
        "at = \"1m\"\nlasts = \"9m\"",
        ("lasts", "events[0].lasts", "shorten it"),
    );
}

#[test]
fn impossible_rates_and_sizes_are_refused() {
    assert_refused("every = \"10s\"", "rate = \"20000/s\"", ("rate", "traffic[0].rate", "10000/s"));
    assert_refused(
        "every = \"10s\"",
        "rate = \"0/s\"",
        ("rate", "traffic[0].rate", "beyond bounds"),
    );
    assert_refused(
        "every = \"10s\"",
        "rate = \"10000/s\"",
        ("rate", "traffic[0].rate", "10000000 messages"),
    );
    assert_refused(
        "every = \"10s\"",
        "every = \"10s\"\nrate = \"1/s\"",
        ("rate", "traffic[0].rate", "leave one"),
    );
    assert_refused(
        "every = \"10s\"",
        "every = \"10s\"\nsize = 15",
        ("size", "traffic[0].size", "16 to 16384"),
    );
    assert_refused(
        "every = \"10s\"",
        "every = \"10s\"\nsize = [30, 20]",
        ("size", "traffic[0].size", "order"),
    );
    assert_refused("every = \"10s\"", "burst = 0", ("burst", "traffic[0].burst", "1 to 10000"));
    assert_refused(
        "[[contacts]]",
        "[links]\nloss = 0.9\n[[contacts]]",
        ("loss", "links.loss", "at most 0.5"),
    );
    assert_refused(
        "[[contacts]]",
        "[links]\nlatency = \"1h\"\n[[contacts]]",
        ("latency", "links.latency", "at most 10s"),
    );
    assert_refused(
        "[[contacts]]",
        "[network]\nshard_bits = 13\n[[contacts]]",
        ("shard_bits", "network.shard_bits", "0 to 12"),
    );
    assert_refused(
        "[[contacts]]",
        "[settings.gossip]\nmesh = 8\nmesh_max = 7\n[[contacts]]",
        ("mesh_max", "settings.gossip.mesh_max", "8 to 48"),
    );
}

#[test]
fn what_can_not_happen_is_refused() {
    let event = |keys: &str| format!("do = \"heal\"\n\n[[events]]\nat = \"3m\"\n{keys}");
    let cases = [
        ("do = \"heal\"", "events[2].at", "in one piece"),
        ("do = \"start\"\nnodes = \"user-1\"", "events[2].at", "user-1 is on already"),
        (
            "do = \"flood\"\nnode = \"user\"\nrate = \"9/s\"\nlasts = \"1s\"",
            "events[2].node",
            "6 nodes",
        ),
        ("do = \"clock-jump\"\nnodes = \"user-1\"\nby = \"0s\"", "events[2].by", "none"),
        ("do = \"stop\"", "events[2].nodes", "missing"),
        (
            "do = \"churn\"\nnodes = \"user\"\ndown = \"5s\"\nrate = \"1/s\"\nuntil = \"2m\"",
            "events[2].until",
            "not after at",
        ),
    ];
    for (keys, key, message) in cases {
        let name = key.rsplit('.').next().unwrap();
        let text = event(keys);
        let at = match keys.find(&format!("{name} = ")) {
            Some(place) => keys[place..].lines().next().unwrap(),
            None if name == "at" => "at = \"3m\"",
            // A missing key is looked for in its table.
            None => "[[events]]\nat = \"3m\"",
        };
        assert_refused("do = \"heal\"", &text, (at, key, message));
    }
    let twice = "do = \"heal\"\n[[events]]\nat = \"3m\"\ndo = \"stop\"\nnodes = \"user-1\"\n[[events]]\nat = \"4m\"\ndo = \"crash\"\nnodes = \"user\"";
    assert_refused(
        "do = \"heal\"",
        twice,
        ("at = \"4m\"", "events[3].at", "user-1 is off since 3m"),
    );
}

#[test]
fn traffic_needs_contacts_and_users() {
    assert_refused(
        "to = \"contacts\"",
        "to = \"mailbox\"",
        ("to = ", "traffic[0].to", "mailbox has no user"),
    );
    assert_refused(
        "from = \"user\"",
        "from = \"bob\"",
        ("from", "traffic[0].from", "no node \"bob\""),
    );
    assert_refused(
        "pairs = \"all\"\n",
        "pairs = [[\"user-1\", \"user-2\"]]\n[[traffic]]\nfrom = \"user-1\"\nto = \"user-3\"\n",
        ("to = \"user-3\"", "traffic[0].to", "are no contacts"),
    );
    assert_refused(
        "pairs = \"all\"",
        "pairs = \"all\"\nat = \"10m\"",
        ("at = \"10m\"", "contacts[0].at", "after the end"),
    );
    assert_refused(
        "pairs = \"all\"",
        "pairs = \"rnig\"",
        ("pairs", "contacts[0].pairs", "did you mean ring?"),
    );
    assert_refused(
        "pairs = \"all\"",
        "pairs = \"random\"\neach = 6",
        ("each", "contacts[0].each", "1 to 5"),
    );
}

#[test]
fn expectations_need_what_they_are_about() {
    let text = "duration = \"1m\"\n[[nodes]]\nname = \"a\"\n[expect]\ndelivery = 1\n";
    let (line, key, _) = refused(text);
    assert_eq!((line, key.as_str()), (5, "expect.delivery"));
    assert_refused(
        "do = \"heal\"",
        "do = \"partition\"\ninto = 2\n[expect]\nconvergence = \"1m\"",
        ("convergence", "expect.convergence", "there is none"),
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let error = Scenario::parse("duration = \"1m\"\n[[nodes]\n", "bad.toml").unwrap_err();
    assert!(error.to_string().starts_with("bad.toml:2: this is not TOML: "), "{error}");
    let twice = Scenario::parse("seed = 1\nseed = 2\n", "bad.toml").unwrap_err();
    assert!(twice.to_string().starts_with("bad.toml:2: "), "{twice}");
    let huge = "#".repeat(FILE_BYTES_MAX as usize + 1);
    let error = Scenario::parse(&huge, "huge.toml").unwrap_err();
    assert!(matches!(error, ScenarioError::TooLarge { .. }), "{error}");
}

#[test]
fn errors_read_as_they_should() {
    let text = GOOD
        .replace("[[contacts]]", "[topology]\nkind = \"random-regular\"\ndegree = 7\n[[contacts]]");
    let error = Scenario::parse(&text, "split.toml").unwrap().plan(&PlanOptions::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "split.toml:14: topology.degree: each of 7 nodes can have at most 6 links; lower it"
    );
}

#[test]
fn more_nodes_than_memory_has_room_for_are_refused_before_the_start() {
    let plan = plan(GOOD);
    let needed = memory_bytes(&plan, Runner::Local);
    check_memory(&plan, Runner::Local, needed).unwrap();
    let error = check_memory(&plan, Runner::Local, needed - 1).unwrap_err();
    assert!(matches!(error, ScenarioError::Memory { nodes: 7, nodes_max: 6, .. }), "{error}");
    assert!(memory_bytes(&plan, Runner::Sim) < needed);
}

#[test]
fn neither_a_file_nor_a_ready_scenario_is_told_with_those_there_are() {
    let error = Scenario::find("split-and-heel").unwrap_err().to_string();
    assert!(error.contains("split-and-heal"), "{error}");
}
