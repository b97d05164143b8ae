//! Text without whole addresses, names of hosts and ids: for what dependencies log, of which only the text is had.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::net::shorten;

/// What libp2p's peer ids of Ed25519 keys begin with, and of older, longer keys.
const PEER_ID_STARTS: [&str; 2] = ["12D3Koo", "Qm"];
/// The least length of a peer id in base 58: of a hash of 32 bytes.
const PEER_ID_CHARS_MIN: usize = 44;
/// What IDs and network keys begin with, in Bech32m.
const ID_STARTS: [&str; 2] = ["martlet1", "martletkey1"];
/// What a multiaddress has before the name of a host.
const HOST_STARTS: [&str; 4] = ["/dns/", "/dns4/", "/dns6/", "/dnsaddr/"];
/// The longest text of an IPv6 address, with an IPv4 one at its end.
const IPV6_CHARS_MAX: usize = 45;

/// `text` with every IP address, host of a multiaddress, peer id and ID in it shortened.
pub(super) fn scrubbed(text: &str) -> Cow<'_, str> {
    let mut short = String::new();
    let (mut done, mut at) = (0, 0);
    // The last character before `at` that is no part of an escape sequence for colours.
    let mut before = ' ';
    while let Some(next) = text[at..].chars().next() {
        if next == '\u{1b}' {
            at += escape_bytes(&text[at..]);
            before = ' ';
            continue;
        }
        let found = match before.is_ascii_alphanumeric() {
            true => None,
            false => found_at(&text[at..], before),
        };
        match found {
            Some((bytes, instead)) => {
                short.push_str(&text[done..at]);
                short.push_str(&instead);
                at += bytes;
                done = at;
                before = 'x';
            }
            None => {
                at += next.len_utf8();
                before = next;
            }
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    short.push_str(&text[done..]);
    Cow::Owned(short)
}

/// What `text` begins with that is to be shortened: its bytes, and what stands instead. `before`: the character
/// before it.
fn found_at(text: &str, before: char) -> Option<(usize, String)> {
    if let Some(start) = HOST_STARTS.iter().find(|start| text.starts_with(**start)) {
        let host = while_all(&text[start.len()..], |c| {
            !matches!(c, '/' | '"' | '\'' | ')' | ']' | ',') && !c.is_whitespace()
        });
        return (host > 0).then(|| (start.len() + host, format!("{start}…")));
    }
    let word = while_all(text, |c| c.is_ascii_alphanumeric());
    if PEER_ID_STARTS.iter().any(|start| text.starts_with(start)) && word >= PEER_ID_CHARS_MIN {
        return Some((word, shorten::peer_text(&text[..word])));
    }
    if let Some(start) =
        ID_STARTS.iter().find(|start| text.starts_with(**start) && word > start.len())
    {
        return Some((word, format!("{start}…")));
    }
    ipv6(text).or_else(|| ipv4(text, before))
}

fn ipv4(text: &str, before: char) -> Option<(usize, String)> {
    let bytes = while_all(text, |c| c.is_ascii_digit() || c == '.');
    let address = text[..bytes].trim_end_matches('.');
    if before == '.' || !is_end(&text[address.len()..]) {
        return None;
    }
    let ip: Ipv4Addr = address.parse().ok()?;
    Some((address.len(), shorten::ip(IpAddr::V4(ip))))
}

fn ipv6(text: &str) -> Option<(usize, String)> {
    let bytes = while_all(text, |c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'));
    // What follows may be the colon or the full stop of a sentence.
    let longest = bytes.min(IPV6_CHARS_MAX);
    let ends = (longest.saturating_sub(2)..=longest).rev();
    ends.filter(|end| is_end(&text[*end..])).find_map(|end| {
        let ip: Ipv6Addr = text[..end].parse().ok()?;
        let zone = text[end..].strip_prefix('%').map_or(0, |name| {
            1 + while_all(name, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        });
        Some((end + zone, shorten::ip(IpAddr::V6(ip))))
    })
}

/// Whether an address may end before `rest`.
fn is_end(rest: &str) -> bool {
    !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn while_all(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

/// How long the escape sequence is that `text` begins with (ECMA-48, section 5.4: it ends with a letter).
fn escape_bytes(text: &str) -> usize {
    text.find(|c: char| c.is_ascii_alphabetic()).map_or(text.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hosts_and_ids_are_shortened_wherever_they_stand() {
        let peer = "12D3KooWHVXoJVv2ifmr9K6LWwJPXxkfvzZRHzjiTZMvybeTnwPy";
        let cases = [
            ("destination: 203.0.113.7:4177, src", "destination: 203.0.…:4177, src"),
            ("to 203.0.113.7.", "to 203.0.…."),
            ("[2001:db8::7]:4177", "[2001:…]:4177"),
            ("fe80::1%eth0: down", "fe80:…: down"),
            ("[fe80::1%2]:5353", "[fe80:…]:5353"),
            ("peer:2001:db8::7 is", "peer:2001:… is"),
            ("::ffff:203.0.113.7", "203.0.…"),
            ("2001:db8:1:2:3:4:5:6", "2001:…"),
            ("/ip4/203.0.113.7/tcp/1", "/ip4/203.0.…/tcp/1"),
            ("/dns4/node.example.org/tcp/1", "/dns4/…/tcp/1"),
            (
                "\u{1b}[3maddress\u{1b}[0m\u{1b}[2m=\u{1b}[0m203.0.113.7",
                "\u{1b}[3maddress\u{1b}[0m\u{1b}[2m=\u{1b}[0m203.0.…",
            ),
            ("key martletkey1qqqq, id martlet1zzzz", "key martletkey1…, id martlet1…"),
        ];
        for (full, short) in cases {
            assert_eq!(scrubbed(full), short, "{full}");
        }
        assert_eq!(scrubbed(&format!("peer={peer} gone")), "peer=…eTnwPy gone");
    }

    #[test]
    fn what_is_no_address_stays() {
        let lines = [
            "2026-11-29T09:51:48.123456Z  WARN libp2p_swarm::connection: 3.5 s, 12:34:56, std::io::Error",
            "version 1.2.3, 1.2.3.4.5, 300.1.1.1, abad::idea, martlet1",
            "listening on 127.0.0.1:4177, 0.0.0.0 and [::1]:80",
            "größer… \u{1b}[2m",
        ];
        for line in lines {
            assert_eq!(scrubbed(line), line);
        }
    }
}
