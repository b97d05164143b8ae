//! When what has ended is shredded: by itself, when asked, after a crash, and on a disk that was full.

use martlet_engine::command::{GetShred, ShredVault, WriteNote};
use martlet_engine::limits::{
    SHRED_IDLE_INTERVAL, SHRED_INTERVAL, SHRED_LOOKED_EVERY, SHRED_PAUSE, STORAGE_RETRY_INTERVAL,
};
use martlet_protocol::control::{NoteRequest, Shred};

use crate::world::*;

/// Alice, with a note, on a disk in memory.
fn alice(seed: u64) -> Result<(World, Arc<MemoryDisk>)> {
    let mut world = World::new(1, seed)?;
    let disk = Arc::new(MemoryDisk::default());
    world.nodes[0].disk = Some(Arc::clone(&disk));
    world.crash(0)?;
    world.init(0, "alice")?;
    note(&mut world)?;
    note(&mut world)?;
    Ok((world, disk))
}

fn note(world: &mut World) -> Result {
    world.call(0, WriteNote { request: NoteRequest { text: "a note".into() } })?;
    Ok(())
}

fn shred(world: &mut World) -> Result<Shred> {
    world.call(0, GetShred {})
}

/// Passes time, as the engine's thread does: with ticks, and when something is due.
fn pass(world: &mut World, duration: Duration) {
    let end = world.steady + duration;
    while world.steady < end {
        let due = world.nodes[0].engine.as_ref().and_then(|engine| engine.due_in(world.steady));
        let step = due.unwrap_or(SHRED_LOOKED_EVERY).clamp(SHRED_PAUSE, SHRED_LOOKED_EVERY);
        world.pass(step.min(end - world.steady));
    }
}

#[test]
fn what_has_ended_is_shredded_each_day_and_when_nothing_is_written() -> Result {
    let (mut world, _disk) = alice(1)?;
    let waits = shred(&mut world)?;
    assert!(waits.waiting > 0 && waits.finished_at.is_none() && !waits.running, "{waits:?}");
    // There was none yet: it begins with the first look.
    pass(&mut world, 3 * SHRED_LOOKED_EVERY);
    let first = shred(&mut world)?;
    assert!(first.finished_at.is_some() && !first.running, "{first:?}");
    assert!(first.resealed > 0 && first.waiting < waits.waiting, "{first:?}");
    // Where something is written all the time, it waits for a day.
    let began = world.steady;
    while shred(&mut world)?.finished_at == first.finished_at {
        note(&mut world)?;
        pass(&mut world, SHRED_LOOKED_EVERY / 2);
    }
    let took = world.steady - began;
    assert!(took > SHRED_INTERVAL - 4 * SHRED_LOOKED_EVERY, "{took:?}");
    assert!(took < SHRED_INTERVAL + 4 * SHRED_LOOKED_EVERY, "{took:?}");
    // Where nothing is, for an hour.
    let second = shred(&mut world)?;
    note(&mut world)?;
    let began = world.steady;
    while shred(&mut world)?.finished_at == second.finished_at {
        pass(&mut world, SHRED_LOOKED_EVERY / 2);
    }
    let took = world.steady - began;
    assert!(took < SHRED_IDLE_INTERVAL + 4 * SHRED_LOOKED_EVERY, "{took:?}");
    Ok(())
}

/// Passes time until a shred that nobody asked for has begun.
fn begin(world: &mut World) -> Result {
    world.pass(SHRED_LOOKED_EVERY);
    for _ in 0..10 {
        if shred(world)?.running {
            return Ok(());
        }
        world.pass(SHRED_PAUSE);
    }
    Err("none began".into())
}

#[test]
fn a_shred_that_is_asked_for_goes_on_until_it_is_done() -> Result {
    let (mut world, _disk) = alice(2)?;
    let begun = world.call(0, ShredVault {})?;
    assert!(begun.running && begun.waiting > 0, "{begun:?}");
    // Batches followed each other, without time in between.
    for _ in 0..2 {
        let done = shred(&mut world)?;
        assert!(!done.running && done.waiting == 0 && done.finished_at.is_some(), "{done:?}");
        // Once more, with nothing to do.
        world.call(0, ShredVault {})?;
    }
    Ok(())
}

/// What is written while one is under way waits for the next.
#[test]
fn one_that_is_asked_for_while_another_runs_comes_after_it() -> Result {
    let (mut world, _disk) = alice(3)?;
    begin(&mut world)?;
    note(&mut world)?;
    note(&mut world)?;
    assert!(world.call(0, ShredVault {})?.running);
    let done = shred(&mut world)?;
    assert!(!done.running && done.waiting == 0, "{done:?}");
    Ok(())
}

#[test]
fn a_crash_or_a_full_disk_puts_a_shred_off_and_no_more() -> Result {
    for slices in 0..4 {
        for is_crash in [true, false] {
            let (mut world, disk) = alice(10)?;
            begin(&mut world)?;
            (0..slices).for_each(|_| world.pass(SHRED_PAUSE));
            if is_crash {
                world.crash(0)?;
            } else {
                disk.set_full(true);
                world.pass(SHRED_PAUSE);
                world.pass(STORAGE_RETRY_INTERVAL);
                disk.set_full(false);
            }
            pass(&mut world, 3 * SHRED_LOOKED_EVERY);
            let done = shred(&mut world)?;
            let what = format!("after {slices} slices, crash: {is_crash}");
            assert!(!done.running && done.finished_at.is_some(), "{what}: {done:?}");
            note(&mut world)?;
            let status = world.call(0, GetStatus {})?;
            assert_eq!(status.warnings.len(), 1, "{what}: {:?}", status.warnings);
        }
    }
    Ok(())
}
