//! What the broker says: topics, this agent's assignment, its heartbeats.

use crate::config::Service;
use crate::doctor::{Assigned, Beat, BusView, Heartbeat, TopicFacts};
use crate::program::run;
use crate::settings::Resolved;
use ipowdm_core::bus::{Bus, BusError, FetchRequest, Record};
use ipowdm_core::ids::VopId;
use ipowdm_core::msg::{AgentHealth, AgentMessage, Assignment};
use ipowdm_core::topics::{self, Role};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the broker may take for all that it is asked.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an agent that has just started may take until its first heartbeat is there, and how often that is looked for.
const FIRST_WORD: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(250);
/// Records that are looked through for this agent's newest heartbeats.
const HEARTBEATS: i64 = 2_000;
/// Records of the assignments topic, which keeps one for each agent, that are looked through.
const ASSIGNMENTS: i64 = 100_000;
/// Lives of the agent that are compared.
const LIVES: usize = 50;
/// Bytes of one fetch.
const FETCH: u32 = 1 << 20;

/// Asks the broker. Where an agent runs that was not heard lately it may just have been started, and is waited for.
pub(super) fn look(resolved: &Resolved, runs: bool) -> Result<BusView, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let bus = run::bus(resolved).map_err(|error| error.to_string())?;
        let until = Instant::now() + FIRST_WORD;
        loop {
            let asked = tokio::time::timeout(PATIENCE, view(&*bus, resolved)).await;
            let view = asked.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?;
            let view = view.map_err(|error| error.to_string())?;
            let heard = view.heartbeats.iter().all(|heartbeat| heartbeat.is_fresh(view.host_ms));
            if heard || !runs || Instant::now() >= until {
                return Ok(view);
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
}

async fn view(bus: &dyn Bus, resolved: &Resolved) -> Result<BusView, BusError> {
    let there = bus.topics().await?;
    let mut view = BusView { topics: there.len(), host_ms: host_ms(), ..BusView::default() };
    let agent = resolved.agent.identity.agent_id.as_str();
    let vops: Vec<VopId> = match &resolved.agent.service {
        Service::Fixed { vop, .. } => vec![vop.clone()],
        Service::Assigned => {
            view.used.push(topic(bus, topics::ASSIGNMENTS, &there).await);
            view.assigned = assigned(bus, agent, &there).await;
            match &view.assigned {
                Some(Assigned::Vops(vops)) => vops.iter().map(|served| served.vop.clone()).collect(),
                _ => Vec::new(),
            }
        }
    };
    for vop in vops {
        for role in Role::ALL {
            let name = topics::name(role, &vop, resolved.agent.region.as_ref());
            let seen = topic(bus, &name, &there).await;
            if role == Role::Health && seen.seen == Ok(true) {
                let stamped = seen.stamped != Some(false);
                heartbeats(bus, &name, agent, vop.clone(), stamped, &mut view).await?;
            }
            view.used.push(seen);
        }
    }
    Ok(view)
}

fn host_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

async fn topic(bus: &dyn Bus, name: &str, there: &[String]) -> TopicFacts {
    let named = there.iter().any(|known| known == name);
    let described = if named { bus.describe_topic(name).await } else { Ok(None) };
    let configs = described.as_ref().ok().and_then(Option::as_ref).map(|description| &description.configs);
    // The assignments are judged by their revision.
    let stamp =
        configs.filter(|_| name != topics::ASSIGNMENTS).and_then(|all| all.get("message.timestamp.type"));
    TopicFacts {
        name: name.to_string(),
        stamped: stamp.map(|kind| kind == "LogAppendTime"),
        seen: described.map(|_| named).map_err(|error| error.to_string()),
    }
}

async fn assigned(bus: &dyn Bus, agent: &str, there: &[String]) -> Option<Assigned> {
    there.iter().find(|name| *name == topics::ASSIGNMENTS)?;
    let mut newest = None;
    let read = newest_records(bus, topics::ASSIGNMENTS, agent, ASSIGNMENTS, |record| {
        newest = record.value;
    });
    if let Err(error) = read.await {
        return Some(Assigned::Unread(error.to_string()));
    }
    let record = newest.as_deref().map(Assignment::from_json);
    Some(match record {
        None => Assigned::Nobody,
        Some(Ok(record)) if record.vops.is_empty() => Assigned::Nobody,
        Some(Ok(record)) => Assigned::Vops(record.vops),
        Some(Err(error)) => Assigned::Unread(error.to_string()),
    })
}

async fn heartbeats(
    bus: &dyn Bus,
    topic: &str,
    agent: &str,
    vop: VopId,
    stamped: bool,
    view: &mut BusView,
) -> Result<(), BusError> {
    let mut newest: Option<(AgentHealth, i64)> = None;
    let mut boots = Vec::new();
    let last = newest_records(bus, topic, agent, HEARTBEATS, |record| {
        if let Some(Ok(AgentMessage::Health(health))) = record.value.as_deref().map(AgentMessage::from_json) {
            boots.extend(health.boot_id);
            newest = Some((health, record.timestamp_ms));
        }
    })
    .await?;
    if stamped {
        view.newest_stamp_ms = view.newest_stamp_ms.max(last);
    }
    boots.drain(..boots.len().saturating_sub(LIVES));
    let newest = newest.map(|(health, stamp)| Beat {
        sent_ms: health.timestamp.0,
        stamp_ms: stamped.then_some(stamp),
        status: health.status,
        issues: health.issues,
    });
    // Taken as late as possible: a heartbeat may have come meanwhile.
    view.host_ms = host_ms();
    view.heartbeats.push(Heartbeat { vop, newest, boots });
    Ok(())
}

/// Hands over the records of a key among the last `most` of its partition, oldest first; answers the newest stamp of any.
async fn newest_records(
    bus: &dyn Bus,
    topic: &str,
    key: &str,
    most: i64,
    mut take: impl FnMut(Record),
) -> Result<Option<i64>, BusError> {
    let Some(description) = bus.describe_topic(topic).await? else { return Ok(None) };
    let partition = topics::partition(key.as_bytes(), description.partitions);
    let bounds = bus.bounds(topic, partition).await?;
    let mut offset = bounds.earliest.max(bounds.next.saturating_sub(most));
    let mut newest = None;
    while offset < bounds.next {
        let request = FetchRequest {
            topic: topic.to_string(),
            partition,
            offset,
            max_bytes: FETCH,
            max_wait: Duration::ZERO,
        };
        let fetched = bus.fetch(request).await?;
        for record in fetched.records {
            newest = newest.max(Some(record.timestamp_ms));
            if record.key.as_deref() == Some(key.as_bytes()) {
                take(record);
            }
        }
        // Offsets that compaction has emptied are passed over.
        if fetched.resume <= offset {
            break;
        }
        offset = fetched.resume;
    }
    Ok(newest)
}
