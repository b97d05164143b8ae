//! The metrics on a loopback TCP port, for a Prometheus that can't read the control socket: one
//! request per connection, `GET /metrics`, and nothing else.
//!
//! Anyone on this machine can ask, which is why nothing that can be done on the control socket is
//! served here. A page in a browser can't read the answer: without CORS headers only one that got
//! its own name to resolve to this machine could, and a request with such a name is refused.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::limits::{METRICS_CONNECTION_MAX, METRICS_CONNECTIONS_MAX, METRICS_HEAD_BYTES_MAX};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{CONTENT_TYPE, MetricsSource};
use crate::config::LoopbackAddress;

/// How long to wait after a failed accept: the system is out of something.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Why the port could not be had.
#[derive(Debug, thiserror::Error)]
#[error("can't serve metrics on {address}: {source}; give another metrics_listen, or leave it out")]
pub struct BindError {
    /// Where.
    address: SocketAddr,
    /// What the system said.
    source: io::Error,
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct MetricsServer {
    acceptor: JoinHandle<()>,
}

/// Takes the port. Must be called within a tokio runtime.
///
/// # Errors
/// [`BindError`].
pub async fn bind(address: LoopbackAddress) -> Result<(TcpListener, SocketAddr), BindError> {
    let address = address.get();
    let failed = |source| BindError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Answers on `listener`. Must be called within a tokio runtime.
#[must_use]
pub fn serve(listener: TcpListener, source: MetricsSource) -> MetricsServer {
    let router = Router::new()
        .route("/metrics", get(get_metrics))
        .layer(middleware::from_fn(only_by_address))
        .with_state(source);
    MetricsServer { acceptor: tokio::spawn(accept(listener, router)) }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept(listener: TcpListener, router: Router) {
    let connections = Arc::new(Semaphore::new(METRICS_CONNECTIONS_MAX));
    let service = TowerToHyperService::new(router);
    loop {
        // One more than there may be waits in the system's queue.
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let service = service.clone();
                tokio::spawn(async move {
                    converse(stream, service).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection for metrics");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// One request; who is slow to ask or to read is disconnected.
async fn converse(stream: TcpStream, service: TowerToHyperService<Router>) {
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(METRICS_HEAD_BYTES_MAX)
        .max_header_size(METRICS_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(METRICS_CONNECTION_MAX, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection for metrics ended early"),
        Err(_) => tracing::debug!("a connection for metrics was too slow"),
    }
}

async fn get_metrics(State(source): State<MetricsSource>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], source.scrape().await)
}

async fn only_by_address(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    if host.is_none_or(|host| host.to_str().is_ok_and(names_no_other)) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "ask by IP address or as localhost\n").into_response()
    }
}

/// Whether a `Host` is an IP address or `localhost`, with or without a port.
fn names_no_other(host: &str) -> bool {
    if host.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_localhost() {
        for good in
            ["127.0.0.1:9464", "127.0.0.1", "[::1]:9464", "[::1]", "localhost:1", "LocalHost"]
        {
            assert!(names_no_other(good), "{good}");
        }
        for bad in ["example.org", "example.org:9464", "localhost.example.org", "", ":1"] {
            assert!(!names_no_other(bad), "{bad}");
        }
    }
}
