//! `docs/control-api.md` says what the code does.

use std::collections::BTreeSet;

use martlet_protocol::control::{ErrorCode, EventBody};

const PAGE: &str = include_str!("../../../docs/control-api.md");
const CONTROL: &str = include_str!("../../../protocol/src/control.rs");

/// The names in backticks at the start of table rows, with `prefix` before the row.
fn endpoints(text: &str, prefix: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix(prefix)?.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.contains(" /v1/"))
        .map(str::to_owned)
        .collect()
}

/// All variants' names, as the decoder lists them when it is given another.
fn variants(error: &serde_json::Error) -> BTreeSet<String> {
    error.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_endpoints_are_those_of_the_protocol() {
    let expected = endpoints(CONTROL, "//! ");
    assert!(expected.len() > 20);
    assert_eq!(endpoints(PAGE, ""), expected);
}

#[test]
fn every_error_code_is_listed_with_its_status() {
    let error = serde_json::from_str::<ErrorCode>("\"x\"").unwrap_err();
    let mut expected = variants(&error);
    assert!(expected.len() > 20, "{error}");
    let table = PAGE.split("| code | status | |").nth(1).unwrap();
    let table = table.split("\n\n").next().unwrap();
    for row in table.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for pair in cells.windows(2) {
            let Ok(status) = pair[1].parse::<u16>() else { continue };
            let name = pair[0].split('`').nth(1).unwrap();
            let code: ErrorCode = serde_json::from_str(&format!("\"{name}\"")).unwrap();
            assert_eq!(code.status(), status, "{name}");
            assert!(expected.remove(name), "{name} twice");
        }
    }
    assert!(expected.is_empty(), "not in the page: {expected:?}");
}

#[test]
fn every_event_is_listed() {
    let error = serde_json::from_str::<EventBody>("{\"type\":\"x\"}").unwrap_err();
    let expected = variants(&error);
    assert!(expected.len() > 5, "{error}");
    let rows = PAGE.split("| type | fields |").nth(1).unwrap();
    let rows = rows.split("\n\n").next().unwrap();
    let listed: BTreeSet<String> = rows
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned()))
        .collect();
    assert_eq!(listed, expected);
}
