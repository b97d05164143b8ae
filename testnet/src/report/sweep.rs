//! A scenario run many times: over seeds, and over values of its keys.

use std::fmt::Write as _;
use std::path::Path;

use super::file::write_file;
use super::measures::MEASURES;
use super::{Report, ReportError, Statistics, html};

/// The page.
pub const PAGE_NAME: &str = "index.html";
/// A line for each run.
const RUNS_NAME: &str = "runs.csv";
/// A line for each point and figure.
const SUMMARY_NAME: &str = "summary.csv";

/// A key that is given several values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The key, such as `links.latency`, or `nodes`.
    pub key: String,
    /// The values, in the order in which they were given.
    pub values: Vec<String>,
}

/// The runs with one value of each parameter.
#[derive(Debug, Clone)]
pub struct Point {
    /// The values, in the order of the parameters.
    pub values: Vec<String>,
    /// The reports, each with the name of its directory.
    pub runs: Vec<(String, Report)>,
}

/// All runs.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The command that does the same again, or goes on.
    pub command: String,
    /// What was given several values; none: there are only several seeds.
    pub parameters: Vec<Parameter>,
    /// One for each combination.
    pub points: Vec<Point>,
    /// Runs that gave no report, and why.
    pub failed: Vec<(String, String)>,
}

impl Point {
    /// What a figure comes to over the runs; absent if none of them has it.
    pub(super) fn statistics(&self, value: fn(&Report) -> Option<f64>) -> Option<Statistics> {
        let values: Vec<f64> = self.runs.iter().filter_map(|(_, report)| value(report)).collect();
        Statistics::of(&values)
    }

    /// How many runs met all their expectations.
    pub(super) fn passed(&self) -> usize {
        self.runs.iter().filter(|(_, report)| report.passed).count()
    }
}

impl Sweep {
    /// How many runs gave a report.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.points.iter().map(|point| point.runs.len()).sum()
    }

    /// Writes the page and the two tables into `dir`.
    ///
    /// # Errors
    ///
    /// When one of them can't be made or written.
    pub fn write(&self, dir: &Path) -> Result<(), ReportError> {
        write_file(dir, RUNS_NAME, &self.runs_csv())?;
        write_file(dir, SUMMARY_NAME, &self.summary_csv())?;
        write_file(dir, PAGE_NAME, &html::sweep_page(self)?)
    }

    /// A line for each run, with all figures.
    fn runs_csv(&self) -> String {
        let mut text = String::new();
        for parameter in &self.parameters {
            text += &format!("{},", quoted(&parameter.key));
        }
        text += "seed,run,passed";
        for measure in MEASURES {
            text += &format!(",{}", measure.name);
        }
        text.push('\n');
        for point in &self.points {
            for (name, report) in &point.runs {
                for value in &point.values {
                    text += &format!("{},", quoted(value));
                }
                // Writing to a string does not fail.
                let _ = write!(text, "{},{},{}", report.seed, quoted(name), report.passed);
                for measure in MEASURES {
                    text += &format!(",{}", cell((measure.value)(report)));
                }
                text.push('\n');
            }
        }
        text
    }

    /// A line for each point and figure: what the runs come to.
    fn summary_csv(&self) -> String {
        let mut text = String::new();
        for parameter in &self.parameters {
            text += &format!("{},", quoted(&parameter.key));
        }
        text += "figure,runs,mean,confidence_95,deviation,min,max\n";
        for point in &self.points {
            for measure in MEASURES {
                let Some(all) = point.statistics(measure.value) else { continue };
                for value in &point.values {
                    text += &format!("{},", quoted(value));
                }
                let _ = writeln!(
                    text,
                    "{},{},{},{},{},{},{}",
                    measure.name,
                    all.count,
                    all.mean,
                    cell(all.confidence),
                    cell(all.deviation),
                    all.min,
                    all.max
                );
            }
        }
        text
    }
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A cell of CSV (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::report::example;

    /// Three sizes, two latencies, five seeds.
    pub(crate) fn swept() -> Sweep {
        let parameters = vec![
            Parameter { key: "nodes".into(), values: ["20", "40", "80"].map(str::to_owned).into() },
            Parameter {
                key: "links.latency".into(),
                values: ["20ms", "80ms"].map(str::to_owned).into(),
            },
        ];
        let report = example::split_and_heal();
        let mut points = Vec::new();
        for (place, nodes) in parameters[0].values.iter().enumerate() {
            for (which, latency) in parameters[1].values.iter().enumerate() {
                let run = |seed: u64| {
                    let mut report = Report { seed, ..report.clone() };
                    let scale = (place + 1) as f64 * (which + 1) as f64;
                    report.messages.latency.p50_s *= scale * (1.0 + seed as f64 / 20.0);
                    report.traffic.received_bytes *= place as u64 + 1;
                    (format!("nodes={nodes}_links.latency={latency}_seed={seed}"), report)
                };
                points.push(Point {
                    values: vec![nodes.clone(), latency.clone()],
                    runs: (1..=5).map(run).collect(),
                });
            }
        }
        let command = "martlet-testnet sweep split-and-heal --seeds 1..5 --out sweep".to_owned();
        Sweep { command, parameters, points, failed: Vec::new() }
    }

    #[test]
    fn a_line_of_each_table_is_a_run_or_a_figure_of_a_point() {
        let sweep = swept();
        let runs = sweep.runs_csv();
        assert_eq!(runs.lines().count(), 1 + 30);
        assert!(runs.starts_with("nodes,links.latency,seed,run,passed,written,delivered,"));
        let columns =
            |text: &str| text.lines().map(|line| line.split(',').count()).collect::<Vec<_>>();
        assert!(columns(&runs).iter().all(|count| *count == 5 + MEASURES.len()), "{runs}");
        let summary = sweep.summary_csv();
        assert!(columns(&summary).iter().all(|count| *count == 9), "{summary}");
        let line =
            summary.lines().find(|line| line.starts_with("40,80ms,latency_p50_s,5,")).unwrap();
        let mean: f64 = line.split(',').nth(4).unwrap().parse().unwrap();
        let of_one = example::split_and_heal().messages.latency.p50_s;
        assert!((mean - of_one * 4.0 * 1.15).abs() < 1e-9, "{line}");
        assert_eq!(quoted("[1, 2]"), "\"[1, 2]\"");
    }

    #[test]
    fn the_page_has_a_figure_for_each_measure_with_bands_and_asks_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let kept = std::env::var_os("MARTLET_WRITE_REPORTS").map(std::path::PathBuf::from);
        let into = kept.unwrap_or_else(|| dir.path().to_owned());
        for (name, sweep) in [("sweep", swept()), ("seeds", only_seeds())] {
            let into = into.join(name);
            std::fs::create_dir_all(&into).unwrap();
            sweep.write(&into).unwrap();
            let page = std::fs::read_to_string(into.join(PAGE_NAME)).unwrap();
            for id in ["delivery_ratio", "latency_p50_s", "latency_p99_s", "received_bytes_mean"] {
                assert!(page.contains(&format!("<figure id=\"{id}\">")), "{id}");
            }
            assert!(page.contains("<polygon"), "no band");
            for asks in ["http:", "https:", "<script", "url(", "src="] {
                assert!(!page.contains(asks), "{asks}");
            }
        }
    }

    fn only_seeds() -> Sweep {
        let mut sweep = swept();
        sweep.parameters.clear();
        sweep.points.truncate(1);
        sweep.points[0].values.clear();
        sweep.failed = vec![("seed=9".into(), "the simulation broke off".into())];
        sweep
    }
}
