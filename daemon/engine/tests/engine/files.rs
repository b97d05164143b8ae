//! Files in their messages.

use std::time::Instant;

use martlet_engine::command::{
    ExportPage, FilesFrom, FilesPage, GetFile, GetMessage, ListFiles, RecallMessage, RemoveContact,
    SendFile,
};
use martlet_engine::limits::{FILES_SEARCHED_AT_ONCE, FILES_SEARCHED_PER_BATCH_MAX};
use martlet_protocol::control::{
    ExportLine, FileList, FileSend, FilesQuery, Message as Shown, SearchQuery, TimerSetting,
};
use martlet_protocol::file::FileName;
use martlet_protocol::limits::{FILE_INLINE_BYTES_MAX, FILE_TEXT_BYTES_MAX};
use martlet_protocol::message::{Content, File, FileBytes, FileContent};

use crate::parts::processor_time;
use crate::searches::search_for;
use crate::talk::hostile;
use crate::trust::recover;
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;

fn file(name: &str) -> FileSend {
    FileSend { to: "bob".into(), name: name.into(), ..FileSend::default() }
}

fn send(world: &mut World, request: FileSend, bytes: &[u8]) -> Result<String> {
    let media_type = "application/pdf".into();
    let sent = world.call(ALICE, SendFile { request, media_type, bytes: bytes.to_vec() })?;
    Ok(sent.id)
}

/// The bytes of a file, as a node has them.
fn bytes(world: &mut World, node: usize, id: &str) -> Result<Vec<u8>> {
    match world.call(node, GetFile { id: id.into() })?.file.content {
        FileContent::Here(bytes) => Ok(bytes.as_slice().to_vec()),
        FileContent::Blob(_) => Err("elsewhere".into()),
    }
}

fn message(world: &mut World, node: usize, id: &str) -> Result<Shown> {
    world.call(node, GetMessage { id: id.into() })
}

/// The files, and in how many batches they were found.
fn list(world: &mut World, node: usize, query: FilesQuery) -> Result<(FileList, usize)> {
    go_on(world, node, FilesFrom::Start(query))
}

fn go_on(world: &mut World, node: usize, mut from: FilesFrom) -> Result<(FileList, usize)> {
    let mut batches = 0;
    loop {
        batches += 1;
        match world.call(node, ListFiles { from })? {
            FilesPage::Last(list) => return Ok((list, batches)),
            FilesPage::Next(cursor) => from = FilesFrom::Cursor(cursor),
        }
    }
}

/// Looks at some of Alice's messages: where to go on.
fn begin(world: &mut World, limit: u32) -> Result<FilesFrom> {
    let query = FilesQuery { limit: Some(limit), ..FilesQuery::default() };
    match world.call(ALICE, ListFiles { from: FilesFrom::Start(query) })? {
        FilesPage::Next(cursor) => Ok(FilesFrom::Cursor(cursor)),
        FilesPage::Last(_) => Err("all in one batch".into()),
    }
}

fn names(world: &mut World, node: usize, query: FilesQuery) -> Result<(Vec<String>, bool)> {
    let (list, _) = list(world, node, query)?;
    Ok((list.files.into_iter().map(|entry| entry.file.name).collect(), list.more))
}

