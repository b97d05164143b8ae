//! Tells the program which commit it was built from, for the reports it writes.

use std::path::Path;
use std::process::Command;

/// Sources of what the program is made of. The program is compiled anew when they change in any case.
const PARTS: [&str; 5] = ["protocol", "store", "daemon", "ctl", "testnet"];

fn main() {
    println!("cargo::rerun-if-env-changed=MARTLET_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    // Who builds from sources without their history may say which they are.
    let given = std::env::var("MARTLET_COMMIT").ok().filter(|commit| !commit.is_empty());
    if let Some(commit) = given.or_else(of_git) {
        println!("cargo::rustc-env=MARTLET_BUILT_FROM={commit}");
    }
}

/// The commit, and whether files that are built differ from it.
fn of_git() -> Option<String> {
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // Written by each commit and checkout. (Not the index, which `git status` writes.)
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    let sources = PARTS.map(|part| format!("../{part}/src"));
    for path in sources.iter().chain([&log]).filter(|path| Path::new(path).exists()) {
        println!("cargo::rerun-if-changed={path}");
    }
    let changes = git(&["status", "--porcelain", "--untracked-files=no", "--", ".."])?;
    Some(if changes.is_empty() { commit } else { format!("{commit}-changed") })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
