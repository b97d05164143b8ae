//! Rooms that the user left and forgot: nothing of them is kept, and nothing but a new invitation brings them back.

use martlet_engine::command::{ForgetRoom, LeaveRoom, ListRooms};
use martlet_protocol::control::RoomRole;
use martlet_store::records::{DEEDS, FORGOTTEN_ROOMS, INBOUND_SESSIONS, MESSAGES, ROOMS};

use super::{TABLET, pairs};
use crate::siblings::two_devices;
use crate::stranger::in_vault;
use crate::world::*;

const BOB: usize = 1;
const CAROL: usize = 2;

/// What a vault has: rooms, what is left of forgotten ones, messages, deeds and sessions in all.
type Kept = [usize; 5];

impl World {
    /// Bob has left and forgotten the bridge, and nobody heard of it.
    fn forgotten_unheard(seed: u64) -> Result<Self> {
        let mut world = Self::with_room(seed, 3, 3)?;
        world.send(CAROL, "bridge", "before")?;
        world.settle()?;
        world.call(BOB, LeaveRoom { room: "bridge".into() })?;
        world.call(BOB, ForgetRoom { room: "bridge".into() })?;
        world.nodes[BOB].released = Released::default();
        Ok(world)
    }

    fn kept(&mut self, node: usize) -> Result<Kept> {
        let mut kept = [0; 5];
        in_vault(self, node, |txn| {
            kept = [
                txn.scan(&ROOMS)?.len(),
                txn.scan(&FORGOTTEN_ROOMS)?.len(),
                txn.scan(&MESSAGES)?.len(),
                txn.scan(&DEEDS)?.len(),
                txn.scan(&INBOUND_SESSIONS)?.len(),
            ];
            Ok(())
        })?;
        Ok(kept)
    }

    fn has_bridge(&mut self, node: usize) -> Result<bool> {
        Ok(!self.call(node, ListRooms {})?.rooms.is_empty())
    }
}

/// What members wrote who had not heard that the user left was kept for ever, where nobody saw it, and acknowledged.
#[test]
fn what_is_written_in_a_forgotten_room_is_neither_kept_nor_acknowledged() -> Result {
    let mut world = World::forgotten_unheard(80)?;
    // In the session of which he had the key, and in one that begins after that.
    let mut said = Vec::new();
    for text in ["one", "two"] {
        world.send(CAROL, "bridge", text)?;
        let sent = std::mem::take(&mut world.nodes[CAROL].released.publish);
        said.extend(sent.last().map(Envelope::id));
        world.bring(BOB, &sent)?;
        world.crash(CAROL)?;
    }
    world.pass(Duration::from_secs(3600));
    let acks = &world.nodes[BOB].released.acks;
    assert!(acks.iter().all(|ack| !said.contains(&ack.envelope)), "{acks:?}");
    // His having left is on its way still; of others' there is nothing.
    let [rooms, _, messages, _, sessions] = world.kept(BOB)?;
    assert_eq!((rooms, messages, sessions), (1, 0, 0));
    Ok(())
}

/// The same of what comes in the very batch in which the room is forgotten: its sessions are still there.
#[test]
fn what_comes_while_a_room_is_forgotten_is_not_kept() -> Result {
    let mut world = World::with_room(82, 3, 3)?;
    world.send(CAROL, "bridge", "before")?;
    world.settle()?;
    world.call(BOB, LeaveRoom { room: "bridge".into() })?;
    world.nodes[BOB].released = Released::default();
    world.nodes[CAROL].released = Released::default();
    world.send(CAROL, "bridge", "late")?;
    let sent = std::mem::take(&mut world.nodes[CAROL].released.publish);
    assert_eq!(sent.len(), 1, "in the session of before");
    let (reply, answer) = mpsc::channel();
    let forget = ForgetRoom { room: "bridge".into() };
    let mut inputs =
        vec![Input::command(forget, move |result| reply.send(result).unwrap_or_default())];
    inputs.extend(sent.into_iter().filter_map(|it| brought(PeerKey([99; 32]), it)));
    world.run(BOB, inputs);
    answer.try_recv()??;
    assert!(world.nodes[BOB].released.acks.is_empty());
    let [rooms, _, messages, _, sessions] = world.kept(BOB)?;
    assert_eq!((rooms, messages, sessions), (1, 0, 0));
    Ok(())
}

