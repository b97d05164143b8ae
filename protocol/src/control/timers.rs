//! How long messages live.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::limits::TIMER_SECONDS_MAX;

/// A timer, as it is asked for: whole seconds, 1 to 518,400 (six days), or `"off"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

/// Hand-written: what is derived says of anything else only that it matches no variant.
impl<'de> Deserialize<'de> for TimerSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Asked)
    }
}

/// What a timer is read from.
struct Asked;

impl Visitor<'_> for Asked {
    type Value = TimerSetting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "whole seconds, 1 to {TIMER_SECONDS_MAX} (six days), or \"off\"")
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<TimerSetting, E> {
        Ok(TimerSetting::Seconds(seconds))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<TimerSetting, E> {
        Ok(TimerSetting::Seconds(i64::try_from(seconds).unwrap_or(i64::MAX)))
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<TimerSetting, E> {
        match word {
            "off" => Ok(TimerSetting::OFF),
            other => Err(E::invalid_value(Unexpected::Str(other), &self)),
        }
    }
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::excerpt;

    /// A word or a fraction was answered with "data did not match any variant of untagged enum TimerSetting".
    #[test]
    fn what_is_no_timer_is_told_what_one_is() {
        for (json, setting) in [
            ("1", TimerSetting::Seconds(1)),
            ("-5", TimerSetting::Seconds(-5)),
            ("18446744073709551615", TimerSetting::Seconds(i64::MAX)),
            ("\"off\"", TimerSetting::OFF),
        ] {
            assert_eq!(serde_json::from_str::<TimerSetting>(json).unwrap(), setting, "{json}");
        }
        for json in ["\"on\"", "\"1h\"", "1.5", "true", "[]", "{}", "null"] {
            let error = serde_json::from_str::<TimerSetting>(json).unwrap_err().to_string();
            let told = excerpt::message(&error);
            let accepted = "expected whole seconds, 1 to 518400 (six days), or \"off\"";
            assert!(told.contains(accepted), "{json}: {told}");
            assert!(!told.contains("1h"), "{told}");
        }
        for setting in [TimerSetting::OFF, TimerSetting::Seconds(60)] {
            let json = serde_json::to_string(&setting).unwrap();
            assert_eq!(serde_json::from_str::<TimerSetting>(&json).unwrap(), setting, "{json}");
        }
    }
}
