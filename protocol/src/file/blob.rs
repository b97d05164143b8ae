//! A blob: a sealed file by its content. Its id is the BLAKE3 hash of all its bytes, and a tree of hashes proves any *group*
//! of 64 KiB of it to who knows the id and the size.
//!
//! The tree is kept beside the blob in pre-order, 64 bytes for each pair of hashes: 1 MiB for 1 GiB. What goes over a stream
//! is Bao's encoding of the groups asked for, in pre-order: a pair of hashes or a group, each proved by what came before it.
//! So a reader writes nothing that is false, and ends at the first false byte.

use std::io::{self, Read, Write};

use bao_tree::io::BaoContentItem;
use bao_tree::io::outboard::{PreOrderMemOutboard, PreOrderOutboard};
use bao_tree::io::sync::{DecodeResponseIter, encode_ranges_validated, outboard};
use bao_tree::io::{DecodeError, EncodeError};
use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges};

/// What can be read at any place: files, and bytes in memory.
pub use bao_tree::io::sync::ReadAt;

use super::ask::Groups;
use crate::ids::BlobId;

/// Bytes of a group.
pub const GROUP_BYTES: u64 = 64 * 1024;
/// A group as Bao has it: `2^6` chunks of 1,024 bytes.
const GROUP: BlockSize = BlockSize::from_chunk_log(6);
/// Chunks of a group.
const GROUP_CHUNKS: u64 = 64;

/// Something of a blob, proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proved {
    /// A pair of hashes of the tree, which begins at this byte of it.
    Pair(u64, [u8; 64]),
    /// A group, which begins at this byte of the blob.
    Group(u64, Vec<u8>),
}

/// Why nothing more is sent, or taken.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// It is not what its id says.
    #[error("byte {at} of the blob, or what proves it, is false")]
    False {
        /// From which byte on.
        at: u64,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How many groups a blob of `size` bytes has.
#[must_use]
pub fn groups(size: u64) -> u32 {
    u32::try_from(size.div_ceil(GROUP_BYTES).max(1)).unwrap_or(u32::MAX)
}

/// Bytes of the tree of a blob of `size` bytes.
#[must_use]
pub fn tree_size(size: u64) -> u64 {
    tree(size).outboard_size()
}

/// The id of a blob of `size` bytes, and its tree.
///
/// # Errors
/// What reading says; [`io::ErrorKind::UnexpectedEof`] if it is shorter.
pub fn name(blob: impl Read, size: u64) -> io::Result<(BlobId, Vec<u8>)> {
    let tree = tree(size);
    let bytes = usize::try_from(tree.outboard_size()).unwrap_or(usize::MAX);
    let mut kept =
        PreOrderMemOutboard { root: blake3::Hash::from_bytes([0; 32]), tree, data: vec![0; bytes] };
    let root = outboard(blob, tree, &mut kept)?;
    Ok((BlobId(*root.as_bytes()), kept.data))
}

/// Writes groups of a blob with what proves them, each once it is sure that it is what the id says.
///
/// # Errors
/// [`BlobError::False`] where blob or tree are damaged, [`BlobError::Io`].
pub fn send(
    id: &BlobId,
    size: u64,
    wanted: &Groups,
    blob: impl ReadAt,
    tree_bytes: impl ReadAt,
    to: impl Write,
) -> Result<(), BlobError> {
    let root = blake3::Hash::from_bytes(id.0);
    let kept = PreOrderOutboard { root, tree: tree(size), data: tree_bytes };
    encode_ranges_validated(blob, kept, &chunks(wanted), to).map_err(|error| match error {
        EncodeError::ParentHashMismatch(node) => {
            BlobError::False { at: node.chunk_range().start.to_bytes() }
        }
        EncodeError::LeafHashMismatch(chunk) => BlobError::False { at: chunk.to_bytes() },
        other => BlobError::Io(other.into()),
    })
}

/// Reads groups of a blob, of which `visit` is given each that is proved, and each pair of hashes before what it proves. All
/// groups that were asked for have come if there is no error. At most one group is in memory.
///
/// # Errors
/// [`BlobError::False`] at the first that is not what the id says, [`BlobError::Io`], and what `visit` says.
pub fn receive(
    id: &BlobId,
    size: u64,
    wanted: &Groups,
    from: impl Read,
    mut visit: impl FnMut(Proved) -> io::Result<()>,
) -> Result<(), BlobError> {
    let tree = tree(size);
    let chunks = chunks(wanted);
    for item in DecodeResponseIter::new(blake3::Hash::from_bytes(id.0), tree, from, &chunks) {
        match item.map_err(refused)? {
            BaoContentItem::Parent(parent) => {
                let Some(place) = tree.pre_order_offset(parent.node) else { continue };
                let mut pair = [0; 64];
                pair[..32].copy_from_slice(parent.pair.0.as_bytes());
                pair[32..].copy_from_slice(parent.pair.1.as_bytes());
                visit(Proved::Pair(place * 64, pair))?;
            }
            BaoContentItem::Leaf(leaf) => visit(Proved::Group(leaf.offset, leaf.data.into()))?,
        }
    }
    Ok(())
}

fn refused(error: DecodeError) -> BlobError {
    match error {
        DecodeError::ParentHashMismatch(node) => {
            BlobError::False { at: node.chunk_range().start.to_bytes() }
        }
        DecodeError::LeafHashMismatch(chunk) => BlobError::False { at: chunk.to_bytes() },
        other => BlobError::Io(other.into()),
    }
}

fn tree(size: u64) -> BaoTree {
    BaoTree::new(size, GROUP)
}

fn chunks(wanted: &Groups) -> ChunkRanges {
    wanted.ranges().fold(ChunkRanges::empty(), |all, (first, count)| {
        let chunk = |group: u64| ChunkNum(group * GROUP_CHUNKS);
        let (first, count) = (u64::from(first), u64::from(count));
        all | ChunkRanges::from(chunk(first)..chunk(first + count))
    })
}
