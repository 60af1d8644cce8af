//! The states, with the reference's names (row S0-11).

use serde::{Deserialize, Serialize};

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Spectrum and ports are held, nothing was commanded.
    Pending,
    /// Both ends were commanded, not both have been read back.
    SetupInProgress,
    /// Both ends were read back as wanted.
    Active,
    /// It was set up, and something is wrong with it now.
    Degraded,
    /// A change was commanded and has not been read back.
    Reconfiguring,
    /// The ends were told to go dark.
    TeardownInProgress,
    /// It is over; spectrum and ports are free again.
    Terminated,
    /// It could not be set up, or not be taken down.
    Failed,
}

impl State {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::SetupInProgress,
        Self::Active,
        Self::Degraded,
        Self::Reconfiguring,
        Self::TeardownInProgress,
        Self::Terminated,
        Self::Failed,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::SetupInProgress => "SETUP_IN_PROGRESS",
            Self::Active => "ACTIVE",
            Self::Degraded => "DEGRADED",
            Self::Reconfiguring => "RECONFIGURING",
            Self::TeardownInProgress => "TEARDOWN_IN_PROGRESS",
            Self::Terminated => "TERMINATED",
            Self::Failed => "FAILED",
        }
    }

    /// The states that may follow.
    ///
    /// As in the diagram of the [module](super). DEGRADED goes to ACTIVE on recovery; PENDING to TERMINATED, because nothing
    /// was commanded that would have to be taken down; FAILED to TERMINATED likewise, once nothing is held any more, and to
    /// SETUP_IN_PROGRESS when it is repaired.
    #[must_use]
    pub const fn successors(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::SetupInProgress, Self::Failed, Self::Terminated],
            Self::SetupInProgress => &[Self::Active, Self::Failed, Self::TeardownInProgress],
            Self::Active => &[Self::Degraded, Self::Reconfiguring, Self::TeardownInProgress],
            Self::Degraded => &[Self::Active, Self::Reconfiguring, Self::TeardownInProgress],
            Self::Reconfiguring => &[Self::Active, Self::Degraded, Self::TeardownInProgress],
            Self::TeardownInProgress => &[Self::Terminated, Self::Failed],
            Self::Terminated => &[],
            Self::Failed => &[Self::SetupInProgress, Self::TeardownInProgress, Self::Terminated],
        }
    }

    /// Whether traffic may flow.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Active | Self::Degraded | Self::Reconfiguring)
    }

    /// Whether nothing follows but a clean-up.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Terminated | Self::Failed)
    }
}

impl core::fmt::Display for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}
