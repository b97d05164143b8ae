//! Reports as files.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};

use super::{DrawError, Report, SCHEMA, html};

/// The report itself.
pub(super) const JSON_NAME: &str = "report.json";

/// The page made of it.
pub(super) const HTML_NAME: &str = "report.html";

/// A report that can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It can't be written.
    #[error(
        "cannot write {path}: {source}; name another directory with --report, or make room there"
    )]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A figure can't be drawn.
    #[error("cannot make {HTML_NAME} of it: {0}; report.json is written, please tell us with it")]
    Draw(#[from] DrawError),
    /// It can't be read.
    #[error(
        "cannot read {path}: {source}; name a report.json, or a directory with one or with directories of them"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no report.
    #[error("{path} is no report of martlet-testnet: {source}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// It is of another version of the shape.
    #[error(
        "{path} has schema {found}, and this martlet-testnet reads {SCHEMA}; read it with the version that wrote it"
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The file's.
        found: u32,
    },
    /// There is only one.
    #[error("{path} is one report; name another to compare it with")]
    Alone {
        /// Where it is.
        path: PathBuf,
    },
    /// No report is there.
    #[error("there is no report in {path}; --report DIR of a run writes one")]
    Nothing {
        /// The directory.
        path: PathBuf,
    },
}

/// Writes `report.json` and `report.html` into `dir`, which is made. A file is there whole or as it was before.
///
/// # Errors
///
/// When the directory can't be made, or a file in it not written.
pub fn write(report: &Report, dir: &Path) -> Result<(), ReportError> {
    fs::create_dir_all(dir)
        .map_err(|source| ReportError::Write { path: dir.to_owned(), source })?;
    write_file(dir, JSON_NAME, &report.to_json())?;
    write_file(dir, HTML_NAME, &html::page(report)?)
}

pub(super) fn write_file(dir: &Path, name: &str, text: &str) -> Result<(), ReportError> {
    let path = dir.join(name);
    let unfinished = dir.join(format!(".{name}.unfinished"));
    let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, &path));
    written.map_err(|source| {
        // Nothing more can be done about it than about the file.
        let _ = fs::remove_file(&unfinished);
        ReportError::Write { path, source }
    })
}

impl Report {
    /// The text of `report.json`: the same for the same report, byte for byte. An object or array
    /// has a line for each of its parts, an array of numbers or of pairs has one line.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it can't happen")]
    pub fn to_json(&self) -> String {
        let mut text = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut text, Lines::default());
        self.serialize(&mut serializer)
            .expect("a report has string keys only, and memory has no errors");
        text.push(b'\n');
        String::from_utf8(text).expect("JSON is UTF-8")
    }

    /// Reads a `report.json`.
    ///
    /// # Errors
    ///
    /// When it can't be read or is no report of this version of the shape.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        Self::parse(path, &Self::bytes(path)?)
    }

    /// The bytes of a `report.json`, for [`Self::parse`].
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn bytes(path: &Path) -> Result<Vec<u8>, ReportError> {
        let mut bytes = Vec::new();
        let read = martlet_input::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(|source| ReportError::Read { path: path.to_owned(), source })?;
        Ok(bytes)
    }

    /// The `report.json` of a directory, if `path` is one; else `path`.
    #[must_use]
    pub fn path_in(path: &Path) -> PathBuf {
        if path.is_dir() { path.join(JSON_NAME) } else { path.to_owned() }
    }

    /// Reads the text of the `report.json` at `path`.
    ///
    /// # Errors
    ///
    /// When it is no report of this version of the shape.
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self, ReportError> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let malformed = |source| ReportError::Malformed { path: path.to_owned(), source };
        let Version { schema } = serde_json::from_slice(text).map_err(malformed)?;
        if schema != SCHEMA {
            return Err(ReportError::Schema { path: path.to_owned(), found: schema });
        }
        serde_json::from_slice(text).map_err(malformed)
    }
}

/// Pretty JSON whose arrays of numbers don't fill pages: only objects and their members begin
/// lines.
#[derive(Debug, Default)]
struct Lines {
    depth: usize,
    /// Whether the value that just ended was an object.
    object_ended: bool,
}

impl Lines {
    fn line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.object_ended {
            self.line(writer)?;
        }
        self.object_ended = false;
        writer.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        // The outermost has no line before it, and the value of a key none of its own.
        writer.write_all(b"{")?;
        self.depth += 1;
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.object_ended = true;
        self.line(writer)?;
        writer.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.line(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.object_ended = false;
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::report::{
        CutOff, DeviceReport, Devices, Fetched, FileNode, FileReport, FilesReport, RoomReport,
        example,
    };

    #[test]
    fn a_report_survives_a_round_trip_through_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let report = example::split_and_heal();
        let into = dir.path().join("new/one");
        write(&report, &into).unwrap();
        assert_eq!(Report::read(&into.join(JSON_NAME)).unwrap(), report);
        let left: Vec<_> =
            fs::read_dir(&into).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
    }

