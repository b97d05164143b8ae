//! Problems as HTTP responses.

mod file;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use martlet_engine::{CommandError, DirectoryError, NameError, RootPlace};
use martlet_protocol::control::{ErrorCode, Problem};
use martlet_protocol::identity::LAST_WORDS;
use martlet_protocol::message::TextError;

use crate::host::{CallError, PassphraseError};

/// The media type of every error (RFC 9457).
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// A [`Problem`] as a response.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Problem);

impl Refusal {
    pub(super) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }

    pub(super) fn stopping() -> Self {
        Self::new(ErrorCode::Stopping, "the daemon is stopping")
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, detail)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

/// Where the root is, and what to do.
fn no_root(place: &RootPlace) -> String {
    match place {
        RootPlace::Linker { device } => format!(
            "this device does not have the root of your identity: it was linked by {device:?}. Do it there; or, to link or revoke \
             a device, here with your recovery phrase: add --phrase"
        ),
        RootPlace::Phrase => "this device does not have the root of your identity any more: since it was locked, the root is in \
                              your recovery phrase alone. To link or revoke a device, give that for this once: add --phrase. \
                              An identity ends by its kill phrase"
            .to_owned(),
    }
}

/// What the engine refused, worded: what is wrong and what to do.
impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Command(error) => error.into(),
            CallError::WrongPassphrase => Self::new(
                ErrorCode::WrongPassphrase,
                "wrong passphrase; try again (checking one is slow on purpose, and there is no lock-out)",
            ),
            CallError::PassphraseRequired => Self::new(
                ErrorCode::WrongPassphrase,
                "this vault has a passphrase; give it with: martletctl unlock --passphrase-file FILE",
            ),
            CallError::NoPassphrase => Self::new(
                ErrorCode::WrongPassphrase,
                "this vault has no passphrase, so the one that you gave is none of it; nothing was changed: leave it out (in the API: null)",
            ),
            CallError::InvalidPassphrase(error) => Self::new(
                ErrorCode::InvalidPassphrase,
                match error {
                    PassphraseError::Empty => {
                        format!(
                            "{error}; for a vault without a passphrase use martletctl init --no-passphrase, or martletctl passphrase --remove (in the \
                             API: null)"
                        )
                    }
                    PassphraseError::TooLong { .. } | PassphraseError::Invisible { .. } => {
                        error.to_string()
                    }
                },
            ),
            CallError::InvalidPhrase(error) => {
                Self::new(ErrorCode::InvalidPhrase, error.to_string())
            }
            CallError::NoBackup { reason } => Self::new(ErrorCode::BackupFailed, reason),
            CallError::Stopping => Self::stopping(),
        }
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Directory(error) => error.into(),
            CommandError::Room(error) => error.into(),
            CommandError::Text(error) => {
                let code = match error {
                    TextError::Empty => ErrorCode::EmptyText,
                    TextError::TooLong { .. } => ErrorCode::TextTooLong,
                    TextError::NotUtf8 => ErrorCode::BadRequest,
                };
                Self::new(code, error.to_string())
            }
            CommandError::InvisibleText => Self::new(
                ErrorCode::EmptyText,
                "nothing of the text can be seen, so there is nothing to send: write something",
            ),
            CommandError::PassphraseChanged => Self::new(
                ErrorCode::WrongPassphrase,
                "another request changed the vault's passphrase while this one was worked on, which changed nothing: if you still \
                 want it, ask again, with the passphrase of now as the old one",
            ),
            CommandError::Profile(error) => Self::new(
                ErrorCode::InvalidPicture,
                format!(
                    "{error}; martletctl profile set --avatar FILE makes one of any PNG, JPEG or WebP"
                ),
            ),
            CommandError::File(error) => file::refused(error),
            CommandError::NoFile => file::none(),
            CommandError::FileNotHere { state } => file::not_here(state),
            CommandError::FileInMessage => file::in_message(),
            error @ CommandError::FilesFull { .. } => file::full(&error),
            CommandError::UnknownMessage => Self::new(
                ErrorCode::UnknownMessage,
                "there is no message with this id; martletctl history NAME --ids shows the ids",
            ),
            CommandError::AmbiguousMessage => Self::new(
                ErrorCode::UnknownMessage,
                "the ids of several messages begin so; give more of the id",
            ),
            CommandError::NotEditable => Self::new(
                ErrorCode::NotEditable,
                "this message can't be edited: it is someone else's, or it has no text; you can react to it",
            ),
            CommandError::Recalled => Self::new(
                ErrorCode::NotEditable,
                "this message was recalled: it has no text any more, and can't be edited or reacted to",
            ),
            error @ (CommandError::Emoji(_) | CommandError::InvisibleReaction) => Self::new(
                ErrorCode::InvalidReaction,
                format!("{error}; react with an emoji, or another short text"),
            ),
            CommandError::NoteTooLong { .. } => {
                Self::new(ErrorCode::TextTooLong, error.to_string())
            }
            error @ (CommandError::NotYours
            | CommandError::NotSent
            | CommandError::NotRecallable) => Self::new(
                ErrorCode::NotRecallable,
                format!("{error}; martletctl delete takes it away on this device"),
            ),
            CommandError::OnItsWay => Self::new(
                ErrorCode::OnItsWay,
                "this message is still on its way, and deleting it here would not stop it; take it back with: martletctl recall ID",
            ),
            CommandError::Timer(error) => Self::new(
                ErrorCode::InvalidTimer,
                format!(
                    "{error}, since no mailbox keeps a message for more than six days; \"off\" for none"
                ),
            ),
            CommandError::Invite(error) => Self::new(ErrorCode::InvalidInvite, error.to_string()),
            CommandError::InviteLife => Self::bad_request(
                "expires_seconds must be 60 to 2592000: an invite is good for a minute to 30 days",
            ),
            CommandError::InviteWithoutName => Self::new(
                ErrorCode::InvalidInvite,
                "the invite does not say what the inviter is called; give them a name: --name NAME",
            ),
            CommandError::InviteExpired => Self::new(
                ErrorCode::InviteEnded,
                "the invite has expired; ask for another one (or this machine's clock is wrong: martletctl doctor)",
            ),
            CommandError::OtherNetwork { network } => Self::new(
                ErrorCode::OtherNetwork,
                format!(
                    "{error}, which this daemon is no part of",
                    error = CommandError::OtherNetwork { network }
                ),
            ),
            CommandError::NeedsConfirmation { name } => Self::new(
                ErrorCode::NeedsConfirmation,
                format!(
                    "{name:?} has a new device since you verified them, and with strict_devices nothing is sent until you \
                     confirm it: ask them whether it is theirs, then: martletctl contact verify {name:?}"
                ),
            ),
            CommandError::SafetyCode(error) => {
                Self::new(ErrorCode::InvalidSafetyNumber, error.to_string())
            }
            CommandError::SafetyNumberDiffers { name, groups } => {
                Self::new(ErrorCode::SafetyNumberDiffers, differs(&name, &groups))
            }
            CommandError::KeysUnknown => Self::new(
                ErrorCode::KeysUnknown,
                "the contact's keys have not been found yet, so no device can be asked; the daemon goes on looking for them",
            ),
            CommandError::PageSize { limit, max } => {
                Self::bad_request(format!("limit = {limit}: must be 1 to {max}"))
            }
            error @ (CommandError::Query(_) | CommandError::TwoPages) => {
                Self::bad_request(error.to_string())
            }
            CommandError::IdentityExists => Self::new(
                ErrorCode::IdentityExists,
                "there is an identity already, in this daemon's data directory; another one needs another data directory",
            ),
            CommandError::NoIdentity => Self::new(
                ErrorCode::NoIdentity,
                "there is no identity yet; run: martletctl init; or, if you have an identity already: martletctl device join, or \
                     martletctl init --recover",
            ),
            CommandError::UnknownDevice => Self::new(
                ErrorCode::UnknownDevice,
                "you have no device with this id or name; martletctl device list shows all",
            ),
            CommandError::AmbiguousDevice => Self::new(
                ErrorCode::UnknownDevice,
                "several of your devices have this name, or an id that begins so; give more of the id",
            ),
            CommandError::OtherDevice => Self::new(
                ErrorCode::OtherDevice,
                "a device says itself what it is called: do it on that device",
            ),
            CommandError::DeviceName { .. } => Self::new(ErrorCode::InvalidName, error.to_string()),
            CommandError::DeviceNameTaken { .. } => {
                Self::new(ErrorCode::NameTaken, error.to_string())
            }
            CommandError::NotOwnId => Self::new(
                ErrorCode::InvalidId,
                "this is not your own ID; to terminate another identity give its kill phrase",
            ),
            CommandError::WrongKillPhrase => Self::new(
                ErrorCode::WrongKillPhrase,
                "the kill phrase is not that of this identity; nothing was done",
            ),
            CommandError::NoRoot { place } => Self::new(ErrorCode::NoRoot, no_root(&place)),
            CommandError::WrongWords => Self::new(
                ErrorCode::WrongWords,
                format!(
                    "these are not the last {LAST_WORDS} words of your recovery phrase, and nothing was changed: martletctl account \
                     phrase shows it, to be written down"
                ),
            ),
            CommandError::InvalidPhrase(error) => CallError::InvalidPhrase(error).into(),
            CommandError::OtherPhrase => Self::new(
                ErrorCode::OtherPhrase,
                "these words are the recovery phrase of another identity; nothing was done",
            ),
            CommandError::LinkLimit => Self::new(
                ErrorCode::LinkLimit,
                "an identity has at most 8 devices at a time, and 64 in its life; revoke one that you don't use any more: \
                 martletctl device revoke NAME",
            ),
            CommandError::LinkLocked { left } => Self::new(
                ErrorCode::LinkLocked,
                format!(
                    "three codes died within an hour: the numbers differed, or someone disturbed the linking. Someone may see your \
                     codes. The next can be made in {} minutes",
                    left.as_secs().div_ceil(60)
                ),
            ),
            CommandError::NoLink => Self::new(
                ErrorCode::NoLink,
                "no device is being linked; a code does not outlast a restart of the daemon, nor the lock of its vault. Make one: \
                 martletctl device link",
            ),
            CommandError::NothingToCompare => Self::new(
                ErrorCode::NothingToCompare,
                "there is nothing to compare: no device has come by the code yet, or it has ended",
            ),
            CommandError::OtherNetworkCode => Self::new(
                ErrorCode::OtherNetwork,
                "the code is of another network than this daemon's; have this daemon join the other device's network first: \
                 martletctl network export there, martletctl network join here",
            ),
            CommandError::StampTooDear { .. } => Self::bad_request(format!(
                "{error}, and a daemon without an unlocked identity makes none so dear; use one that has an identity"
            )),
            CommandError::Locked => {
                Self::new(ErrorCode::Locked, "the vault is locked; run: martletctl unlock")
            }
            CommandError::NoPassphrase => Self::bad_request(
                "this vault has no passphrase, so locking it would protect nothing",
            ),
            CommandError::StorageFailed { reason } => Self::new(ErrorCode::StorageFailed, reason),
        }
    }
}

