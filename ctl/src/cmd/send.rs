//! `send`: write to someone.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{
    Delivery, EventBody, FileSend, Message, Room, SendRequest, SendResponse, TimerSetting,
};
use tokio::time::Instant;

use super::Context;
use super::text::given;
use crate::client::{Client, ClientError, Follower, Step, UploadError, encode};
use crate::complete::conversations;
use crate::exit::Failure;
use crate::file::{Bar, Outgoing, OutgoingBytes, read};
use crate::render::{argument, state_name, timer, word};

/// Write to a contact or in a room; prints the message's id
///
/// The message is on disk when the id is printed. A contact who is away gets it when they are back,
/// up to six days later.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl send bob 'Hello!'
  martletctl send bob - < letter.txt
  martletctl send bob 'On my way' --wait delivered --timeout 30
  martletctl send bob 'At eight' --reply 5f0c1a   answers the message whose id begins so
  martletctl send bob 'The code is 7319' --expire 1h --burn 30s
  martletctl send bob --file minutes.pdf --text 'of Monday'
  martletctl send bob --voice memo.ogg
  martletctl send --room bridge 'All hands'
  martletctl send bob -- '-5 degrees'   a text that begins with a hyphen")]
pub(crate) struct Args {
    /// The contact's name, or the room's
    #[arg(value_parser = NonEmptyStringValueParser::new(), add = conversations())]
    name: String,

    /// The name is a room's, though a contact is called so, too
    #[arg(long)]
    room: bool,

    /// The text; - reads it from standard input, without a line end at its end
    #[arg(required_unless_present = "attached", conflicts_with = "attached")]
    text: Option<String>,

    /// Send this file, of at most 5 GiB. One of up to 4 MiB (512 KiB where the network is not on one LAN) goes through other nodes, too, and reaches who is away; a larger one is fetched from this node, while both are on. A picture is made anew first, without what a camera wrote into it
    #[arg(long, value_name = "FILE", group = "attached")]
    file: Option<PathBuf>,

    /// Send this voice memo: Opus in an Ogg file, as opusenc makes it from what arecord or pw-record recorded. It goes as a file does, and
    /// is shown with its length
    #[arg(long, value_name = "FILE", group = "attached")]
    voice: Option<PathBuf>,

