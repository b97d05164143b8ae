//! Completions of shells, which ask the program itself.

use std::path::Path;
use std::process::{Command, Stdio};

use martlet_protocol::control::ErrorCode;
use serde_json::{Value, json};

use crate::fake::{Answer, Fake};
use crate::run::{finish, run};

fn daemon() -> Fake {
    let contact = |name: &str| json!({"name": name, "id": "martlet1x", "added_at": 0, "devices": 1, "unread": 0});
    Fake::start(move |seen| match seen.line().as_str() {
        "GET /v1/contacts" => Answer::Json(
            json!({"contacts": [contact("bob"), contact("barbara & co"), contact("b\u{1b}[2J"), contact("carol")]}),
        ),
        _ => Answer::Problem(ErrorCode::NotFound, "no"),
    })
}

/// What is offered for the last of `words`, as a shell's script asks for it.
fn offered(shell: &str, socket: &Path, words: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_martletctl"));
    command.env_clear().env("COMPLETE", shell).env("_CLAP_IFS", "\n");
    command.env("MARTLET_SOCKET", socket);
    command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
    command.arg("--").args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ran = finish(command.spawn().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{words:?}: {ran:?}");
    ran.out.lines().map(str::to_owned).collect()
}

#[test]
fn names_of_contacts_are_completed() {
    let fake = daemon();
    for verb in ["send", "history", "read", "ping"] {
        let names = offered("zsh", fake.socket(), &["martletctl", verb, "b"]);
        assert_eq!(names, ["bob", "barbara & co"], "{verb}");
    }
    // Bash takes them as they are, so they are quoted.
    let names = offered("bash", fake.socket(), &["martletctl", "contact", "show", "ba"]);
    assert_eq!(names, ["barbara\\ \\&\\ co"]);
    // The socket that the line names goes before.
    let line = ["martletctl", "--socket", fake.socket().to_str().unwrap(), "send", "c"];
    assert_eq!(offered("fish", Path::new("/nonexistent"), &line), ["carol"]);
}

#[test]
fn without_a_daemon_or_with_a_locked_vault_only_names_are_missing() {
    let nowhere = Path::new("/nonexistent");
    assert!(offered("bash", nowhere, &["martletctl", "send", "b"]).is_empty());
    assert_eq!(offered("bash", nowhere, &["martletctl", "unl"]), ["unlock"]);
    let locked = Fake::start(|_| Answer::Problem(ErrorCode::Locked, "the vault is locked"));
    assert!(offered("bash", locked.socket(), &["martletctl", "send", "b"]).is_empty());
}

#[test]
fn a_shell_is_given_its_script() {
    let nowhere = Path::new("/nonexistent");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(nowhere, &["completions", shell]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(
            ran.out.contains("martletctl") && ran.out.contains("COMPLETE"),
            "{shell}: {}",
            ran.out
        );
        // With --json the script alone was printed, which is no JSON.
        let ran = run(nowhere, &["--json", "completions", shell]);
        let value: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(value["shell"], *shell);
        assert!(value["script"].as_str().unwrap().contains("COMPLETE"));
    }
}

/// The script does in bash what a user sees: skipped where there is no bash.
#[test]
fn bash_completes_a_name() {
    let fake = daemon();
    let Ok(directory) = std::env::var("PATH").map(|path| {
        let program = Path::new(env!("CARGO_BIN_EXE_martletctl"));
        format!("{}:{path}", program.parent().unwrap().display())
    }) else {
        return;
    };
    let script = "eval \"$(martletctl completions bash)\"\n\
        COMP_WORDS=(martletctl send ba) COMP_CWORD=2 COMP_TYPE=9\n\
        _clap_complete_martletctl martletctl ba send\n\
        printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let child = Command::new("bash")
        .args(["--noprofile", "--norc", "-c", script])
        .env_clear()
        .env("PATH", directory)
        .env("MARTLET_SOCKET", fake.socket())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(child) = child else {
        println!("skipped: there is no bash");
        return;
    };
    let ran = finish(child);
    assert_eq!(ran.out, "barbara\\ \\&\\ co\n", "{ran:?}");
}
