//! YAML, as values in the order of their writing. What makes text of them is a library: it alone
//! knows what must be quoted, also for readers of YAML 1.1, to which `no`, `on` and `y` are no texts.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Number;

use super::ExportError;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Truth(bool),
    Number(Number),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Truth(truth) => serializer.serialize_bool(*truth),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

macro_rules! from_numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Self {
                Self::Number(number.into())
            }
        }
    )*};
}

from_numbers!(u16, i32, u32, u64, usize);

/// A mapping.
pub(super) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A mapping whose keys are made.
pub(super) fn map_of(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Map(entries.into_iter().collect())
}

/// A sequence.
pub(super) fn list<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::List(items.into_iter().map(Into::into).collect())
}

/// Documents, one after the other, below a comment.
pub(super) fn text(comment: &str, documents: &[Value]) -> Result<String, ExportError> {
    let mut text: String = comment.lines().map(|line| format!("# {line}\n")).collect();
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        // Long texts stay on one line: arguments are looked for in these files.
        let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
        serde_saphyr::to_fmt_writer_with_options(&mut text, document, options)
            .map_err(|error| ExportError::Text(error.to_string()))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A node named `no` was written plain, and PyYAML read the name of its service as `False`.
    #[test]
    fn what_yaml_1_1_takes_for_something_else_is_quoted_as_a_key_and_as_a_value() {
        let words = [
            "y",
            "Y",
            "n",
            "N",
            "yes",
            "Yes",
            "YES",
            "no",
            "No",
            "NO",
            "on",
            "On",
            "ON",
            "off",
            "Off",
            "OFF",
            "true",
            "True",
            "false",
            "null",
            "Null",
            "~",
            "",
            "22:22",
            "1_000",
            "012",
            "0x1f",
            "0b11",
            "1e3",
            ".inf",
            ".nan",
            "=",
            "<<",
            "2001-01-01",
        ];
        for word in words {
            let written = text("", &[map_of([(word.to_owned(), list([word]))])]).unwrap();
            assert_eq!(written, format!("\"{word}\":\n- \"{word}\"\n"));
        }
        for word in ["nope", "only", "office", "n1", "no-1", "/data", "0.0.0.0:4180", "20s"] {
            let written = text("", &[list([word])]).unwrap();
            assert_eq!(written, format!("- {word}\n"));
        }
    }

    #[test]
    fn documents_are_parted_and_long_texts_stay_on_a_line() {
        let long = "word ".repeat(40);
        let long = long.trim_end();
        let documents = [map([("a", long.into()), ("b", map([]))]), map([("count", 0.into())])];
        let written = text("About.\nIt.", &documents).unwrap();
        assert_eq!(written, format!("# About.\n# It.\na: {long}\nb: {{}}\n---\ncount: 0\n"));
    }
}
