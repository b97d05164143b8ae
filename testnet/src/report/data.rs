//! The raw data of a run: a line for each message, each first receipt of an envelope, each link and
//! each node. `docs/reports.md` documents the columns.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use super::recorder::seconds;
use super::{NodeReport, Report, ReportError};
use crate::plan::{Addressee, LossAs, NodeIndex, Plan};

/// A program that reads the files, in five lines.
const READER: &str = include_str!("data/read.py");

/// What became of each message and, where the runner sees them, each envelope.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Data {
    /// The messages of the plan, in order of time.
    pub messages: Vec<MessageRow>,
    /// The envelopes, in the order in which they were first seen.
    pub envelopes: Vec<EnvelopeRow>,
    /// When each node had each of them first, in order of time.
    pub receipts: Vec<Receipt>,
}

/// A message. Times are seconds of the run; what is not known, or did not happen, is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageRow {
    /// Its place in the plan.
    pub message: usize,
    /// The writer's node.
    pub from: NodeIndex,
    /// The recipient, or the room.
    pub to: Addressee,
    /// Bytes of text.
    pub bytes: usize,
    /// When it was to be written.
    pub planned_s: f64,
    /// When the writer's daemon took it.
    pub written_s: Option<f64>,
    /// When the writer was told that another node has it.
    pub sent_s: Option<f64>,
    /// When the recipient was shown it.
    pub delivered_s: Option<f64>,
    /// When the writer was told that the recipient has it.
    pub acknowledged_s: Option<f64>,
    /// Whether it was not written, since the writer's node was off or refused.
    pub skipped: bool,
    /// Whether it was shown more than once.
    pub duplicated: bool,
    /// Over how many links the envelope came that brought it.
    pub hops: Option<u16>,
    /// Someone who was not shown it, and was to be.
    pub missing: Option<NodeIndex>,
}

/// An envelope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EnvelopeRow {
    /// Its id.
    pub id: [u8; 32],
    /// The node whose user made it, and when, seconds; absent of what no node made.
    pub made: Option<(NodeIndex, f64)>,
}

/// The first time that a node had an envelope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Receipt {
    /// Its place in [`Data::envelopes`].
    pub envelope: u32,
    /// The node.
    pub node: NodeIndex,
    /// When, seconds.
    pub at_s: f64,
    /// Who brought it; absent for who made it.
    pub from: Option<NodeIndex>,
    /// Over how many links it had come; absent if its way is not known.
    pub hops: Option<u16>,
    /// Whether it was only passed on then, on the stem, and not kept.
    pub stem: bool,
}

/// Writes the files into `dir`, which is made.
///
/// # Errors
///
/// When the directory can't be made, or a file in it not written.
pub fn write(data: &Data, plan: &Plan, report: &Report, dir: &Path) -> Result<(), ReportError> {
    let made = fs::create_dir_all(dir);
    made.map_err(|source| ReportError::Write { path: dir.to_owned(), source })?;
    let names: Vec<&str> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
    file(dir, "messages.jsonl", |file| messages(data, plan, file))?;
    file(dir, "envelopes.jsonl", |file| envelopes(data, &names, file))?;
    file(dir, "links.csv", |file| links(plan, &names, file))?;
    file(dir, "nodes.csv", |file| nodes(plan, &report.nodes, file))?;
    file(dir, "read.py", |file| file.write_all(READER.as_bytes()))
}

fn file(
    dir: &Path,
    name: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), ReportError> {
    let path = dir.join(name);
    let written = File::create(&path).map(BufWriter::new).and_then(|mut file| {
        write(&mut file)?;
        file.flush()
    });
    written.map_err(|source| ReportError::Write { path, source })
}

fn line(file: &mut impl Write, row: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, row)?;
    file.write_all(b"\n")
}

