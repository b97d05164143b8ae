//! The command line.

mod agent;
mod bench;
mod calibrate;
mod compare;
mod drive;
mod export;
mod fidelity;
mod hand;
mod manpages;
mod observe;
mod rerun;
mod run;
mod scenario;
mod sim;
mod sweep;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::agent::run as run_agent;
use crate::attack::{self, Attack, AttackOptions};
use crate::cluster::{ClusterError, become_bound, die_with_parent, follow_clock};
use crate::demo::{self, DemoOptions};
use crate::run::FloodOptions;

const HELP: &str = "\
Nodes are real daemon processes on loopback, with their data in a new directory under /tmp. When a command ends, it ends \
them (those of up are ended by down). Exceptions:
  sim, observe, bench network    nodes are simulated in one process
  netns, for root idle_lan       nodes are in network namespaces without a way out
Nothing leaves this machine, and a Martlet daemon of yours isn't touched.

Examples:
  martlet-testnet demo                      see it work, in a few seconds
  martlet-testnet demo --keep               the same, and leave logs and databases to look at
  martlet-testnet bench                     measure it (about six minutes; use a release build)
  martlet-testnet bench latency_ms          one part of it
  martlet-testnet bench sync                full mailboxes: takes 7 GB of disk for a while
  martlet-testnet bench --json              for programs
  martlet-testnet bench growth              what grows with messages, contacts and an outbox
  martlet-testnet bench --against OTHER/martlet-testnet latency_ms
                                            two builds in turn: ratios, and whether they are chance
  martlet-testnet attack --list             what a hostile peer can try
  martlet-testnet attack all                try all of it (about eight minutes; use a release build)
  martlet-testnet attack flood-valid --json one of them, for programs
  martlet-testnet scenario list             networks and what happens to them, each in a file
  martlet-testnet scenario check FILE       whether a file of yours is right
  martlet-testnet export compose NAME --out DIR
                                            a scenario for containers, a cluster, or a simulator
  martlet-testnet bench network             what networks of up to 1,000 simulated nodes cost
  martlet-testnet bench room                a room of 64 people: 64 daemons, two minutes or so
  martlet-testnet bench idle_lan            ten minutes of a LAN on which nobody says anything
  martlet-testnet sim split-and-heal        a ready scenario, simulated: minutes in seconds
  martlet-testnet observe who-wrote         how often others can tell who wrote
  martlet-testnet local FILE --report DIR   a scenario, with processes on loopback
  martlet-testnet fidelity first-contact    how near a simulation comes to real processes
  martlet-testnet local FILE --dashboard    the same, live in a browser, to be broken by button
  martlet-testnet up --nodes 5              a network in the background, to try things on
  martlet-testnet exec n1 -- martletctl send n2 'Hello!'
  martlet-testnet down                      end it, and remove its data
  martlet-testnet rerun report.json         run again what a report tells of
  martlet-testnet sweep split-and-heal --seeds 1..20 --set links.latency=20ms,80ms --out sweep
                                            many runs: means, spread, confidence bands
  martlet-testnet compare before after      two reports, or directories of them, beside each other

Exit codes: 0 all of it happened; 1 something did not, the reason is on standard error; 2 wrong usage, or a scenario \
that can't be run in this way. exec exits as its command does.";

