//! The comparison.

use super::Report;
use super::ask::Heard;
use super::finding::Finding;
use super::stored::Stored;
use crate::connection::Ends;
use crate::controller::StoredConnection;
use crate::linkdb::Grant;
use crate::spectrum::Occupant;
use ipowdm_core::grid::LASER_TOLERANCE_MHZ;
use ipowdm_core::ids::{ConnectionId, PortRef, VopId};
use ipowdm_core::msg::{DATA_PATH_ACTIVATED, DATA_PATH_DARK, InterfaceHealth};
use std::collections::{BTreeMap, BTreeSet};

/// What each port's agent says of it.
type Seen<'a> = BTreeMap<PortRef, &'a InterfaceHealth>;

/// Compares; what is not the same `before` and `after` is not judged.
pub(super) fn judge(before: &Stored, after: &Stored, heard: &Heard) -> Report {
    let mut findings = Vec::new();
    let seen = seen(heard);
    let moving = moving(before, after);
    served(before, heard, &mut findings);
    modules(after, &seen, &moving, &mut findings);
    unowned(after, &seen, &moving, &mut findings);
    records(after, &mut findings);
    assignments(after, &mut findings);
    let in_motion = moving.len();
    let (vops, connections) = (after.vops.len(), after.connections.len());
    Report { vops, connections, ports: seen.len(), in_motion, findings }
}

fn seen(heard: &Heard) -> Seen<'_> {
    let said = heard.values().flat_map(|said| {
        said.interfaces.iter().map(|interface| {
            let (pop_id, router_id) = (said.pop_id.clone(), said.router_id.clone());
            (PortRef { pop_id, router_id, port_id: interface.port_id.clone() }, interface)
        })
    });
    said.collect()
}

/// Ports of connections that were written meanwhile, or of which something is under way.
fn moving(before: &Stored, after: &Stored) -> BTreeSet<PortRef> {
    let changed = |id: &(VopId, ConnectionId), connection: &StoredConnection, other: &Stored| {
        let same = other.connections.get(id).is_some_and(|there| there.revision == connection.revision);
        !same || (connection.holds_grant && !connection.state.is_up() && !connection.state.is_over())
    };
    let of = |one: &Stored, other: &Stored| {
        let changing = one.connections.iter().filter(|(id, connection)| changed(id, connection, other));
        changing.flat_map(|(_, connection)| ports(connection)).collect::<Vec<_>>()
    };
    of(before, after).into_iter().chain(of(after, before)).collect()
}

fn ports(connection: &StoredConnection) -> [PortRef; 2] {
    [connection.ports.source.clone(), connection.ports.destination.clone()]
}

/// Grants of ports against what agents serve.
fn served(stored: &Stored, heard: &Heard, findings: &mut Vec<Finding>) {
    for (vop, _) in &stored.vops {
        let mut by_agent: BTreeMap<_, BTreeSet<PortRef>> = BTreeMap::new();
        for port in &vop.request.ports {
            by_agent.entry(port.router().default_agent()).or_default().insert(port.clone());
        }
        for (agent, granted) in by_agent {
            let key = (vop.id().clone(), agent);
            let Some(said) = heard.get(&key) else {
                let (vop, agent) = key;
                findings.push(Finding::Silent { vop, agent });
                continue;
            };
            let (vop, agent) = key;
            let interfaces = said.interfaces.iter().map(|interface| PortRef {
                pop_id: said.pop_id.clone(),
                router_id: said.router_id.clone(),
                port_id: interface.port_id.clone(),
            });
            let serves: BTreeSet<PortRef> = interfaces.collect();
            for port in granted.symmetric_difference(&serves) {
                let (vop, agent, port) = (vop.clone(), agent.clone(), port.clone());
                findings.push(Finding::Served { vop, agent, serves: serves.contains(&port), port });
            }
        }
    }
}

