//! A disk that takes no writes any more.

use std::sync::atomic::{AtomicUsize, Ordering};

use martlet_engine::command::GetStorageFailure;
use martlet_engine::limits::{STORAGE_LOG_INTERVAL, STORAGE_RETRY_INTERVAL};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::world::*;

/// Counts what is logged as an error.
#[derive(Clone, Default)]
struct Errors(Arc<AtomicUsize>);

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Alice's databases are in memory, and Bob knows her.
fn pair(seed: u64) -> Result<(World, Arc<MemoryDisk>)> {
    let mut world = World::new(2, seed)?;
    let disk = Arc::new(MemoryDisk::default());
    world.nodes[0].disk = Some(Arc::clone(&disk));
    world.crash(0)?;
    let (alice, bob) = (world.init(0, "alice")?, world.init(1, "bob")?);
    world.add(0, &bob, "bob")?;
    world.add(1, &alice, "alice")?;
    world.send(0, "bob", "before")?;
    world.settle()?;
    world.settle()?;
    Ok((world, disk))
}

/// A file system that the system had made read-only: every call was answered with 507, also those that only read, and
/// each batch logged a line.
#[test]
fn what_only_reads_goes_on_where_nothing_can_be_written() -> Result {
    let (mut world, disk) = pair(61)?;
    let errors = Errors::default();
    let _guard = tracing::subscriber::set_default(errors.clone());
    disk.set_read_only(true);
    assert!(world.send(0, "bob", "refused").is_err());
    let minutes = 3;
    for second in 0..minutes * 60 {
        world.pass(Duration::from_secs(1));
        if second % 10 == 0 {
            assert!(world.send(0, "bob", "refused").is_err());
            // What the network brings finds no place, and its bringer is told.
            world.send(1, "alice", &format!("at {second}"))?;
            world.gossip(0.0);
        }
        let status = world.call(0, GetStatus {})?;
        assert!(status.warnings.iter().any(|warning| warning.contains("storage failed")));
        assert!(status.identity.is_some() && status.mailbox.envelopes > 0);
        assert!(world.call(0, GetStorageFailure {})?.is_some());
        let texts = world.texts(0, "bob", Direction::Out)?;
        assert_eq!(texts, with_state(&["before"], Delivery::Delivered));
        let engine = world.nodes[0].engine.as_ref().ok_or("no engine")?;
        assert!(!engine.is_behind() && engine.due_in(world.steady).is_none());
    }
    let logged = errors.0.load(Ordering::Relaxed);
    let most = minutes * 60 / STORAGE_LOG_INTERVAL.as_secs() + 1;
    assert!((1..=usize::try_from(most)?).contains(&logged), "{logged} lines");

    disk.set_read_only(false);
    world.pass(STORAGE_RETRY_INTERVAL);
    world.pass(Duration::from_secs(1));
    world.send(0, "bob", "after")?;
    world.settle()?;
    assert_eq!(world.call(0, GetStorageFailure {})?, None);
    let received = world.texts(1, "alice", Direction::In)?;
    assert_eq!(received, with_state(&["before", "after"], Delivery::Delivered));
    assert_eq!(world.texts(0, "bob", Direction::In)?.len(), usize::try_from(minutes * 6)?);
    Ok(())
}

/// The same of a disk that is full.
#[test]
fn what_only_reads_goes_on_where_the_disk_is_full() -> Result {
    let (mut world, disk) = pair(62)?;
    disk.set_full(true);
    assert!(world.send(0, "bob", "refused").is_err());
    for _ in 0..30 {
        world.pass(Duration::from_secs(1));
        assert_eq!(world.texts(0, "bob", Direction::Out)?.len(), 1);
        assert!(world.call(0, GetStorageFailure {})?.is_some());
    }
    disk.set_full(false);
    world.pass(STORAGE_RETRY_INTERVAL);
    world.send(0, "bob", "after")?;
    world.settle()?;
    let received = world.texts(1, "alice", Direction::In)?;
    assert_eq!(received, with_state(&["before", "after"], Delivery::Delivered));
    Ok(())
}

/// The vault that was opened to be read alone knew no time: it showed what was over.
#[test]
fn what_is_over_is_not_shown_where_nothing_can_be_written() -> Result {
    let (mut world, disk) = pair(63)?;
    let request = crate::timers::timed("alice", "for an hour", Some(3600), None);
    world.call(1, SendText { request })?;
    world.settle()?;
    world.settle()?;
    assert_eq!(world.texts(0, "bob", Direction::In)?.len(), 1);
    disk.set_read_only(true);
    assert!(world.send(0, "bob", "refused").is_err());
    assert_eq!(world.texts(0, "bob", Direction::In)?.len(), 1);
    world.pass(Duration::from_secs(3601));
    assert!(world.texts(0, "bob", Direction::In)?.is_empty());
    disk.set_read_only(false);
    world.pass(STORAGE_RETRY_INTERVAL);
    world.pass(Duration::from_secs(1));
    assert!(world.texts(0, "bob", Direction::In)?.is_empty());
    Ok(())
}

/// Where a commit of the vault failed the stack was wiped; not where it was read anew later, nor where the mailbox's failed. What was
/// moved there on the way, as the vault's key, stayed until something else took its place.
#[test]
fn what_a_vault_that_is_read_anew_leaves_is_wiped() -> Result {
    let (mut world, disk) = pair(64)?;
    disk.set_full(true);
    assert!(world.send(0, "bob", "refused").is_err());
    let mut wipes = Vec::new();
    // With the first it is tried again, in vain; not with the second.
    for after in [STORAGE_RETRY_INTERVAL, Duration::ZERO] {
        world.elapse(after);
        let mut outlet = crate::root::Holding::default();
        let engine = world.nodes[0].engine.as_mut().ok_or("not running")?;
        engine.run_batch([Input::Tick], world.now, world.steady, &mut world.rng, &mut outlet);
        wipes.push(outlet.0.iter().any(|effects| effects.wipes));
    }
    assert_eq!(wipes, [true, false]);
    disk.set_full(false);
    world.pass(STORAGE_RETRY_INTERVAL);
    assert!(world.send(0, "bob", "after").is_ok());
    Ok(())
}
