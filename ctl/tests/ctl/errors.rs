//! Exit codes and what is said with them.

use std::os::unix::net::UnixListener;
use std::path::Path;

use martlet_protocol::control::{ErrorCode, Problem};
use serde_json::json;

use crate::fake::{Answer, Fake};
use crate::run::{command, finish, run, run_with_input};

fn refused(code: ErrorCode, args: &[&str]) -> (i32, String, String) {
    let fake = Fake::start(move |_| Answer::Problem(code, "no: \u{1b}[31mbecause"));
    let ran = run(fake.socket(), args);
    (ran.code, ran.out, ran.err)
}

#[test]
fn each_refusal_has_its_code() {
    for (code, exit) in [
        (ErrorCode::Locked, 4),
        (ErrorCode::UnknownContact, 6),
        (ErrorCode::UnknownMessage, 6),
        (ErrorCode::UnknownRequest, 6),
        (ErrorCode::UnknownPeer, 6),
        (ErrorCode::InvalidId, 1),
        (ErrorCode::EmptyText, 1),
        (ErrorCode::WrongPassphrase, 1),
        (ErrorCode::StorageFailed, 1),
        (ErrorCode::Stopping, 1),
    ] {
        let (status, out, err) = refused(code, &["send", "bob", "x"]);
        assert_eq!((status, out.as_str()), (exit, ""), "{code:?}");
        assert_eq!(err, "martletctl: no: \\u{1b}[31mbecause\n");
    }
}

#[test]
fn with_json_the_last_line_is_the_problem() {
    let (status, out, err) = refused(ErrorCode::UnknownContact, &["--json", "send", "bob", "x"]);
    assert_eq!((status, out.as_str()), (6, ""));
    let problem: Problem = serde_json::from_str(err.lines().last().unwrap()).unwrap();
    assert_eq!(problem, Problem::new(ErrorCode::UnknownContact, "no: \u{1b}[31mbecause"));
}

#[test]
fn a_daemon_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    for args in [["status"].as_slice(), &["send", "bob", "x", "--wait", "sent"], &["watch"]] {
        let ran = run(&socket, args);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{ran:?}");
        assert!(ran.err.contains("doesn't exist") && ran.err.contains("`martletd`"), "{}", ran.err);
        assert!(ran.err.contains(socket.to_str().unwrap()), "{}", ran.err);
    }
    // A daemon that was killed leaves its socket's file behind.
    drop(UnixListener::bind(&socket).unwrap());
    let ran = run(&socket, &["status"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("left over") && ran.err.contains("`martletd`"), "{}", ran.err);
}

#[test]
fn a_path_that_can_be_no_socket() {
    let ran = run(Path::new(&format!("/tmp/{}", "x".repeat(200))), &["status"]);
    assert_eq!(ran.code, 1);
    for part in ["cannot connect", "has 205 bytes", "at most 1", "--socket"] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    // An ordinary file was called a socket left over from a daemon that ended.
    let file = tempfile::NamedTempFile::new().unwrap();
    let ran = run(file.path(), &["status"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("file of another kind"), "{}", ran.err);
    assert!(!ran.err.contains("left over"), "{}", ran.err);
}

/// Where the runtime directory has no daemon, or is not told at all, the one in the data directory was not found;
/// and nobody was told where it had been looked for.
#[test]
fn both_places_are_looked_in_and_told() {
    let program = command(Path::new(""), &[]).get_program().to_owned();
    let directory = tempfile::tempdir().unwrap();
    let (runtime, home) = (directory.path().join("run"), directory.path().join("home"));
    let sockets = [runtime.join("martlet"), home.join(".local/share/martlet")].map(|place| {
        std::fs::create_dir_all(&place).unwrap();
        place.join("control.sock")
    });
    let run = |with_runtime: bool| {
        let mut command = std::process::Command::new(&program);
        command.arg("inbox").env_clear().env("HOME", &home);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        if with_runtime {
            command.env("XDG_RUNTIME_DIR", &runtime);
        }
        finish(command.spawn().unwrap())
    };
    // One was left over, which hides none that runs.
    drop(UnixListener::bind(&sockets[0]).unwrap());
    let ran = run(true);
    assert_eq!(ran.code, 3);
    for (socket, found) in sockets.iter().zip(["is left over", "doesn't exist"]) {
        let told = format!("{} {found}", socket.display());
        assert!(ran.err.contains(&told), "{told}: {}", ran.err);
    }
    let _fake =
        Fake::start_at(&sockets[1], |_| Answer::Json(json!({"conversations": [], "requests": 0})));
    assert_eq!((run(true).code, run(false).code), (0, 0));
}

#[test]
fn the_socket_can_be_named_by_the_environment_or_found() {
    let fake = Fake::start(|_| Answer::Json(json!({"conversations": [], "requests": 0})));
    let mut named = command(fake.socket(), &[]);
    named.env("MARTLET_SOCKET", fake.socket());
    let program = named.get_program().to_owned();
    let run = |name: &str, value: &Path| {
        let mut command = std::process::Command::new(&program);
        command.arg("inbox").env_clear().env(name, value);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        finish(command.spawn().unwrap())
    };
    assert_eq!(run("MARTLET_SOCKET", fake.socket()).code, 0);
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("martlet")).unwrap();
    std::os::unix::fs::symlink(fake.socket(), directory.path().join("martlet/control.sock"))
        .unwrap();
    assert_eq!(run("XDG_RUNTIME_DIR", directory.path()).code, 0);
    assert_eq!(run("XDG_DATA_HOME", directory.path()).code, 0);
    let ran = run("UNRELATED", directory.path());
    let uid = rustix::process::geteuid().as_raw();
    let is_known = Path::new(&format!("/run/user/{uid}")).is_dir();
    assert_eq!(ran.code, if is_known { 3 } else { 2 });
    assert!(ran.err.contains("--socket"), "{}", ran.err);
}

