//! Bad requests: a clear answer, and the daemon lives on.

use martlet_protocol::control::ErrorCode;
use martletd::limits::{CONTROL_BODY_BYTES_MAX, CONTROL_HEAD_BYTES_MAX, CONTROL_HEADERS_MAX};
use serde_json::json;

use crate::daemon::Daemon;

#[test]
fn unknown_paths_and_methods() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    for path in ["/", "/v1", "/v1/nothing", "/v2/status", "/v1/status/", "//v1/status", "/v1/%00"] {
        assert_eq!(client.get(path).code(), ErrorCode::NotFound, "{path}");
    }
    // `martletctl edit '' text` was answered with the API's description.
    for path in ["/v1/messages/", "/v1/contacts/"] {
        let detail = client.get(path).json()["detail"].to_string();
        assert!(detail.contains("a name or an id in it is empty"), "{path}: {detail}");
    }
    let refused = client.call("DELETE", "/v1/status", &json!({}));
    assert_eq!(refused.code(), ErrorCode::MethodNotAllowed);
    assert_eq!(refused.header("allow"), Some("GET,HEAD"));
    assert_eq!(client.call("PUT", "/v1/contacts/x", &json!({})).status, 405);
    assert_eq!(client.get("/v1/openapi.json").json()["openapi"], "3.1.0");
}

