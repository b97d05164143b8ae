//! Searching the history.

use std::time::Instant;

use martlet_engine::command::{
    ClearConversation, DeleteMessage, EditMessage, GetMessage, GetNotes, RecallMessage,
    SearchMessages, WriteNote,
};
use martlet_engine::limits::{SEARCHED_KEPT, SEARCHED_PER_BATCH_MAX, STORAGE_RETRY_INTERVAL};
use martlet_protocol::control::{
    EditRequest, NoteRequest, SearchQuery, SearchResult, SearchResults,
};

use crate::parts::{is_behind, one_batch, processor_time, resident_mib};
use crate::timers::{couple, read, timed};
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;

fn query(words: &str) -> SearchQuery {
    SearchQuery { words: words.into(), ..SearchQuery::default() }
}

/// Begins a search; what takes its results.
fn asked(query: SearchQuery) -> (SearchMessages, mpsc::Receiver<SearchResults>) {
    let (answer, found) = mpsc::channel();
    let answer = Box::new(move |results| answer.send(results).unwrap_or_default());
    (SearchMessages { query, answer }, found)
}

pub(crate) fn search_for(
    world: &mut World,
    node: usize,
    query: SearchQuery,
) -> Result<SearchResults> {
    let (command, found) = asked(query);
    world.call(node, command)?;
    Ok(found.try_recv()?)
}

fn shown(SearchResult { before, found, after, .. }: &SearchResult) -> String {
    format!("{before}[{found}]{after}")
}

/// What is found for these words, newest first.
fn search(world: &mut World, node: usize, words: &str) -> Result<Vec<String>> {
    let results = search_for(world, node, query(words))?;
    assert!(!results.more && !results.partial);
    Ok(results.results.iter().map(shown).collect())
}

fn note(world: &mut World, text: &str) -> Result<String> {
    Ok(world.call(ALICE, WriteNote { request: NoteRequest { text: text.into() } })?.id)
}

/// So many notes, some in each batch.
fn notes(world: &mut World, texts: impl Iterator<Item = String>) {
    let mut texts = texts.peekable();
    while texts.peek().is_some() {
        let inputs = texts
            .by_ref()
            .take(1000)
            .map(|text| Input::command(WriteNote { request: NoteRequest { text } }, |_| ()));
        one_batch(world, ALICE, inputs.collect());
        world.nodes[ALICE].released = Released::default();
        world.elapse(Duration::from_millis(1));
    }
}

#[test]
fn messages_of_both_sides_and_notes_are_found_newest_first() -> Result {
    let mut world = couple(130)?;
    for (from, to, text) in [
        (ALICE, "bob", "Where is the harbour?"),
        (BOB, "alice", "The Harbor is behind the Café"),
        (ALICE, "bob", "See you at the harbour café!"),
    ] {
        world.send(from, to, text)?;
        world.settle()?;
    }
    note(&mut world, "harbour: bring the tickets")?;
    let all = [
        "[harbour]: bring the tickets",
        "See you at the [harbour] café!",
        "Where is the [harbour]?",
    ];
    assert_eq!(search(&mut world, ALICE, "harbour")?, all);
    assert_eq!(search(&mut world, ALICE, "HARB")?.len(), 4);
    assert_eq!(search(&mut world, ALICE, "cafe harbour")?, ["See you at the [harbour] café!"]);
    assert_eq!(search(&mut world, BOB, "cafe")?.len(), 2);
    assert!(search(&mut world, ALICE, "arbour")?.is_empty());

    let within = SearchQuery { within: Some("bob".into()), limit: Some(1), ..query("harbour") };
    let found = search_for(&mut world, ALICE, within)?;
    assert_eq!((found.results.len(), found.more), (1, true));
    let first = &found.results[0];
    assert_eq!(shown(first), all[1]);
    assert_eq!((first.conversation.as_str(), first.direction), ("bob", Direction::Out));
    let message = world.call(ALICE, GetMessage { id: first.id.clone() })?;
    assert_eq!((message.sent_at, message.stored_at), (first.sent_at, first.stored_at));
    let noted = SearchQuery { notes: true, ..query("harbour") };
    let found = search_for(&mut world, ALICE, noted)?;
    assert_eq!(found.results.iter().map(shown).collect::<Vec<_>>(), [all[0]]);
    assert_eq!(found.results[0].direction, Direction::Note);

    let unknown = SearchQuery { within: Some("carol".into()), ..query("harbour") };
    assert!(search_for(&mut world, ALICE, unknown).is_err());
    world.crash(ALICE)?;
    assert_eq!(search(&mut world, ALICE, "harbour")?, all, "after a start it is found again");
    Ok(())
}

