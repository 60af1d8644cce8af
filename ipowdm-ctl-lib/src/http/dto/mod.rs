//! The JSON of requests and answers. Quantities are integers inside; here they become the reference's floats and names.

pub(super) mod controller;
pub(super) mod linkdb;
pub(super) mod slice;
pub(super) mod spectrum;
pub(super) mod window;

use core::fmt;
use core::marker::PhantomData;
use ipowdm_core::time::Timestamp;
use ipowdm_core::units::{Frequency, Length};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

/// A text for people, bounded: at most `MAX` bytes and no control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<const MAX: usize>(pub(super) String);

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > MAX {
            let length = text.len();
            return Err(de::Error::custom(format_args!("{length} bytes, at most {MAX} are allowed")));
        }
        if text.chars().any(char::is_control) {
            return Err(de::Error::custom("control characters are not allowed"));
        }
        Ok(Self(text))
    }
}

impl<const MAX: usize> JsonSchema for Text<MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Text{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": MAX,
            "pattern": "^[^\\u0000-\\u001F\\u007F-\\u009F]*$",
        })
    }
}

/// A JSON object and nothing else: a derived reader would take the members of an array one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }
        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for Object<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// A whole number: JSON makes no difference between `40` and `40.0`, and some programs write the latter.
struct Whole<T>(T);

impl<'de, T: TryFrom<u64>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<T>(PhantomData<T>);
        impl<T: TryFrom<u64>> Number<T> {
            fn fitting<E: de::Error>(number: u64) -> Result<Whole<T>, E> {
                let fitting = T::try_from(number).ok().filter(|_| number <= EXACT);
                fitting.map(Whole).ok_or_else(|| E::custom(format_args!("{number} is too large")))
            }
        }
        impl<T: TryFrom<u64>> Visitor<'_> for Number<T> {
            type Value = Whole<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number that is not negative")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole<T>, E> {
                Self::fitting(number)
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Whole<T>, E> {
                if !(0.0..=EXACT_FLOATS).contains(&number) || number.fract() != 0.0 {
                    return Err(E::invalid_value(de::Unexpected::Float(number), &self));
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "whole and in range, as checked above"
                )]
                Self::fitting(number as u64)
            }
        }
        deserializer.deserialize_any(Number(PhantomData))
    }
}

/// 2⁵³: up to here every whole number has a float of its own, and programs that know no other numbers read it as it is.
const EXACT: u64 = 1 << 53;
const EXACT_FLOATS: f64 = 9_007_199_254_740_992.0;

/// Reads a whole number.
pub(super) fn whole<'de, T: TryFrom<u64>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Whole::deserialize(deserializer).map(|Whole(number)| number)
}

/// Reads a whole number or null.
pub(super) fn any_whole<'de, T: TryFrom<u64>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<Whole<T>>::deserialize(deserializer).map(|number| number.map(|Whole(number)| number))
}

/// Reads a number of kilometres.
pub(super) fn km<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Length, D::Error> {
    Length::from_km(f64::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// Reads a frequency in THz, GHz or MHz, told apart by magnitude.
pub(super) fn frequency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Frequency>, D::Error> {
    Option::<f64>::deserialize(deserializer)?
        .map(|number| Frequency::from_number(number).map_err(de::Error::custom))
        .transpose()
}

/// A frequency in GHz, the reference LinkDB's unit.
pub(super) fn ghz(frequency: Frequency) -> f64 {
    f64::from(frequency.mhz()) / 1e3
}

/// Wall time, for display.
pub(super) fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A point in wall time as ISO 8601 text in UTC; empty where it lies outside the calendar.
pub(super) fn iso(at: Timestamp) -> String {
    chrono::DateTime::from_timestamp_millis(at.0)
        .map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
        .unwrap_or_default()
}

/// The time of an answer.
pub(super) fn now() -> String {
    iso(wall_clock())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_iso_8601_in_utc() {
        assert_eq!(iso(Timestamp(1_730_000_000_123)), "2024-10-27T03:33:20.123Z");
        assert_eq!(iso(Timestamp(i64::MAX)), "");
        assert!(now().starts_with("20") && now().ends_with('Z'));
    }

    #[test]
    fn an_object_is_not_an_array_of_its_members() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Pair {
            a: u8,
            b: Option<u8>,
        }
        let read = serde_json::from_str::<Object<Pair>>;
        assert_eq!(read(r#"{"a": 1}"#).unwrap().0, Pair { a: 1, b: None });
        for text in ["[1, 2]", "[]", "1", "null"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_point() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Numbers {
            #[serde(deserialize_with = "whole")]
            a: u16,
            #[serde(default, deserialize_with = "any_whole")]
            b: Option<u64>,
        }
        let read = serde_json::from_str::<Numbers>;
        assert_eq!(read(r#"{"a": 400.0, "b": 7}"#).unwrap(), Numbers { a: 400, b: Some(7) });
        assert_eq!(read(r#"{"a": 65535, "b": null}"#).unwrap(), Numbers { a: u16::MAX, b: None });
        assert_eq!(read(r#"{"a": 0}"#).unwrap(), Numbers { a: 0, b: None });
        assert!(read(r#"{"a": 0, "b": 9007199254740993}"#).is_err());
        for text in ["65536", "-1", "-1.0", "0.5", "1e300", "\"1\"", "null", "true"] {
            let json = format!(r#"{{"a": {text}}}"#);
            assert!(serde_json::from_str::<Numbers>(&json).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_are_bounded_and_have_no_control_characters() {
        assert_eq!(serde_json::from_str::<Text<4>>("\"Köl\"").unwrap().0, "Köl");
        assert!(serde_json::from_str::<Text<4>>("\"Köln\"").is_err());
        assert!(serde_json::from_str::<Text<4>>("\"a\\nb\"").is_err());
    }
}
