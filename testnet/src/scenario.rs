//! Scenarios: a network and what happens to it, in one small TOML file.
//!
//! [`Scenario::parse`] reads one, [`Scenario::plan`] draws from it, by a seed, the [`Plan`] that is
//! run. All that can be wrong is found there, before anything runs, and told with file, line and
//! key. `docs/scenarios.md` is the reference.

use std::fs::File as FsFile;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use martlet_protocol::limits::{SHARD_BITS_MAX, STAMP_BITS_MAX};
use martletd::limits::{
    CONNECTIONS_TARGET_MAX, MAILBOX_BYTES_MIN, PEER_ENVELOPES_PER_MINUTE_MAX,
    PEER_ENVELOPES_PER_MINUTE_MIN,
};

use martletd::net::GossipPolicy;

use crate::plan::{NetworkPlan, Plan, Settings};

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
mod roster;
mod source;
mod summary;
mod topology;
mod traffic;
mod values;

pub use error::ScenarioError;
pub(crate) use memory::PROCESS_NODE_BYTES;
pub use memory::{available_bytes, check_memory, memory_bytes};
pub use ready::{READY, Ready};
pub use summary::{DIAMETER_NODES_MAX, Summary};

use chance::{Purpose, chance};
use contacts::Contacts;
use error::Fault;
use file::File;
use limits::{DURATION_MAX, FILE_BYTES_MAX, GOSSIP_PEERS_MAX, QUIET_FACTOR_MAX, TABLES_MAX};
use roster::Roster;
use source::Source;

/// The seed of a scenario that names none.
const SEED_DEFAULT: u64 = 1;

/// A scenario, as written.
#[derive(Debug, Clone)]
pub struct Scenario {
    source: Source,
    file: File,
    /// The content of the file that `topology.file` names.
    edges: Option<String>,
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
        let file = toml::from_str(text).map_err(|error| source.locate_toml(&error))?;
        Ok(Self { source, file, edges: None })
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
    /// [`ScenarioError::Wrong`] if something in it can't be.
    pub fn plan(&self, options: &PlanOptions) -> Result<Plan, ScenarioError> {
        self.draw(options).map_err(|fault| self.source.locate(fault))
    }

    fn draw(&self, options: &PlanOptions) -> Result<Plan, Fault> {
        let file = &self.file;
        let seed = options.seed.or(file.seed).unwrap_or(SEED_DEFAULT);
        let duration = options.duration.unwrap_or(file.duration.0);
        if duration.is_zero() || duration > DURATION_MAX {
            let most = values::show(DURATION_MAX);
            return Err(Fault::new(
                "duration",
                format!("it is out of bounds; give more than 0s, up to {most}"),
            ));
        }
        let network = network(&file.network)?;
        let settings = settings(&file.settings)?;
        check_tables("contacts", file.contacts.len())?;
        check_tables("traffic", file.traffic.len())?;
        check_tables("links.between", file.links.between.len())?;
        let mut roster = Roster::new(&file.nodes, options.nodes, network.shard_bits, duration)?;
        let edges = topology::links(
            &file.topology,
            &self.source.keys_of("topology"),
            self.edges.as_deref(),
            &mut roster,
            &mut chance(seed, Purpose::Topology, 0),
        )?;
        let links = links::shaped(&file.links, &edges, &roster)?;
        let keys_given = |key: &str| self.source.keys_of(key);
        let events = events::events(&file.events, keys_given, &mut roster, seed, duration)?;
        let contacts = Contacts::new(&file.contacts, &roster, seed, duration)?;
        let messages = traffic::messages(&file.traffic, &roster, &contacts, seed, duration)?;
        let expectations = expect::expectations(&file.expect, &messages, &events)?;
        Ok(Plan {
            name: self.name()?,
            description: self.description().to_owned(),
            seed,
            duration,
            network,
            settings,
            nodes: roster.nodes,
            links,
            contacts: contacts.plans(),
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
    values::duration(text)
}

fn read(path: &Path) -> Result<String, ScenarioError> {
    let failed = |source| ScenarioError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = FsFile::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(ScenarioError::TooLarge {
            file: path.display().to_string(),
            max: FILE_BYTES_MAX,
        });
    }
    Ok(text)
}

fn network(network: &file::Network) -> Result<NetworkPlan, Fault> {
    let file::Network { shard_bits, stamp_bits, privacy } = *network;
    bounded("network.shard_bits", shard_bits, 0, SHARD_BITS_MAX)?;
    bounded("network.stamp_bits", stamp_bits, 0, STAMP_BITS_MAX)?;
    Ok(NetworkPlan { shard_bits, stamp_bits, privacy })
}

fn settings(settings: &file::Settings) -> Result<Settings, Fault> {
    let file::Settings {
        connections_target,
        mailbox_bytes_max,
        peer_envelopes_per_minute,
        quiet_factor,
        gossip,
    } = *settings;
    if let Some(target) = connections_target {
        bounded("settings.connections_target", target, 1, CONNECTIONS_TARGET_MAX)?;
    }
    if let Some(bytes) = mailbox_bytes_max {
        bounded("settings.mailbox_bytes_max", bytes.0, MAILBOX_BYTES_MIN, 1 << 40)?;
    }
    if let Some(envelopes) = peer_envelopes_per_minute {
        let (least, most) = (PEER_ENVELOPES_PER_MINUTE_MIN, PEER_ENVELOPES_PER_MINUTE_MAX);
        bounded("settings.peer_envelopes_per_minute", envelopes, least, most)?;
    }
    let quiet_factor = quiet_factor.unwrap_or(1);
    bounded("settings.quiet_factor", quiet_factor, 1, QUIET_FACTOR_MAX)?;
    Ok(Settings {
        connections_target,
        mailbox_bytes_max: mailbox_bytes_max.map(|bytes| bytes.0),
        peer_envelopes_per_minute,
        quiet_factor,
        gossip: gossip_policy(gossip)?,
    })
}

fn gossip_policy(gossip: file::Gossip) -> Result<GossipPolicy, Fault> {
    let file::Gossip { mesh, mesh_max, lazy, flood_publish, stem, idontwant_bytes_min } = gossip;
    let usual = GossipPolicy::default();
    let mesh = mesh.unwrap_or(usual.mesh);
    bounded("settings.gossip.mesh", mesh, 1, GOSSIP_PEERS_MAX)?;
    let mesh_max = mesh_max.unwrap_or(mesh + usual.mesh_max - usual.mesh);
    bounded("settings.gossip.mesh_max", mesh_max, mesh, 2 * GOSSIP_PEERS_MAX)?;
    let lazy = lazy.unwrap_or(usual.lazy);
    bounded("settings.gossip.lazy", lazy, 0, GOSSIP_PEERS_MAX)?;
    Ok(GossipPolicy {
        mesh,
        mesh_max,
        lazy,
        flood_publish: flood_publish.unwrap_or(usual.flood_publish),
        stem: stem.unwrap_or(usual.stem),
        idontwant_bytes_min: idontwant_bytes_min.unwrap_or(usual.idontwant_bytes_min),
    })
}

fn bounded<T: PartialOrd + std::fmt::Display>(
    key: &str,
    value: T,
    least: T,
    most: T,
) -> Result<(), Fault> {
    if value < least || value > most {
        return Err(Fault::new(key, format!("{value} is out of bounds; give {least} to {most}")));
    }
    Ok(())
}

fn check_tables(key: &str, count: usize) -> Result<(), Fault> {
    if count > TABLES_MAX {
        return Err(Fault::new(key, format!("there are {count} of it; have at most {TABLES_MAX}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
