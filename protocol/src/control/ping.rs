//! Whether a contact's device is on.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/contacts/{name}/ping`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PingRequest {
    /// How long to wait for the answer, milliseconds: 1 to 50,000, 10,000 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 50_000)]
    pub timeout_ms: Option<u32>,
}

/// A device of the contact's has answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PingResponse {
    /// From when the ping was made until the answer was here, milliseconds.
    pub round_trip_ms: u64,
}
