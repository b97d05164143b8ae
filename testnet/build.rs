//! Tells the program what it was built from, for the reports it writes.
//!
//! A release build is told its commit, and so is compiled anew after each one. A build for development is told a fingerprint
//! of its sources instead, which a commit doesn't change. It asks for the commit when it writes a report.

#[path = "src/report/origin/sources.rs"]
mod sources;

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=MARTLET_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    // Who builds from sources without their history may say which they are.
    let given = std::env::var("MARTLET_COMMIT").ok().filter(|commit| !commit.is_empty());
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    for path in sources::PARTS.map(|part| root.join(part)).iter().filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    if let Some(commit) = given.or_else(|| is_release.then(|| checked_out(&root)).flatten()) {
        println!("cargo::rustc-env=MARTLET_BUILT_FROM={commit}");
    } else if let Ok(fingerprint) = sources::fingerprint(&root)
        && !is_release
    {
        println!("cargo::rustc-env=MARTLET_SOURCES={fingerprint:x}");
    }
}

fn checked_out(root: &Path) -> Option<String> {
    // Written by each commit and checkout. (Not the index, which `git status` writes.)
    let log =
        sources::git(root, &["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    sources::commit(root)
}
