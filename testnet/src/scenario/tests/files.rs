//! Files, to whom they go and how.

use super::plan;
use super::refused::all_refused;
use crate::plan::{Accept, Addressee, Runner, Way};
use crate::scenario::{Summary, memory_bytes};

const FILES: &str = r#"
duration = "10m"
nodes = [{ name = "user", count = 5 }]
topology = { kind = "edges", edges = [["user-1", "user-2"], ["user-2", "user-3"], ["user-3", "user-4"], ["user-4", "user-5"]] }
contacts = [{ pairs = [["user-1", "user-2"], ["user-1", "user-3"]] }]
rooms = [{ name = "crew", members = "user" }]
network = { mailbox_file_bytes = "1MB" }
settings = { direct_files = true }
expect = { files = 1.0, files_p99 = "1m" }

[[traffic]]
from = "user-1"
to = "contacts"
every = "1m"

[[files]]
from = "user-1"
to = "contacts"
pick = "each"
size = "3MB"
start = "1m"
accept = "all"

[[files]]
from = "user"
to = "crew"
size = ["10kB", "90kB"]
every = "2m"
burst = 2
"#;

#[test]
fn files_are_messages_that_go_as_their_sizes_say() {
    let plan = plan(FILES);
    assert!(plan.has_files() && plan.direct_files());
    let sent: Vec<_> = plan.messages.iter().filter_map(|it| Some((it, it.file?))).collect();
    let large: Vec<_> = sent.iter().filter(|(_, file)| file.bytes == 3_000_000).collect();
    assert_eq!(large.len(), 4, "one for each contact, as are all in the room that user-1 made");
    for (message, file) in &large {
        assert_eq!((message.from, message.at.as_secs(), message.bytes), (0, 60, 0));
        assert_eq!((file.accept, plan.network.way_of(file.bytes)), (Accept::All, Way::Direct));
    }
    let small: Vec<_> =
        sent.iter().filter(|(message, _)| message.to == Addressee::Room(0)).collect();
    assert_eq!(small.len(), 5 * 5 * 2);
    let ways: std::collections::BTreeSet<_> =
        small.iter().map(|(_, file)| plan.network.way_of(file.bytes)).collect();
    assert_eq!(ways, [Way::Message, Way::Parts].into());
    assert!(small.iter().all(|(_, file)| (10_000..=90_000).contains(&file.bytes)));
    assert!(small.iter().all(|(_, file)| file.accept == Accept::Offered));
}

#[test]
fn a_plan_with_files_tells_how_many_and_which_a_simulation_can_not_fetch() {
    let plan = plan(FILES);
    let summary = Summary::of(&plan);
    assert_eq!(summary.files.count, 54);
    assert!(summary.files.bytes > 12_000_000 + 50 * 10_000);
    // Of these user-1 and user-2 alone are linked.
    let [warning] = &summary.warnings[..] else { panic!("{:?}", summary.warnings) };
    assert!(warning.contains("from user-1 to user-3, and in 3 pairs in all"), "{warning}");
    // Of large files nothing is in memory.
    let smaller = super::plan(&FILES.replace("\"3MB\"", "\"3kB\""));
    assert!(memory_bytes(&plan, Runner::Sim) <= memory_bytes(&smaller, Runner::Sim));
    let in_parts = super::plan(&FILES.replace("\"3MB\"", "\"900kB\""));
    assert!(memory_bytes(&in_parts, Runner::Sim) > memory_bytes(&plan, Runner::Sim) + 3_600_000);
}

#[test]
fn files_that_can_not_be_are_refused() {
    let direct = "settings = { direct_files = true }";
    let cases = [
        ("size = \"3MB\"", "size = \"6GiB\"", "files[0].size", "1 to 5368709120 bytes"),
        ("size = \"3MB\"", "size = 0", "files[0].size", "a file has"),
        ("size = \"3MB\"\n", "", "files[0].size", "missing"),
        ("size = [\"10kB\", \"90kB\"]", "size = [\"90kB\", \"10kB\"]", "files[1].size", "least"),
        (direct, "settings = { direct_files = false }", "files[0].size", "direct_files is false"),
        ("\"1MB\"", "\"5MB\"", "network.mailbox_file_bytes", "out of bounds"),
        ("accept = \"all\"", "accept = \"some\"", "files[0].accept", "offered"),
        ("from = \"user\"\nto", "from = \"usr\"\nto", "files[1].from", "did you mean"),
        ("to = \"crew\"", "to = \"deck\"", "files[1].to", "deck"),
        ("burst = 2", "burst = 0", "files[1].burst", "out of bounds"),
        ("burst = 2", "bursts = 2", "files[1].bursts", "did you mean burst"),
        ("start = \"1m\"", "start = \"1h\"", "files[0].start", "start earlier"),
    ];
    let text = FILES;
    for (from, to, key, message) in cases {
        let spoiled = text.replacen(from, to, 1);
        assert_ne!(spoiled, text, "{from}");
        let all = all_refused(&spoiled);
        let found = all.iter().any(|(_, at, said)| at == key && said.contains(message));
        assert!(found, "{to}: {all:?}");
    }
    let none = text.split("[[files]]").next().unwrap_or_default().to_owned();
    let all = all_refused(&none);
    assert!(all.iter().any(|(_, at, said)| at == "expect.files" && said.contains("add [[files]]")));
}
