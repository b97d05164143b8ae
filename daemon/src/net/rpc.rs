//! The frames of gossipsub's streams, as far as they are looked at here: each is a length (a varint) and
//! an RPC in protobuf (the `pubsub` specification of libp2p, `rpc.proto`).

/// What a frame of subscriptions is split at, bytes: a peer takes [`GOSSIP_CONTROL_BYTES_MAX`] at most,
/// and gossipsub puts all topics into one.
///
/// [`GOSSIP_CONTROL_BYTES_MAX`]: crate::limits::GOSSIP_CONTROL_BYTES_MAX
const SUBSCRIPTIONS_BYTES_MAX: usize = 16 * 1024;
/// The longest varint looked at, bytes: 2^35 is far over any frame.
const VARINT_BYTES_MAX: usize = 5;

/// Field 1 of an RPC, subscriptions; each of these has it.
const SUBSCRIPTION: u8 = 0x0a;
/// Field 2, messages.
const PUBLISH: u8 = 0x12;
/// Field 3, control messages.
const CONTROL: u8 = 0x1a;
/// Of a control message field 1: what there is.
const IHAVE: u8 = 0x0a;
/// Field 2: what is wanted of it.
const IWANT: u8 = 0x12;

/// Cuts what gossipsub writes into frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    partial: Vec<u8>,
}

impl Frames {
    /// Takes bytes, and gives each frame that is whole now, its length included.
    pub(super) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Vec<u8>)) {
        self.partial.extend_from_slice(bytes);
        while let Some(whole) = whole(&self.partial) {
            let rest = self.partial.split_off(whole);
            each(std::mem::replace(&mut self.partial, rest));
        }
    }
}

/// Whether a frame brings messages, or what leads to them. It may be dropped: sync makes up for it. What
/// the others say, on the contrary, is never said again.
pub(super) fn may_be_dropped(frame: &[u8]) -> bool {
    let Some((_, rpc)) = length(frame) else { return false };
    match rpc {
        [PUBLISH, ..] => true,
        [CONTROL, control @ ..] => {
            matches!(length(control), Some((_, [IHAVE | IWANT, ..])))
        }
        _ => false,
    }
}

/// The frame, or several that say the same if it has more subscriptions than peers take at once.
pub(super) fn split(frame: Vec<u8>) -> Vec<Vec<u8>> {
    if frame.len() <= SUBSCRIPTIONS_BYTES_MAX {
        return vec![frame];
    }
    let Some((_, mut rest)) = length(&frame) else { return vec![frame] };
    let mut entries = Vec::new();
    while let [SUBSCRIPTION, entry @ ..] = rest {
        let Some((len, after)) = length(entry) else { return vec![frame] };
        let Some(after) = after.get(len..) else { return vec![frame] };
        let (whole, others) = rest.split_at(rest.len() - after.len());
        entries.push(whole);
        rest = others;
    }
    if rest.is_empty() { gathered(entries) } else { vec![frame] }
}

/// Frames that subscribe to `topics`.
pub(super) fn subscriptions<'a>(topics: impl Iterator<Item = &'a str>) -> Vec<Vec<u8>> {
    let entries: Vec<Vec<u8>> = topics
        .map(|topic| {
            // SubOpts: field 1, subscribe, is true; field 2 is the topic.
            let mut options = vec![0x08, 1, 0x12];
            put_length(&mut options, topic.len());
            options.extend_from_slice(topic.as_bytes());
            let mut entry = vec![SUBSCRIPTION];
            put_length(&mut entry, options.len());
            entry.extend(options);
            entry
        })
        .collect();
    gathered(entries.iter().map(Vec::as_slice))
}

/// As many entries in each frame as find room.
fn gathered<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for entry in entries {
        match bodies.last_mut() {
            Some(body) if body.len() + entry.len() <= SUBSCRIPTIONS_BYTES_MAX => {
                body.extend_from_slice(entry);
            }
            _ => bodies.push(entry.to_vec()),
        }
    }
    let frames = bodies.into_iter().map(|body| {
        let mut frame = Vec::with_capacity(body.len() + VARINT_BYTES_MAX);
        put_length(&mut frame, body.len());
        frame.extend(body);
        frame
    });
    frames.collect()
}

/// Where the first frame ends, if all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let (len, rest) = length(bytes)?;
    (rest.len() >= len).then(|| bytes.len() - rest.len() + len)
}

/// A varint, and what follows it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

fn put_length(bytes: &mut Vec<u8>, len: usize) {
    let mut rest = len;
    while rest > 0x7f {
        // Seven bits are left.
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push((rest & 0x7f) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(rpc: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        put_length(&mut frame, rpc.len());
        frame.extend_from_slice(rpc);
        frame
    }

    #[test]
    fn what_comes_in_pieces_is_cut_into_whole_frames() {
        let frames = [frame(&[PUBLISH; 300]), frame(&[]), frame(&[CONTROL; 5])];
        let bytes = frames.concat();
        for piece in [1, 2, 7, bytes.len()] {
            let (mut cut, mut found) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(piece) {
                cut.feed(piece, |frame| found.push(frame));
            }
            assert_eq!(found, frames);
        }
    }

    #[test]
    fn only_messages_and_their_announcements_may_be_dropped() {
        assert!(may_be_dropped(&frame(&[PUBLISH, 2, 0x12, 0])));
        assert!(may_be_dropped(&frame(&[CONTROL, 2, IHAVE, 0])));
        assert!(may_be_dropped(&frame(&[CONTROL, 2, IWANT, 0])));
        for others in [&[CONTROL, 2, 0x1a, 0][..], &[CONTROL, 0], &[SUBSCRIPTION, 0], &[]] {
            assert!(!may_be_dropped(&frame(others)), "{others:?}");
        }
    }

    /// A node that keeps over a thousand shards said so in one frame, which no peer takes.
    #[test]
    fn thousands_of_subscriptions_are_said_in_frames_that_peers_take() {
        let topics: Vec<String> =
            (0..4096).map(|shard| format!("/martlet/net/envelopes/2/{shard}")).collect();
        let said = subscriptions(topics.iter().map(String::as_str));
        let bytes = |frames: &[Vec<u8>]| {
            let bodies = frames.iter().filter_map(|one| length(one).map(|(_, body)| body));
            bodies.collect::<Vec<_>>().concat()
        };
        let one = frame(&bytes(&said));
        assert!(one.len() > 100_000);
        let split = split(one);
        assert_eq!(split, said);
        assert!(split.iter().all(|one| one.len() <= SUBSCRIPTIONS_BYTES_MAX + VARINT_BYTES_MAX));
        assert_eq!(bytes(&split), bytes(&said));
    }

    #[test]
    fn what_is_not_understood_is_left_as_it_is() {
        let long = frame(&[PUBLISH; 20_000]);
        assert_eq!(split(long.clone()), [long]);
        let cut_short = frame(&[&[SUBSCRIPTION, 0xff, 0xff, 0x03][..], &[0; 20_000]].concat());
        assert_eq!(split(cut_short.clone()), [cut_short]);
    }
}
