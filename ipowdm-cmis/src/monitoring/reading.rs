//! One observed value, or why there is none.

use crate::access::TransportError;

/// One observed value, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading<T> {
    /// The module said this.
    Value(T),
    /// The module has the monitor and nothing to report: laser off, no light, below range, nothing counted yet.
    Absent,
    /// The module does not have the monitor.
    #[default]
    Unsupported,
    /// The module has the monitor and reading it failed.
    Unreadable(TransportError),
    /// The module's numbers contradict each other, so that none of them can be believed.
    Implausible,
    /// What is known of the module's monitors is older than its commissioning: their meaning may have changed.
    Stale,
}

impl<T> Reading<T> {
    /// The value, if there is one.
    #[must_use]
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// A value, or [`Reading::Absent`].
    #[must_use]
    pub fn of(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Value)
    }

    /// Turns a value into a reading of another type; the cause of no value stays.
    #[must_use]
    pub fn and_then<U>(self, f: impl FnOnce(T) -> Reading<U>) -> Reading<U> {
        match self {
            Self::Value(value) => f(value),
            Self::Absent => Reading::Absent,
            Self::Unsupported => Reading::Unsupported,
            Self::Unreadable(error) => Reading::Unreadable(error),
            Self::Implausible => Reading::Implausible,
            Self::Stale => Reading::Stale,
        }
    }
}
