//! Mailboxes filled without a daemon.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{Envelope, EnvelopeId, ExpiryHour, Header, Kind, Shard, UnixMillis};
use martlet_store::mailbox::{Inserted, MailboxOptions, Source};
use martlet_store::{Mailbox, StoreError};
use rand::RngExt;

use crate::cluster::ClusterError;

/// Bytes of a conversation's body: a text of up to a thousand characters.
const BODY_BYTES: usize = 1024;
/// Envelopes of one commit: what the engine takes at once.
const BATCH: usize = 1024;
/// Expiry hours the envelopes of a full mailbox are spread over: six days, but for the first two
/// hours, so that none ends while it is measured.
pub(super) const HOURS: u32 = 6 * 24 - 2;
/// Above anything filled here.
pub(super) const BYTES_MAX: u64 = 16 << 30;

/// A mailbox in the data directory `dir`, which is made if it isn't there.
pub(super) fn open(dir: &Path) -> Result<Mailbox, ClusterError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| ClusterError::File { path: dir.to_owned(), source })?;
    let options = MailboxOptions {
        bytes_max: BYTES_MAX,
        bytes_per_source_max: BYTES_MAX,
        cache_bytes: 8 << 20,
    };
    Mailbox::open(&dir.join("mailbox.redb"), options).map_err(store)
}

/// Puts `count` new envelopes into the mailbox, batch by batch, each durably; the `n`th ends in hour
/// `hour(n)` of [`HOURS`]. Returns the time the mailbox took.
pub(super) fn put(
    mailbox: &Mailbox,
    count: usize,
    mut hour: impl FnMut(u32) -> u32,
) -> Result<Duration, ClusterError> {
    let now = now();
    let network = NetworkDescriptor::default();
    let mut took = Duration::ZERO;
    let mut number = 0;
    let mut left = count;
    while left > 0 {
        let batch: Vec<(EnvelopeId, Envelope, Header)> = (0..left.min(BATCH))
            .map(|_| {
                number += 1;
                conversation(&network, expiry(now, hour(number)))
            })
            .collect::<Result<_, _>>()?;
        left -= batch.len();
        let started = Instant::now();
        let mut txn = mailbox.begin().map_err(store)?;
        for (id, envelope, header) in &batch {
            match txn.insert(id, envelope, header, Source::Own, now).map_err(store)? {
                Inserted::New { .. } => {}
                other => return Err(ClusterError::Wrong(format!("not inserted: {other:?}"))),
            }
        }
        txn.commit().map_err(store)?;
        took += started.elapsed();
    }
    Ok(took)
}

/// Hour `index` of [`HOURS`].
pub(super) fn expiry(now: UnixMillis, index: u32) -> ExpiryHour {
    ExpiryHour(ExpiryHour::latest(now).0 - HOURS + 1 + index % HOURS)
}

/// The time of day.
pub(super) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A database's error as one of the cluster's.
pub(super) fn store(error: StoreError) -> ClusterError {
    ClusterError::Wrong(error.to_string())
}

/// An envelope that looks like one of a conversation: random tag, commitment and body.
fn conversation(
    network: &NetworkDescriptor,
    expiry: ExpiryHour,
) -> Result<(EnvelopeId, Envelope, Header), ClusterError> {
    let kind = Kind::Conversation;
    let mut content = Header::encode_prefix(kind, network.tag(), Shard(0), expiry, 1).to_vec();
    let mut rest = [0; 16 + 16 + BODY_BYTES];
    rand::rng().fill(&mut rest[..]);
    content.extend_from_slice(&rest);
    let envelope = Envelope::new(content);
    let id = envelope.id();
    let header = envelope
        .check(&id, network, now())
        .map_err(|error| ClusterError::Wrong(error.to_string()))?;
    Ok((id, envelope, header))
}
