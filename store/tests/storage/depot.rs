//! What is kept for others: brought, through restarts, let go, over, refused.

use std::fs;
use std::time::Duration;

use martlet_protocol::file::FileKey;
use martlet_protocol::file::ask::{Commitment, Groups, Put, PutRefusal, Release};
use martlet_protocol::file::blob;
use martlet_protocol::file::sealed::Layout;
use martlet_protocol::{AckSecret, BlobId, ExpiryHour, UnixMillis};
use martlet_store::blobs::depot::{Begun, Depot, LetGo};
use martlet_store::blobs::{BlobDir, BlobName, IsOver};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const GOES_ON: IsOver<'static> = &|| false;
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const SECRET: AckSecret = AckSecret([9; 16]);
const MIB: u64 = 1 << 20;

/// A depot, and a blob of a sender's.
struct Made {
    place: tempfile::TempDir,
    depot: Depot,
    sender: BlobDir,
    rng: ChaCha20Rng,
}

fn open(place: &tempfile::TempDir, bytes_max: u64, now: UnixMillis) -> Depot {
    let directory = BlobDir::open(place.path().join("depot"), 0, |_| Ok(1 << 40)).unwrap();
    Depot::open(directory, bytes_max, now).unwrap()
}

fn put(id: BlobId, size: u64) -> Put {
    let releases = vec![Commitment([1; 16]), Commitment::of(&SECRET)];
    Put { id, size, expiry: ExpiryHour::latest(NOW), releases }
}

impl Made {
    fn of(bytes_max: u64) -> Self {
        let place = tempfile::tempdir().unwrap();
        let depot = open(&place, bytes_max, NOW);
        let sender = BlobDir::open(place.path().join("blobs"), 0, |_| Ok(1 << 40)).unwrap();
        Self { place, depot, sender, rng: ChaCha20Rng::seed_from_u64(1) }
    }

    /// A file of so many bytes, sealed by its sender.
    fn seal(&self, bytes: u8, count: usize) -> (BlobName, Put) {
        let (name, key) = (BlobName([bytes; 16]), FileKey::from_bytes([bytes; 32]));
        let layout = Layout::of(count as u64).unwrap();
        let file = vec![bytes; count];
        let id = self.sender.import(&name, (&key, &layout), &file[..], GOES_ON).unwrap();
        (name, put(id, layout.sealed_size()))
    }

    fn begin(&mut self, from: &[u8], put: &Put, now: UnixMillis) -> Begun {
        self.depot.begin(from, put, now, &mut self.rng)
    }

    /// Brings so many groups of it, from the first that is missing on; whether it is whole.
    fn bring(&mut self, sealed: BlobName, put: &Put, count: u32, now: UnixMillis) -> bool {
        let Begun::Take(name) = self.begin(b"sender", put, now) else { panic!("it is not taken") };
        let whole = self.sender.whole(&sealed, &put.id, put.size).unwrap();
        let mut partial =
            self.depot.directory().partial(&name, &put.id, put.size, GOES_ON).unwrap();
        let (first, of) = (partial.have().len(), partial.have().of());
        let wanted = Groups::new([(first, count.min(of - first))]).unwrap();
        let mut sent = Vec::new();
        whole.send(&wanted, &mut sent).unwrap();
        blob::receive(&put.id, put.size, &wanted, &sent[..], |it| partial.keep(&it)).unwrap();
        partial.commit().unwrap();
        let is_whole = partial.have().is_whole();
        if is_whole {
            partial.finish(GOES_ON).unwrap();
        }
        assert!(self.depot.end(put, &name, is_whole, now));
        is_whole
    }

    fn restart(&mut self, bytes_max: u64, now: UnixMillis) {
        self.depot = open(&self.place, bytes_max, now);
    }

    fn files(&self) -> usize {
        fs::read_dir(self.depot.directory().path()).unwrap().count()
    }
}