fn messages(data: &Data, plan: &Plan, file: &mut impl Write) -> io::Result<()> {
    /// The same with names.
    #[derive(Serialize)]
    struct Line<'a> {
        message: usize,
        from: &'a str,
        to: &'a str,
        bytes: usize,
        planned_s: f64,
        written_s: Option<f64>,
        sent_s: Option<f64>,
        delivered_s: Option<f64>,
        acknowledged_s: Option<f64>,
        skipped: bool,
        duplicated: bool,
        hops: Option<u16>,
        missing: Option<&'a str>,
    }
    data.messages.iter().try_for_each(|row| {
        let MessageRow { message, bytes, planned_s, written_s, sent_s, delivered_s, .. } = *row;
        let MessageRow { acknowledged_s, skipped, duplicated, hops, missing, .. } = *row;
        let missing = missing.map(|node| plan.name_of(Addressee::Person(node)));
        let from = plan.name_of(Addressee::Person(row.from));
        let to = plan.name_of(row.to);
        line(
            file,
            &Line {
                message,
                from,
                to,
                bytes,
                planned_s,
                written_s,
                sent_s,
                delivered_s,
                acknowledged_s,
                skipped,
                duplicated,
                hops,
                missing,
            },
        )
    })
}

fn envelopes(data: &Data, names: &[&str], file: &mut impl Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        envelope: &'a str,
        node: &'a str,
        at_s: f64,
        age_s: Option<f64>,
        author: Option<&'a str>,
        from: Option<&'a str>,
        hops: Option<u16>,
        stem: bool,
    }
    let hex = |id: &[u8; 32]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let ids: Vec<String> = data.envelopes.iter().map(|envelope| hex(&envelope.id)).collect();
    data.receipts.iter().try_for_each(|receipt| {
        let index = receipt.envelope as usize;
        let made = data.envelopes[index].made;
        let age = |(_, made_s): (NodeIndex, f64)| ((receipt.at_s - made_s) * 1e6).round() / 1e6;
        line(
            file,
            &Line {
                envelope: &ids[index],
                node: names[receipt.node],
                at_s: receipt.at_s,
                age_s: made.map(age),
                author: made.map(|(author, _)| names[author]),
                from: receipt.from.map(|from| names[from]),
                hops: receipt.hops,
                stem: receipt.stem,
            },
        )
    })
}

// Names are of letters, digits and dashes: no cell has to be quoted.

fn links(plan: &Plan, names: &[&str], file: &mut impl Write) -> io::Result<()> {
    writeln!(file, "a,b,latency_s,jitter_s,bandwidth_bytes_per_s,loss,loss_as")?;
    plan.links.iter().try_for_each(|link| {
        let shape = &link.shape;
        let loss_as = match shape.loss_as {
            LossAs::Delay => "delay",
            LossAs::Reset => "reset",
        };
        writeln!(
            file,
            "{},{},{},{},{},{},{loss_as}",
            names[link.a],
            names[link.b],
            seconds(shape.latency),
            seconds(shape.jitter),
            cell(shape.bandwidth_bytes_per_s),
            shape.loss,
        )
    })
}

fn nodes(plan: &Plan, reports: &[NodeReport], file: &mut impl Write) -> io::Result<()> {
    writeln!(
        file,
        "name,role,user,cluster,clock_offset_s,partition,on,received_bytes,sent_bytes,envelopes_new,\
         envelopes_new_bytes,envelopes_duplicate,connections,mailbox_envelopes,mailbox_envelopes_max,\
         mailbox_bytes,written,delivered"
    )?;
    plan.nodes.iter().zip(reports).try_for_each(|(plan, node)| {
        let counts = [
            node.received_bytes,
            node.sent_bytes,
            node.envelopes_new,
            node.envelopes_new_bytes,
            node.envelopes_duplicate,
            node.connections,
            node.mailbox_envelopes,
            node.mailbox_envelopes_max,
            node.mailbox_bytes,
            node.written,
            node.delivered,
        ];
        let counts = counts.map(|count| count.to_string()).join(",");
        writeln!(
            file,
            "{},{},{},{},{},{},{},{counts}",
            node.name,
            node.role,
            node.user,
            cell(node.cluster),
            plan.clock_offset_ms as f64 / 1e3,
            cell(node.partition),
            node.on,
        )
    })
}

/// Empty where there is none.
fn cell(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
