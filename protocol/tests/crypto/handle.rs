//! Handles: which names meet, and the claims that are found by them.

use std::time::{Duration, Instant};

use martlet_protocol::handle::{
    Claim, ClaimError, HANDLE_CHARS_MAX, HANDLE_CLAIM_BYTES_MAX, Handle, HandleError, HandleKey,
    seal_bytes,
};
use martlet_protocol::ids::NetworkTag;
use martlet_protocol::time::{Day, UnixMillis};
use martlet_protocol::{Header, codec};
use proptest::prelude::*;

use crate::people::{NOW, Person, addressing, rng};
use crate::{contains, vectors};

fn handle(text: &str) -> Handle {
    text.parse().unwrap()
}

fn alike(one: &str, other: &str) -> bool {
    handle(one).looks_like(&handle(other))
}

/// A key that cost nothing.
fn key(byte: u8) -> HandleKey {
    codec::decode(&codec::encode(&serde_bytes::Bytes::new(&[byte; 32])), 64).unwrap()
}

fn claim(person: &Person, name: &str) -> Claim {
    Claim {
        id: person.id(),
        device: person.device.device(),
        handle: handle(name),
        claimed_at: NOW.minus(Duration::from_secs(5)),
        made_at: NOW,
        is_released: false,
    }
}

fn sealed(person: &Person, claim: &Claim) -> Vec<u8> {
    claim.seal(&mut rng(9), &addressing(), &key(4), &person.device).unwrap()
}

fn open(content: &[u8], name: &str, day: Day, now: UnixMillis) -> Result<Claim, ClaimError> {
    let header = Header::parse(content).unwrap();
    Claim::open((&key(4), &handle(name)), day, &header, content, now)
}

#[test]
fn vectors() {
    let ada = Person::new(1);
    let key = HandleKey::derive(&NetworkTag::of("test"), &handle("Ad\u{430}_10")).unwrap();
    let name = handle("Ad\u{430}_10");
    let claim = Claim { handle: name, ..claim(&ada, "ada") };
    let content = claim.seal(&mut rng(9), &addressing(), &key, &ada.device).unwrap();
    vectors::check(
        "handle.txt",
        "The handle \"Ad\\u0430_10\" (its last letter is Cyrillic) in the network \"test\". name: in the form that is taken. key: by
        Argon2id. shard: of 12 bits. tag: of day 20455. content: of the envelope in which the person of bundle.txt claims it, since
        1767323040678 ms, made at 1767323045678 ms, in shard 0, expiry 491067, its ack secret the first 16 bytes of ChaCha20
        with the key 09 … 09.",
        &[
            ("name", claim.handle.name().as_bytes().to_vec()),
            ("key", codec::encode(&key)),
            ("shard", key.shard(12).0.to_be_bytes().to_vec()),
            ("tag", key.tag(NOW.day()).0.to_vec()),
            ("content", content),
        ],
    );
}

#[test]
fn names_that_look_alike_meet_and_others_do_not() {
    for (one, other) in [
        ("alice", "Alice"),
        ("alice", "@alice"),
        ("alice", " alice "),
        // Cyrillic, Greek, and letters of twice the width.
        ("alice", "\u{430}lice"),
        ("\u{440}\u{430}\u{443}", "pay"),
        ("alice", "\u{ff41}lice"),
        ("\u{3bf}scar", "oscar"),
        ("paypal1", "paypall"),
        ("b0b", "bob"),
        ("modern", "modem"),
        ("caf\u{e9}", "cafe\u{301}"),
    ] {
        assert!(alike(one, other), "{one:?} {other:?}");
    }
    for (one, other) in [("alice", "bob"), ("alice", "alices"), ("cafe", "caf\u{e9}"), ("an", "na")]
    {
        assert!(!alike(one, other), "{one:?} {other:?}");
    }
    assert_eq!(handle("\u{410}LICE").name(), "\u{430}lice", "its letters stay what they are");
    assert_eq!(handle("Alice").to_string(), "@alice");
}

#[test]
fn what_is_no_handle_is_refused() {
    let refused = |text: &str| text.parse::<Handle>().unwrap_err();
    for (text, found) in [("", 0), ("@", 0), ("a", 1), ("\u{41f}", 1)] {
        assert_eq!(refused(text), HandleError::Length { found }, "{text:?}");
    }
    let found = HANDLE_CHARS_MAX + 1;
    assert_eq!(refused(&"\u{448}".repeat(found)), HandleError::Length { found });
    assert_eq!(refused(&"a".repeat(257)), HandleError::FarTooLong);
    handle(&"\u{448}".repeat(HANDLE_CHARS_MAX));
    for text in
        ["two words", "al\u{200b}ice", "al\u{7}ice", "\u{1f426}bird", "a\u{202e}b", "\u{5d0}a"]
    {
        assert_eq!(refused(text), HandleError::Character, "{text:?}");
    }
    // These were handles that began with an @: whoever asked for one by its name asked for `jj`.
    // And dots alone are another path in an address: `/v1/handles/..`.
    for text in ["@@jj", "\u{ff20}jj", "..", "@...", "--"] {
        assert_eq!(refused(text), HandleError::Character, "{text:?}");
    }
}

