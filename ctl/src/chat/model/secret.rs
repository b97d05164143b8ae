//! A passphrase while it is typed.

use std::fmt;

use martlet_protocol::limits::PASSPHRASE_BYTES_MAX;
use zeroize::Zeroizing;

/// A passphrase.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) Zeroizing<String>);

impl Secret {
    /// Nothing; what is typed is never moved to another place, which would leave copies.
    pub(crate) fn new() -> Self {
        Self(Zeroizing::new(String::with_capacity(PASSPHRASE_BYTES_MAX)))
    }

    /// Adds to it, if it has room.
    pub(crate) fn push(&mut self, text: &str) {
        if self.0.len() + text.len() <= PASSPHRASE_BYTES_MAX {
            self.0.push_str(text);
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
