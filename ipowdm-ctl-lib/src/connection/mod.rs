//! The life cycle of a connection as one plain machine: an event and the time in, actions out.
//!
//! ```text
//!              Setup                  both ends read back
//!   PENDING ──────────▶ SETUP_IN_PROGRESS ────────────▶ ACTIVE ◀───────────▶ DEGRADED
//!      │ hold over        │  refused, late, mismatch      │ ▲   trouble, level  │ ▲
//!      │ Teardown         │  module gone: undo            │ │   recovery        │ │
//!      │                  │                     Reconfigure│ │ settled          │ │ settled
//!      │                  │                     Step       ▼ │           Repair ▼ │
//!      │                  │                              RECONFIGURING ◀─────────┘
//!      │                  ▼            Teardown (from every live state and FAILED)
//!      │           TEARDOWN_IN_PROGRESS ◀──────────────────────────────────────
//!      │                  │ both ends dark
//!      ▼                  ├───────────────▶ TERMINATED  (asked for)
//!   FAILED ◀──────────────┘                 FAILED      (undone set-up, or an end that may still shine)
//!      │ Repair
//!      └──────────▶ SETUP_IN_PROGRESS
//! ```
//!
//! Rules the machine keeps:
//!
//! * ACTIVE is entered only when both ends' registers, read back after the work, are what was wanted
//!   ([`Wanted::check`]). Where agents that read nothing back are let in ([`Answer::claimed`]), their word does for their end;
//!   then the connection is ACTIVE without [`Lifecycle::verified_at`], and its cause is [`Cause::Claimed`].
//! * The word of such an agent that it went dark ends a teardown and makes nothing dark ([`Action::LeftUnconfirmed`]).
//! * Every state in which something is awaited has a deadline; PENDING has its hold time, TERMINATED and FAILED the time
//!   after which the record is forgotten.
//! * The grant (spectrum and ports) is given back exactly once ([`Action::Release`]), and once more for each repair that took
//!   one anew. An end that is known to shine and
//!   cannot be reached keeps the grant in FAILED, and is told to go dark again and again, at once when its agent is
//!   heard: a laser without an owner would collide with whoever got its spectrum next.
//! * An end is dark for a connection once it says so, has no module, refused the set-up (and then the teardown too), or
//!   answers that its port serves another connection. An end that has never answered is not known to be.
//! * A repair of what is DEGRADED sets up again the ends that are not as wanted, dark ones above all, and touches no other:
//!   whatever comes of it, the end that shines goes on shining.
//! * An event that does not fit changes nothing: a command is [`Verdict::Refused`], a fact is [`Verdict::Ignored`].

mod end;
mod event;
mod machine;
mod state;
#[cfg(test)]
mod tests;
mod times;

pub use end::{EndState, Ends, Light, Mismatch, Seen, Troubles, Wanted};
pub use event::{
    Action, Answer, Cause, CommandNumber, Effect, Event, Failure, Finished, Order, Timing, Verdict,
};
pub use machine::Lifecycle;
pub use state::State;
pub use times::{Now, OperationKind, Times};