    /// What you say about the file, or the voice memo
    #[arg(
        long = "text",
        value_name = "TEXT",
        requires = "attached",
        conflicts_with = "text",
        allow_hyphen_values = true
    )]
    about: Option<String>,

    /// Send a picture as it is, with whatever a camera wrote into it, such as the place
    #[arg(long, requires = "file", conflicts_with_all = ["text", "voice"])]
    original: bool,

    /// Send no small picture with a photo. Then its message is as large as that of any file
    #[arg(long, requires = "file", conflicts_with_all = ["text", "voice", "original"])]
    no_thumbnail: bool,

    /// Answer the message with this id, or with an id that begins so
    #[arg(long, value_name = "ID")]
    reply: Option<String>,

    /// Wait until another node holds the message (sent), or until the contact has it (delivered). In a room of more than eight
    /// devices nobody is told more than sent
    #[arg(long, value_name = "STATE")]
    wait: Option<Wanted>,

    /// Wait at most this long, then exit with code 5. The message stays on its way
    #[arg(long, value_name = "SECONDS", requires = "wait", value_parser = seconds)]
    timeout: Option<Duration>,

    /// The message is gone so long after it is sent: 1s to 6d (s, min, h, d), or off. As the conversation has it if
    /// not given
    #[arg(long, value_name = "TIME", value_parser = timer, allow_hyphen_values = true)]
    expire: Option<TimerSetting>,

    /// It is gone so long after it is read: 1s to 6d, or off. The recipient reads it with martletctl read or in the chat;
    /// history and inbox show it and begin nothing. Here it is gone so long after it was delivered, read or not, and can't be
    /// recalled then
    #[arg(long, value_name = "TIME", value_parser = timer, allow_hyphen_values = true)]
    burn: Option<TimerSetting>,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Wanted {
    Sent,
    Delivered,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let is_voice = self.voice.is_some();
        let what = match (self.file.or(self.voice), self.text) {
            (Some(path), _) => {
                let as_it_is = self.original || is_voice;
                let mut outgoing = read(&path, as_it_is, &context.before).await?;
                if self.no_thumbnail {
                    outgoing.thumbnail = None;
                }
                What::File(Box::new(outgoing))
            }
            (None, text) => What::Text(given(text.unwrap_or_default())?),
        };
        // Followed before it is sent, so that nothing is missed.
        let follower = match self.wait {
            Some(_) => Some(Follower::open(client, None).await?),
            None => None,
        };
        let (expire_seconds, burn_seconds) = (self.expire, self.burn);
        let to = match self.room {
            true => client.get::<Room>(&format!("/v1/rooms/{}", encode(&self.name))).await?.id,
            false => self.name,
        };
        let reply_to = self.reply;
        let mut sent: SendResponse = match what {
            What::Text(text) => {
                let to = to.clone();
                let request = SendRequest { to, text, expire_seconds, burn_seconds, reply_to };
                client.post("/v1/messages", &request).await?
            }
            What::File(outgoing) => {
                let (to, text) = (to.clone(), self.about);
                let name = outgoing.name.clone();
                let request = FileSend {
                    to,
                    name,
                    text,
                    expire_seconds,
                    burn_seconds,
                    reply_to,
                    voice: is_voice,
                    thumbnail: outgoing.thumbnail.as_deref().map(hex),
                };
                post(context, &request, *outgoing).await?
            }
        };
        let show =
            |sent: &SendResponse| context.output.show(sent, |sent, page| page.line(word(&sent.id)));
        let (Some(wanted), Some(follower)) = (self.wait, follower) else {
            show(&sent)?;
            match sent.state {
                Delivery::NeedsConfirmation => context.output.note(&held(&to)),
                Delivery::NeedsState => context.output.note(ASKS),
                Delivery::Queued
                | Delivery::Sent
                | Delivery::Delivered
                | Delivery::Read
                | Delivery::Expired
                | Delivery::Recalled => {}
            }
            return Ok(());
        };
        // People have the id at once, whatever happens; JSON has the last state with it.
        if !context.output.is_json() {
            show(&sent)?;
        }
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let mut wait = Wait { context, client, follower, wanted, message: &mut sent };
        let outcome = wait.run(deadline).await;
        if context.output.is_json() {
            show(&sent)?;
        }
        match outcome? {
            Outcome::Reached => Ok(()),
            Outcome::Expired => Err(Failure::Failed(format!(
                "message {} expired: its time, at most six days, passed without proof of delivery",
                word(&sent.id)
            ))),
            Outcome::Held => Err(Failure::Failed(held(&to))),
            Outcome::Recalled => {
                Err(Failure::Failed(format!("message {} was recalled", word(&sent.id))))
            }
            Outcome::TimedOut => Err(Failure::TimedOut(format!(
                "message {} is {} so far; it stays on its way: martletctl history {}",
                word(&sent.id),
                state_name(sent.state),
                argument(&to),
            ))),
        }
    }
}

/// What is sent.
enum What {
    Text(String),
    File(Box<Outgoing>),
}

/// Gives a file to the daemon.
async fn post(
    context: &Context,
    request: &FileSend,
    outgoing: Outgoing,
) -> Result<SendResponse, Failure> {
    let (client, path) = (context.client()?, path_of(request));
    let Outgoing { name, media_type, bytes, thumbnail: _ } = outgoing;
    let mut file = match bytes {
        OutgoingBytes::Read(bytes) => {
            return Ok(client.post_file(&path, media_type, bytes).await?);
        }
        OutgoingBytes::Large(file) => file,
    };
    let size = file.size();
    let bar = Bar::new(&word(&name), size, context.output.is_json());
    let shown = bar.clone();
    let next = Box::new(move |left: u64, max: usize| {
        let bytes = file.read(left, max)?;
        shown.more(bytes.len() as u64);
        Ok(bytes)
    });
    let sent = client.post_large_file(&path, media_type, (size, next)).await;
    bar.end();
    sent.map_err(|error| match error {
        UploadError::Client(error) => error.into(),
        UploadError::File(error) => Failure::Usage(format!("{}: {error}", word(&name))),
    })
}

