//! `up`, `down`, `ps`, `logs`, `exec`: a network to try things on by hand.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;

use super::{block_on, failed};
use crate::dashboard::{ADDRESS_DEFAULT, parse_address};
use crate::hand::{self, HandError, UpOptions};

#[derive(Debug, Args)]
pub(super) struct UpArgs {
    /// How many nodes; they are called n1, n2, …
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=200))]
    nodes: u16,
    /// Give each node a network namespace: a host of its own on one LAN, found by mDNS. For root
    #[arg(long)]
    netns: bool,
    /// What to call the network
    #[arg(long, value_name = "NAME", default_value = "net", value_parser = hand::parse_name)]
    name: String,
    /// Without identities and contacts
    #[arg(long)]
    bare: bool,
    /// Print one JSON object, as ps does
    #[arg(long)]
    json: bool,
    /// Serve a page that shows the network while it is up, and breaks it by button. ADDR is an IP of
    /// this machine alone and a port [without ADDR: 127.0.0.1, and a port that the system chooses]
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ADDRESS_DEFAULT,
        value_parser = parse_address
    )]
    dashboard: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(super) struct DownArgs {
    /// The network; may be left out if there is only one
    #[arg(value_name = "NAME", value_parser = hand::parse_name)]
    name: Option<String>,
    /// All networks
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct PsArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// The node: n1, or net/n1 where there are several networks
    #[arg(value_name = "NODE")]
    node: String,
    /// Go on printing what is logged from now on
    #[arg(short, long)]
    follow: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExecArgs {
    /// The node: n1, or net/n1 where there are several networks
    #[arg(value_name = "NODE")]
    node: String,
    /// A command, run with MARTLET_SOCKET set to the node's (and in its network namespace, if it
    /// has one). martletctl is built in
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct SuperviseArgs {
    #[command(flatten)]
    up: UpArgs,
}

pub(super) fn up(args: UpArgs) -> ExitCode {
    let json = args.json;
    conclude(hand::up(&args.options()).and_then(|network| {
        if json {
            return hand::print_json(&[network]);
        }
        hand::print_up(&network);
        Ok(())
    }))
}

pub(super) fn supervise(args: SuperviseArgs) -> ExitCode {
    let done = block_on(hand::supervise(&args.up.options()));
    conclude(done.map_err(HandError::from).and_then(|done| done))
}

pub(super) fn down(args: &DownArgs) -> ExitCode {
    conclude(hand::down(args.name.as_deref(), args.all))
}

pub(super) fn ps(args: &PsArgs) -> ExitCode {
    conclude(block_on(hand::ps(args.json)).map_err(HandError::from).and_then(|done| done))
}

pub(super) fn logs(args: &LogsArgs) -> ExitCode {
    conclude(hand::logs(&args.node, args.follow))
}

pub(super) fn exec(args: &ExecArgs) -> ExitCode {
    match hand::exec(&args.node, &args.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => refuse(&error),
    }
}

impl UpArgs {
    fn options(&self) -> UpOptions {
        let Self { nodes, netns, name, bare, json: _, dashboard } = self;
        UpOptions {
            nodes: usize::from(*nodes),
            netns: *netns,
            name: name.clone(),
            bare: *bare,
            dashboard: *dashboard,
        }
    }
}

fn conclude(done: Result<(), HandError>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &HandError) -> ExitCode {
    let code = failed(error);
    if error.is_usage() { ExitCode::from(2) } else { code }
}
