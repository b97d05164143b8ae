//! What a report was made of, and by what: enough to make it again.

mod sources;

use std::path::Path;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::Report;
use crate::plan::Runner;
use crate::scenario::{
    PlanOptions, Scenario, ScenarioError, Setting, parse_duration, show_duration,
};

/// The commit that this program was built from, if that is known. What the build wasn't told is asked of git where the
/// sources are, if they are there still and as they were.
fn commit() -> Option<&'static str> {
    static COMMIT: OnceLock<Option<String>> = OnceLock::new();
    let commit = COMMIT.get_or_init(|| {
        if let Some(told) = option_env!("MARTLET_BUILT_FROM") {
            return Some(told.to_owned());
        }
        let built_from = option_env!("MARTLET_SOURCES")?;
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let there = sources::fingerprint(root).ok()?;
        (format!("{there:x}") == built_from).then(|| sources::commit(root)).flatten()
    });
    commit.as_deref()
}

/// What a report was made of, and by what. With [`Report::seed`] and [`Report::runner`] it is all
/// that a run depends on, but for the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The version of the program.
    pub version: String,
    /// The commit it was built from; `-changed` follows if the sources were not as committed. Absent
    /// if it was built without knowing.
    pub commit: Option<String>,
    /// The scenario's file, without its directory.
    pub file: String,
    /// Whether the scenario is one that came with the program, unchanged.
    pub is_ready: bool,
    /// The scenario file's text.
    pub text: String,
    /// The list of edges that it names.
    pub edges: Option<Edges>,
    /// `--nodes`, if it was given.
    pub nodes: Option<usize>,
    /// `--duration`, if it was given, as scenarios write it.
    pub duration: Option<String>,
    /// `--set`, as often as it was given.
    pub set: Vec<Setting>,
}

/// A list of edges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edges {
    /// The file, as the scenario names it.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl Origin {
    /// Of a scenario that is run by this program.
    #[must_use]
    pub fn of(scenario: &Scenario, options: &PlanOptions) -> Self {
        let file = Path::new(scenario.file_name()).file_name().unwrap_or_default();
        let edges = scenario.edges();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit().map(str::to_owned),
            file: file.to_string_lossy().into_owned(),
            is_ready: scenario.is_ready(),
            text: scenario.text().to_owned(),
            edges: edges.map(|(file, text)| Edges { file: file.to_owned(), text: text.to_owned() }),
            nodes: options.nodes,
            duration: options.duration.map(show_duration),
            set: scenario.settings().to_vec(),
        }
    }

    /// The scenario, and with what it was planned; `seed` is the report's.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] if this version doesn't take the scenario.
    pub fn scenario(&self, seed: u64) -> Result<(Scenario, PlanOptions), ScenarioError> {
        let edges = self.edges.as_ref().map(|edges| edges.text.clone());
        let scenario = Scenario::carried(&self.text, &self.file, edges)?.with(&self.set)?;
        let duration = self.duration.as_deref().map(parse_duration).transpose();
        let duration = duration.map_err(|message| ScenarioError::Setting {
            setting: "duration".to_owned(),
            message,
        })?;
        Ok((scenario, PlanOptions { seed: Some(seed), nodes: self.nodes, duration }))
    }

    /// "martlet-testnet 0.1.0, commit 1a2b3c4d".
    #[must_use]
    pub fn program(&self) -> String {
        let commit = self.commit.as_ref().map(|commit| format!(", commit {commit}"));
        format!("martlet-testnet {}{}", self.version, commit.unwrap_or_default())
    }

    /// Whether this program is of the same version and commit.
    #[must_use]
    pub fn is_of_this_program(&self) -> bool {
        self.version == env!("CARGO_PKG_VERSION") && self.commit.as_deref() == commit()
    }
}

