//! What is brought to which depot next, and what is let go where: decided here, without waiting and without a clock.
//!
//! Two depots are brought each blob. Those that the engine noted come first. If they are not connected, or too few, others are chosen: the
//! engine notes them before they are told anything.

use std::collections::{BTreeMap, HashMap, HashSet};

use libp2p::PeerId;
use martlet_engine::{Deposit, KnownBlob};
use martlet_protocol::file::ask::{Put, Release};
use martlet_protocol::{BlobId, UnixMillis};
use martlet_store::blobs::BlobName;
use martlet_store::records::{DepotRecord, ReleaseRecord};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::limits::{
    DEPOSITS_MAX, DEPOSITS_PER_DEPOT_MAX, DEPOT_CHOSEN_WAIT, DEPOT_REFUSED_FOR, DEPOTS_MAX,
    RELEASES_MAX, RELEASES_PER_DEPOT_MAX,
};

/// A blob, and a depot.
type Pair = (BlobId, PeerId);

/// What is to be done, and what of it is under way.
#[derive(Default)]
pub(super) struct Next {
    deposits: BTreeMap<BlobName, Wanted>,
    releases: BTreeMap<BlobName, ReleaseRecord>,
    /// What is brought to which depot just now.
    running: HashSet<Pair>,
    /// What is let go there just now.
    releasing: HashSet<Pair>,
    /// When a depot may be asked again about a blob.
    not_before: HashMap<Pair, Instant>,
}

struct Wanted {
    blob: KnownBlob,
    deposit: Deposit,
    cancel: watch::Sender<bool>,
}

/// Something to be done.
pub(super) enum Step {
    /// The engine is to note that this depot may be brought this.
    Choose(BlobName, PeerId),
    /// It is brought.
    Bring { blob: KnownBlob, put: Put, peer: PeerId, cancelled: watch::Receiver<bool> },
    /// It is let go.
    LetGo { name: BlobName, release: Release, peer: PeerId },
}

impl Next {
    /// A blob is to be kept so; what is under way goes on.
    pub(super) fn deposit(&mut self, blob: KnownBlob, deposit: Deposit) {
        let before = self.deposits.remove(&blob.name);
        // Who was just noted was waiting for that alone.
        let was_noted = |peer| {
            let mut depots = before.iter().flat_map(|before| &before.deposit.depots);
            depots.any(|depot| peer_of(depot) == Some(peer))
        };
        for peer in deposit.depots.iter().filter_map(peer_of).filter(|peer| !was_noted(*peer)) {
            self.not_before.remove(&(blob.id, peer));
        }
        let cancel = before.map(|before| before.cancel);
        let cancel = cancel.unwrap_or_else(|| watch::Sender::new(false));
        self.deposits.insert(blob.name, Wanted { blob, deposit, cancel });
    }

    pub(super) fn release(&mut self, name: BlobName, release: ReleaseRecord) {
        self.releases.insert(name, release);
    }

    /// A blob is brought to nobody any more.
    pub(super) fn end(&mut self, name: &BlobName) {
        if let Some(wanted) = self.deposits.remove(name) {
            wanted.cancel.send_replace(true);
            self.not_before.retain(|(id, _), _| *id != wanted.blob.id);
        }
    }

    pub(super) fn clear(&mut self) {
        for name in self.deposits.keys().copied().collect::<Vec<_>>() {
            self.end(&name);
        }
        self.releases.clear();
    }

    /// Whether nothing is left to be done, whoever connects.
    pub(super) fn is_idle(&self) -> bool {
        let is_done = |wanted: &Wanted| {
            let Deposit { depots, chooses, .. } = &wanted.deposit;
            !chooses || (depots.len() >= DEPOTS_MAX && depots.iter().all(|it| it.is_kept))
        };
        self.releases.is_empty() && self.deposits.values().all(is_done)
    }

    /// What a depot answered, or that it did not; and when it may be asked again.
    pub(super) fn brought(
        &mut self,
        blob: &KnownBlob,
        peer: PeerId,
        is_refused: bool,
        again: Instant,
    ) {
        self.running.remove(&(blob.id, peer));
        if self.deposits.contains_key(&blob.name) {
            let again = if is_refused { again + DEPOT_REFUSED_FOR } else { again };
            self.not_before.insert((blob.id, peer), again);
        }
    }

