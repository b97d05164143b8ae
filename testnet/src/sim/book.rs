//! What is taken down of a simulation: what all sectors note, put into one order.

use std::collections::HashMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use martlet_engine::PeerKey;

use super::Watch;
use super::host::Tick;
use super::lockstep::Ledger;
use super::node::Sighting;
use super::sectors::lasting;
use super::witness::{Brought, Witness};
use crate::plan::{NodeIndex, Plan, RoomDeed, RoomIndex, Runner};
use crate::report::recorder::{NodeSample, Recorder, RoomSeen};

/// What a sector notes, with its time since the start of the run.
pub(super) type Noted = (Duration, Note);
/// What a sector has noted in this window.
pub(super) type Notes = Arc<Mutex<Vec<Noted>>>;

/// Something to be taken down.
#[derive(Debug)]
pub(super) enum Note {
    /// A message of the plan was written, and has this id.
    Written(usize, String),
    /// It was not.
    Skipped(usize),
    /// A device was linked.
    Linked(NodeIndex),
    /// Someone could not do to a room what they were to do.
    Hindered { by: NodeIndex, room: RoomIndex, deed: RoomDeed },
    /// Something was seen at a node.
    Saw(Sighting),
    /// What all nodes of a sector are like.
    Looked(Vec<(NodeIndex, NodeSample)>),
}

impl Note {
    /// Of what is noted at the same moment, which comes first.
    fn rank(&self) -> u8 {
        match self {
            Self::Written(..) | Self::Skipped(_) | Self::Linked(_) | Self::Hindered { .. } => 0,
            Self::Saw(_) => 1,
            Self::Looked(_) => 2,
        }
    }
}

/// What comes from the sectors.
pub(super) enum Post {
    /// All that was noted in a window.
    Window(Vec<Vec<Noted>>),
    /// The rest, and when the simulation was ended, if it was.
    End(Vec<Vec<Noted>>, Option<Tick>),
}

/// Sends what sectors note to where the book is.
pub(super) struct Sender {
    pub(super) post: SyncSender<Post>,
    pub(super) watch: Arc<Watch>,
    /// When the run begins.
    pub(super) start: Duration,
}

impl Ledger<Noted> for Sender {
    fn window(&mut self, notes: Vec<Vec<Noted>>, next: Tick) -> bool {
        self.watch.reach(lasting(next).saturating_sub(self.start));
        let is_taken =
            notes.iter().all(Vec::is_empty) || self.post.send(Post::Window(notes)).is_ok();
        is_taken && !self.watch.is_stopped()
    }

    fn end(&mut self, notes: Vec<Vec<Noted>>, over: Option<Tick>) {
        // Nobody waits for it if the book is gone.
        let _ = self.post.send(Post::End(notes, over));
    }
}

/// All that is known of a run.
pub(super) struct Book<'a> {
    plan: &'a Plan,
    /// The nodes by their keys.
    places: HashMap<PeerKey, NodeIndex>,
    /// And by their names.
    names: HashMap<&'a str, NodeIndex>,
    pub(super) recorder: Recorder<'a>,
    /// What all nodes see, where someone wants to know.
    pub(super) witness: Option<Witness>,
    /// How many events of the plan have happened.
    happened: usize,
    samples: Vec<NodeSample>,
    /// How many nodes have been looked at this time.
    looked: usize,
}

impl<'a> Book<'a> {
    pub(super) fn new(plan: &'a Plan, places: HashMap<PeerKey, NodeIndex>) -> Self {
        Self {
            plan,
            places,
            names: plan
                .nodes
                .iter()
                .enumerate()
                .map(|(at, node)| (node.name.as_str(), at))
                .collect(),
            recorder: Recorder::new(plan, Runner::Sim),
            witness: None,
            happened: 0,
            samples: vec![NodeSample::default(); plan.nodes.len()],
            looked: 0,
        }
    }

    /// Remembers what each node sees.
    pub(super) fn with_witness(self) -> Self {
        Self { witness: Some(Witness::new(self.places.clone())), ..self }
    }

    /// Keeps the raw data.
    pub(super) fn with_data(self) -> Self {
        Self { recorder: self.recorder.with_data(), ..self }
    }

