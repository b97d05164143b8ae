//! Invites: the link.

use bech32::{Bech32m, Hrp};
use martlet_protocol::UnixMillis;
use martlet_protocol::ids::{Id, RendezvousSecret};
use martlet_protocol::invite::{Invite, InviteError, InviteSecret};
use martlet_protocol::network::{NetworkDescriptor, NetworkKey};
use proptest::prelude::*;

use crate::fixture::identity;
use crate::vectors;

const PEER: &str = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";

fn invite() -> Invite {
    let key = Some(NetworkKey::from_bytes([7; 32]));
    Invite {
        network: NetworkDescriptor { name: "ship".into(), key, ..NetworkDescriptor::default() },
        id: Id { identity: identity(1), secret: RendezvousSecret([5; 15]) },
        secret: InviteSecret([0xef; 16]),
        expires_at: UnixMillis(1_767_323_045_678),
        addresses: vec![
            format!("/ip4/198.51.100.7/tcp/4177/p2p/{PEER}"),
            format!("/ip4/192.168.178.27/tcp/4177/p2p/{PEER}"),
        ],
        name: Some("Ada".into()),
    }
}

fn refused(text: &str) -> InviteError {
    text.parse::<Invite>().unwrap_err()
}

#[test]
fn vectors() {
    vectors::check(
        "invite.txt",
        "An invite of the identity of the secret key of 32 bytes 01, with the rendezvous secret of bytes
        05, to the closed network \"ship\" with the key of bytes 07, with the secret of bytes ef, good until
        1767323045678 ms, with two addresses and the name \"Ada\": its link, as ASCII.",
        &[("link", invite().to_link().unwrap().as_bytes().to_vec())],
    );
}

/// 69 modules are the most that, with what is left white around them, fit 80 columns.
#[test]
fn a_link_with_two_addresses_fits_a_qr_code_of_a_terminal() {
    // Version 13, low correction, alphanumeric (ISO/IEC 18004, table 7).
    let link = invite().to_link().unwrap();
    assert!(link.len() <= 619, "{}", link.len());
}

#[test]
fn a_link_is_read_as_it_is_passed_on() {
    let link = invite().to_link().unwrap();
    let broken: String = link
        .as_bytes()
        .chunks(70)
        .map(|line| format!("{}\r\n", str::from_utf8(line).unwrap()))
        .collect();
    let scheme = format!("martlet:{}", link.as_str());
    for text in [link.as_str(), &link.to_uppercase(), &broken, &scheme, &scheme.to_uppercase()] {
        assert!(Invite::is_link(text));
        assert_eq!(text.parse::<Invite>().unwrap(), invite(), "{text}");
    }
}

#[test]
fn what_is_no_link_says_why_and_repeats_nothing() {
    let link = invite().to_link().unwrap();
    for other in ["", "hello", "martlet1qq", "martletnet1qq", "martlet:", "https://example.org/x"] {
        assert_eq!(refused(other), InviteError::SomethingElse, "{other}");
    }
    assert_eq!(refused("martletinvite1"), InviteError::Damaged);
    for at in [20, link.len() / 2, link.len() - 1] {
        let mut cut = link.to_string();
        cut.remove(at);
        assert_eq!(refused(&cut), InviteError::Damaged, "{at}");
        let mut other = link.to_string();
        let character = if other.as_bytes()[at] == b'q' { "p" } else { "q" };
        other.replace_range(at..=at, character);
        assert_eq!(refused(&other), InviteError::Damaged, "{at}");
    }
    assert_eq!(refused(&format!("{}{}", link.as_str(), "q".repeat(5000))), InviteError::Damaged);
    let of = |bytes: &[u8]| {
        bech32::encode::<Bech32m>(Hrp::parse("martletinvite").unwrap(), bytes).unwrap()
    };
    assert_eq!(refused(&of(b"")), InviteError::OtherVersion);
    assert_eq!(refused(&of(&[0xa0])), InviteError::OtherVersion);
    // Values that no invite has.
    let bad = |change: fn(&mut Invite)| {
        let mut invite = invite();
        change(&mut invite);
        refused(&invite.to_link().unwrap())
    };
    assert!(matches!(bad(|it| it.network.name = "No Name".into()), InviteError::Network(_)));
    assert!(matches!(bad(|it| it.id.identity.0 = [0; 32]), InviteError::Id(_)));
    assert!(matches!(bad(|it| it.addresses[0] = "/ip4/1.2.3.4".into()), InviteError::Value(_)));
    assert!(matches!(
        bad(|it| it.addresses.push("/ip4/1.2.3.4/tcp/1".into())),
        InviteError::Value(_)
    ));
    assert!(matches!(bad(|it| it.name = Some("x".repeat(65))), InviteError::Value(_)));
    let shown = format!("{:?}", invite());
    assert!(!shown.contains("239") && !shown.contains("[5"), "{shown}");
}

/// Where the descriptor is long, addresses are left out; and where it is too long, that is said.
#[test]
fn what_a_link_has_no_room_for_is_left_out() {
    let with = |count: usize| {
        let mut invite = invite();
        let address = format!("/dns4/{}.example/tcp/4177/p2p/{PEER}", "a".repeat(30));
        invite.network.bootstrap = vec![address; count];
        invite.to_link()
    };
    let read: Invite = with(3).unwrap().parse().unwrap();
    assert_eq!((read.addresses.len(), read.network.bootstrap.len()), (1, 3));
    assert_eq!(with(8).unwrap_err(), InviteError::TooLong);
}

proptest! {
    #[test]
    fn any_text_is_an_invite_or_refused(text in any::<String>()) {
        let _ = text.parse::<Invite>();
        let _ = format!("martletinvite1{text}").parse::<Invite>();
    }
}
