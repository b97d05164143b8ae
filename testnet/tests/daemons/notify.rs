//! Notifications of the desktop: a real daemon, a D-Bus of the test's own, and a server on it that shows nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use martlet_protocol::control::Delivery;
use martlet_testnet::cluster::verbs::{run, shows};
use martlet_testnet::cluster::{Cluster, Node, NodeOptions, introduce, until};
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, MessageStream, OwnedVariant};

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(60);
const NAME: &str = "org.freedesktop.Notifications";

/// A bus of the test's own. It ends with this.
struct Bus {
    child: Child,
    address: String,
}

impl Drop for Bus {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has_dbus() -> bool {
    let found = Command::new("dbus-daemon").arg("--version").stdout(Stdio::null()).status();
    let has_dbus = found.is_ok_and(|status| status.success());
    if !has_dbus {
        eprintln!("skipped: there is no dbus-daemon here");
    }
    has_dbus
}

fn address(socket: &Path) -> String {
    format!("unix:path={}", socket.display())
}

impl Bus {
    async fn start(socket: &Path) -> TestResult<Self> {
        let address = address(socket);
        let file = socket.with_extension("conf");
        let text = format!(
            "<busconfig><type>session</type><listen>{address}</listen><auth>EXTERNAL</auth>\
             <policy context='default'><allow send_destination='*'/><allow receive_sender='*'/><allow own='*'/></policy>\
             </busconfig>"
        );
        std::fs::write(&file, text)?;
        let child = Command::new("dbus-daemon")
            .args(["--nofork", "--nopidfile", "--config-file"])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()?;
        let bus = Self { child, address };
        let _connection =
            until("a bus".to_owned(), DEADLINE, async || Ok(bus.connect().await.ok())).await?;
        Ok(bus)
    }

    async fn connect(&self) -> zbus::Result<Connection> {
        Builder::address(self.address.as_str()).build().await
    }
}

/// What the server was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Show { number: u32, replaces: u32, title: String, body: String, is_transient: bool },
    Close(u32),
}

/// A notification server, until it is dropped.
struct Server {
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// The first number it gives is this.
    async fn start(bus: &Bus, first: u32) -> TestResult<Self> {
        let connection = bus.connect().await?;
        let mut calls = MessageStream::from(&connection);
        connection.request_name(NAME).await?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut next = first;
            while let Some(Ok(call)) = calls.next().await {
                if call.message_type() == Type::MethodCall
                    && let Err(error) = answer(&connection, &call, &seen, &mut next).await
                {
                    eprintln!("the notification server: {error}");
                }
            }
        });
        Ok(Self { asked, task })
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All that it was asked for, once that is so much.
    async fn asked_for(&self, count: usize) -> TestResult<Vec<Asked>> {
        let what = format!("{count} calls of the notification server");
        let asked = until(what, DEADLINE, async || {
            Ok(Some(self.asked()).filter(|asked| asked.len() >= count))
        });
        let asked = asked.await.map_err(|error| format!("{error}: {:?}", self.asked()))?;
        assert_eq!(asked.len(), count, "{asked:?}");
        Ok(asked)
    }
}

type Notify = (String, u32, String, String, String, Vec<String>, Hints, i32);
type Hints = std::collections::HashMap<String, OwnedVariant>;

async fn answer(
    connection: &Connection,
    call: &zbus::Message,
    seen: &Mutex<Vec<Asked>>,
    next: &mut u32,
) -> TestResult {
    let header = call.header();
    let see = |asked| seen.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    match header.member().map(|member| member.as_str()) {
        Some("GetCapabilities") => {
            connection.reply(&header, &vec!["body", "body-markup"]).await?;
        }
        Some("Notify") => {
            let (app, replaces, _, title, body, _, hints, _): Notify = call.body().deserialize()?;
            assert_eq!(app, "Martlet");
            let number = if replaces == 0 { *next } else { replaces };
            *next += u32::from(replaces == 0);
            let is_transient = hints.contains_key("transient");
            connection.reply(&header, &number).await?;
            see(Asked::Show { number, replaces, title, body, is_transient });
        }
        Some("CloseNotification") => {
            let (number,): (u32,) = call.body().deserialize()?;
            connection.reply(&header, &()).await?;
            see(Asked::Close(number));
        }
        other => return Err(format!("asked for {other:?}").into()),
    }
    Ok(())
}

/// Alice, and Bob, whose desktop is on the bus at this socket.
async fn alice_and_bob(cluster: &Cluster, notify: &str, socket: &Path) -> TestResult<(Node, Node)> {
    let alice = cluster.user("alice", &[]).await?;
    let options = NodeOptions {
        peers: vec![alice.address()?],
        config: vec![format!("notify = \"{notify}\"")],
        env: vec![format!("DBUS_SESSION_BUS_ADDRESS={}", address(socket))],
        ..NodeOptions::default()
    };
    let mut bob = cluster.node("bob", options);
    bob.start().await?;
    run(&bob, &["init", "--name", "bob", "--no-passphrase"]).await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    Ok((alice, bob))
}

async fn send(from: &Node, text: &str) -> TestResult<String> {
    let id = run(from, &["send", "bob", text]).await?.trim().to_owned();
    from.wait_state(&id, Delivery::Delivered, DEADLINE).await?;
    Ok(id)
}

fn socket(cluster: &Cluster) -> PathBuf {
    cluster.path().join("bus")
}

