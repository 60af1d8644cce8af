//! What must hold, whatever has gone wrong.

use super::world::{World, vop};
use ipowdm_core::grid::CHANNEL_ROUNDING_MHZ;
use ipowdm_core::msg::{AckStatus, Outcome};
use ipowdm_ctl_lib::connection::{Ends, Light, State};
use ipowdm_ctl_lib::controller::ConnectionView;
use ipowdm_ctl_lib::store::{OutboxRecord, Prefix};
use std::collections::{BTreeMap, BTreeSet};

/// The invariants, as the tests print them.
pub(crate) const LIST: [(&str, &str); 10] = [
    ("I1", "at any time: no slot of a link, and no port, has two owners; grants and spectrum tell the same"),
    ("I2", "at rest: the grants are those of the connections that hold, each of one life"),
    ("I3", "at rest: no laser shines without an owner, and none beside its owner's channel"),
    ("I4", "ACTIVE only after both ends have answered a command of the set-up with what was read back"),
    ("I5", "at rest: both modules of a connection that is ACTIVE shine on its channel"),
    ("I6", "a command has one outcome at a port, however often it is answered"),
    ("I7", "no agent obeys an epoch after a later one at the same port"),
    ("I8", "at rest: nothing is in progress, and every operation has ended"),
    ("I9", "at rest: the outbox is empty"),
    ("I10", "after everything was taken down: nothing is held, everything is dark, usage is zero"),
];

/// What was found to be violated.
#[derive(Debug, Default)]
pub(crate) struct Violations(pub(crate) Vec<String>);

impl Violations {
    fn claim(&mut self, holds: bool, invariant: &str, what: impl FnOnce() -> String) {
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
    let connections = world.controller().unwrap().connections(None).unwrap();
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

/// I4 of one connection that is seen ACTIVE: each end has answered a set-up of this connection.
pub(crate) fn of_active(world: &World, found: &mut Violations) {
    let Some(controller) = world.controller() else { return };
    let answers = world.tap.answers();
    for view in controller.connections(Some(State::Active)).unwrap() {
        let id = &view.connection_id;
        found.claim(view.verified_at.is_some(), "I4", || format!("{id} is ACTIVE and was not verified"));
        for end in Ends::<()>::BOTH {
            let end = view.ends.get(end);
            let answered = answers.iter().any(|answer| {
                answer.connection.as_ref() == Some(id)
                    && answer.port.as_ref() == Some(&end.port.port_id)
                    && answer.action == "setupConnection"
                    && answer.outcome.status() == AckStatus::Success
            });
            found.claim(answered, "I4", || format!("{id} is ACTIVE, {} has not answered", end.port));
            found.claim(end.light == Light::Lit, "I4", || format!("{id}: {} is {:?}", end.port, end.light));
        }
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
        let before = highest.entry((answer.agent.clone(), answer.port.clone())).or_insert(sent.epoch);
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
    let linkdb = world.linkdb.clone();
    let usage = world.linkdb.store().transact(|tx| linkdb.usage_in(tx, &vop())).await.unwrap();
    found.claim(usage == Default::default(), "I10", || format!("{usage:?}"));
}
