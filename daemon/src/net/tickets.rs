//! Questions to the engine, and who waits for their answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::ENGINE_ANSWER_MAX;
use martlet_engine::{Answer, Ticket};
use tokio::sync::oneshot;

/// The questions that are open. Each belongs to a sync, and their number is bounded with the syncs'.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    next: AtomicU64,
    open: Mutex<HashMap<Ticket, oneshot::Sender<Answer>>>,
}

/// Someone who waits for an answer. Dropped, the question is forgotten.
pub(super) struct Waiting {
    tickets: Arc<Tickets>,
    ticket: Ticket,
    answer: oneshot::Receiver<Answer>,
}

impl Tickets {
    /// A new question.
    pub(super) fn issue(self: &Arc<Self>) -> Waiting {
        let ticket = Ticket(self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, answer) = oneshot::channel();
        self.lock().insert(ticket, sender);
        Waiting { tickets: Arc::clone(self), ticket, answer }
    }

    /// Answers a question; one that nobody waits for any more is passed over.
    pub(super) fn answer(&self, ticket: Ticket, answer: Answer) {
        let sender = self.lock().remove(&ticket);
        if let Some(sender) = sender {
            // The one who asked may have gone.
            sender.send(answer).unwrap_or_default();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Ticket, oneshot::Sender<Answer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The question's number.
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Waits; `None` if the engine has ended.
    pub(super) async fn answer(mut self) -> Option<Answer> {
        tokio::time::timeout(ENGINE_ANSWER_MAX, &mut self.answer).await.ok()?.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.tickets.lock().remove(&self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use martlet_engine::Stored;

    use super::*;

    #[tokio::test]
    async fn each_question_gets_its_own_answer_and_none_is_left() {
        let tickets = Arc::new(Tickets::default());
        let (one, other, given_up) = (tickets.issue(), tickets.issue(), tickets.issue());
        tickets.answer(other.ticket(), Answer::Stored(Stored::NONE));
        tickets.answer(one.ticket(), Answer::Ids(Vec::new()));
        assert_eq!(other.answer().await, Some(Answer::Stored(Stored::NONE)));
        assert_eq!(one.answer().await, Some(Answer::Ids(Vec::new())));
        let ticket = given_up.ticket();
        drop(given_up);
        tickets.answer(ticket, Answer::Ids(Vec::new()));
        assert!(tickets.lock().is_empty());
    }
}