    /// `MARTLET_WRITE_REPORTS=DIR` keeps them, to look at.
    #[test]
    fn every_example_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let kept = std::env::var_os("MARTLET_WRITE_REPORTS").map(PathBuf::from);
        let into = kept.unwrap_or_else(|| dir.path().to_owned());
        for report in [example::split_and_heal(), example::churn(), example::thousand()] {
            write(&report, &into.join(&report.scenario)).unwrap();
            let page = fs::read_to_string(into.join(&report.scenario).join(HTML_NAME)).unwrap();
            assert!(page.contains("</html>") && page.len() < 4 << 20, "{}", page.len());
        }
    }

    /// Paths of all fields: `nodes[].name`.
    fn fields(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
        use serde_json::Value;
        match value {
            Value::Object(fields_of) => {
                for (name, value) in fields_of {
                    let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                    fields(value, &path, found);
                }
            }
            Value::Array(values) => {
                let at = format!("{at}[]");
                found.push(at.clone());
                values
                    .iter()
                    .filter(|value| value.is_object())
                    .for_each(|value| fields(value, &at, found));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                found.push(at.to_owned())
            }
        }
    }

    #[test]
    fn the_document_has_every_field_and_no_other() {
        let document = include_str!("../../../docs/reports.md");
        let table =
            document.split("## report.json").nth(1).and_then(|rest| rest.split("\n## ").next());
        let rows = table.unwrap().lines().filter_map(|line| line.strip_prefix("| `"));
        let mut documented: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
        let mut report = example::split_and_heal();
        report.messages.devices =
            Some(Devices { each: vec![DeviceReport::default()], ..Devices::default() });
        report.messages.cut_off = vec![CutOff { room: Some(0), ..CutOff::default() }];
        report.messages.files = Some(FilesReport {
            nodes: vec![FileNode::default()],
            fetched: vec![Fetched::default()],
            each: vec![FileReport::default()],
            ..FilesReport::default()
        });
        let states = vec![(0.0, 1)];
        report.messages.rooms = vec![RoomReport { states, ..RoomReport::default() }];
        let json = serde_json::from_str(&report.to_json()).unwrap();
        let mut found = Vec::new();
        fields(&json, "", &mut found);
        // The other distributions have the fields of the first.
        for other in [
            "messages.latency_reachable",
            "messages.latency_connected",
            "messages.devices.latency",
            "messages.devices.linking",
            "messages.rooms[].to_all",
            "messages.rooms[].to_each",
            "messages.files.to_each",
            "messages.files.to_all",
        ] {
            found.retain(|field| !field.starts_with(&format!("{other}.")));
            found.push(other.to_owned());
        }
        // Objects are documented where there is something to say of them as a whole.
        let objects = [
            "messages.latency",
            "messages.devices",
            "messages.files",
            "spread",
            "origin",
            "origin.edges",
        ];
        found.extend(objects.map(str::to_owned));
        // A pair is one value; what is empty in this example is named all the same.
        found.sort_unstable();
        found.dedup();
        documented.sort_unstable();
        assert_eq!(documented, found, "docs/reports.md has the fields of report.json");
    }

    /// Reports of before they told what they were made of.
    #[test]
    fn a_report_of_an_earlier_version_is_read() {
        let first = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report-1-first.json");
        let report = Report::read(&first).unwrap();
        let now = example::small();
        assert_eq!(report.made.origin, None);
        assert_eq!((report.nodes, report.series), (now.nodes, now.series));
        assert_eq!(report.messages.latency, now.messages.latency);
    }

    /// Its lines as they were when the shape was made stable: `MARTLET_WRITE_VECTORS=1` writes them
    /// anew. What was there must not change without a new [`SCHEMA`].
    #[test]
    fn the_shape_is_as_it_was() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report-1.json");
        let mut report = example::small();
        report.messages.latency_reachable = Some(report.messages.latency.clone());
        if std::env::var_os("MARTLET_WRITE_VECTORS").is_some() {
            fs::write(&golden, report.to_json()).unwrap();
        }
        assert_eq!(report.to_json(), fs::read_to_string(&golden).unwrap());
        assert_eq!(Report::read(&golden).unwrap(), report);
    }

    #[test]
    fn the_same_run_gives_the_same_bytes() {
        assert_eq!(example::churn().to_json(), example::churn().to_json());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(JSON_NAME);
        let said = |path: &Path| Report::read(path).unwrap_err().to_string();
        assert!(said(&path).contains("cannot read"));
        fs::write(&path, "{\"schema\": 1}").unwrap();
        assert!(said(&path).contains("missing field `scenario`"), "{}", said(&path));
        fs::write(&path, "{\"schema\": 9}").unwrap();
        assert!(said(&path).contains("has schema 9"));
        let error = write(&example::split_and_heal(), &path).unwrap_err().to_string();
        assert!(error.contains("cannot write") && error.contains("--report"), "{error}");
    }
}
