//! The figures in the JSON object that a build prints.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bench::limits::FIGURES_MAX;

/// What an element of an array is told from the others by.
const TOLD_BY: [&str; 3] = ["envelopes_per_s", "nodes", "size"];

/// All numbers in the object that is the last line of `output`, by their paths: `latency_ms.p50`, or, in an array,
/// `network.idle[100].rss_mib_per_node`.
pub(super) fn read(output: &[u8]) -> Option<BTreeMap<String, f64>> {
    let text = std::str::from_utf8(output).ok()?;
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    let object: serde_json::Map<String, Value> = serde_json::from_str(line).ok()?;
    let mut figures = BTreeMap::new();
    walk(&mut figures, "", &Value::Object(object));
    Some(figures)
}

// Its depth is bounded by serde_json, which reads 128 levels.
fn walk(figures: &mut BTreeMap<String, f64>, path: &str, value: &Value) {
    match value {
        Value::Number(number) => {
            if let Some(number) = number.as_f64().filter(|_| figures.len() < FIGURES_MAX) {
                figures.insert(path.to_owned(), number);
            }
        }
        Value::Object(object) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(figures, &path, value);
            }
        }
        Value::Array(elements) => {
            for (at, element) in elements.iter().enumerate() {
                let mut element = element.clone();
                let told_by = element.as_object_mut().and_then(|object| {
                    TOLD_BY.iter().find_map(|key| object.remove(*key)).filter(Value::is_number)
                });
                let told_by = told_by.map_or_else(|| at.to_string(), |value| value.to_string());
                walk(figures, &format!("{path}[{told_by}]"), &element);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_paths_of_their_keys_and_of_what_tells_elements_apart() {
        let output = br#"{"quick":true,"ready_s":0.5,"network":{"nodes":10,
"idle":[{"nodes":100,"rss":2.5}],"plain":[7]}}"#;
        let output: Vec<u8> = output.iter().copied().filter(|byte| *byte != b'\n').collect();
        let figures = read(&[b"something else\n", &output[..], b"\n\n"].concat());
        let expected = [
            ("network.idle[100].rss", 2.5),
            ("network.nodes", 10.0),
            ("network.plain[0]", 7.0),
            ("ready_s", 0.5),
        ];
        let expected = expected.map(|(path, value)| (path.to_owned(), value));
        assert_eq!(figures, Some(BTreeMap::from(expected)));
        for none in [&b""[..], b"7", b"[]", b"{", b"\xff", b"{}\nnothing"] {
            assert_eq!(read(none), None);
        }
    }
}
