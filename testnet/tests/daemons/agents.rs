//! Nodes kept by agents, as plain processes on loopback.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use martlet_protocol::control::{
    ContactAdd, Identity, InitRequest, InitResponse, Message, PeerList, SendRequest, SendResponse,
    Status,
};
use martlet_testnet::agent::Daemon;
use martlet_testnet::cluster::{ClusterError, received_message, until};
use martlet_testnet::drive::{AgentList, Agents};
use martlet_testnet::plan::{LinkPlan, LinkShape, NetworkPlan, NodePlan, Plan, Runner, Settings};
use martlet_testnet::report::Report;
use martletctl::client::{Client, ClientError};

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(30);

/// An agent's process. Its daemon ends with it.
struct AgentProcess {
    child: Child,
    url: String,
}

impl AgentProcess {
    fn start(data: &Path, daemon: &[String]) -> Result<Self, Box<dyn std::error::Error>> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_martlet-testnet"))
            .args(["agent", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .arg("--")
            .args(daemon)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut url = String::new();
        let output = child.stdout.take().ok_or("no output")?;
        BufReader::new(output).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of loopback that is this test's and this node's alone, so that each can listen on the
/// port that its peers were told before it started.
fn host(test: usize, node: usize) -> String {
    let [.., high, low] = std::process::id().to_be_bytes();
    format!("127.{}.{high}.{low}", 64 + 8 * test + node)
}

/// Nodes in a row: each knows the one before it.
fn row(count: usize) -> Plan {
    let node = |index: usize| NodePlan {
        name: format!("n{index}"),
        cluster: None,
        role: martlet_protocol::control::Role::Full,
        user: true,
        clock_offset_ms: 0,
        device_of: None,
        shards: None,
        starts: true,
    };
    let links = (1..count).map(|b| LinkPlan { a: b - 1, b, shape: LinkShape::default() });
    Plan {
        name: "row".into(),
        description: String::new(),
        seed: 1,
        duration: Duration::from_secs(3),
        network: NetworkPlan::default(),
        settings: Settings { quiet_factor: 1, ..Settings::default() },
        nodes: (0..count).map(node).collect(),
        links: links.collect(),
        contacts: Vec::new(),
        rooms: Vec::new(),
        messages: Vec::new(),
        events: Vec::new(),
        expectations: Vec::new(),
    }
}

/// The agents of a plan's nodes, each daemon dialling those that its links lead to.
fn start_agents(
    test: usize,
    plan: &Plan,
    dir: &Path,
) -> Result<(Vec<AgentProcess>, AgentList), Box<dyn std::error::Error>> {
    let agents = (0..plan.nodes.len()).map(|node| {
        let mut daemon = vec!["--mdns=false".to_owned()];
        daemon.push(format!("--listen=/ip4/{}/tcp/4177", host(test, node)));
        let peers = plan.links.iter().filter(|link| link.a == node);
        daemon.extend(
            peers.map(|link| format!("--static-peer=/ip4/{}/tcp/4177", host(test, link.b))),
        );
        AgentProcess::start(&dir.join(&plan.nodes[node].name), &daemon)
    });
    let agents = agents.collect::<Result<Vec<_>, _>>()?;
    let pairs = plan.nodes.iter().zip(&agents);
    let pairs: Vec<String> =
        pairs.map(|(node, agent)| format!("{}={}", node.name, agent.url)).collect();
    let list = AgentList::parse(&pairs)?;
    Ok((agents, list))
}

#[tokio::test]
async fn a_daemon_is_reached_started_crashed_and_erased_through_its_agent() -> TestResult {
    let dir = tempfile::tempdir_in("/tmp")?;
    let plan = row(2);
    let (_processes, list) = start_agents(0, &plan, dir.path())?;
    let agents = Agents::connect(&plan, &list, DEADLINE).await?;
    let [a, b] = [Client::new(agents.socket(0)?), Client::new(agents.socket(1)?)];

    // Off: the agent answers for its daemon.
    assert_eq!(a.get::<Daemon>("/agent/ready").await?, Daemon::Off);
    let off = a.get::<Status>("/v1/status").await.expect_err("it is refused");
    assert!(matches!(&off, ClientError::Problem(problem) if problem.status == 503), "{off}");
    assert!(agents.check(0).await.is_err());

    agents.begin(&[0, 1]).await?;
    assert_eq!(a.get::<Daemon>("/agent/ready").await?, Daemon::On);
    let peers: PeerList = a.get("/v1/peers").await?;
    assert!(peers.peers.iter().any(|peer| peer.connected));

    // Requests with bodies, and a stream of events, reach it.
    let mut ids = Vec::new();
    for (client, name) in [(&a, "n0"), (&b, "n1")] {
        let request = InitRequest { name: Some(name.into()), passphrase: None };
        ids.push(client.post::<_, InitResponse>("/v1/identity", &request).await?.id);
    }
    let mut events = b.events(None).await?;
    for (client, name, id) in [(&a, "n1", &ids[1]), (&b, "n0", &ids[0])] {
        let add = ContactAdd { id: id.clone(), name: name.into() };
        client.post::<_, martlet_protocol::control::Contact>("/v1/contacts", &add).await?;
    }
    let send = SendRequest {
        to: "n1".into(),
        text: "through two agents".into(),
        ..SendRequest::default()
    };
    let sent: SendResponse = a.post("/v1/messages", &send).await?;
    let received = tokio::time::timeout(DEADLINE, async {
        loop {
            match events.next().await? {
                Some(event) => {
                    if let Some(message) = received_message(event) {
                        return Ok::<Message, Box<dyn std::error::Error>>(message);
                    }
                }
                None => return Err("the events ended".into()),
            }
        }
    });
    assert_eq!(received.await??.text, "through two agents");

    // What it acknowledged survives a crash; a crash ends the stream of events.
    agents.kill(0).await?;
    assert_eq!(a.get::<Daemon>("/agent/ready").await?, Daemon::Off);
    agents.start(0).await?;
    a.get::<Message>(&format!("/v1/messages/{}", sent.id)).await?;
    agents.kill(1).await?;
    let end =
        tokio::time::timeout(DEADLINE, async { while let Ok(Some(_)) = events.next().await {} });
    end.await?;

    // Stopped and started it is the same, erased it is new.
    agents.stop(0).await?;
    agents.stop(0).await?;
    agents.start(0).await?;
    assert_eq!(a.get::<Identity>("/v1/identity").await?.id, ids[0]);
    let busy = a.post_empty::<()>("/agent/erase").await.expect_err("it is refused");
    assert!(busy.to_string().contains("stop it first"), "{busy}");
    agents.erase(0).await?;
    agents.start(0).await?;
    assert!(a.get::<Identity>("/v1/identity").await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_daemon_that_cannot_start_is_told_of() -> TestResult {
    let dir = tempfile::tempdir_in("/tmp")?;
    let plan = row(1);
    let agent = AgentProcess::start(dir.path(), &["--mailbox-bytes-max=1".into()])?;
    let list = AgentList::parse(&[format!("n0={}", agent.url)])?;
    let agents = Agents::connect(&plan, &list, DEADLINE).await?;
    let client = Client::new(agents.socket(0)?);
    client.post_empty::<()>("/agent/start").await?;
    let reason = until("the agent to see the end", DEADLINE, async || {
        match client.get::<Daemon>("/agent/ready").await {
            Err(ClientError::Problem(problem)) if problem.detail.contains("ended") => {
                Ok(Some(problem.detail))
            }
            Ok(daemon) => Err(ClusterError::Wrong(format!("it is {daemon:?}"))),
            Err(_) => Ok(None),
        }
    });
    assert!(reason.await?.contains("exit status: 2"));
    Ok(())
}

#[tokio::test]
async fn agents_that_are_missing_are_named() -> TestResult {
    let plan = row(2);
    let list = AgentList::parse(&["n0=http://127.0.0.1:1".into()])?;
    let error = Agents::connect(&plan, &list, DEADLINE).await.expect_err("it is refused");
    assert!(error.to_string().contains("n1"), "{error}");
    let list = AgentList::parse(&["n0=http://127.0.0.1:1".into(), "n1=http://127.0.0.1:1".into()])?;
    let error =
        Agents::connect(&plan, &list, Duration::from_millis(50)).await.expect_err("it is refused");
    assert!(error.to_string().contains("does not answer at 127.0.0.1:1"), "{error}");
    Ok(())
}

/// Four nodes in a row; those at its ends write to each other, while one between them crashes and
/// comes back.
const ROW: &str = r#"
duration = "8s"
nodes = [{ name = "n0" }, { name = "n1" }, { name = "n2" }, { name = "n3" }]
topology = { kind = "edges", edges = [["n0", "n1"], ["n1", "n2"], ["n2", "n3"]] }
contacts = [{ pairs = [["n0", "n3"]] }]
traffic = [{ from = ["n0", "n3"], to = "contacts", every = "400ms", start = "200ms", end = "3s" }]
events = [{ at = "1s", do = "crash", nodes = "n1" }, { at = "2s", do = "start", nodes = "n1" }]
expect = { delivery = 1.0, no_duplicates = true, in_order = true }
"#;

#[test]
fn a_scenario_is_driven_on_agents_to_its_report() -> TestResult {
    let dir = tempfile::tempdir_in("/tmp")?;
    let scenario = dir.path().join("row.toml");
    std::fs::write(&scenario, ROW)?;
    let report = dir.path().join("report");
    let (processes, _) = start_agents(1, &row(4), dir.path())?;
    let mut list = String::new();
    for (node, agent) in processes.iter().enumerate() {
        list.push_str(&format!("n{node} {}\n", agent.url));
    }
    let agents = dir.path().join("agents.txt");
    std::fs::write(&agents, list)?;
    let drive = |scenario: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_martlet-testnet"));
        command.arg("drive").arg(scenario).arg("--agents").arg(&agents);
        command
    };

    let run = drive(&scenario).arg("--report").arg(&report).arg("--json").output()?;
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let found: Report = serde_json::from_slice(&run.stdout)?;
    assert_eq!((found.runner, found.passed), (Runner::Agents, true), "{said}");
    assert_eq!(found.messages.delivered, found.messages.planned);
    assert!(found.messages.planned >= 10);
    assert_eq!(found.events.len(), 2);
    assert!(found.nodes.iter().all(|node| node.on && node.received_bytes > 0));
    let written: Report = serde_json::from_slice(&std::fs::read(report.join("report.json"))?)?;
    assert_eq!(written.scenario, "row");

    // What agents can't do is refused: a run without it would show nothing.
    let split = ROW.replace("do = \"crash\", nodes = \"n1\"", "do = \"partition\", into = 2");
    let split = split.replace(
        "{ at = \"2s\", do = \"start\", nodes = \"n1\" }",
        "{ at = \"2s\", do = \"heal\" }",
    );
    std::fs::write(&scenario, split)?;
    let refused = drive(&scenario).output()?;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("Partitions") && said.contains("--skip-unsupported"), "{said}");
    Ok(())
}
