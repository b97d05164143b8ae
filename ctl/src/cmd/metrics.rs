//! `metrics`: what the daemon counts about itself.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Context;
use crate::exit::Failure;
use crate::render::block;

/// Show what the daemon counts about itself, as Prometheus reads it
///
/// Counters (names that end in _total) begin at zero when the daemon starts. docs/operations.md
/// explains each. Prometheus can't read Unix sockets: give the daemon --metrics-listen
/// 127.0.0.1:9464 for it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl metrics | grep mailbox
  martletctl metrics --json | jq '.metrics[] | select(.name == \"martlet_peers\")'")]
pub(crate) struct Args {}

/// The samples, as JSON.
#[derive(Debug, PartialEq, Serialize)]
struct Samples<'a> {
    metrics: Vec<Sample<'a>>,
}

/// One line that is no comment.
#[derive(Debug, PartialEq, Serialize)]
struct Sample<'a> {
    name: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    value: f64,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let text = context.client()?.get_text("/v1/metrics").await?;
        let samples = Samples { metrics: text.lines().filter_map(sample).collect() };
        context.output.show(&samples, |_, page| page.raw_line(&block(text.trim_end(), 0)))
    }
}

/// `name{key="value",…} number`. Values have neither quotes nor commas: they are words.
fn sample(line: &str) -> Option<Sample<'_>> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    let labels = labels
        .split(',')
        .filter_map(|label| label.split_once('='))
        .map(|(key, value)| (key, value.trim_matches('"')))
        .collect();
    Some(Sample { name, labels, value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_labels_and_a_number() {
        assert_eq!(sample("# TYPE martlet_peers gauge"), None);
        let plain = Sample { name: "martlet_x_total", labels: BTreeMap::new(), value: 3.0 };
        assert_eq!(sample("martlet_x_total 3"), Some(plain));
        let labelled = sample("martlet_x_bucket{le=\"+Inf\",database=\"vault\"} 0.5");
        let labels = BTreeMap::from([("le", "+Inf"), ("database", "vault")]);
        assert_eq!(labelled, Some(Sample { name: "martlet_x_bucket", labels, value: 0.5 }));
    }
}