#[test]
fn bad_bodies() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    for (content_type, body) in [
        ("application/json", "{"),
        ("application/json", ""),
        ("application/json", "[]"),
        ("application/json", r#"{"to":"a"}"#),
        ("application/json", r#"{"to":"a","text":5}"#),
        ("application/json", r#"{"to":"a","text":"b","colour":"red"}"#),
        ("application/json", "{\"to\":\"a\",\"text\":\"\u{1}\"}"),
        ("application/json", r#"{"to":"a","text":"b"} {}"#),
        ("text/plain", r#"{"to":"a","text":"b"}"#),
        ("application/x-www-form-urlencoded", "to=a&text=b"),
    ] {
        let refused = client.call_raw("POST", "/v1/messages", content_type, body.as_bytes());
        assert_eq!(refused.code(), ErrorCode::BadRequest, "{content_type} {body}");
    }
    let not_utf8 = b"{\"to\":\"a\",\"text\":\"\xff\"}";
    let refused = client.call_raw("POST", "/v1/messages", "application/json", not_utf8);
    assert_eq!(refused.code(), ErrorCode::BadRequest);
    let deep = "[".repeat(100_000);
    let refused = client.call_raw("POST", "/v1/messages", "application/json", deep.as_bytes());
    assert_eq!(refused.code(), ErrorCode::BadRequest);
    // The type's parameters don't matter.
    let accepted =
        client.call_raw("POST", "/v1/peers", "application/json; charset=utf-8", b"{\"address\":1}");
    assert!(accepted.problem().detail.contains("expected a string"), "{accepted:?}");
}

/// An array was read as the fields in their order, so that an empty one meant "unlock, without a passphrase".
#[test]
fn an_array_is_no_object() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    assert_eq!(client.call("POST", "/v1/identity", &json!({})).status, 201);
    for (path, body) in [
        ("/v1/unlock", json!([])),
        ("/v1/unlock", json!([null])),
        ("/v1/identity", json!(["Ann", null])),
        ("/v1/notes", json!(["text"])),
        ("/v1/messages", json!(["Ben", "text"])),
        ("/v1/peers", json!(["/ip4/127.0.0.1/tcp/1"])),
        ("/v1/contacts", json!(["martlet1", "Ben"])),
        ("/v1/unlock", json!("{}")),
        ("/v1/unlock", json!(null)),
    ] {
        let refused = client.call("POST", path, &body);
        assert_eq!(refused.code(), ErrorCode::BadRequest, "{path} {body}");
        assert!(refused.problem().detail.contains("object"), "{refused:?}");
    }
    let spaces = b" \t\r\n{} ";
    assert_eq!(client.call_raw("POST", "/v1/unlock", "application/json", spaces).status, 204);
}

#[test]
fn what_stands_in_a_body_is_not_told() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    for body in [
        r#""correct horse 7""#,
        r#"{"passphrase": {"it is": "correct horse 7"}}"#,
        r#"{"passphrase": "correct horse 7"#,
        r#"{"correct horse 7": null}"#,
        r#"{"passphrase": null, "name": ["correct horse 7"]}"#,
        r#"correct horse 7"#,
    ] {
        for path in ["/v1/identity", "/v1/unlock"] {
            let refused = client.call_raw("POST", path, "application/json", body.as_bytes());
            assert_eq!(refused.code(), ErrorCode::BadRequest, "{body}");
            let detail = refused.problem().detail;
            assert!(!detail.contains("horse"), "{detail}");
            assert!(detail.contains("line 1 column"), "{detail}");
        }
    }
    assert!(!daemon.log().contains("horse"));
}

#[test]
fn bad_queries_and_path_parts() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    for path in [
        "/v1/conversations/a/messages?limit=many",
        "/v1/conversations/a/messages?limit=0",
        "/v1/conversations/a/messages?limit=1001",
        "/v1/conversations/a/messages?lmit=5",
        "/v1/events?since=-1",
        "/v1/events?until=5",
        "/v1/contacts/%ff",
    ] {
        assert_eq!(client.get(path).code(), ErrorCode::BadRequest, "{path}");
    }
    for (query, told) in [
        ("limit=many", "the parameter `limit` must be a whole number"),
        ("limit=", "the parameter `limit` must be a whole number"),
        ("limit=-1", "the parameter `limit` must be a whole number"),
        ("limit=99999999999", "the parameter `limit` is too large a number"),
        (
            "lmit=5",
            "unknown parameter `lmit`, did you mean `limit`? Expected one of `limit`, `before`, `around`, `edits`",
        ),
        ("limit=5&limit=6", "the parameter `limit` is there twice"),
    ] {
        let refused = client.get(&format!("/v1/notes?{query}"));
        let detail = refused.problem().detail;
        assert_eq!(detail, format!("the query is refused: {told}"));
    }
    client.send_head("GET", "/v1/events", "last-event-id: first\r\n");
    assert_eq!(client.response().unwrap().code(), ErrorCode::BadRequest);
}

#[test]
fn oversized_bodies() {
    let daemon = Daemon::start();
    // Claimed.
    let mut client = daemon.connect();
    let headers = format!(
        "content-type: application/json\r\ncontent-length: {}\r\n",
        CONTROL_BODY_BYTES_MAX + 1
    );
    client.send_head("POST", "/v1/messages", &headers);
    assert_eq!(client.response().unwrap().code(), ErrorCode::BodyTooLarge);

    // Sent without being claimed.
    let mut client = daemon.connect();
    let headers = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    client.send_head("POST", "/v1/messages", headers);
    let length = CONTROL_BODY_BYTES_MAX + 1;
    client.send(format!("{length:x}\r\n").as_bytes());
    client.send(&vec![b' '; length]);
    assert_eq!(client.response().unwrap().code(), ErrorCode::BodyTooLarge);

    // Sent at once, all 8 MiB of it.
    let body = vec![b' '; 8 << 20];
    let refused = daemon.connect().call_raw("POST", "/v1/messages", "application/json", &body);
    assert_eq!(refused.code(), ErrorCode::BodyTooLarge);

    assert_eq!(daemon.connect().get("/v1/status").status, 200);
}

/// A body that a handler had no use for was left unread; if it arrived after the answer, the
/// connection was closed under the client's next request.
#[test]
fn unexpected_bodies_do_not_end_the_connection() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    for _ in 0..20 {
        for (method, path) in [
            ("POST", "/v1/lock"),
            ("POST", "/v1/nothing"),
            ("PUT", "/v1/status"),
            ("DELETE", "/v1/contacts/a"),
            ("DELETE", "/v1/bans/abcdefgh"),
        ] {
            let headers = "content-type: text/plain\r\ncontent-length: 4\r\n";
            client.send_head(method, path, headers);
            std::thread::yield_now();
            client.send(b"body");
            assert!(client.response().unwrap().status >= 400);
        }
    }
}

