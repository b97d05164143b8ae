//! The engine's part of the status.

use martlet_protocol::control::{Identity, KeptShards, LockState, MailboxStatus, Role, Status};

use super::Command;
use super::shred::shred_of;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

/// The daemon's state. `transports`, `peer_id`, `listen`, `metrics_listen`, `reachability`, `external`
/// `role`, `shards` and `peers_connected` are left for the control task to fill in.
#[derive(Debug)]
pub struct GetStatus {}

impl Command for GetStatus {
    type Reply = Status;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Status, Fault> {
        let stats = turn.mailbox().stats()?;
        let user = engine.user.as_ref();
        let lock = match (user, engine.has_key_file) {
            (Some(_), _) => LockState::Unlocked,
            (None, true) => LockState::Locked,
            (None, false) => LockState::NoIdentity,
        };
        let mut warnings = Vec::new();
        if engine.has_key_file && !engine.has_passphrase {
            warnings.push(
                "the vault has no passphrase: who can read its files can read the messages".into(),
            );
        }
        let ended = user.and_then(|user| user.check_active().err());
        warnings.extend(ended.map(|ended| format!("{ended}: nothing can be sent any more")));
        warnings.extend(engine.failures.storage());
        warnings.extend(engine.failures.vault.clone());
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            lock,
            passphrase: engine.has_key_file.then_some(engine.has_passphrase),
            identity: user
                .map(|user| Identity { id: user.id().to_string(), name: user.name().cloned() }),
            network: engine.config.network.name.clone(),
            closed: engine.config.network.is_closed(),
            privacy: Some(engine.config.network.privacy()),
            transports: Vec::new(),
            peer_id: String::new(),
            listen: Vec::new(),
            metrics_listen: None,
            reachability: None,
            external: Vec::new(),
            peers_connected: 0,
            role: Role::default(),
            shards: KeptShards::default(),
            depot: None,
            mailbox: MailboxStatus {
                envelopes: stats.envelopes,
                bytes: stats.charged(),
                bytes_max: engine.config.mailbox_bytes_max,
            },
            outbox: user.map(|user| user.outbox_len()),
            stamping: user.map_or(0, |user| user.stamping()),
            unread: user.map(|user| user.unread()),
            shred: user.map(|user| shred_of(user)),
            warnings,
        })
    }
}
