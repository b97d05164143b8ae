//! Tests of what is exposed: its form, and that documentation, dashboard and alerts agree with it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Metrics;

const PAGE: &str = include_str!("../../../docs/operations.md");
const DASHBOARD: &str = include_str!("../../../packaging/grafana/martlet.json");
const ALERTS: &str = include_str!("../../../packaging/prometheus/martlet-alerts.yml");

/// Labels and their values.
type Labels = BTreeMap<String, BTreeSet<String>>;

/// One metric, under the name that queries use (a histogram's without `_bucket`).
#[derive(Debug, Default, PartialEq, Eq)]
struct Family {
    kind: String,
    help: String,
    labels: Labels,
}

/// What is exposed, checked for its form (Prometheus' text format, version 0.0.4).
fn exposed() -> BTreeMap<String, Family> {
    let text = Metrics::new().encode();
    assert!(text.ends_with('\n'));
    let mut families = BTreeMap::<String, Family>::new();
    let (mut name, mut family) = (String::new(), Family::default());
    let mut series = BTreeSet::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            add(&mut families, &name, std::mem::take(&mut family));
            let (of, help) = help.split_once(' ').expect("help");
            (name, family.help) = (of.to_owned(), help.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            family.kind = kind.strip_prefix(&format!("{name} ")).expect(line).to_owned();
        } else {
            let (what, value) = line.rsplit_once(' ').expect(line);
            value.parse::<f64>().expect(line);
            assert!(series.insert(what.to_owned()), "{what} twice");
            let (sample, labels) = match what.split_once('{') {
                Some((sample, labels)) => (sample, labels.strip_suffix('}').expect(line)),
                None => (what, ""),
            };
            let suffix = sample.strip_prefix(name.as_str()).expect(line);
            let suffixes: &[&str] = match family.kind.as_str() {
                "counter" | "gauge" => &[""],
                "histogram" => &["_sum", "_count", "_bucket"],
                other => panic!("{name}: {other}"),
            };
            assert!(suffixes.contains(&suffix), "{line}");
            for (key, value) in matchers(labels).into_iter().filter(|(key, _)| key != "le") {
                family.labels.entry(key).or_default().insert(value);
            }
        }
    }
    add(&mut families, &name, family);
    families
}

fn add(families: &mut BTreeMap<String, Family>, name: &str, family: Family) {
    if name.is_empty() {
        return;
    }
    assert!(families.insert(name.to_owned(), family).is_none(), "{name} twice");
}

/// `a="b",c=~"d"` as pairs; values have no commas.
fn matchers(text: &str) -> Vec<(String, String)> {
    text.split(',')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or_else(|| panic!("{pair}"));
            (key.to_owned(), value.trim_start_matches('~').trim_matches('"').to_owned())
        })
        .collect()
}

/// The names in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn names_helps_and_units_have_the_form_that_prometheus_asks_for() {
    let exposed = exposed();
    assert!(exposed.len() > 40);
    for (name, family) in &exposed {
        let is_ours = name.starts_with("martlet_") || name.starts_with("process_");
        assert!(is_ours && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()), "{name}");
        assert!(family.help.ends_with('.') && !family.help.ends_with(".."), "{}", family.help);
        let base = name.trim_end_matches("_total");
        for unit in ["bytes", "seconds"] {
            assert_eq!(base.contains(unit), base.ends_with(&format!("_{unit}")), "{name}");
        }
        for word in ["_ms", "_millis", "_kib", "_mib", "duration_total"] {
            assert!(!name.ends_with(word), "{name}: base units are bytes and seconds");
        }
        assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
        // A query by name and label can't be ambiguous with a part of a histogram.
        for suffix in ["_sum", "_count", "_bucket"] {
            assert!(!name.ends_with(suffix), "{name}");
        }
    }
}

#[test]
fn the_operations_page_lists_exactly_what_is_exposed() {
    let table = PAGE.split("| metric | type | labels | is |").nth(1).expect("a table");
    let table = table.split("\n\n").next().expect("an end of the table");
    let mut documented = BTreeMap::new();
    for row in table.lines().skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').splitn(4, '|').map(str::trim).collect();
        let name = quoted(cells[0])[0];
        let labels: Labels = cells[2]
            .split(';')
            .filter(|label| !label.is_empty())
            .map(|label| {
                let (key, values) = label.split_once([':', ',']).unwrap_or((label, ""));
                let values = quoted(values).into_iter().map(str::to_owned).collect();
                (quoted(key)[0].to_owned(), values)
            })
            .collect();
        assert!(documented.insert(name, (cells[1], labels)).is_none(), "{name} twice");
    }
    // Said in words: the version, and that a queue's limit has the queue's labels.
    let mut exposed = exposed();
    for (name, label) in [("martlet_build_info", "version"), ("martlet_queue_limit", "queue")] {
        let family = exposed.get_mut(name).expect(name);
        family.labels.get_mut(label).expect(label).clear();
    }
    let exposed: BTreeMap<&str, (&str, Labels)> = exposed
        .iter()
        .map(|(name, family)| (name.as_str(), (family.kind.as_str(), family.labels.clone())))
        .collect();
    assert_eq!(documented, exposed);
}

