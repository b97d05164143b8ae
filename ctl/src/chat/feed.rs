//! The way to the daemon: three connections, for events, for what is looked up, and for what is done, in order.

mod paths;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use martlet_protocol::control::{
    Contact, ContactAdd, ContactList, ConversationChange, ConversationList, ConversationSettings,
    ConversationTimers, Diagnosis, Draft, DraftRequest, EditRequest, ErrorCode, Message,
    NoteRequest, Problem, ReactionRequest, RequestAccept, RequestList, RoomList, SearchResults,
    SendRequest, SendResponse, Status, UnlockRequest,
};
use tokio::sync::Notify;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use zeroize::Zeroize;

use super::model::{Ask, Feed, Happened, Link, Place, Secret, Told};
use crate::client::{Client, ClientError, Follower, Step, encode};
use crate::limits::{CHAT_FOUND_MAX, CHAT_RETRY_INTERVAL};
use paths::{draft_path, page_path, timers_path};

/// What happened that the model was not told yet, at most: events come no faster than they are shown.
const HAPPENED_MAX: usize = 64;

/// What is to be asked of the daemon, of each sort, at most: as much as a user causes in a minute in which it does not
/// answer. What is beyond it is refused, as the daemon would.
const ASKS_MAX: usize = 256;

/// The daemon, as who runs the model sees it.
pub(super) struct Daemon {
    looks: Sender<Ask>,
    deeds: Sender<Ask>,
    happened: Receiver<Happened>,
    /// What found no place, as it is told: one for each that was asked since the last one was told.
    refused: VecDeque<Told>,
    /// Who does the deeds.
    worker: JoinHandle<()>,
}

/// What was done at the end.
pub(super) struct Finished {
    /// What was told meanwhile.
    pub(super) told: Vec<Told>,
    /// Whether all was done.
    pub(super) is_all: bool,
}

impl Daemon {
    /// Starts to follow its events, over connections of its own.
    pub(super) fn start(client: &Client) -> Self {
        let (tell, happened) = channel(HAPPENED_MAX);
        let (looks, to_look) = channel(ASKS_MAX);
        let (deeds, to_do) = channel(ASKS_MAX);
        let wake = Arc::new(Notify::new());
        tokio::spawn(follow(client.another(), wake.clone(), tell.clone()));
        tokio::spawn(work(client.another(), to_look, wake.clone(), tell.clone()));
        let worker = tokio::spawn(work(client.another(), to_do, wake, tell));
        Self { looks, deeds, happened, refused: VecDeque::new(), worker }
    }

    /// Asks the daemon. What is not for it is given back.
    pub(super) fn ask(&mut self, ask: Ask) -> Option<Ask> {
        let to = match &ask {
            Ask::Status
            | Ask::Doctor
            | Ask::Contacts
            | Ask::Rooms
            | Ask::Requests
            | Ask::Conversations
            | Ask::Draft { .. }
            | Ask::Timers { .. }
            | Ask::Search { .. }
            | Ask::Page { .. } => &self.looks,
            Ask::Send { .. }
            | Ask::Edit { .. }
            | Ask::React { .. }
            | Ask::KeepDraft { .. }
            | Ask::Typing { .. }
            | Ask::Read { .. }
            | Ask::Add { .. }
            | Ask::SetTimers { .. }
            | Ask::Settings { .. }
            | Ask::Accept { .. }
            | Ask::Drop { .. }
            | Ask::Recall { .. }
            | Ask::Delete { .. }
            | Ask::Unlock(_) => &self.deeds,
            Ask::Redraw | Ask::Suspend | Ask::Quit => return Some(ask),
        };
        if let Err(TrySendError::Full(ask)) = to.try_send(ask) {
            self.refused.extend(refused(ask));
        }
        None
    }

    /// What happens next.
    pub(super) async fn next(&mut self) -> Option<Happened> {
        match self.refused.pop_front() {
            Some(told) => Some(Happened::Told(Box::new(told))),
            None => self.happened.recv().await,
        }
    }

