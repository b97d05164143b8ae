use std::time::Duration;

use martlet_protocol::{IdentityId, UnixMillis};

use super::*;

impl Agenda {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.dues.len()
    }

    /// How many of them are due.
    pub(crate) fn count_due(&self, now: UnixMillis, steady: Duration) -> usize {
        let is_due = |due: &&Due| match due {
            Due::Now(at) | Due::Sure(at) => *at <= now,
            Due::Steady(at) => *at <= steady,
        };
        self.dues.values().filter(is_due).count()
    }
}

const ANN: What = What::Waiting(IdentityId([1; 32]));
const BOB: What = What::LookUp(IdentityId([2; 32]));

/// What is taken at this second, by all three times.
fn take(agenda: &mut Agenda, second: u64) -> Vec<What> {
    let (now, steady) = (UnixMillis(second * 1000), Duration::from_secs(second));
    agenda.take_due(now, now, steady).into_iter().collect()
}

fn now(second: u64) -> Due {
    Due::Now(UnixMillis(second * 1000))
}

#[test]
fn what_is_due_is_taken_once_and_nothing_else_is() {
    let mut agenda = Agenda::default();
    agenda.set(ANN, now(5));
    agenda.set(BOB, Due::Sure(UnixMillis(6000)));
    agenda.set(What::Pings, Due::Steady(Duration::from_secs(7)));
    assert_eq!(take(&mut agenda, 4), []);
    assert_eq!(take(&mut agenda, 5), [ANN]);
    assert_eq!(take(&mut agenda, 5), []);
    // Each by its own time.
    let (sure, steady) = (UnixMillis(5999), Duration::from_secs(6));
    assert!(agenda.take_due(UnixMillis(u64::MAX), sure, steady).is_empty());
    assert_eq!(take(&mut agenda, 7), [What::Pings, BOB]);
    assert!(agenda.queue.is_empty() && agenda.dues.is_empty());
}

#[test]
fn a_subject_has_one_entry() {
    let mut agenda = Agenda::default();
    for second in [5, 3, 9] {
        agenda.set(ANN, now(second));
    }
    agenda.set_if_none(ANN, now(1));
    assert_eq!((agenda.queue.len(), agenda.dues.len()), (1, 1));
    assert_eq!(take(&mut agenda, 8), []);
    assert_eq!(take(&mut agenda, 9), [ANN]);
    agenda.set_if_none(ANN, now(1));
    agenda.set(ANN, None);
    assert!(agenda.queue.is_empty() && agenda.dues.is_empty());
}

#[test]
fn it_is_read_at_the_start_and_where_the_clock_went_back() {
    let mut agenda = Agenda::unread();
    agenda.begin_day(Day(3));
    let mut must_be_read = |second, has_stepped| {
        agenda.begin_batch(UnixMillis(second), has_stepped);
        let is_unread = agenda.is_unread();
        agenda.begin();
        (is_unread, agenda.has_begun())
    };
    assert_eq!(must_be_read(5, false), (true, true));
    assert_eq!(must_be_read(5, false), (false, true));
    assert_eq!(must_be_read(9, false), (false, true));
    assert_eq!(must_be_read(8, false), (true, true));
    assert_eq!(must_be_read(8, false), (false, true));
    assert_eq!(must_be_read(9, true), (true, false));
    // Once in a batch without a tick it is to be read, it is, however the clock goes on.
    agenda.begin_batch(UnixMillis(7), false);
    agenda.begin_batch(UnixMillis(9), false);
    assert!(agenda.is_unread());
}