/// After six days a room that had been forgotten came back with the next thing that a member told of it.
#[test]
fn a_forgotten_room_stays_so_until_the_user_is_invited_anew() -> Result {
    let mut world = World::forgotten_unheard(81)?;
    for _ in 0..8 {
        world.pass(Duration::from_secs(24 * 3600));
        world.settle_but(BOB)?;
    }
    assert_eq!(world.kept(BOB)?, [0, 1, 0, 0, 0]);
    // For Alice and Carol he is a member: they write to him, and tell him of the room each day.
    for _ in 0..3 {
        world.send(CAROL, "bridge", "where is he?")?;
        world.send(0, "bridge", "who knows")?;
        world.settle()?;
        assert!(!world.has_bridge(BOB)?);
        world.pass(Duration::from_secs(24 * 3600));
    }
    // He asked nobody what the room is: there is nothing of it again.
    assert_eq!(world.kept(BOB)?, [0, 1, 0, 0, 0]);
    assert!(!world.has_bridge(BOB)?);
    // To put him out and take him in again is to invite him anew.
    world.put_out(0, "bob")?;
    world.settle()?;
    assert!(!world.has_bridge(BOB)?);
    world.bring_in(0, "bob")?;
    world.settle()?;
    world.settle()?;
    assert_eq!(world.room(BOB)?.role, RoomRole::Member);
    world.send(0, "bridge", "welcome back")?;
    world.settle()?;
    assert_eq!(world.said(BOB)?, pairs(&[("alice", "welcome back")]));
    Ok(())
}

impl World {
    /// Bob has left the bridge, or was put out, and forgot it; all have heard of it, or only Alice.
    fn bob_forgets(&mut self, how: Out, carol_hears: bool) -> Result {
        match how {
            Out::Leaves => {
                self.call(BOB, LeaveRoom { room: "bridge".into() })?;
            }
            Out::IsPutOut => self.put_out(0, "bob")?,
        }
        if carol_hears {
            self.settle()?;
        } else {
            self.settle_but(CAROL)?;
        }
        self.call(BOB, ForgetRoom { room: "bridge".into() })?;
        assert!(!self.has_bridge(BOB)?);
        Ok(())
    }

    /// All write in the bridge, and Bob reads all of it.
    fn bob_reads(&mut self, writers: &[usize], round: &str) -> Result {
        let before = self.said(BOB)?.len();
        for writer in writers {
            self.send(*writer, "bridge", round)?;
        }
        self.settle()?;
        self.settle()?;
        let said: Vec<_> = self.said(BOB)?.split_off(before);
        let written: Vec<_> = writers.iter().map(|_| round.to_owned()).collect();
        assert_eq!(said.into_iter().map(|(_, text)| text).collect::<Vec<_>>(), written);
        Ok(())
    }
}

/// How someone goes out of a room.
#[derive(Debug, Clone, Copy)]
enum Out {
    Leaves,
    IsPutOut,
}

/// Who forgot a room forgot the keys of all who write in it. Invited again on the same day they read nothing of anyone for a day:
/// to each writer the room's readers were those who had their key.
#[test]
fn who_forgot_a_room_and_is_invited_again_the_same_day_reads_all_that_is_written() -> Result {
    for (seed, how) in [(83, Out::Leaves), (84, Out::IsPutOut)] {
        for carol_hears in [true, false] {
            let mut world = World::with_room(seed, 3, 3)?;
            world.bob_reads(&[0, CAROL], "before")?;
            world.bob_forgets(how, carol_hears)?;
            // Carol hears of both at once, if she has heard of nothing.
            world.bring_in(0, "bob")?;
            if carol_hears {
                world.settle()?;
            } else {
                world.settle_but(CAROL)?;
            }
            world.settle()?;
            world.bob_reads(&[0, CAROL], "after")?;
            world.bob_reads(&[0, CAROL], "later")?;
        }
    }
    Ok(())
}

/// In a room of two nobody else comes or goes, either.
#[test]
fn who_forgot_a_room_of_two_and_is_invited_again_reads_all_that_is_written() -> Result {
    let mut world = World::with_room(85, 2, 2)?;
    world.bob_reads(&[0], "before")?;
    for round in ["one", "two"] {
        world.bob_forgets(Out::Leaves, true)?;
        world.bring_in(0, "bob")?;
        world.settle()?;
        world.bob_reads(&[0], round)?;
    }
    Ok(())
}

/// Each device forgets for itself: one has the keys of others and of its user's other device, the other has not.
#[test]
fn a_device_that_forgot_a_room_reads_again_what_its_user_and_others_write() -> Result {
    let mut world = two_devices(86)?;
    world.create(BOB, "bridge")?;
    world.bring_in(BOB, "alice")?;
    let settle = |world: &mut World| (0..3).try_for_each(|_| world.settle());
    settle(&mut world)?;
    for writer in [0, BOB] {
        world.send(writer, "bridge", "before")?;
    }
    settle(&mut world)?;
    assert_eq!(world.said(TABLET)?.len(), 2);
    world.call(0, LeaveRoom { room: "bridge".into() })?;
    settle(&mut world)?;
    world.call(TABLET, ForgetRoom { room: "bridge".into() })?;
    world.bring_in(BOB, "alice")?;
    settle(&mut world)?;
    for writer in [0, BOB] {
        world.send(writer, "bridge", "after")?;
    }
    settle(&mut world)?;
    let read = world.said(TABLET)?.into_iter().map(|(_, text)| text);
    assert_eq!(read.collect::<Vec<_>>(), ["after", "after"]);
    Ok(())
}
