//! Linking: the code, the steps, the comparison, and what the new device gets.

use martlet_protocol::crypto::seal::{DetectionSecret, PrekeySecret};
use martlet_protocol::identity::{NewDevice, RootKey, Statement};
use martlet_protocol::ids::{NetworkTag, Rendezvous};
use martlet_protocol::limits::LINK_STEP_BYTES_MAX;
use martlet_protocol::link::{
    Answer, ComparisonKey, Join, LinkCode, LinkCodeError, LinkError, LinkSecret, Numbers, Refused,
    Reveal, Step, Transcript, Why, commitment, steps,
};
use martlet_protocol::message::{DeviceMessage, Linked};
use martlet_protocol::{DeviceId, Envelope, Header, IdentityId};
use proptest::prelude::*;

use crate::people::{NOW, SECRET, addressing, rng};
use crate::vectors;

fn root() -> RootKey {
    RootKey::from_seed([1; 32])
}

fn code() -> LinkCode {
    let network = NetworkTag([5; 8]);
    LinkCode { network, secret: LinkSecret([6; 16]), identity: root().identity() }
}

fn device() -> NewDevice {
    NewDevice::generate(&mut rng(2))
}

fn join() -> Join {
    let details = device().describe(root().identity(), "phone".into(), NOW).unwrap();
    let prekey = PrekeySecret::generate(&mut rng(3));
    let detection = DetectionSecret::generate(&mut rng(4)).public();
    Join::issue(&device(), details, &prekey, detection, commitment(&[7; 32], &[8; 32]))
}

fn linked() -> DeviceMessage {
    let certificate = root().certify(device().device(), NOW);
    DeviceMessage::Linked(Box::new(Linked {
        certificate: certificate.as_bytes().to_vec(),
        state: vec![1, 2, 3],
        rendezvous: Rendezvous { secret: SECRET, reset_at: NOW },
        name: Some("Ada".into()),
        first_secret: SECRET,
    }))
}

#[test]
fn vectors() {
    let keys = code().keys();
    let content =
        steps::seal(&mut rng(5), &addressing(), &keys, Step::Join, join().as_bytes()).unwrap();
    let entries = [
        ("code", code().to_text().as_bytes().to_vec()),
        ("join_tag", keys.tag(Step::Join).0.to_vec()),
        ("answer_tag", keys.tag(Step::Answer).0.to_vec()),
        ("reveal_tag", keys.tag(Step::Reveal).0.to_vec()),
        ("linker_refused_tag", keys.tag(Step::LinkerRefused).0.to_vec()),
        ("joiner_refused_tag", keys.tag(Step::JoinerRefused).0.to_vec()),
        ("commitment", commitment(&[7; 32], &[8; 32]).to_vec()),
        ("join", join().as_bytes().to_vec()),
        ("answer", Answer::new([7; 32], root().identity(), DeviceId([13; 32])).encode()),
        ("reveal", Reveal::new([7; 32], [8; 32]).encode()),
        ("refused", Refused::new(Some(device().device()), Why::Disturbed).encode()),
        ("refused_all", Refused::new(None, Why::NumbersDiffer).encode()),
        ("content", content),
        ("linked", linked().encode()),
    ];
    vectors::check(
        "link.txt",
        "Linking to the identity whose root has the seed 01 … 01, in the network with the tag 05 … 05, by the secret 06 … 06.
        code: ASCII. The tags of its steps. commitment: of the comparison key 07 … 07 with the nonce 08 … 08. join: of the
        device made with ChaCha20 with the key 02 … 02, called 'phone' since 1767323045678 ms, its prekey with 03 … 03, its
        detection key with 04 … 04. answer: of the device 0d … 0d. refused: the joining device, disturbed; and all, the
        numbers differ. content: of the join's envelope, with the key 05 … 05. linked: a message to it.",
        &entries,
    );
}

#[test]
fn a_code_survives_being_typed_and_no_other_text_is_one() {
    let text = code().to_text();
    assert_eq!(text.len(), 121);
    for typed in
        [text.to_string(), text.to_uppercase(), format!(" {}\n {}\n", &text[..60], &text[60..])]
    {
        assert_eq!(typed.parse::<LinkCode>().unwrap(), code());
    }
    for other in ["", "martletlink", "martlet1xyz", "martletinvite1xyz", "ümartletlink1"] {
        assert_eq!(other.parse::<LinkCode>(), Err(LinkCodeError::SomethingElse), "{other}");
    }
    for at in 12..text.len() {
        let mut typed = text.to_string();
        let wrong = if &typed[at..=at] == "q" { "p" } else { "q" };
        typed.replace_range(at..=at, wrong);
        assert_eq!(typed.parse::<LinkCode>(), Err(LinkCodeError::Damaged), "{at}");
    }
    let long = format!("{}{}", *text, " ".repeat(1000));
    assert_eq!(long.parse::<LinkCode>(), Err(LinkCodeError::Damaged));
    let weak = LinkCode { identity: IdentityId([0; 32]), ..code() };
    assert!(matches!(weak.to_text().parse::<LinkCode>(), Err(LinkCodeError::Identity(_))));
    assert!(!format!("{:?}", code()).contains("6, 6"), "the secret is not shown");
}