#[test]
fn a_page_shows_what_stands_around_a_message() -> Result {
    let mut world = World::new(1, 131)?;
    world.init(ALICE, "alice")?;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(note(&mut world, &number.to_string())?);
    }
    let mut around = |id: &str, limit, before| {
        let query = HistoryQuery {
            around: Some(id.into()),
            limit: Some(limit),
            before,
            ..HistoryQuery::default()
        };
        let page = world.call(ALICE, GetNotes { query })?;
        let texts = page.messages.into_iter().map(|message| message.text);
        Ok::<_, Box<dyn std::error::Error>>((texts.collect::<Vec<_>>().join(" "), page.more))
    };
    assert_eq!(around(&ids[10], 5, None)?, ("8 9 10 11 12".into(), true));
    assert_eq!(around(&ids[10], 1, None)?, ("10".into(), true));
    assert_eq!(around(&ids[1], 6, None)?, ("0 1 2 3 4".into(), false));
    assert_eq!(around(&ids[19], 4, None)?, ("16 17 18 19".into(), true));
    assert!(around(&ids[19], 4, Some(ids[3].clone())).is_err(), "two pages at once");
    assert!(around("00", 4, None).is_err());
    Ok(())
}

#[test]
fn what_is_gone_is_not_found() -> Result {
    let mut world = couple(132)?;
    world.send(ALICE, "bob", "this stays")?;
    let deleted = note(&mut world, "secret: deleted")?;
    let recalled = world.send(ALICE, "bob", "secret: recalled")?;
    let edited = world.send(ALICE, "bob", "secret: edited")?;
    let expires = timed("bob", "secret: expires", Some(3600), None);
    let burns = timed("bob", "secret: burns", None, Some(600));
    for request in [expires, burns] {
        world.call(ALICE, SendText { request })?;
    }
    world.settle()?;
    world.gossip(0.0);
    // Both have read all texts by now, so each is to be taken out again.
    assert_eq!(search(&mut world, ALICE, "secret")?.len(), 5);
    assert_eq!(search(&mut world, BOB, "secret")?.len(), 4);

    world.call(ALICE, DeleteMessage { id: deleted })?;
    world.call(ALICE, RecallMessage { id: recalled })?;
    let request = EditRequest { text: "harmless".into() };
    world.call(ALICE, EditMessage { id: edited, request })?;
    assert_eq!(search(&mut world, ALICE, "secret")?.len(), 2);
    read(&mut world, BOB, "alice")?;
    world.settle()?;
    world.gossip(0.0);
    for _ in 0..12 {
        // Nobody lets ten minutes pass without a search: the texts stay.
        world.pass(Duration::from_secs(300));
        search(&mut world, ALICE, "secret")?;
        search(&mut world, BOB, "secret")?;
    }
    for node in [ALICE, BOB] {
        assert!(search(&mut world, node, "secret")?.is_empty(), "{node}");
        assert_eq!(search(&mut world, node, "harmless")?, ["[harmless]"], "{node}");
        assert_eq!(search(&mut world, node, "stays")?, ["this [stays]"], "{node}");
    }
    world.call(ALICE, ClearConversation { name: "bob".into() })?;
    assert!(search(&mut world, ALICE, "harmless")?.is_empty());
    world.call(BOB, RemoveContact { name: "alice".into() })?;
    assert!(search(&mut world, BOB, "harmless")?.is_empty());
    world.crash(ALICE)?;
    assert!(search(&mut world, ALICE, "secret")?.is_empty());
    Ok(())
}

