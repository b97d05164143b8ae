//! Messages of before, in pages.

use martlet_protocol::ids::{DeviceId, IdentityId, MessageId};
use martlet_protocol::limits::TEXT_BYTES_MAX;
use martlet_protocol::message::history::{
    IS_READ, PAGE_BYTES_MAX, PAGES_MAX, Pages, PastReaction, PastVersion, SAID_MAX, Slice, Writer,
};
use martlet_protocol::message::history_wanted::LINES_MAX;
use martlet_protocol::message::{
    Content, DeviceMessage, History, HistoryWanted, Message, Past, Text, Timers, WantedLine,
};

use crate::people::NOW;
use crate::vectors;

const BOB: IdentityId = IdentityId([3; 32]);
const WRITER: Writer = Writer { identity: BOB, device: DeviceId([7; 32]) };

fn past(text: &str) -> Past {
    let message = Message {
        id: MessageId([0xab; 16]),
        sent_at: NOW,
        seq: 300,
        timers: Timers::OFF,
        content: Content::Text(Text::new(text).unwrap()),
        reply_to: None,
        mentions: Vec::new(),
    };
    Past {
        message: message.encode(),
        writer: 0,
        stored_at: NOW,
        state: None,
        burns_from: None,
        flags: 0,
        recalled_by: None,
        told_by: None,
        versions: Vec::new(),
        reactions: Vec::new(),
    }
}

fn full() -> Past {
    let id = MessageId([0xcd; 16]);
    Past {
        state: Some(1),
        burns_from: Some(NOW),
        flags: IS_READ,
        recalled_by: Some(IdentityId([4; 32])),
        told_by: Some(IdentityId([5; 32])),
        versions: vec![
            PastVersion { at: NOW, id: MessageId([0xab; 16]), text: "helo".into() },
            PastVersion { at: NOW, id, text: String::new() },
        ],
        reactions: vec![
            PastReaction { by: BOB, at: NOW, id, emoji: "👍".into() },
            PastReaction { by: IdentityId([4; 32]), at: NOW, id, emoji: String::new() },
        ],
        ..past("hello")
    }
}

fn wanted() -> HistoryWanted {
    let line = |before| WantedLine { conversation: BOB, before };
    let lines = vec![line(None), line(Some(300))];
    HistoryWanted { number: 7, lines, asked_at: None, tries: 0 }
}

/// The same, once more.
fn wanted_again() -> HistoryWanted {
    HistoryWanted { number: 8, asked_at: Some(NOW), tries: 1, ..wanted() }
}

fn page() -> History {
    let said = vec![past("hello"), full()];
    let slice = Slice { conversation: BOB, before: Some(300), next: Some(200), said };
    let end = Slice { conversation: IdentityId([4; 32]), before: None, next: None, said: vec![] };
    History { number: 7, page: 1, pages: 2, writers: vec![WRITER], slices: vec![slice, end] }
}

fn history(history: &History) -> Vec<u8> {
    DeviceMessage::History(Box::new(history.clone())).encode()
}

fn read(bytes: &[u8]) -> Option<History> {
    match DeviceMessage::decode(bytes) {
        Ok(DeviceMessage::History(history)) => Some(*history),
        Ok(other) => panic!("{other:?}"),
        Err(_) => None,
    }
}

#[test]
fn vectors() {
    vectors::check(
        "history.txt",
        "Messages of before, to devices. wanted: the seventh request, of the conversation with 03 … 03: the newest, and those
        before 300. wanted_again: the eighth, of the same, at 1767323045678 ms, since the answer did not come whole. offer: that there is something to ask for. page: the second of two pages that answer it. Before 300, of the
        device 07 … 07 of 03 … 03: the text \"hello\", id ab … ab, sent and stored at 1767323045678 ms, the 300th; and the same,
        sent, burning from then on, read, recalled by 04 … 04, told by 05 … 05, which was \"helo\" before the edit cd … cd, and to which
        03 … 03 reacted with 👍 and 04 … 04 with nothing any more. There is more before 200. Of 04 … 04 there is nothing.",
        &[
            ("wanted", DeviceMessage::HistoryWanted(wanted()).encode()),
            ("wanted_again", DeviceMessage::HistoryWanted(wanted_again()).encode()),
            ("offer", history(&History::offer())),
            ("page", history(&page())),
        ],
    );
}

