//! Passphrases asked for on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, ChildStderr, Stdio};

use martlet_protocol::control::ErrorCode;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Seen};
use crate::run::{Ran, command, finish, run, wait_until};

/// A pseudoterminal, and a command that has it as its standard input.
struct Terminal {
    /// What the user types is written here; what is echoed is read.
    keyboard: File,
    line: File,
    child: Child,
    err: ChildStderr,
    shown: String,
}

impl Terminal {
    fn start(fake: &Fake, args: &[&str]) -> Self {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        // Never this process's controlling terminal.
        let flags = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let line = File::options().read(true).write(true).custom_flags(flags).open(name).unwrap();
        let mut child = command(fake.socket(), args)
            .stdin(Stdio::from(line.try_clone().unwrap()))
            .spawn()
            .unwrap();
        let err = child.stderr.take().unwrap();
        Self { keyboard: File::from(master), line, child, err, shown: String::new() }
    }

    /// Waits for this prompt on standard error; the echo is off by then.
    fn expect(&mut self, prompt: &str) {
        let before = self.shown.len();
        while !self.shown[before..].ends_with(prompt) {
            let mut byte = [0];
            assert_eq!(self.err.read(&mut byte).unwrap(), 1, "ended after: {}", self.shown);
            self.shown.push(char::from(byte[0]));
        }
        assert!(!self.echoes());
    }

    fn enter(&mut self, text: &str) {
        self.keyboard.write_all(format!("{text}\n").as_bytes()).unwrap();
        // Shows the end of the line, and nothing of it.
        let mut echo = [0; 2];
        self.keyboard.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"\r\n");
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.line).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    fn finish(mut self) -> Ran {
        let mut ran = finish(self.child);
        self.err.read_to_string(&mut self.shown).unwrap();
        ran.err = self.shown;
        assert!(tcgetattr(&self.line).unwrap().local_modes.contains(LocalModes::ECHO));
        ran
    }
}

fn daemon(lock: &'static str) -> Fake {
    Fake::start(move |seen: &Seen| match seen.path.as_str() {
        "/v1/status" => Answer::Json(json!({"version": "0", "pid": 1, "lock": lock,
            "passphrase": true, "network": "lan", "peer_id": "x", "listen": [],
            "peers_connected": 0, "warnings": [],
            "mailbox": {"envelopes": 0, "bytes": 0, "bytes_max": 0}})),
        "/v1/unlock" | "/v1/passphrase" => Answer::Empty(204),
        _ => Answer::Json(json!({"id": "martlet1x", "recovery_phrase": "a b c"})),
    })
}

fn passphrase(fake: &Fake) -> Value {
    let body: Value = serde_json::from_str(&fake.seen().last().unwrap().body).unwrap();
    body["passphrase"].clone()
}

#[test]
fn a_new_passphrase_is_asked_for_twice_without_echo() {
    let fake = daemon("no_identity");
    let mut terminal = Terminal::start(&fake, &["init"]);
    terminal.expect("New passphrase: ");
    terminal.enter("");
    terminal.expect("New passphrase: ");
    terminal.enter("one");
    terminal.expect("Once more: ");
    terminal.enter("two");
    terminal.expect("New passphrase: ");
    terminal.enter("Größe ✓");
    terminal.expect("Once more: ");
    terminal.enter("Größe ✓");
    let ran = terminal.finish();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("differ") && ran.err.contains("--no-passphrase"));
    assert!(ran.out.contains("a b c"));
    assert_eq!(passphrase(&fake), "Größe ✓");
}

#[test]
fn an_identity_that_exists_is_told_before_a_passphrase_is_thought_of() {
    let fake = daemon("unlocked");
    let ran = Terminal::start(&fake, &["init"]).finish();
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("there is an identity already"), "{}", ran.err);
    assert_eq!(fake.lines(), ["GET /v1/status"]);
}

#[test]
fn unlocking_asks_once() {
    let fake = daemon("locked");
    let mut terminal = Terminal::start(&fake, &["unlock"]);
    terminal.expect("Passphrase: ");
    terminal.enter("open sesame");
    let ran = terminal.finish();
    assert_eq!((ran.code, ran.out.as_str()), (0, "The vault is open.\n"));
    assert_eq!(passphrase(&fake), "open sesame");
}

#[test]
fn a_changed_passphrase_is_asked_for_with_the_old_one() {
    let fake = daemon("unlocked");
    let mut terminal = Terminal::start(&fake, &["passphrase"]);
    terminal.expect("Passphrase until now: ");
    terminal.enter("one");
    terminal.expect("New passphrase: ");
    terminal.enter("hunter2");
    terminal.expect("Once more: ");
    terminal.enter("hunter2");
    let ran = terminal.finish();
    assert_eq!((ran.code, ran.out.as_str()), (0, "The vault has the new passphrase.\n"));
    assert!(ran.err.contains("this passphrase is weak"), "{}", ran.err);
    let body: Value = serde_json::from_str(&fake.seen().last().unwrap().body).unwrap();
    assert_eq!(body, json!({"old": "one", "new": "hunter2"}));
}