/// A message whose time is over is gone at once as far as anyone asks, though it takes a tick until it is deleted.
#[test]
fn what_has_ended_and_is_still_there_is_not_found() -> Result {
    let mut world = couple(133)?;
    let request = timed("bob", "short-lived", Some(5), None);
    world.call(ALICE, SendText { request })?;
    assert_eq!(search(&mut world, ALICE, "short")?.len(), 1);
    world.elapse(Duration::from_secs(6));
    assert!(search(&mut world, ALICE, "short")?.is_empty());
    Ok(())
}

#[test]
fn many_texts_are_read_in_parts_and_what_changes_meanwhile_is_right() -> Result {
    let mut world = World::new(1, 134)?;
    world.init(ALICE, "alice")?;
    let oldest = note(&mut world, "needle oldest")?;
    let old = note(&mut world, "needle old")?;
    notes(&mut world, (0..3 * SEARCHED_PER_BATCH_MAX).map(|n| format!("straw {n}")));
    let (command, found) = asked(query("needle"));
    one_batch(&mut world, ALICE, vec![Input::command(command, drop)]);
    assert!(found.try_recv().is_err() && is_behind(&world, ALICE));
    // While they are read one is deleted, one changes, and one comes.
    let delete = Input::command(DeleteMessage { id: oldest }, |_| ());
    let request = EditRequest { text: "needle edited".into() };
    let edit = Input::command(EditMessage { id: old, request }, |_| ());
    let request = NoteRequest { text: "needle new".into() };
    let write = Input::command(WriteNote { request }, |_| ());
    one_batch(&mut world, ALICE, vec![delete, edit, write]);
    let mut batches = 0;
    while is_behind(&world, ALICE) {
        one_batch(&mut world, ALICE, Vec::new());
        batches += 1;
    }
    assert!(batches >= 1, "{batches}");
    let texts: Vec<_> = found.try_recv()?.results.iter().map(shown).collect();
    assert_eq!(texts, ["[needle] new", "[needle] edited"]);
    // From now on they are there.
    let (command, found) = asked(query("straw 2017"));
    one_batch(&mut world, ALICE, vec![Input::command(command, drop)]);
    assert_eq!(found.try_recv()?.results.iter().map(shown).collect::<Vec<_>>(), ["[straw] 2017"]);
    // Until nobody searches for a while.
    world.pass(SEARCHED_KEPT + Duration::from_secs(1));
    let (command, found) = asked(query("straw 17"));
    one_batch(&mut world, ALICE, vec![Input::command(command, drop)]);
    assert!(found.try_recv().is_err() && is_behind(&world, ALICE));
    Ok(())
}

