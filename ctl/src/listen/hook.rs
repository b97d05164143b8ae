//! One run of a program: a line on its standard input, and what it prints, within bounds.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use is_executable::IsExecutable;
use martlet_input::Group;
use martlet_protocol::limits::TEXT_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::limits::{LISTEN_ERRORS_BYTES_MAX, LISTEN_ERRORS_WAIT};

/// A program to be run for each message.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    /// It and its arguments.
    pub(crate) program: Vec<OsString>,
    /// How long a run may take.
    pub(crate) time_max: Duration,
}

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    /// There is no such program, or it can't be run.
    #[error("cannot run {program}: {error}")]
    NotRun { program: String, error: io::Error },
    /// It did not end in time, and was killed.
    #[error("it did not end within {seconds} s and was killed", seconds = .0.as_secs_f64())]
    Hangs(Duration),
    /// It printed more than a message holds, and was killed.
    #[error("it printed over {TEXT_BYTES_MAX} bytes, more than a message holds, and was killed")]
    Floods,
    /// It failed.
    #[error("it failed: {0}")]
    Failed(ExitStatus),
    /// What it printed is no text.
    #[error("what it printed is not UTF-8")]
    NotUtf8,
    /// The system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Hook {
    /// Whether there is such a program; it is looked for as it is when it is run.
    pub(crate) fn check(&self) -> Result<(), HookError> {
        let Some(program) = self.program.first() else { return Ok(()) };
        let path = Path::new(program);
        let paths = match path.components().count() {
            1 if !program.as_encoded_bytes().contains(&b'/') => {
                // Where there is none the system looks there, too (execvp).
                let places = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
                std::env::split_paths(&places).map(|place| place.join(path)).collect()
            }
            _ => vec![path.to_owned()],
        };
        if paths.iter().any(|path| path.is_file() && path.is_executable()) {
            return Ok(());
        }
        let error = match paths.iter().any(|path| path.exists()) {
            true => io::ErrorKind::PermissionDenied.into(),
            false => io::ErrorKind::NotFound.into(),
        };
        Err(HookError::NotRun { program: program.to_string_lossy().into_owned(), error })
    }

    /// Runs it with a line on its standard input. What it printed, without the last line's end; `None` if nothing.
    ///
    /// Its processes are a group of their own, and whatever is left of it in the end is killed. What it says on standard error is
    /// passed on, up to a bound.
    pub(crate) async fn run(&self, line: String) -> Result<Option<String>, HookError> {
        let Some((program, arguments)) = self.program.split_first() else { return Ok(None) };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| HookError::NotRun {
                program: program.to_string_lossy().into_owned(),
                error,
            })?;
        let group = Group::of(child.id());
        let errors = child.stderr.take().map(|errors| tokio::spawn(pass_on(errors, io::stderr())));
        let run = tokio::time::timeout(self.time_max, talk(&mut child, line)).await;
        drop(group);
        if let Some(mut errors) = errors
            && tokio::time::timeout(LISTEN_ERRORS_WAIT, &mut errors).await.is_err()
        {
            // A process that left the group holds it open.
            errors.abort();
        }
        let (printed, status) = run.map_err(|_| HookError::Hangs(self.time_max))??;
        if !status.success() {
            return Err(HookError::Failed(status));
        }
        let mut text = String::from_utf8(printed).map_err(|_| HookError::NotUtf8)?;
        if text.ends_with('\n') {
            text.pop();
        }
        Ok((!text.is_empty()).then_some(text))
    }
}

/// Gives a process its line, takes what it prints, and waits for its end.
async fn talk(child: &mut Child, line: String) -> Result<(Vec<u8>, ExitStatus), HookError> {
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let give = async {
        if let Some(mut input) = input {
            // It need not read.
            let _ = input.write_all(line.as_bytes()).await;
        }
    };
    let take = async {
        let mut printed = Vec::new();
        if let Some(output) = output {
            // With the line's end that is left out, and a byte that shows that it is too much.
            let most = u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX) + 2;
            output.take(most).read_to_end(&mut printed).await?;
        }
        let text_max = TEXT_BYTES_MAX + usize::from(printed.ends_with(b"\n"));
        if printed.len() > text_max { Err(HookError::Floods) } else { Ok(printed) }
    };
    let both = async {
        let ((), printed) = tokio::join!(give, take);
        printed
    };
    let printed = both.await?;
    Ok((printed, child.wait().await?))
}

