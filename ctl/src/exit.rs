//! Exit codes, and the failures that lead to them.

use std::io;
use std::process::ExitCode;

use martlet_protocol::control::ErrorCode;

use crate::client::ClientError;

/// What to do where there is no identity yet.
pub(crate) const BEGIN: &str = "martletctl init; or, if you have an identity already: martletctl device join, or martletctl init --recover";

/// What `martletctl` tells the shell. Stable; listed in `--help` and `docs/control-api.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// The daemon refused or failed; the reason is on standard error.
    Refused = 1,
    /// The arguments, or a file or terminal they name, cannot be used. Nothing was asked of the
    /// daemon.
    Usage = 2,
    /// The daemon isn't running.
    NotRunning = 3,
    /// The vault is locked.
    Locked = 4,
    /// It did not happen in time.
    TimedOut = 5,
    /// No such contact, message, request, invite or peer.
    Unknown = 6,
    /// The doctor found something that keeps messages from coming or going.
    Unwell = 7,
    /// Ctrl-C at a prompt: 128 + SIGINT, as shells report it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a verb didn't do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// From the daemon, or the way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An argument, or the file or terminal it names.
    #[error("{0}")]
    Usage(String),
    /// What was waited for can't happen any more, or the user said no.
    #[error("{0}")]
    Failed(String),
    /// What was waited for didn't happen in time.
    #[error("{0}")]
    TimedOut(String),
    /// The doctor found an error.
    #[error("{0}")]
    Unwell(String),
    /// Ctrl-C at a prompt.
    #[error("interrupted")]
    Interrupted,
    /// Standard output can't be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// The exit code that tells of it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Client(ClientError::Problem(problem)) => of_code(problem.code),
            Self::Client(ClientError::NotRunning { .. }) => Exit::NotRunning,
            Self::Client(ClientError::Timeout) | Self::TimedOut(_) => Exit::TimedOut,
            Self::Client(
                ClientError::Connect { .. }
                | ClientError::Disconnected { .. }
                | ClientError::Protocol(_)
                | ClientError::UnknownEvent { .. },
            )
            | Self::Failed(_) => Exit::Refused,
            Self::Usage(_) => Exit::Usage,
            Self::Unwell(_) => Exit::Unwell,
            Self::Interrupted => Exit::Interrupted,
            // The reader, such as `head`, has had enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
            Self::Output(_) => Exit::Refused,
        }
    }
}

fn of_code(code: ErrorCode) -> Exit {
    match code {
        ErrorCode::Locked => Exit::Locked,
        ErrorCode::NoAnswer => Exit::TimedOut,
        ErrorCode::UnknownContact
        | ErrorCode::UnknownRequest
        | ErrorCode::UnknownMessage
        | ErrorCode::UnknownDevice
        | ErrorCode::UnknownInvite
        | ErrorCode::NoFile
        | ErrorCode::UnknownRoom
        | ErrorCode::NoLink
        | ErrorCode::NoHandle
        | ErrorCode::UnknownPeer => Exit::Unknown,
        ErrorCode::BadRequest
        | ErrorCode::InvalidId
        | ErrorCode::OwnId
        | ErrorCode::InvalidName
        | ErrorCode::NameTaken
        | ErrorCode::AlreadyContact
        | ErrorCode::NotRecallable
        | ErrorCode::OnItsWay
        | ErrorCode::InvalidTimer
        | ErrorCode::EmptyText
        | ErrorCode::TextTooLong
        | ErrorCode::NotEditable
        | ErrorCode::InvalidReaction
        | ErrorCode::InvalidPicture
        | ErrorCode::InvalidVoice
        | ErrorCode::FileTooLarge
        | ErrorCode::FileNotHere
        | ErrorCode::LengthRequired
        | ErrorCode::FileChanged
        | ErrorCode::FileNeedsDirect
        | ErrorCode::OverQuota
        | ErrorCode::DiskLow
        | ErrorCode::NoSuchRange
        | ErrorCode::InvalidAddress
        | ErrorCode::InvalidPeerId
        | ErrorCode::KeysUnknown
        | ErrorCode::NoIdentity
        | ErrorCode::IdentityExists
        | ErrorCode::WrongPassphrase
        | ErrorCode::InvalidPassphrase
        | ErrorCode::Forbidden
        | ErrorCode::NotFound
        | ErrorCode::MethodNotAllowed
        | ErrorCode::RequestTimeout
        | ErrorCode::BodyTooLarge
        | ErrorCode::HeadTooLarge
        | ErrorCode::LimitReached
        | ErrorCode::StorageFailed
        | ErrorCode::BackupFailed
        | ErrorCode::Blocked
        | ErrorCode::NotBlocked
        | ErrorCode::NeedsConfirmation
        | ErrorCode::InvalidPhrase
        | ErrorCode::InvalidHandle
        | ErrorCode::HandleHeld
        | ErrorCode::InvalidInvite
        | ErrorCode::OwnInvite
        | ErrorCode::InviteEnded
        | ErrorCode::OtherNetwork
        | ErrorCode::InvalidSafetyNumber
        | ErrorCode::SafetyNumberDiffers
        | ErrorCode::Terminated
        | ErrorCode::ContactTerminated
        | ErrorCode::DeviceRevoked
        | ErrorCode::OtherDevice
        | ErrorCode::WrongKillPhrase
        | ErrorCode::InvalidLinkCode
        | ErrorCode::NoRoot
        | ErrorCode::WrongWords
        | ErrorCode::OtherPhrase
        | ErrorCode::LinkLimit
        | ErrorCode::LinkLocked
        | ErrorCode::NothingToCompare
        | ErrorCode::NotMember
        | ErrorCode::NotModerator
        | ErrorCode::Senior
        | ErrorCode::RoomFull
        | ErrorCode::RoomClosed
        | ErrorCode::RoomAlone
        | ErrorCode::OpLimit
        | ErrorCode::NoChange
        | ErrorCode::StillIn
        | ErrorCode::NeedsState
        | ErrorCode::Stopping
        | ErrorCode::Internal => Exit::Refused,
    }
}
