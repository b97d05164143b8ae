//! The values of a scenario: `"1h30m"`, `"10Mbit/s"`, `"6/min"`, `"2MB"`, 0.01, names of nodes.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::limits::{
    BANDWIDTH_BYTES_PER_S_MIN, CLOCK_OFFSET_MS_MAX, DURATION_MAX, RATE_PER_S_MAX, RATE_PER_S_MIN,
};

/// A time of the run, or a delay: 0 to [`DURATION_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Time(pub(crate) Duration);

/// How long something lasts: more than nothing, up to [`DURATION_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Period(pub(crate) Duration);

/// How far a clock is ahead, milliseconds; negative: behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Offset(pub(crate) i64);

/// Bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bandwidth(pub(crate) u64);

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub(crate) u64);

/// Occasions in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(pub(crate) f64);

/// A part of all: 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Fraction(pub(crate) f64);

/// A number above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Positive(pub(crate) f64);

/// Nodes: `"user"`, `"user-3"`, `"user-1..user-5"`, `"cluster-2"`, `"all"`; one, or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names(pub(crate) Vec<String>);

/// A size, or the least and the most of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) min: Bytes,
    pub(crate) max: Bytes,
}

/// A list, or a word that stands for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WordOr<T> {
    Word(String),
    List(T),
}

/// What is written as text, or as a number.
trait Value: Sized {
    /// "expected …".
    const WHAT: &'static str;
    fn from_text(_text: &str) -> Option<Result<Self, String>> {
        None
    }
    fn from_number(_number: f64) -> Option<Result<Self, String>> {
        None
    }
}

const DURATION: &str = "a duration such as \"250ms\", \"90s\", \"1h30m\" or \"6d\"";

fn span(text: &str) -> Result<jiff::SignedDuration, String> {
    let wrong = || format!("{text:?} is no duration; write {DURATION}");
    let span: Span = text.parse().map_err(|_| wrong())?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let signed = span(text)?;
    let duration = Duration::try_from(signed)
        .map_err(|_| format!("{text:?} is negative; give a duration from 0 on"))?;
    if duration > DURATION_MAX {
        let days = DURATION_MAX.as_secs() / 86_400;
        return Err(format!("{text:?} is too long; give at most {days}d"));
    }
    Ok(duration)
}

impl Value for Time {
    const WHAT: &'static str = DURATION;
    fn from_text(text: &str) -> Option<Result<Self, String>> {
        Some(duration(text).map(Self))
    }
}

impl Value for Period {
    const WHAT: &'static str = DURATION;
    fn from_text(text: &str) -> Option<Result<Self, String>> {
        Some(duration(text).and_then(|duration| {
            if duration < Duration::from_millis(1) {
                return Err(format!("{text:?} is no time at all; give at least \"1ms\""));
            }
            Ok(Self(duration))
        }))
    }
}

impl Value for Offset {
    const WHAT: &'static str = "how far a clock is ahead, such as \"+1h\", or behind, \"-90s\"";
    fn from_text(text: &str) -> Option<Result<Self, String>> {
        Some(span(text).and_then(|signed| {
            let ms = i64::try_from(signed.as_millis()).unwrap_or(i64::MAX);
            if ms.unsigned_abs() > CLOCK_OFFSET_MS_MAX.unsigned_abs() {
                return Err(format!("{text:?} is too far; give at most 365d"));
            }
            Ok(Self(ms))
        }))
    }
}

impl Value for Bytes {
    const WHAT: &'static str = "a number of bytes, such as 200, \"64kB\", \"2MB\" or \"1MiB\"";
    fn from_text(text: &str) -> Option<Result<Self, String>> {
        let bytes = quantity(
            text,
            &[
                ("B", 1.0),
                ("kB", 1e3),
                ("MB", 1e6),
                ("GB", 1e9),
                ("KiB", 1024.0),
                ("MiB", 1_048_576.0),
                ("GiB", 1_073_741_824.0),
            ],
        );
        Some(
            bytes
                .and_then(whole)
                .map(Self)
                .ok_or_else(|| format!("{text:?} is not {}", Self::WHAT)),
        )
    }
    fn from_number(number: f64) -> Option<Result<Self, String>> {
        Some(whole(number).map(Self).ok_or_else(|| format!("{number} is not {}", Self::WHAT)))
    }
}