#[test]
fn what_is_asked_and_answered_is_read_as_it_was_written() {
    for wanted in [wanted(), wanted_again()] {
        let encoded = DeviceMessage::HistoryWanted(wanted.clone()).encode();
        let Ok(DeviceMessage::HistoryWanted(found)) = DeviceMessage::decode(&encoded) else {
            panic!()
        };
        assert_eq!(found, wanted);
    }
    for one in [page(), History::offer()] {
        assert_eq!(read(&history(&one)), Some(one));
    }
    // Of too many conversations nothing is asked.
    let lines = vec![wanted().lines[0]; LINES_MAX + 1];
    let encoded = DeviceMessage::HistoryWanted(HistoryWanted { lines, ..wanted() }).encode();
    assert!(DeviceMessage::decode(&encoded).is_err());
}

#[test]
fn a_page_that_can_not_be_is_refused() {
    let said = vec![past("hello"); 2];
    let slice = Slice { said, ..page().slices[1].clone() };
    for refused in [
        History { page: 2, ..page() },
        History { pages: PAGES_MAX + 1, ..page() },
        History { number: 0, ..page() },
        History { pages: 0, page: 0, ..page() },
        History { slices: vec![slice; SAID_MAX / 2 + 1], ..page() },
    ] {
        assert_eq!(read(&history(&refused)), None);
    }
    let encoded = history(&page());
    assert!((0..encoded.len()).all(|end| DeviceMessage::decode(&encoded[..end]).is_err()));
}

#[test]
fn a_page_ends_with_the_first_of_its_texts() {
    let of = |timers, burns_from, stored_at| {
        let message = Message { timers, ..Message::decode(&past("x").message).unwrap() };
        Past { message: message.encode(), burns_from, stored_at, ..past("x") }
    };
    let seconds = |seconds| NOW.plus(std::time::Duration::from_secs(seconds));
    let timers = Timers { expire_s: Some(100), burn_s: Some(10) };
    // Its clock was ahead.
    let earlier = NOW.minus(std::time::Duration::from_secs(7));
    let all = [
        (past("x"), None),
        (of(timers, None, NOW), Some(seconds(100))),
        (of(timers, None, earlier), Some(seconds(93))),
        (of(timers, Some(seconds(1)), NOW), Some(seconds(11))),
        (of(timers, Some(seconds(95)), NOW), Some(seconds(100))),
    ];
    for (past, end) in &all {
        assert_eq!(past.ends_at(), *end);
    }
    let said = all.into_iter().map(|(past, _)| past).collect();
    let slice = Slice { said, ..page().slices[1].clone() };
    let slices = vec![page().slices[1].clone(), slice];
    assert_eq!(History { slices, ..page() }.ends_at(), Some(seconds(11)));
    assert_eq!(History::offer().ends_at(), None);
}

#[test]
fn messages_are_put_in_pages_that_fit_and_go_on_where_the_last_one_ended() {
    for bytes in [1, 100, 3000, TEXT_BYTES_MAX] {
        let mut pages = Pages::default();
        assert!(!pages.is_full());
        assert!(pages.begin(IdentityId([4; 32]), None), "there is nothing of this one");
        assert!(pages.begin(BOB, None));
        let one = past(&"x".repeat(bytes));
        let mut place = 10_000;
        while pages.say(WRITER, one.clone(), place) {
            place -= 1;
        }
        let said = usize::try_from(10_000 - place).unwrap();
        assert!(pages.is_full() && !pages.begin(IdentityId([5; 32]), None));
        let pages = pages.finish(7);
        assert_eq!(pages.len(), usize::from(PAGES_MAX));
        assert_eq!(pages.iter().map(History::said).sum::<usize>(), said);
        let mut before = None;
        for page in &pages {
            let encoded = history(page);
            assert!(encoded.len() <= PAGE_BYTES_MAX + 64, "{bytes}: {}", encoded.len());
            assert_eq!(read(&encoded).as_ref(), Some(page));
            assert!(bytes > 3000 || page.said() >= 5, "{bytes}: {}", page.said());
            let slice = page.slices.iter().find(|slice| slice.conversation == BOB).unwrap();
            assert_eq!(slice.before, before);
            before = slice.next;
        }
        // The one that found no room comes next.
        assert_eq!(before, Some(place + 1));
    }
    // One that fits no page is left out.
    let mut pages = Pages::default();
    assert!(pages.begin(BOB, None));
    let huge = Past { message: vec![0; PAGE_BYTES_MAX], ..past("x") };
    assert!(pages.say(WRITER, huge, 5) && pages.say(WRITER, past("y"), 4));
    pages.end(None);
    assert_eq!(pages.finish(1)[0].said(), 1);
}
