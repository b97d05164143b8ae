#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use crate::limits::{DUE_POSITIONS_MAX, HOLD_BACK_IDLE_MAX, HOLD_BACK_MAX, LOST_RANGES_MAX};
use martlet_protocol::message::Timers;
use martlet_protocol::{DeviceId, UnixMillis};
use martlet_store::Vault;
use martlet_store::memory::MemoryFile;
use martlet_store::records::{Body, MarksRecord};
use martlet_store::vault::keyfile::{KeyFile, MasterKey};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::conversation::Author;

const START: UnixMillis = UnixMillis(1_793_500_000_000);

/// A vault in memory, and the timeline in it.
struct World {
    files: [MemoryFile; 2],
    key: MasterKey,
    vault: Option<Vault>,
    timeline: Timeline,
    now: UnixMillis,
    shown: Vec<String>,
    lost: u64,
    done: Vec<DeviceId>,
}

impl World {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let path = std::path::Path::new("(memory)");
        let (_, key) = KeyFile::make(path, None, &mut rng).unwrap();
        let files = <[MemoryFile; 2]>::default();
        let vault = Some(open(&files, &key));
        let timeline = Timeline::default();
        Self {
            files,
            key,
            vault,
            timeline,
            now: START,
            shown: Vec::new(),
            lost: 0,
            done: Vec::new(),
        }
    }

    /// One batch: its changes are committed, and what appeared is written down.
    fn batch(
        &mut self,
        act: impl FnOnce(&mut Timeline, &mut VaultTxn, UnixMillis) -> Vec<Appeared>,
    ) -> usize {
        let mut records = self.vault.as_ref().unwrap().begin([7; 32]).unwrap();
        let appeared = act(&mut self.timeline, &mut records, self.now);
        for appeared in &appeared {
            match appeared {
                Appeared::Message(place) => {
                    let message = self.timeline.message(&records, place).unwrap().unwrap();
                    self.shown.push(Content::of(&message).shown());
                }
                Appeared::InPlaceOf(..) => {}
                Appeared::Lost(_, count) => self.lost += count,
                Appeared::Did(_, author, _) => self.done.push(author.device),
            }
        }
        self.timeline.flush(&mut records).unwrap();
        records.commit().unwrap();
        appeared.len()
    }

    fn receive(&mut self, messages: &[MessageRecord]) {
        self.batch(|timeline, records, now| {
            let take = |message: &MessageRecord| {
                let message = MessageRecord { stored_at: now, ..message.clone() };
                let author = message.author.unwrap();
                let conversation = ConversationRef::direct(&author.identity);
                timeline.receive(records, conversation, author, message, now).unwrap()
            };
            messages.iter().flat_map(take).collect()
        });
        while self.timeline.is_releasing() {
            self.batch(|timeline, records, _| timeline.release_more(records).unwrap());
        }
    }

    fn pass(&mut self, duration: Duration) {
        self.now = self.now.plus(duration);
        while self.batch(|timeline, records, now| {
            let mut appeared = timeline.release_more(records).unwrap();
            let lines = timeline.waiting();
            appeared.extend(timeline.release_overdue(records, &lines, now).unwrap());
            appeared
        }) > 0
        {}
    }

    fn restart(&mut self) {
        self.vault = None;
        let vault = open(&self.files, &self.key);
        self.timeline = Timeline::load(&vault.begin([8; 32]).unwrap(), None, false).unwrap();
        self.vault = Some(vault);
    }
}

fn open([vault, keys]: &[MemoryFile; 2], key: &MasterKey) -> Vault {
    Vault::with_backend(vault.clone(), keys.clone(), key, 1 << 20).unwrap()
}

pub(super) fn message(seq: u64, text: &str) -> MessageRecord {
    message_of(device(1), seq, text)
}

