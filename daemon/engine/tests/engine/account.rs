//! The account as a whole: what an export holds, and what is left of one that was erased.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use martlet_engine::CommandError;
use martlet_engine::command::{
    Block, EditMessage, EraseUser, ExportCursor, ExportPage, GetSettings, OpenVault,
    SetContactNote, SetDraft, WriteNote,
};
use martlet_engine::limits::EXPORT_PAGE_MAX;
use martlet_protocol::control::{
    ContactNote, DraftRequest, EditRequest, ExportLine, LockState, NoteRequest,
};

use crate::world::*;

/// All pages of an export, and how many lines the largest had.
pub(crate) fn export(world: &mut World, node: usize) -> Result<(Vec<ExportLine>, usize)> {
    let (mut all, mut largest) = (Vec::new(), 0);
    let mut cursor: Option<ExportCursor> = None;
    loop {
        let (mut lines, next) = world.call(node, ExportPage { cursor })?;
        largest = largest.max(lines.len());
        all.append(&mut lines);
        if next.is_none() {
            return Ok((all, largest));
        }
        cursor = next;
    }
}

fn note(world: &mut World, node: usize, text: &str) -> Result {
    world.call(node, WriteNote { request: NoteRequest { text: text.into() } })?;
    Ok(())
}

#[test]
fn an_export_has_all_that_the_user_can_see() -> Result {
    let mut world = World::pair(4100, 3)?;
    world.settle()?;
    let own = world.id_of(0)?;
    let hello = world.send(0, "bob", "helo")?;
    world.call(0, EditMessage { id: hello, request: EditRequest { text: "hello".into() } })?;
    world.send(1, "alice", "hi alice")?;
    // Someone unknown.
    let carol = world.init(2, "carol")?;
    world.add(2, &own, "alice")?;
    world.send(2, "alice", &format!("let me in {}", "please ".repeat(40)))?;
    world.settle()?;
    note(&mut world, 0, "buy milk")?;
    let request = ContactNote { text: "met at the harbour".into() };
    world.call(0, SetContactNote { name: "bob".into(), request })?;
    let request = Some(DraftRequest { text: "what I nev".into() });
    world.call(0, SetDraft { name: "bob".into(), request })?;
    let mut stranger = World::new(1, 4101)?;
    let dave = stranger.init(0, "dave")?;
    world.call(0, Block { who: dave.clone() })?;

    let (lines, _) = export(&mut world, 0)?;
    let settings = world.call(0, GetSettings {})?;
    assert!(matches!(&lines[0], ExportLine::Export { format: 1, .. }), "{lines:?}");
    assert!(
        matches!(&lines[1], ExportLine::Account { id, name, settings: found, .. }
            if *id == own && name.as_deref() == Some("alice") && *found == settings),
        "{lines:?}"
    );
    assert!(matches!(&lines[2], ExportLine::Blocked { person } if person.id == dave), "{lines:?}");
    assert!(
        matches!(&lines[3], ExportLine::Request { request } if request.id == carol),
        "{lines:?}"
    );
    // All of it, not the beginning that requests show.
    assert!(
        matches!(&lines[4], ExportLine::RequestMessage { from, text, .. }
            if *from == carol && text.len() > 280),
        "{lines:?}"
    );
    assert!(
        matches!(&lines[5], ExportLine::Contact { contact, draft: Some(draft), .. }
            if contact.name == "bob" && contact.note.as_deref() == Some("met at the harbour")
                && draft.text.as_deref() == Some("what I nev")),
        "{lines:?}"
    );
    let mut texts: Vec<_> =
        lines[6..8].iter().map(text_of).collect::<Option<_>>().ok_or("texts")?;
    texts.sort_unstable();
    assert_eq!(texts, [("bob", "hello"), ("bob", "hi alice")]);
    let versions = lines.iter().find_map(|line| match line {
        ExportLine::Message { message } if message.text == "hello" => Some(&message.versions),
        _ => None,
    });
    assert_eq!(versions.ok_or("no message")?[0].text, "helo");
    assert_eq!(text_of(&lines[8]), Some((own.as_str(), "buy milk")));
    let end = ExportLine::End { lines: 9, messages: 3, unreadable: 0 };
    assert_eq!(lines[9..], [end]);
    Ok(())
}

fn text_of(line: &ExportLine) -> Option<(&str, &str)> {
    match line {
        ExportLine::Message { message } => Some((&message.conversation, &message.text)),
        _ => None,
    }
}

/// Pages are bounded, in order, and each message is in one of them.
#[test]
fn a_long_history_is_exported_page_by_page() -> Result {
    let mut world = World::pair(4102, 2)?;
    world.settle()?;
    for number in 0..3 * EXPORT_PAGE_MAX + 7 {
        note(&mut world, 0, &format!("note {number}"))?;
    }
    for number in 0..2 * EXPORT_PAGE_MAX {
        world.send(0, "bob", &format!("text {number}"))?;
    }
    let (lines, largest) = export(&mut world, 0)?;
    assert!(largest <= 2 * EXPORT_PAGE_MAX, "{largest}");
    let of = |word: &str| {
        let texts = lines.iter().filter_map(text_of).map(|(_, text)| text);
        texts.filter(|text| text.starts_with(word)).map(str::to_owned).collect::<Vec<_>>()
    };
    let numbered =
        |word: &str, count| (0..count).map(|n| format!("{word} {n}")).collect::<Vec<_>>();
    assert_eq!(of("note"), numbered("note", 3 * EXPORT_PAGE_MAX + 7));
    assert_eq!(of("text"), numbered("text", 2 * EXPORT_PAGE_MAX));
    // A contact who is removed meanwhile is left out of what follows.
    let (_, cursor) = world.call(0, ExportPage { cursor: None })?;
    world.call(0, RemoveContact { name: "bob".into() })?;
    let mut cursor = cursor;
    while cursor.is_some() {
        (_, cursor) = world.call(0, ExportPage { cursor })?;
    }
    Ok(())
}

