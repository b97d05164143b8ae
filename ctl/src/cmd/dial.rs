//! `dial`: connect to a node.

use martlet_protocol::control::DialRequest;

use super::Context;
use crate::exit::Failure;
use crate::render::word;

/// Connect to the node at an address
///
/// The other side's `martletctl status` shows its addresses under "Listening".
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl dial /ip4/192.168.1.7/tcp/4177
  martletctl dial /dns/node.example.org/udp/4177/quic-v1")]
pub(crate) struct Args {
    /// A multiaddress
    #[arg(value_name = "MULTIADDR")]
    address: String,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let address = word(&self.address);
        let request = DialRequest { address: self.address };
        context.client()?.post::<_, ()>("/v1/peers", &request).await?;
        context.output.done(&format!("Dialling {address}; see: martletctl peers"))
    }
}
