//! How long messages live.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::limits::TIMER_SECONDS_MAX;

/// A timer, as it is asked for: whole seconds, 1 to 518,400 (six days), or `"off"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TimerSetting {
    /// So many seconds. Whatever stands there; the engine says what is wrong with it.
    Seconds(i64),
    /// None.
    Off(Off),
}

/// The word for no timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Off {
    /// `"off"`.
    Off,
}

impl TimerSetting {
    /// No timer.
    pub const OFF: Self = Self::Off(Off::Off);
}

/// How long a conversation's messages live where nothing else is said. Answer of
/// `GET /v1/conversations/{name}/timers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationTimers {
    /// Seconds from when a message is sent; absent if that timer is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_seconds: Option<u32>,
    /// Seconds from when it is read; absent if that timer is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn_seconds: Option<u32>,
}

/// `PATCH /v1/conversations/{name}/timers`. What is absent stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimersRequest {
    /// From when a message is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_seconds: Option<TimerSetting>,
    /// From when it is read, and never beyond the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn_seconds: Option<TimerSetting>,
}

impl PartialSchema for TimerSetting {
    fn schema() -> RefOr<Schema> {
        let seconds = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(TIMER_SECONDS_MAX));
        let off = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["off"]));
        OneOfBuilder::new()
            .item(seconds)
            .item(off)
            .description(Some("A timer: whole seconds, at most six days, or `off`."))
            .into()
    }
}

impl ToSchema for TimerSetting {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("TimerSetting")
    }
}
