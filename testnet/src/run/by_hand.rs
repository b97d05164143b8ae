//! What is asked for by a button, while a plan runs.

use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use super::stage::Stage;
use super::{Diary, Hosts, RunError, timeline};
use crate::dashboard::{Action, Dashboard, Request};

/// Does what is asked for, also while what was asked before takes its time; never ends by itself.
/// What can't be done is told to whoever asked, and is no reason to end the run.
pub(super) async fn obey(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    diary: &Diary<'_>,
    dashboard: Option<&mut Dashboard>,
) -> Result<(), RunError> {
    let Some(dashboard) = dashboard else { return std::future::pending().await };
    let mut running: FuturesUnordered<LocalBoxFuture<'_, ()>> = FuturesUnordered::new();
    loop {
        tokio::select! {
            request = dashboard.asked() => running.push(Box::pin(serve(stage, hosts, diary, request))),
            Some(()) = running.next() => {}
        }
    }
}

async fn serve(stage: &Stage<'_>, hosts: &impl Hosts, diary: &Diary<'_>, request: Request) {
    let done = carry_out(stage, hosts, diary, &request.action).await;
    let done = done.map_err(|error| error.to_string());
    if let Err(words) = &done {
        stage.board.failed(words.clone());
    }
    request.answer(done);
}

async fn carry_out(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    diary: &Diary<'_>,
    action: &Action,
) -> Result<(), RunError> {
    let at = diary.now();
    if let Action::Cut { a, b } | Action::Mend { a, b } = action {
        let cut = matches!(action, Action::Cut { .. });
        hosts.cut(*a, *b, cut)?;
        stage.board.cut(*a, *b, cut);
        let (kind, done) = if cut { ("cut", "cut") } else { ("mend", "mended") };
        let label =
            format!("link between {} and {} {done}, by hand", stage.name(*a), stage.name(*b));
        diary.noted(kind, label, at);
        return Ok(());
    }
    // All others are.
    let Some(event) = action.event(stage.plan.nodes.len()) else { return Ok(()) };
    diary.happened(&event, at);
    stage.board.happened(&event, true);
    timeline::begin(stage, hosts, &event, at).await
}
