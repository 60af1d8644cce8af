//! What a broker's error code means for a caller.

use super::cluster::unknown;
use crate::bus::BusError;
use kafka_protocol::ResponseError;
use std::format;
use std::string::{String, ToString};

/// What a broker's refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nothing took effect, and another broker or a moment's patience will do: ask who leads, and repeat.
    Elsewhere(ResponseError),
    /// The topic or partition is not there, or this broker has not heard of it.
    Missing,
    /// The position is not in the log.
    OutOfRange,
    /// The batch exceeds the topic's limit.
    TooLarge,
    /// The topic is there already.
    Exists,
    /// The request is wrong and stays wrong.
    Invalid(ResponseError),
    /// Not allowed.
    Forbidden(ResponseError),
    /// The broker has no such facility, or has it switched off.
    Unsupported(ResponseError),
    /// Anything else: whether it took effect is not known.
    Unclear(ResponseError),
}

/// What an error code means; `None` for success.
pub(super) fn refusal(code: i16) -> Option<Refusal> {
    use ResponseError as E;
    let error = E::try_from_code(code)?;
    Some(match error {
        E::NotLeaderOrFollower
        | E::LeaderNotAvailable
        | E::NotController
        | E::NotEnoughReplicas
        | E::OffsetNotAvailable
        | E::FencedLeaderEpoch
        | E::UnknownLeaderEpoch
        | E::KafkaStorageError
        | E::ReplicaNotAvailable
        | E::PreferredLeaderNotAvailable
        | E::EligibleLeadersNotAvailable => Refusal::Elsewhere(error),
        E::UnknownTopicOrPartition | E::UnknownTopicId => Refusal::Missing,
        E::OffsetOutOfRange => Refusal::OutOfRange,
        E::MessageTooLarge | E::RecordListTooLarge => Refusal::TooLarge,
        E::TopicAlreadyExists => Refusal::Exists,
        E::InvalidTopicException
        | E::InvalidPartitions
        | E::InvalidReplicationFactor
        | E::InvalidReplicaAssignment
        | E::InvalidConfig
        | E::InvalidRequest
        | E::InvalidTimestamp
        | E::InvalidRecord
        | E::PolicyViolation
        | E::TopicDeletionDisabled => Refusal::Invalid(error),
        E::TopicAuthorizationFailed
        | E::ClusterAuthorizationFailed
        | E::GroupAuthorizationFailed
        | E::SaslAuthenticationFailed => Refusal::Forbidden(error),
        E::SecurityDisabled | E::UnsupportedVersion | E::UnsupportedSaslMechanism => {
            Refusal::Unsupported(error)
        }
        other => Refusal::Unclear(other),
    })
}

impl Refusal {
    /// The error for a caller; `message` is the broker's own text, where it gave one.
    pub(super) fn into_error(
        self,
        doing: &str,
        topic: &str,
        partition: u32,
        message: Option<&str>,
    ) -> BusError {
        match self {
            Self::Missing => unknown(topic, partition),
            Self::Invalid(error) => {
                BusError::Invalid { topic: topic.to_string(), reason: text(error, message) }
            }
            Self::Forbidden(error) => {
                BusError::Forbidden(format!("{doing} of {topic}: {}", text(error, message)))
            }
            Self::Unsupported(error) => {
                BusError::Unsupported { doing: doing.to_string(), reason: text(error, message) }
            }
            Self::Elsewhere(error) | Self::Unclear(error) => {
                BusError::Unavailable { doing: doing.to_string(), reason: text(error, message) }
            }
            Self::OutOfRange | Self::TooLarge | Self::Exists => BusError::Unavailable {
                doing: doing.to_string(),
                reason: format!("an answer that does not fit the question: {self:?}"),
            },
        }
    }
}

fn text(error: ResponseError, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{error:?}: {message}"),
        None => format!("{error:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_meaning_and_only_success_has_none() {
        assert_eq!(refusal(0), None);
        for code in (i16::MIN..=i16::MAX).filter(|code| *code != 0) {
            assert!(refusal(code).is_some(), "{code}");
        }
    }

    #[test]
    fn the_codes_that_decide_what_a_caller_does_are_the_protocols() {
        for (code, meaning) in [
            (1, Refusal::OutOfRange),
            (3, Refusal::Missing),
            (6, Refusal::Elsewhere(ResponseError::NotLeaderOrFollower)),
            (7, Refusal::Unclear(ResponseError::RequestTimedOut)),
            (10, Refusal::TooLarge),
            (17, Refusal::Invalid(ResponseError::InvalidTopicException)),
            (19, Refusal::Elsewhere(ResponseError::NotEnoughReplicas)),
            (20, Refusal::Unclear(ResponseError::NotEnoughReplicasAfterAppend)),
            (29, Refusal::Forbidden(ResponseError::TopicAuthorizationFailed)),
            (35, Refusal::Unsupported(ResponseError::UnsupportedVersion)),
            (36, Refusal::Exists),
            (41, Refusal::Elsewhere(ResponseError::NotController)),
            (54, Refusal::Unsupported(ResponseError::SecurityDisabled)),
        ] {
            assert_eq!(refusal(code), Some(meaning), "{code}");
        }
    }

    #[test]
    fn a_refusal_says_what_the_broker_said() {
        let error = Refusal::Invalid(ResponseError::InvalidConfig);
        let error = error.into_error("creating", "t", 0, Some("Unknown topic config name: x"));
        assert_eq!(error.to_string(), "topic \"t\" is refused: InvalidConfig: Unknown topic config name: x");
        assert!(
            Refusal::Unclear(ResponseError::RequestTimedOut).into_error("x", "t", 0, None).is_transient()
        );
    }
}
