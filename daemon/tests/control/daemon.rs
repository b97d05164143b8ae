//! A daemon process of a test's own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::Client;

/// How long anything may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    home: TempDir,
}

/// The daemon's executable, with nothing of the caller's environment that configures it.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_martletd"));
    command.env_clear();
    command
}

impl Daemon {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &[])
    }

    /// Starts with this directory for data and socket, and waits until it answers.
    pub(crate) fn start_in(home: TempDir, more: &[&str]) -> Self {
        let child = spawn(home.path(), more);
        let mut daemon = Self { child, home };
        let deadline = Instant::now() + DEADLINE;
        // The socket is there before the rest: who connects early is answered late.
        while daemon.try_connect().and_then(|mut client| client.try_get("/v1/status")).is_none() {
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("the daemon ended with {status}: {}", daemon.log());
            }
            assert!(Instant::now() < deadline, "no answer: {}", daemon.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        daemon
    }

    pub(crate) fn connect(&self) -> Client {
        self.try_connect().unwrap_or_else(|| panic!("can't connect: {}", self.log()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.home().join("control.sock")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home().join("log")).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; returns the directory for another start.
    pub(crate) fn wait(mut self) -> (ExitStatus, TempDir) {
        let status = wait(&mut self.child);
        (status, std::mem::replace(&mut self.home, tempfile::tempdir().unwrap()))
    }

    fn try_connect(&self) -> Option<Client> {
        Client::connect(&self.socket()).ok()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a daemon on this directory, without waiting. It speaks to nobody but static peers.
pub(crate) fn spawn(home: &Path, more: &[&str]) -> Child {
    let log = File::options().create(true).append(true).open(home.join("log")).unwrap();
    command()
        .arg("--data-dir")
        .arg(home)
        .arg("--socket")
        .arg(home.join("control.sock"))
        .args(["--listen", "/ip4/127.0.0.1/tcp/0", "--mdns", "false"])
        .args(more)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Waits until it is so.
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "it does not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a process that must end soon.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "process {} does not end", child.id());
        std::thread::sleep(Duration::from_millis(5));
    }
}
