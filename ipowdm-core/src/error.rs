//! Stable string codes for everything that can be refused or fail.
//!
//! Every typed error of the crates maps to one of these; the text of a code never changes once released. Acks, REST
//! answers and metrics carry the same code for the same cause.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($(#[doc = $doc:literal] $name:ident = $text:literal,)*) => {
        /// A stable error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $doc] #[serde(rename = $text)] $name,)*
        }

        impl Code {
            /// Every code, for documentation and metrics.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What the code means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $doc.trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// The input is not well-formed (JSON, UTF-8, framing).
    Malformed = "malformed",
    /// A field is missing or has the wrong type or an impossible value.
    InvalidField = "invalid_field",
    /// The body or record is larger than allowed.
    TooLarge = "too_large",
    /// The action or message type is not known.
    UnknownAction = "unknown_action",
    /// The message is of a version that this build does not know.
    UnknownVersion = "unknown_version",
    /// The PoP is not known.
    UnknownPop = "unknown_pop",
    /// The router is not known.
    UnknownRouter = "unknown_router",
    /// The port is not known.
    UnknownPort = "unknown_port",
    /// The link is not known.
    UnknownLink = "unknown_link",
    /// The connection is not known.
    UnknownConnection = "unknown_connection",
    /// The virtual operator is not known.
    UnknownVop = "unknown_vop",
    /// The agent is not known.
    UnknownAgent = "unknown_agent",
    /// The operation is not known, or was forgotten some time after it ended.
    UnknownOperation = "unknown_operation",
    /// The service has no such path.
    UnknownPath = "unknown_path",
    /// The path does not take this method.
    MethodNotAllowed = "method_not_allowed",
    /// The content type or encoding of the body is not one that is read here.
    UnsupportedMediaType = "unsupported_media_type",
    /// The region is not known or not online.
    NoRegion = "no_region",
    /// Source and destination are the same PoP.
    SamePop = "same_pop",
    /// A thing of this id exists and differs.
    AlreadyExists = "already_exists",
    /// No path joins the two ends.
    NoPath = "no_path",
    /// No spectrum is free on any path.
    NoSpectrum = "no_spectrum",
    /// The two modules and the grant share no legal centre frequency.
    NoCommonChannel = "no_common_channel",
    /// The port is in use.
    PortOccupied = "port_occupied",
    /// No port is free at that place.
    NoFreePort = "no_free_port",
    /// The thing belongs to somebody else.
    Forbidden = "forbidden",
    /// The caller did not say who it is.
    Unauthenticated = "unauthenticated",
    /// The virtual operator holds as much as it may.
    QuotaExceeded = "quota_exceeded",
    /// The idempotency key was used with another request before.
    IdempotencyKeyReused = "idempotency_key_reused",
    /// The state does not allow this operation.
    IllegalState = "illegal_state",
    /// The virtual operator still has live connections.
    LiveConnections = "live_connections",
    /// The frequency is outside what the module can tune to.
    FrequencyOutOfRange = "frequency_out_of_range",
    /// The frequency is outside the virtual operator's grant.
    FrequencyNotGranted = "frequency_not_granted",
    /// The frequency is on none of the module's grids.
    FrequencyOffGrid = "frequency_off_grid",
    /// The power is outside the module's, the operator's or the grant's range.
    PowerOutOfRange = "power_out_of_range",
    /// The module, or the broker, does not support what was asked.
    Unsupported = "unsupported",
    /// No module is in the port.
    ModuleAbsent = "module_absent",
    /// The module does not answer.
    ModuleUnreachable = "module_unreachable",
    /// The module refused the configuration.
    ModuleRejected = "module_rejected",
    /// The module is in its fault state.
    ModuleFault = "module_fault",
    /// What was read back is not what was written.
    ReadBackMismatch = "read_back_mismatch",
    /// The command's epoch is older than one already seen.
    StaleEpoch = "stale_epoch",
    /// The command has no epoch and unfenced commands are not accepted.
    Unfenced = "unfenced",
    /// The command's lifetime was over before it was carried out.
    Expired = "expired",
    /// The work did not finish in time.
    TimedOut = "timed_out",
    /// The message bus cannot be reached.
    BusUnavailable = "bus_unavailable",
    /// The topic is not there.
    UnknownTopic = "unknown_topic",
    /// The position is no longer, or not yet, in the log.
    OffsetOutOfRange = "offset_out_of_range",
    /// The store cannot be reached or failed.
    StoreUnavailable = "store_unavailable",
    /// Too many conflicting transactions.
    Conflict = "conflict",
    /// A limit on sessions, sizes or rates was reached.
    LimitReached = "limit_reached",
    /// The host cannot persist anything (disk full, read-only).
    StorageFull = "storage_full",
    /// The service has been stopped, and another may have taken its place.
    Stopped = "stopped",
    /// This instance does not command now: it stands by, or could not renew its lease.
    NotCommanding = "not_commanding",
    /// Not available in this build yet.
    NotImplemented = "not_implemented",
    /// A defect of ours.
    Internal = "internal",
}

impl core::fmt::Display for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_snake_case_and_survive_json() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} appears twice");
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{code}");
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, std::format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<Code>(&json).unwrap(), *code);
        }
    }
}
