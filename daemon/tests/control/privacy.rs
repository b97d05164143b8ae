//! The report on privacy, of real daemons with other settings.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::Client;
use crate::daemon::Daemon;

fn report(client: &mut Client) -> Value {
    let response = client.get("/v1/privacy");
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

fn codes(client: &mut Client) -> BTreeSet<String> {
    let report = report(client);
    let sections = report["sections"].as_array().unwrap();
    let statements = sections.iter().flat_map(|it| it["statements"].as_array().unwrap());
    statements.map(|it| it["code"].as_str().unwrap().to_owned()).collect()
}

/// That these are said, and those are not.
fn assert_said(client: &mut Client, said: &[&str], not: &[&str]) {
    let codes = codes(client);
    for code in said {
        assert!(codes.contains(*code), "{code} is missing: {codes:?}");
    }
    for code in not {
        assert!(!codes.contains(*code), "{code} is said: {codes:?}");
    }
}

#[test]
fn the_report_follows_the_configuration_and_the_databases() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    assert_said(&mut client, &["no-identity", "no-mdns", "open", "lan-only"], &["fast", "keys"]);

    let made = client.call("POST", "/v1/identity", &json!({ "name": "Ann" }));
    assert!(made.is_success(), "{made:?}");
    let before = ["no-passphrase", "fast", "receipts", "typing", "no-timers", "name-offered"];
    assert_said(&mut client, &before, &["mixed", "passphrase", "timers"]);
    assert_eq!(report(&mut client)["vault"]["records"]["messages"], 0);

    // Settings of the vault.
    client.call("POST", "/v1/notes", &json!({ "text": "a note" }));
    client.call("PATCH", "/v1/settings", &json!({ "receipts": false, "typing": false }));
    assert_said(&mut client, &["no-receipts", "no-typing"], &["receipts", "typing"]);
    assert_eq!(report(&mut client)["vault"]["records"]["messages"], 1);
    client.call("POST", "/v1/passphrase", &json!({ "old": null, "new": "one" }));
    assert_said(&mut client, &["passphrase", "no-auto-lock"], &["no-passphrase", "auto-lock"]);
    client.call("POST", "/v1/lock", &json!({}));
    assert_said(&mut client, &["locked", "contact-locked"], &["keys", "unlocked", "no-receipts"]);
    assert_eq!(report(&mut client)["vault"], Value::Null);
    drop(client);
    daemon.signal(Signal::TERM);
    let (_, home) = daemon.wait();

    // The network's descriptor and the configuration.
    let descriptor = "name = \"far\"\nlan_only = false\nprivacy = \"mixed\"\nshard_bits = 4\n";
    fs::write(home.path().join("far.toml"), descriptor).unwrap();
    fs::write(home.path().join("passphrase"), "one\n").unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    let (network, passphrase) = (path("far.toml"), path("passphrase"));
    let options = [
        "--network",
        &network,
        "--passphrase-file",
        &passphrase,
        "--auto-lock",
        "15m",
        "--metrics-listen",
        "127.0.0.1:0",
        "--log",
        "debug",
        "--relay-server",
        "true",
    ];
    let daemon = Daemon::start_in(home, &options);
    let mut client = daemon.connect();
    let after = [
        "unlocked",
        "opened-at-start",
        "auto-lock",
        "mixed",
        "delivery-mixed",
        "discovery",
        "relay-server",
        "relays-unused",
        "shards",
        "role-full-shards",
        "metrics",
        "log-other",
        "no-receipts",
    ];
    let not =
        ["fast", "delivery-fast", "lan-only", "no-shards", "log-usual", "no-auto-lock", "locked"];
    assert_said(&mut client, &after, &not);
    assert_eq!(report(&mut client)["others"]["shards"]["total"], 16);
}
