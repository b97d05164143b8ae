//! Runs a [`Plan`] with real daemons, in real time: starts the nodes, makes users and contacts,
//! writes the messages, carries out the events, and takes down what comes of it.
//!
//! What differs between processes on loopback, processes in network namespaces, and nodes on other
//! machines is behind [`Hosts`]. Everything else is the same: it is done over the nodes' control
//! API.
//!
//! All of it is one task: nothing here waits for anything but clocks and sockets, and the daemons
//! are children of the thread that it runs on.

mod by_hand;
mod contacts;
mod devices;
mod diary;
mod error;
mod flood;
mod hosts;
mod local;
mod machine;
mod netns;
mod observe;
mod processes;
mod rooms;
mod sample;
mod stage;
mod summary;
mod timeline;
mod traffic;

use std::time::Duration;

use tokio::task::JoinSet;

use crate::dashboard::{self, Board, Dashboard, Liveness};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::{Data, Report};

pub use error::RunError;
pub use flood::{FloodOptions, flood};
pub use hosts::Hosts;
pub use local::Local;
pub use netns::Netns;
pub use processes::RunOptions;
pub use summary::summary;

use diary::Diary;
use stage::Stage;

/// How long events that happened in time may take until they are known here.
const LAST_EVENTS: Duration = Duration::from_millis(300);
/// Time between two tellings of how far the run is.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// What is wanted of a run besides its report.
#[derive(Debug, Default)]
pub struct Extras {
    /// The raw data.
    pub data: bool,
    /// A page that shows it while it runs.
    pub dashboard: Option<Dashboard>,
}

/// Runs `plan` on `hosts` to its end, or until `cancel` is ready; either way there is a report, and the raw data if it
/// is wanted.
///
/// # Errors
/// [`RunError`], when something that isn't part of the plan went wrong: a daemon ended by itself, or can't be started.
pub async fn run(
    plan: &Plan,
    hosts: &impl Hosts,
    progress: &Progress,
    cancel: impl Future<Output = ()>,
    extras: Extras,
) -> Result<(Report, Option<Data>), RunError> {
    let Extras { data, mut dashboard } = extras;
    let done = run_shown(plan, hosts, progress, cancel, data, dashboard.as_mut()).await;
    if let Some(dashboard) = dashboard {
        let (good, words) = match &done {
            Ok((report, _)) => (report.passed, report.verdict()),
            Err(error) => (false, error.to_string()),
        };
        dashboard.close(good, &words).await;
    }
    done
}

async fn run_shown(
    plan: &Plan,
    hosts: &impl Hosts,
    progress: &Progress,
    cancel: impl Future<Output = ()>,
    with_data: bool,
    dashboard: Option<&mut Dashboard>,
) -> Result<(Report, Option<Data>), RunError> {
    let mut cancel = std::pin::pin!(cancel);
    let board =
        dashboard.as_ref().map_or_else(Board::default, |dashboard| dashboard.board().clone());
    let stage = Stage::new(plan, board.clone());
    progress.at(Duration::ZERO, &format!("starting {} nodes", plan.nodes.len()));
    tokio::select! {
        prepared = prepare(&stage, hosts) => prepared?,
        () = &mut cancel => {
            let diary = Diary::new(plan, hosts.runner(), with_data);
            return Ok(diary.finish(Duration::ZERO, true));
        }
    }
    // The time of the run begins here.
    let diary = Diary::new(plan, hosts.runner(), with_data);
    board.begin();
    let sockets = (0..plan.nodes.len()).map(|node| hosts.socket(node)).collect::<Result<_, _>>()?;
    // It ends with this.
    let mut looking = JoinSet::new();
    looking.spawn(dashboard::look(board, sockets));
    let acting = async {
        // None of these ends by itself while the run lasts, but by an error.
        tokio::try_join!(
            contacts::make_later_ones(&stage, hosts, &diary),
            traffic::write(&stage, hosts, &diary),
            observe::follow(&stage, hosts, &diary),
            timeline::carry_out(&stage, hosts, &diary),
            sample::look(&stage, hosts, &diary),
            by_hand::obey(&stage, hosts, &diary, dashboard),
        )
    };
    let mut acting = Box::pin(acting);
    let telling = async {
        loop {
            progress.at(diary.now(), &diary.in_short());
            tokio::time::sleep(TOLD_EVERY).await;
        }
    };
    let interrupted = tokio::select! {
        failed = &mut acting => match failed {
            Err(error) => return Err(error),
            // A plan without nodes.
            Ok(_) => false,
        },
        () = diary.sleep_until(plan.duration) => false,
        () = &mut cancel => true,
        () = telling => false,
    };
    let ended = diary.now().min(plan.duration);
    diary.close(ended);
    // What was committed before the end counts, also if it is told a little later.
    if let Ok(Err(error)) = tokio::time::timeout(LAST_EVENTS, &mut acting).await {
        return Err(error);
    }
    drop(acting);
    drop(looking);
    progress.finish();
    Ok(diary.finish(ended, interrupted))
}

/// Starts the nodes that are there from the start, makes their users, and those contacts that are
/// made at once.
async fn prepare(stage: &Stage<'_>, hosts: &impl Hosts) -> Result<(), RunError> {
    let first: Vec<usize> = (0..stage.plan.nodes.len())
        .filter(|node| stage.plan.nodes.get(*node).is_some_and(|node| node.starts))
        .collect();
    first.iter().for_each(|node| stage.board.node(*node, Liveness::Starting));
    hosts.begin(&first).await?;
    contacts::make_users(stage, hosts, &first).await?;
    for node in &first {
        stage.set_on(*node, true);
    }
    contacts::make_first_ones(stage, hosts).await
}
