//! Scenarios: a network and what happens to it, in one small TOML file.
//!
//! [`Scenario::parse`] reads one, [`Scenario::plan`] draws from it, by a seed, the [`Plan`] that is
//! run. All that can be wrong is found there, before anything runs, and told with file, line and
//! key. `docs/scenarios.md` is the reference.

use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use crate::plan::{Plan, Settings, memberships};

mod chance;
mod contacts;
mod error;
mod events;
mod expect;
mod file;
pub mod limits;
mod links;
mod memory;
mod ready;
mod rooms;
mod roster;
mod set;
mod settings;
mod shape;
mod source;
mod summary;
mod topology;
mod traffic;
mod values;

pub use error::ScenarioError;
pub(crate) use memory::PROCESS_NODE_BYTES;
pub use memory::{available_bytes, check_memory, memory_bytes};
pub use ready::{READY, Ready};
pub use set::Setting;
pub use summary::{DIAMETER_NODES_MAX, Files, Summary};

use chance::{Purpose, chance};
use contacts::Contacts;
use error::{Fault, Faults};
use events::InUse;
use file::File;
use limits::{FILE_BYTES_MAX, TABLES_MAX};
use rooms::Rooms;
use roster::Roster;
use settings::{check_duration, network, settings};
use source::Source;
use traffic::Known;

/// The seed of a scenario that names none.
const SEED_DEFAULT: u64 = 1;

/// A scenario, as written.
#[derive(Debug, Clone)]
pub struct Scenario {
    source: Source,
    file: File,
    /// The content of the file that `topology.file` names.
    edges: Option<String>,
    /// What was given otherwise than in the file.
    settings: Vec<Setting>,
    /// The text with these, for looking up keys.
    altered: Option<Source>,
}

/// What of a scenario is to be otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlanOptions {
    /// The seed; `None`: the scenario's.
    pub seed: Option<u64>,
    /// How many nodes: groups of several are made larger or smaller; `None`: as many as the
    /// scenario says.
    pub nodes: Option<usize>,
    /// How long it runs; `None`: as long as the scenario says.
    pub duration: Option<Duration>,
}

impl PlanOptions {
    /// Takes `nodes` out of settings, where it is the number of nodes and no key of the file; the rest
    /// is for [`Scenario::with`].
    ///
    /// # Errors
    ///
    /// [`ScenarioError::Setting`] if it is no number.
    pub fn take_nodes(&mut self, settings: &[Setting]) -> Result<Vec<Setting>, ScenarioError> {
        let (nodes, rest) = settings.iter().cloned().partition::<Vec<_>, _>(|it| it.key == "nodes");
        if let Some(setting) = nodes.last() {
            let count = setting.value.parse().map_err(|_| ScenarioError::Setting {
                setting: setting.to_string(),
                message: "give the number of all nodes, or such as nodes[0].count".to_owned(),
            })?;
            self.nodes = Some(count);
        }
        Ok(rest)
    }
}