impl Value for Bandwidth {
    const WHAT: &'static str = "a bandwidth such as \"64kbit/s\", \"10Mbit/s\" or \"1MB/s\"";
    fn from_text(text: &str) -> Option<Result<Self, String>> {
        let bytes = quantity(
            text,
            &[
                ("bit/s", 0.125),
                ("kbit/s", 125.0),
                ("Mbit/s", 125e3),
                ("Gbit/s", 125e6),
                ("B/s", 1.0),
                ("kB/s", 1e3),
                ("MB/s", 1e6),
                ("GB/s", 1e9),
            ],
        );
        let Some(bytes) = bytes.and_then(whole) else {
            return Some(Err(format!("{text:?} is not {}", Self::WHAT)));
        };
        if bytes < BANDWIDTH_BYTES_PER_S_MIN {
            let least = BANDWIDTH_BYTES_PER_S_MIN;
            return Some(Err(format!("{text:?} is too little; give at least \"{least}B/s\"")));
        }
        Some(Ok(Self(bytes)))
    }
}

impl Value for Rate {
    const WHAT: &'static str = "a rate such as \"10/s\", \"6/min\", \"2/h\" or \"1/d\"";
    fn from_text(text: &str) -> Option<Result<Self, String>> {
        let per_s = quantity(
            text,
            &[("/s", 1.0), ("/min", 1.0 / 60.0), ("/h", 1.0 / 3600.0), ("/d", 1.0 / 86_400.0)],
        );
        let Some(per_s) = per_s else {
            return Some(Err(format!("{text:?} is not {}", Self::WHAT)));
        };
        if !(RATE_PER_S_MIN..=RATE_PER_S_MAX).contains(&per_s) {
            return Some(Err(format!(
                "{text:?} is beyond bounds; give more than nothing and at most \"{RATE_PER_S_MAX}/s\""
            )));
        }
        Some(Ok(Self(per_s)))
    }
}

impl Value for Fraction {
    const WHAT: &'static str = "a number from 0 to 1";
    fn from_number(number: f64) -> Option<Result<Self, String>> {
        let within = (0.0..=1.0).contains(&number);
        Some(
            within.then_some(Self(number)).ok_or_else(|| format!("{number} is not {}", Self::WHAT)),
        )
    }
}

impl Value for Positive {
    const WHAT: &'static str = "a number above 0";
    fn from_number(number: f64) -> Option<Result<Self, String>> {
        let within = number > 0.0 && number.is_finite();
        Some(
            within.then_some(Self(number)).ok_or_else(|| format!("{number} is not {}", Self::WHAT)),
        )
    }
}

/// A number and its unit, as a multiple of the unit of factor 1.
fn quantity(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = units.iter().find(|(known, _)| *known == unit.trim())?.1;
    let number: f64 = number.parse().ok()?;
    Some(number * factor)
}

