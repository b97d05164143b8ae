//! Why a dial or a request failed, as it is told.

use std::io;

use libp2p::multiaddr::Protocol;
use libp2p::request_response::OutboundFailure;
use libp2p::swarm::{DialError, ListenError};
use libp2p::{Multiaddr, noise};

use super::super::sync::RequestError;

/// What a sync is told of a request that failed.
pub(super) fn request_error(error: OutboundFailure) -> RequestError {
    match error {
        OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => {
            RequestError::Disconnected
        }
        OutboundFailure::UnsupportedProtocols => RequestError::Unsupported,
        OutboundFailure::Timeout => RequestError::Timeout,
        OutboundFailure::Io(_) => RequestError::Failed { reason: error.to_string() },
    }
}

/// What Noise says of a prologue that differs: the kind of the error is lost on the way.
const OTHER_PROLOGUE: &str = "decrypt error";

/// Whether a handshake failed since the other side has another network key, or one of the two has none; where it was
/// dialled. Who is dialled sees that the
/// dialling side hangs up ([`is_broken_off`]): that is the first to read what was encrypted.
pub(super) fn other_key(error: &DialError) -> Option<&Multiaddr> {
    let DialError::Transport(attempts) = error else { return None };
    attempts.iter().find(|(_, error)| is_other_prologue(error)).map(|(address, _)| address)
}

fn is_other_prologue(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut source = Some(error);
    while let Some(error) = source {
        if error.to_string() == OTHER_PROLOGUE {
            return true;
        }
        source = error.source();
    }
    false
}

/// Whether the other side hung up in the midst of Noise's handshake, as one does whose network key is another.
pub(super) fn is_broken_off(error: &ListenError) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(noise::Error::Io(error)) = error.downcast_ref::<noise::Error>() {
            return matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
            );
        }
        source = error.source();
    }
    false
}

/// What the system said, of all the errors it is wrapped in.
pub(super) fn innermost(error: &DialError) -> String {
    let mut source: &dyn std::error::Error = match error {
        DialError::Transport(attempts) => match attempts.last() {
            Some((_, attempt)) => attempt,
            None => error,
        },
        _ => error,
    };
    while let Some(inner) = source.source() {
        source = inner;
    }
    let text = source.to_string();
    if text == OTHER_PROLOGUE {
        return "the handshake failed: the other node has another network key, or only one of the two has one".into();
    }
    let text = in_words(text);
    match error {
        DialError::Transport(attempts) => {
            attempts.last().map_or_else(String::new, |(address, _)| without_name(&text, address))
        }
        _ => text,
    }
}

/// What the resolver says of a name without addresses, before its own form of the question (`hickory_net::DnsError`).
const NO_RECORDS: &str = "no records found for ";

/// What it says where it was answered with an error, before the kind.
const ERROR_RESPONSE: &str = "error response: ";

/// What a resolver says, for users.
fn in_words(text: String) -> String {
    if text.starts_with(NO_RECORDS) {
        return "no such host: the name has no addresses".to_owned();
    }
    match text.strip_prefix(ERROR_RESPONSE) {
        Some(kind) => format!("the name can't be looked up: the name server says {kind}"),
        None => match text.as_str() {
            "no connections available" => {
                "the name can't be looked up: no name server can be reached".to_owned()
            }
            "request timed out" => "the name can't be looked up: no name server answers".to_owned(),
            _ => text,
        },
    }
}

/// A reason without the host's name, which a resolver's errors repeat: it is part of the address.
fn without_name(reason: &str, address: &Multiaddr) -> String {
    let name = address.iter().find_map(|part| match part {
        Protocol::Dns(name)
        | Protocol::Dns4(name)
        | Protocol::Dns6(name)
        | Protocol::Dnsaddr(name) => Some(name.into_owned()),
        _ => None,
    });
    name.map_or_else(|| reason.to_owned(), |name| reason.replace(&name, "…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The resolver's own form of the question was shown: `Query { name: Name(…) … }`.
    #[test]
    fn what_a_resolver_says_is_put_into_words() {
        let text = "no records found for Query { name: Name(\"host.example.\"), query_type: A }";
        assert_eq!(in_words(text.to_owned()), "no such host: the name has no addresses");
        let text = in_words("error response: Server Failure".to_owned());
        assert_eq!(text, "the name can't be looked up: the name server says Server Failure");
        assert_eq!(in_words("Connection refused".to_owned()), "Connection refused");
    }

    /// A look-up that failed was logged with the whole name.
    #[test]
    fn the_names_of_hosts_are_not_in_the_log() {
        let address = Multiaddr::empty().with(Protocol::Dnsaddr("host.example".into()));
        let reason = "no records found for Query { name: Name(\"_dnsaddr.host.example.\") }";
        assert!(!without_name(reason, &address).contains("example"));
    }
}
