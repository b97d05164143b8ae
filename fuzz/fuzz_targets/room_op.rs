//! An operation on a room, as someone tells it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::limits::ROOM_OP_PREVIOUS_MAX;
use martlet_protocol::room::{Operation, Room, Unverified};

fuzz_target!(|bytes: &[u8]| {
    // Its signature is not looked at: what comes after it is reached by bytes that nobody signed.
    if let Ok(op) = Operation::from_record(bytes) {
        assert!(op.previous().len() <= ROOM_OP_PREVIOUS_MAX && op.as_bytes() == bytes);
        if let Some(room) = Room::new(op) {
            assert!(room.state().settings().is_in_bounds());
        }
    }
    let Ok(read) = Unverified::read(bytes) else { return };
    let (id, room) = (read.id(), read.room());
    let Ok(op) = read.verify() else { return };
    assert_eq!((op.id(), op.room()), (id, room));
    assert_eq!(Operation::from_record(bytes).expect("it was verified"), op);
});
