//! A profile: how a contact wants to be seen. Of several the one with the greatest [`When`](super::When) counts, in whatever
//! order they came. It is shown beside the user's name for them, and never in its place.

use martlet_protocol::message::Profile;
use martlet_protocol::message::profile::KIND;
use martlet_store::records::Body;

/// A profile as it is kept until its turn has come, and sent.
pub(crate) fn body(profile: &Profile) -> Body {
    Body::Raw { kind: KIND, bytes: profile.encode() }
}
