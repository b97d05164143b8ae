//! What a hostile peer asks on streams of the blob protocol.

use futures::AsyncWriteExt;
use martlet_protocol::limits::BLOB_QUESTION_BYTES_MAX;

use super::deeds::PAUSE;
use super::frames;
use super::link::{Manners, is_ended};
use super::siege::{Siege, write};

/// Streams held at a time: twice as many as a peer may have.
const HELD: usize = 2 * martletd::limits::BLOB_STREAMS_PER_PEER_MAX;
/// Bytes of a question, as many as one with an id has.
const QUESTION_BYTES: u8 = 40;

/// Asks what nobody can read, or a part of something, with and without an end, on more streams than it may have.
pub(super) async fn ask_in_vain(siege: &mut Siege<'_>) {
    let protocol = format!("/martlet/{}/blob/1", siege.arena.network.name);
    let too_long = u16::try_from(BLOB_QUESTION_BYTES_MAX + 1).unwrap_or(u16::MAX);
    while let Some(link) = siege.link(Manners::Hears).await {
        let mut held = Vec::new();
        while link.is_open() && siege.progress() < 1.0 {
            held.retain_mut(|stream| !is_ended(stream));
            if held.len() >= HELD {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let (question, ends) = match siege.sent % 4 {
                0 => (too_long.to_be_bytes().to_vec(), true),
                1 => {
                    let garbage = frames::random(QUESTION_BYTES.into());
                    ([&[0, QUESTION_BYTES][..], &garbage].concat(), false)
                }
                2 => (vec![0, QUESTION_BYTES, 0x82], true),
                _ => (vec![0, QUESTION_BYTES, 0x82], false),
            };
            let Ok(mut stream) = link.speak(&protocol).await else { break };
            if write(&mut stream, &question).await.is_err() {
                break;
            }
            if ends && stream.close().await.is_err() {
                break;
            }
            siege.sent += 1;
            held.push(stream);
        }
    }
}
