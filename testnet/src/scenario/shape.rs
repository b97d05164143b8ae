//! All that is wrong with the shape of a file: reading it stops at the first, so its parts are read one by one, and
//! what is wrong in a part is left out until the rest of it is right.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::error::ScenarioError;
use super::file::{self, File};
use super::source::Source;
use super::values::Period;

/// Of so many that are wrong in one part the others wait until these are right.
const PER_PART_MAX: usize = 20;

/// What is wrong with a file of which reading says `first`.
pub(super) fn problems(source: &Source, first: &toml::de::Error) -> ScenarioError {
    let Ok(root) = DeTable::parse(source.text()) else { return source.locate_toml(first) };
    let mut found = Vec::new();
    let mut rest = root.clone();
    for (key, value) in root.get_ref() {
        let part = match &**key.get_ref() {
            "nodes" => each::<file::Nodes>(source, value),
            "contacts" => each::<file::Contacts>(source, value),
            "rooms" => each::<file::Room>(source, value),
            "traffic" => each::<file::Traffic>(source, value),
            "files" => each::<file::Files>(source, value),
            "events" => each::<file::Event>(source, value),
            "network" => one::<file::Network>(source, value),
            "settings" => one::<file::Settings>(source, value),
            "topology" => one::<file::Topology>(source, value),
            "links" => one::<file::Links>(source, value),
            "expect" => one::<file::Expect>(source, value),
            "duration" => one::<Period>(source, value),
            "seed" => one::<u64>(source, value),
            "name" | "description" => one::<String>(source, value),
            // Unknown ones, of which only the whole file tells.
            _ => continue,
        };
        rest.get_mut().remove(&**key.get_ref());
        found.extend(part);
    }
    let rest = Spanned::new(rest.span(), DeValue::Table(rest.into_inner()));
    let of_all = one::<File>(source, &rest);
    // Of the whole only the duration is needed, which was taken out.
    let has_duration = root.get_ref().contains_key("duration");
    found.extend(of_all.into_iter().filter(|error| {
        !has_duration || !matches!(error, ScenarioError::Wrong { key, .. } if key == "duration")
    }));
    if found.is_empty() {
        found.push(source.locate_toml(first));
    }
    ScenarioError::of(found)
}

/// Of each table of a list.
fn each<T: DeserializeOwned>(source: &Source, value: &Spanned<DeValue<'_>>) -> Vec<ScenarioError> {
    match value.get_ref().as_array() {
        Some(items) => items.iter().flat_map(|item| one::<T>(source, item)).collect(),
        None => one::<Vec<T>>(source, value),
    }
}

/// Of one value.
fn one<T: DeserializeOwned>(source: &Source, value: &Spanned<DeValue<'_>>) -> Vec<ScenarioError> {
    let mut value = value.clone();
    let mut found = Vec::new();
    let mut left_out = Vec::new();
    while found.len() < PER_PART_MAX {
        let Err(error) = T::deserialize(ValueDeserializer::from(value.clone())) else { break };
        let problem = source.locate_toml(&error);
        let ScenarioError::Wrong { key, .. } = &problem else {
            found.push(problem);
            break;
        };
        // It is missing because it was left out.
        if left_out.contains(key) {
            break;
        }
        left_out.push(key.clone());
        found.push(problem);
        let at = error.span().map_or(0, |span| span.start);
        let DeValue::Table(table) = value.get_mut() else { break };
        if !leave_out(table, at) {
            break;
        }
    }
    found
}

/// Leaves out the innermost key whose name or value is at `offset`; whether there is one.
fn leave_out(table: &mut DeTable<'_>, offset: usize) -> bool {
    let is_at = |(name, value): (&Spanned<_>, &Spanned<_>)| {
        name.span().contains(&offset) || value.span().contains(&offset)
    };
    let Some((name, _)) = table.iter().find(|(name, value)| is_at((*name, *value))) else {
        return false;
    };
    let name = name.get_ref().to_string();
    if let Some(DeValue::Table(inner)) = table.get_mut(name.as_str()).map(Spanned::get_mut)
        && leave_out(inner, offset)
    {
        return true;
    }
    table.remove(name.as_str()).is_some()
}
