//! Each verb: what it asks, and how it shows the answer.

use std::time::{SystemTime, UNIX_EPOCH};

use martlet_protocol::control::ErrorCode;
use serde_json::{Value, json};

use crate::fake::{Answer, Fake};
use crate::run::{Ran, run, run_with_input};

const ID: &str = "martlet1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq";

/// Runs a verb against a daemon that answers `answer` to everything; gives the run, the request
/// line and the request's body.
pub(crate) fn ask(args: &[&str], answer: &Value) -> (Ran, String, Value) {
    let answer = answer.clone();
    let fake = Fake::start(move |_| match &answer {
        Value::Null => Answer::Empty(204),
        answer => Answer::Json(answer.clone()),
    });
    let ran = run(fake.socket(), args);
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    let seen = fake.seen();
    assert_eq!(seen.len(), 1, "{args:?}: {:?}", fake.lines());
    let body = match seen[0].body.as_str() {
        "" => Value::Null,
        body => {
            assert_eq!(seen[0].headers["content-type"], "application/json");
            serde_json::from_str(body).unwrap()
        }
    };
    (ran, seen[0].line(), body)
}

/// Checks one verb: request, body, human output; with `--json` the same request, and the answer
/// unchanged.
pub(crate) fn check(args: &[&str], line: &str, body: &Value, answer: &Value, human: &str) {
    let (ran, asked, sent) = ask(args, answer);
    assert_eq!((asked.as_str(), &sent), (line, body), "{args:?}");
    assert_eq!(ran.out, human, "{args:?}");
    let with_json: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let (ran, asked, sent) = ask(&with_json, answer);
    assert_eq!((asked.as_str(), &sent), (line, body), "{with_json:?}");
    let expected = if answer.is_null() { json!({}) } else { answer.clone() };
    assert_eq!(ran.out.lines().count(), 1, "{with_json:?}: {}", ran.out);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap(), expected, "{with_json:?}");
    assert_eq!(ran.err, "", "{with_json:?}");
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn message(direction: &str, text: &str, state: &str) -> Value {
    json!({"id": "aa".repeat(16), "conversation": "bob", "direction": direction, "text": text,
        "sent_at": 1_000_000_000_000_u64, "stored_at": 1_000_000_000_000_u64, "state": state})
}

#[test]
fn notes_are_written_and_shown() {
    let written = json!({"id": "aa".repeat(16), "state": "delivered"});
    let id = format!("{}\n", "aa".repeat(16));
    let words = ["note", "buy", "milk", "and bread"];
    check(&words, "POST /v1/notes", &json!({"text": "buy milk and bread"}), &written, &id);
    let fake = Fake::start(move |_| Answer::Json(written.clone()));
    let ran = run_with_input(fake.socket(), &["note", "-"], b"one\ntwo\n");
    assert_eq!((ran.code, ran.out), (0, id));
    assert_eq!(fake.seen()[0].body, "{\"text\":\"one\\ntwo\"}");

    let note = message("note", "buy milk", "delivered");
    let history = json!({"messages": [note], "more": false});
    let (ran, line, _) = ask(&["history", "--notes"], &history);
    assert_eq!(line, "GET /v1/notes?limit=50");
    assert!(ran.out.ends_with("  you  buy milk\n"), "{}", ran.out);
    let none = json!({"messages": [], "more": false});
    let line = "GET /v1/notes?limit=2&before=5f";
    let args = ["history", "--notes", "--limit", "2", "--before", "5f"];
    check(&args, line, &Value::Null, &none, "No notes.\n");
}

#[test]
fn pings_are_timed() {
    let answer = json!({"round_trip_ms": 42});
    let line = "POST /v1/contacts/bob%20b/ping";
    let body = json!({"timeout_ms": 10_000});
    check(&["ping", "bob b"], line, &body, &answer, "bob b answered: 42 ms\n");
    let (_, _, body) = ask(&["ping", "bob", "--timeout", "0.25"], &answer);
    assert_eq!(body, json!({"timeout_ms": 250}));
    let fake = Fake::start(|_| Answer::Problem(ErrorCode::NoAnswer, "not within 10 s"));
    let ran = run(fake.socket(), &["ping", "bob"]);
    assert_eq!((ran.code, ran.out.as_str()), (5, ""));
    assert_eq!(ran.err, "martletctl: not within 10 s\n");
    for timeout in ["0", "0.0001", "51", "-1", "x"] {
        assert_eq!(run(fake.socket(), &["ping", "bob", "--timeout", timeout]).code, 2, "{timeout}");
    }
}

#[test]
fn init_without_passphrase() {
    let answer = json!({"id": ID, "recovery_phrase": "abandon ability able"});
    let (ran, line, body) = ask(&["init", "--name", "Alice", "--no-passphrase"], &answer);
    assert_eq!(line, "POST /v1/identity");
    assert_eq!(body, json!({"name": "Alice", "passphrase": null}));
    assert!(ran.out.contains(ID) && ran.out.contains("abandon ability able\n"), "{}", ran.out);
    let (ran, ..) = ask(&["--json", "init", "--no-passphrase"], &answer);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap(), answer);
}

