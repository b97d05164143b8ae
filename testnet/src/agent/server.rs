//! The agent's connections: a bounded number, each with a bounded head.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use martletd::limits::{CONTROL_HEAD_BYTES_MAX, CONTROL_HEAD_READ_MAX};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at a time. A driver has one for requests and one for events; the others are for
/// people who look.
const CONNECTIONS_MAX: usize = 32;
/// How long to wait after a failed accept: the system is out of something.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Answers until it is dropped. Who comes while all connections are taken waits in the system's
/// queue.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let service = TowerToHyperService::new(router);
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Never closed.
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        let service = service.clone();
        tokio::spawn(async move {
            // Whatever ended it: the other end sees that it has.
            let _ = stream.set_nodelay(true);
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(CONTROL_HEAD_READ_MAX)
                .max_buf_size(CONTROL_HEAD_BYTES_MAX)
                .max_header_size(CONTROL_HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(permit);
        });
    }
}
