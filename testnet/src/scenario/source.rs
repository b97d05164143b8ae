//! The text of a scenario, and where in it a key is.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use martlet_protocol::nearest::nearest;

use super::error::{Fault, ScenarioError};

/// A scenario's text.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    file: String,
    text: String,
}

impl Source {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        Self { file: file.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The keys that the table `key` has, in order of the alphabet.
    pub(crate) fn keys_of(&self, key: &str) -> Vec<String> {
        let root = DeTable::parse_recoverable(&self.text).0;
        let table = find(root.get_ref(), key).and_then(|(_, value)| value?.get_ref().as_table());
        table.map_or_else(Vec::new, |table| table.keys().map(|key| key.to_string()).collect())
    }

    /// Tells the file and the line of a fault: of the innermost table that is there, where its key
    /// is missing.
    pub(crate) fn locate(&self, fault: Fault) -> ScenarioError {
        let Fault { key, message } = fault;
        let root = DeTable::parse_recoverable(&self.text).0;
        let mut present = key.as_str();
        let line = loop {
            if let Some((span, _)) = find(root.get_ref(), present) {
                break self.line(span.start);
            }
            match present.rfind(['.', '[']) {
                Some(end) => present = &present[..end],
                None => break 1,
            }
        };
        ScenarioError::Wrong { file: self.file.clone(), line, key, message }
    }

    /// The same for what the TOML reader found.
    pub(crate) fn locate_toml(&self, error: &toml::de::Error) -> ScenarioError {
        let offset = error.span().map_or(0, |span| span.start);
        let line = self.line(offset);
        let message = error.message().trim().replace('\n', ", ");
        let Ok(root) = DeTable::parse(&self.text) else {
            return ScenarioError::NotToml { file: self.file.clone(), line, message };
        };
        // What the whole file lacks is told of all of it.
        let of_all = error.span() == Some(root.span());
        let key = if of_all { None } else { key_at(root.get_ref(), offset) };
        let key = key.unwrap_or_default();
        let (key, message) = explain(key, &message);
        ScenarioError::Wrong { file: self.file.clone(), line, key, message }
    }

    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }
}

/// What the reader found, in words for who wrote the file.
fn explain(key: String, message: &str) -> (String, String) {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let (true, Some((wrong, known))) =
        (message.starts_with("unknown field"), words.split_first())
    {
        let known = known.to_vec();
        return (key, format!("there is no such key; {}", advise(wrong, &known)));
    }
    if let (true, Some((wrong, known))) =
        (message.starts_with("unknown variant"), words.split_first())
    {
        let known = known.to_vec();
        return (key, format!("there is no {wrong:?} here; {}", advise(wrong, &known)));
    }
    if let (true, Some(missing)) = (message.starts_with("missing field"), words.first()) {
        let whole = if key.is_empty() { (*missing).to_owned() } else { format!("{key}.{missing}") };
        return (whole, "it is missing; add it".to_owned());
    }
    let plain = ["usize", "u64", "u32", "u16", "u8"]
        .iter()
        .find_map(|number| message.strip_suffix(&format!("expected {number}")))
        .map(|start| format!("{start}expected a whole number, not negative and not huge"));
    let message = plain.unwrap_or_else(|| message.to_owned());
    // A table of a list, written as a single one.
    let message = match message.strip_suffix("expected a sequence") {
        Some(start) => format!("{start}expected a list; of tables, write [[{key}]]"),
        None => message,
    };
    let key = if key.is_empty() { "the file".to_owned() } else { key };
    (key, message)
}

/// "use kind, degree or rewire", and which of them was meant.
pub(crate) fn advise(wrong: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(wrong, known.iter().copied()) {
        Some(word) => format!("did you mean {word}? There are: {list}"),
        None => format!("there are: {list}"),
    }
}

/// The span of `key`, such as `events[2].at`, and its value; of the value alone in a list.
fn find<'a, 't>(
    root: &'a DeTable<'t>,
    key: &str,
) -> Option<(Range<usize>, Option<&'a Spanned<DeValue<'t>>>)> {
    let mut table = Some(root);
    let mut found = None;
    for part in key.split('.') {
        let mut steps = part.split('[');
        let (name, value) = table?.get_key_value(steps.next()?)?;
        let mut span = name.span();
        let mut value = value;
        for step in steps {
            let index: usize = step.strip_suffix(']')?.parse().ok()?;
            value = value.get_ref().as_array()?.get(index)?;
            span = value.span();
        }
        table = value.get_ref().as_table();
        found = Some((span, Some(value)));
    }
    found
}

/// The innermost key whose name or value is at `offset`.
fn key_at(table: &DeTable<'_>, offset: usize) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let here = name.get_ref();
        if name.span().contains(&offset) {
            return Some(here.to_string());
        }
        within(value, offset).map(|rest| format!("{here}{rest}"))
    })
}

/// What comes after a value's own key.
fn within(value: &Spanned<DeValue<'_>>, offset: usize) -> Option<String> {
    let inner = match value.get_ref() {
        DeValue::Table(table) => key_at(table, offset).map(|key| format!(".{key}")),
        DeValue::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| within(item, offset).map(|rest| format!("[{index}]{rest}"))),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => None,
    };
    inner.or_else(|| value.span().contains(&offset).then(String::new))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const TEXT: &str = "a = 1\n\n[b]\nc = [1,\n  2]\n\n[[d]]\ne = 1\n[[d]]\ne = 2\nf = { g = 3 }\n";

    fn line_of(key: &str) -> usize {
        match Source::new("x.toml", TEXT).locate(Fault::new(key, "")) {
            ScenarioError::Wrong { line, .. } => line,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_key_is_found_by_its_path() {
        let cases = [
            ("a", 1),
            ("b", 3),
            ("b.c", 4),
            ("b.c[1]", 5),
            ("d[0].e", 8),
            ("d[1]", 9),
            ("d[1].e", 10),
            ("d[1].f.g", 11),
        ];
        for (key, line) in cases {
            assert_eq!(line_of(key), line, "{key}");
        }
        // Where the key is missing, it is its table.
        for (key, line) in [("b.x", 3), ("d[1].x", 9), ("x", 1), ("d[7].e", 7)] {
            assert_eq!(line_of(key), line, "{key}");
        }
    }

    #[test]
    fn a_path_is_found_by_a_place() {
        let root = DeTable::parse(TEXT).unwrap();
        for (found, key) in [("e = 2", "d[1].e"), ("2]", "b.c[1]"), ("3 }", "d[1].f.g")] {
            let offset = TEXT.find(found).unwrap();
            assert_eq!(key_at(root.get_ref(), offset).as_deref(), Some(key));
        }
    }

    #[test]
    fn the_nearest_word_is_proposed() {
        assert_eq!(
            advise("degre", &["kind", "degree"]),
            "did you mean degree? There are: kind, degree"
        );
        assert_eq!(advise("xyz", &["kind", "degree"]), "there are: kind, degree");
    }
}