fn show(number: u32, replaces: u32, body: &str) -> Asked {
    let (title, body) = ("alice".to_owned(), body.to_owned());
    Asked::Show { number, replaces, title, body, is_transient: true }
}

#[tokio::test]
async fn the_desktop_shows_one_notification_for_a_conversation_and_none_of_what_is_over()
-> TestResult {
    if !has_dbus() {
        return Ok(());
    }
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let bus = Bus::start(&socket(&cluster)).await?;
    let server = Server::start(&bus, 1).await?;
    let (alice, bob) = alice_and_bob(&cluster, "full", &socket(&cluster)).await?;

    // A text is no markup, and the next one takes its place.
    send(&alice, "<b>1 & 2</b>").await?;
    let first = show(1, 0, "&lt;b&gt;1 &amp; 2&lt;/b&gt;");
    assert_eq!(server.asked_for(1).await?, [first]);
    let second = send(&alice, "two").await?;
    assert_eq!(server.asked_for(2).await?[1], show(1, 1, "two"));
    // What Alice takes back is seen no longer, nor what Bob has read.
    run(&alice, &["recall", &second]).await?;
    assert_eq!(server.asked_for(3).await?[2], Asked::Close(1));
    send(&alice, "three").await?;
    assert_eq!(server.asked_for(4).await?[3], show(2, 0, "three"));
    run(&bob, &["read", "alice"]).await?;
    assert_eq!(server.asked_for(5).await?[4], Asked::Close(2));
    // Of a muted conversation nothing is told.
    run(&bob, &["conversation", "set", "alice", "--mute"]).await?;
    send(&alice, "muted").await?;
    shows(&bob, &["inbox"], "muted").await?;
    run(&bob, &["conversation", "set", "alice", "--unmute"]).await?;
    send(&alice, "four").await?;
    assert_eq!(server.asked_for(6).await?[5], show(3, 0, "four"));

    // With the lock all is gone, and nothing is told until it is open again.
    let passphrase = cluster.path().join("passphrase");
    std::fs::write(&passphrase, "seven swans a swimming\n")?;
    let file = passphrase.display().to_string();
    run(&bob, &["passphrase", "--new-file", &file]).await?;
    run(&bob, &["lock"]).await?;
    assert_eq!(server.asked_for(7).await?[6], Asked::Close(3));
    let locked = run(&alice, &["send", "bob", "five"]).await?;
    alice.wait_state(locked.trim(), Delivery::Sent, DEADLINE).await?;
    assert_eq!(server.asked().len(), 7);
    run(&bob, &["unlock", "--passphrase-file", &file]).await?;
    assert_eq!(server.asked_for(8).await?[7], show(4, 0, "five"));

    // The numbers of one server are none of the next one's, which may have given them to others.
    drop(server);
    let server = Server::start(&bus, 100).await?;
    send(&alice, "six").await?;
    assert_eq!(server.asked_for(1).await?, [show(100, 0, "six")]);
    Ok(())
}

/// What is told of a voice memo is that it is one and how long: with `full` as the chat shows it, with `sender` nothing of it.
#[tokio::test]
async fn a_voice_memo_is_told_as_what_it_is() -> TestResult {
    if !has_dbus() {
        return Ok(());
    }
    for (notify, body) in [("full", "[voice memo, 0:03] listen"), ("sender", "New message")] {
        let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
        let bus = Bus::start(&socket(&cluster)).await?;
        let server = Server::start(&bus, 1).await?;
        let (alice, bob) = alice_and_bob(&cluster, notify, &socket(&cluster)).await?;
        let memo = cluster.path().join("memo.ogg");
        std::fs::write(&memo, crate::voice::SHORT)?;
        let memo = memo.display().to_string();
        run(&alice, &["send", "bob", "--voice", &memo, "--text", "listen"]).await?;
        let asked = server.asked_for(1).await?;
        let [Asked::Show { title, body: told, .. }] = &asked[..] else {
            return Err(format!("{asked:?}").into());
        };
        assert_eq!((title.as_str(), told.as_str()), ("alice", body), "{notify}");
        shows(&bob, &["history", "alice"], "[voice memo, 0:03] listen").await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_a_session_one_line_of_the_log_says_so_and_later_it_is_found() -> TestResult {
    if !has_dbus() {
        return Ok(());
    }
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let (alice, bob) = alice_and_bob(&cluster, "sender", &socket(&cluster)).await?;
    let told = |what: &str| bob.log().matches(what).count();
    send(&alice, "one").await?;
    until("a line of the log".to_owned(), DEADLINE, async || {
        Ok((told("notifications can't be shown") > 0).then_some(()))
    })
    .await?;
    send(&alice, "two").await?;
    send(&alice, "three").await?;
    // The user logs in.
    let bus = Bus::start(&socket(&cluster)).await?;
    let server = Server::start(&bus, 1).await?;
    send(&alice, "four").await?;
    let asked =
        until("a notification".to_owned(), DEADLINE, async || Ok(server.asked().pop())).await?;
    let Asked::Show { title, body, is_transient, .. } = asked else { return Err("closed".into()) };
    assert_eq!((title.as_str(), is_transient), ("alice", false));
    // Who wrote, and how much; nothing of what.
    assert!(body.ends_with(" new messages"), "{body}");
    until("a line of the log".to_owned(), DEADLINE, async || {
        Ok((told("notifications are shown again") > 0).then_some(()))
    })
    .await?;
    assert_eq!(told("notifications can't be shown"), 1, "{}", bob.log());
    Ok(())
}
