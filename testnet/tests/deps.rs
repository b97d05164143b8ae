//! Which way dependencies run, and the floors below which known weaknesses lie.

use std::collections::BTreeMap;
use std::process::Command;

type TestResult = Result<(), Box<dyn std::error::Error>>;
type Version = (u64, u64, u64);

/// All that `package` needs to run, by name, with the lowest version found of each.
fn tree(package: &str) -> Result<BTreeMap<String, Version>, Box<dyn std::error::Error>> {
    tree_with(package, &[])
}

fn tree_with(
    package: &str,
    options: &[&str],
) -> Result<BTreeMap<String, Version>, Box<dyn std::error::Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}", "--package", package])
        .args(options)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "cargo tree: {error}");
    let mut packages = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(text)) = (words.next(), words.next()) else { continue };
        let version = version(text).ok_or_else(|| format!("cargo tree printed {line:?}"))?;
        let lowest = packages.entry(name.to_owned()).or_insert(version);
        *lowest = version.min(*lowest);
    }
    assert!(packages.contains_key(package), "cargo tree did not print {package}");
    Ok(packages)
}

/// `v1.2.3-rc.1+build` as numbers.
fn version(text: &str) -> Option<Version> {
    let mut numbers = text.strip_prefix('v')?.split(['-', '+']).next()?.split('.');
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?, number()?))
}

fn assert_without(package: &str, forbidden: &[&str]) -> TestResult {
    let packages = tree(package)?;
    for name in forbidden {
        let found: Vec<&String> =
            packages.keys().filter(|found| found == name || is_part_of(found, name)).collect();
        assert!(found.is_empty(), "{package} depends on {found:?}");
    }
    Ok(())
}

/// libp2p is many packages.
fn is_part_of(found: &str, name: &str) -> bool {
    name == "libp2p" && found.starts_with("libp2p-")
}

#[test]
fn the_protocol_is_pure() -> TestResult {
    let others = ["tokio", "async-std", "libp2p", "redb", "axum", "hyper", "rustix"];
    assert_without("martlet-protocol", &others)?;
    assert_without("martlet-protocol", &["martlet-store", "martletd", "martletctl"])
}

#[test]
fn the_store_knows_no_network_and_no_runtime() -> TestResult {
    assert_without("martlet-store", &["tokio", "libp2p", "axum", "hyper"])?;
    assert_without("martlet-store", &["martletd", "martletctl", "martlet-testnet"])
}

/// Network and runtime are the engine's host's.
#[test]
fn the_engine_knows_no_network_no_runtime_and_no_clock() -> TestResult {
    assert_without("martlet-engine", &["tokio", "futures", "libp2p", "axum", "hyper", "rustix"])?;
    assert_without("martlet-engine", &["martletd", "martletctl", "martlet-testnet"])
}

#[test]
fn the_client_knows_no_network_and_no_database() -> TestResult {
    assert_without("martletctl", &["libp2p", "redb"])?;
    assert_without(
        "martletctl",
        &["martlet-store", "martlet-engine", "martletd", "martlet-testnet"],
    )
}

#[test]
fn the_daemon_knows_no_client() -> TestResult {
    assert_without("martletd", &["martletctl", "martlet-testnet", "reqwest", "openssl"])
}

/// `deny.toml` lets their tests have these, so it can't see to it.
#[test]
fn only_tests_look_into_databases_and_encodings() -> TestResult {
    let of_its_own = ["--depth", "1"];
    assert!(!tree_with("martletd", &of_its_own)?.contains_key("redb"));
    assert!(!tree_with("martlet-testnet", &of_its_own)?.contains_key("serde_cbor_2"));
    assert!(tree_with("martlet-store", &of_its_own)?.contains_key("redb"));
    Ok(())
}

/// Fixes of weaknesses that the RustSec database doesn't list.
#[test]
fn versions_are_above_their_floors() -> TestResult {
    let packages = tree("martletd")?;
    for (name, floor) in
        [("libp2p", (0, 57, 1)), ("libp2p-gossipsub", (0, 50, 1)), ("quinn-proto", (0, 11, 15))]
    {
        let found = packages.get(name).ok_or_else(|| format!("{name} is not used"))?;
        assert!(*found >= floor, "{name} is {found:?}, at least {floor:?} is needed");
    }
    // The original codec is unmaintained (RUSTSEC-2021-0127); the fork is used under its name.
    assert!(!packages.contains_key("serde_cbor"));
    Ok(())
}