#[test]
fn passphrase_files_give_their_first_line_and_are_better_private() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("passphrase");
    std::fs::write(&file, "correct horse \nsecond line\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let path = file.to_str().unwrap();
    let (ran, line, body) = ask(&["unlock", "--passphrase-file", path], &Value::Null);
    assert_eq!(line, "POST /v1/unlock");
    assert_eq!(body, json!({"passphrase": "correct horse "}));
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("The vault is open.\n", ""));

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let answer = json!({"id": ID, "recovery_phrase": "x"});
    let (ran, _, body) = ask(&["init", "--passphrase-file", path], &answer);
    assert_eq!(body, json!({"passphrase": "correct horse "}));
    assert!(ran.err.contains("others may use the passphrase file"), "{}", ran.err);
    assert!(ran.err.contains("warning") && ran.err.contains("chmod 600"), "{}", ran.err);

    std::fs::write(&file, format!("{}art\n", "abandon ".repeat(23))).unwrap();
    let recover = ["init", "--recover", "--no-passphrase", "--phrase-file", path];
    let (ran, line, _) = ask(&recover, &answer);
    assert_eq!(line, "POST /v1/identity/recover");
    assert!(ran.err.contains("others may use the recovery phrase file"), "{}", ran.err);
}

#[test]
fn the_passphrase_is_changed_by_files_set_and_removed() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (old, new) = (file("old", "one\n"), file("new", "correct horse battery staple\n"));
    let line = "POST /v1/passphrase";
    let args = ["passphrase", "--old-file", &old, "--new-file", &new];
    let body = json!({"old": "one", "new": "correct horse battery staple"});
    check(&args, line, &body, &Value::Null, "The vault has the new passphrase.\n");
    let args = ["passphrase", "--old-file", &old, "--remove"];
    let body = json!({"old": "one", "new": null});
    check(&args, line, &body, &Value::Null, "The vault has no passphrase any more.\n");
    // A weak one is told so, without itself, and not refused.
    let weak = file("weak", "hunter2\n");
    for (args, answer) in [
        (["passphrase", "--old-file", &old, "--new-file", &weak].as_slice(), Value::Null),
        (&["init", "--passphrase-file", &weak], json!({"id": ID, "recovery_phrase": "x"})),
    ] {
        let (ran, ..) = ask(args, &answer);
        assert!(ran.err.contains("this passphrase is weak"), "{ran:?}");
        assert!(!ran.err.contains("hunter2"), "{ran:?}");
    }
    let fake = Fake::start(|_| Answer::Empty(204));
    let both = ["passphrase", "--remove", "--new-file", &new];
    assert_eq!(run(fake.socket(), &both).code, 2);
    assert_eq!(fake.lines().len(), 0);
}