    /// Lets what is to be done be done, for a while. Nothing is done after.
    pub(super) async fn finish(&mut self, within: Duration) -> Finished {
        // The worker ends with what it has, since there is no one any more who could give it more.
        self.deeds = channel(1).0;
        let mut told: Vec<Told> = self.refused.drain(..).collect();
        let mut keep = |happened| match happened {
            Happened::Told(answer) => told.push(*answer),
            Happened::Key(_)
            | Happened::Mouse(_)
            | Happened::Paste(_)
            | Happened::Resize { .. }
            | Happened::Focus(_)
            | Happened::Tick(_)
            | Happened::Feed(_) => {}
        };
        let too_long = tokio::time::sleep(within);
        tokio::pin!(too_long);
        let is_all = loop {
            tokio::select! {
                _ = &mut self.worker => break true,
                Some(happened) = self.happened.recv() => keep(happened),
                () = &mut too_long => break false,
            }
        };
        while let Ok(happened) = self.happened.try_recv() {
            keep(happened);
        }
        Finished { told, is_all }
    }

    /// What has happened already.
    pub(super) fn try_next(&mut self) -> Option<Happened> {
        self.happened.try_recv().ok()
    }
}

/// What is told of something that was not asked, since too much waits; nothing where that makes no difference.
fn refused(ask: Ask) -> Option<Told> {
    let detail = "too much waits for the daemon already: this was not done; try again";
    let error = ClientError::Problem(Problem::new(ErrorCode::LimitReached, detail));
    Some(match ask {
        Ask::Page { place, .. } => Told::PageFailed { place, error },
        Ask::Send { ticket, place, .. } => Told::Sent { ticket, place, result: Err(error) },
        Ask::Edit { place, text, .. } => Told::Edited { place, text, result: Err(error) },
        Ask::Unlock(_) => Told::Unlocked(Err(error)),
        // Asked again by and by, or of no importance.
        Ask::Status
        | Ask::Doctor
        | Ask::Contacts
        | Ask::Rooms
        | Ask::Requests
        | Ask::Conversations
        | Ask::Timers { .. }
        | Ask::Draft { .. }
        | Ask::KeepDraft { .. }
        | Ask::Typing { .. }
        | Ask::Read { .. } => return None,
        Ask::Search { .. }
        | Ask::React { .. }
        | Ask::Add { .. }
        | Ask::SetTimers { .. }
        | Ask::Settings { .. }
        | Ask::Accept { .. }
        | Ask::Drop { .. }
        | Ask::Recall { .. }
        | Ask::Delete { .. } => Told::Undone { what: ask.wanted()?, error },
        Ask::Redraw | Ask::Suspend | Ask::Quit => return None,
    })
}

async fn work(client: Client, mut asks: Receiver<Ask>, wake: Arc<Notify>, tell: Sender<Happened>) {
    while let Some(ask) = asks.recv().await {
        let told = answer(&client, ask).await;
        if matches!(told, Told::Unlocked(Ok(()))) {
            wake.notify_one();
        }
        if tell.send(Happened::Told(Box::new(told))).await.is_err() {
            return;
        }
    }
}

