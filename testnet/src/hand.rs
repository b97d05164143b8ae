//! A network to try things on by hand: `up` leaves it in the background, `ps`, `logs` and `exec`
//! use it, `down` ends it.
//!
//! A supervisor process has the network's daemons for children and its namespaces and directory for
//! its own: whatever ends it, the daemons end with it. What it is about is in a file that all of
//! these commands read (`hand/state.rs`); where the supervisor of a file is gone, they remove what it
//! left.

mod error;
mod exec;
mod faults;
mod logs;
mod ps;
mod state;
mod supervise;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::cluster::remove_own_variables;

pub use error::HandError;
pub use exec::exec;
pub use logs::logs;
pub use ps::{print_json, ps};
pub use state::{Network, NodeState};
pub use supervise::supervise;

use state::States;

/// Longest start of a network, for each node and in all.
const START_MAX_PER_NODE: Duration = Duration::from_secs(2);
const START_MAX: Duration = Duration::from_secs(60);
/// Longest orderly end; after it daemons are killed.
const STOP_MAX: Duration = Duration::from_secs(30);
/// Time between two looks at what another process does.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Longest name of a network, characters.
const NAME_CHARS_MAX: usize = 32;

/// What to start.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// So many nodes: n1, n2, …
    pub nodes: usize,
    /// Each in a network namespace of its own.
    pub netns: bool,
    /// The network's name.
    pub name: String,
    /// Without identities and contacts.
    pub bare: bool,
    /// Where a page shows it.
    pub dashboard: Option<SocketAddr>,
}

/// Starts a network in the background, and returns once it can be used.
///
/// # Errors
/// [`HandError`]: there is one of this name, or it doesn't start.
pub fn up(options: &UpOptions) -> Result<Network, HandError> {
    let states = States::open()?;
    states.clean();
    if states.get(&options.name)?.is_some() {
        return Err(HandError::IsUp { name: options.name.clone() });
    }
    let log_file = states.log_file(&options.name);
    let io = |source| HandError::File { path: log_file.clone(), source };
    let log = OpenOptions::new().create(true).write(true).truncate(true).open(&log_file);
    let log = log.map_err(io)?;
    let program = std::env::current_exe().map_err(io)?;
    let mut command = Command::new(program);
    command.args(["supervise", "--name", &options.name, "--nodes", &options.nodes.to_string()]);
    command.args(options.netns.then_some("--netns")).args(options.bare.then_some("--bare"));
    command.args(options.dashboard.map(|address| format!("--dashboard={address}")));
    remove_own_variables(&mut command);
    let mut supervisor = command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(io)?)
        .stderr(log)
        .spawn()
        .map_err(io)?;
    let started = Instant::now();
    let nodes = u32::try_from(options.nodes).unwrap_or(u32::MAX);
    let start_max = START_MAX + START_MAX_PER_NODE * nodes;
    loop {
        if let Some(network) = states.get(&options.name)? {
            return Ok(network);
        }
        let ended = supervisor.try_wait().map_err(io)?;
        if ended.is_some() || started.elapsed() > start_max {
            // It removes what it made when it ends by itself, and its children end with it.
            let _ = supervisor.kill();
            let _ = supervisor.wait();
            states.clean();
            let said = fs::read_to_string(&log_file).unwrap_or_default();
            let said = said.trim().trim_start_matches("martlet-testnet: ").to_owned();
            return Err(HandError::NotUp { name: options.name.clone(), said });
        }
        sleep(LOOK_INTERVAL);
    }
}

/// Ends a network, or all, and removes what it left.
///
/// # Errors
/// [`HandError`]: there is none, or several and none was named, or it doesn't end.
pub fn down(name: Option<&str>, all: bool) -> Result<(), HandError> {
    let states = States::open()?;
    let cleaned = states.clean();
    let networks = if all { states.all()? } else { vec![] };
    let named = match (all, name) {
        (true, _) => networks,
        // What was left of it is gone: that is what was asked for.
        (false, Some(name)) if cleaned.names.iter().any(|gone| gone == name) => vec![],
        (false, None) if states.all()?.is_empty() && !cleaned.is_empty() => vec![],
        (false, name) => vec![states.one(name)?],
    };
    for network in &named {
        let _ = network.supervisor.signal(Signal::TERM);
    }
    for network in named {
        let started = Instant::now();
        while network.supervisor.is_alive() {
            if started.elapsed() > STOP_MAX {
                // Its daemons are killed with it.
                let _ = network.supervisor.signal(Signal::KILL);
            }
            if started.elapsed() > 2 * STOP_MAX {
                return Err(HandError::NotDown { name: network.name, pid: network.supervisor.pid });
            }
            sleep(LOOK_INTERVAL);
        }
        print(&format!("{}: {} nodes stopped", network.name, network.nodes.len()));
    }
    cleaned.tell();
    states.clean().tell();
    Ok(())
}

/// Prints how to use a network.
pub fn print_up(network: &Network) {
    let mut lines = vec![format!("{} is up, with {} nodes:\n", network.name, network.nodes.len())];
    for node in &network.nodes {
        lines.push(format!("  {:<5} export MARTLET_SOCKET={}", node.name, node.socket.display()));
    }
    if let Some(namespace) = network.nodes.first().and_then(|node| node.namespace.as_ref()) {
        let shell = format!("ip netns exec {namespace} bash");
        lines.push(format!("\nEach is a host of its own; a shell on the first: {shell}"));
    }
    if let Some(url) = &network.dashboard {
        lines.push(format!("\nDashboard: {url}"));
    }
    lines.push("\nTry it:".to_owned());
    if !network.bare && network.nodes.len() > 1 {
        lines.push("  martlet-testnet exec n2 -- martletctl watch &".to_owned());
        lines.push("  martlet-testnet exec n1 -- martletctl send n2 'Hello!'".to_owned());
    } else {
        lines.push("  martlet-testnet exec n1 -- martletctl init --name Alice".to_owned());
    }
    lines.push("  martlet-testnet ps".to_owned());
    lines.push(format!("  martlet-testnet down {}", network.name));
    print(&lines.join("\n"));
}

/// Prints a text and a line's end. Whoever reads it may have seen enough and gone.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A network's name: letters, digits and dashes.
///
/// # Errors
/// What is wrong with it.
pub fn parse_name(text: &str) -> Result<String, String> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if text.is_empty() || text.len() > NAME_CHARS_MAX || !text.chars().all(is_good) {
        return Err(format!("a name has 1 to {NAME_CHARS_MAX} letters, digits and dashes"));
    }
    Ok(text.to_owned())
}
