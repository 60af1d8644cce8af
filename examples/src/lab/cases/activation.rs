//! Case 1: virtual operators are activated, their agents are seen.

use super::{PATIENCE, millis};
use crate::lab::plan::Tenant;
use crate::lab::report::{Case, Narrator};
use crate::lab::world::Lab;
use core::time::Duration;
use ipowdm_core::topics::{ASSIGNMENTS, Role, name};
use ipowdm_ctl_lib::controller::ControllerHandle;
use ipowdm_ctl_lib::registry::Presence;
use ipowdm_ctl_lib::slice::ActivationRequest;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Instant;

/// Activates every tenant of the plan.
pub async fn play(lab: &Lab) -> Case {
    let mut say = Narrator::begin(1, "tenants are activated, topics and agents appear");
    let mut slowest = Duration::ZERO;
    for tenant in &lab.plan.tenants {
        let started = Instant::now();
        let mut request = ActivationRequest::new(
            tenant.vop.clone(),
            &format!("Tenant {}", tenant.vop),
            tenant.ports.clone(),
        );
        request.windows = Some(vec![tenant.spectrum]);
        request.telemetry_interval_ms = Some(lab.telemetry_ms);
        match lab.slice.activate(request).await {
            Ok(_) => slowest = slowest.max(started.elapsed()),
            Err(error) => {
                say.fail(format!("{} is not activated: {error}", tenant.vop));
                return say.end(0.0, 0.0);
            }
        }
        say.tell(format!("{} activated in {:.1} ms", tenant.vop, millis(started.elapsed())));
        topics(lab, tenant, &mut say).await;
        grants(lab, tenant, &mut say).await;
    }
    for tenant in &lab.plan.tenants {
        let Some(controller) = lab.controller(&tenant.vop) else {
            say.fail(format!("{} has no controller", tenant.vop));
            continue;
        };
        agents(lab, tenant, &controller, &mut say).await;
    }
    say.end(millis(slowest), 0.0)
}

/// The topics as the broker describes them.
async fn topics(lab: &Lab, tenant: &Tenant, say: &mut Narrator) {
    let mut seen = Vec::new();
    for role in Role::ALL {
        let topic = name(role, &tenant.vop, None);
        if let Ok(Some(description)) = lab.bus.describe_topic(&topic).await {
            seen.push(json!({
                "name": description.name, "partitions": description.partitions, "configs": description.configs,
            }));
        }
    }
    let all = seen.len() == Role::ALL.len();
    let names: Vec<_> = seen.iter().filter_map(|topic| topic["name"].as_str()).collect();
    let text = format!("the broker lists {}", names.join(", "));
    say.expect(&format!("{}_topics_exist", tenant.vop), all, text);
    say.observe(&format!("{}_topics", tenant.vop), seen, format!("assignments go over {ASSIGNMENTS}"));
}

/// Spectrum and ports as LinkDB has them.
async fn grants(lab: &Lab, tenant: &Tenant, say: &mut Narrator) {
    let windows = match lab.db.vop_grant(&tenant.vop).await {
        Ok(Some(grant)) => grant.windows,
        _ => Vec::new(),
    };
    let mut own = 0_usize;
    for port in &tenant.ports {
        if let Ok(status) = lab.db.port(port).await {
            own += usize::from(status.port.vop.as_ref() == Some(&tenant.vop));
        }
    }
    let edges: Vec<_> = windows.iter().map(|w| format!("{} to {}", w.low, w.high)).collect();
    let text = format!("LinkDB grants {} {own} ports and {}", tenant.vop, edges.join(", "));
    say.expect(
        &format!("{}_granted", tenant.vop),
        own == tenant.ports.len() && windows == [tenant.spectrum],
        text,
    );
}

/// Ports of a tenant of whose modules LinkDB knows what they can do.
async fn stored(lab: &Lab, tenant: &Tenant) -> usize {
    let mut known = 0;
    for port in &tenant.ports {
        known += usize::from(lab.db.port(port).await.is_ok_and(|status| status.port.capability.is_some()));
    }
    known
}

/// The agents as the tenant's controller hears them.
async fn agents(lab: &Lab, tenant: &Tenant, controller: &ControllerHandle, say: &mut Narrator) {
    let wanted = tenant.ports.iter().map(ipowdm_core::ids::PortRef::router).collect::<BTreeSet<_>>().len();
    let started = Instant::now();
    let complete = || {
        let agents = controller.agents();
        let online = agents.iter().filter(|view| view.agent.presence == Presence::Online);
        let ports: usize = online
            .clone()
            .map(|view| view.agent.interfaces.values().filter(|port| port.capability.is_some()).count())
            .sum();
        (online.count(), ports)
    };
    let patience = PATIENCE + Duration::from_millis(20) * u32::try_from(lab.fleet.len()).unwrap_or(u32::MAX);
    // The controller hears of a module a moment before LinkDB has it stored, and connections are planned from LinkDB.
    while (complete() != (wanted, tenant.ports.len()) || stored(lab, tenant).await < tenant.ports.len())
        && started.elapsed() < patience
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (online, ports) = complete();
    let text = format!(
        "controller of {} hears {online} of {wanted} agents and knows what {ports} of {} modules can do",
        tenant.vop,
        tenant.ports.len()
    );
    say.expect(
        &format!("{}_agents_online", tenant.vop),
        online == wanted && ports == tenant.ports.len(),
        text,
    );
    let known = stored(lab, tenant).await;
    let text = format!("LinkDB knows what {known} of them can do");
    say.expect(&format!("{}_modules_stored", tenant.vop), known == tenant.ports.len(), text);
    let topic = name(Role::Health, &tenant.vop, None);
    let heartbeats = lab.observer.wait_for(PATIENCE, |seen| seen.health.get(topic.as_str()).copied()).await;
    let text = format!("{} messages on the health topic of {}", heartbeats.unwrap_or(0), tenant.vop);
    say.observe(&format!("{}_health_messages", tenant.vop), heartbeats, text);
    let emulated = controller.agents().iter().all(|view| view.agent.emulated);
    say.expect(&format!("{}_emulated", tenant.vop), emulated, "agents say that their modules are emulated");
}
