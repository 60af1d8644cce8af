//! What a controller counts, and what it has now, as figures over time show it.

use super::handle::ControllerHandle;
use super::inner::Inner;
use super::metrics::{Durations, MetricsView};
use crate::connection::{OperationKind, State};
use crate::registry::Presence;
use core::time::Duration;
use ipowdm_core::bus::publisher::Counts;
use ipowdm_core::topics::Role;
use std::collections::BTreeMap;
use tokio::time::{Instant, timeout};

/// Time for the bus to tell where its logs end.
const PROBE: Duration = Duration::from_secs(1);

/// Everything about a controller that changes with time and is a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Counters.
    pub metrics: MetricsView,
    /// How long things took.
    pub durations: Durations,
    /// Connections by state.
    pub connections: BTreeMap<State, u64>,
    /// Operations under way on connections, by kind.
    pub running: BTreeMap<OperationKind, u64>,
    /// Operations under way on ports.
    pub port_operations: u64,
    /// Connections on which the quality loop acts, or has acted in vain.
    pub episodes_open: u64,
    /// Connections on which it has acted in vain.
    pub alarms_open: u64,
    /// Agents by presence.
    pub agents: BTreeMap<Presence, u64>,
    /// Epoch of its commands.
    pub epoch: u64,
    /// Which controller of its virtual operator it is.
    pub generation: u64,
    /// Whether it commands: it holds the lease, no other has taken over, and nobody has stopped it.
    pub commands: bool,
    /// What became of the records that it sends beside the outbox.
    pub publisher: Counts,
    /// Records of each topic that it reads and has not taken in yet; `None` where the bus does not tell.
    pub lag: BTreeMap<Role, Option<u64>>,
    /// Whether store and bus could be used when they were used last.
    pub bus_up: bool,
}

impl ControllerHandle {
    /// All figures as of now. Asks the bus how much of its topics is not read yet, and waits a second for that at most.
    pub async fn figures(&self) -> Figures {
        let inner = &self.inner;
        let mut connections: BTreeMap<State, u64> = State::ALL.iter().map(|state| (*state, 0)).collect();
        let mut running = BTreeMap::new();
        let (mut episodes_open, mut alarms_open) = (0, 0);
        {
            let live = inner.live();
            for entry in live.entries() {
                let record = entry.record();
                *connections.entry(record.life.state()).or_default() += 1;
                if let Some((_, kind)) = record.life.operation() {
                    *running.entry(kind).or_default() += 1;
                }
                episodes_open += u64::from(entry.qot.is_acting());
                alarms_open += u64::from(record.alarmed);
            }
        }
        let port_operations = inner.port_operations().iter().filter(|known| known.ended.is_none()).count();
        let mut agents = BTreeMap::new();
        for agent in inner.registry().agents() {
            *agents.entry(agent.presence).or_default() += 1;
        }
        Figures {
            metrics: inner.metrics.view(),
            durations: inner.metrics.durations(),
            connections,
            running,
            port_operations: port_operations as u64,
            episodes_open,
            alarms_open,
            agents,
            epoch: inner.epoch(),
            generation: inner.generation,
            commands: inner.tenure.holds(Instant::now()) && !inner.is_superseded() && inner.running().is_ok(),
            publisher: inner.publisher.counts(),
            lag: inner.lag().await,
            bus_up: inner.outage().is_none(),
        }
    }
}

impl Inner {
    async fn lag(&self) -> BTreeMap<Role, Option<u64>> {
        let of = async |role| timeout(PROBE, self.lag_of(role)).await.ok().flatten();
        let (monitoring, health) = tokio::join!(of(Role::Monitoring), of(Role::Health));
        BTreeMap::from([(Role::Monitoring, monitoring), (Role::Health, health)])
    }

    /// What is in the log after what was taken in, over all partitions.
    async fn lag_of(&self, role: Role) -> Option<u64> {
        let topic = self.vop.topic(role);
        let partitions = self.bus.describe_topic(&topic).await.ok()??.partitions;
        let bounds = (0..partitions).map(|partition| self.bus.bounds(&topic, partition));
        let bounds = futures_util::future::try_join_all(bounds).await.ok()?;
        let lags = (0..partitions).zip(bounds).map(|(partition, bounds)| {
            let read = self.read_up_to(role, partition).unwrap_or(bounds.earliest);
            u64::try_from(bounds.next - read.max(bounds.earliest)).unwrap_or(0)
        });
        Some(lags.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{Testbed, guide, id};
    use ipowdm_core::bus::{Bus as _, Outgoing};

    #[tokio::test(start_paused = true)]
    async fn what_nobody_has_taken_in_yet_is_the_lag_of_a_topic_and_absent_while_the_bus_is_away() {
        let (bed, controller) = Testbed::new().await.with_vop2().await;
        controller.create_connection(guide()).await.unwrap();
        controller.setup_and_wait(&id("POP1-POP2-1"), Duration::from_secs(60)).await.unwrap();
        assert_eq!(controller.figures().await.lag[&Role::Monitoring], Some(0), "all acks were taken in");
        // A stopped controller takes nothing in any more.
        controller.shutdown().await.unwrap();
        let records = (0..5).map(|n| Outgoing::new(format!("C-{n}"), "{}")).collect();
        bed.bus.publish("monitoring_vOp2", records).await.unwrap();
        let figures = controller.figures().await;
        assert_eq!((figures.lag[&Role::Monitoring], figures.commands), (Some(5), false));
        bed.bus.set_available(false);
        assert_eq!(controller.figures().await.lag[&Role::Monitoring], None);
    }

    #[tokio::test(start_paused = true)]
    async fn figures_count_connections_operations_and_what_modules_and_control_plane_took() {
        let (_bed, controller) = Testbed::new().await.with_vop2().await;
        controller.create_connection(guide()).await.unwrap();
        let before = controller.figures().await;
        assert_eq!((before.connections[&State::Pending], before.connections[&State::Active]), (1, 0));
        controller.setup_and_wait(&id("POP1-POP2-1"), Duration::from_secs(60)).await.unwrap();
        let after = controller.figures().await;
        assert_eq!((after.connections[&State::Pending], after.connections[&State::Active]), (0, 1));
        let setups = after.metrics.operations[&OperationKind::Setup];
        assert_eq!((setups.succeeded, setups.failed), (1, 0));
        assert_eq!((after.durations.setup_control.count(), after.durations.setup_module.count()), (1, 1));
        assert_eq!(after.durations.setup_module.sum(), Duration::from_millis(7));
        assert_eq!(after.metrics.commands["setupConnection"], 2);
        assert_eq!(after.metrics.acks["applied"], 2);
        assert!(after.agents[&Presence::Online] >= 2 && after.epoch >= 1 && after.commands && after.bus_up);
    }
}
