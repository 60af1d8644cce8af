//! What happens because time passes: deadlines, silent agents, checkpoints.

use super::clock::StoredClock;
use super::engine::{Beside, Job, PortEnd};
use super::error::ControllerError;
use super::event::ControllerEvent;
use super::inner::Inner;
use super::record::{PortOperation, Position};
use crate::connection::{Event, State};
use crate::registry::Presence;
use crate::store::Key;
use core::time::Duration;
use ipowdm_core::error::Code;
use ipowdm_core::ids::AgentId;
use ipowdm_core::msg::Target;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

/// How often silence is looked at.
const SILENCE: Duration = Duration::from_secs(1);

/// Deadlines that are worked off in one transaction.
const BATCH: usize = 256;

/// Works deadlines off until another controller takes over, or dropped.
pub(super) async fn run(inner: Arc<Inner>) {
    let mut silence = Instant::now() + SILENCE;
    let mut checkpoint = Instant::now() + inner.config.checkpoint;
    loop {
        let deadline = inner.live().next_due().map(|due| inner.clock.instant(due));
        let wake = deadline.into_iter().fold(silence.min(checkpoint), Instant::min);
        tokio::select! {
            biased;
            () = inner.until_superseded() => return,
            () = inner.timers.notified() => {}
            () = sleep_until(wake) => {}
        }
        let now = Instant::now();
        inner.work_off_deadlines().await;
        if now >= silence {
            silence = now + SILENCE;
            inner.look_for_silence().await;
            inner.look_for_samples();
        }
        if now >= checkpoint {
            checkpoint = now + inner.config.checkpoint;
            if let Err(error) = inner.checkpoint(false).await {
                tracing::warn!(vop = %inner.vop.id(), %error, "checkpoint");
            }
        }
    }
}

impl Inner {
    async fn work_off_deadlines(&self) {
        let now = self.at();
        let due = self.live().due(now, BATCH);
        let jobs: Vec<Job> = due.into_iter().map(|id| Job::new(id, Event::Tick)).collect();
        let late = |operation: &PortOperation| operation.ended.is_none() && operation.deadline <= now;
        let ports: Vec<PortEnd> = self
            .port_operations()
            .into_iter()
            .filter(late)
            .map(|operation| PortEnd {
                key: PortOperation::key(self.vop.id(), &operation.port),
                command_id: operation.command_id,
                result: Err((Code::TimedOut, "no answer to interfaceControl in time".to_owned())),
            })
            .collect();
        if !jobs.is_empty() || !ports.is_empty() {
            self.drive_surely(&jobs, &Beside { ports, ..Beside::default() }).await;
        }
    }

    async fn look_for_silence(&self) {
        let owned = OnceCell::new();
        let changes = {
            let owns = |agent: &AgentId| owned.get_or_init(|| self.live().owned_agents()).contains(agent);
            self.registry().tick(self.at(), owns)
        };
        if !changes.is_empty() {
            self.agents_changed(changes).await;
        }
        let due = self.registry().to_ask(self.at());
        for agent in due {
            self.ask_for_discovery(Target::Agent(agent));
        }
    }

    /// Tells of ends that should be sampled and are not, and of those that are again.
    fn look_for_samples(&self) {
        let now = self.at();
        let online: BTreeSet<AgentId> = {
            let registry = self.registry();
            let online = registry.agents().filter(|agent| agent.presence == Presence::Online);
            online.map(|agent| agent.agent_id.clone()).collect()
        };
        let mut told = Vec::new();
        for entry in self.live().entries_mut() {
            let record = entry.record();
            let up = matches!(record.life.state(), State::Active | State::Degraded);
            let expected = record.agents.map(|_, agent| up && online.contains(agent));
            let changed = entry.qot.look(now, expected, self.vop.telemetry_interval_ms);
            told.extend(changed.into_iter().map(|(end, stale)| (record.id.clone(), end, stale)));
        }
        for (connection_id, end, stale) in told {
            if stale {
                self.metrics.telemetry_stale();
            }
            self.tell(ControllerEvent::Telemetry { connection_id, end, stale });
        }
    }

    /// Stores the clock, where something waits for it or `always`, and the positions that have moved.
    pub(super) async fn checkpoint(&self, always: bool) -> Result<(), ControllerError> {
        let moved: Vec<(Key<Position>, Position, u32)> = self.moved_positions();
        let waits = self.live().waits() || self.port_operations().iter().any(|port| port.ended.is_none());
        let clock = (always || waits).then(|| StoredClock(self.at()));
        if clock.is_none() && moved.is_empty() {
            return Ok(());
        }
        let vop = self.vop.id();
        self.commanding(None, |tx, _| {
            if let Some(clock) = &clock {
                tx.put(&StoredClock::key(vop), clock)?;
            }
            for (key, position, _) in &moved {
                tx.put(key, position)?;
            }
            Ok(())
        })
        .await?;
        for (_, position, partition) in moved {
            self.stored_up_to(partition, position.0);
        }
        Ok(())
    }
}
