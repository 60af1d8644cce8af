//! Case 2: a connection is set up, read back, and its telemetry flows.

use super::{PATIENCE, parts};
use crate::lab::observer::Seen;
use crate::lab::plan::Tenant;
use crate::lab::report::{Case, Narrator};
use crate::lab::world::Lab;
use core::time::Duration;
use ipowdm_core::ids::{CommandId, ConnectionId, PortRef, VopId};
use ipowdm_core::msg::{AckStatus, CommandAck};
use ipowdm_core::qot::End;
use ipowdm_ctl_lib::connection::State;
use ipowdm_ctl_lib::controller::{
    ConnectionRequest, ConnectionView, ControllerError, ControllerHandle, EndRequest, OperationView,
};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Instant;

/// Longest module time of a setup in the lab, not scaled: an OpenZR+ module's advertised limits.
const MODULE_PATIENCE: Duration = Duration::from_secs(150);

/// A connection that the case has lit.
#[derive(Debug, Clone)]
pub struct Lit {
    /// Whose it is.
    pub vop: VopId,
    /// Which.
    pub connection: ConnectionId,
    /// What it is called in LinkDB, where connections of all virtual operators live.
    pub grant: ConnectionId,
    /// Its ports, source first.
    pub ports: (PortRef, PortRef),
}

/// Lights a connection for the first tenant and one for the second, side by side.
///
/// The first tenant's goes between the last ports of its first two PoPs, so that the ports of the operator guide's own
/// example stay free.
pub async fn play(lab: &Lab) -> (Case, Vec<Lit>) {
    let mut say = Narrator::begin(2, "connections are set up and read back, telemetry flows");
    let started = Instant::now();
    let works = lab.plan.tenants.iter().take(2).map(|tenant| light(lab, tenant, &say));
    let outcomes = futures_util::future::join_all(works).await;
    let mut lit = Vec::new();
    let (mut control, mut module) = (0.0_f64, 0.0_f64);
    for outcome in outcomes {
        match outcome {
            Ok((view, operation, which)) => {
                let (c, m) = parts(operation.timing);
                (control, module) = (control.max(c), module.max(m));
                tell(lab, &view, &which, started, &mut say).await;
                lit.push(which);
            }
            Err(error) => say.fail(error),
        }
    }
    no_overlap(lab, &lit, &mut say).await;
    (say.end(control, module), lit)
}

async fn light(
    lab: &Lab,
    tenant: &Tenant,
    say: &Narrator,
) -> Result<(ConnectionView, OperationView, Lit), String> {
    let vop = tenant.vop.clone();
    let controller = lab.controller(&vop).ok_or_else(|| format!("{vop} has no controller"))?;
    let ports = ends(tenant).ok_or_else(|| format!("{vop} has no ports in two PoPs"))?;
    let id: ConnectionId = format!("LAB-{vop}").parse().map_err(|error| format!("{error}"))?;
    let end = |port: &PortRef| EndRequest {
        pop: port.pop_id.clone(),
        router: Some(port.router_id.clone()),
        port: Some(port.port_id.clone()),
    };
    let mut request =
        ConnectionRequest::between(ports.0.pop_id.clone(), ports.1.pop_id.clone()).named(id.clone());
    (request.source, request.destination) = (end(&ports.0), end(&ports.1));
    let refuse = |error: ControllerError| format!("{vop}: {error} ({})", error.code());
    let (view, _) = controller.create_connection(request).await.map_err(refuse)?;
    say.tell(format!(
        "{id}: {} to {} over {} at {}, {}",
        ports.0,
        ports.1,
        path_of(&view),
        view.frequency,
        view.state
    ));
    let operation = controller.setup(&id).await.map_err(refuse)?;
    let operation = follow(&controller, &id, operation, say).await.map_err(refuse)?;
    let view = controller.connection(&id).map_err(refuse)?;
    if view.state != State::Active {
        let why = view.failure.as_ref().map_or_else(String::new, ToString::to_string);
        return Err(format!("{id} is {}, not ACTIVE: {why}", view.state));
    }
    let grant = view.grant_id.parse().map_err(|error| format!("{error}"))?;
    Ok((view, operation, Lit { vop, connection: id, grant, ports }))
}

/// A line each second while the modules tune.
async fn follow(
    controller: &ControllerHandle,
    id: &ConnectionId,
    mut operation: OperationView,
    say: &Narrator,
) -> Result<OperationView, ControllerError> {
    let started = Instant::now();
    while !operation.has_ended() && started.elapsed() < MODULE_PATIENCE {
        operation = controller.wait(operation, Duration::from_secs(1)).await?;
        if !operation.has_ended() {
            let state = controller.connection(id)?.state;
            say.tell(format!("{id}: {state}, modules are tuning …"));
        }
    }
    Ok(operation)
}

/// The tenant's last ports in its first two PoPs.
fn ends(tenant: &Tenant) -> Option<(PortRef, PortRef)> {
    let first = tenant.ports.first()?;
    let other = tenant.ports.iter().find(|port| port.pop_id != first.pop_id)?;
    let last = |wanted: &PortRef| tenant.ports.iter().rfind(|port| port.router() == wanted.router()).cloned();
    Some((last(first)?, last(other)?))
}

fn path_of(view: &ConnectionView) -> String {
    view.path.pops.iter().map(ToString::to_string).collect::<Vec<_>>().join(" - ")
}