    /// A depot was told to let something go; whether it heard that.
    pub(super) fn let_go(
        &mut self,
        name: &BlobName,
        (blob, peer): (BlobId, PeerId),
        is_done: bool,
        now: Instant,
    ) {
        self.releasing.remove(&(blob, peer));
        if !is_done {
            self.not_before.insert((blob, peer), now + DEPOT_CHOSEN_WAIT);
            return;
        }
        self.not_before.remove(&(blob, peer));
        if let Some(release) = self.releases.get_mut(name) {
            release.depots.retain(|it| *it != peer.to_bytes());
            if release.depots.is_empty() {
                self.releases.remove(name);
            }
        }
    }

    /// What is to be done now that these depots are connected.
    pub(super) fn steps(
        &mut self,
        connected: &[PeerId],
        clock: UnixMillis,
        now: Instant,
    ) -> Vec<Step> {
        self.not_before.retain(|_, again| *again > now);
        let over = self.deposits.values().filter(|it| it.deposit.until.is_past(clock));
        for name in over.map(|it| it.blob.name).collect::<Vec<_>>() {
            self.end(&name);
        }
        self.releases.retain(|_, release| !release.until.is_past(clock));
        let mut steps = Vec::new();
        // First: what is let go makes room.
        for (name, release) in &self.releases {
            for peer in release.depots.iter().filter_map(|it| PeerId::from_bytes(it).ok()) {
                let key = (release.blob, peer);
                let to_peer = self.releasing.iter().filter(|(_, other)| *other == peer).count();
                // Not while it is still brought there: that would come after.
                let is_free = !self.running.contains(&key)
                    && !self.releasing.contains(&key)
                    && !self.not_before.contains_key(&key)
                    && self.releasing.len() < RELEASES_MAX
                    && to_peer < RELEASES_PER_DEPOT_MAX;
                if connected.contains(&peer) && is_free {
                    self.releasing.insert(key);
                    let (id, secret) = (release.blob, release.secret.clone());
                    let release = Release { id, slot: 0, secret };
                    steps.push(Step::LetGo { name: *name, release, peer });
                }
            }
        }
        let Self { deposits, running, not_before, .. } = self;
        for (name, wanted) in deposits.iter() {
            bring(wanted, connected, (running, not_before), &mut steps);
            if let Some(peer) = chosen(wanted, connected, not_before) {
                // It is asked for once more if the engine says nothing.
                not_before.insert((wanted.blob.id, peer), now + DEPOT_CHOSEN_WAIT);
                steps.push(Step::Choose(*name, peer));
            }
        }
        steps
    }
}

fn peer_of(depot: &DepotRecord) -> Option<PeerId> {
    PeerId::from_bytes(&depot.holder.peer).ok()
}

fn bring(
    Wanted { blob, deposit, cancel }: &Wanted,
    connected: &[PeerId],
    (running, not_before): (&mut HashSet<Pair>, &HashMap<Pair, Instant>),
    steps: &mut Vec<Step>,
) {
    // Who was to have it has it.
    if !deposit.chooses {
        return;
    }
    for peer in deposit.depots.iter().filter(|it| !it.is_kept).filter_map(peer_of) {
        let key = (blob.id, peer);
        let to_peer = running.iter().filter(|(_, other)| *other == peer).count();
        let is_free = !running.contains(&key)
            && !not_before.contains_key(&key)
            && running.len() < DEPOSITS_MAX
            && to_peer < DEPOSITS_PER_DEPOT_MAX;
        if connected.contains(&peer) && is_free {
            running.insert(key);
            let put = Put {
                id: blob.id,
                size: blob.size,
                expiry: deposit.until,
                releases: vec![deposit.release],
            };
            let cancelled = cancel.subscribe();
            steps.push(Step::Bring { blob: *blob, put, peer, cancelled });
        }
    }
}