/// Passes on what a program says on standard error, and leaves out what is too much; whether it was.
async fn pass_on(mut errors: impl AsyncRead + Unpin, mut own: impl io::Write) -> io::Result<bool> {
    let (mut buffer, mut left) = ([0; 4096], LISTEN_ERRORS_BYTES_MAX);
    let mut is_cut = false;
    loop {
        let count = errors.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        let passed = count.min(left);
        own.write_all(&buffer[..passed])?;
        left -= passed;
        is_cut |= passed < count;
    }
    if is_cut {
        writeln!(
            own,
            "martletctl: the program said more than {LISTEN_ERRORS_BYTES_MAX} bytes on standard error; the rest is left out"
        )?;
    }
    Ok(is_cut)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Instant;

    use super::*;

    fn shell(script: &str, time_max: Duration) -> Hook {
        Hook { program: ["sh", "-c", script].map(OsString::from).to_vec(), time_max }
    }

    async fn run(script: &str) -> Result<Option<String>, HookError> {
        shell(script, Duration::from_secs(20)).run("a line\n".to_owned()).await
    }

    #[tokio::test]
    async fn what_it_prints_is_the_result() {
        assert_eq!(run("cat").await.unwrap().as_deref(), Some("a line"));
        assert_eq!(run("printf 'one\\ntwo\\n\\n'").await.unwrap().as_deref(), Some("one\ntwo\n"));
        assert_eq!(run("cat >/dev/null").await.unwrap(), None);
        assert_eq!(run("echo").await.unwrap(), None);
        // It need not read, and a line may be longer than a pipe holds.
        let long = format!("{}\n", "x".repeat(1 << 20));
        let quick = shell("echo done", Duration::from_secs(20));
        assert_eq!(quick.run(long.clone()).await.unwrap().as_deref(), Some("done"));
        let count = shell("wc -c", Duration::from_secs(20)).run(long).await.unwrap().unwrap();
        assert_eq!(count.trim(), ((1 << 20) + 1).to_string());
        let most = run(&format!("head -c {TEXT_BYTES_MAX} /dev/zero | tr '\\0' x; echo")).await;
        assert_eq!(most.unwrap().unwrap().len(), TEXT_BYTES_MAX);
    }

    #[tokio::test]
    async fn what_hangs_floods_or_dies_is_told_apart() {
        let began = Instant::now();
        let hangs = shell("sleep 1000 & sleep 1000", Duration::from_millis(300));
        assert!(matches!(hangs.run(String::new()).await, Err(HookError::Hangs(_))));
        // What it left behind holds its output open.
        let leaves = shell("sleep 1000 & echo x", Duration::from_millis(300));
        assert!(matches!(leaves.run(String::new()).await, Err(HookError::Hangs(_))));
        assert!(matches!(run("cat /dev/zero").await, Err(HookError::Floods)));
        assert!(matches!(run("yes").await, Err(HookError::Floods)));
        let over = format!("head -c {} /dev/zero | tr '\\0' x", TEXT_BYTES_MAX + 1);
        assert!(matches!(run(&over).await, Err(HookError::Floods)));
        assert!(matches!(run("echo x; exit 3").await, Err(HookError::Failed(_))));
        assert!(matches!(run("kill -9 $$").await, Err(HookError::Failed(_))));
        assert!(matches!(run("printf '\\377'").await, Err(HookError::NotUtf8)));
        let none = Hook { program: vec!["/no/such".into()], time_max: Duration::from_secs(1) };
        assert!(matches!(none.run(String::new()).await, Err(HookError::NotRun { .. })));
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    }

    /// A program that said the same error again and again wrote 3.9 GB in two seconds.
    #[tokio::test]
    async fn what_is_said_on_standard_error_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("errors");
        std::fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
        let mut child = Command::new("cat").arg(&path).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = Vec::new();
        let more = pass_on(child.stdout.take().unwrap(), &mut told).await.unwrap();
        let most = LISTEN_ERRORS_BYTES_MAX;
        assert!(more && told.starts_with(&vec![b'x'; most]) && told.len() < most + 200);
        assert!(String::from_utf8_lossy(&told[most..]).contains("the rest is left out"));
        // All of what is short, and what was said just before the end.
        assert!(matches!(run("echo oh >&2; exit 3").await, Err(HookError::Failed(_))));
    }

    #[tokio::test]
    async fn nothing_of_a_run_that_hung_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let script = format!("sh -c 'echo $$ >{}; exec sleep 1000'", file.display());
        let hangs = shell(&script, Duration::from_secs(2));
        assert!(hangs.run(String::new()).await.is_err());
        let pid: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
        {
            assert!(Instant::now() < deadline, "it is still there");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
