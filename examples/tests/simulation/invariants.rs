//! What must hold, whatever has gone wrong.

use super::world::{TENANTS, World, ports_of, vop};
use ipowdm_core::grid::CHANNEL_ROUNDING_MHZ;
use ipowdm_core::ids::PortRef;
use ipowdm_core::msg::{AckStatus, Outcome};
use ipowdm_ctl_lib::connection::{Ends, Light, State};
use ipowdm_ctl_lib::controller::ConnectionView;
use ipowdm_ctl_lib::linkdb::TopologyView;
use ipowdm_ctl_lib::store::{OutboxRecord, Prefix};
use std::collections::{BTreeMap, BTreeSet};

/// The invariants, as the tests print them.
pub(crate) const LIST: [(&str, &str); 13] = [
    ("I1", "at any time: no slot of a link, and no port, has two owners; grants and spectrum tell the same"),
    ("I2", "at rest: the grants are those of the connections that hold, each of one life"),
    ("I3", "at rest: no laser shines without an owner, and none beside its owner's channel"),
    (
        "I4",
        "ACTIVE only after both ends have answered a set-up of this life of the connection with what was read back",
    ),
    ("I5", "at rest: both modules of a connection that is ACTIVE shine on its channel"),
    ("I6", "a command has one outcome at a port, however often it is answered"),
    ("I7", "no agent obeys an epoch after a later one of the same virtual operator at the same port"),
    ("I8", "at rest: nothing is in progress, and every operation has ended"),
    ("I9", "at rest: the outbox is empty"),
    ("I11", "no command, answer, grant or heartbeat of a virtual operator is about another's port"),
    (
        "I12",
        "an epoch of a virtual operator is one instance's, and of instances that stand by at most one commands at any time",
    ),
    ("I13", "the last instance left commands within its lease and 3 s"),
    ("I10", "after everything was taken down: nothing is held, everything is dark, usage is zero"),
];

/// What was found to be violated.
#[derive(Debug, Default)]
pub(crate) struct Violations(pub(crate) Vec<String>);

impl Violations {
    pub(crate) fn claim(&mut self, holds: bool, invariant: &str, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(format!("{invariant}: {}", what()));
        }
    }
}

/// I1, which holds between any two commits.
pub(crate) async fn at_any_time(world: &World, found: &mut Violations) {
    let view = world.linkdb.topology().await.unwrap();
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut ports: BTreeMap<String, String> = BTreeMap::new();
    for grant in &view.grants {
        let owner = grant.owner().to_string();
        for hop in &grant.path.hops {
            let slot = format!("{owner} {:?}", grant.slot);
            expected.entry(hop.link.to_string()).or_default().insert(slot);
        }
        for port in grant.ports() {
            let before = ports.insert(port.to_string(), owner.clone());
            found.claim(before.is_none(), "I1", || format!("{port} is {owner}'s and {before:?}'s"));
        }
    }
    for status in &view.ports {
        let (at, by) = (status.port.at.to_string(), status.occupied_by.as_ref().map(ToString::to_string));
        found.claim(by.as_ref() == ports.get(&at), "I1", || format!("{at} is occupied by {by:?}"));
    }
    for link in &view.links {
        let map = world.linkdb.spectrum(&link.id).await.unwrap();
        for pair in map.owners.windows(2) {
            let ends = |slot: &ipowdm_ctl_lib::spectrum::SlotOwner| {
                (slot.slot.n * 2 - i32::from(slot.slot.m) * 2, slot.slot.n * 2 + i32::from(slot.slot.m) * 2)
            };
            let apart = ends(&pair[0]).1 <= ends(&pair[1]).0;
            found.claim(apart, "I1", || format!("{pair:?} overlap on {}", link.id));
        }
        let owners: BTreeSet<String> =
            map.owners.iter().map(|slot| format!("{} {:?}", slot.owner, slot.slot)).collect();
        let expected = expected.remove(link.id.as_str()).unwrap_or_default();
        found.claim(owners == expected, "I1", || format!("{}: {owners:?}, grants {expected:?}", link.id));
    }
}