async fn answer(client: &Client, ask: Ask) -> Told {
    let wanted = ask.wanted();
    let answer = match ask {
        Ask::Status => {
            client.get::<Status>("/v1/status").await.map(|it| Told::Status(Box::new(it)))
        }
        Ask::Doctor => client.get::<Diagnosis>("/v1/doctor").await.map(Told::Doctor),
        Ask::Contacts => {
            let list = client.get::<ContactList>("/v1/contacts").await;
            list.map(|list| Told::Contacts(list.contacts))
        }
        Ask::Rooms => {
            let list = client.get::<RoomList>("/v1/rooms").await;
            list.map(|list| Told::Rooms(list.rooms))
        }
        Ask::Requests => {
            let list = client.get::<RequestList>("/v1/requests").await;
            list.map(|list| Told::Requests(list.requests))
        }
        Ask::Conversations => {
            let list = client.get::<ConversationList>("/v1/conversations").await;
            list.map(|list| Told::Conversations(list.conversations))
        }
        Ask::Page { place, before } => {
            return match client.get(&page_path(&place, before.as_deref())).await {
                Ok(history) => Told::Page { place, before, history },
                Err(error) => Told::PageFailed { place, error },
            };
        }
        Ask::Send { ticket, place, text, reply_to } => {
            let result = send(client, &place, text, reply_to).await;
            return Told::Sent { ticket, place, result };
        }
        Ask::Edit { id, place, text } => {
            let path = format!("/v1/messages/{}", encode(&id));
            let request = EditRequest { text };
            let result = client.patch::<_, Message>(&path, &request).await.map(Box::new);
            return Told::Edited { place, text: request.text, result };
        }
        Ask::React { id, emoji } => {
            let path = format!("/v1/messages/{}/reaction", encode(&id));
            match emoji {
                Some(emoji) => {
                    let answer = client.post::<_, Message>(&path, &ReactionRequest { emoji }).await;
                    answer.map(|_| Told::Done)
                }
                None => client.delete(&path).await.map(|()| Told::Done),
            }
        }
        Ask::Draft { name } => {
            let draft = client.get::<Draft>(&draft_path(&name)).await;
            draft.map(|draft| Told::Draft { name, text: draft.text.unwrap_or_default() })
        }
        Ask::KeepDraft { name, text } => {
            let path = draft_path(&name);
            let kept = match text.is_empty() {
                true => client.delete(&path).await,
                false => client.post::<_, Draft>(&path, &DraftRequest { text }).await.map(drop),
            };
            kept.map(|()| Told::Done)
        }
        Ask::Typing { name } => {
            let path = format!("/v1/conversations/{}/typing", encode(&name));
            // Whether it is told or not is of no importance to who writes.
            let _: Result<(), _> = client.post_empty(&path).await;
            Ok(Told::Done)
        }
        Ask::Read { name } => {
            let path = format!("/v1/conversations/{}/read", encode(&name));
            client.post_empty(&path).await.map(|answer| Told::Read { name, answer })
        }
        Ask::Accept { id, name } => {
            let path = format!("/v1/requests/{}/accept", encode(&id));
            client.post::<_, Contact>(&path, &RequestAccept { name }).await.map(Told::Accepted)
        }
        Ask::Add { id, name } => {
            let contact = client.post::<_, Contact>("/v1/contacts", &ContactAdd { id, name }).await;
            contact.map(Told::Accepted)
        }
        Ask::Search { words } => {
            let path = format!("/v1/search?words={}&limit={CHAT_FOUND_MAX}", encode(&words));
            let found = client.get::<SearchResults>(&path).await;
            found.map(|found| Told::Found { words, found })
        }
        Ask::Timers { name } => {
            let timers = client.get::<ConversationTimers>(&timers_path(&name)).await;
            timers.map(|timers| Told::Timers { name, timers })
        }
        Ask::SetTimers { name, request } => {
            let timers = client.patch::<_, ConversationTimers>(&timers_path(&name), &request).await;
            timers.map(|timers| Told::Timers { name, timers })
        }
        Ask::Settings { name, muted, pinned } => {
            let path = format!("/v1/conversations/{}", encode(&name));
            let change = ConversationChange { muted, pinned, ..ConversationChange::default() };
            let settings = client.patch::<_, ConversationSettings>(&path, &change).await;
            settings.map(|settings| Told::Settings { name, settings })
        }
        Ask::Drop { id } => {
            let path = format!("/v1/requests/{}", encode(&id));
            client.delete(&path).await.map(|()| Told::Dropped { id })
        }
        Ask::Recall { id } => {
            let path = format!("/v1/messages/{}/recall", encode(&id));
            client.post_empty::<SendResponse>(&path).await.map(|_| Told::Recalled { id })
        }
        Ask::Delete { id } => {
            let path = format!("/v1/messages/{}", encode(&id));
            client.delete(&path).await.map(|()| Told::Done)
        }
        Ask::Unlock(secret) => return Told::Unlocked(unlock(client, secret).await),
        // Not for the daemon: `Daemon::ask` keeps them.
        Ask::Redraw | Ask::Suspend | Ask::Quit => {
            Err(ClientError::Protocol("the chat asked it for something of its own".to_owned()))
        }
    };
    answer.unwrap_or_else(|error| match wanted {
        Some(what) => Told::Undone { what, error },
        None => Told::Failed(error),
    })
}

