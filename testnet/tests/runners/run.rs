//! The same plan with processes on loopback and in network namespaces.

use std::future::pending;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use martlet_protocol::control::{Diagnosis, FindingCode, History};
use martlet_testnet::plan::{
    Accept, Addressee, Event, Expectation, FilePlan, LinkShape, LossAs, MessagePlan, Plan, Runner,
    TimedEvent,
};
use martlet_testnet::progress::Progress;
use martlet_testnet::report::Report;
use martlet_testnet::run::{Extras, Hosts, Local, Netns, RunError, RunOptions, run, summary};

use martletctl::client::Client;

use super::plans::{link, ms, node, small};
use super::{PROGRAM, TestResult};

fn options() -> RunOptions {
    RunOptions { program: Some(PROGRAM.into()), ..RunOptions::default() }
}

async fn go(plan: &Plan, hosts: &impl Hosts) -> Result<Report, RunError> {
    let (report, _) = run(plan, hosts, &Progress::silent(), pending(), Extras::default()).await?;
    Ok(report)
}

/// All that [`small`] promises.
fn check(report: &Report, runner: Runner) {
    let shown = summary(report);
    assert!(report.passed, "{shown}");
    assert_eq!(report.runner, runner);
    let messages = &report.messages;
    assert_eq!(messages.planned, 56);
    // Node 3 was off for a second, and wrote nothing then.
    assert_eq!(messages.written + messages.skipped, 56, "{shown}");
    assert!((1..=6).contains(&messages.skipped), "{shown}");
    // What was written across the split came after it healed: at the end of it, or with the next
    // one's connection.
    assert!(messages.latency.max_s > 0.5, "{shown}");
    let kinds: Vec<&str> = report.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["partition", "heal", "crash", "start"]);
    assert!(report.nodes.iter().all(|node| node.on && node.received_bytes > 0), "{shown}");
    assert!(report.series.nodes_on.contains(&3), "{:?}", report.series.nodes_on);
}

#[tokio::test]
async fn a_plan_with_a_crash_and_a_split_runs_on_loopback() -> TestResult {
    let plan = small();
    let hosts = Local::new(&plan, &options())?;
    assert!(hosts.notes().is_empty(), "{:?}", hosts.notes());
    check(&go(&plan, &hosts).await?, Runner::Local);
    let path = hosts.path().to_owned();
    drop(hosts);
    assert!(!path.exists());
    Ok(())
}

