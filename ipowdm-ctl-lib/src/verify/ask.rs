//! What the agents read from their modules, on demand.

use super::stored::Stored;
use core::time::Duration;
use futures_util::future::join_all;
use ipowdm_core::bus::{Bus, BusError, FetchRequest, Outgoing};
use ipowdm_core::ids::{AgentId, CommandId, VopId};
use ipowdm_core::msg::{Action, AgentHealth, AgentMessage, Command, Target, VERSION};
use ipowdm_core::topics::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use tokio::time::{Instant, timeout_at};

/// Longest wait of one fetch.
const FETCH_WAIT: Duration = Duration::from_millis(250);

/// Most bytes of one fetch.
const FETCH_BYTES: u32 = 1 << 20;

/// What an agent tells each virtual operator.
pub(super) type Heard = BTreeMap<(VopId, AgentId), AgentHealth>;

/// Has all agents read their modules, and gathers what they say until each has, or `patience` is over.
pub(super) async fn ask(bus: &dyn Bus, stored: &Stored, patience: Duration) -> Result<Heard, BusError> {
    let until = Instant::now() + patience;
    let vops = stored.vops.iter().map(|(vop, epoch)| async move {
        let agents: BTreeSet<AgentId> =
            vop.request.ports.iter().map(|port| port.router().default_agent()).collect();
        let topic = vop.topic(Role::Health).to_string();
        let command = discover(vop.id(), *epoch, patience)?;
        let config = vop.topic(Role::Config).to_string();
        let heard = of_one(bus, (&topic, &config), command, &agents, until).await?;
        Ok::<_, BusError>((vop.id().clone(), heard))
    });
    let mut all = Heard::new();
    for answered in join_all(vops).await {
        let (vop, heard) = answered?;
        all.extend(heard.into_iter().map(|(agent, health)| ((vop.clone(), agent), health)));
    }
    Ok(all)
}

fn discover(vop: &VopId, epoch: u64, patience: Duration) -> Result<Outgoing, BusError> {
    let number = RandomState::new().hash_one(epoch);
    let refused = |reason: String| BusError::Invalid { topic: vop.to_string(), reason };
    let id = CommandId::new(&format!("verify.{number:016x}"));
    let command = Command {
        command_id: Some(id.map_err(|error| refused(error.to_string()))?),
        vop: Some(vop.clone()),
        target: Target::All,
        epoch: Some(epoch),
        lifetime_ms: Some(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX)),
        v: VERSION,
        action: Action::Discover,
    };
    Ok(Outgoing::new(vop.as_str(), command.to_json()))
}

/// Follows the health topic from where it ended before the question. An agent sends its heartbeat, then its capabilities, when
/// it has read its modules: capabilities say that the heartbeat before them is new.
async fn of_one(
    bus: &dyn Bus,
    (health, config): (&str, &str),
    question: Outgoing,
    agents: &BTreeSet<AgentId>,
    until: Instant,
) -> Result<BTreeMap<AgentId, AgentHealth>, BusError> {
    let mut answered = BTreeMap::new();
    if agents.is_empty() {
        return Ok(answered);
    }
    let described = bus.describe_topic(health).await?;
    let partitions = described.map_or(0, |topic| topic.partitions);
    let mut positions = Vec::new();
    for partition in 0..partitions {
        positions.push((partition, bus.bounds(health, partition).await?.next));
    }
    bus.publish(config, vec![question]).await?;
    let mut latest: BTreeMap<AgentId, AgentHealth> = BTreeMap::new();
    while agents.iter().any(|agent| !answered.contains_key(agent)) {
        let fetches = positions.iter().map(|&(partition, offset)| {
            let topic = health.to_owned();
            bus.fetch(FetchRequest { topic, partition, offset, max_bytes: FETCH_BYTES, max_wait: FETCH_WAIT })
        });
        let Ok(fetched) = timeout_at(until, join_all(fetches)).await else { break };
        for (place, fetched) in positions.iter_mut().zip(fetched) {
            let fetched = fetched?;
            place.1 = fetched.resume;
            for value in fetched.records.into_iter().filter_map(|record| record.value) {
                match AgentMessage::from_json(&value) {
                    Ok(AgentMessage::Health(said)) => {
                        latest.insert(said.agent_id.clone(), said);
                    }
                    Ok(AgentMessage::Capabilities(said)) => {
                        answered.extend(latest.remove_entry(&said.agent_id));
                    }
                    // Not of interest here.
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }
    Ok(answered)
}