/// I2 … I9 of a world that has come to rest.
pub(crate) async fn at_rest(world: &World, found: &mut Violations) {
    at_any_time(world, found).await;
    let connections: Vec<ConnectionView> = world.connections().into_iter().map(|(_, view)| view).collect();
    let holding: BTreeSet<String> =
        connections.iter().filter(|view| view.holds_grant).map(|view| view.grant_id.clone()).collect();
    let topology = world.linkdb.topology().await.unwrap();
    let granted: BTreeSet<String> =
        topology.grants.iter().map(|grant| grant.request.connection_id.to_string()).collect();
    found.claim(holding == granted, "I2", || format!("holding {holding:?}, granted {granted:?}"));
    lasers(world, &connections, found);
    for view in &connections {
        let resting = matches!(view.state, State::Active | State::Degraded) || !view.holds_grant;
        found.claim(resting, "I8", || format!("{} is {}", view.connection_id, view.state));
        let running = view.operation.as_ref().is_some_and(|operation| !operation.has_ended());
        found.claim(!running, "I8", || format!("{}: {:?}", view.connection_id, view.operation));
    }
    let mut snapshot = world.linkdb.store().snapshot().await.unwrap();
    let waiting = snapshot.scan(&Prefix::<OutboxRecord>::all()).await.unwrap().len();
    found.claim(waiting == 0, "I9", || format!("{waiting} messages wait"));
    of_commands(world, found);
    of_isolation(world, &topology, found);
}

/// I3 and I5.
fn lasers(world: &World, connections: &[ConnectionView], found: &mut Violations) {
    for (port, plugged) in &world.modules {
        let light = plugged.light();
        let owner = connections
            .iter()
            .filter(|view| view.holds_grant)
            .find(|view| Ends::<()>::BOTH.into_iter().any(|end| view.ends.get(end).port == *port));
        let beside = |view: &&ConnectionView| {
            light.is_some_and(|light| light.distance(view.frequency) > CHANNEL_ROUNDING_MHZ)
        };
        match owner {
            None => {
                found.claim(light.is_none(), "I3", || format!("{port} shines at {light:?}, without owner"))
            }
            Some(view) => {
                let (id, state) = (&view.connection_id, view.state);
                found.claim(!beside(&view), "I3", || format!("{port} of {id} shines at {light:?}"));
                let dark = state == State::Active && light.is_none();
                found.claim(!dark, "I5", || format!("{port} of {id} is dark, and {id} ACTIVE"));
            }
        }
    }
}

/// I4 of the connections that are seen ACTIVE: each end has answered a set-up of this life of the connection.
pub(crate) fn of_active(world: &World, found: &mut Violations) {
    let answers = world.tap.answers();
    for (tenant, view) in world.connections() {
        if view.state != State::Active {
            continue;
        }
        let (id, life) = (&view.connection_id, format!("{:x}", view.incarnation.0.get()));
        found.claim(view.verified_at.is_some(), "I4", || format!("{id} is ACTIVE and was not verified"));
        for end in Ends::<()>::BOTH {
            let end = view.ends.get(end);
            let answered = answers.iter().any(|answer| {
                // `<connection>.<life of the operator>.<life>.<start>.<number>`
                answer.vop == TENANTS[tenant]
                    && answer.connection.as_ref() == Some(id)
                    && answer.port.as_ref() == Some(&end.port.port_id)
                    && answer.action == "setupConnection"
                    && answer.command.as_str().rsplit('.').nth(2) == Some(&life)
                    && answer.outcome.status() == AckStatus::Success
            });
            found.claim(answered, "I4", || format!("{id} is ACTIVE, {} has not answered", end.port));
            found.claim(end.light == Light::Lit, "I4", || format!("{id}: {} is {:?}", end.port, end.light));
        }
    }
}

