//! Topic configurations: Kafka's names, checked values, and which of them this broker acts on.

use std::collections::BTreeMap;

/// How the timestamps of a topic come about (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimestampType {
    /// As the producer gave them.
    CreateTime,
    /// The broker's wall clock when the batch was appended.
    LogAppendTime,
}

/// Why a configuration was refused; nothing was created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("unknown topic configuration {0}")]
    UnknownName(String),
    #[error("{name}: a value is needed")]
    NoValue { name: &'static str },
    #[error("{name} = {value}: {expected}")]
    Invalid { name: &'static str, value: String, expected: &'static str },
    #[error("{0} is given twice")]
    Twice(&'static str),
    #[error("{0} is no list: it can be set, not added to")]
    NoList(&'static str),
    #[error("unknown operation {0} on a configuration")]
    Operation(i8),
}

/// What is to become of one configuration (KIP-339).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// This value.
    Set(Option<&'a str>),
    /// The default.
    Delete,
    /// These, too.
    Append(Option<&'a str>),
    /// Not these.
    Subtract(Option<&'a str>),
    /// The protocol has no such operation.
    Unknown(i8),
}

impl<'a> Change<'a> {
    /// By the protocol's number of the operation.
    pub(crate) const fn of(operation: i8, value: Option<&'a str>) -> Self {
        match operation {
            0 => Change::Set(value),
            1 => Change::Delete,
            2 => Change::Append(value),
            3 => Change::Subtract(value),
            other => Change::Unknown(other),
        }
    }
}

/// The type of a configuration, as `DescribeConfigs` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueType {
    Boolean,
    String,
    Int,
    Long,
    Double,
    List,
}

impl ValueType {
    /// The protocol's number.
    pub(crate) const fn number(self) -> i8 {
        match self {
            ValueType::Boolean => 1,
            ValueType::String => 2,
            ValueType::Int => 3,
            ValueType::Long => 5,
            ValueType::Double => 6,
            ValueType::List => 7,
        }
    }
}

/// A topic configuration that clients may set.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) value_type: ValueType,
    pub(crate) default: &'static str,
    accepts: Accepts,
}

enum Accepts {
    Boolean,
    Number {
        least: i64,
    },
    Ratio,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A comma-separated list of these.
    ListOf(&'static [&'static str]),
}

const fn number(name: &'static str, value_type: ValueType, default: &'static str, least: i64) -> Known {
    Known { name, value_type, default, accepts: Accepts::Number { least } }
}

const fn boolean(name: &'static str, default: &'static str) -> Known {
    Known { name, value_type: ValueType::Boolean, default, accepts: Accepts::Boolean }
}

const RETENTION_BYTES: &str = "retention.bytes";
const RETENTION_MS: &str = "retention.ms";
const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
const TIMESTAMP_TYPE: &str = "message.timestamp.type";
const CLEANUP_POLICY: &str = "cleanup.policy";
const LOG_APPEND_TIME: &str = "LogAppendTime";

/// Kafka's topic configurations (documentation, "Topic Configs"), by name.
///
/// Acted on: `cleanup.policy`, `max.message.bytes`, `message.timestamp.type`, `retention.bytes`, `retention.ms`.
/// `compression.type` takes `producer` only: this broker never recompresses. The others describe files, replicas or
/// the log cleaner; they are checked, kept and reported, and have nothing to act on here.
pub(crate) const KNOWN: &[Known] = &[
    Known {
        name: CLEANUP_POLICY,
        value_type: ValueType::List,
        default: "delete",
        accepts: Accepts::ListOf(&["compact", "delete"]),
    },
    Known {
        name: "compression.type",
        value_type: ValueType::String,
        default: "producer",
        accepts: Accepts::OneOf(&["producer"]),
    },
    number("delete.retention.ms", ValueType::Long, "86400000", 0),
    number("file.delete.delay.ms", ValueType::Long, "60000", 0),
    number("flush.messages", ValueType::Long, "9223372036854775807", 1),
    number("flush.ms", ValueType::Long, "9223372036854775807", 0),
    number("index.interval.bytes", ValueType::Int, "4096", 0),
    number("max.compaction.lag.ms", ValueType::Long, "9223372036854775807", 1),
    number(MAX_MESSAGE_BYTES, ValueType::Int, "1048588", 0),
    Known {
        name: TIMESTAMP_TYPE,
        value_type: ValueType::String,
        default: "CreateTime",
        accepts: Accepts::OneOf(&["CreateTime", LOG_APPEND_TIME]),
    },
    Known {
        name: "min.cleanable.dirty.ratio",
        value_type: ValueType::Double,
        default: "0.5",
        accepts: Accepts::Ratio,
    },
    number("min.compaction.lag.ms", ValueType::Long, "0", 0),
    number("min.insync.replicas", ValueType::Int, "1", 1),
    boolean("preallocate", "false"),
    number(RETENTION_BYTES, ValueType::Long, "-1", -1),
    number(RETENTION_MS, ValueType::Long, "604800000", -1),
    number("segment.bytes", ValueType::Int, "1073741824", 14),
    number("segment.index.bytes", ValueType::Int, "10485760", 4),
    number("segment.jitter.ms", ValueType::Long, "0", 0),
    number("segment.ms", ValueType::Long, "604800000", 1),
    boolean("unclean.leader.election.enable", "false"),
];

impl Known {
    fn check(&self, value: &str) -> Result<(), ConfigError> {
        let among = |allowed: &[&str], one: &str| allowed.contains(&one);
        let (ok, expected) = match &self.accepts {
            Accepts::Boolean => (among(&["true", "false"], value), "true or false"),
            Accepts::Number { least } if self.value_type == ValueType::Int => {
                (value.parse::<i32>().is_ok_and(|v| i64::from(v) >= *least), "a 32-bit number in range")
            }
            Accepts::Number { least } => {
                (value.parse::<i64>().is_ok_and(|v| v >= *least), "a 64-bit number in range")
            }
            Accepts::Ratio => {
                (value.parse::<f64>().is_ok_and(|v| (0.0..=1.0).contains(&v)), "a ratio from 0 to 1")
            }
            Accepts::OneOf(allowed) => (among(allowed, value), "not among the values this broker can honour"),
            Accepts::ListOf(allowed) => {
                (value.split(',').all(|one| among(allowed, one.trim())), "not a list of known policies")
            }
        };
        if ok {
            Ok(())
        } else {
            Err(ConfigError::Invalid { name: self.name, value: value.to_owned(), expected })
        }
    }
}

/// The configuration of one topic: what was set, and the values acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicConfig {
    set: BTreeMap<&'static str, String>,
    /// Bytes per partition; `None` for "as the broker's own limit has it".
    pub(crate) retention_bytes: Option<u64>,
    /// Age in milliseconds; `None` for no limit.
    pub(crate) retention_ms: Option<i64>,
    /// Largest batch accepted, in bytes.
    pub(crate) max_message_bytes: usize,
    pub(crate) timestamp_type: TimestampType,
    /// `compact` without `delete`: never trimmed by size or age.
    pub(crate) keeps_all: bool,
    /// `compact`, alone or with `delete`: records need keys.
    pub(crate) compacted: bool,
}