#[test]
fn a_file_goes_with_its_message_and_is_harmless_where_it_comes() -> Result {
    let mut world = World::pair(210, 3)?;
    world.settle()?;
    let largest = vec![0xa5; FILE_INLINE_BYTES_MAX];
    let text = "t".repeat(FILE_TEXT_BYTES_MAX);
    let request = FileSend { text: Some(text.clone()), ..file("../../.bashrc") };
    let large = send(&mut world, request, &largest)?;
    let empty = send(&mut world, file("empty"), b"")?;
    world.settle()?;
    for node in [ALICE, BOB] {
        assert_eq!(bytes(&mut world, node, &large)?, largest, "node {node}");
        assert_eq!(bytes(&mut world, node, &empty)?, b"");
        let shown = message(&mut world, node, &large)?;
        let told = shown.file.ok_or("a file")?;
        assert_eq!(told.name, "___.._.bashrc");
        assert_eq!((told.media_type.as_str(), told.bytes), ("application/pdf", 24_576));
        assert_eq!(shown.text, format!("[file \"___.._.bashrc\", 24 KiB] {text}"));
    }
    assert_eq!(message(&mut world, ALICE, &large)?.state, Delivery::Delivered);

    // What is no file, too large, or says too much.
    let hello = world.send(ALICE, "bob", "hello")?;
    for (node, id) in [(ALICE, hello.as_str()), (BOB, "00000000000000000000000000000000")] {
        assert!(world.call(node, GetFile { id: id.into() }).is_err());
    }
    let more = vec![0; FILE_INLINE_BYTES_MAX + 1];
    assert!(send(&mut world, file("more"), &more).is_err());
    let long = FileSend { text: Some(format!("{text}t")), ..file("long") };
    assert!(send(&mut world, long, b"x").is_err());
    let to_nobody = FileSend { to: "carol".into(), ..file("x") };
    assert!(send(&mut world, to_nobody, b"x").is_err());
    Ok(())
}

#[test]
fn a_voice_memo_is_told_with_its_length() -> Result {
    /// Three seconds of a tone.
    const MEMO: &[u8] = include_bytes!("../../../../protocol/tests/file/opusenc.ogg");
    let mut world = World::pair(213, 2)?;
    world.settle()?;
    let memo = || FileSend { voice: true, text: Some("listen".into()), ..file("memo") };
    let id = send(&mut world, memo(), MEMO)?;
    let as_file = send(&mut world, file("memo.ogg"), MEMO)?;
    world.settle()?;
    for node in [ALICE, BOB] {
        let shown = message(&mut world, node, &id)?;
        assert_eq!(shown.text, "[voice memo, 0:03] listen", "node {node}");
        let told = shown.file.ok_or("a file")?;
        assert_eq!((told.name.as_str(), told.media_type.as_str()), ("memo.ogg", "audio/ogg"));
        assert_eq!((told.bytes, told.voice_ms), (MEMO.len() as u64, Some(3000)));
        assert_eq!(bytes(&mut world, node, &id)?, MEMO);
        let (list, _) = list(&mut world, node, FilesQuery::default())?;
        let lengths: Vec<_> = list.files.iter().map(|entry| entry.file.voice_ms).collect();
        assert_eq!(lengths, [None, Some(3000)]);
        let shown = message(&mut world, node, &as_file)?;
        assert_eq!(shown.text, "[file \"memo.ogg\", 2.6 KiB]");
    }
    // What is none is not sent as one.
    for no_memo in [&b""[..], b"RIFF", &MEMO[..2000]] {
        let refused = send(&mut world, memo(), no_memo).err().ok_or("it was sent")?;
        assert!(refused.to_string().contains("A voice memo is one sound"), "{refused}");
    }
    assert_eq!(list(&mut world, ALICE, FilesQuery::default())?.0.files.len(), 2);
    Ok(())
}