#[test]
fn what_was_brought_is_there_after_a_restart_and_gone_on_the_sixth_day() {
    let mut made = Made::of(100 * MIB);
    let (sealed, put) = made.seal(1, 500_000);
    assert_eq!(made.depot.named(&put.id, None), None);
    assert!(made.bring(sealed, &put, u32::MAX, NOW));
    assert_eq!(made.begin(b"another", &put, NOW), Begun::Have);
    for _ in 0..2 {
        let name = made.depot.named(&put.id, Some(put.size)).unwrap();
        assert!(made.depot.directory().whole(&name, &put.id, put.size).is_ok());
        assert_eq!(made.depot.named(&put.id, Some(put.size + 1)), None);
        assert_eq!((made.depot.holds().blobs, made.depot.holds().bytes), (1, put.size));
        made.restart(100 * MIB, NOW);
    }
    made.depot.sweep(NOW.plus(6 * DAY - HOUR).minus(Duration::from_secs(1)));
    assert!(made.depot.named(&put.id, None).is_some());
    // The clock jumps.
    made.depot.sweep(NOW.plus(6 * DAY));
    assert_eq!(made.depot.named(&put.id, None), None);
    assert_eq!((made.depot.holds().blobs, made.files()), (0, 0));
}

#[test]
fn nobody_makes_it_stay_longer_than_six_days() {
    let mut made = Made::of(100 * MIB);
    let (sealed, put) = made.seal(1, 500_000);
    let put = Put { expiry: ExpiryHour(put.expiry.0 + 1000), ..put };
    made.bring(sealed, &put, u32::MAX, NOW);
    // Nor does a clock that was wrong when it came.
    made.restart(100 * MIB, NOW.minus(30 * DAY));
    made.depot.sweep(NOW.minus(24 * DAY));
    assert_eq!(made.depot.holds().blobs, 0);
    let over = Put { expiry: ExpiryHour::containing(NOW), ..put };
    assert_eq!(made.begin(b"sender", &over, NOW), Begun::Refused(PutRefusal::Over));
}

#[test]
fn what_came_in_part_goes_on_after_a_kill_and_ends_if_it_does_not() {
    let mut made = Made::of(100 * MIB);
    let (sealed, put) = made.seal(1, 500_000);
    assert!(!made.bring(sealed, &put, 3, NOW));
    let Begun::Take(_) = made.begin(b"sender", &put, NOW) else { panic!("it goes on") };
    assert_eq!(made.begin(b"sender", &put, NOW), Begun::Busy);
    // Killed while it comes.
    made.restart(100 * MIB, NOW);
    assert_eq!(made.depot.named(&put.id, None), None, "it is not whole");
    assert_eq!(made.depot.holds().bytes, put.size, "its room is taken");
    assert!(made.bring(sealed, &put, u32::MAX, NOW));
    assert!(made.depot.named(&put.id, None).is_some());

    let (sealed, put) = made.seal(2, 500_000);
    assert!(!made.bring(sealed, &put, 3, NOW));
    made.depot.sweep(NOW.plus(6 * HOUR).minus(Duration::from_secs(1)));
    assert_eq!(made.depot.holds().blobs, 2);
    made.depot.sweep(NOW.plus(6 * HOUR));
    assert_eq!(made.depot.holds().blobs, 1);
    assert_eq!(made.files(), 3, "the other one, its tree, and its note");
}

