//! What a process uses, by `/proc` (proc_pid_stat(5), proc_pid_status(5)).

use std::fs;
use std::io;
use std::time::Duration;

/// What a process has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all its threads, in user and kernel mode; to the clock tick (10 ms).
    pub cpu: Duration,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
    /// The part of it that is in no file, bytes: what the process itself asked for.
    pub anonymous_bytes: u64,
}

/// What the process `pid` has used so far.
///
/// # Errors
/// When there is no such process.
pub fn usage(pid: u32) -> io::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse(&stat, &status, rustix::param::clock_ticks_per_second())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unexpected form of /proc files"))
}

/// The bytes that the process `pid` has given to the system so far, for files and sockets alike (proc_pid_io(5), `wchar`).
///
/// # Errors
/// When there is no such process, or it is another user's.
pub fn written_bytes(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/io"))?;
    let value = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    value
        .and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unexpected form of /proc files"))
}

fn parse(stat: &str, status: &str, ticks_per_second: u64) -> Option<Usage> {
    // The command's name is in parentheses and may hold anything; utime and stime are the 12th and
    // 13th fields after it.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let micros = (user + system).checked_mul(1_000_000)?.checked_div(ticks_per_second)?;
    let bytes = |name: &str| -> Option<u64> {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = value.split_ascii_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    };
    Some(Usage {
        cpu: Duration::from_micros(micros),
        rss_bytes: bytes("VmRSS:")?,
        anonymous_bytes: bytes("RssAnon:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_right_fields() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 900 0 3 0 150 25 0 0 20 0 4 0 100 1 2 3";
        let status = "Name:\ta) b\nVmHWM:\t  99999 kB\nVmRSS:\t   20480 kB\nRssAnon:\t   10240 kB\nThreads:\t4\n";
        assert_eq!(
            parse(stat, status, 100),
            Some(Usage {
                cpu: Duration::from_millis(1750),
                rss_bytes: 20 * 1024 * 1024,
                anonymous_bytes: 10 * 1024 * 1024,
            })
        );
        assert_eq!(parse("garbage", status, 100), None);
        assert_eq!(parse(stat, "", 100), None);
    }

    #[test]
    fn reads_this_process() -> io::Result<()> {
        assert!(usage(std::process::id())?.rss_bytes > 0);
        let before = written_bytes(std::process::id())?;
        fs::write("/dev/null", [0; 4096])?;
        assert!(written_bytes(std::process::id())? >= before + 4096);
        Ok(())
    }
}
