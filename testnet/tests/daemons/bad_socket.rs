//! Clients of the control socket that speak no HTTP, too much of it, or belong to another user.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use martlet_protocol::control::Status;
use martlet_testnet::cluster::{Node, remove_own_variables};
use martletd::limits::CONTROL_BODY_BYTES_MAX;

use crate::{TestResult, cluster};

const DEADLINE: Duration = Duration::from_secs(30);
/// A user without rights: `nobody` on every Linux.
const NOBODY: u32 = 65_534;

/// Sends bytes as they are; returns all that is answered until the daemon closes the connection.
fn exchange(node: &Node, bytes: &[u8]) -> Result<String, Box<dyn std::error::Error>> {
    let mut stream = UnixStream::connect(node.socket())?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    // The daemon may have answered and closed before all was written.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn assert_status(answer: &str, allowed: &[u16], what: &str) {
    let line = answer.lines().next().unwrap_or_default();
    let found = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    assert!(found.is_some_and(|status| allowed.contains(&status)), "{what}: {line:?}");
}

const JSON: &str = "content-type: application/json\r\n";

#[tokio::test]
async fn malformed_http_and_bodies() -> TestResult {
    let cluster = cluster()?;
    let node = cluster.user("alice", &[]).await?;
    let pid = node.pid()?;
    for garbage in [
        b"GARBAGE\r\n\r\n".to_vec(),
        b"GET /v1/status HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /v1/status HTTP/1.1\r\nno colon\r\n\r\n".to_vec(),
        b"POST /v1/messages HTTP/1.1\r\ncontent-length: -5\r\n\r\n".to_vec(),
        vec![0xff; 10_000],
        [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'a'; 1 << 20], b"\r\n\r\n".to_vec()].concat(),
    ] {
        let answer = exchange(&node, &garbage)?;
        // An answer that it is wrong, or none: never success.
        if !answer.is_empty() {
            assert_status(&answer, &[400, 413, 414, 431, 505], "malformed HTTP");
        }
    }
    // Half a request, and the client is gone.
    UnixStream::connect(node.socket())?
        .write_all(b"POST /v1/messages HTTP/1.1\r\ncontent-length: 1000\r\n\r\n{")?;

    for (body, headers, what) in [
        ("", JSON, "no JSON"),
        ("{", JSON, "cut short"),
        ("[]", JSON, "another shape"),
        ("{\"to\":\"bob\"}", JSON, "a field missing"),
        ("{\"to\":\"bob\",\"text\":\"x\",\"loud\":true}", JSON, "an unknown field"),
        ("{\"to\":7,\"text\":\"x\"}", JSON, "a wrong type"),
        ("{\"to\":\"bob\",\"text\":\"x\"}", "content-type: text/plain\r\n", "no JSON by its type"),
    ] {
        let answer = exchange(&node, &post("/v1/messages", headers, body))?;
        assert_status(&answer, &[400, 415, 422], what);
        assert!(answer.contains("application/problem+json"), "{what}: {answer}");
    }
    let deep = "[".repeat(50_000);
    assert_status(&exchange(&node, &post("/v1/messages", JSON, &deep))?, &[400], "deep nesting");
    let method =
        exchange(&node, b"DELETE /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    assert_status(&method, &[405], "a wrong method");

    assert_eq!(node.status().await?.pid, pid);
    Ok(())
}

#[tokio::test]
async fn oversized_bodies() -> TestResult {
    let cluster = cluster()?;
    let node = cluster.user("alice", &[]).await?;
    let body = format!("{{\"to\":\"bob\",\"text\":\"{}\"}}", "x".repeat(CONTROL_BODY_BYTES_MAX));
    let answer = exchange(&node, &post("/v1/messages", JSON, &body))?;
    assert_status(&answer, &[413], "a body over the bound");
    assert!(answer.contains("body-too-large"), "{answer}");

    // The claimed length alone is enough, and is not allocated.
    let claim = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n";
    assert_status(&exchange(&node, claim)?, &[413], "a claimed length");

    // Without a length: in chunks, each of them small.
    let mut chunked = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n".to_vec();
    for _ in 0..(2 * CONTROL_BODY_BYTES_MAX / 4096) {
        chunked.extend_from_slice(b"1000\r\n");
        chunked.extend_from_slice(&[b' '; 4096]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_status(&exchange(&node, &chunked)?, &[413], "chunks over the bound");
    node.status().await?;
    Ok(())
}

#[tokio::test]
async fn idle_connections_do_not_keep_others_out() -> TestResult {
    let cluster = cluster()?;
    let node = cluster.user("alice", &[]).await?;
    let idle: Result<Vec<UnixStream>, _> =
        (0..50).map(|_| UnixStream::connect(node.socket())).collect();
    let idle = idle?;
    let _: Status = node.client().get("/v1/status").await?;
    drop(idle);
    Ok(())
}

/// The files keep other users out; the socket's own check is tested with the files opened up.
#[tokio::test]
async fn another_users_client_is_refused() -> TestResult {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can run a client as another user");
        return Ok(());
    }
    let cluster = cluster()?;
    let node = cluster.user("alice", &[]).await?;
    let mode =
        |path: std::path::PathBuf| fs::metadata(path).map(|m| m.permissions().mode() & 0o777);
    assert_eq!(mode(node.data_dir())?, 0o700);
    assert_eq!(mode(node.socket())?, 0o600);

    // The test's own executable may lie where only its owner can read.
    let program = cluster.path().join("martlet-testnet");
    fs::copy(env!("CARGO_BIN_EXE_martlet-testnet"), &program)?;
    fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    let as_nobody = || {
        let mut command = Command::new(&program);
        remove_own_variables(&mut command);
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
        command.arg("ctl").arg("--socket").arg(node.socket()).args(["--json", "status"]);
        command.output()
    };
    fs::set_permissions(cluster.path(), Permissions::from_mode(0o755))?;
    let output = as_nobody()?;
    assert!(!output.status.success(), "the directory's mode kept nobody out");

    fs::set_permissions(node.data_dir(), Permissions::from_mode(0o755))?;
    fs::set_permissions(node.socket(), Permissions::from_mode(0o666))?;
    let output = as_nobody()?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("forbidden") || error.contains("user"), "{error}");
    assert!(output.stdout.is_empty());
    // The owner isn't kept out with it.
    node.status().await?;
    Ok(())
}
