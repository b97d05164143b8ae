//! What is said of an identity's devices: signed by who may say it, and merged by union.

use ed25519_dalek::SigningKey;
use martlet_protocol::identity::kill::{KILL_PHRASE_WORDS, KillPhraseError};
use martlet_protocol::identity::state::{Standing, encode_termination};
use martlet_protocol::identity::statement::Reason;
use martlet_protocol::identity::{
    DeviceCertificate, DeviceKeys, IdentityState, KillKey, RootKey, Statement,
};
use martlet_protocol::limits::{
    CERTIFICATES_PER_IDENTITY_MAX, DEVICES_PER_IDENTITY_MAX, IDENTITY_STATE_BYTES_MAX,
};
use martlet_protocol::notice;
use martlet_protocol::{DeviceId, Envelope, Header, IdentityId, UnixMillis, codec};
use proptest::prelude::*;
use serde::Serialize;
use serde_bytes::{ByteBuf, Bytes};

use crate::by_hand::Format;
use crate::certificate::sign;
use crate::people::{NOW, addressing, rng};
use crate::vectors;

fn root() -> RootKey {
    RootKey::from_seed([1; 32])
}

/// The identity's device with this number, certified so many milliseconds after now.
fn device(number: u8) -> DeviceKeys {
    DeviceKeys::generate(&mut rng(number), &root(), UnixMillis(NOW.0 + u64::from(number)))
}

fn certificate(device: &DeviceKeys) -> Statement {
    Statement::Certificate(device.certificate().clone())
}

fn state_of(statements: impl IntoIterator<Item = Statement>) -> IdentityState {
    let mut state = IdentityState::new(root().identity());
    for statement in statements {
        state.add(statement).unwrap();
    }
    state
}

fn valid(state: &IdentityState) -> Vec<DeviceId> {
    state.valid().map(DeviceCertificate::device).collect()
}

/// A list of statements as it is encoded.
#[derive(Serialize)]
struct Entry {
    kind: u16,
    statement: ByteBuf,
}

fn list(entries: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let entry =
        |(kind, bytes): &(u16, Vec<u8>)| Entry { kind: *kind, statement: bytes.clone().into() };
    codec::encode(&entries.iter().map(entry).collect::<Vec<_>>())
}

fn key_of(seed: &[u8; 32]) -> SigningKey {
    SigningKey::from_bytes(seed)
}

#[derive(Serialize)]
struct Details<'a> {
    format: Format,
    identity: &'a Bytes,
    device: &'a Bytes,
    name: &'a str,
    changed_at: u64,
}

#[derive(Serialize)]
struct KillKeyNamed<'a> {
    format: Format,
    identity: &'a Bytes,
    key: &'a Bytes,
}

#[derive(Serialize)]
struct Revocation<'a> {
    format: Format,
    identity: &'a Bytes,
    device: &'a Bytes,
    at: u64,
    reason: u8,
    certificate: Option<ByteBuf>,
}

#[derive(Serialize)]
struct Termination<'a> {
    format: Format,
    identity: &'a Bytes,
    at: u64,
    by: &'a Bytes,
}

fn termination(key: &SigningKey, identity: &IdentityId, at: u64) -> Vec<u8> {
    let by = key.verifying_key().to_bytes();
    let (format, identity) = (Format::current(), Bytes::new(&identity.0));
    let by = Bytes::new(&by);
    sign(key, "martlet termination v2", &Termination { format, identity, at, by })
}

#[test]
fn vectors() {
    let (root, first, second) = (root(), device(2), device(3));
    let kill = root.kill_key();
    let parts = [
        certificate(&first),
        first.describe("desk".into(), NOW).unwrap(),
        root.name_kill_key(),
        root.revoke(second.device(), NOW, Reason::Lost),
        second.revoke_itself(NOW, Reason::Stolen),
        root.terminate(NOW),
    ];
    let alone = |statement: &Statement| state_of([statement.clone()]).to_record();
    let by_kill_key = kill.terminate(root.identity(), NOW);
    let told = state_of(parts.clone());
    let ending = told.encode_ending().unwrap();
    let content = notice::seal(&mut rng(4), &addressing(), &root.identity(), &ending).unwrap();
    vectors::check(
        "identity_state.txt",
        "The state of the identity whose root has the seed 01 … 01, of its devices made with ChaCha20 with the keys 02 … 02 and
        03 … 03, all said at 1767323045678 ms. kill_phrase: ASCII. kill_key: its public half. Then lists of one statement
        each: the first device's certificate, its details (its name is 'desk'), the kill key, the second device revoked by the
        root (lost), and by itself (stolen, with its certificate), the termination by the root, and by the kill key. state:
        of all but the last, as it is told. notice_tag, notice: that it ended; ChaCha20 with the key 04 … 04.",
        &[
            ("kill_phrase", kill.phrase().as_bytes().to_vec()),
            ("kill_key", kill.public().to_vec()),
            ("certificate", alone(&parts[0])),
            ("details", alone(&parts[1])),
            ("kill_key_named", alone(&parts[2])),
            ("revocation", alone(&parts[3])),
            ("own_revocation", alone(&parts[4])),
            ("termination", alone(&parts[5])),
            ("kill_key_termination", encode_termination(&by_kill_key)),
            ("state", told.encode()),
            ("notice_tag", notice::tag(&root.identity()).0.to_vec()),
            ("notice", content),
        ],
    );
}