/// A depot to be noted, if there are too few.
fn chosen(
    Wanted { blob, deposit, .. }: &Wanted,
    connected: &[PeerId],
    not_before: &HashMap<Pair, Instant>,
) -> Option<PeerId> {
    let is_there = |depot: &&DepotRecord| {
        depot.is_kept || peer_of(depot).is_some_and(|peer| connected.contains(&peer))
    };
    let enough = deposit.depots.iter().filter(is_there).count() >= DEPOTS_MAX;
    if enough || !deposit.chooses {
        return None;
    }
    let is_noted = |peer: &&PeerId| deposit.depots.iter().any(|it| peer_of(it) == Some(**peer));
    let others = connected.iter().filter(|peer| !is_noted(peer));
    let free = others.filter(|peer| !not_before.contains_key(&(blob.id, **peer)));
    // So that not all blobs of all senders go to the same two.
    free.min_by_key(|peer| place_of(&blob.id, peer)).copied()
}

/// In which order depots are chosen for a blob: another one for each.
fn place_of(blob: &BlobId, peer: &PeerId) -> [u8; 32] {
    *blake3::keyed_hash(&blob.0, &peer.to_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use martlet_protocol::file::ask::Commitment;
    use martlet_protocol::message::Holder;
    use martlet_protocol::{AckSecret, ExpiryHour};
    use serde_bytes::ByteBuf;

    use super::*;

    const CLOCK: UnixMillis = UnixMillis(1_800_000_000_000);

    fn blob(number: u8) -> KnownBlob {
        KnownBlob { name: BlobName([number; 16]), id: BlobId([number; 32]), size: 100_000 }
    }

    fn noted(depots: &[(PeerId, bool)]) -> Deposit {
        let depots = depots.iter().map(|(peer, is_kept)| DepotRecord {
            holder: Holder { peer: ByteBuf::from(peer.to_bytes()), addresses: Vec::new() },
            is_kept: *is_kept,
        });
        Deposit {
            until: ExpiryHour::latest(CLOCK),
            release: Commitment([7; 16]),
            depots: depots.collect(),
            chooses: true,
        }
    }

    /// Those that are to be chosen, brought something, and told to let something go.
    fn steps(
        next: &mut Next,
        connected: &[PeerId],
        now: Instant,
    ) -> (Vec<PeerId>, Vec<PeerId>, Vec<PeerId>) {
        let (mut chosen, mut brought, mut let_go) = (Vec::new(), Vec::new(), Vec::new());
        for step in next.steps(connected, CLOCK, now) {
            match step {
                Step::Choose(_, peer) => chosen.push(peer),
                Step::Bring { peer, .. } => brought.push(peer),
                Step::LetGo { peer, .. } => let_go.push(peer),
            }
        }
        (chosen, brought, let_go)
    }

    #[test]
    fn a_depot_is_told_nothing_before_the_engine_has_noted_it() {
        let (mut next, now) = (Next::default(), Instant::now());
        let mut all: Vec<_> = (0..3).map(|_| PeerId::random()).collect();
        all.sort_by_key(|peer| place_of(&blob(1).id, peer));
        let (one, other) = (all[0], all[1]);
        assert!(next.is_idle());
        next.deposit(blob(1), noted(&[]));
        assert!(!next.is_idle());
        assert_eq!(steps(&mut next, &[], now), (vec![], vec![], vec![]));
        assert_eq!(steps(&mut next, &all, now), (vec![one], vec![], vec![]));
        next.deposit(blob(1), noted(&[(one, false)]));
        assert_eq!(steps(&mut next, &all, now), (vec![other], vec![one], vec![]));
        next.deposit(blob(1), noted(&[(one, false), (other, false)]));
        // Two are enough, and each is brought it once.
        assert_eq!(steps(&mut next, &all, now), (vec![], vec![other], vec![]));
        next.brought(&blob(1), one, false, now + Duration::from_secs(15));
        assert_eq!(steps(&mut next, &all, now), (vec![], vec![], vec![]));
        let later = now + Duration::from_secs(15);
        assert_eq!(steps(&mut next, &all, later).1, [one]);
        next.deposit(blob(1), noted(&[(one, true), (other, true)]));
        assert!(next.is_idle());
    }

    #[test]
    fn another_is_chosen_where_one_is_off_or_refuses() {
        let (mut next, now) = (Next::default(), Instant::now());
        let (one, other) = (PeerId::random(), PeerId::random());
        next.deposit(blob(1), noted(&[(one, false)]));
        assert_eq!(steps(&mut next, &[one], now).1, [one]);
        next.brought(&blob(1), one, true, now);
        next.deposit(blob(1), noted(&[]));
        assert_eq!(steps(&mut next, &[one, other], now).0, [other]);
        let later = now + DEPOT_REFUSED_FOR;
        assert_eq!(steps(&mut next, &[one], later).0, [one], "what it kept may have ended");
        // Nobody is chosen once its addressee has it.
        next.deposit(blob(1), Deposit { chooses: false, ..noted(&[(other, false)]) });
        let long_after = later + DEPOT_REFUSED_FOR;
        assert_eq!(steps(&mut next, &[one, other], long_after), (vec![], vec![], vec![]));
        assert!(next.is_idle());
    }

    #[test]
    fn nothing_is_let_go_while_it_is_still_brought_and_all_that_is_over_ends() {
        let (mut next, now) = (Next::default(), Instant::now());
        let one = PeerId::random();
        next.deposit(blob(1), noted(&[(one, false)]));
        let Some(Step::Bring { cancelled, put, .. }) =
            next.steps(&[one], CLOCK, now).into_iter().next()
        else {
            panic!("it is brought")
        };
        assert_eq!((put.id, put.releases), (blob(1).id, vec![Commitment([7; 16])]));
        next.end(&blob(1).name);
        assert!(*cancelled.borrow());
        let release = ReleaseRecord {
            blob: blob(1).id,
            until: ExpiryHour::latest(CLOCK),
            secret: AckSecret([1; 16]),
            depots: vec![ByteBuf::from(one.to_bytes())],
        };
        let name = BlobName([9; 16]);
        next.release(name, release.clone());
        assert_eq!(steps(&mut next, &[one], now), (vec![], vec![], vec![]));
        next.brought(&blob(1), one, false, now);
        assert_eq!(steps(&mut next, &[], now), (vec![], vec![], vec![]));
        assert_eq!(steps(&mut next, &[one], now), (vec![], vec![], vec![one]));
        next.let_go(&name, (blob(1).id, one), false, now);
        let later = now + DEPOT_CHOSEN_WAIT;
        assert_eq!(steps(&mut next, &[one], later).2, [one]);
        next.let_go(&name, (blob(1).id, one), true, later);
        assert!(next.is_idle());

        next.release(name, release);
        next.deposit(blob(2), noted(&[(one, false)]));
        let after = CLOCK.plus(Duration::from_secs(7 * 24 * 3600));
        assert!(next.steps(&[one], after, later).is_empty() && next.is_idle());
    }

    /// All that a cleared conversation had with depots was let go at once, each on a thread of its own.
    #[test]
    fn so_many_are_let_go_at_a_time_and_bringing_does_not_wait_for_them() {
        let (mut next, now) = (Next::default(), Instant::now());
        let peers: Vec<_> = (0..3).map(|_| PeerId::random()).collect();
        for number in 0..10 {
            let release = ReleaseRecord {
                blob: blob(number).id,
                until: ExpiryHour::latest(CLOCK),
                secret: AckSecret([1; 16]),
                depots: peers.iter().map(|peer| ByteBuf::from(peer.to_bytes())).collect(),
            };
            next.release(BlobName([number; 16]), release);
        }
        next.deposit(blob(20), noted(&[(peers[0], false)]));
        let (_, brought, let_go) = steps(&mut next, &peers, now);
        assert_eq!((brought.len(), let_go.len()), (1, RELEASES_MAX));
        for peer in &peers {
            assert!(let_go.iter().filter(|it| *it == peer).count() <= RELEASES_PER_DEPOT_MAX);
        }
    }

    #[test]
    fn so_many_are_brought_at_a_time_and_so_many_to_one() {
        let (mut next, now) = (Next::default(), Instant::now());
        let peers: Vec<_> = (0..3).map(|_| PeerId::random()).collect();
        for number in 0..10 {
            let depots: Vec<_> = peers.iter().map(|peer| (*peer, false)).collect();
            next.deposit(blob(number), noted(&depots));
        }
        let (_, brought, _) = steps(&mut next, &peers, now);
        assert_eq!(brought.len(), DEPOSITS_MAX);
        for peer in &peers {
            assert!(brought.iter().filter(|it| *it == peer).count() <= DEPOSITS_PER_DEPOT_MAX);
        }
    }
}