#[test]
fn a_search_is_given_up_with_the_vault_and_goes_on_where_nothing_can_be_written() -> Result {
    let mut world = World::new(1, 135)?;
    let disk = Arc::new(MemoryDisk::default());
    world.nodes[ALICE].disk = Some(Arc::clone(&disk));
    world.crash(ALICE)?;
    world.init(ALICE, "alice")?;
    notes(&mut world, (0..2 * SEARCHED_PER_BATCH_MAX).map(|n| format!("straw {n}")));
    note(&mut world, "needle")?;
    let (command, found) = asked(query("needle"));
    one_batch(&mut world, ALICE, vec![Input::command(command, drop)]);
    world.nodes[ALICE].engine = None;
    assert_eq!(found.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    world.start(ALICE)?;
    disk.set_full(true);
    assert!(note(&mut world, "refused").is_err());
    assert_eq!(search(&mut world, ALICE, "needle")?, ["[needle]"]);
    assert!(search(&mut world, ALICE, "refused")?.is_empty());
    disk.set_full(false);
    world.pass(STORAGE_RETRY_INTERVAL);
    note(&mut world, "needle two")?;
    assert_eq!(search(&mut world, ALICE, "needle")?.len(), 2);
    Ok(())
}

#[test]
fn what_cant_be_looked_for_is_refused_with_the_reason() -> Result {
    let mut world = World::new(1, 136)?;
    world.init(ALICE, "alice")?;
    note(&mut world, "a.*b and \0 too")?;
    let mut refused = |query: SearchQuery| match search_for(&mut world, ALICE, query) {
        Ok(found) => Err(format!("{found:?}")),
        Err(error) => Ok(error.to_string()),
    };
    assert!(refused(query(""))?.contains("no word"));
    assert!(refused(query(" \n"))?.contains("no word"));
    let long = refused(query(&"x".repeat(10 * 1024)))?;
    assert!(long.contains("10240") && long.contains("1024"), "{long}");
    let many = refused(query(&(0..40).map(|n| format!("{n} ")).collect::<String>()))?;
    assert!(many.contains("40") && many.contains("32"), "{many}");
    for limit in [0, 1001] {
        assert!(refused(SearchQuery { limit: Some(limit), ..query("a") })?.contains("1 to 1000"));
    }
    assert_eq!(search(&mut world, ALICE, "a.*b")?.len(), 1);
    assert_eq!(search(&mut world, ALICE, "\0")?, ["a.*b and [\0] too"]);
    for pattern in ["a.b", ".*b.*", "^a", "[a-z]+", "(a|b", "\\w", "a*"] {
        assert!(search(&mut world, ALICE, pattern)?.is_empty(), "{pattern}");
    }
    Ok(())
}

/// Not run by default: `cargo test --release -p martlet-engine --test engine how_long_searches_take -- --ignored
/// --nocapture`. What it prints is in docs/performance.md.
#[test]
#[ignore = "measures"]
fn how_long_searches_take() -> Result {
    let count = std::env::var("MARTLET_MESSAGES").map_or(Ok(100_000), |count| count.parse())?;
    let mut world = World::new(1, 137)?;
    world.init(ALICE, "alice")?;
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let words: Vec<String> = (0..20_000).map(|_| word(&mut rng)).collect();
    let rare = count / 2;
    notes(
        &mut world,
        (0..count).map(|number| {
            let text: Vec<_> = (0..rng.random_range(1..=24))
                .map(|_| {
                    // Few words are frequent, as in any language.
                    let at: f64 = rng.random();
                    words[(at.powi(4) * 20_000.0) as usize % 20_000].as_str()
                })
                .collect();
            match number == rare {
                true => format!("{} quokka {}", text.join(" "), text.join(" ")),
                false => text.join(" "),
            }
        }),
    );
    world.crash(ALICE)?;
    let before = resident_mib()?;
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    let (command, found) = asked(query("quokka"));
    let mut inputs = vec![Input::command(command, drop)];
    let mut batches = 0;
    while !inputs.is_empty() || is_behind(&world, ALICE) {
        let worked = processor_time()?;
        one_batch(&mut world, ALICE, std::mem::take(&mut inputs));
        longest = longest.max(processor_time()? - worked);
        batches += 1;
    }
    assert_eq!(found.try_recv()?.results.len(), 1);
    println!(
        "{count} messages: the first search {:?} in {batches} batches, the longest {longest:?}; {} MiB more",
        begun.elapsed(),
        resident_mib()?.saturating_sub(before)
    );
    let common = words[0].clone();
    for (what, words, results) in [
        ("a rare word", "quokka".to_owned(), 1),
        ("a prefix that one has", "quokk".to_owned(), 1),
        ("a prefix of two letters", common[..2].to_owned(), 20),
        ("a prefix of one letter", common[..1].to_owned(), 20),
        ("a frequent word", common.clone(), 20),
        ("three words", format!("{} {} {}", words[0], words[1], words[2]), 20),
        ("no message has it", "zzzz".to_owned(), 0),
    ] {
        let mut took: Vec<Duration> = Vec::new();
        for _ in 0..20 {
            let (command, found) = asked(query(&words));
            let begun = Instant::now();
            one_batch(&mut world, ALICE, vec![Input::command(command, drop)]);
            took.push(begun.elapsed());
            assert!(found.try_recv()?.results.len() <= results, "{what}");
        }
        took.sort_unstable();
        println!("{what}: {:?} (at most {:?})", took[took.len() / 2], took[took.len() - 1]);
    }
    Ok(())
}

fn word(rng: &mut ChaCha20Rng) -> String {
    let syllables = ["ka", "lo", "mi", "ne", "ru", "sta", "ver", "on", "bel", "dri", "fu", "gha"];
    (0..rng.random_range(1..=4)).map(|_| syllables[rng.random_range(0..12)]).collect()
}