/// That a safety number is another: loud, unless it was most likely mistyped.
fn differs(name: &str, groups: &[usize]) -> String {
    match groups {
        // By chance, or with any effort, so much does not fit.
        [one] => format!(
            "the number does not fit: group {one} of 12 differs, so it was most likely mistyped; look at that group, and try again"
        ),
        several => format!(
            "THE NUMBER DOES NOT FIT: {} of 12 groups differ. Either this is the number of other people, or one of you has a \
             false ID of the other, and someone else may read along. Write nothing secret to {name:?} until you have \
             compared your IDs (martletctl id, martletctl contact show) face to face",
            several.len()
        ),
    }
}

/// That there is no contact, room or the like of this name, what was meant perhaps, and what lists all.
pub(super) fn unknown(what: &str, name: &str, nearest: Option<String>, list: &str) -> String {
    let meant = nearest.map(|known| format!(" did you mean {known:?}?")).unwrap_or_default();
    format!("there is no {what} called {name:?};{meant} martletctl {list} shows all")
}

impl From<DirectoryError> for Refusal {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::UnknownContact { name, nearest } => Self::new(
                ErrorCode::UnknownContact,
                unknown("contact", &name, nearest, "contact list"),
            ),
            DirectoryError::UnknownConversation { name, nearest } => Self::new(
                ErrorCode::UnknownContact,
                unknown("contact or room", &name, nearest, "conversations"),
            ),
            DirectoryError::OwnId => {
                Self::new(ErrorCode::OwnId, "this is your own ID; a contact is someone else")
            }
            DirectoryError::AlreadyContact { name } => Self::new(
                ErrorCode::AlreadyContact,
                format!("this ID is your contact {name:?} already"),
            ),
            DirectoryError::TooManyContacts { max } => Self::new(
                ErrorCode::LimitReached,
                format!("there are {max} contacts, and there can be no more; remove one first"),
            ),
            DirectoryError::NameTaken { name } => Self::new(
                ErrorCode::NameTaken,
                format!("there is a contact called {name:?} already; choose another name"),
            ),
            DirectoryError::Name(error) => {
                let reason = match error {
                    NameError::Empty => "it is empty",
                    NameError::TooLong => "it is longer than 64 bytes",
                    NameError::Control => "it has control characters",
                    NameError::Slash => "it has a '/'",
                    NameError::Dots => "in a path it means another path",
                    NameError::Invisible => "nothing in it can be seen",
                    NameError::Turning => "it has characters that turn the direction of a text",
                };
                Self::new(ErrorCode::InvalidName, format!("this can't be a name: {reason}"))
            }
            DirectoryError::Id(error) => Self::new(ErrorCode::InvalidId, error.to_string()),
            DirectoryError::Blocked { who } => Self::new(
                ErrorCode::Blocked,
                format!("{who} is blocked; to lift that: martletctl unblock {who:?}"),
            ),
            DirectoryError::NotBlocked => Self::new(
                ErrorCode::NotBlocked,
                "they are not blocked; martletctl blocked shows all who are",
            ),
            DirectoryError::TooManyBlocked { max } => Self::new(
                ErrorCode::LimitReached,
                format!("{max} people are blocked, the most there can be"),
            ),
            DirectoryError::ContactTerminated { who } => Self::new(
                ErrorCode::ContactTerminated,
                format!(
                    "the identity of {who:?} was terminated, for good; nothing can be sent to them"
                ),
            ),
            DirectoryError::Terminated => Self::new(
                ErrorCode::Terminated,
                "your identity was terminated, for good: nothing can be sent any more; what is here can be read and exported",
            ),
            DirectoryError::Revoked => Self::new(
                ErrorCode::DeviceRevoked,
                "this device was revoked: nothing can be sent from it any more; what is here can be read and exported",
            ),
            error @ DirectoryError::UnknownInvite { .. } => Self::new(
                ErrorCode::UnknownInvite,
                format!("{error}; martletctl invite list shows all"),
            ),
            error @ DirectoryError::InviteEnded { .. } => Self::new(
                ErrorCode::InviteEnded,
                format!("{error}; make another one: martletctl invite create"),
            ),
            DirectoryError::OwnInvite => Self::new(
                ErrorCode::OwnInvite,
                "this is your own invite; give it to the one whom you want to meet",
            ),
            DirectoryError::TooManyInvites { max } => Self::new(
                ErrorCode::LimitReached,
                format!(
                    "{max} invites are still good, the most there can be; revoke one: martletctl invite revoke NUMBER"
                ),
            ),
            DirectoryError::HandleHeld { name } => Self::new(
                ErrorCode::HandleHeld,
                format!("you claim @{name} already; release it first: martletctl handle release"),
            ),
            DirectoryError::NoHandle => Self::new(
                ErrorCode::NoHandle,
                "you claim no handle; to claim one: martletctl handle claim NAME",
            ),
            DirectoryError::UnknownRequest => Self::new(
                ErrorCode::UnknownRequest,
                "there is no request from this ID; martletctl requests list shows all",
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Body::from(to_json(&self.0)));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

/// The problem as a whole HTTP response, for connections that are refused before HTTP is spoken.
pub(super) fn raw_response(problem: &Problem) -> Vec<u8> {
    let body = to_json(problem);
    let reason = StatusCode::from_u16(problem.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Error");
    let head = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        problem.status,
        body.len()
    );
    [head.into_bytes(), body].concat()
}

fn to_json(problem: &Problem) -> Vec<u8> {
    // A number, a name and a text: there is nothing in it that can't be JSON.
    serde_json::to_vec(problem).unwrap_or_default()
}
