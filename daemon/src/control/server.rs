//! Connections: who may have one, how many there are, and how they end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::{
    CONTROL_CONNECTIONS_MAX, CONTROL_HEAD_BYTES_MAX, CONTROL_HEAD_READ_MAX,
    CONTROL_REFUSAL_LINGER_MAX, CONTROL_REFUSALS_MAX, CONTROL_STOP_MAX,
};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use martlet_protocol::control::{ErrorCode, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::listener::ControlSocket;
use super::problem::raw_response;
use super::router::router;
use super::{ControlContext, Ending, Shared};

/// The user id that is always served beside the daemon's own.
const ROOT: u32 = 0;
/// How long to wait after a failed accept: the system is out of something.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A running server.
#[derive(Debug)]
pub struct ControlServer {
    shared: Shared,
    acceptor: JoinHandle<()>,
    connections: Arc<Semaphore>,
}

/// Answers on `socket` until [`ControlServer::stop`]. Must be called within a tokio runtime.
#[must_use]
pub fn serve(socket: ControlSocket, context: ControlContext) -> ControlServer {
    let shared = Shared::new(context);
    let connections = Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX));
    let service = TowerToHyperService::new(router(shared.clone()));
    let acceptor = Acceptor {
        own_uid: rustix::process::geteuid().as_raw(),
        connections: Arc::clone(&connections),
        refusals: Arc::new(Semaphore::new(CONTROL_REFUSALS_MAX)),
        service,
        ending: shared.ending(),
    };
    let acceptor = tokio::spawn(acceptor.run(socket));
    ControlServer { shared, acceptor, connections }
}

impl ControlServer {
    /// Stops accepting, ends streams of events, lets requests that are being answered finish (for
    /// at most [`CONTROL_STOP_MAX`]), and removes the socket.
    pub async fn stop(self) {
        self.shared.stop();
        if let Err(error) = self.acceptor.await {
            tracing::error!(%error, "the control socket's task failed");
        }
        let all = u32::try_from(CONTROL_CONNECTIONS_MAX).unwrap_or(u32::MAX);
        if timeout(CONTROL_STOP_MAX, self.connections.acquire_many(all)).await.is_err() {
            tracing::warn!("some control requests were still unanswered and are given up");
        }
    }
}

type Service = TowerToHyperService<axum::Router>;

struct Acceptor {
    own_uid: u32,
    connections: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    service: Service,
    ending: watch::Receiver<Ending>,
}

impl Acceptor {
    async fn run(mut self, socket: ControlSocket) {
        loop {
            let accepted = tokio::select! {
                accepted = socket.listener.accept() => accepted,
                () = stopping(&mut self.ending) => return,
            };
            match accepted {
                Ok((stream, _)) => self.admit(stream),
                Err(error) => {
                    tracing::warn!(%error, "can't accept a control connection");
                    sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    fn admit(&self, stream: UnixStream) {
        if let Err(problem) = check_user(&stream, self.own_uid) {
            tracing::warn!("refused a control connection: {problem}");
            return self.refuse(stream, problem);
        }
        match Arc::clone(&self.connections).try_acquire_owned() {
            Ok(permit) => {
                tokio::spawn(converse(stream, self.service.clone(), self.ending.clone(), permit));
            }
            Err(_) => {
                let detail = format!(
                    "there are {CONTROL_CONNECTIONS_MAX} connections to the control socket already; close some"
                );
                self.refuse(stream, Problem::new(ErrorCode::LimitReached, detail));
            }
        }
    }

    fn refuse(&self, stream: UnixStream, problem: Problem) {
        if let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() {
            tokio::spawn(async move {
                // The client may be gone; there is nobody to tell.
                let _ = timeout(CONTROL_REFUSAL_LINGER_MAX, turn_away(stream, &problem)).await;
                drop(permit);
            });
        }
    }
}

fn check_user(stream: &UnixStream, own_uid: u32) -> Result<(), Problem> {
    match stream.peer_cred().map(|credentials| credentials.uid()) {
        Ok(uid) if uid == own_uid || uid == ROOT => Ok(()),
        Ok(uid) => Err(Problem::new(
            ErrorCode::Forbidden,
            format!("this daemon belongs to user {own_uid}; user {uid} may not control it"),
        )),
        Err(error) => Err(Problem::new(
            ErrorCode::Forbidden,
            format!("the system doesn't tell whose connection this is: {error}"),
        )),
    }
}

/// Answers once a request has begun (a client that has asked nothing takes an answer for a broken
/// connection), then waits for the client to read that: closing with its request unread would make
/// the system throw the answer away.
async fn turn_away(mut stream: UnixStream, problem: &Problem) -> io::Result<()> {
    let mut discarded = [0; 1024];
    // Who says nothing is answered all the same.
    let _ = timeout(CONTROL_REFUSAL_LINGER_MAX / 2, stream.read(&mut discarded)).await;
    stream.write_all(&raw_response(problem)).await?;
    stream.shutdown().await?;
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}

async fn converse(
    stream: UnixStream,
    service: Service,
    mut ending: watch::Receiver<Ending>,
    _permit: OwnedSemaphorePermit,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONTROL_HEAD_READ_MAX)
        .max_buf_size(CONTROL_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopping(&mut ending) => {
            connection.as_mut().graceful_shutdown();
            match timeout(CONTROL_STOP_MAX, connection).await {
                Ok(result) => result,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = result {
        // Malformed requests were answered by hyper; the rest is clients that left.
        tracing::debug!(%error, "a control connection ended early");
    }
}

async fn stopping(ending: &mut watch::Receiver<Ending>) {
    // An error means that the server is gone, which is an end as well.
    let _ = ending.wait_for(|ending| ending.stopping).await;
}
