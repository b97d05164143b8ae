//! `bugreport`: what helps to find a fault, without what is nobody's business.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use martlet_protocol::control::{Diagnosis, LockState, Network, Severity, Status};
use martlet_protocol::network::Privacy;
use serde::Serialize;

use super::Context;
use super::netcheck::Netcheck;
use crate::client::{Client, ClientError};
use crate::exit::Failure;
use crate::render::{Clock, Page, Question, one_line};

/// Longest word of a metric or a version that is taken over. The longest of this version has 45 characters.
const WORD_CHARS_MAX: usize = 64;

/// Write what helps to find a fault into a file that you can send: no identities, contents or addresses
///
/// It is shown first, and written only when you say so. It has versions, the system, numbers about the network
/// and the mailbox, what the doctor found, and the metrics. It has no name, ID, peer id, address, path or text.
/// But the numbers tell how much you write and receive, and when the daemon was started.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl bugreport
  martletctl bugreport --output /tmp/report.txt --yes
  martletctl bugreport --output -      shown only")]
pub(crate) struct Args {
    /// The file to write; - writes none
    #[arg(long, short, value_name = "FILE", default_value = "martlet-bugreport.txt")]
    output: PathBuf,

    /// Don't ask
    #[arg(long, short)]
    yes: bool,
}

/// What was done, as JSON.
#[derive(Debug, Serialize)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    report: String,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let report = report(context.client.as_ref()).await;
        let file = (self.output.as_os_str() != "-").then_some(self.output);
        let output = &context.output;
        if !output.is_json() {
            output.raw(report.as_bytes())?;
        }
        if let Some(file) = &file {
            let name = one_line(&file.display().to_string());
            if !self.yes {
                output.confirm(&Question {
                    text: &format!("\nWrite this to {name}?"),
                    refused: "nothing was written",
                    to_do: "write the file",
                })?;
            }
            write(file, &report)
                .map_err(|error| Failure::Usage(format!("cannot write {name}: {error}")))?;
            if !output.is_json() {
                output.note(&format!(
                    "Wrote {name}. Add to it what you did, what you expected, and what happened instead."
                ));
            }
        }
        if output.is_json() {
            return output.show(&Written { file, report }, |_, _| {});
        }
        Ok(())
    }
}

/// Never over a file that is there.
fn write(file: &PathBuf, report: &str) -> std::io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(report.as_bytes())
}

/// The whole text. Where the daemon doesn't answer, it says so and goes on.
async fn report(client: Option<&Client>) -> String {
    let mut report = Report { text: String::new() };
    report.heading("Martlet bug report");
    report.line("martletctl", env!("CARGO_PKG_VERSION"));
    report.system();
    let Some(client) = client else {
        report.line("daemon", "its socket is not known: HOME is not set");
        return report.text;
    };
    match client.get::<Status>("/v1/status").await {
        Ok(status) => report.status(&status),
        Err(error) => {
            report.line("daemon", &kind(&error));
            return report.text;
        }
    }
    report.heading("Network");
    match client.get::<Network>("/v1/network").await {
        Ok(network) => report.network(&network),
        Err(error) => report.line("network", &kind(&error)),
    }
    match Netcheck::ask(client).await {
        Ok(check) => {
            let mut page = Page::new(false, Clock::system());
            check.write(&mut page);
            report.text.push_str(page.text());
        }
        Err(error) => report.line("netcheck", &kind(&error)),
    }
    report.heading("What the doctor found");
    match client.get::<Diagnosis>("/v1/doctor").await {
        Ok(diagnosis) => report.diagnosis(&diagnosis),
        Err(error) => report.line("doctor", &kind(&error)),
    }
    report.heading("Metrics");
    match client.get_text("/v1/metrics").await {
        Ok(metrics) => report.metrics(&metrics),
        Err(error) => report.line("metrics", &kind(&error)),
    }
    report.text
}

/// What is known to have nothing in it that others chose but words of a few letters, and numbers.
struct Report {
    text: String,
}

impl Report {
    fn heading(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(title);
        self.text.push('\n');
    }

    fn line(&mut self, label: &str, value: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{label:<10} {value}");
    }

    fn system(&mut self) {
        let kernel = rustix::system::uname();
        let part = |text: &std::ffi::CStr| harmless(&text.to_string_lossy());
        // Not the host's name.
        let kernel = format!(
            "{} {} {}",
            part(kernel.sysname()),
            part(kernel.release()),
            part(kernel.machine())
        );
        self.line("system", &kernel);
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let field = |name: &str| {
            let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            harmless(value.unwrap_or("?").trim_matches('"'))
        };
        self.line("release", &format!("{} {}", field("ID"), field("VERSION_ID")));
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        self.line("processors", &processors.to_string());
    }