/// `POST /v1/link` took whatever came with it, and whoever had written an option there was told that all was well.
#[test]
fn no_endpoint_takes_fields_that_it_does_not_know() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let description = client.get("/v1/openapi.json").json();
    let (mut with_body, mut without) = (0, 0);
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let content = &operation["requestBody"]["content"];
            // Pictures and files are taken as they are.
            let is_raw = content.is_object() && content.get("application/json").is_none();
            if !["post", "put", "patch", "delete"].contains(&method.as_str()) || is_raw {
                continue;
            }
            let path: Vec<_> = path
                .split('/')
                .map(|part| if part.starts_with('{') { "x" } else { part })
                .collect();
            let (method, path) = (method.to_uppercase(), path.join("/"));
            let refused = client.call(&method, &path, &json!({ "no_such_field": 1 }));
            assert_eq!(refused.code(), ErrorCode::BadRequest, "{method} {path}");
            let detail = refused.problem().detail;
            match content.get("application/json") {
                Some(_) => {
                    with_body += 1;
                    assert!(detail.contains("unknown field"), "{method} {path}: {detail}");
                }
                None => {
                    without += 1;
                    assert!(detail.contains("has none"), "{method} {path}: {detail}");
                    // What says nothing does no harm.
                    let taken = client.call(&method, &path, &json!({}));
                    let is_refused =
                        taken.status == 400 && taken.problem().detail.contains("has none");
                    assert!(!is_refused, "{method} {path}: {taken:?}");
                }
            }
        }
    }
    assert!(with_body > 20 && without > 10, "{with_body} {without}");
}

/// What hyper refuses by itself had no body, and so no code.
#[test]
fn malformed_http_is_a_problem_too() {
    let daemon = Daemon::start();
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /v1/status HTTP/9.9\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
    ] {
        let mut client = daemon.connect();
        client.send(garbage);
        assert_eq!(client.response().unwrap().code(), ErrorCode::BadRequest, "{garbage:?}");
        assert!(client.is_closed());
    }
    // HTTP/2 gets no answer: it could not be read.
    let mut client = daemon.connect();
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(client.is_closed());
    // A head without end.
    let mut client = daemon.connect();
    client.send(b"GET /v1/status HTTP/1.1\r\n");
    client.send(format!("x: {}\r\n", "y".repeat(60_000)).as_bytes());
    client.send(format!("x: {}\r\n", "y".repeat(60_000)).as_bytes());
    assert_eq!(client.response().unwrap().code(), ErrorCode::HeadTooLarge);
    // A request line without end.
    let mut client = daemon.connect();
    client.send(format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(65_535)).as_bytes());
    assert_eq!(client.response().unwrap().code(), ErrorCode::HeadTooLarge);
    // As many headers as there may be, and one more.
    for (headers, refused) in [(CONTROL_HEADERS_MAX, false), (CONTROL_HEADERS_MAX + 1, true)] {
        let mut client = daemon.connect();
        client.send_head("GET", "/v1/status", &"x: y\r\n".repeat(headers - 1));
        let answer = client.response().unwrap();
        assert_eq!(answer.status == 431, refused, "{headers} headers: {answer:?}");
    }
    // After a request that was in order.
    let mut client = daemon.connect();
    assert_eq!(client.get("/v1/status").status, 200);
    client.send(b"GET\r\n\r\n");
    assert_eq!(client.response().unwrap().code(), ErrorCode::BadRequest);

    assert_eq!(daemon.connect().get("/v1/status").status, 200);
}

/// The text said that a head has at most 64 KiB, and heads of nearly 128 KiB passed, as they happened to come.
#[test]
fn a_head_is_as_long_as_the_problem_says_and_not_longer() {
    let daemon = Daemon::start();
    let head = |bytes: usize| {
        let (before, after) = ("GET /v1/status HTTP/1.1\r\nhost: martlet\r\nx: ", "\r\n\r\n");
        format!("{before}{}{after}", "y".repeat(bytes - before.len() - after.len()))
    };
    for (bytes, status) in [
        (CONTROL_HEAD_BYTES_MAX, 200),
        (CONTROL_HEAD_BYTES_MAX + 1, 431),
        (CONTROL_HEAD_BYTES_MAX * 3 / 2, 431),
        (CONTROL_HEAD_BYTES_MAX * 2, 431),
    ] {
        let mut client = daemon.connect();
        // What is too long may be answered before all of it has come.
        client.try_send(head(bytes).as_bytes());
        let answer = client.response().unwrap();
        assert_eq!(answer.status, status, "{bytes}: {answer:?}");
        if status == 431 {
            let detail = answer.problem().detail;
            assert!(detail.contains(&CONTROL_HEAD_BYTES_MAX.to_string()), "{detail}");
        }
    }
}
