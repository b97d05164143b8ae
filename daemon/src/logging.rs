//! Logging: lines on standard error, for people or as JSON.
//!
//! At the default level no line has contents, names, IDs or keys; peers and addresses are shortened. This crate
//! does so where it logs (`net::shorten`), and what dependencies log is shortened as it is written (`lines`).

mod lines;
mod scrub;

use std::io::{self, IsTerminal};
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use lines::Lines;

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
    // It names the hosts that were asked for. Its trouble shows in our own lines.
    ("hickory", LevelFilter::OFF),
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
    "{text:?} is not a log filter; write a level (off, error, warn, info, debug, trace), or TARGET=LEVEL; separate several by commas"
)]
pub struct LogFilterError {
    text: String,
}

/// Starts logging, for the whole process.
///
/// # Errors
/// Something else in this process has started it.
pub fn init(filter: &LogFilter, format: LogFormat) -> Result<(), TryInitError> {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::registry().with(layer(filter, format, colours, io::stderr)).try_init()
}

/// What `filter` lets through, written by `writer`.
fn layer<S, W>(
    filter: &LogFilter,
    format: LogFormat,
    colours: bool,
    writer: W,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let targets = filter.targets();
    let lines = Lines::new(writer, format, targets.clone());
    let lines = tracing_subscriber::fmt::layer().with_writer(lines);
    match format {
        LogFormat::Text => lines.with_ansi(colours).with_filter(targets).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_filter(targets).boxed(),
    }
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

    use std::io::Write;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use libp2p::Transport as _;
    use libp2p::core::Endpoint;
    use libp2p::core::transport::{DialOpts, PortUse};
    use tracing::Level;

    use super::*;
    use crate::limits::FOREIGN_LOG_LINES_PER_MINUTE_MAX;

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

    /// A buffer that lines are written to.
    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged while `act` runs.
    fn logged(filter: &str, format: LogFormat, colours: bool, act: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let layer = layer(&filter.parse().unwrap(), format, colours, move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const HOST: &str = "198.51.100.77";
    const HOST6: &str = "2001:db8::7777";
    const PEER: &str = "12D3KooWHVXoJVv2ifmr9K6LWwJPXxkfvzZRHzjiTZMvybeTnwPy";

    /// The warnings of our dependencies that tell where someone is, as they write them.
    fn warn_of_everything() {
        let socket: SocketAddr = format!("{HOST}:4177").parse().unwrap();
        let socket6: SocketAddr = format!("[{HOST6}]:4177").parse().unwrap();
        let error = io::Error::from(io::ErrorKind::NetworkUnreachable);
        for destination in [socket, socket6] {
            let source = Some(destination.ip());
            tracing::warn!(
                target: "quinn_udp",
                "sendmsg error: {error:?}, Transmit: {{ destination: {destination:?}, src_ip: {source:?}, ecn: None }}",
            );
            let address = destination.ip();
            tracing::error!(target: "libp2p_mdns::behaviour::iface", address = %address, "error sending packet on iface address {error}");
            tracing::warn!(
                target: "libp2p_quic::transport",
                peer = %PEER, inbound_peer = %PEER, socket_address = %destination,
                "expected inbound connection from socket_address to resolve to peer but got inbound peer"
            );
            tracing::warn!(target: "libp2p_mdns::behaviour::iface::dns", address = %format!("/dns4/{HOST}.example/tcp/1/p2p/{PEER}"), "Excluding address from response");
        }
        tracing::warn!(target: "hickory_net::udp", "detected forged question section: we expected '{HOST}.example.'");
    }

    /// The log at the default level had the addresses of peers, as dependencies write them.
    #[test]
    fn dependencies_log_no_whole_addresses_unless_asked() {
        for (format, colours) in
            [(LogFormat::Text, false), (LogFormat::Text, true), (LogFormat::Json, false)]
        {
            let lines = logged("info", format, colours, warn_of_everything);
            for whole in [HOST, HOST6, PEER] {
                assert!(!lines.contains(whole), "{whole} in:\n{lines}");
            }
            // All lines but the resolver's, which names what was asked for.
            assert_eq!(lines.lines().count(), 8, "{lines}");
            assert!(lines.contains("198.51.…") && lines.contains("2001:…"), "{lines}");
        }
        let asked = logged("info,quinn_udp=debug", LogFormat::Text, false, warn_of_everything);
        assert!(asked.contains(&format!("destination: {HOST}:4177")), "{asked}");
        assert!(!asked.contains(&format!("address={HOST}")), "{asked}");
    }

    /// The system's refusal of a packet, as the QUIC of this build warns of it.
    #[test]
    fn a_packet_that_can_not_be_sent_does_not_tell_where_to() {
        let broadcast = "255.255.255.255";
        let lines = logged("info", LogFormat::Text, false, || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let keys = libp2p::identity::Keypair::generate_ed25519();
                let mut quic =
                    libp2p::quic::tokio::Transport::new(libp2p::quic::Config::new(&keys));
                let address = format!("/ip4/{broadcast}/udp/4177/quic-v1").parse().unwrap();
                let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
                let dial = quic.dial(address, options).unwrap();
                // It fails, or goes on trying; the packet was refused by then.
                let dial = tokio::time::timeout(Duration::from_millis(500), dial);
                drop(dial.await);
            });
        });
        assert!(lines.contains("sendmsg error"), "{lines}");
        assert!(!lines.contains(broadcast), "{lines}");
    }

    /// A peer that opened streams past their bound filled the log: a line for each.
    #[test]
    fn what_a_peer_makes_dependencies_log_is_bounded() {
        for (format, level) in [(LogFormat::Text, "info"), (LogFormat::Json, "warn")] {
            let lines = logged(level, format, false, || {
                for _ in 0..10_000 {
                    tracing::warn!(target: "libp2p_request_response::handler", "Dropping inbound stream because we are at capacity");
                    tracing::warn!(target: "libp2p_yamux", "dropping stream because buffer is full");
                }
                tracing::warn!(target: "martletd::net", "our own");
            });
            assert!(!lines.contains("at capacity"), "{lines}");
            let max = FOREIGN_LOG_LINES_PER_MINUTE_MAX as usize;
            assert_eq!(lines.lines().count(), max + 1, "{lines}");
            assert!(lines.contains("our own"), "{lines}");
        }
    }

    #[test]
    fn bad_filters_are_refused() {
        for bad in ["", "loud", "martletd=loud", "info,", "info,martletd"] {
            let refused = bad.parse::<LogFilter>();
            assert!(refused.is_err(), "{bad}");
        }
    }
}
