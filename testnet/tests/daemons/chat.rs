//! The chat on a real terminal: `tmux` is the terminal, real daemons are behind it.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use martlet_protocol::control::{Delivery, Direction, InitRequest, InitResponse, RequestList};
use martlet_testnet::cluster::verbs::run;
use martlet_testnet::cluster::{Cluster, ClusterError, Node, introduce, until};

use crate::{TestResult, cluster};

const DEADLINE: Duration = Duration::from_secs(30);

/// A terminal of its own server, which ends with it.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// A terminal of 80 columns and 24 lines in which `martletctl` runs, with these variables before it; none where there
    /// is no tmux.
    fn start(cluster: &Cluster, node: &Node, environment: &str, args: &str) -> Option<Self> {
        // One of its own each time: the server of before may be about to end.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = cluster.path().join(format!("{number}.tmux"));
        let terminal = Self { socket: socket.display().to_string() };
        let ctl = cluster.program().display();
        let own = node.socket();
        // What it says at its end stays to be read.
        let command = format!(
            "env TZ=UTC {environment} '{ctl}' ctl --socket '{}' {args}; echo \"ended: $?\"; exec cat",
            own.display()
        );
        let started = Command::new("tmux")
            .args(["-S", &terminal.socket, "-u", "-f", "/dev/null", "new-session", "-d"])
            .args(["-x", "80", "-y", "24", "/bin/sh", "-c", &command])
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .output();
        match started {
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                Some(terminal)
            }
            Err(error) => {
                println!("skipped: there is no tmux, which is the terminal: {error}");
                None
            }
        }
    }

    fn tmux(&self, args: &[&str]) -> Output {
        let output = Command::new("tmux").args(["-S", &self.socket]).args(args).output();
        output.expect("tmux ran before")
    }

    /// Types keys, as tmux names them.
    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a text.
    fn write(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    fn resize(&self, columns: &str, rows: &str) {
        self.tmux(&["resize-window", "-x", columns, "-y", rows]);
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// With the escape sequences that its colours are.
    fn shown_with_colours(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p", "-e"]).stdout).into_owned()
    }

    /// Waits until the screen is as `check` wants it.
    async fn wait(&self, what: &str, check: impl Fn(&str) -> bool) -> Result<String, ClusterError> {
        let found = until(what, DEADLINE, async || {
            let shown = self.shown();
            Ok(check(&shown).then_some(shown))
        });
        found.await.inspect_err(|_| println!("waited for: {what}\n{}", self.shown()))
    }

    async fn wait_text(&self, text: &str) -> Result<String, ClusterError> {
        self.wait(text, |shown| shown.contains(text)).await
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// Two connected users, contacts of each other.
async fn pair(cluster: &Cluster) -> Result<(Node, Node), ClusterError> {
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    Ok((alice, bob))
}

/// The line of the screen that has `text`.
fn line<'a>(shown: &'a str, text: &str) -> &'a str {
    shown.lines().find(|line| line.contains(text)).unwrap_or_default()
}

#[tokio::test]
async fn people_talk_and_a_restart_of_the_daemon_loses_nothing() -> TestResult {
    let cluster = cluster()?;
    let (mut alice, bob) = pair(&cluster).await?;
    let Some(terminal) = Terminal::start(&cluster, &alice, "", "chat") else { return Ok(()) };
    terminal.wait_text("Choose a conversation").await?;
    terminal.wait_text("bob").await?;
    terminal.keys(&["Enter"]);
    terminal.wait_text("to bob").await?;
    terminal.write("How is the weather?");
    terminal.keys(&["Enter"]);
    terminal.wait("it is delivered", |shown| line(shown, "the weather?").contains("✓✓")).await?;
    bob.send("alice", "Grüße aus dem Regen ☔").await?;
    terminal.wait_text("Grüße aus dem Regen ☔").await?;
    // It was seen, so it is read.
    until("it is read", DEADLINE, async || {
        Ok((alice.status().await?.unread == Some(0)).then_some(()))
    })
    .await?;

    terminal.write("half a sent");
    alice.stop().await?;
    terminal.wait_text("the daemon is away").await?;
    terminal.write("ence");
    terminal.keys(&["Enter"]);
    terminal.wait_text("waits for the daemon").await?;
    terminal.write("still typing");
    bob.send("alice", "Where are you?").await?;
    alice.start().await?;
    terminal.wait_text("Where are you?").await?;
    let shown = terminal
        .wait("it is delivered", |shown| line(shown, "half a sentence").contains("✓✓"))
        .await?;
    assert!(line(&shown, "still typing").contains("still typing"), "{shown}");
    let texts: Vec<String> = alice.history("bob").await?.into_iter().map(|m| m.text).collect();
    let own = texts.iter().filter(|text| *text == "half a sentence").count();
    assert_eq!((texts.len(), own), (4, 1), "{texts:?}");

    // Down to one pane, down to nothing, and back.
    terminal.resize("60", "20");
    let is_one_pane = |shown: &str| {
        !shown.contains('│') && shown.contains("half a sentence") && shown.contains("still typing")
    };
    terminal.wait("one pane", is_one_pane).await?;
    terminal.resize("30", "8");
    terminal.wait_text("40×10").await?;
    terminal.resize("80", "24");
    terminal
        .wait("both panes", |shown| shown.contains('│') && shown.contains("still typing"))
        .await?;

    terminal.keys(&["F1"]);
    terminal.wait_text("Ctrl+Q").await?;
    terminal.keys(&["Escape"]);
    terminal.wait("the help is gone", |shown| !shown.contains("Ctrl+Q")).await?;
    terminal.keys(&["C-q"]);
    // The terminal is as it was: without the screen, and what is typed is echoed.
    let shown = terminal.wait_text("ended: 0").await?;
    assert!(!shown.contains("half a sentence"), "{shown}");
    terminal.write("echo?");
    terminal.wait_text("echo?").await?;
    Ok(())
}

/// A voice memo is a line with its length, with what its sender says, on the screen and line by line; and on its sender's side, too.
#[tokio::test]
async fn a_voice_memo_is_a_line_with_its_length() -> TestResult {
    let cluster = cluster()?;
    let (alice, bob) = pair(&cluster).await?;
    let Some(screen) = Terminal::start(&cluster, &alice, "", "chat bob") else { return Ok(()) };
    screen.wait_text("to bob").await?;
    let Some(lines) = Terminal::start(&cluster, &alice, "", "chat --plain bob") else {
        return Ok(());
    };
    let Some(own) = Terminal::start(&cluster, &bob, "", "chat alice") else { return Ok(()) };
    own.wait_text("to alice").await?;
    let memo = cluster.path().join("memo.ogg");
    std::fs::write(&memo, crate::voice::SHORT)?;
    let memo = memo.display().to_string();
    run(&bob, &["send", "alice", "--voice", &memo, "--text", "listen"]).await?;
    for terminal in [&screen, &lines, &own] {
        terminal.wait_text("[voice memo, 0:03] listen").await?;
    }
    Ok(())
}

/// A daemon that is killed takes the answer with it: what it had written is not sent twice, what it hadn't is sent.
#[tokio::test]
async fn messages_typed_while_the_daemon_is_killed_arrive_once() -> TestResult {
    let cluster = cluster()?;
    let (mut alice, bob) = pair(&cluster).await?;
    let Some(terminal) = Terminal::start(&cluster, &alice, "", "chat bob") else { return Ok(()) };
    terminal.wait_text("to bob").await?;
    let mut expected = Vec::new();
    for number in 0..30 {
        if number % 10 == 5 {
            alice.kill()?;
            alice.spawn()?;
        }
        let text = format!("number {number}");
        terminal.write(&text);
        terminal.keys(&["Enter"]);
        expected.push(text);
    }
    alice.ready().await?;
    let received = bob.wait_received("alice", expected.len(), DEADLINE).await?;
    assert_eq!(received, expected);
    Ok(())
}

#[tokio::test]
async fn no_color_is_heeded_and_text_is_harmless() -> TestResult {
    let cluster = cluster()?;
    let (alice, bob) = pair(&cluster).await?;
    bob.send("alice", "\u{1b}[2J\u{1b}[31mred\u{7}\u{202e}").await?;
    alice.wait_received("bob", 1, DEADLINE).await?;
    let mut found = Vec::new();
    for environment in ["", "NO_COLOR=1"] {
        let Some(terminal) = Terminal::start(&cluster, &alice, environment, "chat bob") else {
            return Ok(());
        };
        terminal.wait_text("\\u{1b}[2J\\u{1b}[31mred").await?;
        terminal.wait_text("1 peer").await?;
        let shown = terminal.shown_with_colours();
        // SGR 30 to 38 and 90 to 97 are colours of letters.
        let sequences = shown.split("\u{1b}[").skip(1).filter_map(|part| part.split_once('m'));
        let is_colour = |code: &str| matches!(code.parse(), Ok(30..=38 | 90..=97));
        found.push(sequences.flat_map(|(codes, _)| codes.split(';')).any(is_colour));
        terminal.keys(&["C-q"]);
        terminal.wait_text("ended: 0").await?;
    }
    assert_eq!(found, [true, false], "colours without and with NO_COLOR");
    Ok(())
}

#[tokio::test]
async fn a_stranger_is_accepted_and_a_locked_vault_opened() -> TestResult {
    let cluster = cluster()?;
    let alice = cluster.start("alice", &[]).await?;
    let passphrase = Some("correct horse".to_owned());
    let request = InitRequest { name: None, passphrase };
    let _: InitResponse = alice.post("/v1/identity", &request).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    let carol = cluster.user("carol", &[&alice]).await?;
    carol.wait_connected(&[&alice], DEADLINE).await?;
    carol.add_contact("alice", &alice.id().await?).await?;
    let Some(terminal) = Terminal::start(&cluster, &alice, "", "chat bob") else { return Ok(()) };
    terminal.wait_text("to bob").await?;
    carol.send("alice", "You don't know me.").await?;
    terminal.wait_text("1 request").await?;
    terminal.keys(&["C-r"]);
    terminal.wait_text("You don't know me.").await?;
    terminal.write("a");
    terminal.wait_text("under which name").await?;
    terminal.keys(&["Enter"]);
    terminal.wait_text("to carol").await?;
    let requests: RequestList = alice.get("/v1/requests").await?;
    assert!(requests.requests.is_empty());
    terminal.write("Welcome");
    let output = alice.ctl(&["lock"]).await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = terminal.wait_text("Its passphrase").await?;
    assert!(!shown.contains("carol") && !shown.contains("You don't"), "{shown}");
    terminal.write("correct horse");
    let shown = terminal.wait_text("•••••••••••••").await?;
    assert!(!shown.contains("horse"), "{shown}");
    terminal.keys(&["Enter"]);
    terminal
        .wait("it is open", |shown| shown.contains("peer") && !shown.contains("locked"))
        .await?;
    terminal.keys(&["Enter"]);
    until("it is delivered", DEADLINE, async || {
        let history = alice.history("carol").await?;
        let is_there = |m: &martlet_protocol::control::Message| {
            m.text == "Welcome" && m.direction == Direction::Out && m.state == Delivery::Delivered
        };
        Ok(history.iter().any(is_there).then_some(()))
    })
    .await?;
    drop(bob);
    Ok(())
}

/// The chat said nothing of it: what was typed next was refused out of the blue, and what the other side typed too.
#[tokio::test]
async fn who_has_the_chat_open_is_told_that_an_identity_ends_and_keeps_what_they_typed()
-> TestResult {
    let cluster = cluster()?;
    let alice = cluster.start("alice", &[]).await?;
    let passphrase = Some("correct horse".to_owned());
    let request = InitRequest { name: None, passphrase };
    let _: InitResponse = alice.post("/v1/identity", &request).await?;
    let file = cluster.path().join("passphrase");
    std::fs::write(&file, "correct horse")?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    let sent = bob.send("alice", "hello").await?;
    bob.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    let Some(hers) = Terminal::start(&cluster, &alice, "", "chat bob") else { return Ok(()) };
    let Some(his) = Terminal::start(&cluster, &bob, "", "chat alice") else { return Ok(()) };
    for terminal in [&hers, &his] {
        terminal.wait_text("hello").await?;
        terminal.write("half a sentence");
        terminal.wait_text("half a sentence").await?;
    }
    let file = file.display().to_string();
    let output = alice.ctl(&["account", "terminate", "--yes", "--passphrase-file", &file]).await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    hers.wait_text("Your identity was terminated").await?;
    his.wait_text("The identity of alice was terminated").await?;
    for terminal in [&hers, &his] {
        terminal.keys(&["Enter"]);
        let shown = terminal.wait_text("was terminated").await?;
        assert!(shown.contains("hello"), "{shown}");
        terminal.wait_text("half a sentence").await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_plain_chat_prints_what_comes_and_sends_what_is_typed() -> TestResult {
    let cluster = cluster()?;
    let (mut alice, bob) = pair(&cluster).await?;
    bob.send("alice", "before").await?;
    alice.wait_received("bob", 1, DEADLINE).await?;
    let Some(terminal) = Terminal::start(&cluster, &alice, "", "chat --plain bob") else {
        return Ok(());
    };
    terminal.wait_text("bob (new): before").await?;
    terminal.write("Hello");
    terminal.keys(&["Enter"]);
    terminal.wait_text("delivered to bob: Hello").await?;
    alice.stop().await?;
    terminal.wait_text("went away").await?;
    terminal.write("typed meanwhile");
    terminal.keys(&["Enter"]);
    alice.start().await?;
    terminal.wait_text("delivered to bob: typed meanwhile").await?;
    bob.send("alice", "one\ntwo").await?;
    terminal.wait_text("bob: one\n  two").await?;
    terminal.write("/opne bob");
    terminal.keys(&["Enter"]);
    terminal.wait_text("There is no command /opne").await?;
    terminal.write("/quit");
    terminal.keys(&["Enter"]);
    terminal.wait_text("ended: 0").await?;
    assert_eq!(bob.received("alice").await?, ["Hello", "typed meanwhile"]);
    Ok(())
}

/// In a script: what is piped in is sent, and the end of it is the end.
#[tokio::test]
async fn the_plain_chat_takes_a_pipe() -> TestResult {
    let cluster = cluster()?;
    let (alice, bob) = pair(&cluster).await?;
    let command = format!(
        "printf 'one\\n//two\\n\\n' | '{}' ctl --socket '{}' chat --plain bob",
        cluster.program().display(),
        alice.socket().display()
    );
    let output = tokio::process::Command::new("/bin/sh").args(["-c", &command]).output().await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(bob.wait_received("alice", 2, DEADLINE).await?, ["one", "/two"]);
    let output = alice.ctl(&["chat"]).await?;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--plain"));
    Ok(())
}