/// A number that JSON and everyone else holds exactly.
fn whole(number: f64) -> Option<u64> {
    const MAX: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked just before"
    )]
    ((0.0..=MAX).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

struct ValueVisitor<T>(PhantomData<T>);

impl<T: Value> ValueVisitor<T> {
    fn number<E: de::Error>(number: f64, unexpected: de::Unexpected<'_>) -> Result<T, E> {
        match T::from_number(number) {
            Some(value) => value.map_err(E::custom),
            None => Err(E::custom(format!("expected {}, found {unexpected}", T::WHAT))),
        }
    }
}

impl<T: Value> Visitor<'_> for ValueVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        match T::from_text(text.trim()) {
            Some(value) => value.map_err(E::custom),
            None => Err(E::invalid_type(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        #[expect(clippy::cast_precision_loss, reason = "numbers that large are refused anyway")]
        Self::number(number as f64, de::Unexpected::Signed(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        Self::number(number, de::Unexpected::Float(number))
    }
}

macro_rules! deserialize_values {
    ($($value:ty),+) => {$(
        impl<'de> Deserialize<'de> for $value {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(ValueVisitor(PhantomData))
            }
        }
    )+};
}

deserialize_values!(Time, Period, Offset, Bytes, Bandwidth, Rate, Fraction, Positive);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match WordOr::<Vec<String>>::deserialize(deserializer)? {
            WordOr::Word(word) => Self(vec![word]),
            WordOr::List(list) => Self(list),
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for WordOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for WordOrVisitor<T> {
            type Value = WordOr<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a list")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(WordOr::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                T::deserialize(de::value::SeqAccessDeserializer::new(list)).map(WordOr::List)
            }
        }

        deserializer.deserialize_any(WordOrVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Sizes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizesVisitor;

        impl<'de> Visitor<'de> for SizesVisitor {
            type Value = Sizes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}, or a list of the least and the most", Bytes::WHAT)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Sizes, E> {
                ValueVisitor::<Bytes>(PhantomData).visit_str(text).map(Sizes::from)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Sizes, E> {
                ValueVisitor::<Bytes>(PhantomData).visit_i64(number).map(Sizes::from)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Sizes, A::Error> {
                let list = Vec::deserialize(de::value::SeqAccessDeserializer::new(list))?;
                match list[..] {
                    [min, max] if min <= max => Ok(Sizes { min, max }),
                    [_, _] => {
                        Err(de::Error::custom("the least is above the most; change their order"))
                    }
                    _ => Err(de::Error::invalid_length(list.len(), &self)),
                }
            }
        }

        deserializer.deserialize_any(SizesVisitor)
    }
}

impl From<Bytes> for Sizes {
    fn from(bytes: Bytes) -> Self {
        Self { min: bytes, max: bytes }
    }
}

/// A duration as a scenario writes it: `1h30m`.
pub(crate) fn show(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms == 0 {
        return "0s".to_owned();
    }
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let mut rest = ms;
    let mut text = String::new();
    for (unit, size) in units {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read<T: Value>(text: &str) -> Result<T, String> {
        T::from_text(text).unwrap()
    }

    #[test]
    fn durations_have_units() {
        for (text, ms) in
            [("250ms", 250), ("90s", 90_000), ("1h30m", 5_400_000), ("6d", 518_400_000), ("0s", 0)]
        {
            let time: Time = read(text).unwrap();
            assert_eq!(time.0, Duration::from_millis(ms));
            assert_eq!(read::<Time>(&show(time.0)).unwrap(), time);
        }
        for text in ["", "10", "10 parsecs", "-5s", "1mo", "1y", "40d", "s"] {
            assert!(read::<Time>(text).is_err(), "{text}");
        }
        assert!(read::<Period>("0s").is_err());
        assert_eq!(read::<Offset>("+1h").unwrap(), Offset(3_600_000));
        assert_eq!(read::<Offset>("-1h30m").unwrap(), Offset(-5_400_000));
        assert_eq!(read::<Offset>("90s").unwrap(), Offset(90_000));
        assert!(read::<Offset>("400d").is_err());
    }

    #[test]
    fn quantities_have_units() {
        for (text, bytes) in
            [("64kbit/s", 8000), ("10Mbit/s", 1_250_000), ("1MB/s", 1_000_000), ("1 kB/s", 1000)]
        {
            assert_eq!(read::<Bandwidth>(text).unwrap().0, bytes);
        }
        for text in ["", "64", "-1MB/s", "100B/s", "1e3kB/s", "1.3bit/s"] {
            assert!(read::<Bandwidth>(text).is_err(), "{text}");
        }
        for (text, bytes) in
            [("200", None), ("200B", Some(200)), ("1MiB", Some(1 << 20)), ("1.5kB", Some(1500))]
        {
            assert_eq!(read::<Bytes>(text).ok().map(|bytes| bytes.0), bytes, "{text}");
        }
        for (text, per_s) in [("10/s", 10.0), ("6/min", 0.1), ("24/d", 1.0 / 3600.0)] {
            assert!((read::<Rate>(text).unwrap().0 - per_s).abs() < 1e-12);
        }
        for text in ["0/s", "20000/s", "6", "6/week", "-1/s"] {
            assert!(read::<Rate>(text).is_err(), "{text}");
        }
    }
}
