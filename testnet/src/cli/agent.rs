//! `martlet-testnet agent`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::agent::AgentOptions;

const HELP: &str = "\
An agent starts, stops and kills one daemon, and passes requests on to its control socket. It does
so for martlet-testnet drive on another machine. Exported networks (martlet-testnet export) have an
agent beside each daemon. WHOEVER REACHES ITS PORT CONTROLS THE NODE: let it listen beyond loopback
only in a network of test nodes.

Example: two nodes and a driver on one machine
  martlet-testnet agent --listen 127.0.0.1:4181 --data /tmp/n1 -- \\
      --listen /ip4/127.0.0.2/tcp/4177
  martlet-testnet agent --listen 127.0.0.1:4182 --data /tmp/n2 -- \\
      --listen /ip4/127.0.0.3/tcp/4177 --static-peer /ip4/127.0.0.2/tcp/4177
  martlet-testnet drive pair.toml --agents n1=http://127.0.0.1:4181 \\
      --agents n2=http://127.0.0.1:4182

On standard output: its address, once it serves. On standard error: the daemon's log.
SIGTERM stops the daemon, then the agent.";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct AgentArgs {
    /// The address and port to serve on; with port 0 the system chooses one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4180")]
    listen: SocketAddr,
    /// The daemon's data directory [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Arguments for martletd, besides its data directory and socket
    #[arg(last = true, value_name = "MARTLETD ARGUMENTS")]
    daemon: Vec<OsString>,
}

impl AgentArgs {
    pub(super) fn options(self) -> AgentOptions {
        AgentOptions { listen: self.listen, data: self.data, daemon: self.daemon }
    }
}