impl TopicConfig {
    /// Checks `entries` (name, value); unset names keep their defaults.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a name Kafka does not have, a name given twice, or a value that is malformed or that this
    /// broker cannot honour.
    pub(crate) fn parse<'a>(
        entries: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, ConfigError> {
        let mut set = BTreeMap::new();
        for (name, value) in entries {
            let known = KNOWN
                .iter()
                .find(|known| known.name == name)
                .ok_or_else(|| ConfigError::UnknownName(name.to_owned()))?;
            let value = value.ok_or(ConfigError::NoValue { name: known.name })?;
            known.check(value)?;
            if set.insert(known.name, value.to_owned()).is_some() {
                return Err(ConfigError::Twice(known.name));
            }
        }
        Ok(Self::from_checked(set))
    }

    /// The configuration after single changes of this one.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]; also for an operation that the configuration does not have.
    pub(crate) fn changed<'a>(
        &self,
        changes: impl IntoIterator<Item = (&'a str, Change<'a>)>,
    ) -> Result<Self, ConfigError> {
        let mut entries: BTreeMap<&'static str, String> = self.set.clone();
        let mut touched = std::collections::BTreeSet::new();
        for (name, change) in changes {
            let known = KNOWN.iter().find(|known| known.name == name);
            let known = known.ok_or_else(|| ConfigError::UnknownName(name.to_owned()))?;
            if !touched.insert(known.name) {
                return Err(ConfigError::Twice(known.name));
            }
            let given = |value: Option<&'a str>| value.ok_or(ConfigError::NoValue { name: known.name });
            let list = || match known.value_type {
                ValueType::List => Ok(self.value(known).0.split(',').map(str::trim).collect::<Vec<_>>()),
                _ => Err(ConfigError::NoList(known.name)),
            };
            let value = match change {
                Change::Set(value) => given(value)?.to_owned(),
                Change::Delete => {
                    entries.remove(known.name);
                    continue;
                }
                Change::Append(value) => {
                    let mut all = list()?;
                    all.extend(given(value)?.split(',').map(str::trim));
                    let mut once = std::collections::BTreeSet::new();
                    all.retain(|one| once.insert(*one));
                    all.join(",")
                }
                Change::Subtract(value) => {
                    let without: Vec<&str> = given(value)?.split(',').map(str::trim).collect();
                    let mut all = list()?;
                    all.retain(|one| !without.contains(one));
                    all.join(",")
                }
                Change::Unknown(operation) => return Err(ConfigError::Operation(operation)),
            };
            known.check(&value)?;
            entries.insert(known.name, value);
        }
        Ok(Self::from_checked(entries))
    }

    /// What was set, by name.
    pub(crate) fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().map(|(name, value)| (*name, value.as_str()))
    }

    fn from_checked(set: BTreeMap<&'static str, String>) -> Self {
        let text = |name: &str| {
            let default = KNOWN.iter().find(|known| known.name == name).map_or("", |known| known.default);
            set.get(name).map_or(default, String::as_str)
        };
        let number = |name| text(name).parse::<i64>().unwrap_or(-1);
        let policy = |wanted| text(CLEANUP_POLICY).split(',').any(|one| one.trim() == wanted);
        let compacted = policy("compact");
        TopicConfig {
            retention_bytes: u64::try_from(number(RETENTION_BYTES)).ok(),
            retention_ms: Some(number(RETENTION_MS)).filter(|&ms| ms >= 0),
            max_message_bytes: usize::try_from(number(MAX_MESSAGE_BYTES)).unwrap_or(0),
            timestamp_type: if text(TIMESTAMP_TYPE) == LOG_APPEND_TIME {
                TimestampType::LogAppendTime
            } else {
                TimestampType::CreateTime
            },
            keeps_all: compacted && !policy("delete"),
            compacted,
            set,
        }
    }

    /// The value of a known configuration and whether it was set for this topic.
    pub(crate) fn value<'a>(&'a self, known: &'a Known) -> (&'a str, bool) {
        match self.set.get(known.name) {
            Some(value) => (value, true),
            None => (known.default, false),
        }
    }
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self::from_checked(BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(entries: &[(&str, &str)]) -> Result<TopicConfig, ConfigError> {
        TopicConfig::parse(entries.iter().map(|&(name, value)| (name, Some(value))))
    }

    #[test]
    fn every_default_is_a_value_that_would_be_accepted() {
        for known in KNOWN {
            assert_eq!(known.check(known.default), Ok(()), "{}", known.name);
        }
        assert!(KNOWN.is_sorted_by_key(|known| known.name));
    }

    #[test]
    fn set_values_are_acted_on() {
        let config = parse(&[
            ("retention.bytes", "4096"),
            ("retention.ms", "-1"),
            ("max.message.bytes", "100"),
            ("message.timestamp.type", "LogAppendTime"),
            ("cleanup.policy", "compact,delete"),
        ])
        .unwrap();
        assert_eq!(config.retention_bytes, Some(4096));
        assert_eq!(config.retention_ms, None);
        assert_eq!(config.max_message_bytes, 100);
        assert_eq!(config.timestamp_type, TimestampType::LogAppendTime);
        assert!(config.compacted && !config.keeps_all);
        assert!(parse(&[("cleanup.policy", "compact")]).unwrap().keeps_all);
    }

    #[test]
    fn single_changes_set_take_back_add_to_and_take_from() {
        let config = parse(&[("retention.ms", "5"), ("flush.ms", "7")]).unwrap();
        let changed = config
            .changed([
                ("retention.ms", Change::Delete),
                ("max.message.bytes", Change::Set(Some("9"))),
                ("cleanup.policy", Change::Append(Some("compact, delete"))),
            ])
            .unwrap();
        let set: Vec<_> = changed.set().collect();
        assert_eq!(
            set,
            [("cleanup.policy", "delete,compact"), ("flush.ms", "7"), ("max.message.bytes", "9")]
        );
        let compacted = changed.changed([("cleanup.policy", Change::Subtract(Some("delete")))]).unwrap();
        assert!(compacted.keeps_all);
        for (name, change) in [
            ("retention.byte", Change::Delete),
            ("flush.ms", Change::Set(None)),
            ("flush.ms", Change::Set(Some("x"))),
            ("flush.ms", Change::Append(Some("1"))),
            ("cleanup.policy", Change::Subtract(Some("delete,compact"))),
            ("flush.ms", Change::of(4, None)),
        ] {
            assert!(changed.changed([(name, change)]).is_err(), "{name} {change:?}");
        }
        assert_eq!(
            changed.changed([("flush.ms", Change::Delete), ("flush.ms", Change::Delete)]),
            Err(ConfigError::Twice("flush.ms"))
        );
    }

    #[test]
    fn unset_values_are_kafkas_defaults() {
        let config = parse(&[]).unwrap();
        assert_eq!(config, TopicConfig::default());
        assert_eq!(config.retention_bytes, None);
        assert_eq!(config.retention_ms, Some(604_800_000));
        assert_eq!(config.max_message_bytes, 1_048_588);
        assert_eq!(config.timestamp_type, TimestampType::CreateTime);
        assert!(!config.compacted);
    }

    #[test]
    fn bad_names_and_values_are_refused() {
        assert!(matches!(parse(&[("retention.byte", "1")]), Err(ConfigError::UnknownName(_))));
        for (name, value) in [
            ("retention.bytes", "-2"),
            ("retention.bytes", "many"),
            ("max.message.bytes", "4294967296"),
            ("message.timestamp.type", "logappendtime"),
            ("cleanup.policy", "compact,shred"),
            ("cleanup.policy", ""),
            ("compression.type", "zstd"),
            ("preallocate", "yes"),
            ("min.cleanable.dirty.ratio", "NaN"),
        ] {
            assert!(matches!(parse(&[(name, value)]), Err(ConfigError::Invalid { .. })), "{name}={value}");
        }
        assert!(matches!(parse(&[("flush.ms", "1"), ("flush.ms", "2")]), Err(ConfigError::Twice(_))));
        assert!(matches!(
            TopicConfig::parse([("flush.ms", None)]),
            Err(ConfigError::NoValue { name: "flush.ms" })
        ));
    }
}
