//! How far the events were handled, on disk: after a crash what was not finished is handled again, and nothing else.
//!
//! A line of JSON, replaced whole: the last event seen, and those before it that are not finished.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::limits::CURSOR_BYTES_MAX;

/// How far the events were handled.
#[derive(Debug)]
pub(crate) struct Cursor {
    path: PathBuf,
    state: State,
    /// Whether anything was seen ever: else the events begin with those to come.
    is_known: bool,
    is_dirty: bool,
    /// Locked as long as this is used.
    _lock: File,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// The last event seen.
    seen: u64,
    /// Events up to it that are not finished.
    open: BTreeSet<u64>,
}

/// Why there is no cursor.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CursorError {
    /// Another process uses it.
    #[error(
        "{path}: another martletctl listen goes by this cursor; name one for each with --cursor",
        path = path.display()
    )]
    InUse { path: PathBuf },
    /// Neither `XDG_STATE_HOME` nor `HOME` is set.
    #[error("cannot tell where to keep the cursor, since HOME is not set: name it with --cursor")]
    NoHome,
    /// The system can't read or write it.
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
    /// Something else is in the file.
    #[error(
        "{path} is no cursor; move it away to begin with what comes from now on",
        path = path.display()
    )]
    Malformed { path: PathBuf },
}

/// Where the cursor is unless one is named: `$XDG_STATE_HOME/martlet/listen.json`.
pub(crate) fn default_path() -> Result<PathBuf, CursorError> {
    let directory = |name: &str| {
        env::var_os(name).map(PathBuf::from).filter(|directory| directory.is_absolute())
    };
    let state = directory("XDG_STATE_HOME")
        .or_else(|| Some(directory("HOME")?.join(".local/state")))
        .ok_or(CursorError::NoHome)?;
    Ok(state.join("martlet/listen.json"))
}

impl Cursor {
    /// Reads the one at `path`, or begins one, and locks it.
    pub(crate) fn open(path: PathBuf) -> Result<Self, CursorError> {
        let failed = |error| CursorError::Io { path: path.clone(), error };
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty())
        {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(beside(&path, ".lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CursorError::InUse { path }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let state = match martlet_input::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
            Ok(file) => {
                let mut text = String::new();
                file.take(CURSOR_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
                let state = serde_json::from_str(&text);
                Some(state.map_err(|_| CursorError::Malformed { path: path.clone() })?)
            }
        };
        let is_known = state.is_some();
        Ok(Self { path, state: state.unwrap_or_default(), is_known, is_dirty: false, _lock: lock })
    }

    /// After which event to begin; `None`: with those to come.
    pub(crate) fn since(&self) -> Option<u64> {
        let first_open = self.state.open.first().map_or(self.state.seen, |first| first - 1);
        self.is_known.then_some(first_open)
    }

    /// The events begin after this one, where nothing was known.
    pub(crate) fn begin_after(&mut self, seq: u64) {
        if !self.is_known {
            self.state.seen = seq;
            (self.is_known, self.is_dirty) = (true, true);
        }
    }

    pub(crate) fn is_known(&self) -> bool {
        self.is_known
    }

    /// An event came; whether it is to be handled. It is open from now on.
    pub(crate) fn take(&mut self, seq: u64) -> bool {
        if seq > self.state.seen || !self.is_known {
            self.state.seen = seq;
            self.state.open.insert(seq);
            (self.is_known, self.is_dirty) = (true, true);
            return true;
        }
        self.state.open.contains(&seq)
    }

    /// It was handled, or is of no interest.
    pub(crate) fn finish(&mut self, seq: u64) {
        self.is_dirty |= self.state.open.remove(&seq);
    }

    /// Writes it, if it changed.
    pub(crate) fn save(&mut self) -> Result<(), CursorError> {
        if !std::mem::take(&mut self.is_dirty) {
            return Ok(());
        }
        let part = beside(&self.path, ".part");
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| {
                serde_json::to_writer(&mut file, &self.state)?;
                file.write_all(b"\n")?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&part, &self.path));
        written.map_err(|error| CursorError::Io { path: self.path.clone(), error })
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::{Duration, Instant};

    use super::*;

    fn reopen(cursor: Cursor) -> Cursor {
        let path = cursor.path.clone();
        drop(cursor);
        open(&path).unwrap()
    }

    /// A process that another test starts just now has the lock until its program runs.
    fn open(path: &Path) -> Result<Cursor, CursorError> {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            match Cursor::open(path.to_path_buf()) {
                Err(CursorError::InUse { .. }) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                opened => return opened,
            }
        }
    }

    #[test]
    fn what_was_not_finished_is_handled_again_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let mut cursor = Cursor::open(directory.path().join("state/cursor")).unwrap();
        assert_eq!(cursor.since(), None);
        cursor.begin_after(7);
        cursor.save().unwrap();
        let mut cursor = reopen(cursor);
        assert_eq!(cursor.since(), Some(7));
        // It knows by now.
        cursor.begin_after(99);
        for seq in 8..=12 {
            assert!(cursor.take(seq));
        }
        for seq in [8, 10, 12] {
            cursor.finish(seq);
        }
        cursor.save().unwrap();
        let mut cursor = reopen(cursor);
        assert_eq!(cursor.since(), Some(8));
        let again: Vec<u64> = (9..=14).filter(|seq| cursor.take(*seq)).collect();
        assert_eq!(again, [9, 11, 13, 14]);
        again.into_iter().for_each(|seq| cursor.finish(seq));
        cursor.save().unwrap();
        assert_eq!(reopen(cursor).since(), Some(14));
    }

    #[test]
    fn one_is_used_by_one_and_what_is_none_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cursor");
        let cursor = Cursor::open(path.clone()).unwrap();
        assert!(matches!(Cursor::open(path.clone()), Err(CursorError::InUse { .. })));
        drop(cursor);
        for bad in ["", "{}", "17", "{\"seen\":1,\"open\":[],\"more\":2}", "\u{0}"] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(open(&path), Err(CursorError::Malformed { .. })));
            assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(open(&path), Err(CursorError::Io { .. })));
    }
}
