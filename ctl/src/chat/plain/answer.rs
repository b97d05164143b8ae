//! What commands brought, as it is printed in plain mode.

use martlet_protocol::control::Direction;

use super::super::model::{Told, timers_in_words};
use super::super::text::{in_one_line, short};
use super::Plain;
use crate::exit::Failure;

impl Plain<'_> {
    /// What a command brought that the model keeps to itself.
    pub(super) fn print_answer(&self, told: &Told) -> Result<(), Failure> {
        match told {
            Told::Found { found, .. } => {
                for result in &found.results {
                    let time = self.model.clock.day_and_minute(result.sent_at);
                    let (name, who) = match result.direction {
                        Direction::In => (short(&result.conversation), ""),
                        Direction::Out => (short(&result.conversation), "you: "),
                        Direction::Note => ("notes".to_owned(), ""),
                    };
                    let text = format!("{}{}{}", result.before, result.found, result.after);
                    self.say(&format!("{name}, {time}: {who}{}", in_one_line(&text)))?;
                }
                if found.more { self.say("There are older ones.") } else { Ok(()) }
            }
            Told::Timers { name, timers } => match self.asked_timers.as_ref() == Some(name) {
                true => {
                    let told = timers_in_words(timers).unwrap_or_else(|| "don't end".to_owned());
                    self.say(&format!("Messages with {} {told}.", short(name)))
                }
                false => Ok(()),
            },
            Told::Edited { result: Ok(_), .. } => self.say("Edited."),
            Told::Settings { name, settings } => {
                let muted = if settings.muted { "muted" } else { "not muted" };
                let pinned = if settings.pinned { "pinned" } else { "not pinned" };
                self.say(&format!("{} is {muted} and {pinned}.", short(name)))
            }
            _ => Ok(()),
        }
    }
}