/// Connections that are up against their modules.
fn modules(stored: &Stored, seen: &Seen<'_>, moving: &BTreeSet<PortRef>, findings: &mut Vec<Finding>) {
    for connection in stored.connections.values().filter(|connection| connection.state.is_up()) {
        for end in Ends::<()>::BOTH {
            let (port, wanted) = (connection.ports.get(end), connection.wanted.get(end));
            let Some(found) = seen.get(port).filter(|_| !moving.contains(port)) else { continue };
            let (id, port) = (connection.id.clone(), port.clone());
            if !found.present {
                findings.push(Finding::Absent { connection: id, port });
                continue;
            }
            if found.connection_id.as_ref() != Some(&id) {
                let (connection, found) = (id.clone(), found.connection_id.clone());
                findings.push(Finding::Serves { connection, port: port.clone(), found });
            }
            let state = found.data_path_state.as_deref().map(|state| state == DATA_PATH_ACTIVATED);
            if state.or(found.operational) != Some(true) || found.admin_up == Some(false) {
                findings.push(Finding::Dark { connection: id.clone(), port: port.clone() });
            }
            let tuned =
                |got: ipowdm_core::units::Frequency| got.distance(wanted.frequency) <= LASER_TOLERANCE_MHZ;
            if !found.frequency_mhz.is_some_and(tuned) {
                let (wanted, found) = (wanted.frequency, found.frequency_mhz);
                findings.push(Finding::Frequency {
                    connection: id.clone(),
                    port: port.clone(),
                    wanted,
                    found,
                });
            }
            if let Some(wanted) = wanted.tx_power.filter(|wanted| found.tx_power_dbm != Some(*wanted)) {
                findings.push(Finding::TxPower { connection: id, port, wanted, found: found.tx_power_dbm });
            }
        }
    }
}

/// Ports that shine, or serve something, and that no connection with a grant has.
fn unowned(stored: &Stored, seen: &Seen<'_>, moving: &BTreeSet<PortRef>, findings: &mut Vec<Finding>) {
    let holding = stored.connections.values().filter(|connection| connection.holds_grant);
    let owned: BTreeSet<PortRef> = holding.flat_map(ports).collect();
    for (port, found) in seen {
        let state = found.data_path_state.as_deref().map(|state| !DATA_PATH_DARK.contains(&state));
        let shines =
            found.present && found.admin_up != Some(false) && state.or(found.operational).unwrap_or(false);
        let busy = shines || (found.present && found.connection_id.is_some());
        if busy && !owned.contains(port) && !moving.contains(port) {
            findings.push(Finding::Unowned { port: port.clone(), serves: found.connection_id.clone() });
        }
    }
}

/// The store's records against each other, as of one version.
fn records(stored: &Stored, findings: &mut Vec<Finding>) {
    let governed: BTreeSet<&VopId> = stored.vops.iter().map(|(vop, _)| vop.id()).collect();
    for (id, grant) in &stored.grants {
        let (vop, connection) = (grant.request.vop.clone(), id.clone());
        let of = (vop.clone(), connection.clone());
        let known = stored.connections.get(&of).is_some_and(|connection| connection.holds_grant);
        // What was allocated through LinkDB for somebody without a controller is that one's own affair.
        if governed.contains(&vop) && !known && !grant.held {
            findings.push(Finding::Ungoverned { vop, connection });
        }
        if !stored.indexed.contains(&of) {
            let (vop, connection) = of;
            findings.push(Finding::Index { vop, connection });
        }
        holdings(stored, grant, findings);
        windows(stored, grant, findings);
    }
    for (vop, connection) in &stored.indexed {
        if stored.grants.get(connection).is_none_or(|grant| grant.request.vop != *vop) {
            findings.push(Finding::Index { vop: vop.clone(), connection: connection.clone() });
        }
    }
    for ((vop, id), connection) in &stored.connections {
        if connection.holds_grant && !stored.grants.contains_key(id) {
            findings.push(Finding::Ungranted { vop: vop.clone(), connection: connection.id.clone() });
        }
    }
    for (link, occupants) in &stored.links {
        for occupied in occupants {
            let Occupant::Connection(owner) = &occupied.by else { continue };
            let grant = stored.grants.get(&owner.connection_id).filter(|grant| grant.owner() == *owner);
            let passes = |grant: &&Grant| {
                grant.moving.is_some() || grant.path.hops.iter().any(|hop| hop.link == *link)
            };
            if grant.filter(passes).is_none() {
                let (connection, link) = (owner.connection_id.clone(), link.clone());
                findings.push(Finding::StraySlots { connection, link });
            }
        }
    }
    for (port, connection) in &stored.claims {
        let grant = stored.grants.get(connection);
        if grant.is_none_or(|grant| grant.moving.is_none() && !grant.ports().any(|granted| granted == port)) {
            let (connection, port) = (connection.clone(), port.clone());
            findings.push(Finding::StrayClaim { connection, port });
        }
    }
}