#[test]
fn a_key_is_of_one_network_and_takes_long() {
    let began = Instant::now();
    let here = HandleKey::derive(&NetworkTag::of("test"), &handle("alice")).unwrap();
    println!("a key took {:?}", began.elapsed());
    assert!(began.elapsed() > Duration::from_millis(20), "a guess has its price");
    let there = HandleKey::derive(&NetworkTag::of("other"), &handle("alice")).unwrap();
    let look_alike = HandleKey::derive(&NetworkTag::of("test"), &handle("\u{430}lice")).unwrap();
    assert_ne!(here, there);
    assert_eq!(here, look_alike);
    assert_ne!(here.tag(Day(1)), here.tag(Day(2)));
    assert_eq!(format!("{here:?}"), "HandleKey(…)");
}

#[test]
fn who_knows_the_name_finds_the_claim_and_others_learn_nothing() {
    let ada = Person::new(1);
    let claim = claim(&ada, "\u{430}da");
    let content = sealed(&ada, &claim);
    assert_eq!(open(&content, "ada", NOW.day(), NOW).unwrap(), claim);
    let header = Header::parse(&content).unwrap();
    assert_eq!(header.tag(&content), Some(key(4).tag(NOW.day())));
    for secret in [ada.identity().0.as_slice(), "\u{430}da".as_bytes(), &ada.device.device().0] {
        assert!(!contains(&content, secret));
    }
    let other = Claim::open((&key(5), &handle("ada")), NOW.day(), &header, &content, NOW);
    assert!(matches!(other, Err(ClaimError::Body(_))), "{other:?}");
}

#[test]
fn a_claim_that_is_not_what_it_should_be_is_refused() {
    let ada = Person::new(1);
    let good = claim(&ada, "ada");
    let content = sealed(&ada, &good);
    let day = NOW.day();
    // Under another day's tag.
    let header = Header::parse(&content).unwrap();
    let (head, body) = content.split_at(header.len);
    assert!(!head.is_empty() && !body.is_empty());
    let bytes = bytes_of(&content);
    for other in [Day(day.0 - 1), Day(day.0 + 1)] {
        let moved = seal_bytes(&mut rng(9), &addressing(), (&key(4), other), &bytes).unwrap();
        assert!(matches!(open(&moved, "ada", other, NOW), Err(ClaimError::Day)));
    }
    // Of another name, which who knows both put under this one's tag.
    assert!(matches!(open(&content, "bob", day, NOW), Err(ClaimError::OtherName)));
    // From the future, or claimed after it was made.
    let before = NOW.minus(Duration::from_secs(2 * 24 * 3600));
    assert!(matches!(open(&content, "ada", day, before), Err(ClaimError::Time)));
    let late = Claim { claimed_at: NOW.plus(Duration::from_millis(1)), ..good.clone() };
    assert!(matches!(open(&sealed(&ada, &late), "ada", day, NOW), Err(ClaimError::Time)));
    // Any bit of it.
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert!(Claim::from_bytes(&bytes).is_err(), "byte {at}");
    }
    for cut in [0, 1, bytes.len() - 1] {
        assert!(Claim::from_bytes(&bytes[..cut]).is_err());
    }
    assert!(Claim::from_bytes(&[0; HANDLE_CLAIM_BYTES_MAX + 1]).is_err());
    let released = Claim { is_released: true, ..good };
    assert!(open(&sealed(&ada, &released), "ada", day, NOW).unwrap().is_released);
}

/// What a claim's envelope has inside.
fn bytes_of(content: &[u8]) -> Vec<u8> {
    use martlet_protocol::crypto::body::{self, BaseKey};
    let header = Header::parse(content).unwrap();
    let (head, rest) = content.split_at(header.len);
    let mut hasher = blake3::Hasher::new_keyed(&[4; 32]);
    hasher.update(b"martlet handle body v1").update(&NOW.day().0.to_be_bytes());
    let base = BaseKey(*hasher.finalize().as_bytes());
    body::open(&base, head, rest).unwrap().to_vec()
}

proptest! {
    #[test]
    fn any_text_is_a_handle_or_refused_and_its_form_is_its_own(text in "\\PC{0,40}") {
        if let Ok(handle) = text.parse::<Handle>() {
            let again: Handle = handle.name().parse().unwrap();
            prop_assert_eq!(&again, &handle);
            prop_assert!(again.looks_like(&handle));
        }
    }
}
