//! The agent as it runs: one task that decides, one host per port, the bus between it and the controllers.
//!
//! Tasks: the agent's own (ended by [`AgentHandle::stop`]), one per port ([`crate::port::host`]), those of its reader and
//! its publisher, and short ones that wait for a confirmation. The agent's task never waits for a port; ports wait for
//! the agent at most as long as it syncs its journal.

mod commands;
mod ledger;
mod membership;
mod reports;
mod service;
mod start;
mod task;
mod watch;

pub use task::Control;

use crate::config::{AgentConfig, Service};
use crate::intake::{DeadLetter, IntakeCounts};
use crate::journal::{Journal, JournalError, MemoryStorage, Recovery, Storage};
use crate::port::host::{Clock, Module};
use crate::port::{AdminSwitch, PortStatus, Proxy};
use ipowdm_cmis::access::Eeprom;
use ipowdm_core::bus::Bus;
use ipowdm_core::bus::publisher::Counts;
use ipowdm_core::ids::{PortId, VopId};
use ipowdm_core::msg::WindowStats;
use ipowdm_core::time::{Millis, Timestamp};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Wall time, for display only.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why an agent cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No bus was given.
    #[error("an agent needs a bus")]
    NoBus,
    /// A port was given twice.
    #[error("port {0} was given twice")]
    PortTwice(PortId),
    /// A port is to be served and was not given.
    #[error("port {0} is to be served and has no module source")]
    PortMissing(PortId),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A port's thread cannot be made.
    #[error("a port's thread cannot be made: {0}")]
    Thread(std::io::Error),
}

/// Collects what an agent needs.
pub struct AgentBuilder {
    config: AgentConfig,
    bus: Option<Arc<dyn Bus>>,
    modules: Vec<(PortId, Module)>,
    storage: Option<Box<dyn Storage>>,
    clock: Option<Clock>,
    wall: Option<WallClock>,
}

/// An agent that has not begun to run.
pub struct Agent {
    config: AgentConfig,
    bus: Arc<dyn Bus>,
    modules: BTreeMap<PortId, Module>,
    journal: Journal,
    recovery: Recovery,
    clock: Clock,
    wall: WallClock,
}

impl Agent {
    /// Begins to build an agent.
    ///
    /// # Example
    /// ```
    /// use ipowdm_agent::config::{AgentConfig, Service};
    /// use ipowdm_agent::intake::Identity;
    /// use ipowdm_agent::runtime::Agent;
    /// use ipowdm_core::bus::memory::MemoryBus;
    /// use std::sync::Arc;
    ///
    /// let identity = Identity::of_router("pop1".parse()?, "router1".parse()?);
    /// let agent = Agent::builder(AgentConfig::new(identity, Service::Assigned))
    ///     .bus(Arc::new(MemoryBus::new()))
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn builder(config: AgentConfig) -> AgentBuilder {
        AgentBuilder { config, bus: None, modules: Vec::new(), storage: None, clock: None, wall: None }
    }

    /// Runs until the returned handle stops it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`BuildError::Journal`] where the journal cannot be written, [`BuildError::Thread`].
    pub fn spawn(self) -> Result<AgentHandle, BuildError> {
        let (control, orders) = mpsc::channel(8);
        let task = tokio::spawn(self.prepare(orders)?);
        Ok(AgentHandle { control, task })
    }

    /// Runs until `stop` is ready, then stops: lasers stay as they are, a `stopped` heartbeat is sent.
    ///
    /// # Errors
    /// As [`Agent::spawn`].
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), BuildError> {
        let handle = self.spawn()?;
        stop.await;
        handle.stop().await;
        Ok(())
    }

    /// What was found when the journal was opened.
    #[must_use]
    pub const fn recovery(&self) -> Recovery {
        self.recovery
    }
}

impl core::fmt::Debug for Agent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Agent").field("config", &self.config).field("modules", &self.modules).finish()
    }
}

impl core::fmt::Debug for AgentBuilder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AgentBuilder").field("config", &self.config).field("modules", &self.modules).finish()
    }
}

impl AgentBuilder {
    /// The bus.
    #[must_use]
    pub fn bus(mut self, bus: Arc<dyn Bus>) -> Self {
        self.bus = Some(bus);
        self
    }

    /// A port whose module answers at once, such as an emulated one: it costs a task.
    #[must_use]
    pub fn port(mut self, port: PortId, eeprom: Box<dyn Eeprom + Send>) -> Self {
        self.modules.push((port, Module::Inline(eeprom)));
        self
    }

