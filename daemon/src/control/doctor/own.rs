//! What is wrong with the user's own: the vault, the identity, and this device.

use martlet_engine::command::Ended;
use martlet_protocol::control::{Finding, FindingCode, LockState, Severity};

use super::{Facts, duration, finding};

/// Only one of these: what is told first hinders the rest.
pub(super) fn vault(facts: &Facts) -> Option<Finding> {
    if let Some(failure) = &facts.vault_failure {
        let problem = format!("the vault can't be opened: {failure}");
        let advice = "do as it says, then: martletctl unlock";
        return finding(FindingCode::VaultUnreadable, Severity::Error, problem, advice);
    }
    match facts.lock {
        LockState::Locked => finding(
            FindingCode::Locked,
            Severity::Warning,
            "the vault is locked: messages are kept, and none is read or sent",
            "martletctl unlock",
        ),
        LockState::NoIdentity if facts.is_for_user => finding(
            FindingCode::NoIdentity,
            Severity::Warning,
            "there is no identity yet: this node carries what others write, and nobody can write to you",
            "martletctl init; or martletctl device join, or martletctl init --recover, if you have an identity already; or user = false \
             in the configuration, if the node is for others alone",
        ),
        LockState::NoIdentity | LockState::Unlocked => None,
    }
}

pub(super) fn ended(ended: Ended) -> Option<Finding> {
    let (code, problem, advice) = match ended {
        Ended::Identity => (
            FindingCode::IdentityTerminated,
            "your identity was terminated, for good: nothing can be sent any more, and contacts are told",
            "nothing, if you did that: what is here can be read and exported (martletctl account export). To begin anew with another \
             identity: martletctl account erase, then martletctl init",
        ),
        Ended::Device => (
            FindingCode::DeviceRevoked,
            "this device was revoked: nothing can be sent from it any more",
            "what is here can be read and exported (martletctl account export). To use this device again: martletctl account \
             erase, then link it anew (martletctl device join)",
        ),
    };
    finding(code, Severity::Error, problem, advice)
}

pub(super) fn put_back(facts: &Facts) -> Option<Finding> {
    let ago = duration(u64::try_from(facts.put_back?.as_millis()).unwrap_or(u64::MAX));
    let problem = format!(
        "the vault is an older copy that was put back: what came and went in the last {ago} may not be in it"
    );
    let advice = "nothing: contacts and members of rooms send again what they wrote since then, each as soon as both of you are on \
                  (of a conversation its last 1,000 messages), and your other devices what you wrote on them. Where something \
                  later came and the rest did not, the history says how many were lost on the way. What you wrote since then \
                  is at your contacts and on your other devices only. If the ID was reset since then: martletctl id --reset";
    finding(FindingCode::VaultPutBack, Severity::Warning, problem, advice)
}

pub(super) fn passphrase(facts: &Facts) -> Option<Finding> {
    if facts.has_passphrase != Some(false) {
        return None;
    }
    let problem = "the vault has no passphrase: whoever can read its files can read the messages";
    let advice = "nothing, if you chose that: full-disk encryption protects it as well";
    finding(FindingCode::NoPassphrase, Severity::Info, problem, advice)
}
