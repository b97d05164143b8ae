//! `observe`: a scenario with simulated nodes, and what observers among them could tell.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::scenario::DrawArgs;
use super::sim::{ThreadArgs, with_progress};
use super::{block_on, failed, refused};
use crate::scenario::parse_duration;
use crate::sim::{self, Observed};

#[derive(Debug, Args)]
pub(super) struct ObserveArgs {
    /// A scenario file, or the name of a ready one
    #[arg(value_name = "FILE|NAME")]
    scenario: String,
    #[command(flatten)]
    drawn: DrawArgs,
    /// How many observers put together what they see; several numbers give a row each
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,4")]
    observers: Vec<usize>,
    /// Don't look at what was written before this time, while the network begins
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "2m")]
    since: Duration,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    threads: ThreadArgs,
}

pub(super) fn run(args: &ObserveArgs) -> ExitCode {
    let plan = match args.drawn.draw(&args.scenario) {
        Ok(drawn) => Arc::new(drawn.plan),
        Err(error) => return refused(&error),
    };
    let simulation = with_progress(&plan, {
        let threads = args.threads.of(&plan);
        let (plan, observers, since) = (Arc::clone(&plan), args.observers.clone(), args.since);
        move |watch| sim::observe(&plan, &observers, since, watch, threads)
    });
    let observed = match block_on(simulation) {
        Ok(observed) => observed,
        Err(error) => return failed(&error),
    };
    match observed {
        Ok(observed) if observed.groups.iter().all(|group| group.envelopes == 0) => {
            eprintln!(
                "martlet-testnet: nothing was written after the first {} s (--since), so there is nothing to name",
                args.since.as_secs()
            );
            ExitCode::FAILURE
        }
        Ok(observed) if args.json => match serde_json::to_string_pretty(&observed) {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => failed(&error),
        },
        Ok(observed) => {
            print(&observed);
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

fn print(observed: &Observed) {
    println!("{} nodes", observed.nodes);
    println!("observers  authors named  addressees named  both   by chance  envelopes");
    for group in &observed.groups {
        println!(
            "{:>9}  {:>11.1} %  {:>14.1} %  {:>4.1} %  {:>7.1} %  {:>9}",
            group.observers,
            group.authors_pct,
            group.addressees_pct,
            group.both_pct,
            group.chance_pct,
            group.envelopes
        );
    }
    for (what, times) in [("sent", observed.sent_ms), ("delivered", observed.delivered_ms)] {
        println!(
            "\"{what}\" after {:.2} s, 99 of 100 within {:.2} s, {} messages",
            times.p50 as f64 / 1000.0,
            times.p99 as f64 / 1000.0,
            times.count
        );
    }
}