    fn status(&mut self, status: &Status) {
        self.line("martletd", &harmless(&status.version));
        let lock = match status.lock {
            LockState::NoIdentity => "no identity",
            LockState::Locked => "locked",
            LockState::Unlocked => "open",
        };
        let passphrase = match status.passphrase {
            Some(true) => ", with a passphrase",
            Some(false) => ", without a passphrase",
            None => "",
        };
        self.line("vault", &format!("{lock}{passphrase}"));
        let shards = &status.shards;
        self.line(
            "role",
            &format!("{}, keeps {} of {} shards", status.role.name(), shards.kept, shards.total),
        );
        let mailbox = &status.mailbox;
        self.line(
            "mailbox",
            &format!(
                "{} envelopes, {} of {} bytes",
                mailbox.envelopes, mailbox.bytes, mailbox.bytes_max
            ),
        );
        if let Some(outbox) = status.outbox {
            self.line("outbox", &format!("{outbox}, {} being stamped", status.stamping));
        }
        self.line("warnings", &status.warnings.len().to_string());
    }

    fn network(&mut self, network: &Network) {
        let privacy = network.privacy.map_or("?", Privacy::as_str);
        self.line(
            "descriptor",
            &format!(
                "shard_bits {}, stamp_bits {}, privacy {privacy}, {} bootstrap addresses",
                network.shard_bits,
                network.stamp_bits,
                network.bootstrap.len()
            ),
        );
    }

    /// Codes alone: what is said beside them has addresses and paths.
    fn diagnosis(&mut self, diagnosis: &Diagnosis) {
        if diagnosis.findings.is_empty() {
            self.text.push_str("nothing\n");
        }
        for finding in &diagnosis.findings {
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "info",
            };
            let code = serde_json::to_value(finding.code).unwrap_or_default();
            self.line(severity, &harmless(code.as_str().unwrap_or("?")));
        }
    }

    fn metrics(&mut self, metrics: &str) {
        for line in metrics.lines().filter(|line| is_sample(line)) {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }
}

/// Why there is no answer, without what the daemon says or where it is.
fn kind(error: &ClientError) -> String {
    match error {
        ClientError::NotRunning { .. } => "not running".to_owned(),
        ClientError::Connect { source, .. } => format!("can't be connected to: {}", source.kind()),
        ClientError::Disconnected { .. } => "closed the connection".to_owned(),
        ClientError::Problem(problem) => {
            let code = serde_json::to_value(problem.code).unwrap_or_default();
            format!("refused: {}", harmless(code.as_str().unwrap_or("?")))
        }
        ClientError::Timeout => "no answer in time".to_owned(),
        ClientError::Protocol(_) | ClientError::UnknownEvent { .. } => "not understood".to_owned(),
    }
}

/// `text` if it is a word such as a version has, else `?`.
fn harmless(text: &str) -> String {
    let is_word = (1..=WORD_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._+~#".contains(&byte))
        // Neither an address nor an ID.
        && text.parse::<std::net::IpAddr>().is_err()
        && !text.starts_with("martlet1")
        && !text.starts_with("12D3Koo");
    if is_word { text.to_owned() } else { "?".to_owned() }
}

/// Whether a line of the metrics is `name{label="word",…} number`, all of them short and of this program.
fn is_sample(line: &str) -> bool {
    let Some((series, value)) = line.rsplit_once(' ') else { return false };
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => match rest.strip_suffix('}') {
            Some(labels) => (name, labels),
            None => return false,
        },
        None => (series, ""),
    };
    let is_name = name.starts_with("martlet_") || name.starts_with("process_");
    let mut labels = labels.split(',').filter(|label| !label.is_empty());
    is_name
        && harmless(name) == name
        && value.parse::<f64>().is_ok()
        && labels.all(|label| {
            label.split_once('=').is_some_and(|(key, value)| {
                let value = value.trim_matches('"');
                harmless(key) == key && harmless(value) == value
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_and_numbers_are_taken_over() {
        for word in ["0.1.0", "6.1.0-18-amd64", "clock-skew", "debian", "+Inf"] {
            assert_eq!(harmless(word), word);
        }
        let id = "martlet132yw8ht5p8cetl2jmvknewjawt9xwzdlrk2pyxlnwjyqrdq0dawq2pg9q5zs2pg9q5zs2pg9q5zsgltq7f";
        let peer = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
        for other in ["", "a b", "192.168.1.7", "::1", "/home/ann", "Zoë", "a\nb", id, peer] {
            assert_eq!(harmless(other), "?", "{other}");
        }
        assert!(is_sample("martlet_peers{state=\"connected\"} 3"));
        assert!(is_sample("process_open_fds 12"));
        assert!(is_sample("martlet_x_bucket{le=\"+Inf\",database=\"vault\"} 0.5"));
        for line in [
            "# HELP martlet_peers text",
            "other 3",
            "martlet_x{a=\"192.168.1.7\"} 1",
            "martlet_x{a=\"b c\"} 1",
            "martlet_x text",
            "martlet_x{a=\"b\" 1",
        ] {
            assert!(!is_sample(line), "{line}");
        }
    }
}