/// I11 and the first part of I12.
fn of_isolation(world: &World, topology: &TopologyView, found: &mut Violations) {
    let own: BTreeMap<&str, BTreeSet<PortRef>> = (0..world.controllers.len())
        .map(|tenant| (TENANTS[tenant], ports_of(tenant).into_iter().collect()))
        .collect();
    let theirs = |vop: &str, port: &PortRef| own.get(vop).is_some_and(|ports| ports.contains(port));
    let mut epochs: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    for (id, sent) in world.tap.commands() {
        for port in &sent.ports {
            found.claim(theirs(&sent.vop, port), "I11", || format!("{id} of {} is about {port}", sent.vop));
        }
        let start = id.as_str().rsplit('.').nth(1).unwrap_or_default().to_owned();
        epochs.entry((sent.vop, sent.epoch)).or_default().insert(start);
    }
    for answer in world.tap.answers() {
        let of = |port: &PortRef| {
            Some(&port.port_id) == answer.port.as_ref() && port.router().default_agent() == answer.agent
        };
        let own = answer.port.is_none() || own[answer.vop.as_str()].iter().any(of);
        // A command about another's port is refused, and that is answered.
        let refused = answer.outcome == Outcome::Rejected;
        found.claim(own || refused, "I11", || format!("{answer:?}"));
    }
    for (vop, port) in world.tap.shown() {
        found.claim(theirs(&vop, &port), "I11", || format!("{port} is shown to {vop}"));
    }
    for grant in &topology.grants {
        let vop = grant.request.vop.as_str();
        for port in grant.ports() {
            found.claim(theirs(vop, port), "I11", || format!("{vop} holds {port}"));
        }
    }
    for ((vop, epoch), starts) in epochs {
        found.claim(starts.len() == 1, "I12", || format!("epoch {epoch} of {vop} is of {starts:?}"));
    }
}

/// The second part of I12: of a virtual operator whose instances all stand by.
pub(crate) fn of_instances(world: &World, found: &mut Violations) {
    for (tenant, instances) in TENANTS.iter().zip(&world.controllers).skip(1) {
        let commands =
            |running: &&super::world::Running| running.handle().is_some_and(|handle| handle.commands());
        let count = instances.iter().filter(commands).count();
        found.claim(count <= 1, "I12", || format!("{count} instances of {tenant} command"));
    }
}

/// I6 and I7.
fn of_commands(world: &World, found: &mut Violations) {
    found.0.extend(world.tap.contradictions().into_iter().map(|text| format!("I6: {text}")));
    let commands = world.tap.commands();
    let mut highest = BTreeMap::new();
    for answer in world.tap.answers() {
        let worked = !matches!(answer.outcome, Outcome::Rejected | Outcome::StaleEpoch | Outcome::Expired);
        let Some(sent) = commands.get(&answer.command).filter(|_| worked) else { continue };
        let before = highest
            .entry((answer.vop.clone(), answer.agent.clone(), answer.port.clone()))
            .or_insert(sent.epoch);
        let (highest, epoch) = (*before, sent.epoch);
        found.claim(epoch >= highest, "I7", || {
            format!(
                "{} obeys {} {} of epoch {epoch} after {highest}",
                answer.agent, sent.action, answer.command
            )
        });
        *before = highest.max(epoch);
    }
}

/// I10, once everything was taken down.
pub(crate) async fn all_released(world: &World, found: &mut Violations) {
    let view = world.linkdb.topology().await.unwrap();
    found.claim(view.grants.is_empty(), "I10", || format!("grants are left: {:?}", view.grants));
    for (link, figures) in world.linkdb.utilisations().await.unwrap() {
        let used = figures.used_a_to_b + figures.used_b_to_a;
        found.claim(used == 0, "I10", || format!("{used} steps of {link} are taken"));
    }
    for (port, plugged) in &world.modules {
        found.claim(plugged.light().is_none(), "I10", || format!("{port} shines"));
    }
    for tenant in 0..world.controllers.len() {
        let (linkdb, vop) = (world.linkdb.clone(), vop(tenant));
        let usage = world.linkdb.store().transact(|tx| linkdb.usage_in(tx, &vop)).await.unwrap();
        found.claim(usage == Default::default(), "I10", || format!("{vop}: {usage:?}"));
    }
}
