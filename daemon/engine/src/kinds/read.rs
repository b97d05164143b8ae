//! A read receipt: up to which own message the other side has read. It only ever moves on.

use martlet_protocol::codec;
use martlet_protocol::message::Read;
use martlet_protocol::message::read::KIND;
use martlet_store::records::Body;

/// A receipt as it is kept until it is done.
pub(super) fn body(read: Read) -> Body {
    Body::Raw { kind: KIND, bytes: codec::encode(&read) }
}
