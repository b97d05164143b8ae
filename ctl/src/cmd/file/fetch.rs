//! Files that are fetched from who sent them.

use std::time::Duration;

use martlet_protocol::control::{
    DepotRefusal, Direction, EventBody, FileFailure, FileState, Message, MessageFile,
};

use super::message;
use crate::client::{Client, ClientError, Follower, Step, encode};
use crate::cmd::Context;
use crate::exit::Failure;
use crate::file::Bar;
use crate::render::{Question, count, short, word};

/// Where a file is, in a word or two.
pub(super) fn file_state(file: &MessageFile) -> String {
    let state = match file.state {
        FileState::Complete if file.received => "received",
        FileState::Complete if file.taken_bytes.is_some() => {
            return format!("taken {} %", percent(file.taken_bytes, file));
        }
        FileState::Complete if file.depots.unwrap_or_default() > 0 => {
            return format!("kept by {}", count(file.depots.unwrap_or_default().into(), "depot"));
        }
        FileState::Complete => match file.depot_refusal {
            None => "here",
            Some(DepotRefusal::Share) => "here: too large for the depot's share",
            Some(DepotRefusal::Full) => "here: the depot is full",
            Some(DepotRefusal::DiskLow) => "here: the depot's disk is full",
            Some(DepotRefusal::Other) => "here: the depot refused",
        },
        FileState::Offered => "offered",
        FileState::Refused => "refused",
        FileState::Gone => "gone",
        FileState::Failed => match file.failure {
            Some(FileFailure::Corrupt) => "failed: corrupt",
            Some(FileFailure::DiskLow) => "failed: disk full",
            Some(FileFailure::Disk) => "failed: disk",
            Some(FileFailure::Lost) => "failed: lost",
            None => "failed",
        },
        FileState::Fetching | FileState::Waiting => {
            let is_waiting = file.state == FileState::Waiting;
            let how = if is_waiting { "waiting" } else { "fetching" };
            return format!("{how} {} %", percent(file.fetched_bytes, file));
        }
    };
    state.to_owned()
}

/// Of what is sent of a file, which is up to an eighth more than it has.
fn percent(bytes: Option<u64>, file: &MessageFile) -> u64 {
    (bytes.unwrap_or_default() * 100 / file.bytes.max(1)).min(99)
}

/// Has a file fetched, and perhaps waits for it.
pub(super) async fn accept(
    context: &Context,
    id: &str,
    wait: bool,
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    let client = context.client()?;
    // Followed before it is accepted, so that nothing is missed.
    let follower = if wait { Some(Follower::open(client, None).await?) } else { None };
    let message: Message = client.post_empty(&format!("/v1/files/{}/accept", encode(id))).await?;
    let is_here = |message: &Message| {
        message.file.as_ref().is_some_and(|file| file.state == FileState::Complete)
    };
    if is_here(&message) {
        return context.output.done("The file is here.");
    }
    let Some(mut follower) = follower else {
        return context.output.done("It is fetched now, or as soon as its sender is on.");
    };
    let size = message.file.as_ref().map_or(0, |file| file.bytes);
    let bar = Bar::new(&short(&message.id), size, context.output.is_json());
    let waited = arrives(client, &mut follower, &message.id, &bar);
    let outcome = match timeout {
        Some(timeout) => tokio::time::timeout(timeout, waited).await,
        None => Ok(waited.await),
    };
    bar.end();
    match outcome {
        Ok(arrived) => arrived?,
        Err(_) => {
            return Err(Failure::TimedOut(format!(
                "file {} is not here so far; it is fetched all the same: martletctl file list",
                short(&message.id)
            )));
        }
    }
    context.output.done("The file is here.")
}

/// Waits until a file is here, or can't be had.
async fn arrives(
    client: &Client,
    follower: &mut Follower<'_>,
    wanted: &str,
    bar: &Bar,
) -> Result<(), Failure> {
    loop {
        let message = match follower.next().await {
            Ok(Step::Event(event)) => match happened(&event.body, wanted, bar)? {
                Some(message) => message,
                None => continue,
            },
            Ok(Step::Back | Step::Missed { .. }) => {
                client.get(&format!("/v1/messages/{}", encode(wanted))).await?
            }
            Ok(Step::Lost | Step::Locked) | Err(ClientError::UnknownEvent { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        match message.file.as_ref().map(|file| file.state) {
            Some(FileState::Complete) => return Ok(()),
            Some(FileState::Fetching | FileState::Waiting) => {}
            Some(FileState::Failed | FileState::Refused | FileState::Offered | FileState::Gone)
            | None => {
                return Err(Failure::Failed(format!(
                    "the file could not be fetched ({}): martletctl file list",
                    message.file.as_ref().map_or_else(|| "gone".to_owned(), file_state)
                )));
            }
        }
    }
}

/// What an event says of a file that is waited for: its message, if something came of it.
fn happened(body: &EventBody, wanted: &str, bar: &Bar) -> Result<Option<Message>, Failure> {
    if let EventBody::FileProgress { id, fetched_bytes, waiting, .. } = body
        && id == wanted
    {
        bar.at(*fetched_bytes, if *waiting { "waiting for its sender" } else { "" });
    }
    if let EventBody::MessageEnded { id, .. } = body
        && id == wanted
    {
        return Err(Failure::Failed("its message is gone, and the file with it".to_owned()));
    }
    if let EventBody::FileReceived { message } | EventBody::FileFailed { message } = body
        && message.id == wanted
    {
        return Ok(Some(message.clone()));
    }
    Ok(None)
}

/// Does not have it fetched.
pub(super) async fn refuse(context: &Context, id: &str) -> Result<(), Failure> {
    let path = format!("/v1/files/{}/refuse", encode(id));
    let message: Message = context.client()?.post_empty(&path).await?;
    context.output.done(&format!("Refused: {}.", named(&message)))
}

/// Ends its fetching.
pub(super) async fn cancel(context: &Context, id: &str) -> Result<(), Failure> {
    let client = context.client()?;
    let (message, file) = message(client, id).await?;
    match file.state {
        FileState::Fetching | FileState::Waiting => {}
        FileState::Complete
        | FileState::Offered
        | FileState::Failed
        | FileState::Refused
        | FileState::Gone => {
            return Err(Failure::Usage(
                "the file is not on its way: martletctl file list shows what is".to_owned(),
            ));
        }
    }
    client.delete(&format!("/v1/files/{}", message.id)).await?;
    context.output.done(&format!("Ended: {} is not fetched any more.", named(&message)))
}

/// Removes it here.
pub(super) async fn forget(context: &Context, id: &str, yes: bool) -> Result<(), Failure> {
    let client = context.client()?;
    let (message, file) = message(client, id).await?;
    if message.direction != Direction::In && !file.received && !yes {
        context.output.confirm(&Question {
            text: &format!(
                "{} has not said that they have {}. Nobody can fetch it from here any more then. Remove it?",
                word(&message.conversation),
                named(&message)
            ),
            refused: "nothing was removed",
            to_do: "remove it",
        })?;
    }
    client.delete(&format!("/v1/files/{}", message.id)).await?;
    context.output.done(&format!("Removed from this node: {}.", named(&message)))
}

fn named(message: &Message) -> String {
    message.file.as_ref().map_or_else(|| short(&message.id), |file| word(&file.name))
}
