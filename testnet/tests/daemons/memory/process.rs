//! The memory of another process.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::secrets::{PIECE, Secret};

/// A part of a process's memory that it has written: a heap, a stack, variables.
pub(crate) struct Area {
    /// What it is, as far as that can be told.
    name: String,
    from: u64,
    bytes: Vec<u8>,
    /// Of a stack: where it stands. Above are frames that are in use, below is what frames left that are gone.
    pointer: Option<u64>,
}

impl Area {
    /// Where in it something is, as whoever looks for the reason needs it: what is above a stack's pointer no wiping of what is
    /// below it reaches, and how far below it is tells whether the wiping is too short.
    fn place(&self, at: usize) -> String {
        let address = self.from + at as u64;
        let top = self.bytes.len() - at;
        match self.pointer {
            None => format!("{address:x}, {top} bytes before the end"),
            Some(pointer) if address < pointer => {
                format!("{address:x}, {} bytes below the stack pointer", pointer - address)
            }
            Some(pointer) => {
                let above = address - pointer;
                format!("{address:x}, {above} bytes above the stack pointer, {top} before the end")
            }
        }
    }
}

/// Places of one secret in one area that are told.
const PLACES_TOLD: usize = 4;

/// Waits until each thread of a process that was told to has stopped.
pub(crate) fn wait_stopped(pid: u32, deadline: Duration) -> io::Result<()> {
    let began = Instant::now();
    while !is_stopped(pid)? {
        if began.elapsed() > deadline {
            return Err(io::Error::other("it does not stop"));
        }
        thread::yield_now();
    }
    Ok(())
}

fn is_stopped(pid: u32) -> io::Result<bool> {
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // Missing: a thread that ended meanwhile.
        let status = fs::read_to_string(task?.path().join("stat")).unwrap_or_default();
        // After the name, which is in parentheses and may have any in it.
        if status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('T'))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What the process has written. `None` where that may not be read.
pub(crate) fn memory(pid: u32) -> io::Result<Option<Vec<Area>>> {
    let file = match File::open(format!("/proc/{pid}/mem")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(error),
    };
    let stacks = stacks(pid)?;
    let mut areas = Vec::new();
    for line in fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
        let Some((from, to)) = range.split_once('-') else { continue };
        let (Ok(from), Ok(to)) = (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16))
        else {
            continue;
        };
        if !rights.starts_with("rw") {
            continue;
        }
        let of_file = words.nth(3).unwrap_or("anonymous");
        let thread = stacks.range(from..to).next();
        let name = thread.map_or(of_file.to_owned(), |(_, thread)| format!("stack of {thread}"));
        let pointer = thread.map(|(pointer, _)| *pointer);
        let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(0)];
        // An area that went away meanwhile.
        if file.read_exact_at(&mut bytes, from).is_ok() {
            areas.push(Area { name, from, bytes, pointer });
        }
    }
    Ok(Some(areas))
}

/// Where the stacks of threads that wait are, with the threads' names.
fn stacks(pid: u32) -> io::Result<BTreeMap<u64, String>> {
    let mut stacks = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        // A thread that ended meanwhile, or runs.
        let (Ok(name), Ok(call)) =
            (fs::read_to_string(task.join("comm")), fs::read_to_string(task.join("syscall")))
        else {
            continue;
        };
        let pointer = call.split_whitespace().rev().nth(1).and_then(|it| it.strip_prefix("0x"));
        if let Some(Ok(pointer)) = pointer.map(|it| u64::from_str_radix(it, 16)) {
            stacks.insert(pointer, name.trim().to_owned());
        }
    }
    Ok(stacks)
}