async fn send(
    client: &Client,
    place: &Place,
    text: String,
    reply_to: Option<String>,
) -> Result<SendResponse, ClientError> {
    match place {
        Place::Contact(name) => {
            client
                .post(
                    "/v1/messages",
                    &SendRequest { to: name.clone(), text, reply_to, ..SendRequest::default() },
                )
                .await
        }
        Place::Notes | Place::Requests => client.post("/v1/notes", &NoteRequest { text }).await,
    }
}

/// Opens the vault.
pub(super) async fn unlock(client: &Client, mut secret: Secret) -> Result<(), ClientError> {
    // Nothing typed is right where there is no passphrase.
    let passphrase = (!secret.0.is_empty()).then(|| std::mem::take(&mut *secret.0));
    let mut request = UnlockRequest { passphrase };
    let answer = client.post_secret("/v1/unlock", &request).await;
    request.passphrase.zeroize();
    answer
}

/// Follows the events for ever, and tells of the daemon's coming and going.
async fn follow(client: Client, wake: Arc<Notify>, tell: Sender<Happened>) {
    let mut told = Link::Connecting;
    let (mut last, mut whole) = (None, true);
    loop {
        match Follower::open(&client, last).await {
            Ok(mut follower) => {
                if up(&tell, whole).await.is_none() {
                    return;
                }
                told = Link::Up;
                whole = true;
                let Some(error) = steps(&mut follower, &mut last, &mut told, &tell).await else {
                    return;
                };
                if down(&tell, &mut told, link_of(&error)).await.is_none() {
                    return;
                }
            }
            Err(error) => {
                if let ClientError::Problem(problem) = &error
                    && problem.code == ErrorCode::BadRequest
                {
                    // The log is another one than that of the last event.
                    (last, whole) = (None, false);
                }
                if down(&tell, &mut told, link_of(&error)).await.is_none() {
                    return;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(CHAT_RETRY_INTERVAL) => {}
            () = wake.notified() => {}
        }
    }
}

/// Events, until what waiting does not cure; none when nobody listens any more.
async fn steps(
    follower: &mut Follower<'_>,
    last: &mut Option<u64>,
    told: &mut Link,
    tell: &Sender<Happened>,
) -> Option<ClientError> {
    loop {
        match follower.next().await {
            Ok(Step::Event(event)) => {
                *last = Some(event.seq);
                tell.send(Happened::Feed(Feed::Event(event))).await.ok()?;
            }
            Ok(Step::Lost) => down(tell, told, Link::Lost).await?,
            Ok(Step::Locked) => down(tell, told, Link::Locked).await?,
            Ok(Step::Back) => {
                *told = Link::Up;
                up(tell, true).await?;
            }
            Ok(Step::Missed { .. }) => up(tell, false).await?,
            Err(ClientError::UnknownEvent { .. }) => {
                tell.send(Happened::Feed(Feed::Unknown)).await.ok()?;
            }
            Err(error) => return Some(error),
        }
    }
}

async fn up(tell: &Sender<Happened>, whole: bool) -> Option<()> {
    tell.send(Happened::Feed(Feed::Up { whole })).await.ok()
}

/// Tells it once.
async fn down(tell: &Sender<Happened>, told: &mut Link, link: Link) -> Option<()> {
    if *told == link {
        return Some(());
    }
    *told = link.clone();
    tell.send(Happened::Feed(Feed::Down(link))).await.ok()
}

/// What a failure to follow the events means.
fn link_of(error: &ClientError) -> Link {
    match error {
        ClientError::NotRunning { .. } => Link::NoDaemon(error.to_string()),
        ClientError::Disconnected { .. } | ClientError::Timeout => Link::Lost,
        ClientError::Problem(problem) => match problem.code {
            ErrorCode::Locked => Link::Locked,
            ErrorCode::NoIdentity => Link::NoIdentity,
            ErrorCode::Stopping | ErrorCode::BadRequest => Link::Lost,
            _ => Link::Broken(problem.detail.clone()),
        },
        ClientError::Connect { .. }
        | ClientError::Protocol(_)
        | ClientError::UnknownEvent { .. } => Link::Broken(error.to_string()),
    }
}
