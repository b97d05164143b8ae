//! Keys by Olm: what a stolen state opens, and what becomes of sessions that are lost.

use martlet_engine::command::{ListDevices, RenameDevice};
use martlet_protocol::control::DeviceRename;
use martlet_protocol::crypto::olm::{Incoming, OlmSecret, OlmSession, Route};
use martlet_protocol::crypto::seal::{self, DetectionSecret, OpeningKeys, PreparedPrekey};
use martlet_protocol::identity::DeviceCertificate;
use martlet_protocol::{DeviceId, IdentityId};
use martlet_store::records::{OLM_PEERS, OlmPeerRecord, PREKEYS, PROFILE};
use martlet_store::vault::Key;

use crate::stranger::in_vault;
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The keys of a vault, as a thief finds them.
struct Stolen {
    own: (IdentityId, DeviceId),
    olm: OlmSecret,
    detection: DetectionSecret,
    prekeys: Vec<PreparedPrekey>,
    peers: Vec<OlmPeerRecord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opens {
    /// It is for someone else, or its prekey is not among the stolen.
    Sealed,
    /// The envelope opens, and no session does.
    OnlyTheEnvelope,
    /// By a session, or a one-time key.
    BySession,
    /// By a fallback key, since it begins a session.
    ByFallback,
}

fn steal(world: &mut World, node: usize) -> Result<Stolen> {
    let mut stolen = None;
    in_vault(world, node, |txn| {
        let profile = txn.get(&PROFILE, Key::Named(b""))?.ok_or("no profile")?;
        let certificate = DeviceCertificate::from_bytes(&profile.certificate)?;
        stolen = Some(Stolen {
            own: (certificate.identity(), certificate.device()),
            olm: OlmSecret::of_device(&profile.device_seed.0),
            detection: profile.detection.clone(),
            prekeys: txn.scan(&PREKEYS)?.iter().map(|prekey| prekey.secret.prepare()).collect(),
            peers: txn.scan(&OLM_PEERS)?,
        });
        Ok(())
    })?;
    Ok(stolen.ok_or("nothing was read")?)
}

impl Stolen {
    fn opens(&self, envelope: &Envelope) -> Result<Opens> {
        let header = Header::parse(&envelope.content)?;
        let keys = OpeningKeys {
            identity: &self.own.0,
            detection: &self.detection,
            prekeys: &self.prekeys,
        };
        let opened = seal::open(&envelope.id(), &header, &envelope.content, &keys);
        let Ok(Some(opened)) = opened else { return Ok(Opens::Sealed) };
        let sender = (opened.certificate.identity(), opened.certificate.device());
        let route = Route { sender, recipient: self.own };
        let incoming = Incoming::decode(&opened.payload)?;
        let of_sender = |peer: &&OlmPeerRecord| (peer.identity, peer.device) == sender;
        for peer in self.peers.iter().filter(of_sender) {
            for session in &peer.sessions {
                let mut session = OlmSession::from_record(&session.session)?;
                if session.decrypt(&route, &incoming).is_ok() {
                    return Ok(Opens::BySession);
                }
            }
            let mut given = peer.given.iter();
            if given.any(|key| OlmSession::accept(&self.olm, key, &route, &incoming).is_ok()) {
                return Ok(Opens::BySession);
            }
        }
        let key = incoming.begins().map(|begins| begins.key);
        let fallback = key
            .and_then(|key| self.prekeys.iter().find_map(|prekey| prekey.olm_fallback(&key)))
            .is_some_and(|key| OlmSession::accept(&self.olm, &key, &route, &incoming).is_ok());
        Ok(if fallback { Opens::ByFallback } else { Opens::OnlyTheEnvelope })
    }
}

/// Carries what was released, and keeps what is for devices.
fn record(world: &mut World, recorded: &mut Vec<(UnixMillis, Envelope)>) {
    let now = world.now;
    for node in &world.nodes {
        let to_device = node.released.publish.iter().filter(|envelope| {
            Header::parse(&envelope.content).is_ok_and(|header| header.kind == Kind::ToDevice)
        });
        recorded.extend(to_device.map(|envelope| (now, envelope.clone())));
    }
    world.gossip(0.0);
}

/// A quarter of a day passes at a time, so that bundles come when they are due.
fn pass_a_day(world: &mut World, recorded: &mut Vec<(UnixMillis, Envelope)>) {
    for _ in 0..4 {
        world.pass(DAY / 4);
        record(world, recorded);
        record(world, recorded);
    }
}

fn peers(world: &mut World, node: usize) -> Result<Vec<OlmPeerRecord>> {
    let mut found = Vec::new();
    in_vault(world, node, |txn| {
        found = txn.scan(&OLM_PEERS)?;
        Ok(())
    })?;
    Ok(found)
}

/// Whoever recorded the network and took an open vault could unseal the keys of sessions of nine days. Of what came before, now only
/// what began an Olm session by a published key opens; of what comes later, only what is sent before the next day's keys.
#[test]
fn a_stolen_state_opens_what_the_threat_model_says_and_no_more() -> Result {
    for seed in [901, 902, 903] {
        let mut world = World::pair(seed, 2)?;
        let mut recorded = Vec::new();
        let theft_day = world.rng.random_range(5..9);
        let mut theft = None;
        for day in 0..14 {
            for text in 0..2 {
                world.send(ALICE, "bob", &format!("a {day} {text}"))?;
                record(&mut world, &mut recorded);
                world.send(BOB, "alice", &format!("b {day} {text}"))?;
                record(&mut world, &mut recorded);
            }
            world.settle()?;
            if day == theft_day {
                record(&mut world, &mut recorded);
                theft = Some((world.now, steal(&mut world, BOB)?));
            }
            pass_a_day(&mut world, &mut recorded);
        }
        world.settle()?;
        for (node, with, count) in [(ALICE, "bob", 28), (BOB, "alice", 28)] {
            let sent = world.texts(node, with, Direction::Out)?;
            assert!(sent.iter().all(|(_, state)| *state == Delivery::Delivered), "{sent:?}");
            assert_eq!(sent.len(), count);
        }

        let (at, stolen) = theft.ok_or("no theft")?;
        let mut before = Vec::new();
        let mut after = Vec::new();
        for (sent, envelope) in &recorded {
            let opens = stolen.opens(envelope)?;
            if *sent <= at { before.push(opens) } else { after.push((sent.since(at), opens)) }
        }
        let count = |of: Opens| before.iter().filter(|opens| **opens == of).count();
        println!(
            "seed {seed}: of {} before: {} only as envelopes, {} by fallback keys",
            before.len(),
            count(Opens::OnlyTheEnvelope),
            count(Opens::ByFallback),
        );
        assert_eq!(count(Opens::BySession), 0, "what was received is gone: {before:?}");
        // X-Wing alone would open these.
        assert!(count(Opens::OnlyTheEnvelope) >= 3, "{before:?}");
        assert!(count(Opens::ByFallback) <= 2, "{before:?}");
        let late = after.iter().filter(|(since, _)| *since > DAY + DAY / 4);
        let late: Vec<_> = late.collect();
        assert!(late.len() >= 6, "{after:?}");
        assert!(late.iter().all(|(_, opens)| *opens == Opens::Sealed), "{after:?}");
    }
    Ok(())
}

/// Each is given one-time keys with the first answer, and both go on with one session.
#[test]
fn both_may_begin_at_once() -> Result {
    let mut world = World::pair(904, 2)?;
    world.settle()?;
    for round in 0..3 {
        world.send(ALICE, "bob", &format!("a {round}"))?;
        world.send(BOB, "alice", &format!("b {round}"))?;
        world.settle()?;
        world.pass(DAY);
        world.settle()?;
    }
    for (node, with) in [(ALICE, "bob"), (BOB, "alice")] {
        let came = world.texts(node, with, Direction::In)?;
        assert_eq!(came.len(), 3);
        let sent = world.texts(node, with, Direction::Out)?;
        assert!(sent.iter().all(|(_, state)| *state == Delivery::Delivered), "{sent:?}");
        let peers = peers(&mut world, node)?;
        assert_eq!(peers.len(), 1);
        assert!(peers[0].sessions.len() <= 2);
        assert_eq!((peers[0].given.len(), peers[0].theirs.len()), (5, 5));
        assert_eq!(peers[0].renewals, 0);
    }
    Ok(())
}

/// A vault that lost its sessions, as a copy has that nobody noticed, could open no key of its contact's any more.
#[test]
fn a_lost_session_is_begun_anew_and_what_did_not_open_comes_again() -> Result {
    let mut world = World::pair(905, 2)?;
    for (node, to) in [(ALICE, "bob"), (BOB, "alice")] {
        world.send(node, to, "before")?;
        world.settle()?;
    }
    world.pass(DAY + DAY / 4);
    world.settle()?;
    in_vault(&mut world, BOB, |txn| {
        for peer in txn.scan(&OLM_PEERS)? {
            let name = [peer.identity.0, peer.device.0].concat();
            txn.delete(&OLM_PEERS, Key::Named(&name))?;
        }
        Ok(())
    })?;
    world.send(ALICE, "bob", "one")?;
    world.send(ALICE, "bob", "two")?;
    for _ in 0..3 {
        world.settle()?;
    }
    let came = world.texts(BOB, "alice", Direction::In)?;
    let mut texts: Vec<_> = came.into_iter().map(|(text, _)| text).collect();
    texts.sort();
    assert_eq!(texts, ["before", "one", "two"]);
    let sent = world.texts(ALICE, "bob", Direction::Out)?;
    assert!(sent.iter().all(|(_, state)| *state == Delivery::Delivered), "{sent:?}");
    let told = peers(&mut world, BOB)?;
    assert!(told[0].renewed_at.is_some(), "Alice was told");
    assert_eq!(told[0].renewals, 0, "and heard");
    Ok(())
}

/// Each day's key is lost, so many that Olm could not open the next in the same chain. All that still lives is read, and all that
/// comes later.
#[test]
fn who_comes_back_after_40_days_reads_what_lives_and_what_comes() -> Result {
    let mut world = World::pair(906, 2)?;
    for (node, to) in [(ALICE, "bob"), (BOB, "alice")] {
        world.send(node, to, "before")?;
        world.settle()?;
    }
    world.nodes[BOB].engine = None;
    for day in 0..40 {
        world.send(ALICE, "bob", &format!("day {day}"))?;
        world.nodes[ALICE].released.publish.clear();
        world.pass(DAY);
    }
    world.start(BOB)?;
    for _ in 0..3 {
        world.settle()?;
    }
    for (node, to) in [(ALICE, "bob"), (BOB, "alice")] {
        world.send(node, to, "after")?;
        world.settle()?;
    }
    let came = world.texts(BOB, "alice", Direction::In)?;
    let texts: Vec<_> = came.iter().map(|(text, _)| text.as_str()).collect();
    assert!(texts.contains(&"day 39") && texts.contains(&"day 36"), "{texts:?}");
    for (node, with) in [(ALICE, "bob"), (BOB, "alice")] {
        let sent = world.texts(node, with, Direction::Out)?;
        assert!(sent.contains(&("after".to_owned(), Delivery::Delivered)), "{sent:?}");
    }
    Ok(())
}

/// More messages to a device are lost than Olm passes over in one chain, 2,000: so a chain must end before, else no session's key that
/// comes later could be opened.
#[test]
fn after_2100_lost_messages_to_a_device_every_later_one_is_read() -> Result {
    let mut world = World::pair(907, 2)?;
    for (node, to) in [(ALICE, "bob"), (BOB, "alice")] {
        world.send(node, to, "before")?;
        world.settle()?;
    }
    world.nodes[ALICE].released.publish.clear();
    let device = world.call(ALICE, ListDevices {})?.devices[0].id.clone();
    // Contacts are told what a device is called.
    for number in 0..2100 {
        world.elapse(Duration::from_millis(1));
        let request = DeviceRename { name: format!("desk {number}") };
        world.call(ALICE, RenameDevice { device: device.clone(), request })?;
    }
    let lost = std::mem::take(&mut world.nodes[ALICE].released.publish);
    assert_eq!(lost.len(), 2100);
    // Each start begins a session, whose key goes by what was used last.
    world.crash(ALICE)?;
    world.nodes[ALICE].released.publish.clear();
    for text in ["one", "two"] {
        world.send(ALICE, "bob", text)?;
    }
    world.gossip(0.0);
    assert_eq!(world.texts(BOB, "alice", Direction::In)?.len(), 3, "at once");
    assert!(peers(&mut world, BOB)?[0].renewed_at.is_none(), "nothing had to be asked for again");
    world.send(ALICE, "bob", "three")?;
    world.send(BOB, "alice", "four")?;
    for _ in 0..3 {
        world.gossip(0.0);
    }
    for (node, with, texts) in [
        (ALICE, "bob", &["before", "one", "two", "three"][..]),
        (BOB, "alice", &["before", "four"]),
    ] {
        let sent = world.texts(node, with, Direction::Out)?;
        assert_eq!(sent, with_state(texts, Delivery::Delivered));
    }
    Ok(())
}
