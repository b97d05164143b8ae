//! `dial`: connect to a node.

use martlet_protocol::control::{DialRequest, Dialled};

use super::Context;
use crate::exit::Failure;
use crate::render::{one_line, word};

/// Connect to the node at an address
///
/// The other side's `martletctl status` shows its addresses under "Listening". The daemon tries ten times.
/// `martletctl peers` shows whether it is connected.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl dial 192.168.1.7
  martletctl dial --wait node.example.org:4177
  martletctl dial '[fe80::7%eth0]:4177'
  martletctl dial /dns/node.example.org/udp/4177/quic-v1")]
pub(crate) struct Args {
    /// HOST, HOST:PORT, or a multiaddress
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// Wait until it is connected or the attempt has failed, 10 seconds at most. Exit with 1 if there is no
    /// connection
    #[arg(long, short)]
    wait: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let address = word(&self.address);
        let request = DialRequest { address: self.address, wait: self.wait };
        let client = context.client()?;
        if request.wait {
            let dialled: Dialled = client.post("/v1/peers", &request).await?;
            return match &dialled.reason {
                Some(reason) => Err(Failure::Failed(format!(
                    "no connection with {address}: {}. It is tried some more; see: martletctl peers",
                    one_line(reason)
                ))),
                None => context.output.show(&dialled, |dialled, page| {
                    let peer = dialled.peer_id.as_deref().map_or_else(String::new, word);
                    page.line(format!("Connected with {address}: {peer}"));
                }),
            };
        }
        client.post::<_, ()>("/v1/peers", &request).await?;
        context.output.done(&format!("Dialling {address}; see: martletctl peers"))
    }
}