    /// A port whose module is reached by blocking calls, such as a sysfs file: it costs a thread.
    #[must_use]
    pub fn blocking_port(mut self, port: PortId, eeprom: Box<dyn Eeprom + Send>) -> Self {
        self.modules.push((port, Module::Blocking(eeprom)));
        self
    }

    /// A port as [`AgentBuilder::blocking_port`], on a host that is told when it is switched up or down.
    #[must_use]
    pub fn owned_port(
        mut self,
        port: PortId,
        eeprom: Box<dyn Eeprom + Send>,
        host: Box<dyn AdminSwitch>,
    ) -> Self {
        self.modules.push((port, Module::Owned(eeprom, host)));
        self
    }

    /// A port whose module other software drives: it costs a thread.
    #[must_use]
    pub fn proxied_port(mut self, port: PortId, proxy: Box<dyn Proxy>) -> Self {
        self.modules.push((port, Module::Proxy(proxy)));
        self
    }

    /// Where the journal is kept; without this, in memory.
    #[must_use]
    pub fn storage(mut self, storage: impl Storage + 'static) -> Self {
        self.storage = Some(Box::new(storage));
        self
    }

    /// The clock to decide by; without this, tokio's from now on. It must be the one that tokio's timers follow.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The clock to show; without this, the system's.
    #[must_use]
    pub fn wall_clock(mut self, wall: WallClock) -> Self {
        self.wall = Some(wall);
        self
    }

    /// Checks everything and opens the journal.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(self) -> Result<Agent, BuildError> {
        let bus = self.bus.ok_or(BuildError::NoBus)?;
        let mut modules = BTreeMap::new();
        for (port, module) in self.modules {
            if modules.insert(port.clone(), module).is_some() {
                return Err(BuildError::PortTwice(port));
            }
        }
        if let Service::Fixed { ports, .. } = &self.config.service
            && let Some(missing) = ports.iter().find(|port| !modules.contains_key(*port))
        {
            return Err(BuildError::PortMissing(missing.clone()));
        }
        let storage = self.storage.unwrap_or_else(|| Box::new(MemoryStorage::default()));
        let (journal, recovery) = Journal::open(storage, self.config.history)?;
        Ok(Agent {
            config: self.config,
            bus,
            modules,
            journal,
            recovery,
            clock: self.clock.unwrap_or_else(tokio_clock),
            wall: self.wall.unwrap_or_else(|| Arc::new(system_time)),
        })
    }
}

/// Milliseconds of tokio's clock from now on.
fn tokio_clock() -> Clock {
    let origin = tokio::time::Instant::now();
    Arc::new(move || Millis(u64::try_from(origin.elapsed().as_millis()).unwrap_or(u64::MAX)))
}

/// The system's clock.
#[must_use]
pub fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What an agent has done and knows.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentStatus {
    /// This life's id.
    pub boot_id: u64,
    /// Virtual operators served, and whether their commands are being read.
    pub vops: BTreeMap<VopId, bool>,
    /// The ports.
    pub ports: BTreeMap<PortId, PortStatus>,
    /// Records of config topics by what became of them.
    pub intake: IntakeCounts,
    /// The last records that were not commands.
    pub dead_letters: Vec<DeadLetter>,
    /// Records that were not commands, in all.
    pub dead_letters_total: u64,
    /// The outgoing queue.
    pub publisher: Counts,
    /// Acks that the bus has not confirmed.
    pub unsent_acks: usize,
    /// Acks that the bus refused for ever.
    pub refused_acks: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// What the ports' quantities did over the last 10 s, 60 s and 15 min.
    pub windows: BTreeMap<PortId, Vec<WindowStats>>,
}

/// A running agent. Dropping the handle leaves it running.
#[derive(Debug)]
pub struct AgentHandle {
    control: mpsc::Sender<Control>,
    task: JoinHandle<()>,
}

impl AgentHandle {
    /// What it has done and knows; `None` where it no longer runs.
    pub async fn status(&self) -> Option<AgentStatus> {
        let (answer, status) = oneshot::channel();
        self.control.send(Control::Status(answer)).await.ok()?;
        status.await.ok().map(|status| *status)
    }

    /// Stops it: commands under way are left to the next start, lasers stay as they are, a `stopped` heartbeat is sent.
    pub async fn stop(self) {
        // Where it no longer runs there is nothing to stop.
        let _ = self.control.send(Control::Stop).await;
        let _ = self.task.await;
    }

    /// Ends it as a crash would: nothing more is written or sent.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

#[cfg(test)]
mod tests;