/// What the witness on the bus saw of it, and what LinkDB has.
async fn tell(lab: &Lab, view: &ConnectionView, which: &Lit, since: Instant, say: &mut Narrator) {
    let id = &which.connection;
    let (commands, acks) = setups(lab, id, since).await;
    say.expect(
        &format!("{id}_commands"),
        commands == 2,
        format!("{id}: {commands} setupConnection commands on config_{}", which.vop),
    );
    for ack in &acks {
        let readback = ack.details.readback.clone().unwrap_or_default();
        let port = ack.interface.as_ref().map_or("?", |port| port.as_str());
        say.tell(format!(
            "{id}: {} {port} read back {} at {}, {} ({} register writes)",
            ack.agent_id,
            readback.frequency_mhz.map_or_else(|| "no frequency".to_owned(), |f| f.to_string()),
            readback.tx_power_dbm.map_or_else(|| "no power".to_owned(), |p| p.to_string()),
            readback.data_path_state.as_deref().unwrap_or("unknown state"),
            ack.details.register_writes.unwrap_or(0),
        ));
    }
    let right = acks.len() == 2
        && acks.iter().all(|ack| {
            ack.status == AckStatus::Success
                && ack.details.readback.as_ref().is_some_and(|r| r.frequency_mhz == Some(view.frequency))
        });
    say.expect(&format!("{id}_read_back"), right, format!("{id}: both ends read back {}", view.frequency));
    let verified = view.verified_at.map(|at| at.seconds());
    say.expect(&format!("{id}_active"), verified.is_some(), format!("{id}: ACTIVE, verified by read-back"));
    samples(lab, id, since, say).await;
    say.observe(
        &format!("{id}_grant"),
        json!({
            "path": view.path.pops, "frequency_mhz": view.frequency, "slot_n": view.slot.n, "slot_m": view.slot.m,
            "source": which.ports.0.to_string(), "destination": which.ports.1.to_string(),
            "tx_power_dbm": [view.ends.get(End::Source).tx_power.map(|p| p.value()),
                             view.ends.get(End::Destination).tx_power.map(|p| p.value())],
            "verified_at": verified, "acks": acks,
        }),
        format!("{id}: LinkDB holds n = {}, m = {} on {}", view.slot.n, view.slot.m, path_of(view)),
    );
}

/// How many setup commands of a connection were seen, and the acks of those commands: waited for until there are two of each.
/// An ack is told by its command, since the last ones of a connection's earlier life may still be on their way.
async fn setups(lab: &Lab, id: &ConnectionId, since: Instant) -> (usize, Vec<CommandAck>) {
    let look = |seen: &Seen| {
        let commands: Vec<&CommandId> =
            seen.setups(id, since).filter_map(|command| command.command_id.as_ref()).collect();
        let of_these = |ack: &&CommandAck| commands.contains(&&ack.command_id);
        let acks: Vec<CommandAck> = seen.acks_of(id, since).filter(of_these).cloned().collect();
        (commands.len(), acks)
    };
    let both = |seen: &Seen| Some(look(seen)).filter(|(commands, acks)| *commands >= 2 && acks.len() >= 2);
    match lab.observer.wait_for(PATIENCE, both).await {
        Some(found) => found,
        None => lab.observer.look(look),
    }
}

/// A telemetry sample of each end, with light in it.
async fn samples(lab: &Lab, id: &ConnectionId, since: Instant, say: &mut Narrator) {
    let found = lab
        .observer
        .wait_for(PATIENCE, |seen| {
            let lit: Vec<_> = seen.samples(id, since).filter(|sample| sample.fields.osnr.is_some()).collect();
            let agents: BTreeSet<_> = lit.iter().map(|sample| &sample.agent_id).collect();
            (agents.len() == 2).then(|| lit.iter().map(|sample| (*sample).clone()).collect::<Vec<_>>())
        })
        .await;
    let Some(samples) = found else {
        say.expect(
            &format!("{id}_telemetry"),
            false,
            format!("{id}: no telemetry with light from both ends"),
        );
        return;
    };
    for sample in samples.iter().rev().take(2) {
        let fields = &sample.fields;
        say.tell(format!(
            "{id}: {} measures rx {}, OSNR {}, pre-FEC BER {}",
            sample.agent_id,
            fields.rx_power.map_or_else(|| "-".to_owned(), |p| p.to_string()),
            fields.osnr.map_or_else(|| "-".to_owned(), |p| p.to_string()),
            fields.ber.map_or_else(|| "-".to_owned(), |p| p.to_string()),
        ));
    }
    say.expect(&format!("{id}_telemetry"), true, format!("{id}: telemetry with light from both ends"));
    say.observe(&format!("{id}_samples"), &samples, format!("{id}: {} samples so far", samples.len()));
}

/// No spectrum has two owners on any link.
async fn no_overlap(lab: &Lab, lit: &[Lit], say: &mut Narrator) {
    let mut slots = Vec::new();
    for which in lit {
        if let Ok(Some(grant)) = lab.db.grant(&which.grant).await {
            slots.push((
                grant.path.hops.iter().map(|hop| hop.link.clone()).collect::<BTreeSet<_>>(),
                grant.slot,
            ));
        }
    }
    let clash = slots.iter().enumerate().any(|(i, (links, slot))| {
        slots.iter().skip(i + 1).any(|(others, other)| {
            let near = slot.n.abs_diff(other.n) < u32::from(slot.m) + u32::from(other.m);
            near && !links.is_disjoint(others)
        })
    });
    say.expect(
        "no_overlap",
        !clash && slots.len() == lit.len(),
        "no slot of a link has two owners in LinkDB",
    );
}