    /// Takes down what was noted next.
    pub(super) fn take(&mut self, notes: Vec<Vec<Noted>>) {
        let mut notes: Vec<Noted> = notes.into_iter().flatten().collect();
        // Stable: what one sector notes in one moment stays in its order, and sectors in theirs.
        notes.sort_by_key(|(at, note)| (*at, note.rank()));
        for (at, note) in notes {
            self.happen(at);
            match note {
                Note::Written(message, id) => self.written(message, id),
                Note::Skipped(message) => self.recorder.skipped(message),
                Note::Linked(device) => self.recorder.linked(device, at),
                Note::Hindered { by, room, deed } => self.recorder.hindered(by, room, deed, at),
                Note::Saw(sighting) => self.saw(at, sighting),
                Note::Looked(samples) => self.looked(at, &samples),
            }
        }
    }

    /// Takes down what the plan has until `at`.
    pub(super) fn happen(&mut self, at: Duration) {
        while let Some(event) = self.plan.events.get(self.happened).filter(|event| event.at <= at) {
            self.recorder.happened(&event.event, event.at);
            self.happened += 1;
        }
    }

    fn written(&mut self, message: usize, id: String) {
        let at = self.plan.messages[message].at;
        self.recorder.written(message, at);
        self.recorder.named(message, id.clone());
        if let Some(witness) = &mut self.witness {
            witness.written(id, at);
        }
    }

    fn looked(&mut self, at: Duration, samples: &[(NodeIndex, NodeSample)]) {
        samples.iter().for_each(|(node, sample)| self.samples[*node] = *sample);
        self.looked += samples.len();
        if self.looked == self.samples.len() {
            self.looked = 0;
            self.recorder.sample(at, &self.samples);
        }
    }

    fn saw(&mut self, at: Duration, sighting: Sighting) {
        if let Some(witness) = &mut self.witness {
            witness.see(at, &sighting);
        }
        match sighting {
            Sighting::Made { node, id } => self.recorder.envelope_made(id, node, at),
            Sighting::Seen { node, id } => self.recorder.envelope_seen(id, node, at),
            Sighting::Brought { node, from, item, what } => match what {
                Brought::Envelope | Brought::OnStem => {
                    let (from, stem) = (self.places.get(&from), what == Brought::OnStem);
                    self.recorder.envelope_brought(item, node, from.copied(), at, stem);
                }
                Brought::Ack => {}
            },
            Sighting::Sent { id } => self.recorder.told_sent(id, at),
            Sighting::Delivered { id } => self.recorder.told_delivered(id, at),
            Sighting::AckMade { .. } => {}
            Sighting::Shown { node, text } => {
                let message = index_of(&text).filter(|message| *message < self.plan.messages.len());
                if let Some(message) = message {
                    // Daemons date what they show when they have taken it up.
                    let takes =
                        self.plan.settings.costs.map_or(0, |costs| {
                            u64::from(costs.wake_us) + u64::from(costs.envelope_us)
                        });
                    self.recorder.shown(message, node, at + Duration::from_micros(takes));
                }
            }
            Sighting::Room { node, room, is_in, members, digest } => {
                let named = self.plan.rooms.iter().position(|it| it.name == room);
                if let Some(room) = named {
                    let seen = RoomSeen { is_in, members, digest };
                    self.recorder.sees_room(node, room, seen, at);
                }
            }
            Sighting::FileWhole { node, message } => self.recorder.file_whole(message, node, at),
            Sighting::FileFailed { node, message } => self.recorder.file_failed(message, node),
            Sighting::Fetched { node, from, bytes } => {
                if let Some(from) = self.places.get(&from) {
                    self.recorder.fetched(node, *from, bytes);
                }
            }
            Sighting::KnowsRevoked { node, device } => {
                if let Some(device) = self.names.get(device.as_str()) {
                    self.recorder.knows_cut(node, *device, at);
                }
            }
        }
    }
}

/// The text of a message: its number, and what makes it as long as it should be.
pub(super) fn text_of(index: usize, bytes: usize) -> String {
    let mut text = format!("#{index:08} ");
    text.extend(std::iter::repeat_n('.', bytes.saturating_sub(text.len())));
    text
}

/// The number of a message, by its text.
fn index_of(text: &str) -> Option<usize> {
    text.strip_prefix('#')?.get(..8)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_text() {
        let text = text_of(42, 200);
        assert_eq!((text.len(), index_of(&text)), (200, Some(42)));
        assert_eq!(index_of("hello"), None);
    }
}
