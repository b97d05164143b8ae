//! JSON on the control socket: the daemon reads requests, a client reads events and problems.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::control::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

fuzz_target!(|bytes: &[u8]| {
    read::<SendRequest>(bytes);
    read::<InitRequest>(bytes);
    read::<UnlockRequest>(bytes);
    read::<ContactAdd>(bytes);
    read::<ContactRename>(bytes);
    read::<RequestAccept>(bytes);
    read::<DialRequest>(bytes);
    read::<HistoryQuery>(bytes);
    read::<EventsQuery>(bytes);
    read::<Event>(bytes);
    read::<Problem>(bytes);
});

fn read<T: DeserializeOwned + Serialize + PartialEq>(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(bytes) {
        let again = serde_json::from_slice::<T>(&serde_json::to_vec(&value).unwrap()).unwrap();
        assert!(again == value);
    }
}
