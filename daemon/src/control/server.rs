//! Connections: who may have one, how many there are, and how they end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::{
    CONTROL_HEAD_BYTES_MAX, CONTROL_HEAD_READ_MAX, CONTROL_HEADERS_MAX, CONTROL_REFUSAL_LINGER_MAX,
    CONTROL_REFUSALS_MAX, CONTROL_STOP_MAX, CONTROL_STOP_UNREAD_MAX,
};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use martlet_protocol::control::{ErrorCode, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::activity::lock_when_idle;
use super::client_stream::{ClientStream, Reading};
use super::listener::ControlSocket;
use super::places::{CONNECTIONS, Place, Places, ProcessId};
use super::problem::raw_response;
use super::router::router;
use super::{ControlContext, Ending, Shared, stopping};

/// The user id that is always served beside the daemon's own.
const ROOT: u32 = 0;
/// How long to wait after a failed accept: the system is out of something.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A running server.
#[derive(Debug)]
pub struct ControlServer {
    shared: Shared,
    acceptor: JoinHandle<()>,
    places: Places,
}

/// Answers on `socket` until [`ControlServer::stop`]. Must be called within a tokio runtime.
#[must_use]
pub fn serve(socket: ControlSocket, context: ControlContext) -> ControlServer {
    let shared = Shared::new(context);
    if let Some(after) = shared.context().auto_lock {
        tokio::spawn(lock_when_idle(shared.clone(), after));
    }
    let places = Places::new(&CONNECTIONS);
    let service = TowerToHyperService::new(router(shared.clone()));
    let acceptor = Acceptor {
        own_uid: rustix::process::geteuid().as_raw(),
        places: places.clone(),
        refusals: Arc::new(Semaphore::new(CONTROL_REFUSALS_MAX)),
        service,
        ending: shared.ending(),
    };
    let acceptor = tokio::spawn(acceptor.run(socket));
    ControlServer { shared, acceptor, places }
}

impl ControlServer {
    /// Changes whenever the vault was locked, and when the daemon stops.
    pub(crate) fn locks(&self) -> watch::Receiver<Ending> {
        self.shared.ending()
    }

    /// Stops accepting, ends streams of events, lets requests that are being answered finish (for
    /// at most [`CONTROL_STOP_MAX`], and while their clients read), and removes the socket.
    pub async fn stop(self) {
        self.shared.stop();
        if let Err(error) = self.acceptor.await {
            tracing::error!(%error, "the control socket's task failed");
        }
        if timeout(CONTROL_STOP_MAX, self.places.emptied()).await.is_err() {
            tracing::warn!("some control requests were still unanswered and are given up");
        }
    }
}

type Service = TowerToHyperService<axum::Router>;

struct Acceptor {
    own_uid: u32,
    places: Places,
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
        let process = match check_user(&stream, self.own_uid) {
            Ok(process) => process,
            Err(problem) => {
                tracing::warn!("refused a control connection: {problem}");
                return self.refuse(stream, problem);
            }
        };
        match self.places.take(process) {
            Ok(place) => {
                let served = (self.service.clone(), process);
                tokio::spawn(converse(stream, served, self.ending.clone(), place));
            }
            Err(reason) => {
                self.refuse(stream, Problem::new(ErrorCode::LimitReached, reason.to_string()));
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

/// The process that has connected, where it may.
fn check_user(stream: &UnixStream, own_uid: u32) -> Result<ProcessId, Problem> {
    match stream.peer_cred().map(|credentials| (credentials.uid(), credentials.pid())) {
        // Where the system tells no process, all share the room of one.
        Ok((uid, process)) if uid == own_uid || uid == ROOT => {
            Ok(ProcessId(process.unwrap_or_default()))
        }
        Ok((uid, _)) => Err(Problem::new(
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
    (service, process): (Service, ProcessId),
    mut ending: watch::Receiver<Ending>,
    _place: Place,
) {
    let stream = ClientStream::new(stream);
    let reading = stream.reading();
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(process);
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONTROL_HEAD_READ_MAX)
        .max_buf_size(CONTROL_HEAD_BYTES_MAX)
        // Else a head of up to twice the buffer's size may pass, as it happens to come.
        .max_header_size(CONTROL_HEAD_BYTES_MAX)
        .max_headers(CONTROL_HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopping(&mut ending) => {
            connection.as_mut().graceful_shutdown();
            match timeout(CONTROL_STOP_MAX, while_read(connection, &reading)).await {
                Ok(Some(result)) => result,
                Ok(None) | Err(_) => return,
            }
        }
    };
    if let Err(error) = result {
        // Malformed requests were answered; the rest is clients that left.
        tracing::debug!(%error, "a control connection ended early");
    }
}

/// The outcome of `connection`; `None` once its client doesn't read what waits for it.
async fn while_read<T>(
    mut connection: Pin<&mut impl Future<Output = T>>,
    reading: &Reading,
) -> Option<T> {
    loop {
        let before = reading.waits_at();
        match timeout(CONTROL_STOP_UNREAD_MAX, connection.as_mut()).await {
            Ok(result) => return Some(result),
            Err(_) if before.is_some() && before == reading.waits_at() => return None,
            Err(_) => {}
        }
    }
}