/// Ctrl-C at the prompt ended the command and left the user's terminal without echo.
#[test]
fn an_interrupted_prompt_gives_the_echo_back() {
    let fake = daemon("locked");
    let mut terminal = Terminal::start(&fake, &["unlock"]);
    terminal.expect("Passphrase: ");
    // The handler is there as soon as the prompt is: it is installed before.
    let pid = Pid::from_raw(i32::try_from(terminal.child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    wait_until("the echo", || terminal.echoes());
    let ran = terminal.finish();
    assert_eq!(ran.code, 130);
    assert_eq!(fake.lines(), ["GET /v1/status"]);
}

#[test]
fn removing_a_contact_is_asked_about() {
    let fake = Fake::start(|seen| match seen.method.as_str() {
        "GET" => Answer::Json(json!({"name": "bob", "id": "x", "added_at": 0, "devices": 1,
            "unread": 0})),
        _ => Answer::Empty(204),
    });
    for (answer, code, requests) in [("n", 1, 1), ("", 1, 2), ("y", 0, 4)] {
        let mut terminal = Terminal::start(&fake, &["contact", "remove", "bob"]);
        terminal.keyboard.write_all(format!("{answer}\n").as_bytes()).unwrap();
        let ran = terminal.finish();
        assert_eq!((ran.code, fake.lines().len()), (code, requests), "{answer}: {ran:?}");
    }
    assert_eq!(fake.lines().last().unwrap(), "DELETE /v1/contacts/bob");
}

/// A new ID was made at once, and nobody finds the user by the old one from then on.
#[test]
fn resetting_the_id_is_asked_about() {
    let fake = Fake::start(|_| Answer::Json(json!({"id": "martlet1x", "name": "Ann"})));
    for (answer, code, requests) in [("n", 1, 0), ("", 1, 0), ("yes", 0, 1)] {
        let mut terminal = Terminal::start(&fake, &["id", "--reset"]);
        terminal.keyboard.write_all(format!("{answer}\n").as_bytes()).unwrap();
        let ran = terminal.finish();
        assert_eq!((ran.code, fake.lines().len()), (code, requests), "{answer}: {ran:?}");
    }
    assert_eq!(fake.lines(), ["POST /v1/identity/reset"]);
    let ran = run(fake.socket(), &["id", "--reset"]);
    assert_eq!((ran.code, fake.lines().len()), (2, 1), "{ran:?}");
    assert!(ran.err.contains("--yes"), "{}", ran.err);
}

/// It said that it can't be done here, and left it to the user to find out how it can.
#[test]
fn where_the_root_is_missing_the_phrase_is_asked_for_and_given_once() {
    let phrase = format!("{}art", "abandon ".repeat(23));
    let device =
        json!({"id": "ab".repeat(32), "name": "phone", "created_at": 1, "state": "revoked"});
    let fake = Fake::start(move |seen: &Seen| match seen.path.as_str() {
        "/v1/identity" => Answer::Json(json!({"id": "martlet1x"})),
        _ if seen.body.contains("recovery_phrase") => Answer::Json(device.clone()),
        _ => Answer::Problem(ErrorCode::NoRoot, "no root here"),
    });
    let mut terminal = Terminal::start(&fake, &["device", "revoke", "phone", "--yes"]);
    terminal.expect("Word 1: ");
    terminal.enter(&phrase);
    let ran = terminal.finish();
    assert!(ran.code == 0 && ran.out.contains("Revoked phone"), "{ran:?}");
    assert!(!ran.err.contains("abandon") && ran.err.contains("it is not kept"), "{ran:?}");
    let lines = fake.lines();
    let revoke = "POST /v1/devices/phone/revoke";
    assert_eq!(lines, [revoke, "GET /v1/identity", revoke]);
    let last: Value = serde_json::from_str(&fake.seen()[2].body).unwrap();
    assert_eq!(last, json!({"recovery_phrase": phrase}));
}

#[test]
fn the_last_words_of_the_phrase_are_asked_for_without_echo() {
    let shred = json!({"running": false, "waiting": 0, "keys": 1024, "resealed": 7});
    let fake = Fake::start(move |_| Answer::Json(shred.clone()));
    let mut terminal = Terminal::start(&fake, &["account", "lock-root"]);
    terminal.expect("Word 1: ");
    terminal.enter("zoo zon");
    terminal.expect("Word 2: ");
    terminal.enter("zone zebra ability");
    let ran = terminal.finish();
    assert!(ran.code == 0 && ran.err.contains("takes the root of your identity out"), "{ran:?}");
    assert_eq!(fake.seen()[0].body, "{\"last_words\":\"zoo zone zebra ability\"}");
}
