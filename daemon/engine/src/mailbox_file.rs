//! The mailbox's file, and which network it belongs to.
//!
//! What a mailbox holds was checked against one network: its tag, its shards, its stamps. In another
//! network, or once the descriptor asks for more, no neighbour would take it, and whoever offered it
//! would be cut off as hostile. `mailbox.network` beside the database therefore names the network.
//! When the daemon is started on another one, the mailbox begins anew; the user's own envelopes are
//! in the vault and are addressed anew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use martlet_protocol::network::NetworkDescriptor;
use martlet_store::StoreError;
use martlet_store::mailbox::{Mailbox, MailboxOptions};

/// Opens the mailbox of `network`.
///
/// # Errors
/// [`StoreError`]; a damaged file is left as it is.
pub(super) fn open(
    data_dir: &Path,
    network: &NetworkDescriptor,
    options: MailboxOptions,
) -> Result<Mailbox, StoreError> {
    let (path, label) = (data_dir.join("mailbox.redb"), data_dir.join("mailbox.network"));
    let wanted = Label::of(network);
    // A mailbox without one is of before there were labels: of this network, as far as anyone knows.
    let found = read(&label)?;
    if found.as_ref().is_some_and(|found| !found.serves(&wanted)) {
        tracing::info!("the network is another one: the mailbox begins anew");
        remove(&path).map_err(|error| failed(&path, &error))?;
    }
    if found.as_ref() != Some(&wanted) {
        write(&label, &wanted).map_err(|error| failed(&label, &error))?;
    }
    Mailbox::open(&path, options)
}

/// What of a network an envelope is checked against. Written as `TAG SHARD_BITS STAMP_BITS`.
#[derive(Debug, PartialEq, Eq)]
struct Label {
    tag: String,
    shard_bits: u8,
    stamp_bits: u8,
}

impl Label {
    fn of(network: &NetworkDescriptor) -> Self {
        let NetworkDescriptor { shard_bits, stamp_bits, .. } = *network;
        Self { tag: network.tag().to_string(), shard_bits, stamp_bits }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let tag = words.next()?.to_owned();
        let shard_bits = words.next()?.parse().ok()?;
        let stamp_bits = words.next()?.parse().ok()?;
        Some(Self { tag, shard_bits, stamp_bits })
    }

    /// Whether what was kept under this label is good under the other.
    fn serves(&self, other: &Self) -> bool {
        self.tag == other.tag
            && self.shard_bits == other.shard_bits
            && self.stamp_bits >= other.stamp_bits
    }
}

fn read(path: &Path) -> Result<Option<Label>, StoreError> {
    match fs::read_to_string(path) {
        // What can't be read is of no use; it is written anew.
        Ok(text) => Ok(Label::parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// All of the label or none: a crash in between leaves the mailbox to be begun anew again.
fn write(path: &Path, label: &Label) -> io::Result<()> {
    let Label { tag, shard_bits, stamp_bits } = label;
    let new: PathBuf = path.with_extension("network.new");
    fs::write(&new, format!("{tag} {shard_bits} {stamp_bits}\n"))?;
    fs::rename(new, path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Failed { reason: format!("{}: {error}", path.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_bits_serve_and_more_do_not() {
        let label = |stamp_bits| {
            Label::of(&NetworkDescriptor { stamp_bits, ..NetworkDescriptor::default() })
        };
        assert!(label(8).serves(&label(8)) && label(8).serves(&label(4)));
        assert!(!label(8).serves(&label(9)));
        let text = format!("{} 0 8", NetworkDescriptor::default().tag());
        assert_eq!(Label::parse(&text), Some(label(8)));
        let boat = NetworkDescriptor { name: "boat".into(), ..NetworkDescriptor::default() };
        assert!(!Label::of(&boat).serves(&label(0)));
        assert_eq!(Label::parse("x 1"), None);
    }
}