/// Checks that an expression asks only for metrics, labels and values that there are. Returns the
/// metrics.
fn check_expression(expression: &str, exposed: &BTreeMap<String, Family>) -> BTreeSet<String> {
    let is_name = |c: char| c == '_' || c.is_ascii_lowercase();
    let mut used = BTreeSet::new();
    let mut rest = expression;
    while let Some(at) = ["martlet_", "process_"].iter().filter_map(|p| rest.find(p)).min() {
        rest = &rest[at..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (found, after) = rest.split_at(end);
        rest = after;
        let suffix = ["_bucket", "_count", "_sum"].into_iter().find(|s| found.ends_with(s));
        let name = found.trim_end_matches(suffix.unwrap_or(""));
        let family = exposed.get(name).unwrap_or_else(|| panic!("{found}: {expression}"));
        assert_eq!(family.kind == "histogram", suffix.is_some(), "{found}: {expression}");
        if let Some(labels) = after.strip_prefix('{').and_then(|after| after.split('}').next()) {
            for (key, values) in matchers(labels) {
                if key == "instance" || key == "job" {
                    continue;
                }
                let known = family.labels.get(&key);
                let known = known.unwrap_or_else(|| panic!("{key} of {found}: {expression}"));
                for value in values.split('|') {
                    assert!(known.contains(value), "{key}={value}: {expression}");
                }
            }
        }
        used.insert(name.to_owned());
    }
    let count = |c| expression.matches(c).count();
    assert_eq!((count('('), count('{'), count('[')), (count(')'), count('}'), count(']')));
    used
}

#[test]
fn the_dashboard_is_valid_and_shows_every_metric() {
    let exposed = exposed();
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    for (key, is_right) in [
        ("title", dashboard["title"] == "Martlet"),
        ("uid", dashboard["uid"] == "martlet"),
        ("id", dashboard["id"].is_null()),
        ("schemaVersion", dashboard["schemaVersion"].as_u64() >= Some(36)),
    ] {
        assert!(is_right, "{key}");
    }
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<_> = variables.iter().map(|variable| variable["name"].as_str()).collect();
    assert_eq!(names, [Some("datasource"), Some("job"), Some("instance")]);
    let mut used = BTreeSet::new();
    for query in variables.iter().filter_map(|variable| variable["definition"].as_str()) {
        used.extend(check_expression(query, &exposed));
    }
    for note in dashboard["annotations"]["list"].as_array().expect("annotations") {
        used.extend(check_expression(note["expr"].as_str().expect("an expression"), &exposed));
    }
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title}");
        let place = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
        for (x, y) in (0..place("w")).flat_map(|x| (0..place("h")).map(move |y| (x, y))) {
            let (x, y) = (x + place("x"), y + place("y"));
            assert!(x < 24 && cells.insert((x, y)), "{title} lies on another panel");
        }
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{title}");
        let mut references = BTreeSet::new();
        for target in targets {
            assert!(references.insert(target["refId"].as_str().expect("a reference")), "{title}");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let found = check_expression(target["expr"].as_str().expect("a query"), &exposed);
            assert!(!found.is_empty(), "{title}");
            used.extend(found);
        }
    }
    let missing: Vec<&String> = exposed.keys().filter(|name| !used.contains(*name)).collect();
    assert_eq!(missing, Vec::<&String>::new(), "not on the dashboard");
}

#[test]
fn the_alerts_ask_for_what_is_exposed() {
    let exposed = exposed();
    // YAML: an expression is what follows its key, or the more indented lines after it.
    let mut lines = ALERTS.lines().peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let Some(expression) = line.strip_prefix("        expr: ") else { continue };
        let mut expression = expression.trim_start_matches(">-").to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with("          ")) {
            expression.push_str(more.trim_start());
        }
        let used = check_expression(&expression, &exposed);
        assert!(!used.is_empty() || expression.starts_with("up{"), "{expression}");
        count += 1;
    }
    assert_eq!(count, ALERTS.matches("- alert: Martlet").count());
    assert_eq!(count, ALERTS.matches("severity: ").count());
    assert_eq!(count, ALERTS.matches("summary: ").count());
}
