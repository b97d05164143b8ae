//! What a node counts about itself.

use std::collections::HashMap;

use martletctl::client::ClientError;

use super::{ClusterError, Node};

/// The samples of one scrape, by name and labels as they stand in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples(HashMap<String, f64>);

impl Node {
    /// What it counts now.
    ///
    /// # Errors
    /// When the daemon refuses or doesn't answer.
    pub async fn metrics(&self) -> Result<Samples, ClusterError> {
        let text = self.shared_client().get_text("/v1/metrics").await;
        let failed =
            |source: ClientError| ClusterError::Client { node: self.name().into(), source };
        Ok(Samples::parse(&text.map_err(failed)?))
    }
}

impl Samples {
    pub(crate) fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// The value of one series, as `name{label="value"}`.
    ///
    /// # Errors
    /// When the node does not expose it.
    pub fn get(&self, series: &str) -> Result<f64, ClusterError> {
        let value = self.0.get(series).copied();
        value.ok_or_else(|| ClusterError::Wrong(format!("there is no metric {series}")))
    }

    /// The sum of a metric over all its labels; 0 where there is none.
    #[must_use]
    pub fn sum(&self, name: &str) -> f64 {
        let of_name = |series: &str| series.split('{').next() == Some(name);
        self.0.iter().filter(|(series, _)| of_name(series)).map(|(_, value)| value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_by_name_and_labels() -> Result<(), ClusterError> {
        let samples = Samples::parse("# TYPE x counter\nx{a=\"1\"} 2\nx{a=\"2\"} 0.5\nxy 7\n");
        assert_eq!(samples.get("x{a=\"2\"}")?, 0.5);
        assert_eq!((samples.sum("x"), samples.sum("y")), (2.5, 0.0));
        assert!(samples.get("x").is_err());
        Ok(())
    }
}
