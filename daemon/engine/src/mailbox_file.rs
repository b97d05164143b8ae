//! The mailbox's file, of one network.
//!
//! When the daemon is started on another network, the mailbox begins anew; the user's own envelopes are in the
//! vault and are addressed anew. Which network it is of stands in the mailbox. Older builds wrote that into a file
//! beside it, `mailbox.network`, as `TAG SHARD_BITS STAMP_BITS`, which is read once.

use std::fs;
use std::io;
use std::path::Path;

use martlet_protocol::NetworkTag;
use martlet_protocol::network::NetworkDescriptor;
use martlet_store::StoreError;
use martlet_store::mailbox::{CheckedFor, Mailbox, MailboxOptions};

/// Opens the mailbox of `network`.
///
/// # Errors
/// [`StoreError`]; a damaged file is left as it is.
pub(super) fn open(
    data_dir: &Path,
    network: &NetworkDescriptor,
    options: MailboxOptions,
) -> Result<Mailbox, StoreError> {
    let label = data_dir.join("mailbox.network");
    let failed =
        |error: io::Error| StoreError::Failed { reason: format!("{}: {error}", label.display()) };
    let before = match fs::read_to_string(&label) {
        // What can't be read is of no use.
        Ok(text) => Some(parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let mailbox = Mailbox::open(&data_dir.join("mailbox.redb"), options)?;
    if mailbox.keep_for(&CheckedFor::of(network), before.flatten().as_ref())? {
        tracing::info!("the network is another one: the mailbox begins anew");
    }
    if before.is_some() {
        fs::remove_file(&label).map_err(failed)?;
    }
    Ok(mailbox)
}

fn parse(text: &str) -> Option<CheckedFor> {
    let mut words = text.split_whitespace();
    let network: NetworkTag = words.next()?.parse().ok()?;
    let shard_bits = words.next()?.parse().ok()?;
    let stamp_bits = words.next()?.parse().ok()?;
    Some(CheckedFor { network, shard_bits, stamp_bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_older_builds_wrote_is_read() {
        let network = NetworkDescriptor { stamp_bits: 8, ..NetworkDescriptor::default() };
        let text = format!("{} 0 8\n", network.tag());
        assert_eq!(parse(&text), Some(CheckedFor::of(&network)));
        assert_eq!(parse("x 1"), None);
    }
}