#[test]
fn passphrases_can_come_from_a_pipe() {
    let fake = Fake::start(|_| Answer::Empty(204));
    let args = ["unlock", "--passphrase-file", "/dev/stdin"];
    let ran = run_with_input(fake.socket(), &args, b"open sesame\n");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(fake.seen()[0].body, r#"{"passphrase":"open sesame"}"#);
}

#[test]
fn unlock_asks_for_no_passphrase_where_there_is_none() {
    let fake = Fake::start(|seen| match seen.line().as_str() {
        "GET /v1/status" => Answer::Json(status("locked", false)),
        _ => Answer::Empty(204),
    });
    let ran = run(fake.socket(), &["unlock"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(fake.lines(), ["GET /v1/status", "POST /v1/unlock"]);
    assert_eq!(fake.seen()[1].body, "{\"passphrase\":null}");
}

#[test]
fn lock() {
    let human = "The vault is locked.\n";
    check(&["lock"], "POST /v1/lock", &Value::Null, &Value::Null, human);
}

fn status(lock: &str, passphrase: bool) -> Value {
    json!({"version": "0.1.0", "pid": 42, "lock": lock, "passphrase": passphrase,
        "network": "lan", "closed": false, "privacy": "fast", "transports": ["tcp", "quic"], "stamping": 0,
        "peer_id": "12D3KooWx",
        "listen": ["/ip4/1.2.3.4/tcp/4177/p2p/12D3KooWx", "/ip4/1.2.3.4/udp/4177/quic-v1/p2p/12D3KooWx",
            "/ip6/::1/tcp/4177/p2p/12D3KooWx"],
        "peers_connected": 1, "role": "full",
        "shards": {"total": 16, "kept": 2, "list": [3, 7]},
        "mailbox": {"envelopes": 2, "bytes": 3 << 20, "bytes_max": 1 << 30},
        "warnings": []})
}

#[test]
fn status_of_an_open_vault() {
    let mut answer = status("unlocked", false);
    answer["identity"] = json!({"id": ID, "name": "Alice"});
    answer["outbox"] = json!(1);
    answer["unread"] = json!(3);
    answer["warnings"] = json!(["The clock\u{1b}[0m is wrong."]);
    let human = format!(
        "Identity   Alice  {ID}\n\
         Vault      open, without a passphrase\n\
         Unread     3 messages\n\
         Outbox     1 message not yet delivered\n\
         Network    lan, 1 peer connected\n\
         Privacy    fast: direct neighbours can tell what is yours\n\
         Role       full, keeps 2 of 16 shards\n\
         Mailbox    2 envelopes, 3 MiB of 1 GiB (0 %)\n\
         Peer ID    12D3KooWx\n\
         Listening  TCP and QUIC, port 4177: 1.2.3.4\n\
         Daemon     martletd 0.1.0, process 42\n\
         Warning    The clock\\u{{1b}}[0m is wrong.\n"
    );
    check(&["status"], "GET /v1/status", &Value::Null, &answer, &human);
    let (ran, ..) = ask(&["status", "--verbose"], &answer);
    let whole = "Listening  /ip4/1.2.3.4/tcp/4177/p2p/12D3KooWx\n";
    assert!(ran.out.contains(whole), "{}", ran.out);
    assert!(ran.out.contains("\n           /ip6/::1/tcp/4177/p2p/12D3KooWx\n"), "{}", ran.out);
}

#[test]
fn status_tells_of_a_closed_network_and_of_stamps() {
    let mut answer = status("unlocked", true);
    answer["closed"] = json!(true);
    answer["privacy"] = json!("mixed");
    answer["outbox"] = json!(1);
    answer["stamping"] = json!(2);
    let (ran, ..) = ask(&["status"], &answer);
    let outbox = "Outbox     1 message not yet delivered, 2 envelopes being stamped\n";
    assert!(ran.out.contains(outbox), "{}", ran.out);
    assert!(ran.out.contains("lan (closed: TCP only), 1 peer connected\n"), "{}", ran.out);
    assert!(ran.out.contains("\nPrivacy    mixed: "), "{}", ran.out);
}

#[test]
fn status_tells_what_to_do_next() {
    let (ran, ..) = ask(&["status"], &status("no_identity", false));
    assert!(
        ran.out.starts_with("Identity   none yet: martletctl init; or, if you have an identity"),
        "{}",
        ran.out
    );
    let (ran, ..) = ask(&["status"], &status("locked", true));
    assert!(ran.out.contains("Vault      locked: martletctl unlock\n"), "{}", ran.out);
}

#[test]
fn id_and_its_qr_code() {
    let answer = json!({"id": ID, "name": "Alice"});
    check(&["id"], "GET /v1/identity", &Value::Null, &answer, &format!("{ID}\n"));
    let reset = ["id", "--reset", "--yes"];
    let told =
        "Your contacts are told by themselves. Give the new ID to all others who should find you.";
    let shown = format!("{ID}\n{told}\n");
    check(&reset, "POST /v1/identity/reset", &Value::Null, &answer, &shown);
    let (ran, ..) = ask(&["id", "--qr"], &answer);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.last(), Some(&ID));
    let code = &lines[..lines.len() - 1];
    let width = code[0].chars().count();
    // Square: two modules stand above each other in one character.
    assert_eq!(code.len(), width.div_ceil(2));
    assert!(code.iter().all(|line| line.chars().count() == width));
    assert!(code.iter().all(|line| line.chars().all(|c| " ▀▄█".contains(c))));
    // Without colours, light on dark: the quiet zone is drawn.
    assert!(code[0].chars().all(|c| c == '█'), "{}", ran.out);
}

fn contact(devices: u32, unread: u64) -> Value {
    json!({"name": "bob", "id": ID, "added_at": now_ms() - 125 * 60_000, "devices": devices,
        "unread": unread, "verified": "no"})
}

#[test]
fn safety_numbers_are_shown_and_compared() {
    let digits = (0..12).map(|n| format!("{n:05}")).collect::<Vec<_>>().join(" ");
    let with = |verified: &str| {
        let mut contact = contact(1, 0);
        contact["verified"] = json!(verified);
        contact["verified_at"] = json!(1_000_000_000_000_u64);
        contact["safety_number"] = json!({"digits": digits, "qr": "martletsafe1qqqq"});
        contact
    };
    let (ran, line, _) = ask(&["contact", "verify", "bob"], &with("no"));
    assert_eq!(line, "GET /v1/contacts/bob");
    assert!(ran.out.contains("\n  00000 00001 00002 00003 00004 00005\n  00006 "), "{}", ran.out);
    assert!(ran.out.contains('▄') && ran.out.contains("verify --compared bob"), "{}", ran.out);
    let (ran, ..) = ask(&["contact", "verify", "bob"], &with("changed"));
    assert!(ran.out.contains("bob has a new device since you verified them"), "{}", ran.out);
    let line = "POST /v1/contacts/bob/verify";
    let fits = "The safety number fits: bob is verified.\n";
    let body = json!({"code": "00000 00001 2"});
    check(&["contact", "verify", "bob", "00000", "00001 2"], line, &body, &with("yes"), fits);
    let fake = Fake::start({
        let answer = with("yes");
        move |_| Answer::Json(answer.clone())
    });
    let ran = run_with_input(fake.socket(), &["contact", "verify", "bob", "-"], b"martletsafe1x\n");
    assert_eq!((ran.code, ran.out.as_str()), (0, fits));
    assert_eq!(fake.seen()[0].body, "{\"code\":\"martletsafe1x\"}");
    let compared = "You have compared the safety numbers: bob is verified.\n";
    let args = ["contact", "verify", "bob", "--compared"];
    check(&args, line, &json!({}), &with("yes"), compared);
    let human = "bob is not verified any more.\n";
    let line = "DELETE /v1/contacts/bob/verify";
    check(&["contact", "unverify", "bob"], line, &Value::Null, &Value::Null, human);
    for (verified, shown) in
        [("no", "no: "), ("yes", "yes, "), ("changed", "changed: bob has a new")]
    {
        let (ran, ..) = ask(&["contact", "show", "bob"], &with(verified));
        assert!(ran.out.contains(&format!("Verified   {shown}")), "{}", ran.out);
        assert!(ran.out.contains("\nSafety no. 00000 00001"), "{}", ran.out);
    }
    let (ran, ..) = ask(&["contact", "list"], &json!({"contacts": [with("changed")]}));
    assert!(ran.out.contains("  changed  "), "{}", ran.out);
    let fake = Fake::start(|_| Answer::Problem(ErrorCode::SafetyNumberDiffers, "DOES NOT FIT"));
    let ran = run(fake.socket(), &["contact", "verify", "bob", "1"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "martletctl: DOES NOT FIT\n"));
    assert_eq!(run(fake.socket(), &["contact", "verify", "bob", "1", "--compared"]).code, 2);
}

#[test]
fn what_waits_for_a_confirmation_says_so() {
    let sent = json!({"id": "aa".repeat(16), "state": "needs_confirmation"});
    let (ran, ..) = ask(&["send", "bob", "hello"], &sent);
    assert_eq!(ran.out, format!("{}\n", "aa".repeat(16)));
    assert!(ran.err.contains("bob has a new device") && ran.err.contains("verify bob"), "{ran:?}");
}

#[test]
fn contacts() {
    let name = "Zoë & co/x";
    let path = "/v1/contacts/Zo%C3%AB%20%26%20co%2Fx";
    check(
        &["contact", "add", ID, "--name", "bob"],
        "POST /v1/contacts",
        &json!({"id": ID, "name": "bob"}),
        &contact(1, 0),
        "Added bob. Write to them: martletctl send bob 'Hello!'\n",
    );
    let (ran, ..) = ask(&["contact", "add", ID, "--name", "bob"], &contact(0, 0));
    assert!(ran.out.contains("keys are being looked for"), "{}", ran.out);
    assert!(!ran.out.contains("a short one"), "{}", ran.out);
    let short = "martlet1hhxdv3ejp4vty2xnf6nl9j4qw4lzvd0nyjnvg3mmjgkfkn3qc5ysyulny4";
    let answer = json!({"name": "bob", "id": short, "added_at": 0, "devices": 0, "unread": 0});
    let (ran, ..) = ask(&["contact", "add", short, "--name", "bob"], &answer);
    assert!(ran.out.contains("a short one"), "{}", ran.out);
    check(
        &["contact", "list"],
        "GET /v1/contacts",
        &Value::Null,
        &json!({"contacts": [contact(1, 0), contact(0, 12)]}),
        &format!(
            "NAME  UNREAD  KEYS     ADDED    ID\n\
             bob   -       known    2 h ago  {ID}\n\
             bob   12      awaited  2 h ago  {ID}\n"
        ),
    );
    let (ran, ..) = ask(&["contact", "list"], &json!({"contacts": []}));
    assert!(ran.out.contains("No contacts yet"), "{}", ran.out);
    let (ran, line, _) = ask(&["contact", "show", name], &contact(2, 0));
    assert_eq!(line, format!("GET {path}"));
    assert!(ran.out.contains("Devices    2\n") && ran.out.contains(ID), "{}", ran.out);
    let (ran, ..) = ask(&["contact", "show", name], &contact(0, 0));
    assert!(ran.out.contains("Devices    not known yet: messages wait"), "{}", ran.out);
    let mut terminated = contact(0, 0);
    terminated["terminated_at"] = json!(1_000_000_000_000_u64);
    let (ran, ..) = ask(&["contact", "show", name], &terminated);
    assert!(ran.out.contains("nothing more can be sent to them"), "{}", ran.out);
    assert!(!ran.out.contains("messages wait"), "nothing does: {}", ran.out);
    check(
        &["contact", "rename", name, "bob"],
        &format!("PATCH {path}"),
        &json!({"name": "bob"}),
        &contact(1, 0),
        "Zoë & co/x is now bob.\n",
    );
    check(
        &["contact", "remove", name, "--yes"],
        &format!("DELETE {path}"),
        &Value::Null,
        &Value::Null,
        "Removed Zoë & co/x.\n",
    );
}

#[test]
fn removing_a_contact_is_never_done_unasked() {
    let fake = Fake::start(|_| Answer::Json(contact(1, 0)));
    let ran = run_with_input(fake.socket(), &["contact", "remove", "bob"], b"y\n");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--yes"), "{}", ran.err);
    assert_eq!(fake.lines(), ["GET /v1/contacts/bob"]);
}

#[test]
fn requests() {
    let answer = json!({"requests": [
        {"id": ID, "suggested_name": "Eve\u{202e}", "first_at": now_ms() - 61_000, "messages": 2,
            "preview": "Hi\nthere"},
        {"id": "martlet1y", "first_at": now_ms(), "messages": 1}]});
    let human = format!(
        "1. {ID}\n  calls themselves \"Eve\\u{{202e}}\" (unverified); 2 messages, 1 min ago\n  Hi ⏎ there\n\
         2. martlet1y\n  gives no name; 1 message, just now\n\n\
         martletctl requests accept NUMBER --name NAME, or martletctl requests drop NUMBER\n"
    );
    check(&["requests", "list"], "GET /v1/requests", &Value::Null, &answer, &human);
    // Of a whole ID the daemon is not asked whose it may be.
    let id = format!("martlet1{}", "q".repeat(58));
    check(
        &["requests", "accept", &id, "--name", "bob"],
        &format!("POST /v1/requests/{id}/accept"),
        &json!({"name": "bob"}),
        &contact(1, 2),
        "Added bob. What they wrote: martletctl history bob\n",
    );
    let path = format!("DELETE /v1/requests/{id}");
    check(&["requests", "drop", &id], &path, &Value::Null, &Value::Null, "Dropped.\n");
}

/// 66 characters had to be typed, or 90.
#[test]
fn a_request_is_meant_by_its_number_or_by_a_beginning_that_no_other_has() {
    let ids = ["martlet1qqa", "martlet1qqb", "martlet1z1"];
    let requests: Vec<Value> =
        ids.iter().map(|id| json!({"id": id, "first_at": now_ms(), "messages": 1})).collect();
    for (text, meant) in [
        ("1", Ok("martlet1qqa")),
        ("3", Ok("martlet1z1")),
        ("martlet1z", Ok("martlet1z1")),
        ("MARTLET1QQB", Ok("martlet1qqb")),
        ("0", Err("no request \"0\"")),
        ("4", Err("no request \"4\"")),
        ("martlet1x", Err("no request")),
        ("martlet1qq", Err("2 requests are from")),
        ("z1", Err("no request")),
    ] {
        let list = json!({ "requests": requests.clone() });
        let fake = Fake::start(move |seen| match seen.method.as_str() {
            "GET" => Answer::Json(list.clone()),
            _ => Answer::Empty(204),
        });
        let ran = run(fake.socket(), &["requests", "drop", text]);
        match meant {
            Ok(id) => {
                let lines = ["GET /v1/requests".to_owned(), format!("DELETE /v1/requests/{id}")];
                assert_eq!((ran.code, fake.lines()), (0, lines.to_vec()), "{text}: {}", ran.err);
            }
            Err(reason) => {
                assert_eq!(ran.code, 6, "{text}");
                assert!(ran.err.contains(reason), "{text}: {}", ran.err);
                assert_eq!(fake.lines(), ["GET /v1/requests"], "{text}");
            }
        }
    }
}

#[test]
fn people_are_blocked_and_unblocked() {
    let bob = json!({"name": "bob", "id": ID, "since": 1_000_000_000_000_u64});
    let stranger = json!({"id": ID, "since": 1_000_000_000_000_u64});
    let line = "POST /v1/blocked";
    check(&["block", "bob"], line, &json!({"who": "bob"}), &bob, "bob is blocked.\n");
    let human = format!("{ID} is blocked.\n");
    check(&["block", ID], line, &json!({"who": ID}), &stranger, &human);
    let line = "DELETE /v1/blocked/bob%20b";
    let human = "bob b is not blocked any more.\n";
    check(&["unblock", "bob b"], line, &Value::Null, &Value::Null, human);
    let none = json!({"blocked": []});
    check(&["blocked"], "GET /v1/blocked", &Value::Null, &none, "Nobody is blocked.\n");
    let (ran, ..) = ask(&["blocked"], &json!({"blocked": [bob, stranger]}));
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(lines[0].starts_with("NAME"), "{}", ran.out);
    assert!(lines[1].starts_with("bob") && lines[2].starts_with("-"), "{}", ran.out);
    let fake = Fake::start(|_| Answer::Problem(ErrorCode::Blocked, "bob is blocked"));
    let ran = run(fake.socket(), &["send", "bob", "x"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "martletctl: bob is blocked\n"));
}

#[test]
fn devices_are_listed_and_revoked() {
    let id = "ab".repeat(32);
    let at = 1_000_000_000_000_u64;
    let desk = json!({"id": id, "name": "desk", "this": true, "created_at": at, "state": "valid"});
    let phone = json!({"id": "cd".repeat(32), "created_at": at, "state": "revoked",
        "revoked_at": at, "reason": "lost"});
    let (ran, line, _) = ask(&["device", "list"], &json!({"devices": [desk, phone]}));
    assert_eq!(line, "GET /v1/devices");
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(lines[1].starts_with("desk (this)") && lines[1].contains("valid"), "{}", ran.out);
    assert!(
        lines[2].contains("revoked, lost") && lines[2].ends_with("cdcdcdcdcdcd"),
        "{}",
        ran.out
    );
    let args = ["device", "revoke", "phone", "--reason", "lost", "--yes"];
    let human = "Revoked cdcdcdcdcdcd. Your contacts are told.\n";
    let line = "POST /v1/devices/phone/revoke";
    check(&args, line, &json!({"reason": "lost"}), &phone, human);
    let fake = Fake::start(move |_| Answer::Json(phone.clone()));
    assert_eq!(run(fake.socket(), &["device", "revoke", "phone"]).code, 2, "can't be asked");
    assert!(fake.seen().is_empty());
}

#[test]
fn an_identity_is_terminated_by_its_kill_phrase() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("phrase");
    std::fs::write(&file, "one two three\n").unwrap();
    let path = file.to_str().unwrap();
    let args = ["account", "terminate", "--id", ID, "--kill-phrase-file", path, "--yes"];
    let answer = json!({"id": ID, "verified": true});
    let (ran, line, body) = ask(&args, &answer);
    assert_eq!(line, "POST /v1/account/terminate");
    assert_eq!(body, json!({"id": ID, "kill_phrase": "one two three"}));
    assert_eq!(ran.out, "The identity is terminated. Its contacts are told.\n");
    assert!(ran.err.contains("others may use the kill phrase file"), "{}", ran.err);
    let fake = Fake::start(move |_| Answer::Json(answer.clone()));
    assert_eq!(run(fake.socket(), &args[..args.len() - 1]).code, 2, "can't be asked");
    assert!(fake.seen().is_empty());
}

#[test]
fn who_terminates_without_an_identity_is_told_to_name_it() {
    let fake = Fake::start(|_| Answer::Problem(ErrorCode::NoIdentity, "run: martletctl init"));
    let ran = run(fake.socket(), &["account", "terminate", "--kill-phrase-file", "-", "--yes"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("name the identity with --id"), "{}", ran.err);
    assert!(!ran.err.contains("init"), "{}", ran.err);
    assert_eq!(fake.lines(), ["GET /v1/identity"]);
}

#[test]
fn send_prints_the_id() {
    let answer = json!({"id": "ab".repeat(16), "state": "queued"});
    let body = json!({"to": "bob", "text": "Hello \"you\"\n"});
    let human = format!("{}\n", "ab".repeat(16));
    check(&["send", "bob", "Hello \"you\"\n"], "POST /v1/messages", &body, &answer, &human);
}

#[test]
fn send_reads_standard_input() {
    let fake = Fake::start(|_| Answer::Json(json!({"id": "00", "state": "queued"})));
    let ran = run_with_input(fake.socket(), &["send", "bob", "-"], b"line\nline\n\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(fake.seen()[0].body, r#"{"to":"bob","text":"line\nline\n"}"#);
}

#[test]
fn history() {
    let answer = json!({"messages": [message("in", "Hi\nBob here", "read"),
        message("in", "?", "delivered"), message("out", "Hello \u{9b}2J", "delivered")],
        "more": true});
    let human = "Sun 9 Sep 2001\n  01:46  bob  Hi\n              Bob here\n  01:46  bob  ?  (unread)\n  01:46  you  Hello \\u{9b}2J  (delivered)\n";
    let line = "GET /v1/conversations/bob/messages?limit=50";
    check(&["history", "bob"], line, &Value::Null, &answer, human);
    let (ran, ..) = ask(&["history", "bob"], &answer);
    assert!(ran.err.contains(&format!("--before {}", "aa".repeat(16))), "{}", ran.err);
    let (ran, line, _) = ask(
        &["history", "bob", "--limit", "7", "--before", "ab&c"],
        &json!({"messages": [], "more": false}),
    );
    assert_eq!(line, "GET /v1/conversations/bob/messages?limit=7&before=ab%26c");
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("No messages with bob.\n", ""));
}

#[test]
fn a_message_is_shown_in_its_place() {
    let answer = json!({"messages": [message("in", "Hi", "read")], "more": false});
    let (_, line, _) = ask(&["history", "bob", "--around", "5f"], &answer);
    assert_eq!(line, "GET /v1/conversations/bob/messages?limit=50&around=5f");
    let fake = Fake::start(|_| Answer::Empty(204));
    let both = run(fake.socket(), &["history", "bob", "--around", "5f", "--before", "5f"]);
    assert_eq!(both.code, 2, "{both:?}");
}

#[test]
fn search() {
    let id = "5f".repeat(16);
    let result = |conversation: &str, direction: &str, before: &str, after: &str| {
        json!({"id": id, "conversation": conversation, "direction": direction,
            "sent_at": 1_000_000_000_000_u64, "stored_at": 1_000_000_000_000_u64,
            "before": before, "found": "Harbour", "after": after})
    };
    let answer = json!({"results": [result("bob", "in", "…to the ", ",\nat \u{9b}2J"),
        result("martlet1qq", "note", "", "…")], "more": true});
    let human = format!(
        "bob  Sun 9 Sep 2001 01:46  {id}\n    bob: …to the Harbour, ⏎ at \\u{{9b}}2J\nnotes  Sun 9 Sep 2001 01:46  {id}\n    you: Harbour…\n"
    );
    let line = "GET /v1/search?words=harb%20a%2E%2A&limit=20";
    check(&["search", "harb", "a.*"], line, &Value::Null, &answer, &human);
    let (ran, ..) = ask(&["search", "harb"], &answer);
    let place = format!("martletctl history --around {id} bob\n");
    assert!(ran.err.contains("older") && ran.err.ends_with(&place), "{}", ran.err);

    let none = json!({"results": [], "more": false, "partial": true});
    let within = ["search", "x", "--in", "bob b", "--limit", "7"];
    let (ran, line, _) = ask(&within, &none);
    assert_eq!(line, "GET /v1/search?words=x&limit=7&in=bob%20b");
    assert_eq!(ran.out, "No message has x.\n");
    assert!(ran.err.contains("oldest were not looked at"), "{}", ran.err);
    let (_, line, _) = ask(&["search", "x", "--notes"], &none);
    assert_eq!(line, "GET /v1/search?words=x&limit=20&notes=true");

    let fake = Fake::start(|_| Answer::Problem(ErrorCode::BadRequest, "there is no word"));
    for args in [&["search"][..], &["search", "x", "--limit", "0"], &["search", "x", "--in", ""]] {
        assert_eq!(run(fake.socket(), args).code, 2, "{args:?}");
    }
    let ran = run(fake.socket(), &["search", ""]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "martletctl: there is no word\n"));
}

#[test]
fn inbox_and_read() {
    let answer = json!({"conversations": [
        {"name": "bob", "unread": 3, "messages": [message("in", "a\nb", "delivered")]}],
        "requests": 1});
    let human = "bob  3 unread\n  Sun 9 Sep 2001 01:46  a\n                        b\n  and 2 messages more\n\nMark them read: martletctl read NAME\n1 unknown person has written: martletctl requests list\n";
    check(&["inbox"], "GET /v1/inbox", &Value::Null, &answer, human);
    let (ran, ..) = ask(&["inbox"], &json!({"conversations": [], "requests": 0}));
    assert_eq!(ran.out, "Nothing unread.\n");
    check(
        &["read", "bob"],
        "POST /v1/conversations/bob/read",
        &Value::Null,
        &json!({"marked": 1, "lost": 0}),
        "Marked 1 message from bob as read.\n",
    );
    check(
        &["read", "bob"],
        "POST /v1/conversations/bob/read",
        &Value::Null,
        &json!({"marked": 2, "lost": 3}),
        "Marked 2 messages from bob as read.\n3 messages from bob were lost on the way.\n",
    );
}

#[test]
fn peers_and_dial() {
    let answer = json!({"peers": [
        {"peer_id": "12D3KooWaaaabbbb", "connected": true, "address": "/ip4/1.2.3.4/tcp/4177",
            "transport": "tcp", "direction": "out", "latency_ms": 1.25},
        {"peer_id": "12D3KooWccccdddd", "connected": false, "address": "/ip4/5.6.7.8/tcp/1"}]});
    let human = "PEER       STATE      TRANSPORT  DIRECTION  LATENCY  ADDRESS\n…aaaabbbb  connected  tcp        out        1.2 ms   /ip4/1.2.3.4/tcp/4177\n…ccccdddd  known      -          -          -        /ip4/5.6.7.8/tcp/1\n";
    check(&["peers"], "GET /v1/peers", &Value::Null, &answer, human);
    let address = "/ip4/192.168.1.7/tcp/4177";
    check(
        &["dial", address],
        "POST /v1/peers",
        &json!({"address": address}),
        &Value::Null,
        &format!("Dialling {address}; see: martletctl peers\n"),
    );
    let request = json!({"address": "host:1", "wait": true});
    check(
        &["dial", "--wait", "host:1"],
        "POST /v1/peers",
        &request,
        &json!({"connected": true, "peer_id": "12D3KooWaaaabbbb"}),
        "Connected with host:1: 12D3KooWaaaabbbb\n",
    );
    let fake = Fake::start(|_| Answer::Json(json!({"connected": false, "reason": "refused"})));
    let ran = run(fake.socket(), &["dial", "--wait", "host:1"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("no connection with host:1: refused"), "{ran:?}");
    let answer = json!({"peers": [], "failed": [{"address": "/dns/a.example/tcp/1", "attempts": 10,
        "reason": "refused", "given_up": true}]});
    let human = "No peers. Others on this LAN are found by themselves; elsewhere: martletctl dial ADDRESS\n\
        Not reached, given up after 10 attempts: /dns/a.example/tcp/1\n  refused\n";
    check(&["peers"], "GET /v1/peers", &Value::Null, &answer, human);
}

#[test]
fn metrics() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 86\r\n\r\n\
        # HELP martlet_peers Peers.\n# TYPE martlet_peers gauge\nmartlet_peers{state=\"known\"} 2\n";
    let fake = Fake::start(|_| Answer::Raw(ANSWER));
    let ran = run(fake.socket(), &["metrics"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.ends_with("gauge\nmartlet_peers{state=\"known\"} 2\n"), "{ran:?}");
    let ran = run(fake.socket(), &["metrics", "--json"]);
    let expected =
        json!({"metrics": [{"name": "martlet_peers", "labels": {"state": "known"}, "value": 2.0}]});
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap(), expected, "{ran:?}");
    assert_eq!(fake.lines(), ["GET /v1/metrics", "GET /v1/metrics"]);
}

#[test]
fn peers_in_full() {
    let answer = json!({"peers": [
        {"peer_id": "12D3KooWaaaabbbb", "connected": true, "address": "/ip4/1.2.3.4/tcp/4177",
            "transport": "tcp", "direction": "in", "latency_ms": 1.25, "details": {
                "since": now_ms() - 61_000, "mesh": true, "pinned": true, "score": -25.0,
                "throttled": true, "envelopes_in": 7, "invalid": 5, "agent": "other\u{1b}[0m/1",
                "protocols": ["/a/1", "/b/1"]}},
        {"peer_id": "12D3KooWccccdddd", "connected": false, "address": "/ip4/5.6.7.8/tcp/1",
            "ban": {"peer_id": "12D3KooWccccdddd", "reason": "r", "since": 0, "by_user": true}}]});
    let human = "12D3KooWaaaabbbb\n  State      connected in by tcp, 1.2 ms, 1 min ago\n  \
        Address    /ip4/1.2.3.4/tcp/4177\n  Score      -25.0, throttled\n  \
        Gossip     in the mesh; 7 new envelopes in, 5 invalid\n  \
        Pinned     yes: configured, or dialled by command\n  \
        Agent      other\\u{1b}[0m/1\n  Protocols  /a/1 /b/1\n\
        12D3KooWccccdddd\n  State      known\n  Address    /ip4/5.6.7.8/tcp/1\n  \
        Banned     until lifted\n";
    check(&["peers", "--verbose"], "GET /v1/peers", &Value::Null, &answer, human);
}

#[test]
fn bans() {
    let since = now_ms() - 3_600_000;
    let ban = json!({"peer_id": "12D3KooWccccdddd", "reason": "garbage\u{1b}", "since": since,
        "until": 1_000_000_000_000_u64, "by_user": false});
    let human = "PEER       SINCE    UNTIL                  REASON\n\
        …ccccdddd  1 h ago  Sun 9 Sep 2001 01:46  garbage\\u{1b}\n";
    let human = human.replace("UNTIL                  ", "UNTIL                 ");
    check(&["peers", "--banned"], "GET /v1/bans", &Value::Null, &json!({"bans": [ban]}), &human);
    let (ran, ..) = ask(&["peers", "--banned"], &json!({"bans": []}));
    assert_eq!(ran.out, "Nobody is banned.\n");
    check(
        &["ban", "…ccccdddd", "--for", "2h", "--reason", "floods"],
        "POST /v1/bans",
        &json!({"peer_id": "…ccccdddd", "seconds": 7200, "reason": "floods"}),
        &ban,
        "Banned 12D3KooWccccdddd until Sun 9 Sep 2001 01:46.\n",
    );
    let mut forever = ban;
    forever.as_object_mut().unwrap().remove("until");
    check(
        &["ban", "12D3KooWccccdddd"],
        "POST /v1/bans",
        &json!({"peer_id": "12D3KooWccccdddd"}),
        &forever,
        "Banned 12D3KooWccccdddd until you lift it.\n",
    );
    check(
        &["unban", "12D3KooWccccdddd"],
        "DELETE /v1/bans/12D3KooWccccdddd",
        &Value::Null,
        &Value::Null,
        "The ban is lifted.\n",
    );
}

#[test]
fn doctor() {
    let warning = json!({"code": "disk-nearly-full", "severity": "warning",
        "problem": "100 MiB are free", "advice": "free some"});
    let human = "warning  100 MiB are free\n         To do: free some\n";
    let answer = json!({"findings": [warning], "clock_ahead_ms": -3});
    check(&["doctor"], "GET /v1/doctor", &Value::Null, &answer, human);
    let (ran, ..) = ask(&["doctor"], &json!({"findings": []}));
    assert_eq!(ran.out, "Nothing is wrong, as far as can be seen from here.\n");
    let error =
        json!({"code": "no-peers", "severity": "error", "problem": "no\u{1b}", "advice": "dial"});
    let fake = Fake::start(move |_| Answer::Json(json!({"findings": [error, warning]})));
    let ran = run(fake.socket(), &["doctor"]);
    assert_eq!((ran.code, ran.err.as_str()), (7, "martletctl: 1 error found\n"));
    assert!(
        ran.out.starts_with("error    no\\u{1b}\n         To do: dial\nwarning"),
        "{}",
        ran.out
    );
}

#[test]
fn timers_are_sent_and_set_as_seconds_or_off() {
    let sent = json!({"id": "ab".repeat(16), "state": "queued"});
    let human = format!("{}\n", "ab".repeat(16));
    check(
        &["send", "bob", "x", "--expire", "1h", "--burn", "30s"],
        "POST /v1/messages",
        &json!({"to": "bob", "text": "x", "expire_seconds": 3600, "burn_seconds": 30}),
        &sent,
        &human,
    );
    check(
        &["send", "bob", "x", "--expire", "off"],
        "POST /v1/messages",
        &json!({"to": "bob", "text": "x", "expire_seconds": "off"}),
        &sent,
        &human,
    );
    check(
        &["conversation", "set", "bob", "--expire", "6d", "--burn", "off"],
        "PATCH /v1/conversations/bob/timers",
        &json!({"expire_seconds": 518_400, "burn_seconds": "off"}),
        &json!({"expire_seconds": 518_400}),
        "Name       bob\nExpire     6 d after they are sent\nBurn       off\n",
    );
    check(
        &["conversation", "show", "bob"],
        "GET /v1/conversations/bob/timers",
        &Value::Null,
        &json!({"burn_seconds": 90}),
        "Name       bob\nExpire     off\nBurn       1 min 30 s after they are read\n",
    );
    let fake = Fake::start(|_| Answer::Empty(204));
    for refused in ["0s", "-1s", "7d", "0"] {
        let ran = run(fake.socket(), &["send", "bob", "x", "--expire", refused]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains("a message lives 1 s to 6 d"), "{ran:?}");
    }
    assert!(fake.lines().is_empty());
}

#[test]
fn messages_are_taken_back_and_deleted() {
    let id = "ab".repeat(16);
    check(
        &["recall", &id],
        &format!("POST /v1/messages/{id}/recall"),
        &Value::Null,
        &json!({"id": id, "state": "recalled"}),
        &format!("Took back {id}.\n"),
    );
    check(
        &["delete", &id],
        &format!("DELETE /v1/messages/{id}"),
        &Value::Null,
        &Value::Null,
        "Deleted 1 message on this device.\n",
    );
    check(
        &["conversation", "clear", "bob", "--yes"],
        "DELETE /v1/conversations/bob/messages",
        &Value::Null,
        &Value::Null,
        "Deleted all messages with bob on this device.\n",
    );
    let fake = Fake::start(|_| Answer::Empty(204));
    let ran = run(fake.socket(), &["delete", "aa", "bb"]);
    assert_eq!(ran.out, "Deleted 2 messages on this device.\n", "{ran:?}");
    assert_eq!(fake.lines(), ["DELETE /v1/messages/aa", "DELETE /v1/messages/bb"]);
}

#[test]
fn what_ends_says_how_long_it_has_left() {
    let mut timed = message("out", "soon", "sent");
    // Half a second more: it is told in whole seconds.
    timed["ends_at"] = (now_ms() + 3_660_500).into();
    timed["expire_seconds"] = 7200.into();
    let mut burns = message("in", "burns", "read");
    burns["burn_seconds"] = 30.into();
    let mut recalled = message("in", "", "recalled");
    recalled["id"] = "bb".repeat(16).into();
    let mut both = message("in", "both", "delivered");
    both["ends_at"] = (now_ms() + 3_660_500).into();
    both["burn_seconds"] = 2.into();
    let history = json!({"messages": [timed, burns, recalled, both], "more": false});
    let (ran, ..) = ask(&["history", "bob"], &history);
    let shown: Vec<_> = ran.out.lines().skip(1).map(|line| line[9..].trim_start()).collect();
    assert_eq!(
        shown,
        [
            "you  soon  (sent) (1 h 1 min left)",
            "bob  burns  (30 s left once read)",
            "bob  (recalled)",
            "bob  both  (unread) (1 h 1 min left, 2 s once read)"
        ],
        "{ran:?}"
    );
}

#[test]
fn shred_waits_until_it_is_done_and_says_what_is_left() {
    let mut answer = json!({"running": false, "waiting": 0, "keys": 1024, "resealed": 345,
        "finished_at": now_ms(), "old_layout": false, "rewrite_at_start": false});
    let done = "Done: what was deleted has no key any more; 345 records sealed under new keys.\n";
    check(&["shred"], "POST /v1/shred", &Value::Null, &answer, done);
    answer["old_layout"] = true.into();
    let (ran, ..) = ask(&["shred"], &answer);
    assert!(ran.out.contains("restart martletd"), "{}", ran.out);
    answer["running"] = true.into();
    let under_way = "It is under way; martletctl status says when it was done last.\n";
    check(&["shred", "--no-wait"], "POST /v1/shred", &Value::Null, &answer, under_way);

    let polled = answer.clone();
    let fake = Fake::start(move |request| {
        let mut answer = polled.clone();
        answer["running"] = (request.method == "POST").into();
        answer["old_layout"] = false.into();
        Answer::Json(answer)
    });
    let ran = run(fake.socket(), &["shred"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, done), "{ran:?}");
    assert_eq!(fake.lines(), ["POST /v1/shred", "GET /v1/shred"]);
}