/// Whether a grant lies in its operator's windows on every link of its path, and of that to which it moves.
fn windows(stored: &Stored, grant: &Grant, findings: &mut Vec<Finding>) {
    let (vop, width_mhz) = (&grant.request.vop, grant.slot.width_mhz());
    let granted = stored.windows.get(vop);
    let to = grant.moving.as_ref().map(|moving| (&moving.to.path, moving.to.frequency));
    for (path, frequency) in core::iter::once((&grant.path, grant.frequency)).chain(to) {
        for hop in &path.hops {
            if !granted.is_some_and(|granted| granted.holds_on(&hop.link, frequency, width_mhz)) {
                let (vop, connection) = (vop.clone(), grant.request.connection_id.clone());
                findings.push(Finding::Outside { vop, connection, link: hop.link.clone(), frequency });
            }
        }
    }
}

/// Whether a grant's slots and ports are its own.
fn holdings(stored: &Stored, grant: &Grant, findings: &mut Vec<Finding>) {
    let owner = grant.owner();
    let holds = |by: &Occupant| matches!(by, Occupant::Connection(holder) if *holder == owner);
    for hop in &grant.path.hops {
        let occupants = stored.links.get(&hop.link).map_or(&[][..], Vec::as_slice);
        if !occupants.iter().any(|occupied| holds(&occupied.by)) {
            let connection = owner.connection_id.clone();
            findings.push(Finding::Slots { connection, link: hop.link.clone() });
        }
    }
    for port in grant.ports() {
        if stored.claims.get(port) != Some(&owner.connection_id) {
            let connection = owner.connection_id.clone();
            findings.push(Finding::Claim { connection, port: port.clone() });
        }
    }
}

/// The inventory's owners of ports against what virtual operators were activated with.
fn assignments(stored: &Stored, findings: &mut Vec<Finding>) {
    let mut granted: BTreeMap<&PortRef, &VopId> = BTreeMap::new();
    for (vop, _) in &stored.vops {
        granted.extend(vop.request.ports.iter().map(|port| (port, vop.id())));
    }
    let active: BTreeSet<&VopId> = stored.vops.iter().map(|(vop, _)| vop.id()).collect();
    let none = None;
    let all: BTreeSet<&PortRef> = stored.ports.keys().chain(granted.keys().copied()).collect();
    for port in all {
        let inventory = stored.ports.get(port).unwrap_or(&none);
        // Ports may be assigned to somebody who has no controller here.
        let foreign = inventory.as_ref().is_some_and(|vop| !active.contains(vop));
        let by_vop = granted.get(port).copied();
        if inventory.as_ref() != by_vop && !(foreign && by_vop.is_none()) {
            let (inventory, granted) = (inventory.clone(), by_vop.cloned());
            findings.push(Finding::Assignment { port: port.clone(), inventory, granted });
        }
    }
}