#[test]
fn made_by_hand_as_documented_it_counts() {
    let (root, first, second) = (key_of(&[1; 32]), device(2), device(3));
    let own = key_of(&first.seed());
    let identity = IdentityId(root.verifying_key().to_bytes());
    let whose = || Bytes::new(&identity.0);
    let format = Format::current;
    let (first_id, second_id) = (first.device(), second.device());
    let kill = key_of(&[9; 32]);
    let kill_public = kill.verifying_key().to_bytes();
    let details = Details {
        format: format(),
        identity: whose(),
        device: Bytes::new(&first_id.0),
        name: "desk",
        changed_at: 7,
    };
    let named = KillKeyNamed { format: format(), identity: whose(), key: Bytes::new(&kill_public) };
    let revoked = Revocation {
        format: format(),
        identity: whose(),
        device: Bytes::new(&second_id.0),
        at: 8,
        reason: 2,
        certificate: None,
    };
    let mut entries = vec![
        (1, first.certificate().as_bytes().to_vec()),
        (1, second.certificate().as_bytes().to_vec()),
        (2, sign(&own, "martlet device details v2", &details)),
        (3, sign(&root, "martlet kill key v2", &named)),
        (4, sign(&root, "martlet revocation v2", &revoked)),
    ];
    let mut state = IdentityState::new(identity);
    let merged = state.merge_bytes(&list(&entries)).unwrap();
    assert_eq!((merged.is_news, merged.invalid), (true, 0));
    assert_eq!(valid(&state), [first_id]);
    let devices: Vec<_> = state.devices().collect();
    assert_eq!((devices[0].name, devices[0].standing), ("desk", Standing::Valid));
    let stolen = Standing::Revoked { at: UnixMillis(8), reason: Reason::Stolen };
    assert_eq!((devices[1].device, devices[1].standing), (second_id, stolen));

    // The device itself may say so, and shows that it is one.
    let by_itself = Revocation {
        device: Bytes::new(&first_id.0),
        certificate: Some(first.certificate().as_bytes().to_vec().into()),
        ..revoked
    };
    entries.push((4, sign(&own, "martlet revocation v2", &by_itself)));
    assert_eq!(state.merge_bytes(&list(&entries[5..])).unwrap().invalid, 0);
    assert_eq!(valid(&state), []);
    assert!(!state.is_terminated());
    entries.push((5, termination(&kill, &identity, 9)));
    state.merge_bytes(&list(&entries[6..])).unwrap();
    assert_eq!(state.terminated_at(), Some(UnixMillis(9)));
}

