//! The small files of the network: remembered peers and bans, as JSON in the data directory.
//!
//! Written whole, by a task of its own, on blocking threads: a new file beside the old one, synced,
//! renamed over it, the directory synced. A crash leaves the old one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits::{PEER_FILE_BYTES_MAX, PEER_FILE_FLUSH_MAX, PEER_FILE_QUEUE_MAX};
use martlet_protocol::excerpt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

/// The remembered peers, in the data directory.
pub(super) const PEER_CACHE_FILE: &str = "peers.json";
/// The bans, in the data directory.
pub(super) const BANS_FILE: &str = "bans.json";

/// Where the files are written. Without a data directory nothing is.
pub(super) struct Files {
    queue: Option<mpsc::Sender<Order>>,
    /// Whether a write has failed, or found no place, since this was last asked.
    failed: Arc<AtomicBool>,
}

enum Order {
    Write { name: &'static str, encode: Encode, told: Told },
    Flush(oneshot::Sender<()>),
}

type Encode = Box<dyn FnOnce() -> serde_json::Result<Vec<u8>> + Send>;
type Told = Box<dyn FnOnce(Result<(), NotStored>) + Send>;

/// A file that was not written. What was to be in it is tried again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} could not be written: {reason}")]
pub struct NotStored {
    /// The file's name in the data directory.
    pub file: &'static str,
    /// What the system said.
    pub reason: String,
}

impl Files {
    /// Starts the task that writes into `directory`. Must be called within a tokio runtime.
    pub(super) fn start(directory: Option<PathBuf>) -> Self {
        let failed = Arc::new(AtomicBool::new(false));
        let queue = directory.map(|directory| {
            let (queue, orders) = mpsc::channel(PEER_FILE_QUEUE_MAX);
            tokio::spawn(write_all(directory, orders, Arc::clone(&failed)));
            queue
        });
        Self { queue, failed }
    }

    /// Has `value` written in place of the file `name`, without waiting for it; see
    /// [`Self::take_failed`].
    pub(super) fn save(&self, name: &'static str, value: impl Serialize + Send + 'static) {
        self.save_and_tell(name, value, |_| {});
    }

    /// The same, and tells once it is on disk or is not.
    pub(super) fn save_and_tell(
        &self,
        name: &'static str,
        value: impl Serialize + Send + 'static,
        told: impl FnOnce(Result<(), NotStored>) + Send + 'static,
    ) {
        let Some(queue) = &self.queue else { return told(Ok(())) };
        let encode = Box::new(move || serde_json::to_vec_pretty(&value));
        let order = Order::Write { name, encode, told: Box::new(told) };
        if let Err(error) = queue.try_send(order) {
            self.failed.store(true, Ordering::Relaxed);
            if let Order::Write { name, told, .. } = error.into_inner() {
                told(Err(NotStored { file: name, reason: "the disk is too slow".to_owned() }));
            }
        }
    }

    /// Whether something was not written since this was last asked, and is to be given again.
    pub(super) fn take_failed(&self) -> bool {
        self.failed.swap(false, Ordering::Relaxed)
    }

    /// Waits until what was given is on disk, at most [`PEER_FILE_FLUSH_MAX`].
    pub(super) async fn flush(&self) {
        let Some(queue) = &self.queue else { return };
        let (done, is_done) = oneshot::channel();
        let flushed = async {
            // An error: the task has ended, with the runtime.
            if queue.send(Order::Flush(done)).await.is_ok() {
                is_done.await.unwrap_or_default();
            }
        };
        if tokio::time::timeout(PEER_FILE_FLUSH_MAX, flushed).await.is_err() {
            tracing::warn!("peers and bans are not on disk yet; the disk is slow");
        }
    }
}

/// Reads the file `name`. One that isn't there is empty; one that can't be read or understood is set
/// aside, with a warning, and is then empty too: nothing in it is worth not starting for.
pub(super) fn load<T: DeserializeOwned + Default>(directory: Option<&Path>, name: &str) -> T {
    let Some(path) = directory.map(|directory| directory.join(name)) else { return T::default() };
    let reason = match read(&path) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(value) => return value,
            // Not the addresses in it: this is logged.
            Err(error) => excerpt::message(&error.to_string()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return T::default(),
        Err(error) => error.to_string(),
    };
    let aside = path.with_extension("json.damaged");
    let moved = fs::rename(&path, &aside);
    let kept = moved.is_ok();
    tracing::warn!(file = name, %reason, kept, "damaged; set aside as {name}.damaged, and begun anew");
    T::default()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(PEER_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > PEER_FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is over {PEER_FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

async fn write_all(directory: PathBuf, mut orders: mpsc::Receiver<Order>, failed: Arc<AtomicBool>) {
    let mut failing = false;
    while let Some(order) = orders.recv().await {
        match order {
            Order::Flush(done) => done.send(()).unwrap_or_default(),
            Order::Write { name, encode, told } => {
                let directory = directory.clone();
                let written = tokio::task::spawn_blocking(move || {
                    replace(&directory, name, &encode().map_err(io::Error::other)?)
                });
                let written = written.await.unwrap_or_else(|error| Err(io::Error::other(error)));
                let not_stored =
                    |error: &io::Error| NotStored { file: name, reason: error.to_string() };
                told(written.as_ref().map_err(not_stored).copied());
                match written {
                    Ok(()) => failing = false,
                    Err(error) if failing => {
                        failed.store(true, Ordering::Relaxed);
                        tracing::debug!(file = name, %error, "still cannot be written");
                    }
                    Err(error) => {
                        failing = true;
                        failed.store(true, Ordering::Relaxed);
                        tracing::warn!(file = name, %error, "cannot be written; tried again later");
                    }
                }
            }
        }
    }
}

/// All of the new file or all of the old one.
fn replace(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = directory.join(format!("{name}.new"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, directory.join(name))?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn what_was_saved_is_loaded_and_the_last_wins() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load::<Vec<u32>>(Some(dir.path()), "x.json"), Vec::<u32>::new());
        let files = Files::start(Some(dir.path().to_owned()));
        files.save("x.json", vec![1]);
        files.save("x.json", vec![1, 2]);
        files.flush().await;
        assert!(!files.take_failed());
        assert_eq!(load::<Vec<u32>>(Some(dir.path()), "x.json"), [1, 2]);
        let names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["x.json"]);
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let too_long = vec![b' '; usize::try_from(PEER_FILE_BYTES_MAX).unwrap() + 1];
        for bytes in [&b"[1, 2"[..], b"\xff\xfe", b"{}", &too_long] {
            let path = dir.path().join("x.json");
            fs::write(&path, bytes).unwrap();
            assert_eq!(load::<Vec<u32>>(Some(dir.path()), "x.json"), Vec::<u32>::new());
            assert!(!path.exists());
            assert_eq!(fs::read(dir.path().join("x.json.damaged")).unwrap(), bytes);
        }
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_to_be_given_again() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::start(Some(dir.path().join("none")));
        let (sender, told) = oneshot::channel();
        files.save_and_tell("x.json", 1, |result| sender.send(result).unwrap());
        assert_eq!(told.await.unwrap().unwrap_err().file, "x.json");
        assert!(files.take_failed() && !files.take_failed());
        (0..=PEER_FILE_QUEUE_MAX).for_each(|number| files.save("x.json", number));
        assert!(files.take_failed(), "no place in the queue");
    }

    #[tokio::test]
    async fn without_a_directory_nothing_is_written() {
        let files = Files::start(None);
        files.save("x.json", 1);
        files.flush().await;
        assert_eq!(load::<u32>(None, "x.json"), 0);
    }
}
