//! The account as a whole, with real daemons and `martletctl`: taken along, and erased whenever the daemon is killed.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use martlet_protocol::control::{Delivery, InitRequest, InitResponse, LockState};
use martlet_testnet::cluster::verbs::{hides, run, shows};
use martlet_testnet::cluster::{Cluster, Node, introduce};
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(60);
const ERASE: [&str; 4] = ["account", "erase", "--yes", "erase this account"];

async fn init(node: &Node, passphrase: Option<&str>) -> TestResult<InitResponse> {
    let passphrase = passphrase.map(str::to_owned);
    Ok(node.post("/v1/identity", &InitRequest { name: Some("Alice".into()), passphrase }).await?)
}

/// All that files below a directory hold.
fn all_of(directory: &Path) -> TestResult<String> {
    let mut all = String::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => all.push_str(&all_of(&path)?),
            false => all.push_str(&String::from_utf8_lossy(&fs::read(path)?)),
        }
    }
    Ok(all)
}

fn names(directory: &Path) -> TestResult<Vec<String>> {
    let entries = fs::read_dir(directory)?;
    Ok(entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()?)
}

#[tokio::test]
async fn an_account_is_taken_along_and_erased() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = cluster.start("alice", &[]).await?;
    let phrase = init(&alice, Some("correct horse battery staple")).await?.recovery_phrase;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    let sent = run(&alice, &["send", "bob", "see you at the harbour"]).await?;
    alice.wait_state(sent.trim(), Delivery::Delivered, DEADLINE).await?;
    run(&alice, &["edit", sent.trim(), "see you at the old harbour"]).await?;
    run(&alice, &["note", "buy rope"]).await?;

    // Files that need no Martlet.
    let to = cluster.path().join("export");
    let to_text = to.to_str().ok_or("a path")?;
    run(&alice, &["account", "export", to_text]).await?;
    let lines = fs::read_to_string(to.join("conversations/0001-bob.jsonl"))?;
    let message: Value = serde_json::from_str(lines.lines().next().ok_or("no line")?)?;
    assert_eq!(message["message"]["text"], "see you at the old harbour");
    assert_eq!(message["message"]["versions"][0]["text"], "see you at the harbour");
    assert!(fs::read_to_string(to.join("conversations/notes.jsonl"))?.contains("buy rope"));
    let all = all_of(&to)?;
    for secret in [phrase.as_str(), "correct horse", "martletkey1"] {
        assert!(!all.contains(secret), "{secret}");
    }
    // The same as one stream, which the description of the API has, too.
    let stream = run(&alice, &["account", "export", "-"]).await?;
    let last: Value = serde_json::from_str(stream.lines().last().ok_or("no line")?)?;
    let count = u64::try_from(stream.lines().count())?;
    assert_eq!((&last["type"], &last["lines"]), (&"end".into(), &(count - 1).into()));
    assert_eq!(last["messages"], 2, "{stream}");

    // While it is locked nothing is exported, and it can be erased all the same.
    run(&alice, &["lock"]).await?;
    let refused = alice.ctl(&["account", "export", "-"]).await?;
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    run(&alice, &ERASE).await?;
    assert_eq!(alice.status().await?.lock, LockState::NoIdentity);
    let left = names(&alice.data_dir())?;
    assert!(!left.iter().any(|name| name.starts_with("vault")), "{left:?}");
    let refused = alice.ctl(&ERASE).await?;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    // Others keep what they have; the node goes on, and a new user may begin, now or later.
    assert_eq!(bob.received("alice").await?, ["see you at the old harbour"]);
    init(&alice, None).await?;
    alice.restart().await?;
    let anew = alice.id().await?;
    bob.add_contact("alice2", &anew).await?;
    bob.send("alice2", "welcome back").await?;
    Ok(())
}

