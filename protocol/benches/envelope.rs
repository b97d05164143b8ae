//! What making and opening envelopes costs: to one device, for someone else, with a prekey that is
//! gone, garbage under a right view tag and hint, and in a conversation.
//!
//! `cargo bench -p martlet-protocol --bench envelope`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use martlet_protocol::bundle::Bundle;
use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::seal::{self, DetectionSecret, OpeningKeys, PrekeySecret, Recipient};
use martlet_protocol::crypto::session::{InboundSession, OutboundSession, SessionContext};
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_protocol::{
    ConversationId, DeviceId, Envelope, ExpiryHour, Header, Id, NetworkTag, RendezvousSecret,
    Shard, UnixMillis,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const NOW: UnixMillis = UnixMillis(1_767_323_045_678);
/// Prekeys that a device keeps: one a day, until eight days after it was superseded.
const PREKEYS: usize = 9;

fn to_device(c: &mut Criterion) {
    let rng = &mut ChaCha20Rng::from_seed([1; 32]);
    let root = RootKey::generate(rng);
    let sender = DeviceKeys::generate(rng, &root, NOW);
    let identity = RootKey::generate(rng).identity();
    let detection = DetectionSecret::generate(rng);
    let secrets: Vec<_> = (0..PREKEYS).map(|_| PrekeySecret::generate(rng)).collect();
    let prekeys: Vec<_> = secrets.iter().map(PrekeySecret::prepare).collect();
    let gone = PrekeySecret::generate(rng);
    let stranger = DetectionSecret::generate(rng);
    let (newest, gone, public) = (secrets[0].public(), gone.public(), detection.public());
    let (to, conversation) = (addressing(), ConversationId([3; 32]));

    let mut group = c.benchmark_group("to-device");
    let recipient = Recipient { prekey: &newest, detection: &public };
    group.bench_function("seal", |b| {
        b.iter(|| {
            seal::seal(rng, &to, &sender, &identity, &[recipient], &conversation, &[7; 300])
                .unwrap()
        });
    });
    let mut open = |name: &str, prekey, detection: &DetectionSecret, change: u8| {
        let recipient = Recipient { prekey, detection: &public };
        let rng = &mut ChaCha20Rng::from_seed([2; 32]);
        let mut content =
            seal::seal(rng, &to, &sender, &identity, &[recipient], &conversation, &[7; 300])
                .unwrap();
        // In the encapsulation of the only slot: whatever is there is one, of another key.
        content[200] ^= change;
        let (header, envelope) = (Header::parse(&content).unwrap(), Envelope::new(content));
        let id = envelope.id();
        let keys = OpeningKeys { identity: &identity, detection, prekeys: &prekeys };
        group.bench_function(name, |b| {
            b.iter(|| seal::open(&id, &header, black_box(&envelope.content), &keys).is_ok());
        });
    };
    open("open", &newest, &detection, 0);
    open("someone else's", &newest, &stranger, 0);
    open("prekey gone", &gone, &detection, 0);
    open("garbage", &newest, &detection, 1);
    group.finish();
}

fn conversation(c: &mut Criterion) {
    let rng = &mut ChaCha20Rng::from_seed([1; 32]);
    let device = DeviceId([7; 32]);
    let context = SessionContext {
        sender: RootKey::generate(rng).identity(),
        device,
        conversation: ConversationId([3; 32]),
    };
    let outbound = OutboundSession::new(rng, context, &[device]).unwrap();
    let grant = outbound.grant(&device).unwrap();
    let record = outbound.to_record();
    let to = addressing();

    let mut group = c.benchmark_group("conversation");
    group.bench_function("128 sealed", |b| {
        b.iter(|| {
            let mut outbound = OutboundSession::from_record(&record).unwrap();
            (0..128).map(|_| outbound.seal(&to, &[7; 100]).unwrap().len()).sum::<usize>()
        });
    });
    let content = OutboundSession::from_record(&record).unwrap().seal(&to, &[7; 100]).unwrap();
    let (header, envelope) = (Header::parse(&content).unwrap(), Envelope::new(content));
    let id = envelope.id();
    let mut inbound = InboundSession::new(&grant, context).unwrap();
    group.bench_function("open", |b| {
        b.iter(|| inbound.open(0, &id, &header, black_box(&envelope.content)).unwrap());
    });
    group.bench_function("128 tags", |b| b.iter(|| inbound.tags().count()));
    group.finish();
}

fn bundles(c: &mut Criterion) {
    let rng = &mut ChaCha20Rng::from_seed([1; 32]);
    let root = RootKey::generate(rng);
    let device = DeviceKeys::generate(rng, &root, NOW);
    let detection = DetectionSecret::generate(rng).public();
    let bundle = Bundle::issue(&device, &PrekeySecret::generate(rng), detection, Vec::new(), NOW);
    let secret = RendezvousSecret([5; 15]);
    let content = bundle.seal(rng, &addressing(), &secret).unwrap();
    let id = Id { identity: device.certificate().identity(), secret };
    let header = Header::parse(&content).unwrap();
    c.bench_function("bundle/open", |b| {
        b.iter(|| Bundle::open(&id, NOW.day(), &header, black_box(&content)).unwrap());
    });
}

fn addressing() -> Addressing {
    Addressing { network: NetworkTag::of("test"), shard: Shard(0), expiry: ExpiryHour::latest(NOW) }
}

criterion_group!(benches, to_device, conversation, bundles);
criterion_main!(benches);