/// What of `secrets` is there: which, how often, where, and with what around it.
pub(crate) fn find(memory: &[Area], secrets: &[Secret]) -> Vec<String> {
    // By the first two bytes of each piece, so that most places are passed at once.
    let mut by_start = vec![Vec::new(); 1 << 16];
    for secret in secrets {
        for piece in secret.pieces() {
            by_start[usize::from(u16::from_be_bytes([piece[0], piece[1]]))].push((secret, piece));
        }
    }
    let mut found: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for area in memory {
        let Area { name, bytes, .. } = area;
        for (at, window) in bytes.windows(PIECE).enumerate() {
            let start = usize::from(u16::from_be_bytes([window[0], window[1]]));
            for (secret, piece) in &by_start[start] {
                if window == *piece {
                    let around = &bytes[at.saturating_sub(128)..(at + 128).min(bytes.len())];
                    let place = format!("at {}: {}", area.place(at), hex(around));
                    found.entry((&secret.name, name)).or_default().push(place);
                }
            }
        }
    }
    let told = found.into_iter().map(|((secret, area), places)| {
        let told = places[..places.len().min(PLACES_TOLD)].join("; ");
        format!("{secret}, {} times in {area}, {told}", places.len())
    });
    told.collect()
}

/// Bytes of a generator's seed.
const SEED: usize = 32;
/// A generator's state begins at a multiple of this: it is made of vectors.
const ALIGNED: usize = 16;
/// What is looked at of what a seed makes: many times what a user's keys take.
const DRAWN: usize = 1024;

/// Which of `secrets` a generator would make again that is seeded with something there, and where that is.
pub(crate) fn find_seeds(memory: &[Area], secrets: &[Secret]) -> Vec<String> {
    let firsts: HashMap<[u8; 8], &str> = secrets
        .iter()
        .filter_map(|secret| Some((*secret.bytes().first_chunk()?, secret.name.as_str())))
        .collect();
    let mut found = Vec::new();
    let mut drawn = [0; DRAWN];
    for area in memory {
        let Area { name, from, bytes, .. } = area;
        let first = usize::try_from(from.wrapping_neg() % ALIGNED as u64).unwrap_or(0);
        for at in (first..bytes.len().saturating_sub(SEED)).step_by(ALIGNED) {
            let Some(seed) = bytes[at..].first_chunk::<SEED>() else { continue };
            if !is_random(seed) {
                continue;
            }
            ChaCha20Rng::from_seed(*seed).fill_bytes(&mut drawn);
            // What is drawn are whole words.
            for start in (0..DRAWN - 8).step_by(4) {
                let first = drawn[start..].first_chunk::<8>();
                if let Some(secret) = first.and_then(|first| firsts.get(first)) {
                    found.push(format!("{secret}, from {} in {name}", area.place(at)));
                }
            }
        }
    }
    found
}

/// Whether these could be random: of 32 random bytes fewer than 20 differ once in a billion times.
fn is_random(seed: &[u8; SEED]) -> bool {
    let mut seen = [0_u64; 4];
    seed.iter().for_each(|byte| seen[usize::from(byte >> 6)] |= 1 << (byte & 63));
    seen.iter().map(|bits| bits.count_ones()).sum::<u32>() >= 20
}

#[test]
fn a_seed_in_memory_is_found_by_what_it_made() {
    let mut seed = [0; SEED];
    ChaCha20Rng::seed_from_u64(7).fill_bytes(&mut seed);
    let mut key = [0; 40 + SEED];
    ChaCha20Rng::from_seed(seed).fill_bytes(&mut key);
    let secrets = [Secret::new("key", &key[40..])];
    let bytes = [&[0; 24], &seed[..], &[0; 24]].concat();
    let (name, from, pointer) = ("stack of a test".to_owned(), 0x1008, Some(0x1010));
    let memory = [Area { name, from, bytes, pointer }];
    let wanted =
        "key, from 1020, 16 bytes above the stack pointer, 56 before the end in stack of a test";
    assert_eq!(find_seeds(&memory, &secrets), [wanted]);
    assert!(find_seeds(&memory, &[Secret::new("another", &[1; SEED])]).is_empty());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // To a text, this can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
