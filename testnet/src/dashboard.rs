//! A page that shows a network while it runs, and breaks it by button.
//!
//! What runs a network tells its [`Board`] what happens; whoever looks gets the whole present state
//! first, then what changes, a few times a second however much happens. What is asked for by button
//! comes back to what runs the network as a [`Request`].
//!
//! The page is served on loopback, to browsers that were sent there by its own address. Telling the
//! board never waits for anyone who looks.

mod action;
mod board;
mod limits;
mod messages;
mod scene;
mod server;
mod state;
mod watch;

use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use action::{Action, Refused, Request};
pub use board::Board;
pub use scene::{Abilities, Scene, SceneNode};
pub use state::Liveness;
pub use watch::{follow, look};

use limits::{LAST_LOOK, LAST_WORDS_MAX, REQUESTS_MAX, TICK};

/// Where a dashboard is if nothing is said: a port that the system chooses.
pub const ADDRESS_DEFAULT: &str = "127.0.0.1:0";

/// Why there is no dashboard.
#[derive(Debug, thiserror::Error)]
#[error(
    "the dashboard can't listen on {address}: {source}; choose another port, or let the system do it: --dashboard"
)]
pub struct DashboardError {
    address: SocketAddr,
    source: std::io::Error,
}

/// A dashboard that is being served. It ends when it is dropped.
#[derive(Debug)]
pub struct Dashboard {
    board: Board,
    requests: mpsc::Receiver<Request>,
    address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Dashboard {
    /// Begins to serve the page of a network that is about to start.
    ///
    /// # Errors
    /// When the address is in use.
    pub async fn open(address: SocketAddr, scene: Scene) -> Result<Self, DashboardError> {
        let failed = |source| DashboardError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let board = Board::new(scene);
        let (asked, requests) = mpsc::channel(REQUESTS_MAX);
        let ticking = board.clone();
        let tasks = [
            tokio::spawn(server::serve(listener, server::router(board.clone(), asked))),
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(TICK).await;
                    ticking.tell();
                }
            }),
        ];
        Ok(Self { board, requests, address, tasks })
    }

    /// What to open.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What is told what happens.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The next thing that someone asks for.
    pub async fn asked(&mut self) -> Request {
        match self.requests.recv().await {
            Some(request) => request,
            // The server is gone, and nobody asks any more.
            None => std::future::pending().await,
        }
    }

    /// Tells everyone who looks that the network has ended, and how; waits a little until they were
    /// told.
    pub async fn close(self, good: bool, words: &str) {
        self.board.end(good, words);
        let given_up = Instant::now() + LAST_WORDS_MAX;
        while self.board.has_guests() && Instant::now() < given_up {
            tokio::time::sleep(LAST_LOOK).await;
        }
        // What was told may not have left yet.
        tokio::time::sleep(LAST_LOOK).await;
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// An address to serve a dashboard at: of this machine alone.
///
/// # Errors
/// What is wrong with it, and what to say instead.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| format!("an address has an IP and a port: {ADDRESS_DEFAULT}"))?;
    if !address.ip().is_loopback() {
        return Err("a dashboard can kill nodes, so it is for this machine alone: choose \
                    127.0.0.1 or [::1], and reach it from elsewhere through ssh -L"
            .to_owned());
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashboard_listens_on_loopback_alone() {
        for good in [ADDRESS_DEFAULT, "127.0.0.2:80", "[::1]:8080"] {
            assert!(parse_address(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("0.0.0.0:8080", "this machine alone"),
            ("[::]:8080", "this machine alone"),
            ("192.168.1.2:8080", "this machine alone"),
            ("8080", "an IP and a port"),
            ("localhost:8080", "an IP and a port"),
        ] {
            assert!(parse_address(bad).is_err_and(|said| said.contains(why)), "{bad}");
        }
    }
}