/// Whoever may not say it, says it in vain.
#[test]
fn what_is_not_signed_by_who_may_say_it_is_dropped_and_the_rest_is_taken() {
    let (root, first, second) = (key_of(&[1; 32]), device(2), device(3));
    let (own, other) = (key_of(&first.seed()), key_of(&[8; 32]));
    let identity = IdentityId(root.verifying_key().to_bytes());
    let stranger = IdentityId(other.verifying_key().to_bytes());
    let revocation =
        |identity: &IdentityId, device: &DeviceId, key: &SigningKey, shown: Option<&DeviceKeys>| {
            let said = Revocation {
                format: Format::current(),
                identity: Bytes::new(&identity.0),
                device: Bytes::new(&device.0),
                at: 8,
                reason: 0,
                certificate: shown.map(|it| it.certificate().as_bytes().to_vec().into()),
            };
            (4, sign(key, "martlet revocation v2", &said))
        };
    let details = |name: &str, key: &SigningKey| {
        let (identity, device) = (Bytes::new(&identity.0), first.device());
        let device = Bytes::new(&device.0);
        let said = Details { format: Format::current(), identity, device, name, changed_at: 7 };
        (2, sign(key, "martlet device details v2", &said))
    };
    let kill_key = |key: &SigningKey| {
        let format = Format::current();
        let public = other.verifying_key().to_bytes();
        let (identity, key_bytes) = (Bytes::new(&identity.0), Bytes::new(&public));
        let said = KillKeyNamed { format, identity, key: key_bytes };
        (3, sign(key, "martlet kill key v2", &said))
    };
    let mut flipped = first.certificate().as_bytes().to_vec();
    flipped[40] ^= 1;
    let bad = [
        // Another device's word, a stranger's, another identity's, and a device's with another's certificate or none.
        revocation(&identity, &second.device(), &own, None),
        revocation(&identity, &second.device(), &other, None),
        revocation(&stranger, &second.device(), &other, None),
        revocation(&identity, &second.device(), &own, Some(&first)),
        revocation(&identity, &second.device(), &own, Some(&second)),
        revocation(&identity, &first.device(), &own, None),
        details("desk", &other),
        details("two\nlines", &own),
        details(&"x".repeat(65), &own),
        kill_key(&own),
        kill_key(&other),
        (5, termination(&other, &stranger, 9)),
        (1, flipped),
        (1, vec![0; 600]),
        (9, vec![0; 600]),
        (1, Vec::new()),
    ];
    let good = (1, first.certificate().as_bytes().to_vec());
    for at in 0..=bad.len() {
        let mut entries = bad.to_vec();
        entries.insert(at, good.clone());
        let mut state = IdentityState::new(identity);
        let merged = state.merge_bytes(&list(&entries)).unwrap();
        assert_eq!((merged.is_news, merged.invalid), (true, bad.len()));
        assert_eq!(state, state_of([certificate(&first)]));
    }
    // Of a device, a termination counts for nothing.
    let mut state = state_of([certificate(&first)]);
    state.merge_bytes(&list(&[(5, termination(&own, &identity, 9))])).unwrap();
    assert_eq!(valid(&state), [first.device()]);
    assert!(state.encode_ending().is_none());
    assert_eq!(state.encode(), state_of([certificate(&first)]).encode(), "it is not passed on");

    for not_a_list in [&[0xff][..], &[0x80, 0], &[0xa0], &vec![0; IDENTITY_STATE_BYTES_MAX + 1]] {
        assert!(IdentityState::new(identity).merge_bytes(not_a_list).is_err());
    }
    assert!(IdentityState::new(stranger).add(certificate(&first)).is_err());
}

#[test]
fn what_is_of_a_kind_or_version_not_known_is_kept_and_passed_on() {
    let root = key_of(&[1; 32]);
    let identity = root.verifying_key().to_bytes();
    let newer = Format { min_version: 3, ..Format::current() };
    let newer = crate::certificate::with_format(&root, &DeviceId(identity), newer);
    let entries = [(1, newer), (900, b"what comes next year".to_vec())];
    let mut state = IdentityState::new(IdentityId(identity));
    let merged = state.merge_bytes(&list(&entries)).unwrap();
    assert_eq!((merged.is_news, merged.invalid), (true, 0));
    assert_eq!(state.valid().count(), 0);
    assert_eq!(state.encode(), list(&entries));
    assert!(!state.merge_bytes(&list(&entries)).unwrap().is_news);
    let many: Vec<_> = (1000..1100).map(|kind| (kind, vec![7; 200])).collect();
    state.merge_bytes(&list(&many)).unwrap();
    assert!(state.encode().len() < 17 * 512, "so many are kept");
}

#[test]
fn a_certificate_from_before_or_after_the_termination_has_no_effect() {
    let (root, first, late) = (root(), device(2), device(200));
    let mut state = state_of([certificate(&first), root.terminate(NOW)]);
    assert_eq!(valid(&state), []);
    state.add(certificate(&late)).unwrap();
    assert_eq!(valid(&state), []);
    assert!(state.devices().all(|device| device.standing == Standing::Terminated));
    assert_eq!(state.certified(), 2, "it is kept");
}