impl Scenario {
    /// Reads a scenario. `file` is what errors call it, and gives it its name if it has none.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] if it is no TOML, or has a key or a value that there is not.
    pub fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(ScenarioError::TooLarge { file: file.to_owned(), max: FILE_BYTES_MAX });
        }
        let source = Source::new(file, text);
        let file = toml::from_str(text).map_err(|error| shape::problems(&source, &error))?;
        Ok(Self { source, file, edges: None, settings: Vec::new(), altered: None })
    }

    /// Reads the file at `path`, and the list of edges that it may name.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] as by [`Scenario::parse`], or if a file can't be read.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let mut scenario = Self::parse(&read(path)?, &path.to_string_lossy())?;
        if let Some(list) = &scenario.file.topology.file {
            let beside = path.parent().unwrap_or(Path::new("")).join(list);
            scenario.edges = Some(read(&beside)?);
        }
        Ok(scenario)
    }

    /// The ready scenario of this name, or else the file at this path.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] as by [`Scenario::load`], or if there is neither.
    pub fn find(name_or_path: &str) -> Result<Self, ScenarioError> {
        if let Some(ready) = READY.iter().find(|ready| ready.name == name_or_path) {
            return Self::parse(ready.text, &ready.file());
        }
        match Self::load(Path::new(name_or_path)) {
            Err(ScenarioError::Read { path, source })
                if source.kind() == io::ErrorKind::NotFound && path == Path::new(name_or_path) =>
            {
                let names: Vec<&str> = READY.iter().map(|ready| ready.name).collect();
                Err(ScenarioError::Unknown {
                    name: name_or_path.to_owned(),
                    ready: names.join(", "),
                })
            }
            other => other,
        }
    }

    /// A scenario as it was taken along: its text, and that of the list of edges if it names one.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] as by [`Scenario::parse`].
    pub fn carried(text: &str, file: &str, edges: Option<String>) -> Result<Self, ScenarioError> {
        Ok(Self { edges, ..Self::parse(text, file)? })
    }

    /// The same with single values otherwise.
    ///
    /// # Errors
    ///
    /// [`ScenarioError::Setting`] if there is no such key, or it doesn't take the value.
    pub fn with(mut self, settings: &[Setting]) -> Result<Self, ScenarioError> {
        if settings.is_empty() {
            return Ok(self);
        }
        let source = &self.source;
        let mut root = toml::from_str(source.text()).map_err(|error| source.locate_toml(&error))?;
        for setting in settings {
            let wrong = |message| ScenarioError::Setting { setting: setting.to_string(), message };
            setting.apply(&mut root).map_err(wrong)?;
            let text = toml::to_string(&root).map_err(|error| wrong(error.to_string()))?;
            let altered = Source::new(source.file(), &text);
            self.file =
                toml::from_str(&text).map_err(|error| match altered.locate_toml(&error) {
                    ScenarioError::Wrong { key, message, .. } => wrong(format!("{key}: {message}")),
                    other => wrong(other.to_string()),
                })?;
            self.altered = Some(altered);
        }
        self.settings = settings.to_vec();
        Ok(self)
    }

    /// What errors call its file.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.source.file()
    }

    /// Whether it is one of those that come with the program, as it comes.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        READY.iter().any(|ready| ready.file() == self.file_name() && ready.text == self.text())
    }

    /// What was given otherwise than in the file.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Its description.
    #[must_use]
    pub fn description(&self) -> &str {
        self.file.description.trim()
    }

    /// Its text, as it was read.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text()
    }

    /// The list of edges that it names: the file, as it is named there, and its text.
    #[must_use]
    pub fn edges(&self) -> Option<(&str, &str)> {
        self.file.topology.file.as_deref().zip(self.edges.as_deref())
    }

    /// All that happens, drawn by the seed: the same seed gives the same plan.
    ///
    /// # Errors
    ///
    /// [`ScenarioError::Wrong`] if something in it can't be, [`ScenarioError::Several`] with all of it if
    /// more is.
    pub fn plan(&self, options: &PlanOptions) -> Result<Plan, ScenarioError> {
        self.draw(options).map_err(|faults| {
            ScenarioError::of(faults.into_iter().map(|fault| self.locate(fault)).collect())
        })
    }

    /// Tells where a fault is: at what was given otherwise, or in the file.
    fn locate(&self, fault: Fault) -> ScenarioError {
        let is_of = |setting: &&Setting| {
            fault.key.starts_with(&setting.key) || setting.key.starts_with(&fault.key)
        };
        match self.settings.iter().rfind(is_of) {
            Some(setting) => ScenarioError::Setting {
                setting: setting.to_string(),
                message: format!("{}: {}", fault.key, fault.message),
            },
            None => self.source.locate(fault),
        }
    }

    fn keys_of(&self, key: &str) -> Vec<String> {
        self.altered.as_ref().unwrap_or(&self.source).keys_of(key)
    }

    /// What doesn't depend on something wrong is looked at, too.
    fn draw(&self, options: &PlanOptions) -> Result<Plan, Vec<Fault>> {
        let file = &self.file;
        let seed = options.seed.or(file.seed).unwrap_or(SEED_DEFAULT);
        let duration = options.duration.unwrap_or(file.duration.0);
        let mut faults = Faults::default();
        let name = faults.keep(self.name());
        let transport = file.links.transport;
        let settings = faults.keep(settings(&file.settings));
        let settings = settings.map(|settings| Settings { transport, ..settings });
        faults.keep(check_tables("contacts", file.contacts.len()));
        faults.keep(check_tables("traffic", file.traffic.len()));
        faults.keep(check_tables("files", file.files.len()));
        faults.keep(check_tables("links.between", file.links.between.len()));
        let network = faults.keep(network(&file.network));
        if faults.keep(check_duration(duration)).is_none() {
            return Err(faults.into_inner());
        }
        // Their shards depend on the network.
        let Some(network) = network else { return Err(faults.into_inner()) };
        let roster = Roster::new(&file.nodes, options.nodes, network.shard_bits, duration);
        let Some(mut roster) = faults.keep_all(roster) else { return Err(faults.into_inner()) };
        let edges = faults.keep(topology::links(
            &file.topology,
            &self.keys_of("topology"),
            self.edges.as_deref(),
            &mut roster,
            &mut chance(seed, Purpose::Topology, 0),
        ));
        let links =
            edges.and_then(|edges| faults.keep(links::shaped(&file.links, &edges, &roster)));
        let keys_given = |key: &str| self.keys_of(key);
        let of_run = (seed, duration);
        faults.keep(check_tables("rooms", file.rooms.len()));
        let rooms = Rooms::new(&file.rooms, &roster, network.shard_bits, duration);
        let Some(rooms) = faults.keep_all(rooms) else { return Err(faults.into_inner()) };
        let events = events::events(&file.events, keys_given, &mut roster, &rooms, of_run);
        let events = faults.keep_all(events);
        let mut contacts = faults.keep_all(Contacts::new(&file.contacts, &roster, seed, duration));
        if let (Some(contacts), Some(events)) = (&mut contacts, &events) {
            contacts.introduce(rooms.introductions(events), &roster);
        }
        let memberships = memberships(events.as_deref().unwrap_or_default());
        let in_use = InUse::new(&roster, events.as_deref().unwrap_or_default());
        let messages = contacts.as_ref().and_then(|contacts| {
            let known = Known {
                contacts,
                in_use: &in_use,
                rooms: &rooms,
                memberships: &memberships,
                network,
                settings: settings.unwrap_or_default(),
            };
            let messages = traffic::messages(&file.traffic, &file.files, &roster, &known, of_run);
            faults.keep_all(messages)
        });
        let expectations = messages.as_ref().zip(events.as_ref()).and_then(|(messages, events)| {
            faults.keep(expect::expectations(&file.expect, messages, events))
        });
        let faults = faults.into_inner();
        let (Some(name), Some(settings), Some(links), Some(contacts)) =
            (name, settings, links, contacts)
        else {
            return Err(faults);
        };
        let (Some(messages), Some(events), Some(expectations)) = (messages, events, expectations)
        else {
            return Err(faults);
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Plan {
            name,
            description: self.description().to_owned(),
            seed,
            duration,
            network,
            settings,
            nodes: roster.nodes,
            links,
            contacts: contacts.plans(),
            rooms: rooms.plans,
            messages,
            events,
            expectations,
        })
    }

    fn name(&self) -> Result<String, Fault> {
        if let Some(name) = &self.file.name {
            roster::check_name(name).map_err(|message| Fault::new("name", message))?;
            return Ok(name.clone());
        }
        let stem = Path::new(self.source.file()).file_stem().unwrap_or_default().to_string_lossy();
        roster::check_name(&stem).map_err(|message| {
            Fault::new("name", format!("it is missing, and the file's own won't do: {message}"))
        })?;
        Ok(stem.into_owned())
    }
}

/// A duration as scenarios write it, such as `90s` or `1h30m`: for `--duration`.
///
/// # Errors
///
/// What is wrong with it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    // Whole milliseconds: what `show_duration` writes is read as the same.
    let ms = values::duration(text)?.as_millis();
    Ok(Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX)))
}

/// A duration as scenarios write it: `1h30m`, in whole milliseconds; [`parse_duration`] reads it.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    values::show(duration)
}

fn read(path: &Path) -> Result<String, ScenarioError> {
    let failed = |source| ScenarioError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = martlet_input::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(ScenarioError::TooLarge {
            file: path.display().to_string(),
            max: FILE_BYTES_MAX,
        });
    }
    Ok(text)
}

fn check_tables(key: &str, count: usize) -> Result<(), Fault> {
    if count > TABLES_MAX {
        return Err(Fault::new(key, format!("there are {count} of it; have at most {TABLES_MAX}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
