//! `listen`: a program answers what comes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use martlet_protocol::control::{
    Direction, ErrorCode, Event, EventBody, Message, SendRequest, SendResponse,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::Context;
use super::send::seconds;
use crate::client::{Client, ClientError, Follower, Step};
use crate::exit::Failure;
use crate::limits::{LISTEN_JOBS_MAX, LISTEN_QUEUE_MAX, LISTEN_RETRY, LISTEN_SAVE_EVERY};
use crate::listen::{Cursor, CursorError, Hook, HookError, default_path};
use crate::render::{Output, new_device, one_line, word};

/// Run a program for each message that comes; what it prints is the answer
///
/// What a room's member tells of messages from before you came is none of them.
///
/// The program gets the event as one line of JSON on its standard input. What it prints on its standard output, up to a
/// message's 16,384 bytes, is sent back; nothing means no answer. A run that fails, hangs or prints more is told here, is
/// killed, and answers nothing. Messages of one conversation are handled one after the other, those of several at a time.
///
/// How far it came is in a file, so that after a restart it goes on where it was. A message whose run had begun is handled
/// again then: at least once, not exactly once. The first start begins with what comes from then on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl listen --exec ./echo-bot
  martletctl listen --timeout 5 --jobs 1 --exec python3 bot.py --verbose
  martletctl listen --cursor ~/.local/state/bridge.json --exec ./log-bridge ~/messages.log")]
pub(crate) struct Args {
    /// Keep there how far it came [default: $XDG_STATE_HOME/martlet/listen.json, or
    /// ~/.local/state/martlet/listen.json]
    #[arg(long, value_name = "FILE")]
    cursor: Option<PathBuf>,

    /// How many runs there may be at a time, 1 to 64
    #[arg(long, value_name = "COUNT", default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(LISTEN_JOBS_MAX)))]
    jobs: u16,

    /// Kill a run after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = some_seconds)]
    timeout: Duration,

    /// The program and its arguments: all that follows
    #[arg(long, value_name = "PROGRAM", required = true, num_args = 1.., allow_hyphen_values = true)]
    exec: Vec<OsString>,
}

/// With none every run would be killed before it began.
fn some_seconds(text: &str) -> Result<Duration, String> {
    seconds(text).and_then(|time| {
        if time.is_zero() { Err("a run needs more than no time".to_owned()) } else { Ok(time) }
    })
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let hook = Hook { program: self.exec, time_max: self.timeout };
        hook.check().map_err(|error| Failure::Usage(error.to_string()))?;
        let path = self.cursor.map_or_else(default_path, Ok)?;
        let cursor = Cursor::open(path)?;
        // Before the daemon is asked: `ctrl_c` would begin to wait only then.
        let unusable = |error| Failure::Failed(format!("cannot wait for signals: {error}"));
        let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
        let follower = Follower::open(client, cursor.since()).await?;
        let mut listener = Listener {
            client,
            output: &context.output,
            hook,
            jobs_max: usize::from(self.jobs),
            cursor,
            queues: BTreeMap::new(),
            busy: BTreeSet::new(),
            runs: JoinSet::new(),
        };
        let ended = tokio::select! {
            ended = listener.listen(follower) => ended,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        };
        // Runs that are cut short are begun again at the next start.
        listener.runs.shutdown().await;
        listener.cursor.save()?;
        ended
    }
}

impl From<CursorError> for Failure {
    fn from(error: CursorError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// A run that ended.
struct Done {
    seq: u64,
    conversation: String,
    result: Result<Option<String>, HookError>,
}

struct Listener<'a> {
    client: &'a Client,
    output: &'a Output,
    hook: Hook,
    jobs_max: usize,
    cursor: Cursor,
    /// What waits, by conversation.
    queues: BTreeMap<String, VecDeque<(u64, String)>>,
    /// Conversations of which a message is being handled.
    busy: BTreeSet<String>,
    runs: JoinSet<Done>,
}

impl Listener<'_> {
    async fn listen(&mut self, mut follower: Follower<'_>) -> Result<(), Failure> {
        let mut save = tokio::time::interval(LISTEN_SAVE_EVERY);
        loop {
            self.start_runs();
            let may_queue =
                self.queues.values().map(VecDeque::len).sum::<usize>() < LISTEN_QUEUE_MAX;
            tokio::select! {
                biased;
                Some(done) = self.runs.join_next() => {
                    let done = done.map_err(|error| Failure::Failed(error.to_string()))?;
                    self.finish(done).await?;
                }
                step = follower.next(), if may_queue => self.take(step)?,
                _ = save.tick() => {
                    if let Some(seq) = follower.last_seq().filter(|_| !self.cursor.is_known()) {
                        self.cursor.begin_after(seq);
                    }
                    self.cursor.save()?;
                }
            }
        }
    }

    /// Begins runs, as many as there may be; of each conversation one.
    fn start_runs(&mut self) {
        while self.runs.len() < self.jobs_max {
            let next = self.queues.iter_mut().find(|(name, _)| !self.busy.contains(*name));
            let Some((name, queue)) = next else { return };
            let (conversation, message) = (name.clone(), queue.pop_front());
            if queue.is_empty() {
                self.queues.remove(&conversation);
            }
            let Some((seq, line)) = message else { continue };
            self.busy.insert(conversation.clone());
            let hook = self.hook.clone();
            self.runs.spawn(async move {
                let result = hook.run(line).await;
                Done { seq, conversation, result }
            });
        }
    }