/// Where a file is sent to.
fn path_of(request: &FileSend) -> String {
    let FileSend { to, name, text, expire_seconds, burn_seconds, reply_to, voice, thumbnail } =
        request;
    let timer = |setting: &Option<TimerSetting>| {
        setting.map(|setting| match setting {
            TimerSetting::Seconds(seconds) => seconds.to_string(),
            TimerSetting::Off(_) => "off".to_owned(),
        })
    };
    let mut path = format!("/v1/files?to={}&name={}", encode(to), encode(name));
    for (parameter, value) in [
        ("text", text.clone()),
        ("expire_seconds", timer(expire_seconds)),
        ("burn_seconds", timer(burn_seconds)),
        ("reply_to", reply_to.clone()),
        ("voice", voice.then(|| "true".to_owned())),
        ("thumbnail", thumbnail.clone()),
    ] {
        if let Some(value) = value {
            path.push_str(&format!("&{parameter}={}", encode(&value)));
        }
    }
    path
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a message waits for a member's word.
const ASKS: &str = "you were away, so the room's members are asked what became of it: the message waits for that, or for ten minutes";

/// Why a message waits for the user's word.
fn held(name: &str) -> String {
    let (name, to_verify) = (word(name), argument(name));
    format!(
        "{name} has a new device since you verified them, so the message waits until you confirm it (strict_devices is on): \
         martletctl contact verify {to_verify}"
    )
}

/// Waiting for one message.
struct Wait<'a> {
    context: &'a Context,
    client: &'a Client,
    follower: Follower<'a>,
    wanted: Wanted,
    message: &'a mut SendResponse,
}

enum Outcome {
    Reached,
    Held,
    Expired,
    Recalled,
    TimedOut,
}

impl Wait<'_> {
    async fn run(&mut self, deadline: Option<Instant>) -> Result<Outcome, Failure> {
        let start = Instant::now();
        self.context.output.progress(state_name(self.message.state));
        loop {
            if let Some(outcome) = self.outcome() {
                return Ok(outcome);
            }
            let advance = self.advance(start);
            match deadline {
                Some(deadline) => match tokio::time::timeout_at(deadline, advance).await {
                    Ok(result) => result?,
                    Err(_) => return Ok(Outcome::TimedOut),
                },
                None => advance.await?,
            }
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        match (self.message.state, self.wanted) {
            (Delivery::NeedsConfirmation, _) => Some(Outcome::Held),
            (Delivery::Expired, _) => Some(Outcome::Expired),
            (Delivery::Recalled, _) => Some(Outcome::Recalled),
            (Delivery::Delivered | Delivery::Read, _) | (Delivery::Sent, Wanted::Sent) => {
                Some(Outcome::Reached)
            }
            (Delivery::NeedsState | Delivery::Queued, _) | (Delivery::Sent, Wanted::Delivered) => {
                None
            }
        }
    }

    /// Waits for the next thing to happen, and takes it in.
    async fn advance(&mut self, start: Instant) -> Result<(), Failure> {
        match self.follower.next().await {
            Ok(Step::Event(event)) => {
                if let EventBody::MessageState { id, state, .. } = event.body
                    && id == self.message.id
                {
                    self.reached(state, start);
                }
            }
            Ok(Step::Lost) => {
                self.context.output.note("The daemon ended the events; waiting for it.")
            }
            Ok(Step::Locked) => {
                self.context.output.note("The vault is locked; waiting for: martletctl unlock");
            }
            // What happened meanwhile may be no event any more, or happened before the first one.
            Ok(Step::Back | Step::Missed { .. }) => {
                let path = format!("/v1/messages/{}", self.message.id);
                match self.client.get::<Message>(&path).await {
                    Ok(message) => self.reached(message.state, start),
                    // Gone again: the events tell.
                    Err(ClientError::NotRunning { .. } | ClientError::Disconnected { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            // Of a kind that doesn't matter here.
            Err(ClientError::UnknownEvent { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn reached(&mut self, state: Delivery, start: Instant) {
        // States only ever advance; an older event may come after a newer answer.
        if state > self.message.state {
            self.message.state = state;
            let seconds = start.elapsed().as_secs_f64();
            self.context.output.progress(&format!("{} after {seconds:.1} s", state_name(state)));
        }
    }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        // An instant so far away can't be told.
        .filter(|timeout| *timeout <= TIMEOUT_MAX)
        .ok_or_else(|| "a number of seconds, such as 30 or 0.5".to_owned())
}

/// Longest time-out: a year. No message lives longer than six days.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outs_are_positive_seconds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["-1", "x", "1e300", "NaN", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
