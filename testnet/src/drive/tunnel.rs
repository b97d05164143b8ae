//! A Unix socket of this machine that leads to a TCP port of another.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Connections at a time: one for requests, one for events, and as many again that are about to
/// end.
const CONNECTIONS_MAX: usize = 8;

/// A way to one agent. Gone, with its connections, when dropped.
#[derive(Debug)]
pub(super) struct Tunnel {
    socket: PathBuf,
    authority: String,
    task: JoinHandle<()>,
}

impl Tunnel {
    /// Listens on `socket`, in a directory of this user's alone; each connection leads to
    /// `authority`, a host and a port.
    pub(super) fn open(socket: PathBuf, authority: String) -> io::Result<Self> {
        let listener = UnixListener::bind(&socket)?;
        let task = tokio::spawn(carry_all(listener, authority.clone()));
        Ok(Self { socket, authority, task })
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry_all(listener: UnixListener, authority: String) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut carried = tokio::task::JoinSet::new();
    // Never closed; and a socket in a directory of one's own doesn't fail to accept but for want of
    // descriptors, which the requests that then stay unanswered tell.
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        let Ok((mut near, _)) = listener.accept().await else { return };
        while carried.try_join_next().is_some() {}
        let authority = authority.clone();
        carried.spawn(async move {
            // However it ended: both ends are closed, which is what they should see.
            if let Ok(mut far) = TcpStream::connect(&authority).await {
                let _ = far.set_nodelay(true);
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
            drop(permit);
        });
    }
}
