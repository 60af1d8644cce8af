//! What a plane refuses.

use super::Handle;

/// Why a plane did not do what was asked. Nothing is changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaneError {
    /// A fibre has no slots, or more than a bitmap holds.
    #[error("fibres of {bits} slots cannot be kept, 1 to {} can", ipowdm_core::slots::MAX_BITS)]
    Width {
        /// Slots asked for.
        bits: u16,
    },
    /// There are more fibres than can be numbered.
    #[error("{fibres} fibres are too many")]
    TooManyFibres {
        /// Fibres asked for.
        fibres: u32,
    },
    /// A path has no fibres.
    #[error("a path without fibres carries nothing")]
    EmptyPath,
    /// A path names a fibre that is not there.
    #[error("there is no fibre {fibre}")]
    UnknownFibre {
        /// The fibre.
        fibre: u32,
    },
    /// A path names a fibre twice.
    #[error("the path uses fibre {fibre} twice")]
    FibreTwice {
        /// The fibre.
        fibre: u32,
    },
    /// There are more paths than can be numbered.
    #[error("there are more paths than can be numbered")]
    TooManyPaths,
    /// The plane has no such path, or no such list of candidates.
    #[error("the plane does not know the path or the candidates")]
    UnknownPath,
    /// The legal starts are of another number of slots.
    #[error("starts over {theirs} slots for fibres of {bits}")]
    StartsOfAnotherWidth {
        /// Slots of a fibre.
        bits: u16,
        /// Bits of the starts.
        theirs: u16,
    },
    /// There are more sets of legal starts than can be numbered.
    #[error("there are more sets of legal starts than can be numbered")]
    TooManyStarts,
    /// The plane has no such set of legal starts.
    #[error("the plane does not know the legal starts")]
    UnknownStarts,
    /// The request is for no slots, or for more than a fibre has.
    #[error("a request for {need} slots of {bits} cannot be granted")]
    Need {
        /// Slots asked for.
        need: u16,
        /// Slots of a fibre.
        bits: u16,
    },
    /// The request has a guard band, the plane keeps none.
    #[error("the plane does not keep guard bands")]
    NoGuards,
    /// Something is allocated.
    #[error("the plane carries allocations")]
    InUse,
    /// No candidate path has room.
    #[error("none of {paths} paths has room")]
    NoSpectrum {
        /// How many were tried.
        paths: u32,
    },
    /// The handle is of an allocation that was released, or not of this plane.
    #[error("handle {}.{} stands for no allocation", handle.index, handle.generation)]
    UnknownHandle {
        /// The handle.
        handle: Handle,
    },
}
