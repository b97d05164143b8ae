//! Who writes what to whom, and sends which files, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use martlet_protocol::limits::{FILE_BYTES_MAX, TEXT_BYTES_MAX};
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha20Rng;

use super::chance::{Purpose, below, chance, exponential};
use super::contacts::{Contacts, people, with_users};
use super::error::{Fault, Faults};
use super::events::InUse;
use super::file::{self, Pattern, Pick};
use super::limits::{BURST_MAX, MESSAGES_MAX, TEXT_BYTES_MIN};
use super::rooms::Rooms;
use super::roster::Roster;
use super::values::{Bytes, Sizes, show};
use crate::plan::{
    Accept, Addressee, FilePlan, Membership, MessagePlan, NetworkPlan, NodeIndex, Settings, Way,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Bytes of a message, where the scenario says nothing: a sentence or two.
const SIZE_DEFAULT: Bytes = Bytes(200);

/// All messages, texts and files, in order of time.
pub(crate) fn messages(
    tables: &[file::Traffic],
    files: &[file::Files],
    roster: &Roster,
    known: &Known<'_>,
    (seed, duration): (u64, Duration),
) -> Result<Vec<MessagePlan>, Vec<Fault>> {
    let mut faults = Faults::default();
    let contacts_of_all = known.contacts.of_all(roster.nodes.len());
    let mut messages = Vec::new();
    let texts = tables.iter().map(|table| (table.clone(), What::Text));
    let sent = files.iter().map(|table| (table.traffic(), What::File { accept: table.accept }));
    for (at, (table, what)) in texts.chain(sent).enumerate() {
        let (key, purpose, index) = match what {
            What::Text => ("traffic", Purpose::Traffic, at),
            What::File { .. } => ("files", Purpose::Files, at - tables.len()),
        };
        let mut chance = chance(seed, purpose, index);
        let contacts_of_all = &contacts_of_all;
        let flow = Flow { table: &table, what, roster, known, contacts_of_all, duration };
        faults.keep(
            flow.write(&mut chance, &mut messages).map_err(|fault| {
                Fault::new(format!("{key}[{index}].{}", fault.key), fault.message)
            }),
        );
    }
    messages.sort_by_key(|message: &MessagePlan| message.at);
    faults.unless(messages)
}

/// Who can write to whom, and on what.
pub(crate) struct Known<'a> {
    pub(crate) contacts: &'a Contacts,
    pub(crate) in_use: &'a InUse,
    pub(crate) rooms: &'a Rooms,
    pub(crate) memberships: &'a [Membership],
    /// How files go.
    pub(crate) network: NetworkPlan,
    /// Whether nodes fetch them from each other.
    pub(crate) settings: Settings,
}

/// What is written.
#[derive(Debug, Clone, Copy)]
enum What {
    Text,
    File { accept: Accept },
}

/// One `[[traffic]]`, or one `[[files]]`.
struct Flow<'a> {
    table: &'a file::Traffic,
    what: What,
    roster: &'a Roster,
    known: &'a Known<'a>,
    contacts_of_all: &'a [Vec<(NodeIndex, Duration)>],
    duration: Duration,
}

/// To whom a writer can write, from when on, and until when.
type Recipients = Vec<(Addressee, Duration, Duration)>;