#[derive(Debug, Parser)]
#[command(
    name = "martlet-testnet",
    version,
    about = "Networks of real Martlet nodes on one machine",
    after_help = HELP,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run three daemons: two users who talk, and a mailbox node that keeps messages for the one who is away
    Demo(DemoArgs),
    /// Measure latency, throughput, idle cost, start, catching up, loss when a recipient dies unnoticed,
    /// and sync
    Bench(bench::BenchArgs),
    /// Let a hostile peer attack three real daemons, while the users of two of them go on talking
    Attack(AttackArgs),
    /// Run a scenario with simulated nodes in this process, under virtual clocks, on all processors
    Sim(sim::SimArgs),
    /// Run again what a report tells of, from the scenario in it, and say whether the result is the same
    Rerun(rerun::RerunArgs),
    /// Run a scenario with simulated nodes, and tell how often observers among them can name who wrote
    Observe(observe::ObserveArgs),
    /// Write a scenario as files for Kubernetes, compose or the Shadow simulator
    Export(export::ExportArgs),
    /// Run a scenario on nodes elsewhere, each kept by an agent
    Drive(drive::DriveArgs),
    /// Run one daemon for a driver elsewhere: start, stop and kill it, and pass on its control socket
    Agent(agent::AgentArgs),
    /// Run a scenario with real processes on loopback, up to 200
    Local(run::RunArgs),
    /// Measure how long work takes on this machine (a minute or so), for a scenario's settings.costs
    Calibrate(calibrate::CalibrateArgs),
    /// Run scenarios simulated and with real processes on loopback, and tell how near the two are
    Fidelity(fidelity::FidelityArgs),
    /// Run a scenario with real processes, each in a network namespace on one LAN; for root
    Netns(run::RunArgs),
    /// Start a network in the background, and say how to use it
    Up(hand::UpArgs),
    /// Stop a network that up started, and remove its data
    Down(hand::DownArgs),
    /// List the networks that up started, and their nodes
    Ps(hand::PsArgs),
    /// Print a node's log
    Logs(hand::LogsArgs),
    /// Run a command with a node, such as martletctl
    Exec(hand::ExecArgs),
    /// What up leaves in the background
    #[command(hide = true)]
    Supervise(hand::SuperviseArgs),
    /// A hostile node
    #[command(hide = true)]
    Flood(FloodArgs),
    /// List the ready scenarios, show one, or check files without running them
    #[command(subcommand)]
    Scenario(scenario::ScenarioCommand),
    /// Simulate a scenario with many seeds and many values of its keys, and show means and spread
    Sweep(sweep::SweepArgs),
    /// Put reports beside each other: what differs, by how much, and which expectations came out
    /// differently
    Compare(compare::CompareArgs),
    /// Write the manual pages of martletd, martletctl and martlet-testnet into a directory
    Manpages(manpages::ManpagesArgs),
    /// The daemon itself: all that follows is martletd's
    #[command(hide = true, disable_help_flag = true)]
    Daemon(PassedOn),
    /// Run a program that ends when the process ends that started it
    #[command(hide = true, disable_help_flag = true)]
    Bound(PassedOn),
    /// The control command itself: all that follows is martletctl's
    #[command(hide = true, disable_help_flag = true)]
    Ctl(PassedOn),
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Leave the directory with configurations, logs and databases, and say where it is
    #[arg(long)]
    keep: bool,
    /// Print one JSON object at the end, and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct AttackArgs {
    /// The attacks, or "all"
    #[arg(value_name = "NAME", required_unless_present = "list", value_parser = parse_attack)]
    names: Vec<Chosen>,
    /// List the attacks
    #[arg(long)]
    list: bool,
    /// Print one JSON object: the figures of one attack, or of all in "attacks"
    #[arg(long)]
    json: bool,
    /// Seconds of each attack; half as many seconds of quiet come before [default: 20, with --quick 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: Option<u64>,
    /// Shorter times, and smaller shares for peers, so that they are soon used up
    #[arg(long)]
    quick: bool,
    /// Where to put the data
    #[arg(long, value_name = "DIR", default_value = "/tmp")]
    dir: PathBuf,
    /// Leave the directories with logs and databases, and say where they are
    #[arg(long)]
    keep: bool,
}

/// What was chosen by one name.
#[derive(Debug, Clone, Copy)]
enum Chosen {
    All,
    One(Attack),
}

fn parse_attack(name: &str) -> Result<Chosen, String> {
    if name == "all" {
        return Ok(Chosen::All);
    }
    let unknown = |_| "there is no such attack; see: martlet-testnet attack --list".to_owned();
    Attack::from_str(name, false).map(Chosen::One).map_err(unknown)
}

