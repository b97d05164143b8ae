//! The content of an envelope: its header and all that can be read from it without a key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::Header;

fuzz_target!(|content: &[u8]| {
    let Ok(header) = Header::parse(content) else { return };
    let Header { kind, network, shard, expiry, slots, len } = header;
    assert!(len < content.len());
    assert_eq!(Header::encode_prefix(kind, network, shard, expiry, slots), content[..17]);
    let _ = header.tag(content);
    for slot in 0..=255 {
        assert_eq!(header.ack_commit(content, slot).is_some(), slot < slots);
    }
});
