//! The reference has every key, and no others.

use std::collections::BTreeSet;

use super::plan;
use super::refused::all_refused;

/// The keys that the reader knows in the table which `start` opens.
fn keys_of_table(start: &str) -> BTreeSet<String> {
    listed(&format!("{start}zzz = 1\n"))
}

/// What there is, as the message lists it for which `zzz` is something else.
fn listed(text: &str) -> BTreeSet<String> {
    let all = all_refused(text);
    let list = all.iter().find_map(|(_, _, message)| message.split_once("here are: "));
    list.unwrap_or_else(|| panic!("{all:?}")).1.split(", ").map(str::to_owned).collect()
}

/// What the first column of a table of the reference has that is headed `column`, below the heading
/// `section`.
fn documented(reference: &str, section: &str, column: &str) -> BTreeSet<String> {
    let start =
        reference.find(&format!("\n### {section}\n")).unwrap_or_else(|| panic!("no {section}"));
    let text = &reference[start + 5..];
    let text = &text[..text.find("\n### ").unwrap_or(text.len())];
    let table =
        &text[text.find(&format!("\n| {column} |")).unwrap_or_else(|| panic!("no {column}")) + 1..];
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect()
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let reference = include_str!("../../../../docs/scenarios.md");
    let tables = [
        ("The file", ""),
        ("`[network]`", "[network]\n"),
        ("`[settings]`", "[settings]\n"),
        ("`[settings.gossip]`", "[settings.gossip]\n"),
        ("`[settings.costs]`", "[settings.costs]\n"),
        ("`[[nodes]]`", "[[nodes]]\n"),
        ("`[topology]`", "[topology]\n"),
        ("`[links]`", "[links]\n"),
        ("`[links.bridges]`", "[links.bridges]\n"),
        ("`[[links.between]]`", "[[links.between]]\n"),
        ("`[[contacts]]`", "[[contacts]]\n"),
        ("`[[rooms]]`", "[[rooms]]\n"),
        ("`[[traffic]]`", "[[traffic]]\n"),
        ("`[[files]]`", "[[files]]\n"),
        ("`[[events]]`", "[[events]]\n"),
        ("`[expect]`", "[expect]\n"),
    ];
    for (heading, start) in tables {
        assert_eq!(documented(reference, heading, "key"), keys_of_table(start), "{heading}");
    }
    assert_eq!(
        documented(reference, "`[topology]`", "kind"),
        listed("[topology]\nkind = \"zzz\"\n")
    );
    assert_eq!(documented(reference, "`[[events]]`", "do"), listed("[[events]]\ndo = \"zzz\"\n"));
}

#[test]
fn the_example_of_the_reference_is_right() {
    let reference = include_str!("../../../../docs/scenarios.md");
    let start = reference.find("```toml\n").unwrap() + "```toml\n".len();
    let text = &reference[start..][..reference[start..].find("```").unwrap()];
    assert!(plan(text).messages.len() > 10);
}
