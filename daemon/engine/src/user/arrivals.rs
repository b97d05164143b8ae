//! How far the user has looked through the mailbox.

use martlet_store::mailbox::Opening;

/// What came into the mailbox.
pub(super) struct Arrivals {
    /// The last one whose envelope was looked at.
    pub(super) looked_at: u64,
    /// The last one, as of the last batch.
    pub(super) last: u64,
}

impl Arrivals {
    /// As the vault remembers them, which had looked up to `processed` in the mailbox's opening `opening`, and as
    /// the mailbox has them. Where the mailbox was begun anew, or an older copy was put back, the number means
    /// another envelope, or none: all is looked at again.
    pub(super) fn new(processed: u64, opening: u64, openings: &[Opening], last: u64) -> Self {
        let is_known = known_up_to(processed, opening, openings) == processed;
        Self { looked_at: if is_known { processed.min(last) } else { 0 }, last }
    }
}

/// Up to which arrival, this one at most, the numbers of the mailbox's opening `opening` mean the same still.
pub(super) fn known_up_to(arrival: u64, opening: u64, openings: &[Opening]) -> u64 {
    // Of builds of before there were openings.
    if opening == 0 {
        return arrival;
    }
    let mut later = openings.iter().skip_while(|known| known.id != opening);
    match (later.next(), later.next()) {
        (None, _) => 0,
        (Some(_), None) => arrival,
        (Some(_), Some(next)) => arrival.min(next.first_arrival.saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Opening = Opening { id: 7, first_arrival: 1 };
    const SECOND: Opening = Opening { id: 8, first_arrival: 11 };

    fn looked_at(processed: u64, opening: u64, openings: &[Opening], last: u64) -> u64 {
        Arrivals::new(processed, opening, openings, last).looked_at
    }

    #[test]
    fn what_was_looked_at_is_not_looked_at_again() {
        assert_eq!(looked_at(5, 7, &[FIRST], 9), 5);
        assert_eq!(looked_at(10, 7, &[FIRST, SECOND], 30), 10);
        assert_eq!(looked_at(25, 8, &[FIRST, SECOND], 30), 25);
        assert_eq!(looked_at(25, 8, &[SECOND], 30), 25, "the first was forgotten");
    }

    #[test]
    fn numbers_of_another_mailbox_mean_nothing() {
        assert_eq!(looked_at(25, 9, &[FIRST, SECOND], 30), 0, "begun anew, or a copy of before");
        assert_eq!(looked_at(25, 7, &[FIRST, SECOND], 30), 0, "a copy of while it was open");
        assert_eq!(looked_at(25, 7, &[], 30), 0);
    }

    #[test]
    fn of_an_older_build_the_number_is_all_there_is() {
        assert_eq!(looked_at(25, 0, &[FIRST], 30), 25);
        assert_eq!(looked_at(25, 0, &[], 3), 3);
    }
}
