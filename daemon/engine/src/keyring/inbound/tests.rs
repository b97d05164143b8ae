#![expect(clippy::unwrap_used, reason = "tests")]

use martlet_protocol::ConversationId;
use martlet_protocol::crypto::session::{OutboundSession, SessionContext};
use martlet_store::Vault;
use martlet_store::memory::MemoryFile;
use martlet_store::vault::keyfile::KeyFile;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;

const BOB: IdentityId = IdentityId([2; 32]);
const START: UnixMillis = UnixMillis(1_793_500_000_000);

struct World {
    rng: ChaCha20Rng,
    records: VaultTxn,
    inbound: InboundSessions,
}

impl World {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (_, key) = KeyFile::make(std::path::Path::new("(memory)"), None, &mut rng).unwrap();
        let (file, keys) = <(MemoryFile, MemoryFile)>::default();
        let vault = Vault::with_backend(file, keys, &key, 1 << 20).unwrap();
        let records = vault.begin([7; 32]).unwrap();
        Self { rng, records, inbound: InboundSessions::default() }
    }

    /// Takes the key of a new session of a contact's device, as the user does.
    fn take(&mut self, device: u8, at: UnixMillis) -> SessionName {
        let (identity, device) = (IdentityId([1; 32]), DeviceId([device; 32]));
        self.inbound.make_room(&mut self.records, &identity, &device).unwrap();
        let conversation = ConversationId::direct(&identity, &BOB);
        let context = SessionContext { sender: identity, device, conversation };
        let own = DeviceId([9; 32]);
        let session = OutboundSession::new(&mut self.rng, context, &[own]).unwrap();
        let grant = session.grant(&own).unwrap();
        let name = SessionName { identity, device, id: session.id() };
        self.inbound.add(name, InboundSession::new(&grant, context).unwrap(), at, None);
        name
    }
}

/// The extreme of honest use: ten devices, each of which begins as many sessions on each of six days as their
/// share of the bound is, none of them received in full: nothing is forgotten.
#[test]
fn ten_devices_of_six_days_are_kept() {
    let mut world = World::new();
    let (devices, days) = (10, 6);
    let a_day = INBOUND_SESSIONS_PER_CONTACT_MAX / devices / days;
    let mut names = Vec::new();
    for day in 0..days {
        let at = START.plus(Duration::from_secs(u64::try_from(day).unwrap() * 24 * 3600));
        world.inbound.forget_old(&mut world.records, at, usize::MAX, |_| true).unwrap();
        for device in 0..devices {
            names.extend((0..a_day).map(|_| world.take(u8::try_from(device).unwrap(), at)));
        }
    }
    assert!(names.iter().all(|name| world.inbound.tags(name).is_some()));
}

/// Of a device that begins too many, the oldest goes; another's stay.
#[test]
fn who_begins_too_many_loses_their_own() {
    let mut world = World::new();
    let other = world.take(1, START);
    let names: Vec<_> =
        (0..=INBOUND_SESSIONS_PER_DEVICE_MAX).map(|_| world.take(0, START)).collect();
    let is_kept = |name: &SessionName| world.inbound.tags(name).is_some();
    assert!(is_kept(&other));
    assert!(!is_kept(&names[0]));
    assert!(names[1..].iter().all(is_kept));
}

/// Should several sessions have a tag, each is tried: the one that does not open it does not end the search.
#[test]
fn a_tag_may_mean_several_sessions() {
    let mut world = World::new();
    let name = world.take(0, START);
    let tag = world.inbound.tags(&name).unwrap()[3];
    let session = world.inbound.names[&name];
    let other = world.take(1, START);
    let other = world.inbound.names[&other];
    world.inbound.tags.insert((tag, other, 5));
    assert_eq!(world.inbound.with_tag(&tag).collect::<Vec<_>>(), [(session, 3), (other, 5)]);
    world.inbound.forget(&mut world.records, session).unwrap();
    assert_eq!(world.inbound.with_tag(&tag).collect::<Vec<_>>(), [(other, 5)]);
    assert!(world.inbound.awaits(&tag));
}