/// Runs commands in a terminal, and types a passphrase whenever `age` asks for one there.
fn type_passphrases(commands: &str, directory: &Path) -> TestResult {
    let script = directory.join("commands.sh");
    fs::write(
        &script,
        format!("set -e -o pipefail; umask 077\ncd {}\n{commands}", directory.display()),
    )?;
    let mut child = Command::new("script")
        .args(["-qec", &format!("bash {}", script.display()), "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut keyboard = child.stdin.take().ok_or("no keyboard")?;
    let mut screen = child.stdout.take().ok_or("no screen")?;
    let (mut shown, mut answered) = (Vec::new(), 0);
    let mut piece = [0; 256];
    loop {
        let read = screen.read(&mut piece)?;
        if read == 0 {
            break;
        }
        shown.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&shown);
        // "Enter passphrase (leave empty …): ", "Confirm passphrase: ", "Enter passphrase: "
        if text.matches(" passphrase").count() > answered && text.trim_end().ends_with(':') {
            answered += 1;
            keyboard.write_all(b"correct horse battery staple\n")?;
        }
    }
    match child.wait()?.success() {
        true if answered > 0 => Ok(()),
        _ => Err(String::from_utf8_lossy(&shown).into_owned().into()),
    }
}

/// The recipes of docs/account.md.
#[tokio::test]
async fn an_export_can_be_encrypted_by_age() -> TestResult {
    for program in ["age", "script"] {
        if Command::new(program).arg("--version").output().is_err() {
            println!("skipped: there is no {program}");
            return Ok(());
        }
    }
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    run(&alice, &["note", "buy rope"]).await?;
    let directory = cluster.path().join("exports");
    fs::create_dir(&directory)?;
    let program = cluster.program().display().to_string();
    let ctl =
        format!("martletctl() {{ {program} ctl --socket {} \"$@\"; }}\n", alice.socket().display());
    for (encrypts, decrypts, has) in [
        (
            "martletctl account export - | age -p > export.jsonl.age",
            "age -d -o export.jsonl export.jsonl.age",
            "export.jsonl",
        ),
        (
            "martletctl account export martlet\ntar -c martlet | age -p > martlet.tar.age\nrm -r martlet",
            "age -d -o martlet.tar martlet.tar.age; tar -xf martlet.tar",
            "martlet/conversations/notes.jsonl",
        ),
    ] {
        type_passphrases(&format!("{ctl}{encrypts}"), &directory)?;
        assert!(!all_of(&directory)?.contains("buy rope"), "{encrypts}");
        type_passphrases(decrypts, &directory)?;
        assert!(fs::read_to_string(directory.join(has))?.contains("buy rope"), "{decrypts}");
        fs::remove_dir_all(&directory)?;
        fs::create_dir(&directory)?;
    }
    Ok(())
}

/// A PNG of 32 × 32 pixels of grey, by hand: a head, one stored block of zlib, the end.
fn png() -> Vec<u8> {
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
                1 => (crc >> 1) ^ 0xedb8_8320,
                _ => crc >> 1,
            })
        })
    }
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        png.extend(u32::try_from(data.len()).unwrap_or_default().to_be_bytes());
        png.extend(&body);
        png.extend(crc(&body).to_be_bytes());
    };
    chunk(b"IHDR", &[0, 0, 0, 32, 0, 0, 0, 32, 8, 0, 0, 0, 0]);
    let rows = [&[0][..], &[127; 32]].concat().repeat(32);
    let len = u16::try_from(rows.len()).unwrap_or_default();
    let (mut a, mut b) = (1u32, 0u32);
    for byte in &rows {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let head = [0x78, 1, 1];
    let zlib = [
        &head[..],
        &len.to_le_bytes(),
        &(!len).to_le_bytes(),
        &rows,
        &((b << 16) | a).to_be_bytes(),
    ];
    chunk(b"IDAT", &zlib.concat());
    chunk(b"IEND", &[]);
    png
}

#[tokio::test]
async fn an_account_has_a_profile_that_contacts_see_when_it_is_shared() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    let file = cluster.path().join("portrait.png");
    fs::write(&file, png())?;
    let file = file.to_str().ok_or("a path")?;
    run(&alice, &["profile", "set", "--name", "Alice Lee", "--avatar", file]).await?;
    let sent = run(&alice, &["send", "bob", "hello"]).await?;
    alice.wait_state(sent.trim(), Delivery::Delivered, DEADLINE).await?;
    let shown = run(&bob, &["contact", "show", "alice"]).await?;
    assert!(!shown.contains("Alice Lee"), "{shown}");

    run(&alice, &["profile", "share", "on"]).await?;
    let shown = shows(&bob, &["contact", "show", "alice"], "Alice Lee").await?;
    assert!(shown.contains("alice") && shown.contains("contact picture alice FILE"), "{shown}");
    let picture = cluster.path().join("alice.jpg");
    run(&bob, &["contact", "picture", "alice", picture.to_str().ok_or("a path")?]).await?;
    assert!(fs::read(&picture)?.starts_with(&[0xff, 0xd8, 0xff]));
    let report = run(&alice, &["privacy", "--json"]).await?;
    assert!(report.contains("\"profile-shared\""), "{report}");

    run(&alice, &["profile", "share", "off"]).await?;
    hides(&bob, &["contact", "show", "alice"], "Alice Lee").await?;
    let report = run(&alice, &["privacy", "--json"]).await?;
    assert!(report.contains("\"profile-unshared\""), "{report}");
    Ok(())
}

/// Whenever the daemon is killed, the account is there whole, or it is gone and nothing of it is left.
#[tokio::test]
async fn a_kill_leaves_all_of_an_account_or_nothing() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut node = cluster.start("alice", &[]).await?;
    let seed = std::env::var("MARTLET_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let (mut whole, mut gone) = (0, 0);
    for round in 0..24 {
        if node.status().await?.lock == LockState::NoIdentity {
            init(&node, None).await?;
            run(&node, &["note", "kept or gone"]).await?;
        }
        let client = node.client();
        let request = serde_json::json!({"confirm": "erase this account"});
        let erasing = tokio::spawn(async move {
            client.post::<_, Value>("/v1/account/erase", &request).await.is_ok()
        });
        tokio::time::sleep(Duration::from_micros(rng.random_range(0..12_000))).await;
        node.kill()?;
        let is_answered = erasing.await?;
        node.start().await?;
        let left = names(&node.data_dir())?;
        match node.status().await?.lock {
            LockState::NoIdentity => {
                gone += 1;
                assert!(!left.iter().any(|name| name.starts_with("vault")), "{round}: {left:?}");
            }
            LockState::Unlocked => {
                whole += 1;
                assert!(!is_answered, "{round}: it was said to be gone");
                let stream = run(&node, &["account", "export", "-"]).await?;
                assert!(stream.contains("kept or gone"), "{round}: {stream}");
            }
            LockState::Locked => {
                return Err(format!("{round}: half of it is left: {left:?}").into());
            }
        }
    }
    println!("seed {seed}: {whole} whole, {gone} gone");
    Ok(())
}
