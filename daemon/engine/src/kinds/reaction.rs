//! A reaction: of each person the one with the greatest [`When`](super::When) counts, in whatever order they came. One
//! that was withdrawn is remembered as such, so that an older one doesn't come back.

use martlet_protocol::IdentityId;
use martlet_protocol::message::Reaction;
use martlet_protocol::message::reaction::KIND;
use martlet_store::records::{Body, MarksRecord, ReactionRecord};

use super::When;
use crate::limits::REACTIONS_MAX;

/// A reaction as it is kept until it is done.
pub(super) fn body(reaction: &Reaction) -> Body {
    Body::Raw { kind: KIND, bytes: reaction.encode() }
}

/// Takes the reaction of `by`; whether that changed what is shown.
pub(crate) fn apply(
    marks: &mut MarksRecord,
    by: IdentityId,
    When { at, id }: When,
    emoji: Option<&str>,
) -> bool {
    let emoji = emoji.map(str::to_owned);
    let is_full = marks.reactions.len() >= REACTIONS_MAX;
    match marks.reactions.iter_mut().find(|reaction| reaction.by == by) {
        Some(known) if (known.at, known.id) >= (at, id) => false,
        Some(known) => {
            let is_new = known.emoji != emoji;
            *known = ReactionRecord { by, at, id, emoji };
            is_new
        }
        None if is_full => false,
        None => {
            let is_new = emoji.is_some();
            marks.reactions.push(ReactionRecord { by, at, id, emoji });
            is_new
        }
    }
}

/// When the user reacts now: after what they did before, whatever the clock says.
pub(crate) fn next(marks: &MarksRecord, by: &IdentityId, when: When) -> When {
    let known = marks.reactions.iter().find(|reaction| reaction.by == *by);
    When { at: known.map_or(when.at, |known| when.at.max(known.at.plus(super::INSTANT))), ..when }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::{MessageId, UnixMillis};
    use proptest::prelude::*;

    use super::*;

    const ANN: IdentityId = IdentityId([1; 32]);

    fn when(at: u64, id: u8) -> When {
        When { at: UnixMillis(at), id: MessageId([id; 16]) }
    }

    fn shown(marks: &MarksRecord) -> Vec<(IdentityId, Option<String>)> {
        marks.reactions.iter().map(|reaction| (reaction.by, reaction.emoji.clone())).collect()
    }

    proptest! {
        #[test]
        fn the_last_one_counts_in_whatever_order_they_come(
            given in prop::collection::vec((0..5u64, prop::option::of("[a-c]")), 1..20),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let mut marks = MarksRecord::default();
            let all = order.iter().map(|index| index.index(given.len())).chain(0..given.len());
            let key = |n: usize| when(given[n].0, u8::try_from(n).unwrap_or(0));
            for n in all {
                apply(&mut marks, ANN, key(n), given[n].1.as_deref());
            }
            let last = (0..given.len()).max_by_key(|n| key(*n)).unwrap_or(0);
            prop_assert_eq!(shown(&marks), [(ANN, given[last].1.clone())]);
        }
    }

    #[test]
    fn reactions_are_bounded() {
        let mut marks = MarksRecord::default();
        for n in 0..10_000_u32 {
            apply(&mut marks, ANN, when(u64::from(n), 0), Some("+1"));
        }
        assert_eq!(marks.reactions.len(), 1);
        for n in 0..=u8::MAX {
            apply(&mut marks, IdentityId([n; 32]), when(1, n), Some("+1"));
        }
        assert_eq!(marks.reactions.len(), REACTIONS_MAX);
    }
}
