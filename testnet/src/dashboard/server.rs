//! The page, its events, and its buttons, over HTTP on loopback.
//!
//! A page of the internet can make a browser ask this machine. So a request must name this machine
//! by a loopback name (else a name of theirs leads here: DNS rebinding), and what changes anything
//! must come from this page itself (its `Origin`). Nothing tells a browser to let others read.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Json, Request as HttpRequest, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::Stream;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use martletd::limits::{CONTROL_HEAD_BYTES_MAX, CONTROL_HEAD_READ_MAX};
use rand::RngExt;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::action::{Action, Request};
use super::board::{Board, Guest};
use super::limits::{ACTION_BYTES_MAX, ACTION_MAX, CONNECTIONS_MAX, TICK};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

#[derive(Clone)]
struct Served {
    board: Board,
    asked: mpsc::Sender<Request>,
}

pub(super) fn router(board: Board, asked: mpsc::Sender<Request>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/events", get(events))
        .route("/act", post(act))
        .layer(DefaultBodyLimit::max(ACTION_BYTES_MAX))
        .layer(from_fn(guard))
        .with_state(Served { board, asked })
}

/// Answers until it is dropped. Who comes while all connections are taken waits in the system's
/// queue.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let service = TowerToHyperService::new(router);
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // The tasks end with this one.
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        // Never closed.
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(TICK).await;
            continue;
        };
        while tasks.try_join_next().is_some() {}
        let service = service.clone();
        tasks.spawn(async move {
            // Whatever ended it: the page sees that it has.
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

/// Lets through what a browser asks that was sent here by this machine's name, and changes only what
/// the page itself asks for.
async fn guard(request: HttpRequest, next: Next) -> Response {
    if let Err(why) = is_own(request.method(), request.headers()) {
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn is_own(method: &Method, headers: &HeaderMap) -> Result<(), &'static str> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_loopback(host) {
        return Err("a dashboard is asked by 127.0.0.1, [::1] or localhost\n");
    }
    let is_reading = [Method::GET, Method::HEAD].contains(method);
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    if !is_reading && origin != Some(&format!("http://{host}")) {
        return Err("only the dashboard's own page may change anything (its Origin)\n");
    }
    Ok(())
}

/// Whether a Host header names this machine by loopback, on whatever port: it may be forwarded.
fn is_loopback(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        // Without a port; a bare IPv6 address is in brackets.
        _ => host,
    };
    if let Some(inner) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().is_ok_and(|ip| ip.is_loopback());
    }
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4() && ip.is_loopback())
}

async fn page() -> Response {
    let nonce: [u8; 16] = rand::rng().random();
    let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
    // No file but this one, and nothing asked for elsewhere, whatever stands in the page.
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let whole =
        PAGE.replace("{style}", STYLE).replace("{script}", SCRIPT).replace("{nonce}", &nonce);
    let headers =
        [(CONTENT_TYPE, "text/html; charset=utf-8".to_owned()), (CONTENT_SECURITY_POLICY, policy)];
    (headers, whole).into_response()
}

async fn events(State(served): State<Served>) -> Response {
    match served.board.join() {
        Some(guest) => Sse::new(tellings(guest)).into_response(),
        None => {
            (StatusCode::SERVICE_UNAVAILABLE, "too many pages look; close one\n").into_response()
        }
    }
}

/// The whole state, then what changes.
fn tellings(guest: Guest) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold((guest, true), async |(mut guest, is_first)| {
        let telling = if is_first { guest.first.clone() } else { guest.rest.recv().await? };
        Some((Ok(Event::default().event(telling.kind).data(&*telling.json)), (guest, false)))
    })
}

async fn act(State(served): State<Served>, Json(action): Json<Action>) -> Response {
    let said = |status: StatusCode, words: String| {
        (status, axum::Json(json!({ "error": words }))).into_response()
    };
    if let Err(refused) = served.board.check(&action) {
        return said(StatusCode::CONFLICT, refused.to_string());
    }
    let (answer, answered) = oneshot::channel();
    if served.asked.try_send(Request { action, answer }).is_err() {
        let words = "too much is asked for at once, or the run has ended".to_owned();
        return said(StatusCode::SERVICE_UNAVAILABLE, words);
    }
    match tokio::time::timeout(ACTION_MAX, answered).await {
        Ok(Ok(Ok(()))) => axum::Json(json!({ "done": true })).into_response(),
        Ok(Ok(Err(words))) => said(StatusCode::CONFLICT, words),
        Ok(Err(_)) => said(StatusCode::SERVICE_UNAVAILABLE, "the run has ended".to_owned()),
        Err(_) => said(StatusCode::ACCEPTED, "it takes longer; the page will show it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_sent_here_by_another_name_learns_nothing() {
        for host in ["127.0.0.1:8080", "127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:9", "[::1]"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "example.com:8080",
            "localhost.example.com:80",
            "127.0.0.1.example.com",
            "10.0.0.1:8080",
            "[2001:db8::1]:80",
            "127.0.0.1:8080:example.com",
            "::1",
            "localhost:",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn only_the_page_itself_changes_anything() {
        let asked = |method: Method, host: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            is_own(&method, &headers).is_ok()
        };
        let here = "127.0.0.1:8080";
        assert!(asked(Method::GET, here, None));
        assert!(asked(Method::POST, here, Some("http://127.0.0.1:8080")));
        for origin in [
            None,
            Some("null"),
            Some("http://example.com"),
            Some("https://127.0.0.1:8080"),
            Some("http://127.0.0.1:8081"),
            Some("http://localhost:8080"),
        ] {
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
                assert!(!asked(method, here, origin), "{origin:?}");
            }
        }
        assert!(!asked(Method::GET, "example.com", None));
        assert!(!asked(Method::POST, "example.com", Some("http://example.com")));
    }

    #[tokio::test]
    async fn the_page_asks_for_nothing_from_elsewhere() {
        let response = page().await;
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
        for asks in ["https:", "src=\"", "@import", "url(", "innerHTML", "eval("] {
            assert!(![PAGE, STYLE, SCRIPT].iter().any(|text| text.contains(asks)), "{asks}");
        }
        // The name of SVG's elements alone.
        let without = SCRIPT.replace("http://www.w3.org/2000/svg", "");
        assert!(!without.contains("http:") && !PAGE.contains("http:") && !STYLE.contains("http:"));
        for hole in ["{style}", "{script}", "{nonce}"] {
            assert!(!STYLE.contains(hole) && !SCRIPT.contains(hole), "{hole}");
        }
    }
}