impl Flow<'_> {
    fn write(
        &self,
        chance: &mut ChaCha20Rng,
        messages: &mut Vec<MessagePlan>,
    ) -> Result<(), Fault> {
        let table = self.table;
        let named =
            with_users(&table.from, self.roster).map_err(|message| Fault::new("from", message))?;
        let mut devices: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
        for node in named {
            devices.entry(self.roster.person(node)).or_default().push(node);
        }
        let writers: Vec<NodeIndex> = devices.keys().copied().collect();
        let (start, end) = self.window()?;
        let mean = self.mean()?;
        let sizes = self.sizes()?;
        let burst = table.burst.unwrap_or(1);
        if !(1..=BURST_MAX).contains(&burst) {
            return Err(Fault::new(
                "burst",
                format!("{burst} is out of bounds; give 1 to {BURST_MAX}"),
            ));
        }
        let recipients: Vec<Recipients> =
            writers.iter().map(|writer| self.recipients(*writer)).collect::<Result<_, _>>()?;
        self.check_number(&recipients, burst, mean, end.saturating_sub(start))?;
        let before = messages.len();
        for (writer, recipients) in writers.iter().zip(&recipients) {
            let joins = self.roster.joins[*writer].unwrap_or_default();
            for at in self.occasions(chance, mean, start, end) {
                let known: Vec<Addressee> = recipients
                    .iter()
                    .filter(|(_, since, until)| (*since..*until).contains(&at))
                    .map(|(to, ..)| *to)
                    .collect();
                if at < joins || known.is_empty() || !self.is_awake(at) {
                    continue;
                }
                let Some(from) = self.device(&devices[writer], at, chance) else { continue };
                for _ in 0..burst {
                    let chosen: Vec<Addressee> = match table.pick {
                        Pick::Each => known.clone(),
                        Pick::One => known.choose(chance).copied().into_iter().collect(),
                    };
                    for to in chosen {
                        let bytes = chance.random_range(sizes.clone());
                        messages.push(match self.what {
                            // Both fit, which was checked.
                            What::Text => {
                                let bytes = usize::try_from(bytes).unwrap_or(TEXT_BYTES_MAX);
                                MessagePlan { at, from, to, bytes, file: None }
                            }
                            What::File { accept } => {
                                let file = Some(FilePlan { bytes, accept });
                                MessagePlan { at, from, to, bytes: 0, file }
                            }
                        });
                    }
                }
                if messages.len() > MESSAGES_MAX {
                    return Err(too_many(self.rate_key()));
                }
            }
        }
        if messages.len() == before {
            let message = "nobody has a contact or a room in that time, or it is shorter than an occasion; \
                           start earlier, end later, or make contacts earlier";
            return Err(Fault::new("from", message));
        }
        Ok(())
    }

    /// On which of a person's devices they write then: by chance, of those that are theirs.
    fn device(
        &self,
        devices: &[NodeIndex],
        at: Duration,
        chance: &mut ChaCha20Rng,
    ) -> Option<NodeIndex> {
        let mut in_use = devices.iter().copied().filter(|it| self.known.in_use.is_in_use(*it, at));
        match devices {
            [] | [_] => in_use.next(),
            _ => in_use.collect::<Vec<_>>().choose(chance).copied(),
        }
    }

    fn window(&self) -> Result<(Duration, Duration), Fault> {
        let start = self.table.start.0;
        let end = self.table.end.map_or(self.duration, |end| end.0);
        if end > self.duration {
            let message =
                format!("it is after the end of the run, which is {}", show(self.duration));
            return Err(Fault::new("end", message));
        }
        if start >= end {
            let message =
                format!("it is not before the end, which is {}; start earlier", show(end));
            return Err(Fault::new("start", message));
        }
        if let Some(daily) = self.table.daily
            && !(daily.from < daily.to && daily.to.0 <= DAY)
        {
            let message = "it must be from an earlier hour of the day to a later one, such as \
                           { from = \"8h\", to = \"22h\" }";
            return Err(Fault::new("daily", message));
        }
        Ok((start, end))
    }

    /// The time between two occasions of a writer; `None`: there is one.
    fn mean(&self) -> Result<Option<Duration>, Fault> {
        match (self.table.every, self.table.rate) {
            (Some(every), None) => Ok(Some(every.0)),
            (None, Some(rate)) => Ok(Some(Duration::from_secs_f64(1.0 / rate.0))),
            (Some(_), Some(_)) => {
                Err(Fault::new("rate", "every says it already; leave one of the two out"))
            }
            (None, None) if self.table.pattern == Pattern::Poisson => Err(Fault::new(
                "rate",
                "it is missing: pattern = \"poisson\" needs it, or every; add it",
            )),
            (None, None) if self.table.daily.is_some() => {
                Err(Fault::new("rate", "it is missing: daily needs it, or every; add it"))
            }
            (None, None) => Ok(None),
        }
    }

    fn sizes(&self) -> Result<std::ops::RangeInclusive<u64>, Fault> {
        let Sizes { min: Bytes(min), max: Bytes(max) } =
            self.table.size.unwrap_or_else(|| SIZE_DEFAULT.into());
        let (within, of_what) = match self.what {
            What::Text => (TEXT_BYTES_MIN as u64..=TEXT_BYTES_MAX as u64, "text"),
            What::File { .. } => (1..=FILE_BYTES_MAX, "file"),
        };
        if !within.contains(&min) || !within.contains(&max) {
            let (least, most) = within.into_inner();
            let message = format!("a {of_what} has {least} to {most} bytes; stay within");
            return Err(Fault::new("size", message));
        }
        let Known { network, settings, .. } = self.known;
        if let What::File { .. } = self.what
            && network.way_of(max) == Way::Direct
            && settings.direct_files == Some(false)
        {
            let message = "files of this size go from node to node, and settings.direct_files is false; \
                           send smaller ones, or leave that out";
            return Err(Fault::new("size", message));
        }
        Ok(min..=max)
    }

    fn recipients(&self, writer: NodeIndex) -> Result<Recipients, Fault> {
        let fault = |message| Fault::new("to", message);
        let person =
            |(node, since): (NodeIndex, Duration)| (Addressee::Person(node), since, Duration::MAX);
        if self.table.to.0 == ["contacts"] {
            return Ok(self.contacts_of_all[writer].iter().copied().map(person).collect());
        }
        if let Some(rooms) = self.known.rooms.select(&self.table.to) {
            let rooms = rooms.map_err(fault)?;
            let all = self.known.memberships.iter();
            let own = all.filter(|one| one.person == writer && rooms.contains(&one.room));
            return Ok(own.map(|one| (Addressee::Room(one.room), one.from, one.to)).collect());
        }
        let named = people(&self.table.to, self.roster).map_err(fault)?;
        let mut recipients = Vec::with_capacity(named.len());
        for node in named.into_iter().filter(|node| *node != writer) {
            let Some(since) = self.known.contacts.since(writer, node) else {
                let (from, to) = (&self.roster.nodes[writer].name, &self.roster.nodes[node].name);
                return Err(fault(format!(
                    "{from} and {to} are no contacts; make them some by [[contacts]]"
                )));
            };
            recipients.push(person((node, since)));
        }
        if recipients.is_empty() {
            let name = &self.roster.nodes[writer].name;
            return Err(fault(format!("{name} has nobody but itself to write to; name another")));
        }
        Ok(recipients)
    }

    /// Before they are listed, lest that takes all memory.
    fn check_number(
        &self,
        recipients: &[Recipients],
        burst: usize,
        mean: Option<Duration>,
        window: Duration,
    ) -> Result<(), Fault> {
        let occasions = mean.map_or(1.0, |mean| window.as_secs_f64() / mean.as_secs_f64());
        let at_once: usize = recipients
            .iter()
            .map(|recipients| match self.table.pick {
                Pick::One => burst,
                Pick::Each => burst * recipients.len(),
            })
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "it is compared with a bound far below")]
        let expected = occasions * at_once as f64;
        #[expect(clippy::cast_precision_loss, reason = "ten million is exact")]
        let most = MESSAGES_MAX as f64;
        if expected > most { Err(too_many(self.rate_key())) } else { Ok(()) }
    }

    fn rate_key(&self) -> &'static str {
        match (self.table.every, self.table.rate) {
            (Some(_), _) => "every",
            (None, Some(_)) => "rate",
            (None, None) => "burst",
        }
    }

    fn occasions(
        &self,
        chance: &mut ChaCha20Rng,
        mean: Option<Duration>,
        start: Duration,
        end: Duration,
    ) -> Vec<Duration> {
        let Some(mean) = mean else { return vec![start] };
        let mut at = start;
        let mut occasions = Vec::new();
        match self.table.pattern {
            Pattern::Regular => {
                // Writers are not in step.
                at += below(chance, mean);
                while at < end {
                    occasions.push(at);
                    at += mean;
                }
            }
            Pattern::Poisson => loop {
                at += exponential(chance, mean);
                if at >= end {
                    break;
                }
                occasions.push(at);
            },
        }
        occasions
    }

    fn is_awake(&self, at: Duration) -> bool {
        let Some(daily) = self.table.daily else { return true };
        let of_day = Duration::from_nanos((at.as_nanos() % DAY.as_nanos()) as u64);
        (daily.from.0..daily.to.0).contains(&of_day)
    }
}

fn too_many(key: &str) -> Fault {
    Fault::new(
        key,
        format!("this comes to more than {MESSAGES_MAX} messages; write more rarely, or shorter"),
    )
}
