//! A child process that never outlives its owner.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal};

/// Names to the child the process that must outlive it.
const PARENT_VARIABLE: &str = "TESTNET_PARENT_PID";

/// A daemon's process. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `program` with `args`, its output appended to `log`. No `MARTLET_` variable of this
    /// process's environment reaches it.
    ///
    /// The system kills the child when the thread that called this ends ([`die_with_parent`]):
    /// call it on a thread that lives as long as the child should.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> io::Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(program);
        command.args(args).stdout(output.try_clone()?).stderr(output);
        Self::start(command)
    }

    /// The same, its output on this process's standard error.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn_logging_here<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(args).stdout(Stdio::from(io::stderr().as_fd().try_clone_to_owned()?));
        Self::start(command)
    }

    fn start(mut command: Command) -> io::Result<Self> {
        bind_to_this_process(&mut command);
        command.stdin(Stdio::null());
        remove_own_variables(&mut command);
        Ok(Self { child: command.spawn()? })
    }

    /// The process's number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system doesn't say.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends a signal, unless it has ended.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if self.ended()?.is_none() {
            // Not yet waited for, so the number can't belong to another process.
            rustix::process::kill_process(Pid::from_child(&self.child), signal)?;
        }
        Ok(())
    }

    /// Ends it by SIGKILL, and waits for its end.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only if the process is gone already, which is what is wanted.
        let _ = self.kill();
    }
}

/// Names to a command the process that must outlive it: this one. The command is to be this program, which knows what
/// to do with that.
pub(crate) fn bind_to_this_process(command: &mut Command) {
    command.env(PARENT_VARIABLE, std::process::id().to_string());
}

/// Becomes the program `args` names, which the system kills when the process ends that started this one; returns why
/// it did not. The thread that started it is meant, as in [`Process::spawn`].
pub(crate) fn become_bound<A: AsRef<OsStr>>(args: &[A]) -> io::Error {
    let Some((program, args)) = args.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no program is named");
    };
    match die_with_parent() {
        Ok(()) => Command::new(program).args(args).env_remove(PARENT_VARIABLE).exec(),
        Err(error) => error,
    }
}

/// Removes from a command's environment what would configure a daemon or a client.
pub fn remove_own_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MARTLET_") {
            command.env_remove(name);
        }
    }
}

/// In a child started by [`Process::spawn`]: asks the system to kill it when its parent ends, so
/// that a test that is interrupted leaves no daemon behind. Does nothing in any other process.
///
/// # Errors
/// When the system refuses, or the parent is gone already.
pub fn die_with_parent() -> io::Result<()> {
    let Some(parent) = std::env::var(PARENT_VARIABLE).ok().and_then(|pid| pid.parse().ok()) else {
        return Ok(());
    };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before the line above.
    if rustix::process::getppid().map(Pid::as_raw_nonzero).map(i32::from) != Some(parent) {
        return Err(io::Error::other("the process that started this one is gone"));
    }
    Ok(())
}
