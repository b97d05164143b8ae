//! What a message says of a file, and the name in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::file::FileName;
use martlet_protocol::file::name::media_type;
use martlet_protocol::limits::FILE_NAME_BYTES_MAX;
use martlet_protocol::message::{File, FileHolders, FileReceived};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = File::decode(bytes) {
        assert!(File::decode(&file.encode()).expect("it was read") == file);
        assert_eq!(media_type(&file.media_type), file.media_type);
    }
    if let Ok(told) = FileHolders::decode(bytes) {
        assert_eq!(FileHolders::decode(&told.encode()).expect("it was read"), told);
    }
    let _ = FileReceived::decode(bytes);
    let name = FileName::harmless(&String::from_utf8_lossy(bytes));
    assert!((1..=FILE_NAME_BYTES_MAX).contains(&name.as_str().len()));
    assert!(!name.as_str().contains(['/', '\\', '\0']) && !name.as_str().starts_with('.'));
    assert_eq!(FileName::harmless(name.as_str()), name);
});
