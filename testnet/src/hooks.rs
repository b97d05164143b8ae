//! Stands in for three functions of libc in this executable, so that a simulation has clocks and
//! randomness of its own and does not wait in real time, and a daemon of a test has a wall clock
//! that is off.
//!
//! A function that the executable defines is taken before libc's, by all of it and by the libraries
//! it loads. On threads without a simulation these pass on to libc's own functions, found once by
//! `dlsym(RTLD_NEXT, …)`, which read the clocks without a system call.

#![expect(
    unsafe_code,
    reason = "functions of the C library are replaced, and the replaced ones called"
)]

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use martlet_testnet::cluster::clock_ahead_ms;
use martlet_testnet::sim::host::{self, ClockKind};

type ClockGettime = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int;
type GetRandom = unsafe extern "C" fn(*mut c_void, libc::size_t, c_uint) -> libc::ssize_t;
type EpollWait = unsafe extern "C" fn(c_int, *mut libc::epoll_event, c_int, c_int) -> c_int;

static CLOCK_GETTIME: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static GETRANDOM: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static EPOLL_WAIT: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

/// `clock_gettime(2)`.
///
/// # Safety
/// As libc's: `time` is valid for writes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn clock_gettime(
    clock: libc::clockid_t,
    time: *mut libc::timespec,
) -> c_int {
    let kind = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => Some(ClockKind::Wall),
        libc::CLOCK_MONOTONIC
        | libc::CLOCK_MONOTONIC_COARSE
        | libc::CLOCK_MONOTONIC_RAW
        | libc::CLOCK_BOOTTIME => Some(ClockKind::Monotonic),
        // Processor time is the machine's.
        _ => None,
    };
    if let Some(now) = kind.and_then(host::time) {
        let now = libc::timespec {
            tv_sec: libc::time_t::try_from(now.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(now.subsec_nanos()),
        };
        // SAFETY: the caller's promise.
        unsafe { time.write(now) };
        return 0;
    }
    // SAFETY: libc's function has this type; the caller's promise is passed on.
    let told = unsafe {
        let next = next(&CLOCK_GETTIME, c"clock_gettime");
        std::mem::transmute::<*mut c_void, ClockGettime>(next)(clock, time)
    };
    let ahead_ms = clock_ahead_ms();
    if told == 0 && kind == Some(ClockKind::Wall) && ahead_ms != 0 {
        // SAFETY: the caller's promise, and it was written just now.
        let time = unsafe { &mut *time };
        let ns = i128::from(time.tv_sec) * 1_000_000_000
            + i128::from(time.tv_nsec)
            + i128::from(ahead_ms) * 1_000_000;
        time.tv_sec =
            libc::time_t::try_from(ns.div_euclid(1_000_000_000)).unwrap_or(libc::time_t::MAX);
        time.tv_nsec = libc::c_long::try_from(ns.rem_euclid(1_000_000_000)).unwrap_or_default();
    }
    told
}

/// `getrandom(2)`.
///
/// # Safety
/// As libc's: `buffer` is valid for writes of `length` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getrandom(
    buffer: *mut c_void,
    length: libc::size_t,
    flags: c_uint,
) -> libc::ssize_t {
    if !buffer.is_null() {
        // SAFETY: the caller's promise. What was there is not read.
        let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
        if host::fill_random(bytes) {
            return libc::ssize_t::try_from(length).unwrap_or(libc::ssize_t::MAX);
        }
    }
    // SAFETY: libc's function has this type; the caller's promise is passed on.
    unsafe {
        let next = next(&GETRANDOM, c"getrandom");
        std::mem::transmute::<*mut c_void, GetRandom>(next)(buffer, length, flags)
    }
}

/// `epoll_wait(2)`. A simulation has no files: nothing ever happens to any.
///
/// # Safety
/// As libc's: `events` is valid for writes of `count` events.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn epoll_wait(
    epoll: c_int,
    events: *mut libc::epoll_event,
    count: c_int,
    timeout: c_int,
) -> c_int {
    if host::wait(timeout) {
        return 0;
    }
    // SAFETY: libc's function has this type; the caller's promise is passed on.
    unsafe {
        let next = next(&EPOLL_WAIT, c"epoll_wait");
        std::mem::transmute::<*mut c_void, EpollWait>(next)(epoll, events, count, timeout)
    }
}

/// The function that this one was taken before.
fn next(cache: &AtomicPtr<c_void>, name: &CStr) -> *mut c_void {
    let known = cache.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    // SAFETY: the name ends with a zero.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    if found.is_null() {
        // Nothing that could be said without a clock.
        std::process::abort();
    }
    cache.store(found, Ordering::Relaxed);
    found
}