#[tokio::test]
async fn the_same_plan_runs_in_network_namespaces() -> TestResult {
    let plan = small();
    let hosts = match Netns::new(&plan, &options()) {
        Ok(hosts) => hosts,
        Err(RunError::Refused { reasons, .. }) => {
            let reasons = reasons.join("; ");
            // Standard error may be closed; then nobody reads it.
            let _ = writeln!(std::io::stderr(), "SKIPPED, this test could not be run: {reasons}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    check(&go(&plan, &hosts).await?, Runner::Netns);
    Ok(())
}

/// Two users who each talk with a third, one over QUIC, one over TCP, over links of this shape.
fn star(shape: LinkShape) -> Plan {
    let mut plan = small();
    plan.name = "star".to_owned();
    plan.duration = ms(5000);
    plan.nodes.truncate(3);
    plan.links = [(0, 1), (0, 2)].map(|(a, b)| link(a, b)).into();
    plan.links.iter_mut().for_each(|link| link.shape = shape);
    plan.contacts.truncate(3);
    plan.contacts.retain(|contact| contact.a == 0);
    plan.events.clear();
    plan.messages.retain(|message| message.at < ms(4000));
    for (number, message) in plan.messages.iter_mut().enumerate() {
        let (from, to) = [(0, 1), (1, 0), (0, 2), (2, 0)][number % 4];
        (message.from, message.to) = (from, Addressee::Person(to));
    }
    plan
}

/// `local` once slowed TCP down alone, and gave QUIC's links up for it.
#[tokio::test]
async fn links_of_processes_are_as_long_as_the_plan_says_over_tcp_and_quic() -> TestResult {
    let mut found = Vec::new();
    for shape in
        [LinkShape::instant(), LinkShape { latency: ms(20), jitter: ms(2), ..LinkShape::default() }]
    {
        let plan = star(shape);
        let hosts = Local::new(&plan, &options())?;
        assert!(hosts.notes().is_empty(), "{:?}", hosts.notes());
        let report = go(&plan, &hosts).await?;
        assert!(report.passed, "{}", summary(&report));
        found.push(report.messages.latency);
    }
    let [near, far] = &found[..] else { return Err("two runs".into()) };
    // Every message crosses one link. Nodes date what they are told in whole milliseconds.
    assert!(far.min_s >= 0.019, "{} s", far.min_s);
    assert!(far.min_s >= near.min_s + 0.01, "{} s and {} s", near.min_s, far.min_s);
    Ok(())
}

/// Whose connections break again and again within moments dials more and more rarely: after some of them eight seconds were too few,
/// and the test failed by chance.
#[tokio::test]
async fn connections_of_processes_break_by_losses_that_reset_them_and_nothing_is_lost() -> TestResult
{
    let shape = LinkShape { loss: 0.01, loss_as: LossAs::Reset, ..LinkShape::default() };
    let mut plan = star(shape);
    plan.duration = ms(40_000);
    let hosts = Local::new(&plan, &options())?;
    assert!(hosts.notes().iter().any(|note| note.contains("TCP only")), "{:?}", hosts.notes());
    let report = go(&plan, &hosts).await?;
    assert!(report.passed, "{}", summary(&report));
    Ok(())
}

/// Both runners with processes once refused every scenario with a clock of its own.
#[tokio::test]
async fn clocks_of_processes_are_off_and_jump() -> TestResult {
    let mut plan = star(LinkShape::default());
    plan.name = "clocks".to_owned();
    plan.duration = ms(8000);
    let hour_ms = 3_600_000;
    plan.nodes[1].clock_offset_ms = hour_ms;
    let jump = Event::ClockJump { nodes: vec![2], by_ms: 2 * hour_ms };
    plan.events = vec![TimedEvent { at: ms(1000), event: jump }];
    let hosts = Local::new(&plan, &options())?;
    let report = go(&plan, &hosts).await?;
    assert!(report.passed, "{}", summary(&report));
    // What such nodes date is not taken for the run's time.
    assert!(report.messages.latency.max_s < 8.0, "{}", summary(&report));
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let client = Client::new(hosts.socket(1)?);
    let history: History = client.get("/v1/conversations/n0/messages?limit=1").await?;
    let last = history.messages.last().ok_or("no message")?;
    let ahead = i64::try_from(last.stored_at.0)? - now;
    assert!((ahead - hour_ms).abs() < 60_000, "{ahead} ms, and not {hour_ms}");
    // One whose clock jumps after it has met someone goes on by the time of before.
    let found: Diagnosis = Client::new(hosts.socket(2)?).get("/v1/doctor").await?;
    let of_clock = found.findings.iter().find(|one| one.code == FindingCode::ClockSkew);
    assert!(of_clock.is_some_and(|one| one.problem.contains("ahead")), "{found:?}");
    Ok(())
}

/// Everything that is not the default at once: slow links, shards and stamps, a joiner, one who
/// leaves, a full disk, a flood.
#[tokio::test]
async fn every_fault_that_processes_can_have_is_carried_out() -> TestResult {
    let mut plan = small();
    plan.name = "faults".to_owned();
    plan.duration = ms(20_000);
    plan.network.stamp_bits = 4;
    plan.expectations.truncate(1);
    plan.messages.retain(|message| message.from < 2 && message.to < Addressee::Person(2));
    for link in &mut plan.links {
        link.shape.latency = ms(30);
        link.shape.jitter = ms(5);
        link.shape.bandwidth_bytes_per_s = Some(500_000);
    }
    let mut late = node(4);
    late.starts = false;
    plan.nodes.push(late);
    plan.links.push(super::plans::link(1, 4));
    let at = |at, event| TimedEvent { at: ms(at), event };
    plan.events = vec![
        at(300, Event::Flood { at: 0, envelopes_per_s: 50, bytes: 900, lasts: ms(2000) }),
        at(500, Event::Start(vec![4])),
        at(800, Event::DiskFull(vec![2])),
        at(2500, Event::DiskFree(vec![2])),
        at(2600, Event::Stop(vec![2])),
        at(3500, Event::Start(vec![2])),
        at(4000, Event::Leave(vec![3])),
    ];
    let hosts = Local::new(&plan, &options())?;
    let report = go(&plan, &hosts).await?;
    let shown = summary(&report);
    assert!(report.passed, "{shown}");
    // Twice over a link is the least: there, and its ack back.
    assert!(report.messages.latency.min_s >= 0.03, "{shown}");
    let on: Vec<bool> = report.nodes.iter().map(|node| node.on).collect();
    assert_eq!(on, [true, true, true, false, true], "{shown}");
    assert!(report.nodes[4].envelopes_new > 0, "{shown}");
    // The flood came through: more than users and their keys make.
    assert!(report.nodes[0].envelopes_new > 50, "{shown}");
    assert!(hosts.path().join("n2").exists() && !hosts.path().join("n3").exists());
    Ok(())
}

#[tokio::test]
async fn an_interrupted_run_still_gives_a_report() -> TestResult {
    let mut plan = small();
    plan.events.clear();
    plan.nodes.truncate(2);
    plan.links.truncate(1);
    plan.contacts.truncate(1);
    plan.messages.retain(|message| message.from < 2 && message.to < Addressee::Person(2));
    plan.duration = Duration::from_secs(3600);
    let hosts = Local::new(&plan, &options())?;
    let started = Instant::now();
    let cancel = tokio::time::sleep(ms(4000));
    let (report, _) = run(&plan, &hosts, &Progress::silent(), cancel, Extras::default()).await?;
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(report.interrupted && !report.passed && report.ran_s < 10.0);
    assert_eq!(report.duration_s, 3600.0);
    Ok(())
}

#[test]
fn what_processes_cannot_do_is_refused_with_all_reasons() -> TestResult {
    let mut plan = small();
    plan.nodes.extend((4..201).map(node));
    let Err(error) = Local::new(&plan, &options()) else { return Err("not refused".into()) };
    let said = error.to_string();
    for reason in ["201 nodes", "use sim"] {
        assert!(said.contains(reason), "{reason}: {said}");
    }
    Ok(())
}

/// Files of all three ways, over one link and over none.
#[tokio::test]
async fn files_come_between_processes() -> TestResult {
    let mut plan = star(LinkShape::default());
    plan.duration = ms(12_000);
    plan.network.mailbox_file_bytes = Some(200_000);
    plan.expectations = vec![Expectation::DeliveryMin(1.0), Expectation::FilesMin(1.0)];
    let send = |from, to, bytes| MessagePlan {
        at: ms(500),
        from,
        to: Addressee::Person(to),
        bytes: 0,
        file: Some(FilePlan { bytes, accept: Accept::Offered }),
    };
    plan.messages =
        vec![send(0, 1, 1_000), send(0, 1, 100_000), send(0, 2, 3_000_000), send(2, 0, 300_000)];
    let hosts = Local::new(&plan, &options())?;
    let report = go(&plan, &hosts).await?;
    let shown = summary(&report);
    assert!(report.passed, "{shown}");
    let files = report.messages.files.ok_or("no files")?;
    assert_eq!((files.in_messages, files.in_parts, files.direct), (1, 1, 2), "{shown}");
    assert!(files.fetched_bytes >= 3_300_000, "{files:?}");
    let received =
        |node: usize| files.nodes.iter().find(|it| it.node == node).map(|it| it.received_bytes);
    assert!(received(2) >= Some(3_000_000) && received(0) >= Some(300_000), "{files:?}");
    assert!(files.fetched.is_empty(), "who fetched from whom no daemon tells");
    Ok(())
}
