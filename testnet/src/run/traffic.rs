//! Writing the messages.

use std::io::Read;
use std::time::Duration;

use futures::future::try_join_all;
use martlet_protocol::control::{SendRequest, SendResponse};
use martletctl::client::{Client, ClientError, UploadError, encode};

use super::stage::Stage;
use super::{Diary, Hosts, RunError, contacts};
use crate::plan::{Addressee, FilePlan, MessagePlan, file_contents, file_name};
use crate::report::recorder::MessageIndex;

/// How long a message waits for its contact, who is about to be added: on a busy machine that takes
/// a while.
const CONTACT_MAX: Duration = Duration::from_secs(5);
/// What every file is, as its sender says.
const MEDIA_TYPE: &str = "application/octet-stream";
/// Time between two looks whether it was.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Writes each message when it is time, each user's one after the other; then waits for ever.
pub(super) async fn write(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    diary: &Diary<'_>,
) -> Result<(), RunError> {
    let clients = contacts::clients(stage, hosts)?;
    let mut by_writer: Vec<Vec<(MessageIndex, MessagePlan)>> =
        vec![Vec::new(); stage.plan.nodes.len()];
    for (index, message) in stage.plan.messages.iter().enumerate() {
        let node = message.from;
        by_writer.get_mut(node).ok_or(RunError::NoNode { node })?.push((index, *message));
    }
    try_join_all(clients.iter().zip(&by_writer).map(async |(client, messages)| {
        for (index, message) in messages {
            diary.sleep_until(message.at).await;
            one(stage, client, diary, *index, message).await;
        }
        Ok::<_, RunError>(())
    }))
    .await?;
    std::future::pending().await
}

async fn one(
    stage: &Stage<'_>,
    client: &Client,
    diary: &Diary<'_>,
    index: MessageIndex,
    message: &MessagePlan,
) {
    let at = diary.now();
    let given_up = at + CONTACT_MAX;
    // What is a person's contact on one device is so on the others a little later.
    let person = stage.plan.person(message.from);
    let knows = || match message.to {
        Addressee::Person(to) => stage.knows(person, to),
        // Whether they are in the room only their daemon knows.
        Addressee::Room(_) => true,
    };
    while stage.is_on(message.from) && !knows() {
        if diary.now() >= given_up || !is_promised(stage, message) {
            break;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    if !stage.is_on(message.from) || !knows() {
        return diary.skipped(index);
    }
    let to = stage.plan.name_of(message.to);
    let sent = match message.file {
        Some(file) => send_file(client, to, index, file).await,
        None => {
            let (to, text) = (to.to_owned(), text(index, message.bytes));
            let request = SendRequest { to, text, ..SendRequest::default() };
            client.post::<_, SendResponse>("/v1/messages", &request).await
        }
    };
    match sent {
        Ok(SendResponse { id, .. }) => {
            diary.written(index, at);
            diary.named(index, id);
        }
        Err(ClientError::Disconnected { .. } | ClientError::Timeout) => diary.unsure(index, at),
        Err(
            ClientError::NotRunning { .. }
            | ClientError::Connect { .. }
            | ClientError::Problem(_)
            | ClientError::Protocol(_)
            | ClientError::UnknownEvent { .. },
        ) => diary.skipped(index),
    }
}

async fn send_file(
    client: &Client,
    to: &str,
    index: MessageIndex,
    file: FilePlan,
) -> Result<SendResponse, ClientError> {
    let path = format!("/v1/files?to={}&name={}", encode(to), encode(&file_name(index)));
    let mut contents = file_contents(index, file.bytes);
    let next = Box::new(move |left: u64, max: usize| {
        let mut bytes = vec![0; usize::try_from(left).map_or(max, |left| left.min(max))];
        contents.read_exact(&mut bytes)?;
        Ok(bytes)
    });
    let sent = client.post_large_file(&path, MEDIA_TYPE, (file.bytes, next)).await;
    sent.map_err(|error| match error {
        UploadError::Client(error) => error,
        // It is made as it is read.
        UploadError::File(error) => ClientError::Protocol(error.to_string()),
    })
}

/// Whether the plan has made the two contacts by now.
fn is_promised(stage: &Stage<'_>, message: &MessagePlan) -> bool {
    let person = stage.plan.person(message.from);
    let Addressee::Person(to) = message.to else { return false };
    let pair = [(person, to), (to, person)];
    let mut made = stage.plan.contacts.iter().take_while(|contact| contact.at <= message.at);
    made.any(|contact| pair.contains(&(contact.a, contact.b)))
}

/// The text of a message: a number that tells it from all others, then filler.
fn text(index: MessageIndex, bytes: usize) -> String {
    let number = format!("#{index:06} ");
    let filler = ".".repeat(bytes.saturating_sub(number.len()));
    number + &filler
}

/// The message that begins with such a number.
pub(super) fn number(text: &str) -> Option<MessageIndex> {
    text.strip_prefix('#')?.split_once(' ')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_text() {
        assert_eq!(text(123, 16), "#000123 ........");
        for index in [0, 999_999, 1_000_000] {
            assert_eq!(number(&text(index, 16)), Some(index));
        }
        for other in ["hello", "#12", "#x y", ""] {
            assert_eq!(number(other), None);
        }
    }
}