#[test]
fn files_without_a_note_and_notes_that_are_damaged_go_at_the_next_start() {
    let mut made = Made::of(100 * MIB);
    let (sealed, put) = made.seal(1, 500_000);
    made.bring(sealed, &put, u32::MAX, NOW);
    let directory = made.depot.directory().path().to_owned();
    let file = |end: &str| {
        let mut entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        entries.find(|path| path.extension().is_some_and(|it| it == end))
    };
    // What is kept is there, but its note isn't what was written.
    let note = file("note").unwrap();
    let mut bytes = fs::read(&note).unwrap();
    bytes[20] ^= 1;
    fs::write(&note, bytes).unwrap();
    made.restart(100 * MIB, NOW);
    assert_eq!((made.depot.named(&put.id, None), made.files()), (None, 0));
    // A blob that is shorter than it was is not there; its note lets it be brought again.
    made.bring(sealed, &put, u32::MAX, NOW);
    let blob = file("blob").unwrap();
    fs::OpenOptions::new().write(true).open(blob).unwrap().set_len(70_000).unwrap();
    made.restart(100 * MIB, NOW);
    assert_eq!(made.depot.named(&put.id, None), None);
    assert!(made.bring(sealed, &put, u32::MAX, NOW));
    // Who is no depot any more keeps nothing.
    made.restart(0, NOW);
    assert_eq!((made.depot.holds().blobs, made.files()), (0, 0));
    assert_eq!(made.begin(b"sender", &put, NOW), Begun::Refused(PutRefusal::NoDepot));
}

#[test]
fn who_has_the_secret_lets_it_go_at_once() {
    let mut made = Made::of(100 * MIB);
    let (sealed, put) = made.seal(1, 500_000);
    made.bring(sealed, &put, u32::MAX, NOW);
    let release = Release { id: put.id, slot: 1, secret: SECRET };
    let false_one = Release { secret: AckSecret([8; 16]), ..release.clone() };
    assert_eq!(made.depot.let_go(&false_one), LetGo::False);
    assert_eq!(made.depot.let_go(&Release { slot: 0, ..release.clone() }), LetGo::False);
    assert_eq!(made.depot.let_go(&Release { slot: 7, ..release.clone() }), LetGo::False);
    assert!(made.depot.named(&put.id, None).is_some());
    assert_eq!(made.depot.let_go(&release), LetGo::Gone);
    assert_eq!((made.depot.named(&put.id, None), made.files()), (None, 0));
    assert_eq!(made.depot.let_go(&release), LetGo::NotHere);
    // While it comes, too: what is written after that stays nowhere.
    let Begun::Take(name) = made.begin(b"sender", &put, NOW) else { panic!("it is not taken") };
    let partial = made.depot.directory().partial(&name, &put.id, put.size, GOES_ON).unwrap();
    assert_eq!(made.depot.let_go(&release), LetGo::Gone);
    drop(partial);
    assert!(!made.depot.end(&put, &name, false, NOW));
    assert_eq!(made.files(), 0);
}

#[test]
fn no_peer_has_more_than_an_eighth_and_nothing_goes_for_the_sake_of_others() {
    let mut made = Made::of(80 * MIB);
    let of = |number: u8, size| put(BlobId([number; 32]), size);
    let taken = |begun| matches!(begun, Begun::Take(_));
    assert!(taken(made.begin(b"one", &of(1, 6 * MIB), NOW)));
    let share = Begun::Refused(PutRefusal::Share);
    assert_eq!(made.begin(b"one", &of(2, 4 * MIB + 1), NOW), share);
    assert!(taken(made.begin(b"one", &of(2, 4 * MIB), NOW)));
    assert_eq!(made.begin(b"one", &of(3, 1), NOW), share);
    for peer in 2..=8 {
        assert!(taken(made.begin(&[peer], &of(10 + peer, 10 * MIB), NOW)), "{peer}");
    }
    assert_eq!(made.begin(b"another", &of(4, 1), NOW), Begun::Refused(PutRefusal::Full));
    assert_eq!(made.depot.holds().blobs, 9);
    // After a restart the shares are the same.
    made.restart(80 * MIB, NOW);
    assert_eq!(made.begin(b"one", &of(3, 1), NOW), share);
    made.depot.sweep(NOW.plus(6 * HOUR));
    assert!(taken(made.begin(b"one", &of(3, 1), NOW)));
}