#[test]
fn usage_errors_ask_nothing_of_the_daemon() {
    let fake = Fake::start(|_| Answer::Empty(204));
    for args in [
        ["send", "bob"].as_slice(),
        &["send", "", "x"],
        &["send", "bob", "x", "--timeout", "3"],
        &["send", "bob", "x", "--wait", "read"],
        &["send", "bob", "x", "--wait", "sent", "--timeout", "-1"],
        &["history", "bob", "--limit", "0"],
        &["history", "bob", "--limit", "1001"],
        &["init", "--no-passphrase", "--passphrase-file", "x"],
        &["init", "--passphrase-file", "/nonexistent/file"],
        &["fly"],
    ] {
        let ran = run(fake.socket(), args);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}: {ran:?}");
        assert!(!ran.err.is_empty());
    }
    assert!(fake.lines().is_empty(), "{:?}", fake.lines());
}

#[test]
fn a_passphrase_is_never_read_from_what_is_no_terminal() {
    let fake = Fake::start(|_| {
        Answer::Json(json!({"version": "0", "pid": 1, "lock": "no_identity", "network": "lan",
            "peer_id": "x", "listen": [], "peers_connected": 0, "warnings": [],
            "mailbox": {"envelopes": 0, "bytes": 0, "bytes_max": 0}}))
    });
    let ran = run_with_input(fake.socket(), &["init"], b"secret\nsecret\n");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--passphrase-file"), "{}", ran.err);
    assert_eq!(fake.lines(), ["GET /v1/status"]);
}

#[test]
fn text_over_the_limit_is_refused_with_the_limit() {
    let fake = Fake::start(|_| Answer::Empty(204));
    let ran = run_with_input(fake.socket(), &["send", "bob", "-"], &[b'x'; 16_385]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("16384"), "{}", ran.err);
    assert!(fake.lines().is_empty());
}

#[test]
fn nonsense_from_the_socket_is_told() {
    for (answer, word) in [
        (b"SSH-2.0-OpenSSH\r\n".as_slice(), "HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{x}", "not understood"),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", "502"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n{\"conversations\":", "closed"),
        (b"", "closed"),
    ] {
        let fake = Fake::start(move |_| Answer::Raw(answer));
        let ran = run(fake.socket(), &["inbox"]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
        assert!(ran.err.contains(word), "{word}: {}", ran.err);
    }
}

/// The daemon refuses a connection at once, without reading the request; that was taken for a
/// broken connection, and the reason was lost.
#[test]
fn a_refusal_that_comes_before_the_request_is_told() {
    use std::io::Write;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let child = command(&socket, &["inbox"]).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let body = serde_json::to_string(&Problem::new(ErrorCode::Forbidden, "not you")).unwrap();
    let head = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = stream.write_all((head + &body).as_bytes());
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let ran = finish(child);
    assert_eq!((ran.code, ran.err.as_str()), (1, "martletctl: not you\n"));
}

#[test]
fn help_and_version() {
    let ran = run(Path::new("/s"), &["--help"]);
    assert_eq!(ran.code, 0);
    for word in ["Quick start", "Exit codes", "MARTLET_SOCKET", "Files", "martletctl send bob"] {
        assert!(ran.out.contains(word), "{word}");
    }
    let ran = run(Path::new("/s"), &["--version"]);
    assert_eq!((ran.code, ran.out), (0, format!("martletctl {}\n", env!("CARGO_PKG_VERSION"))));
}
