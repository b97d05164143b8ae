//! Peers of other libp2p implementations, which know of Martlet what `docs/wire-format.md` says: two daemons that
//! aren't connected talk across one.
//!
//! The peers are `js/peer.mjs` and `python/peer.py`. What they need is installed into the target directory the first
//! time, by npm and pip. Where that can't be done the test says why, and passes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use martlet_protocol::control::Delivery;
use martlet_testnet::cluster::{Cluster, Node, introduce};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const DEADLINE: Duration = Duration::from_secs(60);
/// Longest installation: some 60 small packages, on a busy machine.
const INSTALL_MAX: Duration = Duration::from_secs(180);

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// A foreign peer. Its process is killed when it is dropped.
struct Foreign {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Foreign {
    async fn start(
        mut command: Command,
        network: &str,
        addresses: &[String],
    ) -> Result<Self, Box<dyn std::error::Error>> {
        command.arg(network).args(addresses);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let mut foreign = Self { child, lines: BufReader::new(stdout).lines() };
        foreign.wait_for("ready").await?;
        Ok(foreign)
    }

    /// Waits for a line that begins so.
    async fn wait_for(&mut self, start: &str) -> TestResult {
        let found = tokio::time::timeout(DEADLINE, async {
            while let Some(line) = self.lines.next_line().await? {
                if line.starts_with(start) {
                    return Ok(());
                }
            }
            Err(std::io::Error::other("the peer ended"))
        });
        found.await.map_err(|_| format!("no {start:?}"))?.map_err(Into::into)
    }

    /// Asks it to end.
    async fn stop(mut self) -> TestResult {
        drop(self.child.stdin.take());
        let status = tokio::time::timeout(DEADLINE, self.child.wait()).await??;
        assert!(status.success(), "{status}");
        Ok(())
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(name)
}

/// Runs a step of an installation; what went wrong if it can't be done.
async fn install(step: &mut Command) -> Result<(), String> {
    let run = step.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(INSTALL_MAX, run)
        .await
        .map_err(|_| format!("took over {} s", INSTALL_MAX.as_secs()))?
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(told.lines().last().unwrap_or("it failed without a word").to_owned())
}

/// Says that a test did nothing, though it passes.
fn skipped(reason: &str) {
    writeln!(std::io::stderr(), "skipped: {reason}").unwrap_or_default();
}

/// Alice and Bob, each connected to the foreign peer alone.
async fn talk_across(command: Command) -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.start("alice", &[]).await?;
    let bob = cluster.start("bob", &[]).await?;
    let network = alice.status().await?.network;
    let addresses = [alice.address()?, bob.address()?];
    let mut foreign = Foreign::start(command, &network, &addresses).await?;
    // Now, so that the peer hears their bundles.
    alice.init().await?;
    bob.init().await?;
    introduce(&alice, &bob).await?;

    deliver(&alice, "bob").await?;
    foreign.wait_for("envelope").await?;
    foreign.wait_for("acks").await?;
    deliver(&bob, "alice").await?;
    foreign.stop().await
}

/// Writes until a message is delivered: what gossip alone carries may be lost, and nothing here fills the gap.
async fn deliver(from: &Node, to: &str) -> TestResult {
    let mut last = Ok(());
    for number in 1..=3 {
        let sent = from.send(to, &format!("Is this Rust? ({number})")).await?;
        match from.wait_state(&sent.id, Delivery::Delivered, DEADLINE / 3).await {
            Ok(_) => return Ok(()),
            Err(error) => last = Err(error.into()),
        }
    }
    eprintln!("the log of {}:\n{}", from.name(), from.log());
    last
}

#[tokio::test]
async fn messages_and_acks_pass_through_a_peer_of_js_libp2p() -> TestResult {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign-js");
    std::fs::create_dir_all(&dir)?;
    for name in ["package.json", "peer.mjs"] {
        std::fs::copy(source("js").join(name), dir.join(name))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]);
    if let Err(reason) = install(npm.current_dir(&dir)).await {
        skipped(&format!("npm can't install js-libp2p: {reason}"));
        return Ok(());
    }
    // A package too: js-libp2p needs a newer one than many systems have.
    let mut node = Command::new(dir.join("node_modules/.bin/node"));
    node.arg(dir.join("peer.mjs"));
    talk_across(node).await
}

#[tokio::test]
async fn messages_and_acks_pass_through_a_peer_of_py_libp2p() -> TestResult {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign-python");
    let steps = async {
        if !dir.join("bin/python").exists() {
            install(Command::new("python3").args(["-m", "venv"]).arg(&dir)).await?;
        }
        let mut pip = Command::new(dir.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]);
        install(pip.arg(source("python").join("requirements.txt"))).await
    };
    if let Err(reason) = steps.await {
        skipped(&format!("pip can't install py-libp2p: {reason}"));
        return Ok(());
    }
    let mut python = Command::new(dir.join("bin/python"));
    python.arg(source("python").join("peer.py"));
    talk_across(python).await
}