/// The command that runs the same again, with all that was given; the scenario, if it isn't a ready
/// one, has to be in its file. Absent in reports that don't tell.
pub(super) fn command(report: &Report) -> Option<String> {
    let origin = report.made.origin.as_ref()?;
    let how = match report.runner {
        Runner::Sim => "sim",
        Runner::Local => "local",
        Runner::Netns => "netns",
        Runner::Agents => "drive",
    };
    let scenario =
        if origin.is_ready { origin.file.trim_end_matches(".toml") } else { origin.file.as_str() };
    let mut words = vec!["martlet-testnet".to_owned(), how.to_owned(), quoted(scenario)];
    words.extend(["--seed".to_owned(), report.seed.to_string()]);
    if let Some(nodes) = origin.nodes {
        words.extend(["--nodes".to_owned(), nodes.to_string()]);
    }
    if let Some(duration) = &origin.duration {
        words.extend(["--duration".to_owned(), quoted(duration)]);
    }
    for setting in &origin.set {
        words.extend(["--set".to_owned(), quoted(&setting.to_string())]);
    }
    if report.runner == Runner::Agents {
        words.extend(["--agents", "agents.txt", "--skip-unsupported"].map(str::to_owned));
    }
    words.extend(["--report", "DIR"].map(str::to_owned));
    Some(words.join(" "))
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::*;
    use crate::report::example;
    use crate::scenario::READY;

    /// A program that was compiled before its sources changed would have named the commit with the changes.
    #[test]
    fn sources_that_changed_have_another_fingerprint() {
        let root = tempfile::tempdir().unwrap();
        for part in sources::PARTS {
            std::fs::create_dir_all(root.path().join(part)).unwrap();
        }
        let fingerprint = || sources::fingerprint(root.path()).unwrap();
        let mut seen = vec![fingerprint()];
        let [one, other] = ["ctl/src/a.rs", "store/src/b/c.rs"].map(|file| root.path().join(file));
        std::fs::create_dir_all(other.parent().unwrap()).unwrap();
        for (file, text) in [(&one, ""), (&one, "x"), (&other, "x"), (&one, "y")] {
            std::fs::write(file, text).unwrap();
            assert_eq!(fingerprint(), fingerprint());
            assert!(!seen.contains(&fingerprint()), "{text:?} in {}", file.display());
            seen.push(fingerprint());
        }
        std::fs::remove_file(&other).unwrap();
        assert!(!seen.contains(&fingerprint()));
        std::fs::remove_dir_all(root.path().join("ctl")).unwrap();
        assert!(sources::fingerprint(root.path()).is_err());
    }

    /// The command left out `--nodes` and `--duration`, and named the ready scenario where the
    /// scenario was an own file of that name.
    #[test]
    fn the_command_has_all_that_was_given_and_names_the_file_that_was_run() {
        let ready = READY.iter().find(|ready| ready.name == "split-and-heal").unwrap();
        let options = PlanOptions {
            nodes: Some(20),
            duration: Some(Duration::from_millis(450_500)),
            ..PlanOptions::default()
        };
        let settings = ["links.latency=80ms", "description=it's \"so\""];
        let settings = settings.map(|setting| setting.parse().unwrap());
        let own = format!("{}\n", ready.text);
        for (text, file, named) in [
            (ready.text, "split-and-heal.toml", "split-and-heal"),
            (&own, "/tmp/split-and-heal.toml", "split-and-heal.toml"),
            (&own, "my own.toml", "'my own.toml'"),
        ] {
            let scenario = Scenario::parse(text, file).unwrap().with(&settings).unwrap();
            let origin = Origin::of(&scenario, &options);
            let report = example::split_and_heal().with_origin(origin);
            assert_eq!(
                command(&report).unwrap(),
                format!(
                    "martlet-testnet sim {named} --seed 7 --nodes 20 --duration 7m30s500ms \
                     --set links.latency=80ms --set 'description=it'\\''s \"so\"' --report DIR"
                )
            );
            let (again, options_again) = report.made.origin.unwrap().scenario(7).unwrap();
            assert_eq!(options_again, PlanOptions { seed: Some(7), ..options });
            let plan = scenario.plan(&options_again);
            let name = |plan: crate::plan::Plan| plan.name;
            assert_eq!(again.plan(&options_again).map(name).ok(), plan.map(name).ok(), "{file}");
        }
    }
}