#[test]
fn files_are_listed_found_and_exported() -> Result {
    let mut world = World::pair(211, 2)?;
    world.settle()?;
    for name in ["one", "two", "three"] {
        let request = FileSend { text: Some("of Monday".into()), ..file(name) };
        send(&mut world, request, name.as_bytes())?;
        world.send(ALICE, "bob", "hello")?;
        world.pass(Duration::from_secs(1));
    }
    world.settle()?;
    let all = FilesQuery::default();
    let expected = ["three", "two", "one"].map(str::to_owned).to_vec();
    assert_eq!(names(&mut world, BOB, all.clone())?, (expected.clone(), false));
    let some = FilesQuery { limit: Some(2), ..all.clone() };
    assert_eq!(names(&mut world, BOB, some)?, (expected[..2].to_vec(), true));
    let exactly = FilesQuery { limit: Some(3), within: Some("alice".into()) };
    assert_eq!(names(&mut world, BOB, exactly)?, (expected, false));
    for limit in [0, 1001] {
        let query = FilesQuery { limit: Some(limit), ..all.clone() };
        assert!(names(&mut world, BOB, query).is_err());
    }
    for words in ["thr", "monday two"] {
        let query = SearchQuery { words: words.into(), ..SearchQuery::default() };
        assert_eq!(search_for(&mut world, BOB, query)?.results.len(), 1, "{words}");
    }
    let (lines, _) = world.call(BOB, ExportPage { cursor: None })?;
    let expected = [("one", "6f6e65"), ("two", "74776f"), ("three", "7468726565")];
    assert_eq!(exported(&lines), expected);
    Ok(())
}

/// The files of an export: their names, and their bytes in hexadecimal.
fn exported(lines: &[ExportLine]) -> Vec<(&str, &str)> {
    let files = lines.iter().filter_map(|line| match line {
        ExportLine::File { name, bytes, .. } => Some((name.as_str(), bytes.as_str())),
        _ => None,
    });
    files.collect()
}

/// Whoever writes a message chooses its id. A contact took that of a file which the user had sent them, and in an export their
/// message had the user's file.
#[test]
fn a_message_under_the_id_of_another_is_exported_with_its_own_file() -> Result {
    let (mut world, mut eve, _) = hostile(215)?;
    let own = send(&mut world, FileSend { to: "eve".into(), ..file("own") }, b"own")?;
    let theirs = File {
        name: FileName::harmless("theirs"),
        media_type: "text/plain".into(),
        content: FileContent::Here(FileBytes::new(b"theirs".to_vec())?),
        duration_ms: None,
        text: String::new(),
    };
    let of_own = (own.parse()?, world.now);
    let envelope = eve.says_as(&world, of_own, Content::File(theirs))?;
    world.bring(ALICE, &[envelope])?;
    let (lines, _) = world.call(ALICE, ExportPage { cursor: None })?;
    assert_eq!(exported(&lines), [("own", "6f776e"), ("theirs", "746865697273")]);
    Ok(())
}

/// A file ends with its message, by whatever it ends.
#[test]
fn a_file_ends_with_its_message() -> Result {
    let mut world = World::pair(212, 2)?;
    world.settle()?;
    let hour = Some(TimerSetting::Seconds(3600));
    let expires = send(&mut world, FileSend { expire_seconds: hour, ..file("expires") }, b"1")?;
    let recalled = send(&mut world, file("recalled"), b"2")?;
    let stays = send(&mut world, file("stays"), b"3")?;
    world.settle()?;
    for id in [&expires, &recalled, &stays] {
        assert_eq!(bytes(&mut world, BOB, id)?.len(), 1);
    }
    world.call(ALICE, RecallMessage { id: recalled.clone() })?;
    world.settle()?;
    world.pass(Duration::from_secs(3601));
    world.settle()?;
    for node in [ALICE, BOB] {
        for id in [&expires, &recalled] {
            assert!(bytes(&mut world, node, id).is_err(), "node {node}");
        }
        assert_eq!(bytes(&mut world, node, &stays)?, b"3");
        let (names, _) = names(&mut world, node, FilesQuery::default())?;
        assert_eq!(names, ["stays"], "node {node}");
    }
    assert_eq!(message(&mut world, BOB, &recalled)?.file, None);
    Ok(())
}

