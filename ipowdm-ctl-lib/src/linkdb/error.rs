//! What LinkDB refuses, and why.

use crate::paths::{GraphError, PathError};
use crate::store::StoreError;
use ipowdm_core::error::Code;

/// Why LinkDB did not do what it was asked. Nothing was changed, unless it is [`StoreError::Indeterminate`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkDbError {
    /// A field has an impossible value.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The PoP is not known.
    #[error("PoP {pop} is not known")]
    UnknownPop {
        /// The PoP.
        pop: String,
    },
    /// The router is not known.
    #[error("router {router} is not known")]
    UnknownRouter {
        /// The router, `pop/router`.
        router: String,
    },
    /// The port is not known.
    #[error("port {port} is not known")]
    UnknownPort {
        /// The port, `pop/router/port`.
        port: String,
    },
    /// The link is not known.
    #[error("link {link} is not known")]
    UnknownLink {
        /// The link.
        link: String,
    },
    /// The virtual operator has no grant.
    #[error("virtual operator {vop} has no spectrum grant")]
    UnknownVop {
        /// The virtual operator.
        vop: String,
    },
    /// Both ends are in one PoP.
    #[error("both ends are in PoP {pop}")]
    SamePop {
        /// The PoP.
        pop: String,
    },
    /// A thing of this id exists.
    #[error("{what} exists already")]
    AlreadyExists {
        /// The thing.
        what: String,
    },
    /// Other things depend on it.
    #[error("{what} is in use by {by}")]
    InUse {
        /// The thing.
        what: String,
        /// What depends on it.
        by: String,
    },
    /// A virtual operator has connections that the change would strand.
    #[error("virtual operator {vop} has live connections, {connection} among them")]
    LiveConnections {
        /// The virtual operator.
        vop: String,
        /// One of them.
        connection: String,
    },
    /// A port or router is administratively or operationally down.
    #[error("{what} is out of service")]
    OutOfService {
        /// The thing.
        what: String,
    },
    /// Another connection is on the port.
    #[error("port {port} is occupied by connection {by}")]
    PortOccupied {
        /// The port.
        port: String,
        /// The connection.
        by: String,
    },
    /// The port is not assigned to the virtual operator that asks. Says nothing about whose it is.
    #[error("port {port} is not assigned to virtual operator {vop}")]
    ForeignPort {
        /// The port.
        port: String,
        /// Who asked.
        vop: String,
    },
    /// No port of the virtual operator is free in the PoP.
    #[error("virtual operator {vop} has no free port in PoP {pop}")]
    NoFreePort {
        /// The PoP.
        pop: String,
        /// Who asked.
        vop: String,
    },
    /// It is not known what the module in the port can tune to.
    #[error("what the module in port {port} can tune to is not known")]
    UnknownCapability {
        /// The port.
        port: String,
    },
    /// No usable links join the two PoPs.
    #[error("no path of usable links joins {source_pop} and {destination_pop}")]
    NoPath {
        /// One end.
        source_pop: String,
        /// The other end.
        destination_pop: String,
    },
    /// The virtual operator holds as much as it may.
    #[error("virtual operator {vop} holds {used} {what}; {more} more would exceed its quota of {limit}")]
    QuotaExceeded {
        /// The virtual operator.
        vop: String,
        /// What the quota counts.
        what: &'static str,
        /// What it holds.
        used: u64,
        /// What it asked for.
        more: u64,
        /// What it may hold.
        limit: u64,
    },
    /// The windows overlap those of another virtual operator, and one of the two is a partition.
    #[error("the windows of {vop} overlap another virtual operator's, and one of the two has them alone")]
    WindowsOverlap {
        /// The virtual operator.
        vop: String,
        /// The other one; the message does not name it.
        other: String,
    },
    /// The connection holds nothing, or held it for a time that is over.
    #[error("connection {connection} holds nothing that could be confirmed")]
    NotHeld {
        /// The connection.
        connection: String,
    },
    /// Spectrum of a link that was to be set aside is taken.
    #[error("bit {bit} of link {link} is taken, or too near to something that keeps a guard band")]
    SpectrumTaken {
        /// The link.
        link: String,
        /// The lowest such step of 6.25 GHz.
        bit: u16,
    },
    /// No legal slot is free on any of the candidate paths.
    #[error("no slot of {width_mhz} MHz is free on any of {paths} paths")]
    NoSpectrum {
        /// Paths tried.
        paths: usize,
        /// Width asked for.
        width_mhz: u32,
    },
    /// The two modules have no channel of this width in common in the band.
    #[error("the two modules share no channel of {width_mhz} MHz in the band")]
    NoCommonChannel {
        /// Width asked for.
        width_mhz: u32,
    },
    /// No channel that both modules have lies in a window of the virtual operator on every link of a path.
    #[error(
        "no channel of {width_mhz} MHz that both modules have lies in the windows of {vop} all along a path"
    )]
    NotGranted {
        /// The virtual operator.
        vop: String,
        /// Width asked for.
        width_mhz: u32,
    },
    /// The frequency asked for is outside the band, or outside what one of the modules can tune to.
    #[error(
        "a channel of {width_mhz} MHz at {frequency} is outside the band or what the modules can tune to"
    )]
    OutOfRange {
        /// The frequency.
        frequency: String,
        /// Width of the channel.
        width_mhz: u32,
    },
    /// The frequency asked for is in the range of both modules, but on no grid that both have.
    #[error("{frequency} is on no grid that both modules have")]
    OffGrid {
        /// The frequency.
        frequency: String,
    },
    /// The frequency asked for is not on the 6.25 GHz raster.
    #[error("{frequency} is not 193.1 THz + n × 6.25 GHz")]
    OffRaster {
        /// The frequency.
        frequency: String,
    },
    /// No path of the kind that was asked for.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The topology is not one that paths can be computed in.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Records contradict each other: a defect, or a hand in the store.
    #[error("LinkDB is inconsistent: {what}")]
    Inconsistent {
        /// What contradicts what.
        what: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LinkDbError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } => Code::InvalidField,
            Self::UnknownPop { .. } => Code::UnknownPop,
            Self::UnknownRouter { .. } => Code::UnknownRouter,
            Self::UnknownPort { .. } => Code::UnknownPort,
            Self::UnknownLink { .. } => Code::UnknownLink,
            Self::UnknownVop { .. } => Code::UnknownVop,
            Self::SamePop { .. } => Code::SamePop,
            Self::AlreadyExists { .. } => Code::AlreadyExists,
            Self::InUse { .. } | Self::OutOfService { .. } => Code::IllegalState,
            Self::LiveConnections { .. } => Code::LiveConnections,
            Self::PortOccupied { .. } => Code::PortOccupied,
            Self::ForeignPort { .. } => Code::Forbidden,
            Self::NoFreePort { .. } => Code::NoFreePort,
            Self::UnknownCapability { .. } => Code::ModuleAbsent,
            Self::NoPath { .. } => Code::NoPath,
            Self::NoSpectrum { .. } | Self::SpectrumTaken { .. } | Self::WindowsOverlap { .. } => {
                Code::NoSpectrum
            }
            Self::NotHeld { .. } => Code::UnknownConnection,
            Self::QuotaExceeded { .. } => Code::QuotaExceeded,
            Self::NoCommonChannel { .. } => Code::NoCommonChannel,
            Self::NotGranted { .. } => Code::FrequencyNotGranted,
            Self::OutOfRange { .. } => Code::FrequencyOutOfRange,
            Self::OffGrid { .. } | Self::OffRaster { .. } => Code::FrequencyOffGrid,
            Self::Graph(GraphError::TooLarge { .. }) => Code::LimitReached,
            Self::Graph(_) | Self::Inconsistent { .. } => Code::Internal,
            Self::Path(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}
