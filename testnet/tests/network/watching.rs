//! `martletctl watch` tells of peers that come and go, with real daemons.

use std::process::Stdio;
use std::time::Duration;

use martlet_protocol::control::{PeerEvent, PeerEventBody};
use martlet_testnet::cluster::Node;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::{TestResult, cluster, keep_if_failed};

const DEADLINE: Duration = Duration::from_secs(60);

struct Watch {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    /// Follows `node` from its first event on, which there must be. Once that is shown, peers are followed too.
    async fn of(node: &Node, args: &[&str]) -> Result<Self, Box<dyn std::error::Error>> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_martlet-testnet"))
            .args(["ctl", "--socket"])
            .arg(node.socket())
            .args(args)
            .args(["watch", "--since", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let mut watch = Self { process, lines };
        watch.until("the first event", |line| line.contains("begin")).await?;
        Ok(watch)
    }

    /// The next line that is looked for.
    async fn until(
        &mut self,
        what: &str,
        is_it: impl Fn(&str) -> bool,
    ) -> Result<String, Box<dyn std::error::Error>> {
        let found = async {
            while let Some(line) = self.lines.next_line().await? {
                if is_it(&line) {
                    return Ok(line);
                }
            }
            Err(format!("watch ended before {what}").into())
        };
        tokio::time::timeout(DEADLINE, found).await.map_err(|_| format!("no line of {what}"))?
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watch_tells_of_peers_that_come_and_go_also_after_a_restart() -> TestResult {
    let cluster = cluster()?;
    let outcome = async {
        let mut ann = cluster.user("ann", &[]).await?;
        let mut bob = cluster.start("bob", &[&ann]).await?;
        ann.wait_connected(&[&bob], DEADLINE).await?;
        let peer = bob.status().await?.peer_id;
        ann.post::<_, serde_json::Value>("/v1/notes", &serde_json::json!({ "text": "begin" }))
            .await?;
        let mut shown = Watch::of(&ann, &[]).await?;
        let mut told = Watch::of(&ann, &["--json"]).await?;
        let end = peer.chars().skip(peer.chars().count() - 8).collect::<String>();
        let is = |word: &'static str| {
            let peer = format!("peer …{end} {word}");
            move |line: &str| line.starts_with("-  ") && line.contains(&peer)
        };
        let body = async |watch: &mut Watch| {
            let line = watch.until("a peer", |line| line.contains("\"peer_id\"")).await?;
            let event: PeerEvent = serde_json::from_str(&line)?;
            if event.peer_id != peer {
                return Err(format!("of another peer: {line}").into());
            }
            Ok::<_, Box<dyn std::error::Error>>(event.body)
        };

        bob.stop().await?;
        shown.until("bob's going", is("disconnected")).await?;
        let gone = body(&mut told).await?;
        assert!(matches!(gone, PeerEventBody::PeerDisconnected { .. }), "{gone:?}");
        bob.start().await?;
        let line = shown.until("bob's coming", is("connected, ")).await?;
        assert!(line.contains("127.0.0.1"), "{line}");
        let come = body(&mut told).await?;
        assert!(matches!(come, PeerEventBody::PeerConnected { .. }), "{come:?}");

        // Across a restart of the daemon that is watched, and without a good-bye of the peer.
        ann.restart().await?;
        ann.wait_connected(&[&bob], DEADLINE).await?;
        ann.post::<_, serde_json::Value>("/v1/notes", &serde_json::json!({ "text": "again" }))
            .await?;
        shown.until("the event after the restart", |line| line.contains("again")).await?;
        bob.kill()?;
        shown.until("bob's end", is("disconnected")).await?;

        let pid = shown.process.id().and_then(|pid| i32::try_from(pid).ok());
        kill_process(pid.and_then(Pid::from_raw).ok_or("it has ended")?, Signal::INT)?;
        let ended = tokio::time::timeout(DEADLINE, shown.process.wait()).await??;
        assert_eq!(ended.code(), Some(0));
        Ok(())
    };
    let outcome = outcome.await;
    keep_if_failed(cluster, outcome)
}
