//! Carrying out the events.

use std::time::Duration;

use futures::future::{LocalBoxFuture, try_join_all};
use futures::stream::{FuturesUnordered, StreamExt};

use super::stage::Stage;
use super::{Diary, Hosts, RunError, contacts, devices, rooms};
use crate::cluster::ClusterError;
use crate::dashboard::Liveness;
use crate::plan::{Event, NodeIndex};

/// Carries out each event when it is time, also while earlier ones take theirs; then waits for
/// ever.
pub(super) async fn carry_out(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    diary: &Diary<'_>,
) -> Result<(), RunError> {
    let mut running: FuturesUnordered<LocalBoxFuture<'_, Result<(), RunError>>> =
        FuturesUnordered::new();
    for timed in &stage.plan.events {
        let mut due = std::pin::pin!(diary.sleep_until(timed.at));
        loop {
            tokio::select! {
                () = &mut due => break,
                Some(done) = running.next() => done?,
            }
        }
        let at = diary.now();
        diary.happened(&timed.event, at);
        stage.board.happened(&timed.event, false);
        running.push(match &timed.event {
            Event::Link(devices) => Box::pin(devices::link(stage, hosts, diary, devices)),
            Event::Revoke(devices) => Box::pin(devices::revoke(stage, hosts, diary, devices)),
            Event::Room { room, by, deed, whom } => {
                Box::pin(rooms::act(stage, hosts, diary, (*room, *by, *deed), whom))
            }
            event => Box::pin(begin(stage, hosts, event, at)),
        });
        // Up to where it waits, so that what is asked of a node comes to it in the plan's order.
        if let Some(done) = futures::FutureExt::now_or_never(running.next()).flatten() {
            done?;
        }
    }
    while let Some(done) = running.next().await {
        done?;
    }
    std::future::pending().await
}

/// Does what an event says, which is called `at` in an error.
pub(super) async fn begin(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    event: &Event,
    at: Duration,
) -> Result<(), RunError> {
    let done = match event {
        Event::Stop(nodes) => {
            off(stage, nodes, Liveness::Off, async |node| hosts.stop(node).await).await
        }
        Event::Crash(nodes) => {
            off(stage, nodes, Liveness::Off, async |node| hosts.kill(node).await).await
        }
        Event::Leave(nodes) => {
            off(stage, nodes, Liveness::Left, async |node| hosts.erase(node).await).await
        }
        Event::Start(nodes) => return start(stage, hosts, nodes, at).await,
        Event::Partition(groups) => hosts.partition(groups).await,
        Event::Heal => hosts.heal().await,
        Event::Flood { at, envelopes_per_s, bytes, lasts } => {
            hosts.flood(*at, *envelopes_per_s, *bytes, *lasts).await
        }
        Event::ClockJump { nodes, by_ms } => {
            each(nodes, async |node| hosts.jump_clock(node, *by_ms).await).await
        }
        Event::DiskFull(nodes) => each(nodes, async |node| hosts.fill_disk(node, true).await).await,
        Event::DiskFree(nodes) => {
            each(nodes, async |node| hosts.fill_disk(node, false).await).await
        }
        // People do it, over the control API.
        Event::Link(_) | Event::Revoke(_) | Event::Room { .. } => Ok(()),
    };
    done.map_err(|source| RunError::Event { event: word(event), at, source: source.into() })
}

async fn off(
    stage: &Stage<'_>,
    nodes: &[NodeIndex],
    then: Liveness,
    end: impl AsyncFn(NodeIndex) -> Result<(), ClusterError>,
) -> Result<(), ClusterError> {
    for node in nodes {
        stage.set_on(*node, false);
    }
    each(nodes, async |node| {
        end(node).await?;
        // Unless it is to start again already.
        if !stage.is_on(node) {
            stage.board.node(node, then);
        }
        Ok(())
    })
    .await
}

async fn start(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    nodes: &[NodeIndex],
    at: Duration,
) -> Result<(), RunError> {
    try_join_all(nodes.iter().map(async |node| {
        if !stage.is_on(*node) {
            stage.board.node(*node, Liveness::Starting);
        }
        let started = hosts.start(*node).await;
        started.map_err(|source| RunError::Event { event: "start", at, source: source.into() })?;
        contacts::make_user(stage, hosts, *node).await?;
        stage.set_on(*node, true);
        Ok::<_, RunError>(())
    }))
    .await?;
    Ok(())
}

async fn each(
    nodes: &[NodeIndex],
    act: impl AsyncFn(NodeIndex) -> Result<(), ClusterError>,
) -> Result<(), ClusterError> {
    try_join_all(nodes.iter().map(|node| act(*node))).await.map(drop)
}

/// The word of the scenario file.
fn word(event: &Event) -> &'static str {
    match event {
        Event::Stop(_) => "stop",
        Event::Crash(_) => "crash",
        Event::Start(_) => "start",
        Event::Leave(_) => "leave",
        Event::Partition(_) => "partition",
        Event::Heal => "heal",
        Event::Flood { .. } => "flood",
        Event::ClockJump { .. } => "clock_jump",
        Event::DiskFull(_) => "disk_full",
        Event::DiskFree(_) => "disk_free",
        Event::Link(_) => "link",
        Event::Revoke(_) => "revoke",
        Event::Room { deed, .. } => deed.word(),
    }
}