impl AttackArgs {
    fn options(self) -> AttackOptions {
        let attacks = self.names.iter().flat_map(|chosen| match chosen {
            Chosen::All => Attack::value_variants().to_vec(),
            Chosen::One(attack) => vec![*attack],
        });
        AttackOptions {
            attacks: attacks.collect(),
            json: self.json,
            seconds: self.seconds,
            quick: self.quick,
            dir: self.dir,
            keep: self.keep,
        }
    }
}

#[derive(Debug, Args)]
struct FloodArgs {
    #[arg(long)]
    address: String,
    #[arg(long)]
    network: String,
    #[arg(long)]
    stamp_bits: u8,
    #[arg(long)]
    envelopes_per_s: u32,
    #[arg(long)]
    bytes: usize,
    #[arg(long)]
    seconds: f64,
}

impl FloodArgs {
    fn options(self) -> FloodOptions {
        let Self { address, network, stamp_bits, envelopes_per_s, bytes, seconds } = self;
        let lasts = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        FloodOptions { address, network, stamp_bits, envelopes_per_s, bytes, lasts }
    }
}

#[derive(Debug, Args)]
struct PassedOn {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Runs `martlet-testnet` with `args`, the first of which is the program's name.
pub fn main_from(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to do if the terminal is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let done = match cli.command {
        Command::Daemon(passed) => {
            return match die_with_parent().and_then(|()| follow_clock()) {
                Ok(()) => martletd::cli::main_from(named("martletd", passed)),
                Err(error) => failed(&error),
            };
        }
        Command::Scenario(command) => return command.run(),
        Command::Ctl(passed) => return martletctl::cli::main_from(named("martletctl", passed)),
        Command::Compare(args) => {
            return match compare::run(&args) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&error),
            };
        }
        Command::Attack(args) if args.list => {
            attack::list();
            Ok(())
        }
        Command::Manpages(args) => return manpages::run(&args),
        Command::Sim(args) => return sim::run(&args),
        Command::Sweep(args) => return sweep::run(args),
        Command::Rerun(args) => return rerun::rerun(&args),
        Command::Observe(args) => return observe::run(&args),
        Command::Local(args) => return run::local(&args),
        Command::Calibrate(args) => run(calibrate::run(args)),
        Command::Fidelity(args) => return fidelity::run(&args),
        Command::Netns(args) => return run::netns(&args),
        Command::Up(args) => return hand::up(args),
        Command::Down(args) => return hand::down(&args),
        Command::Ps(args) => return hand::ps(&args),
        Command::Logs(args) => return hand::logs(&args),
        Command::Exec(args) => return hand::exec(&args),
        Command::Supervise(args) => return hand::supervise(args),
        Command::Flood(args) => run(async {
            if let Err(error) = die_with_parent() {
                return Err(ClusterError::Wrong(error.to_string()));
            }
            let flooded = crate::run::flood(&args.options()).await;
            flooded.map_err(|error| ClusterError::Wrong(error.to_string()))
        }),
        Command::Attack(args) => run(attack::run(args.options())),
        Command::Export(args) => return args.run(),
        Command::Drive(args) => return drive::drive(&args),
        Command::Agent(args) => run(run_agent(args.options())),
        Command::Demo(args) => run(demo::run(DemoOptions { keep: args.keep, json: args.json })),
        Command::Bench(args) => match args.check() {
            Ok(()) => run(crate::bench::run(args.options())),
            Err(error) => return refused(&error),
        },
        Command::Bound(passed) => return failed(&become_bound(&passed.args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn run(task: impl Future<Output = Result<(), ClusterError>>) -> Result<(), ClusterError> {
    block_on(task)?
}

fn block_on<T>(task: impl Future<Output = T>) -> Result<T, ClusterError> {
    // On this thread, which starts the daemons: they are killed when it ends.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| ClusterError::Wrong(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(task))
}

fn named(program: &str, passed: PassedOn) -> impl Iterator<Item = OsString> {
    std::iter::once(program.into()).chain(passed.args)
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("martlet-testnet: {error}");
    ExitCode::FAILURE
}

/// What was asked for is wrong, or can't be done so: nothing was run.
fn refused(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("martlet-testnet: {error}");
    ExitCode::from(2)
}