    fn take(&mut self, step: Result<Step, ClientError>) -> Result<(), Failure> {
        match step {
            Ok(Step::Event(event)) => self.take_event(&event)?,
            Ok(Step::Lost) => self.output.note("The daemon ended the events; waiting for it."),
            Ok(Step::Locked) => {
                self.output.note("The vault is locked; waiting for: martletctl unlock");
            }
            Ok(Step::Back) => self.output.note("The daemon is back."),
            Ok(Step::Missed { count }) => {
                self.output.note(&format!("{count} events before this one are no longer kept."));
            }
            // Of a kind not known here, and so no message.
            Err(ClientError::UnknownEvent { seq, .. }) => {
                if let Ok(seq) = seq.parse()
                    && self.cursor.take(seq)
                {
                    self.cursor.finish(seq);
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn take_event(&mut self, event: &Event) -> Result<(), Failure> {
        // It is in no log: its number is that of the event before, whose run may go on.
        if event.body.is_passing() || !self.cursor.take(event.seq) {
            return Ok(());
        }
        if let EventBody::ContactDevicesChanged { name, devices } = &event.body {
            self.output.note_hanging("martletctl: ", &new_device(name, *devices));
        }
        match &event.body {
            EventBody::MessageReceived { message } if is_to_be_handled(message) => {
                let mut line = serde_json::to_string(event)
                    .map_err(|error| Failure::Failed(format!("event {}: {error}", event.seq)))?;
                line.push('\n');
                let queue = self.queues.entry(message.conversation.clone()).or_default();
                queue.push_back((event.seq, line));
                // Before its run begins: else a crash in it would lose the message.
                self.cursor.save()?;
            }
            EventBody::MessageReceived { .. }
            | EventBody::MessageQueued { .. }
            | EventBody::MessageState { .. }
            | EventBody::MessageReached { .. }
            | EventBody::MessageEdited { .. }
            | EventBody::MessageReaction { .. }
            | EventBody::MessageRead { .. }
            | EventBody::MessageEnded { .. }
            | EventBody::MessagesLost { .. }
            | EventBody::ConversationRead { .. }
            | EventBody::ConversationCleared { .. }
            | EventBody::ContactProfile { .. }
            | EventBody::ContactDevices { .. }
            | EventBody::ContactTerminated { .. }
            | EventBody::DevicesChanged
            | EventBody::AccountTerminated
            | EventBody::RequestReceived { .. }
            | EventBody::ContactAdded { .. }
            | EventBody::ContactRenamed { .. }
            | EventBody::ContactRemoved { .. }
            | EventBody::ContactReachable { .. }
            | EventBody::ContactDevicesChanged { .. }
            | EventBody::ContactVerified { .. }
            | EventBody::InviteUsed { .. }
            | EventBody::RoomJoined { .. }
            | EventBody::RoomChanged { .. }
            | EventBody::RoomLeft { .. }
            | EventBody::RoomUndone { .. }
            | EventBody::RoomEquivocation { .. }
            | EventBody::InviteRefused { .. }
            | EventBody::InviteAccepted { .. }
            | EventBody::Typing { .. }
            | EventBody::FileProgress { .. }
            | EventBody::FileReceived { .. }
            | EventBody::FileFailed { .. }
            | EventBody::Gone { .. } => self.cursor.finish(event.seq),
        }
        Ok(())
    }

    async fn finish(&mut self, done: Done) -> Result<(), Failure> {
        let Done { seq, conversation, result } = done;
        match result {
            Ok(None) => {}
            Ok(Some(text)) => self.reply(&conversation, text).await?,
            // Nothing would run for the next message either.
            Err(error @ HookError::NotRun { .. }) => return Err(Failure::Usage(error.to_string())),
            Err(error) => self.tell(seq, &conversation, &error.to_string()),
        }
        self.cursor.finish(seq);
        self.busy.remove(&conversation);
        Ok(self.cursor.save()?)
    }

    /// Sends what a run printed, however long the daemon is away or locked.
    async fn reply(&self, to: &str, text: String) -> Result<(), Failure> {
        let request = SendRequest { to: to.to_owned(), text, ..SendRequest::default() };
        let mut was_told = false;
        loop {
            let sent: Result<SendResponse, _> = self.client.post("/v1/messages", &request).await;
            match sent {
                Ok(_) => return Ok(()),
                Err(
                    ClientError::NotRunning { .. }
                    | ClientError::Disconnected { .. }
                    | ClientError::Timeout,
                ) => {}
                Err(ClientError::Problem(problem))
                    if matches!(problem.code, ErrorCode::Locked | ErrorCode::Stopping) => {}
                // Removed, blocked, or too long: that will not change.
                Err(ClientError::Problem(problem)) => {
                    let to = word(to);
                    self.output.note(&format!("no answer to {to} was sent: {}", problem.detail));
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
            if !std::mem::replace(&mut was_told, true) {
                self.output.note("An answer waits for the daemon.");
            }
            tokio::time::sleep(LISTEN_RETRY).await;
        }
    }

    fn tell(&self, seq: u64, conversation: &str, what: &str) {
        let text = format!("event {seq}, from {}: {what}", word(conversation));
        self.output.note_hanging("martletctl: ", &one_line(&text));
    }
}

/// What came, and was not told by someone else: then the message itself may still come, under the same id.
fn is_to_be_handled(message: &Message) -> bool {
    message.direction == Direction::In && message.told_by.is_none()
}
