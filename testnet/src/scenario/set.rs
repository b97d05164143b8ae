//! Single values of a scenario, given otherwise than its file does: `--set links.latency=80ms`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// A key of a scenario, and the value that it has instead of the file's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The key, such as `links.latency` or `events[0].at`.
    pub key: String,
    /// The value: a number, a list, or a text with or without quotes.
    pub value: String,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || value.is_empty() {
            return Err("give a key and a value, such as links.latency=80ms".to_owned());
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

impl Setting {
    /// Puts the value in its place; tables that are missing are made.
    ///
    /// # Errors
    ///
    /// Why there is no such place.
    pub(super) fn apply(&self, root: &mut Table) -> Result<(), String> {
        // What it names is read with the file, and would not be.
        if self.key == "topology.file" {
            return Err("the list of edges is the file's; change the file".to_owned());
        }
        let mut steps = steps(&self.key).ok_or("this is no key; keys are as events[0].at")?;
        let last = steps.pop().ok_or("there is no key")?;
        let mut place = Place::Table(root);
        for step in steps {
            place = place.below(step)?;
        }
        place.put(last, self.read())
    }

    /// The value as TOML; what isn't TOML is a text.
    fn read(&self) -> Value {
        let line: Option<Table> = toml::from_str(&format!("value = {}", self.value)).ok();
        let alone =
            line.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
        alone.unwrap_or_else(|| Value::String(self.value.clone()))
    }
}

/// A step of a key.
enum Step<'k> {
    Name(&'k str),
    /// A place in a list, from 0.
    Item(usize),
}

fn steps(key: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    for part in key.split('.') {
        let mut pieces = part.split('[');
        let name = pieces.next().filter(|name| !name.is_empty())?;
        steps.push(Step::Name(name));
        for piece in pieces {
            steps.push(Step::Item(piece.strip_suffix(']')?.parse().ok()?));
        }
    }
    Some(steps)
}

/// Where a step leads from.
enum Place<'t> {
    Table(&'t mut Table),
    Value(&'t mut Value),
}

impl<'t> Place<'t> {
    fn below(self, step: Step<'_>) -> Result<Place<'t>, String> {
        match step {
            Step::Name(name) => {
                let value = self.table(name)?.entry(name);
                Ok(Place::Value(value.or_insert_with(|| Value::Table(Table::new()))))
            }
            Step::Item(index) => self.item(index).map(Place::Value),
        }
    }

    fn put(self, step: Step<'_>, value: Value) -> Result<(), String> {
        match step {
            Step::Name(name) => {
                self.table(name)?.insert(name.to_owned(), value);
            }
            Step::Item(index) => *self.item(index)? = value,
        }
        Ok(())
    }

    fn table(self, name: &str) -> Result<&'t mut Table, String> {
        match self {
            Self::Table(table) | Self::Value(Value::Table(table)) => Ok(table),
            Self::Value(Value::Array(_)) => {
                Err(format!("{name} is in a list; say in which of it, such as [0].{name}"))
            }
            Self::Value(_) => Err(format!("what {name} would be in is no table")),
        }
    }

    fn item(self, index: usize) -> Result<&'t mut Value, String> {
        let Self::Value(Value::Array(items)) = self else {
            return Err(format!("there is no list to take [{index}] of"));
        };
        let count = items.len();
        items.get_mut(index).ok_or_else(|| format!("there is no [{index}]: the list has {count}"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn set(setting: &str) -> Result<String, String> {
        let mut root =
            toml::from_str("a = 1\n[b]\nc = [1, 2]\n[[d]]\ne = 1\n[[d]]\ne = 2\n").unwrap();
        setting.parse::<Setting>()?.apply(&mut root)?;
        Ok(toml::to_string(&root).unwrap())
    }

    #[test]
    fn a_value_is_put_where_its_key_says() {
        for (setting, line) in [
            ("a=20ms", "a = \"20ms\"\n"),
            ("a=7", "a = 7\n"),
            ("a=\"7\"", "a = \"7\"\n"),
            ("a=x\nz = 1", "a = "),
            ("b.c[1]=5", "c = [1, 5]\n"),
            ("d[1].e=[3]", "e = 1\n\n[[d]]\ne = [3]\n"),
            ("f.g.h=yes", "[f.g]\nh = \"yes\"\n"),
        ] {
            let text = set(setting).unwrap();
            assert!(text.contains(line), "{setting}: {text}");
        }
    }

    #[test]
    fn what_has_no_place_is_refused_with_the_reason() {
        for (setting, reason) in [
            ("a", "give a key and a value"),
            ("=1", "give a key and a value"),
            ("a..b=1", "no key"),
            ("a[x]=1", "no key"),
            ("d.e=1", "say in which of it"),
            ("d[2].e=1", "the list has 2"),
            ("a.b=1", "no table"),
            ("topology.file=x", "change the file"),
        ] {
            let error = set(setting).unwrap_err();
            assert!(error.contains(reason), "{setting}: {error}");
        }
    }
}
