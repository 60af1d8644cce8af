//! What an error of rskafka means for a caller.

use crate::bus::BusError;
use crate::bus::kafka::cluster::unknown;
use ::rskafka::BackoffError;
use ::rskafka::client::error::{Error, ProtocolError, RequestError};
use std::format;
use std::string::{String, ToString};

/// Why rskafka did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The topic or partition is not there, or the broker asked has not heard of it.
    Missing,
    /// Nothing took effect, and a moment's patience will do.
    NotYet(ProtocolError),
    /// The position is not in the log.
    OutOfRange,
    /// The batch exceeds the topic's limit.
    TooLarge,
    /// The request is wrong and stays wrong.
    Invalid(ProtocolError),
    /// Not allowed.
    Forbidden(ProtocolError),
    /// An answer came and rskafka cannot read it.
    Unreadable(String),
    /// Anything else, no answer in time above all: whether it took effect is not known.
    Lost(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::ServerError { protocol_error, .. } => protocol_error.into(),
            Error::InvalidResponse(reason) => Self::Unreadable(reason),
            Error::Request(error @ (RequestError::IO(_) | RequestError::Poisoned(_))) => {
                Self::Lost(error.to_string())
            }
            Error::Request(error) => Self::Unreadable(error.to_string()),
            Error::RetryFailed(BackoffError::DeadlineExceded { source, .. }) => {
                match source.downcast::<Error>() {
                    Ok(error) => Self::from(*error),
                    Err(source) => Self::Lost(source.to_string()),
                }
            }
            other => Self::Lost(other.to_string()),
        }
    }
}

impl From<ProtocolError> for Fault {
    /// The same meanings as those of the codes in `bus::kafka`.
    fn from(error: ProtocolError) -> Self {
        use ProtocolError as E;
        match error {
            E::UnknownTopicOrPartition | E::UnknownTopicId => Self::Missing,
            E::NotLeaderOrFollower
            | E::LeaderNotAvailable
            | E::NotEnoughReplicas
            | E::OffsetNotAvailable
            | E::FencedLeaderEpoch
            | E::UnknownLeaderEpoch
            | E::KafkaStorageError
            | E::ReplicaNotAvailable
            | E::PreferredLeaderNotAvailable
            | E::EligibleLeadersNotAvailable => Self::NotYet(error),
            E::OffsetOutOfRange => Self::OutOfRange,
            E::MessageTooLarge | E::RecordListTooLarge => Self::TooLarge,
            E::InvalidTopicException
            | E::InvalidRequest
            | E::InvalidTimestamp
            | E::InvalidRecord
            | E::PolicyViolation => Self::Invalid(error),
            E::TopicAuthorizationFailed
            | E::ClusterAuthorizationFailed
            | E::SaslAuthenticationFailed
            | E::SecurityDisabled => Self::Forbidden(error),
            other => Self::Lost(other.to_string()),
        }
    }
}

impl Fault {
    /// Whether the connection it came over is still good.
    pub(super) const fn spares_connection(&self) -> bool {
        matches!(self, Self::OutOfRange | Self::TooLarge | Self::Invalid(_) | Self::Forbidden(_))
    }

    /// Whether the client itself is to be given up, with all its connections.
    pub(super) const fn condemns_client(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    /// The error for a caller.
    pub(super) fn into_error(self, doing: &str, topic: &str, partition: u32) -> BusError {
        let unavailable = |reason| BusError::Unavailable { doing: doing.to_string(), reason };
        match self {
            Self::Missing => unknown(topic, partition),
            Self::Invalid(error) => BusError::Invalid { topic: topic.to_string(), reason: error.to_string() },
            Self::Forbidden(error) => BusError::Forbidden(format!("{doing} of {topic}: {error}")),
            Self::NotYet(error) => unavailable(error.to_string()),
            Self::Unreadable(reason) => unavailable(format!("unreadable answer: {reason}")),
            Self::Lost(reason) => unavailable(reason),
            Self::OutOfRange | Self::TooLarge => {
                unavailable(format!("an answer that does not fit the question: {self:?}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn an_error_behind_rskafkas_retries_keeps_its_meaning() {
        let retried = |source| {
            let deadline = Duration::from_secs(5);
            Fault::from(Error::RetryFailed(BackoffError::DeadlineExceded { deadline, source }))
        };
        assert_eq!(retried(Box::new(Error::InvalidResponse("x".into()))), Fault::Unreadable("x".into()));
        assert!(matches!(retried(Box::new(io::Error::other("x"))), Fault::Lost(_)));
    }

    #[test]
    fn a_broken_connection_is_lost_and_an_unreadable_answer_is_not() {
        let io = || RequestError::IO(io::ErrorKind::BrokenPipe.into());
        let broken = Fault::from(Error::Request(io()));
        assert!(broken.condemns_client() && !broken.spares_connection(), "{broken:?}");
        assert!(matches!(
            Fault::from(Error::Request(RequestError::Poisoned(Arc::new(io())))),
            Fault::Lost(_)
        ));
        assert!(matches!(Fault::from(Error::Timeout), Fault::Lost(_)));
        let unreadable = Fault::from(Error::InvalidResponse("x".into()));
        assert!(!unreadable.condemns_client() && !unreadable.spares_connection(), "{unreadable:?}");
    }

    #[test]
    fn the_codes_that_decide_what_a_caller_does_have_their_meaning() {
        for (error, fault) in [
            (ProtocolError::UnknownTopicOrPartition, Fault::Missing),
            (ProtocolError::OffsetOutOfRange, Fault::OutOfRange),
            (ProtocolError::MessageTooLarge, Fault::TooLarge),
            (ProtocolError::NotEnoughReplicas, Fault::NotYet(ProtocolError::NotEnoughReplicas)),
            (ProtocolError::InvalidRecord, Fault::Invalid(ProtocolError::InvalidRecord)),
            (
                ProtocolError::TopicAuthorizationFailed,
                Fault::Forbidden(ProtocolError::TopicAuthorizationFailed),
            ),
            // It may have been appended.
            (
                ProtocolError::NotEnoughReplicasAfterAppend,
                Fault::Lost("NotEnoughReplicasAfterAppend".to_string()),
            ),
        ] {
            assert_eq!(Fault::from(error), fault, "{error:?}");
        }
    }
}
