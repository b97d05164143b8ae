//! Whole networks of daemon processes: split and healed, killed and restarted, idle; on loopback,
//! and where this is root (and may) in network namespaces, with mDNS and behind NATs.

mod churn;
mod idle_lan;
mod ipv6;
mod links;
mod names;
mod nat;
mod netns;
mod split;
mod traffic;
mod watching;

use std::io::Write;

use martlet_testnet::cluster::{Cluster, ClusterError, LanError};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn cluster() -> Result<Cluster, ClusterError> {
    Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))
}

/// Of a test that failed, leaves the nodes' data and logs, and says where.
fn keep_if_failed(mut cluster: Cluster, outcome: TestResult) -> TestResult {
    outcome.map_err(|error| {
        cluster.keep();
        format!("{error}; logs and databases are in {}", cluster.path().display()).into()
    })
}

/// A network of namespaces, or else the reason why not is printed.
fn or_skip<T>(made: Result<T, LanError>) -> Option<T> {
    made.inspect_err(|error| say(&format!("SKIPPED, this test could not be run: {error}"))).ok()
}

/// Prints a line, though the test passes: what was measured or skipped should be seen.
fn say(line: &str) {
    // Standard error may be closed; then nobody reads it.
    let _ = writeln!(std::io::stderr(), "{line}");
}