#[test]
fn a_step_opens_for_who_has_the_code_as_that_step_alone_and_all_are_of_one_size() {
    let keys = code().keys();
    let payloads = [&b""[..], b"x", &[7; LINK_STEP_BYTES_MAX]];
    let mut sizes = Vec::new();
    for payload in payloads {
        for step in Step::ALL {
            let content = steps::seal(&mut rng(5), &addressing(), &keys, step, payload).unwrap();
            let header = Header::parse(&content).unwrap();
            assert_eq!(header.tag(&content), Some(keys.tag(step)));
            assert_eq!(steps::open(&keys, step, &header, &content).unwrap().as_slice(), payload);
            for other in Step::ALL.into_iter().filter(|other| *other != step) {
                assert!(steps::open(&keys, other, &header, &content).is_err());
            }
            let stranger = LinkCode { secret: LinkSecret([1; 16]), ..code() }.keys();
            assert!(steps::open(&stranger, step, &header, &content).is_err());
            let mut changed = content.clone();
            *changed.last_mut().unwrap() ^= 1;
            assert!(steps::open(&keys, step, &header, &changed).is_err());
            sizes.push(Envelope::new(content).content.len());
        }
    }
    assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
    let long = [0; LINK_STEP_BYTES_MAX + 1];
    let refused = steps::seal(&mut rng(5), &addressing(), &keys, Step::Join, &long);
    assert!(matches!(refused, Err(LinkError::Padding)));
}

#[test]
fn a_join_is_by_the_device_that_it_names() {
    let identity = root().identity();
    let read = Join::from_bytes(&identity, join().as_bytes()).unwrap();
    assert_eq!(read, join());
    assert_eq!((read.device(), read.name()), (device().device(), "phone"));
    assert!(matches!(read.details(), Statement::Details(_)));
    assert!(
        Join::from_bytes(&IdentityId([3; 32]), join().as_bytes()).is_err(),
        "of another identity"
    );
    // By a device other than the one that its details name.
    let other = NewDevice::generate(&mut rng(9));
    let details = device().describe(identity, "phone".into(), NOW).unwrap();
    let prekey = PrekeySecret::generate(&mut rng(3));
    let stolen = Join::issue(&other, details, &prekey, [4; 32], [5; 32]);
    let refused = Join::from_bytes(&identity, stolen.as_bytes());
    assert!(matches!(refused, Err(LinkError::Signature)), "{refused:?}");
    for name in ["\n", &"x".repeat(65)] {
        assert!(device().describe(identity, name.into(), NOW).is_err());
    }
    let bytes = join().as_bytes().to_vec();
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(Join::from_bytes(&identity, &changed).is_err(), "{at}");
    }
}

fn numbers(mine: ComparisonKey, theirs: [u8; 32], steps: [&[u8]; 3]) -> Numbers {
    let (code, device) = (code(), device().device());
    let (network, identity) = (&code.network, &code.identity);
    let transcript = Transcript { network, identity, device: &device, steps };
    mine.numbers(&theirs, &transcript).unwrap()
}

#[test]
fn both_sides_see_the_same_numbers_and_others_if_anything_differs() {
    let pair = || (ComparisonKey::generate(), ComparisonKey::generate());
    let (a, b) = pair();
    let (public_a, public_b) = (a.public(), b.public());
    let steps: [&[u8]; 3] = [b"1", b"2", b"3"];
    let seen = numbers(a, public_b, steps);
    assert_eq!(numbers(b, public_a, steps), seen);
    assert!(seen.0.iter().all(|number| (1000..=9191).contains(number)), "{seen}");
    assert_eq!(seen.to_string().split(' ').count(), 3);
    for other in
        [[&b"x"[..], b"2", b"3"], [b"1", b"x", b"3"], [b"1", b"2", b"x"], [b"12", b"", b"3"]]
    {
        let (a, b) = pair();
        let (public_a, public_b) = (a.public(), b.public());
        assert_ne!(numbers(a, public_b, steps), numbers(b, public_a, other));
    }
    // A key that makes the same secret with every other.
    let (code, device) = (code(), device().device());
    let (network, identity) = (&code.network, &code.identity);
    let transcript = Transcript { network, identity, device: &device, steps };
    let refused = ComparisonKey::generate().numbers(&[0; 32], &transcript);
    assert!(matches!(refused, Err(LinkError::Key)));
}

#[test]
fn steps_and_messages_are_read_as_they_were_written() {
    let answer = Answer::new([7; 32], root().identity(), DeviceId([13; 32]));
    assert_eq!(Answer::decode(&answer.encode()).unwrap(), answer);
    let reveal = Reveal::new([7; 32], [8; 32]);
    assert_eq!(Reveal::decode(&reveal.encode()).unwrap(), reveal);
    for why in (0..=10).map(Why::of) {
        let refused = Refused::new(None, why);
        assert_eq!(Refused::decode(&refused.encode()).unwrap().why(), why);
    }
    assert!(Answer::decode(&reveal.encode()).is_err());
    let DeviceMessage::Linked(sent) = linked() else { panic!() };
    let DeviceMessage::Linked(read) = DeviceMessage::decode(&linked().encode()).unwrap() else {
        panic!()
    };
    assert_eq!(read, sent);
}

proptest! {
    #[test]
    fn no_bytes_make_a_step_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Join::from_bytes(&root().identity(), &bytes);
        let _ = (Answer::decode(&bytes), Reveal::decode(&bytes), Refused::decode(&bytes));
    }
}
