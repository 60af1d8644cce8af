//! How much users may ask of the brokers.
//!
//! A quota holds on each broker by itself: on three, a user may do three times as much. It binds only users whom a broker knows by
//! a password (see [`super::access`]). A broker confirms first what is over a quota, and then asks for a pause.

use super::BusFuture;
use core::num::NonZeroU32;
use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

/// How much a user may ask of each broker; what is absent has no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quota {
    /// Bytes per second that it may publish.
    pub publish_bytes: Option<NonZeroU32>,
    /// Bytes per second that it may fetch.
    pub fetch_bytes: Option<NonZeroU32>,
    /// Time of the broker's threads that it may take, in percent of one thread.
    pub request_percent: Option<NonZeroU32>,
}

impl Quota {
    /// Whether it limits nothing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The part of a broker that limits users.
///
/// All calls may be repeated. A broker that speaks none of them answers [`super::BusError::Unsupported`]: then nothing is limited.
pub trait Quotas: Send + Sync {
    /// Gives users quotas in place of those they had; one that limits nothing takes them away. When this returns, the brokers know
    /// them.
    fn set_quotas(&self, quotas: BTreeMap<String, Quota>) -> BusFuture<'_, ()>;

    /// The quotas of those of these users that have any.
    fn quotas_of(&self, users: Vec<String>) -> BusFuture<'_, BTreeMap<String, Quota>>;
}
