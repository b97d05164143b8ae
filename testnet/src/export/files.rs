//! Files that were made, and how they get on disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::{ExportError, Source};
use crate::plan::Plan;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where, in the directory of the export.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl File {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// Writes `files` into `dir`, which is made if need be; with `force` also if it isn't empty.
///
/// # Errors
/// [`ExportError::NotEmpty`], [`ExportError::File`].
pub fn write(dir: &Path, files: &[File], force: bool) -> Result<(), ExportError> {
    let failed = |path: &Path| {
        let path: PathBuf = path.to_owned();
        move |source| ExportError::File { path, source }
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    let mut entries = fs::read_dir(dir).map_err(failed(dir))?;
    if !force && entries.next().is_some() {
        return Err(ExportError::NotEmpty { path: dir.to_owned() });
    }
    for file in files {
        let path = dir.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        fs::write(&path, &file.text).map_err(failed(&path))?;
    }
    Ok(())
}

/// What the scenario's file is called: a scenario without a name has its file's.
pub(super) fn scenario_name(plan: &Plan) -> String {
    format!("{}.toml", plan.name)
}

/// The scenario, as it was, and the list of edges it names.
pub(super) fn scenario(plan: &Plan, source: &Source) -> Vec<File> {
    let edges = source.edges.iter().map(|(name, text)| File::new(name.clone(), text.clone()));
    std::iter::once(File::new(scenario_name(plan), source.text.clone())).chain(edges).collect()
}

/// Each node's name on the network: its own, in small letters.
pub(super) fn host_names(plan: &Plan) -> Result<Vec<String>, ExportError> {
    let mut taken = std::collections::BTreeMap::new();
    let mut names = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        let name = node.name.to_ascii_lowercase();
        if let Some(first) = taken.insert(name.clone(), node.name.clone()) {
            return Err(ExportError::SameName { first, second: node.name.clone() });
        }
        names.push(name);
    }
    Ok(names)
}

/// A name for where `drive` runs that no node has.
pub(super) fn driver_name(hosts: &[String]) -> String {
    let mut name = "driver".to_owned();
    while hosts.contains(&name) {
        name.push('0');
    }
    name
}