#[test]
fn a_kill_key_ends_the_identity_once_the_root_has_named_it() {
    let (root, first) = (root(), device(2));
    let by_kill_key = Statement::Termination(root.kill_key().terminate(root.identity(), NOW));
    let mut state = state_of([certificate(&first), by_kill_key]);
    assert_eq!(valid(&state), [first.device()]);
    state.add(root.name_kill_key()).unwrap();
    assert_eq!(valid(&state), []);
    // Who knows nothing but the notice knows it, too.
    let mut heard = IdentityState::new(root.identity());
    heard.merge_bytes(&state.encode_ending().unwrap()).unwrap();
    assert!(heard.is_terminated());

    // Anyone can make terminations that do not count. A few wait.
    let mut state = state_of([certificate(&first)]);
    for seed in 20..60 {
        let made = termination(&key_of(&[seed; 32]), &root.identity(), 9);
        state.merge_bytes(&list(&[(5, made)])).unwrap();
    }
    assert!(state.to_record().len() < 1500);
    assert_eq!(valid(&state), [first.device()]);
    state.add(root.name_kill_key()).unwrap();
    let by_kill_key = Statement::Termination(root.kill_key().terminate(root.identity(), NOW));
    state.add(by_kill_key).unwrap();
    assert!(state.is_terminated());
}

/// Whoever stole the root names keys of their own; the one on paper stays.
#[test]
fn the_kill_key_that_was_known_first_is_not_pushed_out() {
    let (root, first) = (root(), device(2));
    let mut state = state_of([certificate(&first), root.name_kill_key()]);
    let thief = key_of(&[1; 32]);
    for seed in 20..60 {
        let key = key_of(&[seed; 32]).verifying_key().to_bytes();
        let identity = root.identity();
        let (format, identity, key) =
            (Format::current(), Bytes::new(&identity.0), Bytes::new(&key));
        let named = sign(&thief, "martlet kill key v2", &KillKeyNamed { format, identity, key });
        state.merge_bytes(&list(&[(3, named)])).unwrap();
    }
    assert!(state.has_kill_key(&root.kill_key().public()));
    assert!(state.encode().len() < 1200);
}

#[test]
fn of_more_than_eight_the_oldest_count_and_of_more_than_64_the_oldest_are_kept() {
    let devices: Vec<_> = (1..=100).map(device).collect();
    let first: Vec<_> =
        devices.iter().take(DEVICES_PER_IDENTITY_MAX).map(DeviceKeys::device).collect();
    let forwards = state_of(devices.iter().map(certificate));
    let backwards = state_of(devices.iter().rev().map(certificate));
    assert_eq!(forwards, backwards);
    assert_eq!(valid(&forwards), first);
    assert_eq!(forwards.certified(), CERTIFICATES_PER_IDENTITY_MAX);
    let surplus = forwards.devices().filter(|device| device.standing == Standing::Surplus).count();
    assert_eq!(surplus, CERTIFICATES_PER_IDENTITY_MAX - DEVICES_PER_IDENTITY_MAX);
    // Where one is revoked, the next counts.
    let mut state = forwards;
    state.add(root().revoke(first[0], NOW, Reason::Retired)).unwrap();
    assert_eq!(valid(&state)[7], devices[8].device());
}

/// The most that an identity can have said of it, by builds like this one.
#[test]
fn the_fullest_state_fits_a_bundle() {
    let root = root();
    let mut state = state_of([root.name_kill_key(), root.terminate(NOW)]);
    state.add(Statement::Termination(root.kill_key().terminate(root.identity(), NOW))).unwrap();
    for number in 1..=64 {
        let device = device(number);
        let details = device.describe("x".repeat(64), UnixMillis(u64::MAX)).unwrap();
        let revoked = if number > 8 { Some(device.revoke_itself(NOW, Reason::Lost)) } else { None };
        for statement in [certificate(&device), details].into_iter().chain(revoked) {
            state.add(statement).unwrap();
        }
    }
    let told = state.encode();
    assert!(told.len() <= IDENTITY_STATE_BYTES_MAX, "{}", told.len());
    let mut heard = IdentityState::new(root.identity());
    assert_eq!(heard.merge_bytes(&told).unwrap().invalid, 0);
    assert_eq!(heard.certified(), 64);
    assert!(heard.is_terminated());
    let record = IdentityState::from_record(root.identity(), &state.to_record()).unwrap();
    assert_eq!(record, state);
}

#[test]
fn the_kill_phrase_is_the_roots_and_a_mistake_in_it_is_told() {
    let kill = root().kill_key();
    let phrase = kill.phrase();
    let words: Vec<_> = phrase.split(' ').collect();
    assert_eq!(words.len(), KILL_PHRASE_WORDS);
    let again = KillKey::from_phrase(&format!("  {}\n", phrase.to_uppercase())).unwrap();
    assert_eq!(again.public(), kill.public());
    let wrong = |words: &[&str]| KillKey::from_phrase(&words.join(" ")).unwrap_err();
    assert_eq!(wrong(&words[1..]), KillPhraseError::Words { found: 11 });
    let recovery = root().recovery_phrase();
    assert_eq!(KillKey::from_phrase(&recovery).unwrap_err(), KillPhraseError::Words { found: 24 });
    let mut swapped = words.clone();
    swapped.swap(0, 1);
    assert_eq!(wrong(&swapped), KillPhraseError::Checksum);
    let mut typo = words.clone();
    let mistyped = format!("{}x", words[4]);
    typo[4] = &mistyped;
    let nearest = Some(words[4].to_owned());
    assert_eq!(wrong(&typo), KillPhraseError::Word { at: 5, nearest });
    assert!(!format!("{kill:?}").contains(words[0]));
}

