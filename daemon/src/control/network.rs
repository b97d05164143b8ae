//! The network this node is part of.

use std::io::Read;
use std::path::Path;

use axum::Json;
use axum::extract::State;
use martlet_protocol::control::{Network, NetworkExport, PendingNetwork, Problem};
use martlet_protocol::limits::CONFIG_BYTES_MAX;
use martlet_protocol::network::NetworkDescriptor;
use zeroize::Zeroizing;

use super::endpoints::endpoints;
use super::extract::NoBody;
use super::{ControlContext, Shared};

endpoints!(get_network, export_network);

/// The network, without its key.
#[utoipa::path(get, path = "/v1/network", tag = "network", responses(
    (status = 200, body = Network),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn get_network(State(shared): State<Shared>) -> Json<Network> {
    let context = shared.context();
    let file = context.network_file.as_ref().map(|path| path.display().to_string());
    let pending = match at_next_start(context).await {
        Next::Other(network) => Some(PendingNetwork::of(&network)),
        Next::Same | Next::Unreadable(_) => None,
    };
    Json(Network { file, pending, ..Network::of(&context.network) })
}

/// The network that the file has for the next start.
enum Next {
    /// The one that the daemon is part of.
    Same,
    Other(NetworkDescriptor),
    /// Why it can't be read: the daemon would not start.
    Unreadable(String),
}

/// Reads the file that the next start reads.
async fn at_next_start(context: &ControlContext) -> Next {
    let (file, now) = (context.network_file.clone(), context.network.clone());
    // An error: the daemon is stopping.
    let read = tokio::task::spawn_blocking(move || read(file?.as_path(), &now));
    read.await.ok().flatten().unwrap_or(Next::Same)
}

/// `None` where there is no file: the default one need not be there.
fn read(file: &Path, now: &NetworkDescriptor) -> Option<Next> {
    let mut text = Zeroizing::new(String::new());
    let read = martlet_input::open(file)
        .and_then(|file| file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // It was there at the start, unless the network is the one without a file.
            let was_there = *now != NetworkDescriptor::default();
            return was_there.then(|| Next::Unreadable(format!("{} is gone", file.display())));
        }
        Err(error) => return Some(Next::Unreadable(format!("{}: {error}", file.display()))),
    }
    Some(match NetworkDescriptor::from_toml(&text) {
        Ok(next) if next == *now => Next::Same,
        Ok(next) => Next::Other(next),
        Err(error) => Next::Unreadable(format!("{}: {error}", file.display())),
    })
}

/// What the user is told of a network that waits for a restart.
pub(super) async fn pending_warning(context: &ControlContext) -> Option<String> {
    let kind = |network: &NetworkDescriptor| if network.is_closed() { "closed" } else { "open" };
    match at_next_start(context).await {
        Next::Same => None,
        Next::Other(next) => Some(format!(
            "this daemon is still part of the network {} ({}), and takes part in {} ({}), which was joined, once it is \
             restarted: systemctl --user restart martletd",
            context.network.name,
            kind(&context.network),
            next.name,
            kind(&next)
        )),
        Next::Unreadable(why) => Some(format!(
            "the daemon would not start again, since it could not read its network: {why}"
        )),
    }
}

/// The network's descriptor, with its key. A POST, since it gives out a secret: it is for those who
/// may act for the user, not for those who may look.
#[utoipa::path(post, path = "/v1/network/export", tag = "network", responses(
    (status = 200, body = NetworkExport),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn export_network(State(shared): State<Shared>, _: NoBody) -> Json<NetworkExport> {
    let descriptor = shared.context().network.to_toml().to_string();
    Json(NetworkExport { descriptor })
}
