//! Logging: lines on standard error, for people or as JSON.
//!
//! At the default level no line has contents, names, IDs or keys; peers and addresses are shortened
//! by `net::shorten`.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Libraries that log at `info` what only their developers want to know. Targets match by prefix.
const QUIET: [(&str, LevelFilter); 14] = [
    ("libp2p", LevelFilter::WARN),
    // Its warnings come with every message that a slow peer does not take, and print it; its errors
    // can be caused by any peer. Its trouble shows in our own lines.
    ("libp2p_gossipsub", LevelFilter::OFF),
    // A line for each stream or request over a bound: any peer can cause thousands.
    ("libp2p_request_response", LevelFilter::ERROR),
    // The same: peers can cause their warnings, and a router without UPnP is no trouble.
    ("libp2p_autonat", LevelFilter::ERROR),
    ("libp2p_dcutr", LevelFilter::ERROR),
    ("libp2p_identify", LevelFilter::ERROR),
    ("libp2p_kad", LevelFilter::ERROR),
    ("libp2p_relay", LevelFilter::ERROR),
    ("libp2p_upnp", LevelFilter::ERROR),
    ("quinn", LevelFilter::WARN),
    ("yamux", LevelFilter::WARN),
    ("multistream_select", LevelFilter::WARN),
    ("hickory", LevelFilter::WARN),
    ("netlink", LevelFilter::WARN),
];

/// What is logged: a level, or `target=level`, several by commas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogFilter(String);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A filter that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a log filter; write a level (off, error, warn, info, debug, trace), or TARGET=LEVEL, several by commas"
)]
pub struct LogFilterError {
    text: String,
}

/// Starts logging, for the whole process.
///
/// # Errors
/// Something else in this process has started it.
pub fn init(filter: &LogFilter, format: LogFormat) -> Result<(), TryInitError> {
    let targets = filter.targets();
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = match format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines.with_ansi(colours).with_filter(targets).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_filter(targets).boxed(),
    };
    tracing_subscriber::registry().with(layer).try_init()
}

impl LogFilter {
    fn targets(&self) -> Targets {
        let chosen: Targets = self.0.parse().unwrap_or_default();
        let general = chosen.default_level().unwrap_or(LevelFilter::OFF);
        let quiet = QUIET.iter().map(|(target, level)| (*target, (*level).min(general)));
        // What was chosen comes last and so replaces these.
        let mut targets = Targets::new().with_default(general).with_targets(quiet);
        for (target, level) in chosen.iter() {
            targets = targets.with_target(target, level);
        }
        targets
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".into())
    }
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    fn from_str(text: &str) -> Result<Self, LogFilterError> {
        // `Targets` takes a word that is no level for a target, so a mistyped level would silence
        // everything.
        let is_level = |part: &str| part.trim().parse::<LevelFilter>().is_ok();
        let is_part = |part: &str| !part.is_empty() && (part.contains('=') || is_level(part));
        if text.split(',').all(is_part) && text.parse::<Targets>().is_ok() {
            Ok(Self(text.into()))
        } else {
            Err(LogFilterError { text: text.into() })
        }
    }
}

impl TryFrom<String> for LogFilter {
    type Error = LogFilterError;

    fn try_from(text: String) -> Result<Self, LogFilterError> {
        text.parse()
    }
}

impl From<LogFilter> for String {
    fn from(filter: LogFilter) -> Self {
        filter.0
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tracing::Level;

    use super::*;

    fn targets(filter: &str) -> Targets {
        filter.parse::<LogFilter>().unwrap().targets()
    }

    #[test]
    fn libraries_are_quiet_unless_asked() {
        let default = LogFilter::default().targets();
        assert!(default.would_enable("martletd::net", &Level::INFO));
        assert!(!default.would_enable("martletd::net", &Level::DEBUG));
        assert!(default.would_enable("libp2p_swarm", &Level::WARN));
        assert!(!default.would_enable("libp2p_swarm", &Level::INFO));
        assert!(!default.would_enable("libp2p_gossipsub::behaviour", &Level::ERROR));

        let asked = targets("debug,libp2p_gossipsub=trace");
        assert!(asked.would_enable("martletd", &Level::DEBUG));
        assert!(asked.would_enable("libp2p_gossipsub::behaviour", &Level::TRACE));
        assert!(!asked.would_enable("libp2p_swarm", &Level::INFO));

        let off = targets("off");
        assert!(!off.would_enable("libp2p_swarm", &Level::ERROR));
        let one = targets("martletd=info");
        assert!(one.would_enable("martletd", &Level::INFO));
        assert!(!one.would_enable("libp2p_swarm", &Level::WARN));
    }

    #[test]
    fn bad_filters_are_refused() {
        for bad in ["", "loud", "martletd=loud", "info,", "info,martletd"] {
            let refused = bad.parse::<LogFilter>();
            assert!(refused.is_err(), "{bad}");
        }
    }
}