fn device(number: usize) -> DeviceId {
    let mut bytes = [1; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    DeviceId(bytes)
}

fn message_of(device: DeviceId, seq: u64, text: &str) -> MessageRecord {
    let mut id = [0; 16];
    id.copy_from_slice(
        &blake3::hash(format!("{device:?} {seq} {text}").as_bytes()).as_bytes()[..16],
    );
    MessageRecord {
        id: MessageId(id),
        own: false,
        seq,
        sent_at: START,
        stored_at: START,
        state: State::Delivered,
        body: Body::Text(text.to_owned()),
        timers: Timers::OFF,
        burns_from: None,
        author: Some(Author { identity: IdentityId([5; 32]), device }),
        reply_to: None,
        is_marked: false,
        is_late: false,
        mentions: Vec::new(),
        mentions_user: false,
        told_by: None,
    }
}

fn bob() -> ConversationRef {
    ConversationRef([5; 32])
}

/// Of two held-back messages with one number the second was written over the first: both were acknowledged,
/// one was shown.
#[test]
fn of_messages_with_one_number_each_is_shown() {
    let mut world = World::new();
    world.receive(&[message(3, "three"), message(3, "three again"), message(2, "two")]);
    world.receive(&[message(3, "three"), message(3, "and again")]);
    world.restart();
    assert!(world.shown.is_empty());
    world.receive(&[message(1, "one")]);
    assert_eq!(world.shown, ["one", "two", "three", "three again", "and again"]);
    world.receive(&[message(3, "three"), message(3, "late")]);
    assert_eq!(world.shown.last().unwrap(), "late");
    assert_eq!(world.shown.len(), 6);
}

/// More of them than are kept under one number are shown too, at once.
#[test]
fn of_many_messages_with_one_number_each_is_shown() {
    let mut world = World::new();
    let texts: Vec<_> = (0..40).map(|n| n.to_string()).collect();
    for text in &texts {
        world.receive(&[message(2, text)]);
    }
    world.pass(HOLD_BACK_IDLE_MAX);
    let mut shown: Vec<u32> = world.shown.iter().map(|text| text.parse().unwrap()).collect();
    shown.sort_unstable();
    assert!(shown.into_iter().eq(0..40));
}

/// Beyond 20,000 waiting messages they were shown in the order at hand, for good: of 30,118 that came after
/// an absence 30,104 were out of place. It also takes longer than a minute to fetch as many.
#[test]
fn any_number_of_messages_comes_in_order() {
    let mut world = World::new();
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut messages: Vec<_> = (1..=31_000).map(|n| message(n, &n.to_string())).collect();
    for last in (1..messages.len()).rev() {
        messages.swap(last, rng.random_range(0..=last));
    }
    for (batch, messages) in messages.chunks(1000).enumerate() {
        world.receive(messages);
        // Nearly five minutes in all.
        world.pass(Duration::from_secs(5));
        world.pass(Duration::from_secs(4));
        if batch == 11 {
            world.restart();
        }
    }
    let numbers: Vec<u64> = world.shown.iter().map(|text| text.parse().unwrap()).collect();
    assert!(numbers.into_iter().eq(1..=31_000));
    assert_eq!(world.lost, 0);
    assert!(world.timeline.waits.is_empty());
}

/// The same when one is lost for good: the gap is skipped, and the rest is in order.
#[test]
fn a_gap_in_many_messages_is_told_and_skipped() {
    let mut world = World::new();
    let messages: Vec<_> =
        (1..=5000).rev().filter(|n| *n != 2000).map(|n| message(n, &n.to_string())).collect();
    world.receive(&messages);
    world.pass(HOLD_BACK_IDLE_MAX);
    let numbers: Vec<u64> = world.shown.iter().map(|text| text.parse().unwrap()).collect();
    assert!(numbers.into_iter().eq((1..=5000).filter(|n| *n != 2000)));
    assert_eq!(world.lost, 1);
}

/// A sender who goes on writing must not hide what came after the one that was lost.
#[test]
fn one_lost_message_holds_the_others_back_for_a_minute_at_most() {
    let mut world = World::new();
    world.receive(&[message(1, "1"), message(2, "2")]);
    // Each pair comes the wrong way round.
    for n in (4..).step_by(2).take(15) {
        world.receive(&[message(n + 1, &(n + 1).to_string()), message(n, &n.to_string())]);
        world.pass(Duration::from_secs(5));
        if world.now.since(START) < HOLD_BACK_MAX {
            assert_eq!(world.shown.len(), 2);
        }
    }
    let numbers: Vec<u64> = world.shown.iter().map(|text| text.parse().unwrap()).collect();
    assert!(numbers.into_iter().eq((1..=33).filter(|n| *n != 3)), "{:?}", world.shown);
    assert_eq!(world.lost, 1);
}

/// Whose messages were lost was told nobody.
#[test]
fn what_was_lost_is_told_until_it_comes() {
    let mut world = World::new();
    world.receive(&[message(1, "1"), message(5, "5")]);
    world.pass(HOLD_BACK_IDLE_MAX);
    assert_eq!(world.lost, 3);
    assert_eq!(world.timeline.lost(&bob()), [(2, 3)]);
    world.receive(&[message(3, "3")]);
    assert_eq!(world.timeline.lost(&bob()), [(2, 2)]);
    // A second one with that number is shown, and counts for nothing.
    world.receive(&[message(3, "3 again"), message(1, "1 again")]);
    assert_eq!(world.timeline.lost(&bob()), [(2, 2)]);
    world.restart();
    world.receive(&[message(2, "2")]);
    assert_eq!(world.timeline.lost(&bob()), [(2, 1)]);
    assert_eq!(world.timeline.mark_read(bob()), (6, 1));
    world.receive(&[message(4, "4")]);
    assert!(world.timeline.lost(&bob()).is_empty());
    assert_eq!(world.shown, ["1", "5", "3", "3 again", "1 again", "2", "4"]);
    assert_eq!(world.timeline.mark_read(bob()), (1, 0));
}

/// The number of positions, one for each device that ever wrote, had no bound.
#[test]
fn devices_that_wrote_longest_ago_are_forgotten() {
    let mut world = World::new();
    for n in 1..=3 * DUE_POSITIONS_MAX {
        world.receive(&[message_of(device(n), 1, "first")]);
        // One device goes on writing.
        world.receive(&[message(u64::try_from(n).unwrap() + 1, "more")]);
    }
    let due = &world.timeline.get(&bob()).unwrap().due;
    assert_eq!(due.len(), DUE_POSITIONS_MAX);
    assert_eq!(*due.last().unwrap(), (device(1), 3 * DUE_POSITIONS_MAX as u64 + 2));
    // Of one that was forgotten nothing is told to be lost.
    world.receive(&[message_of(device(2), 9, "again")]);
    world.pass(HOLD_BACK_IDLE_MAX);
    assert_eq!(world.shown.last().unwrap(), "again");
    assert_eq!(world.lost, 0);
    // However many have something waiting.
    for n in 1..=3 * DUE_POSITIONS_MAX {
        world.receive(&[message_of(device(1000 + n), 7, "waits")]);
        assert!(world.timeline.waits.len() <= DUE_POSITIONS_MAX);
    }
    world.pass(HOLD_BACK_IDLE_MAX);
    assert!(world.timeline.get(&bob()).unwrap().due.len() <= DUE_POSITIONS_MAX);
}

/// The extreme of honest use: eight devices, each of which was set up anew seven times, and a message lost each
/// hour for six days. Each gap is told when it is met, and the newest are told in the history; the
/// record, which is written with each batch that changes it, stays a small one.
#[test]
fn the_record_of_a_conversation_with_many_gaps_stays_small() {
    let mut world = World::new();
    let gaps = 6 * 24;
    for n in 0..gaps {
        let device = device(1 + usize::try_from(n).unwrap() % DUE_POSITIONS_MAX);
        let seq = 2 + 2 * (n / u64::try_from(DUE_POSITIONS_MAX).unwrap());
        world.receive(&[message_of(device, seq, "after a gap")]);
        world.pass(HOLD_BACK_IDLE_MAX);
    }
    assert_eq!(world.lost, gaps);
    assert_eq!(world.timeline.lost(&bob()).len(), LOST_RANGES_MAX);
    let record = world.timeline.get(&bob()).unwrap();
    assert_eq!(record.due.len(), DUE_POSITIONS_MAX);
    let bytes = martlet_protocol::codec::encode(record).len();
    assert!(bytes < 8 * 1024, "{bytes}");
}

/// What a build didn't know was thrown away: after an upgrade it still could not be read.
#[test]
fn a_message_of_unknown_kind_is_read_once_its_kind_is_known() {
    let mut world = World::new();
    // As a build wrote it that did not know texts.
    let kind = martlet_protocol::message::text::KIND;
    let body = Body::Raw { kind, bytes: b"hello".to_vec() };
    let known = MessageRecord { body, ..message(1, "known by now") };
    let body = Body::Raw { kind: 60_000, bytes: b"?".to_vec() };
    let unknown = MessageRecord { body, ..message(2, "unknown still") };
    world.receive(&[known, unknown]);
    let place = |position| Place { conversation: bob(), position };
    world.batch(|_, records, _| {
        for position in 1..=2 {
            records.put(&UNKNOWN, Key::Scoped(&bob().0, position), &place(position)).unwrap();
        }
        Vec::new()
    });
    world.restart();
    world.batch(|timeline, records, _| {
        timeline.read_unknown_again(records).unwrap();
        let texts = [1, 2].map(|position| {
            Content::of(&timeline.message(records, &place(position)).unwrap().unwrap()).shown()
        });
        let unknown = "[a message of kind 60000, which this version cannot show]";
        assert_eq!(texts, ["hello", unknown]);
        assert_eq!(records.scan(&UNKNOWN).unwrap(), [place(2)]);
        Vec::new()
    });
}

/// A message of a kind for devices that came in a conversation was shown as one that a newer build could show, and
/// counted as unread, for ever. It says nothing: it uses up its number, so that nothing waits for it and none is
/// missed, and has no position.
#[test]
fn what_does_something_has_a_number_and_no_position() {
    use martlet_protocol::message::{ping, pong, session_key};
    let mut world = World::new();
    let deed = |seq, kind| MessageRecord {
        body: Body::Raw { kind, bytes: vec![1, 2, 3] },
        ..message(seq, &format!("{kind}"))
    };
    world.receive(&[message(1, "a"), deed(3, ping::KIND)]);
    assert!(world.done.is_empty(), "its turn has not come");
    world.restart();
    world.receive(&[
        message(4, "b"),
        deed(2, pong::KIND),
        deed(5, session_key::KIND),
        message(6, "c"),
    ]);
    assert_eq!((world.shown.join(""), world.lost, world.done.len()), ("abc".to_owned(), 0, 3));
    // The same in another envelope, also once its number is past.
    world.receive(&[deed(2, pong::KIND), deed(5, session_key::KIND)]);
    world.pass(HOLD_BACK_MAX);
    assert_eq!((world.lost, world.done.len()), (0, 3));
    let counters = world.timeline.get(&bob()).unwrap();
    assert_eq!((counters.last_position, counters.unread, counters.received), (3, 3, 3));
    // One that really lacks is told.
    world.receive(&[deed(8, ping::KIND)]);
    world.pass(HOLD_BACK_MAX);
    assert_eq!((world.lost, world.done.len()), (1, 4));
}

/// What an older build showed as unknown and does something is no row any more.
#[test]
fn what_turns_out_to_do_something_is_no_row_any_more() {
    let mut world = World::new();
    world.receive(&[message(1, "a")]);
    let deed = MessageRecord {
        body: Body::Raw { kind: martlet_protocol::message::ping::KIND, bytes: vec![] },
        ..message(2, "deed")
    };
    world.batch(|timeline, records, _| {
        let place = timeline.append(records, bob(), &deed).unwrap();
        records.put(&UNKNOWN, Key::Scoped(&bob().0, place.position), &place).unwrap();
        Vec::new()
    });
    assert_eq!(world.timeline.unread(&bob()), 2);
    world.batch(|timeline, records, _| timeline.read_unknown_again(records).unwrap());
    assert_eq!((world.done.len(), world.timeline.unread(&bob())), (1, 1));
    world.batch(|timeline, records, _| {
        let page = timeline.page(records, &bob(), None, 10).unwrap();
        assert_eq!(page.messages.len(), 1);
        timeline.read_unknown_again(records).unwrap()
    });
    // It is known by its id: should it come again it is not done again.
    world.receive(&[deed]);
    assert_eq!((world.done.len(), world.shown.join("")), (1, "a".to_owned()));
}

/// One message that came after 1,001 of the user's own was told as unread and not shown: the page of 1,000 was
/// cut before the user's own were left out.
#[test]
fn what_is_unread_is_found_after_any_number_of_own_messages() {
    let mut world = World::new();
    let own = |n: u64| MessageRecord { own: true, author: None, ..message(n, &format!("own {n}")) };
    for (n, text) in [(1, "first"), (2, "second"), (3, "third")] {
        world.batch(|timeline, records, _| {
            for n in 0..25 {
                timeline.append(records, bob(), &own(100 * n)).unwrap();
            }
            Vec::new()
        });
        world.receive(&[message(n, text)]);
    }
    let unread = |max| {
        let records = world.vault.as_ref().unwrap().begin([9; 32]).unwrap();
        let unread = world.timeline.unread_messages(&records, &bob(), max).unwrap();
        unread.iter().map(|(_, message)| Content::of(message).shown()).collect::<Vec<_>>()
    };
    assert_eq!(unread(10), ["first", "second", "third"]);
    assert_eq!(unread(2), ["first", "second"]);
    assert_eq!(unread(1), ["first"]);
}

/// What came after a message of before that is here already was held back, as if that had never come.
#[test]
fn a_message_of_before_that_comes_itself_uses_up_its_number_and_is_shown_once() {
    let mut world = World::new();
    world.timeline.begins_after = PAST_POSITION_MAX;
    world.receive(&[message(3, "three")]);
    let past = [message(2, "two"), message(1, "one")];
    world.batch(|timeline, records, _| {
        for (position, message) in (1..PAST_POSITION_MAX).rev().zip(&past) {
            let place = Place { conversation: bob(), position };
            timeline.put_past(records, &place, message, &MarksRecord::default()).unwrap();
        }
        Vec::new()
    });
    world.receive(&[message(2, "two"), message(1, "one"), message(2, "two")]);
    world.receive(&[message(4, "four")]);
    assert_eq!(world.shown, ["three", "four"]);
    assert_eq!((world.timeline.unread(&bob()), world.lost), (2, 0));
    // What came by itself, and comes again, uses up none.
    let done = world.done.len();
    world.receive(&[message(4, "four")]);
    assert_eq!(world.done.len(), done);
    // A conversation that a build of before began has places of its own before that.
    let mut world = World::new();
    world.receive(&[message(1, "one")]);
    world.timeline.begins_after = PAST_POSITION_MAX;
    world.receive(&[message(1, "one")]);
    assert!(world.done.is_empty() && world.shown == ["one"]);
}
