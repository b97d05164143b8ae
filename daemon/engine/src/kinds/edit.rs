//! An edit: another text for a message, by who wrote that.
//!
//! Of several edits of a message the one with the greatest [`When`](super::When) is what it says, in whatever order they
//! came. What it said before is kept, as far as there is room, and shown to who asks. What is no text any more (it was
//! recalled, or has ended) is not edited.

use martlet_protocol::message::Edit;
use martlet_protocol::message::edit::KIND;
use martlet_store::records::{Body, MarksRecord, MessageRecord, VersionRecord};

use super::When;
use crate::limits::VERSIONS_MAX;

/// An edit as it is kept until it is done.
pub(super) fn body(edit: &Edit) -> Body {
    Body::Raw { kind: KIND, bytes: edit.encode() }
}

/// Edits a message; whether that changed something.
pub(crate) fn apply(
    message: &mut MessageRecord,
    marks: &mut MarksRecord,
    when: When,
    text: &str,
) -> bool {
    let Body::Text(said) = &mut message.body else { return false };
    let versions = &mut marks.versions;
    if versions.is_empty() {
        let (at, id) = (message.sent_at, message.id);
        versions.push(VersionRecord { at, id, text: said.clone() });
    }
    if versions.iter().any(|version| version.id == when.id) {
        return false;
    }
    let is_before = |version: &VersionRecord| (version.at, version.id) < (when.at, when.id);
    let place = 1 + versions.iter().skip(1).take_while(|version| is_before(version)).count();
    let version = VersionRecord { at: when.at, id: when.id, text: text.to_owned() };
    versions.insert(place, version);
    if versions.len() > VERSIONS_MAX {
        versions.remove(1);
    }
    if let Some(last) = versions.last() {
        said.clone_from(&last.text);
    }
    message.is_marked = true;
    true
}

/// When the user edits a message now: after what there is, whatever the clock says.
pub(crate) fn next(marks: &MarksRecord, when: When) -> When {
    let last = marks.versions.iter().skip(1).map(|version| version.at).max();
    When { at: last.map_or(when.at, |last| when.at.max(last.plus(super::INSTANT))), ..when }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::message::Timers;
    use martlet_protocol::{MessageId, UnixMillis};
    use proptest::prelude::*;

    use super::*;

    fn message() -> MessageRecord {
        MessageRecord {
            id: MessageId([0; 16]),
            own: false,
            seq: 1,
            sent_at: UnixMillis(500),
            stored_at: UnixMillis(500),
            state: martlet_store::records::State::Delivered,
            body: Body::Text("original".into()),
            author: None,
            timers: Timers::OFF,
            burns_from: None,
            reply_to: None,
            is_marked: false,
            is_late: false,
            mentions: Vec::new(),
            mentions_user: false,
            told_by: None,
        }
    }

    fn when(at: u64, id: u8) -> When {
        When { at: UnixMillis(at), id: MessageId([id; 16]) }
    }

    fn texts(marks: &MarksRecord) -> Vec<String> {
        marks.versions.iter().map(|version| version.text.clone()).collect()
    }

    proptest! {
        /// Whatever the order in which they come, and however often: what is shown is the same, and so is what was.
        #[test]
        fn edits_in_any_order_end_the_same(
            times in prop::collection::vec(0..6u64, 1..14),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let edit = |n: usize| (when(times[n], u8::try_from(n + 1).unwrap_or(0)), format!("edit {n}"));
            let (mut message_a, mut a) = (message(), MarksRecord::default());
            for n in 0..times.len() {
                let (when, text) = edit(n);
                prop_assert!(apply(&mut message_a, &mut a, when, &text));
            }
            let (mut message_b, mut b) = (message(), MarksRecord::default());
            let all = order.iter().map(|index| index.index(times.len())).chain(0..times.len());
            for n in all {
                let (when, text) = edit(n);
                apply(&mut message_b, &mut b, when, &text);
            }
            prop_assert_eq!(texts(&a), texts(&b));
            prop_assert!(message_a.body == message_b.body);
            prop_assert_eq!(&a.versions[0].text, "original");
        }
    }

    #[test]
    fn versions_are_bounded_and_the_original_stays() {
        let (mut message, mut marks) = (message(), MarksRecord::default());
        for n in 0..200 {
            assert!(
                apply(&mut message, &mut marks, when(u64::from(n), n), &n.to_string()) || n == 0
            );
        }
        assert_eq!(marks.versions.len(), VERSIONS_MAX);
        assert_eq!(marks.versions[0].text, "original");
        assert!(message.body == Body::Text("199".into()));
    }

    #[test]
    fn an_own_edit_is_later_than_what_there_is() {
        let (mut message, mut marks) = (message(), MarksRecord::default());
        let ahead = when(1 << 40, 1);
        assert!(apply(&mut message, &mut marks, ahead, "by a clock that was ahead"));
        let now = next(&marks, when(600, 2));
        assert!(now > ahead);
        assert!(apply(&mut message, &mut marks, now, "now"));
        assert!(message.body == Body::Text("now".into()));
    }

    #[test]
    fn what_is_no_text_is_not_edited() {
        let mut marks = MarksRecord::default();
        let mut message = MessageRecord { body: Body::Unknown(999), ..message() };
        assert!(!apply(&mut message, &mut marks, when(600, 1), "text"));
        assert!(marks.versions.is_empty());
    }
}
