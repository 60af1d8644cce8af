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
    fn texts_are_bounded_and_have_no_control_characters() {
        assert_eq!(serde_json::from_str::<Text<4>>("\"Köl\"").unwrap().0, "Köl");
        assert!(serde_json::from_str::<Text<4>>("\"Köln\"").is_err());
        assert!(serde_json::from_str::<Text<4>>("\"a\\nb\"").is_err());
    }
}
