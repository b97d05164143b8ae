//! YAML, as values in the order of their writing. What makes text of them is a library: it alone
//! knows what must be quoted.

use yaml_serde::{Mapping, Value};

use super::ExportError;

/// A mapping.
pub(super) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Mapping(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// A mapping whose keys are made.
pub(super) fn map_of(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    let entries = entries.into_iter().map(|(key, value)| (Value::from(key), value));
    Value::Mapping(entries.collect::<Mapping>())
}

/// A sequence.
pub(super) fn list<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::Sequence(items.into_iter().map(Into::into).collect())
}

/// Documents, one after the other, below a comment.
pub(super) fn text(comment: &str, documents: &[Value]) -> Result<String, ExportError> {
    let mut text: String = comment.lines().map(|line| format!("# {line}\n")).collect();
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        let written = yaml_serde::to_string(document);
        text.push_str(&written.map_err(|error| ExportError::Text(error.to_string()))?);
    }
    Ok(text)
}
