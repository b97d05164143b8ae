//! The process in the background that has a network.

use std::path::{Path, PathBuf};

use futures::future::try_join_all;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::faults::{self, Faults};
use super::state::{Network, NodeState, States};
use super::{HandError, UpOptions};
use crate::cluster::{Cluster, ClusterError, Lan, Node, NodeOptions, ProcessId, introduce};
use crate::dashboard::{self, Board, Dashboard, Liveness};

/// Up to so many nodes all users are contacts of each other; in larger networks of so many
/// neighbours.
const ALL_CONTACTS_MAX: usize = 12;
const CONTACTS: usize = 3;
/// On loopback each node has this many of those before it for static peers, and as many far ones.
const PEERS: usize = 2;

/// Starts the network, and keeps it until it is told to end (SIGTERM).
///
/// # Errors
/// When it can't be started.
pub async fn supervise(options: &UpOptions) -> Result<(), HandError> {
    // A session of its own: it outlives the shell. It fails only where this leads one already.
    let _ = rustix::process::setsid();
    let listen = |kind| {
        signal(kind)
            .map_err(|error| ClusterError::Wrong(format!("cannot listen to signals: {error}")))
    };
    let (mut terminated, mut interrupted) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let states = States::open()?;
    let lan = if options.netns {
        Some(Lan::new([options.nodes, 0]).map_err(ClusterError::from)?)
    } else {
        None
    };
    let cluster = Cluster::of_this_program(Path::new("/tmp"))?;
    let mut dashboard = match options.dashboard {
        Some(address) => {
            let opened = Dashboard::open(address, faults::scene(options)).await;
            Some(opened.map_err(|error| ClusterError::Wrong(error.to_string()))?)
        }
        None => None,
    };
    let board = dashboard.as_ref().map_or_else(Board::default, |it| it.board().clone());
    let mut faults = Faults::new(board.clone());
    let mut nodes = tokio::select! {
        nodes = start(&cluster, lan.as_ref(), options, &mut faults) => nodes?,
        // What was started ends with this.
        _ = terminated.recv() => return Ok(()),
        _ = interrupted.recv() => return Ok(()),
    };
    let url = dashboard.as_ref().map(Dashboard::url);
    let mut network = describe(&cluster, lan.as_ref(), options, &nodes, url)?;
    states.write(&network)?;
    board.begin();
    let sockets: Vec<PathBuf> = nodes.iter().map(Node::socket).collect();
    let watching = [
        tokio::spawn(dashboard::look(board.clone(), sockets.clone())),
        tokio::spawn(dashboard::follow(board.clone(), sockets)),
    ];
    let obeying = async {
        let Some(dashboard) = &mut dashboard else { return std::future::pending().await };
        loop {
            let request = dashboard.asked().await;
            let done = faults.carry_out(&request.action, &mut nodes, lan.as_ref()).await;
            // Others find its processes by it.
            let noted = note_processes(&mut network, &nodes).and_then(|()| states.write(&network));
            request.answer(done.and(noted.map_err(|error| error.to_string())));
        }
    };
    tokio::select! {
        () = obeying => {}
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    watching.iter().for_each(JoinHandle::abort);
    if let Some(dashboard) = dashboard {
        dashboard.close(true, "taken down").await;
    }
    // One that ended before, or won't in time, is no reason to leave the others.
    futures::future::join_all(nodes.iter_mut().map(Node::stop)).await;
    drop(nodes);
    drop((cluster, lan));
    states.remove(&options.name);
    Ok(())
}

async fn start(
    cluster: &Cluster,
    lan: Option<&Lan>,
    options: &UpOptions,
    faults: &mut Faults,
) -> Result<Vec<Node>, HandError> {
    let mut nodes: Vec<Node> = Vec::new();
    for number in 0..options.nodes {
        let mut peers = Vec::new();
        if lan.is_none() {
            for peer in peers_of(number) {
                let Some(node) = nodes.get(peer) else { continue };
                peers.push(match options.dashboard {
                    Some(_) => faults.link(number, peer, node).await?,
                    None => node.address()?,
                });
            }
        }
        let namespace = lan.map(|lan| lan.namespace(number));
        let name = format!("n{}", number + 1);
        let mut node =
            cluster.node(&name, NodeOptions { peers, namespace, ..NodeOptions::default() });
        faults.board.node(number, Liveness::Starting);
        node.start().await?;
        faults.board.node(number, Liveness::On);
        nodes.push(node);
    }
    if !options.bare {
        try_join_all(nodes.iter().map(Node::init)).await?;
        for (number, node) in nodes.iter().enumerate() {
            let reach = if nodes.len() <= ALL_CONTACTS_MAX { nodes.len() } else { CONTACTS };
            for other in nodes.iter().skip(number + 1).take(reach) {
                introduce(node, other).await?;
            }
        }
    }
    Ok(nodes)
}

/// Whom a node dials on loopback: a chain with long and longer shortcuts, so that all are few steps
/// apart.
pub(super) fn peers_of(number: usize) -> Vec<usize> {
    let near = (1..=PEERS).filter_map(|back| number.checked_sub(back));
    let far = (1..=PEERS).map(|part| number / (part + 1)).filter(|far| *far < number);
    let mut peers: Vec<usize> = near.chain(far).collect();
    peers.sort_unstable();
    peers.dedup();
    peers
}

fn describe(
    cluster: &Cluster,
    lan: Option<&Lan>,
    options: &UpOptions,
    nodes: &[Node],
    dashboard: Option<String>,
) -> Result<Network, HandError> {
    let state = |(number, node): (usize, &Node)| {
        Ok::<_, HandError>(NodeState {
            name: node.name().to_owned(),
            process: ProcessId::of(node.pid()?).ok_or_else(gone)?,
            socket: node.socket(),
            log: node.log_file(),
            addresses: vec![node.address()?, node.quic_address()?],
            namespace: lan.map(|lan| lan.namespace(number)),
        })
    };
    Ok(Network {
        name: options.name.clone(),
        supervisor: ProcessId::current().ok_or_else(gone)?,
        dir: cluster.path().to_owned(),
        bare: options.bare,
        dashboard,
        nodes: nodes.iter().enumerate().map(state).collect::<Result<_, _>>()?,
    })
}

fn gone() -> ClusterError {
    ClusterError::Wrong("a process has no number: is /proc there?".to_owned())
}

/// Those nodes that run may have been started again, as other processes.
fn note_processes(network: &mut Network, nodes: &[Node]) -> Result<(), HandError> {
    for (state, node) in network.nodes.iter_mut().zip(nodes) {
        if let Ok(pid) = node.pid() {
            state.process = ProcessId::of(pid).ok_or_else(gone)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_but_the_first_dials_one_before_it() {
        assert!(peers_of(0).is_empty());
        for number in 1..200 {
            let peers = peers_of(number);
            assert!(!peers.is_empty() && peers.iter().all(|peer| *peer < number), "{number}");
        }
        assert_eq!(peers_of(9), [3, 4, 7, 8]);
    }
}
