//! Places in this process's memory, looked at whatever has become of them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::ptr;

/// Where something is, or was.
pub(crate) struct Place {
    memory: File,
    at: u64,
    // Made beforehand: it could be given the very place that is looked at.
    bytes: Vec<u8>,
}

impl Place {
    pub(crate) fn of<T: ?Sized>(value: &T) -> Self {
        Self {
            memory: File::open("/proc/self/mem").unwrap(),
            at: ptr::from_ref(value).cast::<u8>().addr() as u64,
            bytes: vec![0; size_of_val(value)],
        }
    }

    /// What is there now.
    pub(crate) fn now(mut self) -> Vec<u8> {
        self.memory.read_exact_at(&mut self.bytes, self.at).unwrap();
        self.bytes
    }
}
