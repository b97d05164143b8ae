//! Who is mentioned in what the user writes in a room: `@` and a member's name, as the user knows them.
//!
//! The message says who, since others may know them by other names.

use martlet_protocol::IdentityId;
use martlet_protocol::limits::MENTIONS_MAX;

use super::User;
use crate::limits::ID_DIGITS_MIN;

impl User {
    /// The members of the room that stands there whom a text mentions, each once: by the longest name that fits. Of several who
    /// have that name, all.
    pub(super) fn mentioned_in(&self, line: &IdentityId, text: &str) -> Vec<IdentityId> {
        let Some(known) = self.directory.rooms().of_line(line) else { return Vec::new() };
        if !text.contains('@') {
            return Vec::new();
        }
        let view = self.view();
        let others = known.members().filter(|who| **who != self.identity);
        let names = others.flat_map(|who| {
            let person = view.room_person(who);
            // Who has not said a name yet is shown by the beginning of their ID.
            let digits = person.id.strip_prefix("martlet1").unwrap_or(&person.id);
            let digits = digits.chars().take(ID_DIGITS_MIN).collect();
            let names = [person.name, person.calls_themselves, Some(digits)].into_iter().flatten();
            names.map(|name| (name.to_lowercase(), *who))
        });
        let names: Vec<_> = names.filter(|(name, _)| !name.is_empty()).collect();
        let mut mentioned = Vec::new();
        for who in mentions(text, &names) {
            if mentioned.len() < MENTIONS_MAX && !mentioned.contains(&who) {
                mentioned.push(who);
            }
        }
        mentioned
    }
}

/// Those of whose names (in small letters) one stands after an `@`.
fn mentions(text: &str, names: &[(String, IdentityId)]) -> Vec<IdentityId> {
    let mut found = Vec::new();
    let mut before = None;
    for (at, letter) in text.char_indices() {
        // Not an address: ada@example.org.
        let begins = letter == '@' && !before.is_some_and(char::is_alphanumeric);
        before = Some(letter);
        if !begins {
            continue;
        }
        let rest = &text[at + 1..];
        let fitting = names.iter().filter(|(name, _)| starts_with_name(rest, name));
        let fitting: Vec<_> = fitting.collect();
        let longest = fitting.iter().map(|(name, _)| name.len()).max();
        let meant = fitting.into_iter().filter(|(name, _)| Some(name.len()) == longest);
        found.extend(meant.map(|(_, who)| *who));
    }
    found
}

/// Whether a text begins with a name, in whatever letters, and that is a word's end.
fn starts_with_name(text: &str, name: &str) -> bool {
    let mut letters = text.chars();
    let mut folded = letters.by_ref().flat_map(char::to_lowercase);
    if !name.chars().all(|letter| folded.next() == Some(letter)) {
        return false;
    }
    let next = folded.next();
    !next.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_longest_name_after_an_at_sign_is_meant() {
        let names = ["bob", "bob smith", "zoë", "carol", "carol"];
        let names =
            names.iter().zip(0..).map(|(name, at)| (name.to_string(), IdentityId([at; 32])));
        let names: Vec<_> = names.collect();
        let found = |text: &str| -> Vec<u8> {
            mentions(text, &names).iter().map(|who| *who.0.first().unwrap()).collect()
        };
        assert_eq!(found("@bob, come"), [0]);
        assert_eq!(found("hey @Bob Smith!"), [1]);
        assert_eq!(found("(@ZOË)"), [2]);
        assert_eq!(found("@carol and @bob"), [3, 4, 0]);
        assert_eq!(found("@bobby @ bob bob@carol @"), [0_u8; 0]);
        assert_eq!(found("@@bob"), [0]);
    }
}
