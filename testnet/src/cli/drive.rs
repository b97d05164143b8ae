//! `martlet-testnet drive`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::scenario::DrawArgs;
use super::{block_on, failed, refused, run};
use crate::cluster::ClusterError;
use crate::drive::{self, AgentList, Agents};
use crate::export::left_out_by_agents;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::{Data, Report};
use crate::run::{Hosts, RunError};

const HELP: &str = "\
The daemons run elsewhere. Each has an agent (martlet-testnet agent), and this command tells the \
agents what to do. Exported networks (martlet-testnet export) run it by themselves. It waits for the \
agents, starts the nodes, makes users and contacts, writes the messages, carries out the events, and \
reports.

Examples:
  martlet-testnet drive first-contact --agents agents.txt --report report
  martlet-testnet drive pair.toml --agents n1=http://10.0.0.7:4180 \\
      --agents n2=http://10.0.0.8:4180

A file of agents has a line for each node: its name and its agent's address, such as:
n1 http://10.0.0.7:4180

Exit codes: 0 all expectations were met; 1 one was not, or a node failed: the reason is on \
standard error; 2 wrong usage, or the scenario or the list of agents is wrong.";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct DriveArgs {
    /// A scenario file, or the name of a ready one
    scenario: String,
    /// A node's agent, or a file that lists agents; repeat it
    #[arg(long, value_name = "FILE|NAME=URL", required = true)]
    agents: Vec<String>,
    #[command(flatten)]
    drawn: DrawArgs,
    /// Leave out what agents can't do: partitions, clocks, full disks, floods
    #[arg(long)]
    skip_unsupported: bool,
    /// Seconds to wait until all agents answer
    #[arg(long, value_name = "N", default_value_t = 300)]
    wait: u64,
    /// Write the report into this directory
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Write the raw data to this directory: messages, links, nodes
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print the report as JSON instead of a summary
    #[arg(long)]
    json: bool,
}

pub(super) fn drive(args: &DriveArgs) -> ExitCode {
    let drawn = match args.drawn.draw(&args.scenario) {
        Ok(drawn) => drawn,
        Err(error) => return refused(&error),
    };
    let plan = &drawn.plan;
    let list = match AgentList::parse(&args.agents) {
        Ok(list) => list,
        Err(error) => return refused(&error),
    };
    if !args.skip_unsupported
        && let Err(error) = drive::check(plan)
    {
        return refused(&error);
    }
    match block_on(conduct(plan, &list, Duration::from_secs(args.wait), args.data.is_some())) {
        Ok(Ok((report, found))) => {
            let report = report.with_origin(drawn.origin());
            if let Err(code) = run::write_data(found, plan, &report, args.data.as_deref()) {
                return code;
            }
            run::conclude(&report, args.json, args.report.as_deref())
        }
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

async fn conduct(
    plan: &Plan,
    list: &AgentList,
    wait: Duration,
    with_data: bool,
) -> Result<(Report, Option<Data>), RunError> {
    let progress = Progress::new(&plan.name, plan.duration);
    for left_out in left_out_by_agents(plan) {
        progress.say(&format!("Left out: {left_out}"));
    }
    let interrupted = async {
        // Without a handler the signal ends the program, as always.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let mut interrupted = std::pin::pin!(interrupted);
    let agents = tokio::select! {
        agents = Agents::connect(plan, list, wait) => agents?,
        () = &mut interrupted => {
            return Err(ClusterError::Wrong("interrupted while waiting for agents".into()).into());
        }
    };
    for note in agents.notes() {
        progress.say(&format!("Note: {note}"));
    }
    crate::run::run(
        plan,
        &agents,
        &progress,
        interrupted,
        crate::run::Extras { data: with_data, dashboard: None },
    )
    .await
}