/// A copy for the user's other devices had room for 24 KiB: the largest file was left out there, and nobody was told.
#[test]
fn the_largest_file_is_on_the_users_other_device_too() -> Result {
    let mut world = World::pair(213, 3)?;
    world.settle()?;
    world.send(ALICE, "bob", "hello")?;
    world.settle()?;
    recover(&mut world, ALICE, 2)?;
    for _ in 0..3 {
        world.settle()?;
    }
    let largest = vec![0x5a; FILE_INLINE_BYTES_MAX];
    let text = Some("t".repeat(FILE_TEXT_BYTES_MAX));
    let id = send(&mut world, FileSend { text, ..file(&"n".repeat(255)) }, &largest)?;
    for _ in 0..3 {
        world.settle()?;
    }
    assert_eq!(bytes(&mut world, BOB, &id)?, largest);
    assert_eq!(bytes(&mut world, 2, &id)?, largest);
    Ok(())
}

#[test]
fn a_strangers_file_waits_with_their_request() -> Result {
    let mut world = World::half_pair(214, 2)?;
    world.settle()?;
    let id = send(&mut world, file("hello.txt"), b"hello")?;
    world.settle()?;
    let requests = world.call(BOB, ListRequests {})?.requests;
    assert_eq!(requests[0].preview.as_deref(), Some("[file \"hello.txt\", 5 B]"));
    assert!(bytes(&mut world, BOB, &id).is_err());
    let request = requests[0].id.clone();
    world.call(BOB, AcceptRequest { id: request, name: "alice".into() })?;
    assert_eq!(bytes(&mut world, BOB, &id)?, b"hello");
    Ok(())
}

/// What a stranger wrote was still shown and exported in the batch after its time was over, in which it is deleted.
#[test]
fn what_ended_of_a_request_is_neither_shown_nor_exported() -> Result {
    let mut world = World::half_pair(216, 2)?;
    world.settle()?;
    let hour = Some(TimerSetting::Seconds(3600));
    send(&mut world, FileSend { expire_seconds: hour, ..file("hello.txt") }, b"hello")?;
    world.settle()?;
    let (lines, _) = world.call(BOB, ExportPage { cursor: None })?;
    assert_eq!(exported(&lines), [("hello.txt", "68656c6c6f")]);
    world.elapse(Duration::from_secs(3601));
    let (shown, requests) = mpsc::channel();
    let (gave, page) = mpsc::channel();
    let inputs = vec![
        Input::command(ListRequests {}, move |list| shown.send(list).unwrap_or_default()),
        Input::command(ExportPage { cursor: None }, move |page| {
            gave.send(page).unwrap_or_default()
        }),
    ];
    world.run(BOB, inputs);
    let requests = requests.try_recv()??.requests;
    assert!(requests.iter().all(|request| request.preview.is_none()));
    let (lines, _) = page.try_recv()??;
    assert!(exported(&lines).is_empty());
    assert!(!lines.iter().any(|line| matches!(line, ExportLine::RequestMessage { .. })));
    Ok(())
}

/// Alice, and contacts whose keys never come, each with as many files of `bytes` as there may be.
fn with_files(seed: u64, contacts: usize, files: usize, bytes: usize) -> Result<World> {
    let mut world = World::new(1 + contacts, seed)?;
    world.init(ALICE, "alice")?;
    for contact in 1..=contacts {
        let name = format!("contact {contact}");
        let id = world.init(contact, &name)?;
        world.add(ALICE, &id, &name)?;
        for number in 0..files {
            let request = FileSend { to: name.clone(), ..file(&format!("{number}")) };
            send(&mut world, request, &vec![7; bytes])?;
        }
    }
    Ok(world)
}

