//! What a person sees on a narrow terminal.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::{Value, json};

use crate::fake::{Answer, Fake};
use crate::run::{command, finish};

const ID: &str =
    "martlet132yw8ht5p8cetl2jmvknewjawt9xwzdlrk2pyxlnwjyqrdq0dawq2pg9q5zs2pg9q5zs2pg9q5zsgltq7f";
const PEER: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

/// What `martletctl ARGS` writes, to either output, on a terminal with so many columns.
fn on_terminal(columns: u16, answer: &Value, args: &[&str]) -> String {
    let answer = answer.clone();
    let fake = Fake::start(move |_| Answer::Json(answer.clone()));
    let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let flags = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
    let line = File::options().read(true).write(true).custom_flags(flags).open(name).unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&line, size).unwrap();
    let mut command = command(fake.socket(), args);
    command.env("NO_COLOR", "1");
    command.stdout(Stdio::from(line.try_clone().unwrap()));
    command.stderr(Stdio::from(line));
    let child = command.spawn().unwrap();
    // It holds the terminal too: reading would not end.
    drop(command);
    let mut shown = Vec::new();
    let mut screen = File::from(master);
    let mut buffer = [0; 4096];
    // An error tells that the other side is closed.
    while let Ok(read @ 1..) = screen.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..read]);
    }
    finish(child);
    String::from_utf8(shown).unwrap().replace("\r\n", "\n")
}

fn status() -> Value {
    let listen: Vec<String> =
        ["ip4/127.0.0.1", "ip4/192.168.178.27", "ip6/::1", "ip6/fd00:1:2:3:a:b:c:d"]
            .iter()
            .flat_map(|host| {
                let ways = ["tcp/4177", "udp/4177/quic-v1"];
                ways.map(|way| format!("/{host}/{way}/p2p/{PEER}"))
            })
            .collect();
    json!({"version": "0.1.0", "pid": 42, "lock": "unlocked", "passphrase": true, "network": "lan",
        "identity": {"id": ID, "name": "Alice"}, "privacy": "mixed", "peer_id": PEER, "listen": listen,
        "peers_connected": 1, "mailbox": {"envelopes": 2, "bytes": 3 << 20, "bytes_max": 1 << 30},
        "warnings": ["The disk has little room: under 512 MiB are left, and nothing is taken in below 256 MiB."]})
}

fn history() -> Value {
    let message = |direction: &str, text: &str| {
        json!({"id": "aa".repeat(16), "conversation": "bob", "direction": direction, "text": text,
            "sent_at": 1_000_000_000_000_u64, "stored_at": 1_000_000_000_000_u64, "state": "delivered"})
    };
    json!({"more": true, "messages": [
        message("in", "The ferry leaves at ten past seven from the northern pier, not from the harbour as I wrote."),
        message("out", "昨日は北の埠頭から七時十分に出る船に乗りました。自転車を持ってきてください、とのことです。"),
        message("out", "See https://example.org/a/very/long/path/that/should/stay/one/word/so-it-can-be-copied"),
    ]})
}

fn answers() -> Vec<(Vec<&'static str>, Value)> {
    let contact = json!({"name": "bob of the northern pier", "id": ID, "added_at": 0, "devices": 0, "unread": 3});
    let peer = json!({"peer_id": PEER, "address": format!("/ip4/192.168.178.27/udp/4177/quic-v1/p2p/{PEER}"),
        "connected": true, "transport": "quic", "direction": "out", "latency_ms": 1.5});
    let finding = json!({"code": "mdns-silent", "severity": "warning",
        "problem": "mDNS has heard nobody and no peer is connected: nobody is there, or multicast is blocked",
        "advice": "name one of the others by its address: martletctl dial MULTIADDR, or static_peers"});
    let request = json!({"id": ID, "suggested_name": "carol", "messages": 2, "first_at": 0,
        "preview": "Hello, we met on the ferry from the northern pier last week, do you remember?"});
    vec![
        (vec!["status"], status()),
        (vec!["history", "bob"], history()),
        (vec!["contact", "list"], json!({"contacts": [contact]})),
        (vec!["contact", "show", "bob"], contact.clone()),
        (vec!["contact", "add", ID, "--name", "bob"], contact),
        (vec!["peers"], json!({"peers": [peer]})),
        (vec!["peers", "--verbose"], json!({"peers": [peer]})),
        (vec!["peers"], json!({"peers": []})),
        (vec!["doctor"], json!({"findings": [finding]})),
        (vec!["requests", "list"], json!({"requests": [request]})),
        (vec!["id", "--reset", "--yes"], json!({"id": ID, "name": "Alice"})),
        (
            vec!["init", "--no-passphrase"],
            json!({"id": ID, "recovery_phrase": "abandon ability able ".repeat(8)}),
        ),
    ]
}

/// Lines were as long as they came, and the terminal broke them within words.
#[test]
fn no_line_is_wider_than_the_terminal_but_for_single_words_and_none_is_broken_in_a_word() {
    for columns in [60_u16, 80] {
        for (args, answer) in answers() {
            let shown = on_terminal(columns, &answer, &args);
            assert!(!shown.is_empty(), "{args:?}");
            for line in shown.lines() {
                let width = unicode_width::UnicodeWidthStr::width(line);
                // At most a label beside a word that can't be broken: an ID, an address.
                let longest = line.split_whitespace().map(str::len).max().unwrap_or(0);
                let is_one = line.split_whitespace().count() <= 3 && longest > 40;
                // A command to be copied.
                let is_one = is_one || line.starts_with("Earlier ones: ");
                assert!(
                    width <= usize::from(columns) || is_one,
                    "{args:?} at {columns}: {width} columns: {line}\n{shown}"
                );
            }
            // The same words as where lines may have any length.
            let whole = on_terminal(1000, &answer, &args);
            let letters = |text: &str| text.split_whitespace().collect::<String>();
            if !shown.contains("PEER") && !shown.contains("NAME") {
                assert_eq!(letters(&shown), letters(&whole), "{args:?} at {columns}");
            }
        }
    }
}

#[test]
fn history_hangs_beside_its_names() {
    let shown = on_terminal(60, &history(), &["history", "bob"]);
    let expected = "\
Sun 9 Sep 2001
  01:46  bob  The ferry leaves at ten past seven from the
              northern pier, not from the harbour as I
              wrote.  (unread)
  01:46  you  昨日は北の埠頭から七時十分に出る船に乗りまし
              た。自転車を持ってきてください、とのことです。
              (delivered)
  01:46  you  See
              https://example.org/a/very/long/path/that/should/stay/one/word/so-it-can-be-copied
              (delivered)
Earlier ones: martletctl history --before aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bob
";
    // The command is one line, so that it can be copied: the terminal breaks it.
    assert_eq!(shown, expected);
}

/// Eight addresses were sixteen lines.
#[test]
fn status_fits_a_small_terminal() {
    let shown = on_terminal(80, &status(), &["status"]);
    let listening = "Listening  TCP and QUIC, port 4177: 192.168.178.27, fd00:1:2:3:a:b:c:d\n";
    assert!(shown.contains(listening), "{shown}");
    assert!(shown.lines().count() <= 14, "{shown}");
}
