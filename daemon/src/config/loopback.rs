//! Addresses that only this machine reaches.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A loopback address and a TCP port; 0 for any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LoopbackAddress(SocketAddr);

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoopbackError {
    /// Not an IP address and a port.
    #[error("{text:?} is not an IP address and a port; write it like 127.0.0.1:9464")]
    Malformed {
        /// What was given.
        text: String,
    },
    /// Others could reach it.
    #[error(
        "{address} is not a loopback address, and metrics are served to this machine only; write it like 127.0.0.1:9464, and put an authenticating proxy before it to read it from elsewhere"
    )]
    NotLoopback {
        /// What was given.
        address: SocketAddr,
    },
}

impl LoopbackAddress {
    /// The address.
    #[must_use]
    pub fn get(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for LoopbackAddress {
    type Err = LoopbackError;

    fn from_str(text: &str) -> Result<Self, LoopbackError> {
        let address: SocketAddr =
            text.parse().map_err(|_| LoopbackError::Malformed { text: text.into() })?;
        if !address.ip().is_loopback() {
            return Err(LoopbackError::NotLoopback { address });
        }
        Ok(Self(address))
    }
}

impl TryFrom<String> for LoopbackAddress {
    type Error = LoopbackError;

    fn try_from(text: String) -> Result<Self, LoopbackError> {
        text.parse()
    }
}

impl From<LoopbackAddress> for String {
    fn from(address: LoopbackAddress) -> Self {
        address.0.to_string()
    }
}

impl fmt::Display for LoopbackAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_taken() {
        for good in ["127.0.0.1:9464", "127.3.2.1:0", "[::1]:9464"] {
            assert_eq!(good.parse::<LoopbackAddress>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["0.0.0.0:9464", "[::]:9464", "192.168.1.7:9464", "[::ffff:127.0.0.1]:9464"] {
            let error = bad.parse::<LoopbackAddress>().expect_err(bad);
            assert!(matches!(error, LoopbackError::NotLoopback { .. }), "{error}");
        }
        for bad in ["", "9464", ":9464", "127.0.0.1", "localhost:9464", "127.0.0.1:70000"] {
            let error = bad.parse::<LoopbackAddress>().expect_err(bad);
            assert!(matches!(error, LoopbackError::Malformed { .. }), "{error}");
        }
    }
}