#[test]
fn a_notice_opens_for_who_knows_the_identity_and_for_nobody_else() {
    let root = root();
    let state = state_of([root.name_kill_key(), root.terminate(NOW)]);
    let ending = state.encode_ending().unwrap();
    let identity = root.identity();
    let content = notice::seal(&mut rng(4), &addressing(), &identity, &ending).unwrap();
    let header = Header::parse(&Envelope::new(content.clone()).content).unwrap();
    assert_eq!(header.tag(&content), Some(notice::tag(&identity)));
    let mut heard = IdentityState::new(identity);
    heard.merge_bytes(&notice::open(&identity, &header, &content).unwrap()).unwrap();
    assert!(heard.is_terminated());
    assert!(notice::open(&IdentityId([7; 32]), &header, &content).is_err());
    assert_ne!(notice::tag(&IdentityId([7; 32])), notice::tag(&identity));
    assert!(content.len() < 512 + 100, "it has the smallest body: {}", content.len());
}

/// Forty statements: of ten devices, some revoked once or twice, with names changed, and of the identity's end.
fn forty() -> Vec<Statement> {
    let root = root();
    let mut statements = vec![root.name_kill_key(), root.terminate(NOW)];
    statements.push(Statement::Termination(root.kill_key().terminate(root.identity(), NOW)));
    for number in 1..=10 {
        let device = device(number);
        statements.push(certificate(&device));
        for (name, at) in [("old", 5), ("new", 6)] {
            statements.push(device.describe(name.into(), UnixMillis(at)).unwrap());
        }
        if number % 2 == 0 {
            statements.push(root.revoke(device.device(), NOW, Reason::Lost));
        }
    }
    statements.push(device(4).revoke_itself(NOW, Reason::Retired));
    statements.push(device(5).revoke_itself(NOW, Reason::Retired));
    assert_eq!(statements.len(), 40);
    statements
}

proptest! {
    /// In whatever order statements come, in whatever parts, and however often: one state. What ends something wins.
    #[test]
    fn all_orders_and_splits_of_statements_give_one_state(
        order in Just((0..40).collect::<Vec<usize>>()).prop_shuffle(),
        parts in prop::collection::vec(0_usize..4, 40),
        again in prop::collection::vec(any::<bool>(), 40),
        without_end in any::<bool>(),
    ) {
        let statements = forty();
        let is_left_out = |at: &usize| without_end && (*at == 1 || *at == 2);
        let whole = state_of(
            (0..40).filter(|at| !is_left_out(at)).map(|at| statements[at].clone())
        );
        let mut split: Vec<_> = (0..4).map(|_| IdentityState::new(root().identity())).collect();
        for at in order.into_iter().filter(|at| !is_left_out(at)) {
            split[parts[at]].add(statements[at].clone()).unwrap();
            if again[at] {
                split[3 - parts[at]].add(statements[at].clone()).unwrap();
            }
        }
        let mut merged = split.pop().unwrap();
        for part in &split {
            merged.merge(part);
        }
        prop_assert_eq!(&merged, &whole);
        prop_assert!(!merged.merge(&whole));
        prop_assert_eq!(merged.is_terminated(), !without_end);
        let left: Vec<_> = [1, 3, 7, 9].map(|number| device(number).device()).to_vec();
        prop_assert_eq!(valid(&merged), if without_end { left } else { Vec::new() });
        // And told to others, who know nothing else.
        let mut told = IdentityState::new(root().identity());
        told.merge_bytes(&merged.encode()).unwrap();
        prop_assert_eq!(valid(&told), valid(&merged));
        let standings = |state: &IdentityState| {
            state.devices().map(|it| (it.device, it.standing)).collect::<Vec<_>>()
        };
        prop_assert_eq!(standings(&told), standings(&merged));
        let named = told.devices().filter(|it| it.standing == Standing::Valid);
        prop_assert!(named.map(|it| it.name).all(|name| name == "new"));
    }
}