/// All was looked at in one batch: while it read 5,000 files of 24 KiB the engine did nothing else for 1.9 s.
#[test]
fn a_long_list_of_files_is_found_in_parts() -> Result {
    let count = FILES_SEARCHED_AT_ONCE + 8;
    let mut world = with_files(220, 2, count, FILE_INLINE_BYTES_MAX)?;
    let all = FilesQuery { limit: Some(1000), ..FilesQuery::default() };
    let (found, batches) = list(&mut world, ALICE, all.clone())?;
    assert_eq!((found.files.len(), found.more), (2 * count, false));
    // They are looked at, and read again.
    assert!((4..=6).contains(&batches), "{batches}");
    let of = |found: &FileList, name: &str| {
        let of_this = found.files.iter().filter(|it| it.conversation == name);
        of_this.map(|it| it.file.name.clone()).collect::<Vec<_>>()
    };
    let newest_first: Vec<_> = (0..count).rev().map(|number| number.to_string()).collect();
    for name in ["contact 1", "contact 2"] {
        assert_eq!(of(&found, name), newest_first);
    }
    // Of each conversation no more are read than are asked for.
    let few = FilesQuery { limit: Some(3), ..FilesQuery::default() };
    let (found, batches) = list(&mut world, ALICE, few)?;
    assert_eq!((found.files.len(), found.more, batches), (3, true, 3));

    // What is recalled or removed in between is not shown; what is older takes its place.
    let (newest, _) = list(&mut world, ALICE, all)?;
    let from = begin(&mut world, 20)?;
    for entry in &newest.files[..10] {
        world.call(ALICE, RecallMessage { id: entry.id.clone() })?;
    }
    let rest = go_on(&mut world, ALICE, from)?.0;
    assert_eq!(rest.files, newest.files[10..30]);
    let from = begin(&mut world, 1000)?;
    for name in ["contact 1", "contact 2"] {
        world.call(ALICE, RemoveContact { name: name.into() })?;
    }
    assert!(go_on(&mut world, ALICE, from)?.0.files.is_empty());
    assert!(list(&mut world, ALICE, FilesQuery::default())?.0.files.is_empty());
    Ok(())
}

/// Only the newest 1,000 messages of a conversation were looked at: after a file and 1,010 texts there were "no files", and no limit
/// helped. And texts took as many batches as files.
#[test]
fn a_file_is_listed_however_many_messages_came_after_it() -> Result {
    let mut world = with_files(222, 2, 1, 10)?;
    let texts = FILES_SEARCHED_PER_BATCH_MAX + 10;
    for part in 0..texts.div_ceil(100) {
        let inputs = (0..100).map(|text| {
            let (to, text) = ("contact 1".to_owned(), format!("{part} {text}"));
            let request = SendRequest { to, text, ..SendRequest::default() };
            Input::command(SendText { request }, drop)
        });
        world.run(ALICE, inputs.collect());
    }
    world.elapse(Duration::from_secs(1));
    let (found, batches) = list(&mut world, ALICE, FilesQuery::default())?;
    let mut with: Vec<_> = found.files.into_iter().map(|it| it.conversation).collect();
    with.sort_unstable();
    assert_eq!((with, found.more), (vec!["contact 1".to_owned(), "contact 2".to_owned()], false));
    assert_eq!(batches, 2);
    Ok(())
}

/// How long the longest batch takes that looks for files, among as many of 24 KiB as are looked at.
#[test]
#[ignore = "measures; half a gigabyte of disk: cargo test -- --ignored --nocapture how_long_a_list"]
fn how_long_a_list_of_files_takes() -> Result {
    let begun = Instant::now();
    let mut world = with_files(221, 5, 1000, FILE_INLINE_BYTES_MAX)?;
    println!("sent in {:?}", begun.elapsed());
    let query = FilesQuery { limit: Some(1000), ..FilesQuery::default() };
    let (begun, mut works, mut from) = (Instant::now(), Vec::new(), FilesFrom::Start(query));
    loop {
        let worked = processor_time()?;
        let page = world.call(ALICE, ListFiles { from })?;
        works.push(processor_time()? - worked);
        match page {
            FilesPage::Last(list) => {
                works.sort_unstable();
                println!(
                    "{} files in {:?}: {} batches, half take {:?} of work, the most {:?}",
                    list.files.len(),
                    begun.elapsed(),
                    works.len(),
                    works[works.len() / 2],
                    works.last()
                );
                return Ok(());
            }
            FilesPage::Next(cursor) => from = FilesFrom::Cursor(cursor),
        }
    }
}
