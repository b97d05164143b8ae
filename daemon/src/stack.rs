//! What work with secrets leaves on the stack of a thread that goes on.
//!
//! Keys that are moved, and the states of ciphers, are copied from one frame to another, and a frame that was
//! left stays as it was until another takes its place. An allocator can't see that. So such work runs
//! [`apart`], below the frame of its caller, and its caller wipes what is below that with [`wipe`].

use std::hint::black_box;

/// How much is wiped: several times what the engine was seen to use, a quarter of a thread's stack.
const WIPED_BYTES: usize = 512 << 10;

/// Runs `work` in a frame below the caller's own.
#[inline(never)]
pub(crate) fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Overwrites the stack below the caller's frame.
#[inline(never)]
pub(crate) fn wipe() {
    let zeros = [0_u8; WIPED_BYTES];
    // So that it isn't left out as of no use.
    black_box(&zeros);
}
