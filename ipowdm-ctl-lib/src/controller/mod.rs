//! The controller of one virtual operator: connections from request to light and back, and the quality loop.
//!
//! ```
//! use ipowdm_core::bus::{Bus, memory::MemoryBus};
//! use ipowdm_ctl_lib::controller::{Controller, ConnectionRequest, ControllerError};
//! use ipowdm_ctl_lib::linkdb::LinkDb;
//! use ipowdm_ctl_lib::slice::{ActivationRequest, InProcess, SliceManager};
//! use ipowdm_ctl_lib::store::Store;
//! use ipowdm_ctl_lib::topology::Pop;
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let linkdb = LinkDb::new(Store::memory());
//! linkdb.add_pop(Pop::new("pop1".parse()?)).await?;
//! linkdb.add_pop(Pop::new("pop2".parse()?)).await?;
//! let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new());
//!
//! // The operator activates a virtual operator; its controller starts as tasks of this process.
//! let launcher = InProcess::new(linkdb.clone(), bus.clone(), Default::default());
//! let slices = SliceManager::builder(linkdb, bus).launcher(Arc::new(launcher.clone())).start().await?;
//! slices.activate(ActivationRequest::new("vOp2".parse()?, "Tenant 2", vec![])).await?;
//!
//! // The tenant asks for a connection. It was given no ports, so there is none to be had.
//! let controller = launcher.controller(&"vOp2".parse()?).ok_or("not running")?;
//! let request = ConnectionRequest::between("pop1".parse()?, "pop2".parse()?);
//! let refused = controller.create_connection(request).await.unwrap_err();
//! assert_eq!(refused.code().as_str(), "no_free_port");
//! # Ok(()) }
//! ```
//!
//! # How it works
//!
//! The store is the truth. A connection changes in one way only: its [machine](crate::connection) takes events in, inside a
//! store transaction that also holds whatever follows (commands in the outbox, spectrum and ports given back, positions
//! acted on). Three tasks feed it: the *intake* (acks, telemetry, heartbeats), the *timers* (deadlines, silence,
//! checkpoints) and the *links*. What is in memory is brought up to date after each commit; the *mirror* sees to what
//! slips through. The outbox relay publishes.
//!
//! A controller that starts takes command with a new generation and a new epoch: an earlier one of the same virtual operator
//! can no longer write, and agents refuse its commands. It takes up what was under way: deadlines mean remaining time,
//! on a clock of their own that goes on where it was last stored.
//!
//! # Several instances
//!
//! [`ControllerBuilder::stand_by`] makes an instance that commands only while no other does: of two or more of them, in as many
//! programs over one store, one commands and renews a lease. Where it ends, another takes over once the lease has ended; where it
//! is shut down, at once.
//!
//! ```
//! # use ipowdm_core::bus::{Bus, memory::MemoryBus};
//! # use ipowdm_ctl_lib::controller::Controller;
//! # use ipowdm_ctl_lib::linkdb::LinkDb;
//! # use ipowdm_ctl_lib::slice::{ActivationRequest, InProcess, SliceManager};
//! # use ipowdm_ctl_lib::store::Store;
//! # use std::sync::Arc;
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (linkdb, bus) = (LinkDb::new(Store::memory()), Arc::new(MemoryBus::new()) as Arc<dyn Bus>);
//! # let launcher = InProcess::new(linkdb.clone(), bus.clone(), Default::default());
//! # let slices = SliceManager::builder(linkdb.clone(), bus.clone()).launcher(Arc::new(launcher.clone())).start().await?;
//! # slices.activate(ActivationRequest::new("vOp2".parse()?, "Tenant 2", vec![])).await?;
//! # launcher.controller(&"vOp2".parse()?).ok_or("not running")?.shutdown().await?;
//! let instance = || Controller::builder("vOp2".parse().unwrap(), linkdb.clone(), bus.clone()).stand_by();
//! let (one, two) = (instance()?, instance()?);
//! let mut role = two.role();
//! one.commanding().await?;
//! assert!(role.borrow_and_update().is_none());
//! one.shutdown().await?;
//! role.changed().await?;
//! assert!(two.controller().is_some());
//! # Ok(()) }
//! ```
//!
//! # Operations
//!
//! [`ControllerHandle::setup`], [`reconfigure`](ControllerHandle::reconfigure), [`repair`](ControllerHandle::repair),
//! [`delete`](ControllerHandle::delete) and
//! [`control_interface`](ControllerHandle::control_interface) answer an [`OperationView`] at once. It ends only when registers
//! were read back, or everything was undone: follow it with [`ControllerHandle::operation`] or
//! [`ControllerHandle::wait`].

mod claims;
mod clock;
mod command;
mod config;
mod create;
mod denials;
mod engine;
mod error;
mod event;
mod feed;
mod figures;
mod handle;
mod histogram;
mod inner;
mod intake;
mod inventory;
mod lease;
mod links;
mod live;
mod metrics;
mod mirror;
mod record;
mod repair;
mod request;
mod stand_by;
mod start;
mod stored;
mod strays;
mod timers;
mod trace;
mod views;

pub use clock::{WallClock, system_wall_clock};
pub use config::ControllerConfig;
pub use error::ControllerError;
pub use event::ControllerEvent;
pub use feed::{Following, News, NoPlace, Place, Told};
pub use figures::Figures;
pub use handle::ControllerHandle;
pub use histogram::Histogram;
pub use metrics::{DeadLetter, Distribution, Durations, MetricsView, OperationCounts};
pub(crate) use record::forget_in;
pub use request::{ConnectionRequest, EndRequest, PathRequest, PowerChange, ReconfigureRequest};
pub use stand_by::StandBy;
pub use start::{Controller, ControllerBuilder};
pub(crate) use stored::{StoredConnection, epoch_in, stored_in};
#[cfg(test)]
mod tests;

pub use views::{
    AgentView, ConnectionView, EndView, HealthView, InterfaceView, LinkView, NetworkView, OperationStatus,
    OperationSubject, OperationView, PathView, QotEndView, QotView, StatusView, VopStatusView,
};
