//! What the chat could not send before it ended.

use super::model::{Fate, Model, Place};
use super::text::short;
use crate::exit::Failure;
use crate::render::{Output, block, count};

/// Says whole what still waits, so that it can be sent again; why the chat fails, if something does.
pub(super) fn tell(model: &Model, why: &str, output: &Output) -> Result<(), Failure> {
    let mut lost = 0;
    for waiting in &model.outgoing.queue {
        let doubt = match waiting.fate {
            Fate::Waits => "",
            Fate::Asked | Fate::Unknown => "perhaps ",
            // It is on disk: only the answer has not come.
            Fate::Stored => continue,
        };
        lost += 1;
        output.note_whole(&format!("{doubt}{}", line(&waiting.place, &waiting.text)));
    }
    if lost == 0 { Ok(()) } else { Err(failure(lost, why)) }
}

/// One message that was not sent.
pub(super) fn line(place: &Place, text: &str) -> String {
    format!("not sent, {}: {}", to(place), block(text, 2))
}

/// One edit that was not done.
pub(super) fn edit(place: &Place, text: &str) -> String {
    format!("not edited, {}: {}", to(place), block(text, 2))
}

fn to(place: &Place) -> String {
    match place {
        Place::Contact(name) => format!("to {}", short(name)),
        Place::Notes | Place::Requests => "a note".to_owned(),
    }
}

/// That so many were not sent.
pub(super) fn failure(messages: u64, why: &str) -> Failure {
    let were = if messages == 1 { "was" } else { "were" };
    Failure::Failed(format!("{} {were} not sent: {why}", count(messages, "message")))
}