/// Every file of a directory, one after the other.
fn bytes_of(directory: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(directory)? {
        bytes.extend(fs::read(entry?.path())?);
    }
    Ok(bytes)
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn a_copy_of_what_is_left_of_an_erased_account_holds_neither_text_nor_keys() -> Result {
    let mut world = World::pair(4103, 2)?;
    world.settle()?;
    world.send(0, "bob", "a word that is nowhere else")?;
    note(&mut world, 0, "another word that is nowhere else")?;
    world.settle()?;
    let path = world.nodes[0].dir.path().to_path_buf();
    let key_file = KeyFile::read(&key_file_path(&path))?.ok_or("no key file")?;
    let key = key_file.unwrap(None)?;
    let erasable = fs::read(path.join("vault.keys"))?;
    let (sealed_keys, sealed) = (&erasable[64..128], fs::read(path.join("vault.redb"))?);
    // Parts of the database that are ciphertext.
    let is_noise = |part: &&[u8]| part.iter().collect::<BTreeSet<_>>().len() > 180;
    let sealed: Vec<_> = sealed.chunks(512).filter(is_noise).take(20).collect();
    assert!(sealed.len() > 10, "{}", sealed.len());
    assert!(holds(&bytes_of(&path)?, key.as_bytes()) && holds(&bytes_of(&path)?, sealed_keys));

    fs::write(path.join("vault.redb.bak"), b"somebody's copy")?;
    assert_eq!(world.call(0, EraseUser {})?, ["vault.redb.bak"]);
    fs::remove_file(path.join("vault.redb.bak"))?;
    let left = bytes_of(&path)?;
    for secret in [&key.as_bytes()[..], sealed_keys, b"that is nowhere else"] {
        assert!(!holds(&left, secret), "{secret:x?}");
    }
    assert!(!sealed.iter().any(|part| holds(&left, part)));
    let mut names: Vec<_> =
        fs::read_dir(&path)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    names.sort();
    assert_eq!(names, ["mailbox.redb"]);

    // The node goes on: it forwards, and a new user may begin at once, or after a start.
    let refused = world.call(0, GetIdentity {}).map_err(|error| error.to_string());
    assert_eq!(refused, Err(CommandError::NoIdentity.to_string()));
    let refused = world.call(0, EraseUser {}).map_err(|error| error.to_string());
    assert_eq!(refused, Err(CommandError::NoIdentity.to_string()));
    let refused = world.call(0, OpenVault { key: key.clone() }).map_err(|error| error.to_string());
    assert_eq!(refused, Err(CommandError::NoIdentity.to_string()));
    world.crash(0)?;
    assert_eq!(world.call(0, GetStatus {})?.lock, LockState::NoIdentity);
    let anew = world.init(0, "alice again")?;
    world.add(1, &anew, "alice2")?;
    world.send(1, "alice2", "welcome back")?;
    world.settle()?;
    assert_eq!(world.call(0, ListRequests {})?.requests.len(), 1);
    Ok(())
}

/// A vault that is locked is erased as well: who forgot the passphrase may begin anew.
#[test]
fn a_crash_in_the_middle_ends_at_the_next_start() -> Result {
    for left in 0..=4 {
        let mut world = World::pair(4104 + left, 2)?;
        world.settle()?;
        world.send(0, "bob", "a word")?;
        let path = world.nodes[0].dir.path().to_path_buf();
        world.nodes[0].engine = None;
        // As it is done: the marker, zeros for keys, then the files one after the other.
        fs::write(path.join("vault.erase"), b"")?;
        if left < 4 {
            fs::write(path.join("vault.key"), [0; 256])?;
        }
        for name in ["vault.key", "vault.keys", "vault.redb"].iter().skip(usize::try_from(left)?) {
            fs::remove_file(path.join(name))?;
        }
        world.start(0)?;
        assert_eq!(world.call(0, GetStatus {})?.lock, LockState::NoIdentity, "{left}");
        assert!(!path.join("vault.erase").exists() && !path.join("vault.redb").exists());
        world.init(0, "anew")?;
    }
    Ok(())
}

/// Nothing is changed where it can't be begun.
#[test]
fn what_can_not_be_begun_leaves_all_as_it_was() -> Result {
    let mut world = World::pair(4110, 2)?;
    world.settle()?;
    let path = world.nodes[0].dir.path().to_path_buf();
    fs::create_dir(path.join("vault.erase"))?;
    assert!(world.call(0, EraseUser {}).is_err());
    assert_eq!(world.call(0, GetStatus {})?.lock, LockState::Unlocked);
    world.send(0, "bob", "still here")?;
    Ok(())
}
