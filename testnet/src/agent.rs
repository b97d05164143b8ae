//! One daemon's keeper, where a network is run by something else: in a container, a pod, a simulated host.
//!
//! It starts, stops and kills the daemon as its child, and serves over TCP what `drive` needs:
//!
//! | request | does | answers |
//! | --- | --- | --- |
//! | `GET /agent/ready` | | 200 with [`Daemon`] if it is as it was told to be, else 503 |
//! | `POST /agent/start` | starts the daemon, if it is off; what it kept is there again | 202, see `ready` |
//! | `POST /agent/stop` | SIGTERM, and waits for the end | 204 |
//! | `POST /agent/crash` | SIGKILL | 204 |
//! | `POST /agent/erase` | removes all that the daemon kept | 204; 409 while it is on |
//! | `/v1/…` | asks the daemon's control socket (`agent/proxy.rs`) | what it answers; 503 while it is off |
//!
//! **Whoever reaches this port has the node**: its identity, its contacts, its messages. It is a tool for tests, listens
//! on loopback unless told otherwise, and must be told otherwise only in a network of nothing but test nodes.

mod proxy;
mod server;
mod ward;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use martlet_protocol::control::{ErrorCode, Problem};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cluster::ClusterError;
use ward::{Ward, WardError};

/// The port agents listen on in exported networks.
pub const PORT: u16 = 4180;

/// What an agent is told.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// Where to serve. Port 0: any.
    pub listen: SocketAddr,
    /// The daemon's data directory; `None`: a temporary one, gone with the agent.
    pub data: Option<PathBuf>,
    /// Further arguments of the daemon, whose data directory and socket are given already.
    pub daemon: Vec<OsString>,
}

/// How the daemon is: the answer of `GET /agent/ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Daemon {
    /// It runs and answers.
    On,
    /// It was not started, or was stopped.
    Off,
}

/// Runs an agent until SIGTERM or SIGINT; then the daemon is stopped first.
///
/// # Errors
/// When the port or the directory can't be had.
pub async fn run(options: AgentOptions) -> Result<(), ClusterError> {
    let cannot = |what: &str, error: &dyn std::fmt::Display| {
        ClusterError::Wrong(format!("the agent cannot {what}: {error}"))
    };
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| cannot("await signals", &error))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|error| cannot("await signals", &error))?;
    let ward = Ward::new(options.data, options.daemon)?;
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| cannot(&format!("listen on {}", options.listen), &error))?;
    let address = listener.local_addr().map_err(|error| cannot("tell its address", &error))?;
    if !address.ip().is_loopback() {
        eprintln!(
            "martlet-testnet: whoever reaches {address} has this node; never expose it beyond the network under test"
        );
    }
    // For whoever started it with port 0.
    println!("http://{address}");
    tokio::select! {
        () = server::serve(listener, router(ward.clone())) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    ward.stop().await.map_err(|error| ClusterError::Wrong(error.to_string()))
}

fn router(ward: Ward) -> Router {
    Router::new()
        .route("/agent/ready", get(ready))
        .route("/agent/start", post(start))
        .route("/agent/stop", post(stop))
        .route("/agent/crash", post(crash))
        .route("/agent/erase", post(erase))
        .fallback(proxy::pass_on)
        .with_state(ward)
}

async fn ready(State(ward): State<Ward>) -> Result<Json<Daemon>, WardError> {
    ward.look().await.map(Json)
}

async fn start(State(ward): State<Ward>) -> Result<StatusCode, WardError> {
    ward.start().await?;
    Ok(StatusCode::ACCEPTED)
}

async fn stop(State(ward): State<Ward>) -> Result<StatusCode, WardError> {
    ward.stop().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn crash(State(ward): State<Ward>) -> Result<StatusCode, WardError> {
    ward.crash().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn erase(State(ward): State<Ward>) -> Result<StatusCode, WardError> {
    ward.erase().await?;
    Ok(StatusCode::NO_CONTENT)
}

impl IntoResponse for WardError {
    fn into_response(self) -> Response {
        // As the daemon's own answers, so that one client understands both.
        let (status, code) = match self {
            Self::NotAnswering | Self::Ended { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Stopping)
            }
            Self::On => (StatusCode::CONFLICT, ErrorCode::BadRequest),
            Self::TooSlow | Self::Process(_) | Self::File { .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal)
            }
        };
        let detail = format!("agent: {self}");
        (status, Json(Problem { status: status.as_u16(), code, detail })).into_response()
    }
}
