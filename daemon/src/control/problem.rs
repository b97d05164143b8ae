//! Problems as HTTP responses.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use martlet_engine::{CommandError, DirectoryError, NameError};
use martlet_protocol::control::{ErrorCode, Problem};
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
            CallError::InvalidPassphrase(error) => Self::new(
                ErrorCode::InvalidPassphrase,
                match error {
                    PassphraseError::Empty => {
                        format!(
                            "{error}; a vault without one: martletctl init --no-passphrase (null in the API)"
                        )
                    }
                    PassphraseError::TooLong { .. } | PassphraseError::Invisible { .. } => {
                        error.to_string()
                    }
                },
            ),
            CallError::NoBackup { reason } => Self::new(ErrorCode::BackupFailed, reason),
            CallError::Stopping => Self::stopping(),
        }
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Directory(error) => error.into(),
            CommandError::Text(error) => {
                let code = match error {
                    TextError::Empty => ErrorCode::EmptyText,
                    TextError::TooLong { .. } => ErrorCode::TextTooLong,
                    TextError::NotUtf8 => ErrorCode::BadRequest,
                };
                Self::new(code, error.to_string())
            }
            CommandError::UnknownMessage => {
                Self::new(ErrorCode::UnknownMessage, "there is no message with this id")
            }
            CommandError::KeysUnknown => Self::new(
                ErrorCode::KeysUnknown,
                "their keys have not been found yet, so they can't be asked; they are looked for as long as the daemon runs",
            ),
            CommandError::PageSize { limit, max } => {
                Self::bad_request(format!("limit = {limit}: must be 1 to {max}"))
            }
            CommandError::IdentityExists => Self::new(
                ErrorCode::IdentityExists,
                "there is an identity already; this daemon's data directory holds it",
            ),
            CommandError::NoIdentity => {
                Self::new(ErrorCode::NoIdentity, "there is no identity yet; run: martletctl init")
            }
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

impl From<DirectoryError> for Refusal {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::UnknownContact { name, nearest } => {
                let meant = nearest.map(|known| format!(" did you mean {known:?}?"));
                let meant = meant.unwrap_or_default();
                Self::new(
                    ErrorCode::UnknownContact,
                    format!(
                        "there is no contact called {name:?};{meant} martletctl contact list shows all"
                    ),
                )
            }
            DirectoryError::OwnId => {
                Self::new(ErrorCode::OwnId, "this is your own ID; a contact is someone else")
            }
            DirectoryError::AlreadyContact { name } => Self::new(
                ErrorCode::AlreadyContact,
                format!("this ID is your contact {name:?} already"),
            ),
            DirectoryError::TooManyContacts { max } => Self::new(
                ErrorCode::LimitReached,
                format!("there are {max} contacts, the most there can be"),
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
                };
                Self::new(ErrorCode::InvalidName, format!("this can't be a name: {reason}"))
            }
            DirectoryError::Id(error) => Self::new(ErrorCode::InvalidId, error.to_string()),
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
