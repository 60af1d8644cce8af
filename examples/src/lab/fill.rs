//! Filling the network: a connection on every pair of free ports, and whether telemetry keeps its rate then.

use super::plan::Tenant;
use super::world::Lab;
use core::time::Duration;
use futures_util::StreamExt;
use futures_util::stream;
use ipowdm_core::ids::{ConnectionId, PortRef};
use ipowdm_ctl_lib::connection::{State, Timing};
use ipowdm_ctl_lib::controller::{ConnectionRequest, ControllerHandle, EndRequest};
use ipowdm_ctl_lib::linkdb::LinkDbError;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Setups under way at a time.
const CONCURRENT: usize = 32;

/// A setup that has not ended after this has failed.
const PATIENCE: Duration = Duration::from_secs(180);

/// Percentiles of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Percentiles {
    /// Number of values.
    pub count: usize,
    /// Median.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Greatest.
    pub max: u64,
}

impl Percentiles {
    /// Of these values.
    #[must_use]
    pub fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let at = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100).max(1);
            values.get(rank - 1).copied().unwrap_or(0)
        };
        Self { count: values.len(), p50: at(50), p99: at(99), max: at(100) }
    }
}

/// What filling came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Filled {
    /// Connections that are ACTIVE.
    pub active: usize,
    /// Why others are not; the first few.
    pub failures: Vec<String>,
    /// Milliseconds of the control plane in each setup.
    pub control_ms: Percentiles,
    /// Milliseconds of the modules in each setup.
    pub module_ms: Percentiles,
    /// Seconds in all.
    pub seconds: f64,
}

/// Sets up a connection on every pair of free ports of neighbouring PoPs, at most `limit` of each tenant.
///
/// # Errors
/// [`LinkDbError`] where LinkDB cannot be read.
pub async fn fill(lab: &Lab, limit: usize) -> Result<Filled, LinkDbError> {
    let started = Instant::now();
    let mut works = Vec::new();
    for tenant in &lab.plan.tenants {
        let Some(controller) = lab.controller(&tenant.vop) else { continue };
        for (number, (a, b)) in pairs(lab, tenant).await?.into_iter().take(limit).enumerate() {
            works.push(light(controller.clone(), format!("FILL-{number}"), a, b));
        }
    }
    let outcomes: Vec<Result<Timing, String>> =
        stream::iter(works).buffer_unordered(CONCURRENT).collect().await;
    let timings: Vec<Timing> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok().copied()).collect();
    let failures = outcomes.into_iter().filter_map(Result::err).take(5).collect();
    Ok(Filled {
        active: timings.len(),
        failures,
        control_ms: Percentiles::of(timings.iter().map(Timing::control_plane_ms).collect()),
        module_ms: Percentiles::of(timings.iter().map(|timing| timing.module_ms).collect()),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Creates a connection between two ports and sets it up.
///
/// # Errors
/// What stood in the way, for people.
pub async fn light(
    controller: ControllerHandle,
    name: String,
    a: PortRef,
    b: PortRef,
) -> Result<Timing, String> {
    let id: ConnectionId = name.parse().map_err(|error| format!("{error}"))?;
    let end = |port: PortRef| EndRequest {
        pop: port.pop_id,
        router: Some(port.router_id),
        port: Some(port.port_id),
    };
    let mut request = ConnectionRequest::between(a.pop_id.clone(), b.pop_id.clone()).named(id.clone());
    (request.source, request.destination) = (end(a), end(b));
    let refused = |error: ipowdm_ctl_lib::controller::ControllerError| format!("{name}: {error}");
    controller.create_connection(request).await.map_err(refused)?;
    let operation = controller.setup_and_wait(&id, PATIENCE).await.map_err(refused)?;
    let view = controller.connection(&id).map_err(refused)?;
    match (view.state, operation.timing) {
        (State::Active, Some(timing)) => Ok(timing),
        (state, _) => {
            let why = view.failure.as_ref().map_or_else(String::new, ToString::to_string);
            Err(format!("{name}: {state} {why}"))
        }
    }
}

/// Free ports of a tenant, PoP by PoP with the next one, so that no link carries more than its two PoPs have ports. The
/// first port of each of the first two PoPs is left for the operator guide's own example.
async fn pairs(lab: &Lab, tenant: &Tenant) -> Result<Vec<(PortRef, PortRef)>, LinkDbError> {
    let mut free: BTreeMap<usize, Vec<PortRef>> = BTreeMap::new();
    let mut spared = BTreeSet::new();
    for port in &tenant.ports {
        let Some(place) = lab.plan.pops.iter().position(|pop| *pop == port.pop_id) else { continue };
        if place < 2 && spared.insert(place) {
            continue;
        }
        if lab.db.port(port).await?.occupied_by.is_none() {
            free.entry(place).or_default().push(port.clone());
        }
    }
    let mut pairs = Vec::new();
    for place in (0..lab.plan.pops.len()).step_by(2) {
        let (a, b) = (free.remove(&place).unwrap_or_default(), free.remove(&(place + 1)).unwrap_or_default());
        pairs.extend(a.into_iter().zip(b));
    }
    Ok(pairs)
}

/// Whether telemetry kept its rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ticks {
    /// Ports sampled.
    pub ports: usize,
    /// Seconds watched.
    pub seconds: f64,
    /// Samples seen on the bus.
    pub samples: u64,
    /// Samples due in that time.
    pub due: u64,
    /// Ticks that agents say they missed in that time.
    pub missed: u64,
    /// Samples dropped by agents' outgoing queues in that time.
    pub dropped: u64,
}

/// Watches telemetry for a while.
pub async fn watch(lab: &Lab, over: Duration) -> Ticks {
    let before = counts(lab).await;
    let started = Instant::now();
    tokio::time::sleep(over).await;
    let seconds = started.elapsed().as_secs_f64();
    let after = counts(lab).await;
    let per_port = u32::try_from(over.as_millis()).unwrap_or(u32::MAX) / lab.telemetry_ms;
    Ticks {
        ports: after.ports,
        seconds,
        samples: after.samples - before.samples,
        due: u64::from(per_port) * u64::try_from(after.ports).unwrap_or(u64::MAX),
        missed: after.missed - before.missed,
        dropped: after.dropped - before.dropped,
    }
}

struct Counts {
    ports: usize,
    samples: u64,
    missed: u64,
    dropped: u64,
}

async fn counts(lab: &Lab) -> Counts {
    let mut counts =
        Counts { ports: 0, samples: lab.observer.look(|seen| seen.samples_total), missed: 0, dropped: 0 };
    for (_, agent) in lab.fleet.agents() {
        if let Some(status) = agent.status().await {
            counts.dropped += status.publisher.dropped;
            for port in status.ports.values() {
                counts.missed += port.missed;
                counts.ports += usize::from(port.intent.desired().is_some());
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(Percentiles::of(vec![]), Percentiles::default());
        assert_eq!(Percentiles::of(vec![7]), Percentiles { count: 1, p50: 7, p99: 7, max: 7 });
        let many = Percentiles::of((1..=200).rev().collect());
        assert_eq!(many, Percentiles { count: 200, p50: 100, p99: 198, max: 200 });
    }
}
