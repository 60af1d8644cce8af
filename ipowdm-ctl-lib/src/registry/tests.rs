use super::*;
use ipowdm_core::capability::PowerRange;
use ipowdm_core::ids::VopId;
use ipowdm_core::units::Power;

const START: Millis = Millis(1_000_000);

fn router() -> RouterRef {
    RouterRef { pop_id: "pop1".parse().unwrap(), router_id: "router1".parse().unwrap() }
}

fn agent() -> AgentId {
    router().default_agent()
}

fn port() -> PortId {
    "Ethernet48".parse().unwrap()
}

fn interface(present: bool, serial: &str) -> InterfaceHealth {
    serde_json::from_value(serde_json::json!({
        "port_id": "Ethernet48", "present": present, "operational": present, "serial": serial
    }))
    .unwrap()
}

fn health(interfaces: Vec<InterfaceHealth>) -> AgentHealth {
    AgentHealth {
        v: 1,
        agent_id: agent(),
        pop_id: router().pop_id,
        router_id: router().router_id,
        virtual_operator: VopId::new("vOp2").unwrap(),
        status: HealthStatus::Healthy,
        timestamp: Timestamp(0),
        uptime: 12.5,
        boot_id: Some(1),
        epoch: None,
        emulated: true,
        interfaces,
        issues: Vec::new(),
    }
}

fn capabilities(tx_power: Option<PowerRange>) -> Capabilities {
    let module =
        ModuleCapability { grids: heapless::Vec::new(), tx_power, applications: heapless::Vec::new() };
    Capabilities {
        v: 1,
        agent_id: agent(),
        pop_id: router().pop_id,
        router_id: router().router_id,
        virtual_operator: VopId::new("vOp2").unwrap(),
        timestamp: Timestamp(0),
        interfaces: vec![InterfaceCapability {
            port_id: port(),
            vendor: None,
            part_number: None,
            frequency_range: None,
            tx_power_range: None,
            capability: Some(module),
        }],
    }
}

fn presence(registry: &Registry) -> Presence {
    registry.agent(&agent()).unwrap().presence
}

fn moved(from: Presence, to: Presence) -> Change {
    Change::Presence { agent: agent(), from, to }
}

#[test]
fn s0_10_silence_makes_an_agent_stale_then_unknown_and_a_heartbeat_brings_it_back() {
    let mut registry = Registry::new(Patience::default());
    let changes = registry.health(START, Timestamp(0), &health(vec![]));
    assert_eq!(changes, [Change::Joined(agent()), moved(Presence::Stale, Presence::Online)]);
    assert_eq!(registry.tick(START.plus(59_999), |_| false), []);
    assert_eq!(registry.tick(START.plus(60_000), |_| false), [moved(Presence::Online, Presence::Stale)]);
    assert_eq!(registry.tick(START.plus(89_999), |_| false), []);
    assert_eq!(registry.tick(START.plus(90_000), |_| false), [moved(Presence::Stale, Presence::Unknown)]);
    let changes = registry.health(START.plus(95_000), Timestamp(0), &health(vec![]));
    assert_eq!(changes, [moved(Presence::Unknown, Presence::Online)]);
}

#[test]
fn s0_10_any_message_counts_as_a_sign_of_life() {
    let mut registry = Registry::new(Patience::default());
    registry.health(START, Timestamp(0), &health(vec![]));
    let mut changes = Vec::new();
    registry.heard(START.plus(50_000), Timestamp(1), &agent(), &router(), &mut changes);
    assert_eq!(changes, []);
    assert_eq!(registry.tick(START.plus(100_000), |_| false), []);
    assert_eq!(presence(&registry), Presence::Online);
}

#[test]
fn s0_10_an_agent_is_never_forgotten_while_it_owns_a_connection() {
    let mut registry = Registry::new(Patience::default());
    registry.health(START, Timestamp(0), &health(vec![]));
    registry.tick(START.plus(10_000_000), |_| true);
    assert_eq!(presence(&registry), Presence::Unknown);
    assert_eq!(registry.tick(START.plus(10_000_000), |_| false), [Change::Forgotten(agent())]);
    assert!(registry.agent(&agent()).is_none());
}

#[test]
fn an_expected_agent_that_is_not_heard_becomes_unknown_and_stays() {
    let mut registry = Registry::new(Patience::default());
    registry.expect(START, &agent(), &router());
    assert_eq!((presence(&registry), registry.agent(&agent()).unwrap().last_seen), (Presence::Stale, None));
    assert_eq!(registry.tick(START.plus(30_000), |_| false), [moved(Presence::Stale, Presence::Unknown)]);
    assert_eq!(registry.tick(START.plus(10_000_000), |_| false), []);
    registry.release(|_| false);
    assert_eq!(registry.tick(START.plus(10_000_000), |_| false), [Change::Forgotten(agent())]);
}

#[test]
fn a_clock_that_steps_back_changes_nothing() {
    let mut registry = Registry::new(Patience::default());
    registry.health(START, Timestamp(0), &health(vec![]));
    assert_eq!(registry.tick(Millis(0), |_| false), []);
    registry.health(Millis(0), Timestamp(0), &health(vec![]));
    assert_eq!(registry.tick(START.plus(59_999), |_| false), []);
}

#[test]
fn modules_that_go_come_and_are_exchanged_are_told_once() {
    let mut registry = Registry::new(Patience::default());
    let mut next = |present, serial: &str| {
        let changes = registry.health(START, Timestamp(0), &health(vec![interface(present, serial)]));
        changes
            .into_iter()
            .filter(|change| !matches!(change, Change::Joined(_) | Change::Presence { .. }))
            .collect::<Vec<_>>()
    };
    let (router, port) = (router(), port());
    let present = Change::ModulePresent { router: router.clone(), port: port.clone() };
    assert_eq!(next(true, "A"), [present], "it may have been away while nobody listened");
    assert_eq!(next(true, "A"), []);
    let swapped = Change::ModuleSwapped { router: router.clone(), port: port.clone() };
    assert_eq!(next(true, "B"), [swapped]);
    let removed = Change::ModuleRemoved { router: router.clone(), port: port.clone() };
    assert_eq!(next(false, "B"), [removed]);
    assert_eq!(next(false, "B"), []);
    assert_eq!(next(true, "B"), [Change::ModulePresent { router, port }]);
}

#[test]
fn a_module_that_is_missing_from_the_first_heartbeat_on_is_told() {
    let mut registry = Registry::new(Patience::default());
    let changes = registry.health(START, Timestamp(0), &health(vec![interface(false, "A")]));
    assert!(changes.contains(&Change::ModuleRemoved { router: router(), port: port() }));
}

#[test]
fn capabilities_are_kept_and_told_when_they_change() {
    let mut registry = Registry::new(Patience::default());
    let told = Change::Capability { router: router(), port: port() };
    assert!(registry.capabilities(START, Timestamp(0), &capabilities(None)).contains(&told));
    assert_eq!(registry.capabilities(START, Timestamp(0), &capabilities(None)), []);
    let range = PowerRange { min: Power::from_hundredths(-1500), max: Power::from_hundredths(0) };
    assert_eq!(registry.capabilities(START, Timestamp(0), &capabilities(Some(range))), [told]);
    let agent = registry.at(&router()).unwrap();
    assert_eq!(agent.interfaces[&port()].module().unwrap().tx_power, Some(range));
}

#[test]
fn epochs_and_restarts_are_told() {
    let mut registry = Registry::new(Patience::default());
    registry.health(START, Timestamp(0), &health(vec![]));
    let again = AgentHealth { boot_id: Some(2), epoch: Some(7), ..health(vec![]) };
    let changes = registry.health(START, Timestamp(0), &again);
    assert_eq!(changes, [Change::Restarted(agent()), Change::Epoch { agent: agent(), epoch: 7 }]);
}

#[test]
fn a_flood_of_ports_is_bounded_and_counted() {
    let mut registry = Registry::new(Patience::default());
    let interfaces = (0..MAX_PORTS + 5)
        .map(|n| InterfaceHealth { port_id: format!("Ethernet{n}").parse().unwrap(), ..interface(true, "A") })
        .collect();
    registry.health(START, Timestamp(0), &health(interfaces));
    assert_eq!(registry.agent(&agent()).unwrap().interfaces.len(), MAX_PORTS);
    assert_eq!(registry.dropped(), 5);
}

#[test]
fn what_an_agent_complains_of_is_kept_within_bounds() {
    let mut registry = Registry::new(Patience::default());
    let issues = vec!["x".repeat(100_000); 1_000];
    registry.health(START, Timestamp(0), &AgentHealth { issues, ..health(Vec::new()) });
    let kept = &registry.agent(&agent()).unwrap().issues;
    assert_eq!((kept.len(), kept[0].len()), (MAX_ISSUES, MAX_ISSUE));
}

fn told(changes: Vec<Change>) -> Vec<Change> {
    let presence = |change: &Change| matches!(change, Change::Joined(_) | Change::Presence { .. });
    changes.into_iter().filter(|change| !presence(change)).collect()
}

fn conflict(holder: &AgentId, claimant: &AgentId) -> Change {
    let port = PortRef { pop_id: router().pop_id, router_id: router().router_id, port_id: port() };
    Change::Conflict(Box::new(Conflict { port, holder: holder.clone(), claimant: claimant.clone() }))
}

/// In either order of arrival.
#[test]
fn the_agent_that_holds_the_assignment_speaks_for_its_ports_and_another_is_told_once() {
    let evil = AgentId::new("a-evil").unwrap();
    let claim = |present| AgentHealth { agent_id: evil.clone(), ..health(vec![interface(present, "E")]) };
    let lies = Capabilities { agent_id: evil.clone(), ..capabilities(None) };
    let range = PowerRange { min: Power::from_hundredths(-1500), max: Power::from_hundredths(0) };

    let mut registry = Registry::new(Patience::default());
    registry.health(START, Timestamp(0), &health(vec![interface(true, "A")]));
    registry.capabilities(START, Timestamp(0), &capabilities(Some(range)));
    let first = told(registry.health(START.plus(1), Timestamp(0), &claim(false)));
    assert_eq!(first, [conflict(&agent(), &evil)], "and no module is removed");
    assert_eq!(told(registry.health(START.plus(2), Timestamp(0), &claim(false))), [], "once");
    assert_eq!(told(registry.capabilities(START.plus(3), Timestamp(0), &lies)), []);
    let at = registry.at(&router()).unwrap();
    assert_eq!((&at.agent_id, at.interfaces[&port()].module().unwrap().tx_power), (&agent(), Some(range)));
    let port_ref = PortRef { pop_id: router().pop_id, router_id: router().router_id, port_id: port() };
    assert_eq!(registry.claimants(&port_ref).collect::<Vec<_>>(), [&evil]);

    let mut registry = Registry::new(Patience::default());
    registry.health(START, Timestamp(0), &claim(false));
    assert_eq!(registry.at(&router()).unwrap().agent_id, evil, "nobody else is there yet");
    let back = Change::ModulePresent { router: router(), port: port() };
    assert_eq!(told(registry.health(START, Timestamp(0), &health(vec![interface(true, "A")]))), [back]);
    assert_eq!(registry.at(&router()).unwrap().agent_id, agent());
    assert_eq!(told(registry.health(START, Timestamp(0), &claim(false))), [conflict(&agent(), &evil)]);
    // It stays the holder in silence: that its switch is away makes nobody else right.
    registry.tick(START.plus(80_000), |_| true);
    registry.health(START.plus(80_000), Timestamp(0), &claim(true));
    registry.tick(START.plus(100_000), |_| true);
    assert_eq!(registry.at(&router()).unwrap().agent_id, agent());
}

#[test]
fn of_two_agents_without_the_assignment_the_one_that_is_heard_then_the_lower_id_leads() {
    let named = |id: &str, port| AgentHealth { agent_id: AgentId::new(id).unwrap(), ..health(port) };
    let mut registry = Registry::new(Patience::default());
    registry.expect(START, &agent(), &router());
    registry.health(START, Timestamp(0), &named("b", vec![]));
    registry.health(START.plus(1), Timestamp(0), &named("a", vec![]));
    registry.health(START.plus(2), Timestamp(0), &named("b", vec![]));
    assert_eq!(registry.at(&router()).unwrap().agent_id.as_str(), "a", "not whoever spoke last");
    registry.health(START.plus(50_000), Timestamp(0), &named("b", vec![]));
    registry.tick(START.plus(60_001), |_| true);
    assert_eq!(registry.at(&router()).unwrap().agent_id.as_str(), "b", "the other is silent");
}

#[test]
fn a_message_that_describes_a_port_twice_is_a_conflict_and_its_first_description_counts() {
    let mut registry = Registry::new(Patience::default());
    let same = vec![interface(true, "A"), interface(true, "A")];
    let present = Change::ModulePresent { router: router(), port: port() };
    assert_eq!(told(registry.health(START, Timestamp(0), &health(same))), [present]);
    let twice = vec![interface(true, "A"), interface(false, "B"), interface(true, "A")];
    assert_eq!(told(registry.health(START, Timestamp(0), &health(twice))), [conflict(&agent(), &agent())]);
    let known = registry.agent(&agent()).unwrap().interfaces[&port()].health.clone().unwrap();
    assert_eq!((known.present, known.serial.as_deref()), (true, Some("A")));

    let mut twice = capabilities(None);
    let other = InterfaceCapability { capability: None, ..twice.interfaces[0].clone() };
    twice.interfaces.push(other);
    let changes = told(registry.capabilities(START, Timestamp(0), &twice));
    let learned = Change::Capability { router: router(), port: port() };
    assert_eq!(changes, [learned, conflict(&agent(), &agent())]);
    assert!(registry.agent(&agent()).unwrap().interfaces[&port()].module().is_some());
}

#[test]
fn an_agent_is_asked_until_its_ports_are_described_and_anew_in_another_life() {
    let other = PortRef { pop_id: router().pop_id, router_id: router().router_id, port_id: port() };
    let mut registry = Registry::new(Patience::default()).with_ports(&[other]);
    registry.expect(START, &agent(), &router());
    assert_eq!(registry.to_ask(START.plus(60_000)), [], "nobody is there to be asked");
    let mut now = START;
    registry.health(now, Timestamp(0), &health(vec![]));
    let mut waits = Vec::new();
    let mut last = now;
    for _ in 0..3_000 {
        now = now.plus(1_000);
        registry.health(now, Timestamp(0), &health(vec![]));
        if registry.to_ask(now) == [agent()] {
            waits.push(now.since(last) / 1_000);
            last = now;
        }
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300], "growing, bounded, and not for ever");
    registry.health(now, Timestamp(0), &AgentHealth { boot_id: Some(2), ..health(vec![]) });
    assert_eq!(registry.to_ask(now.plus(4_999)), [], "it reports by itself");
    assert_eq!(registry.to_ask(now.plus(5_000)), [agent()]);
    registry.capabilities(now.plus(5_001), Timestamp(0), &capabilities(None));
    assert_eq!(registry.to_ask(now.plus(50_000)), [], "answered");

    let another = AgentHealth { boot_id: Some(3), ..health(vec![]) };
    registry.health(now.plus(50_000), Timestamp(0), &another);
    assert_eq!(registry.to_ask(now.plus(55_000)), [agent()], "what was known is of its earlier life");
    let nothing = Capabilities { interfaces: vec![], ..capabilities(None) };
    registry.capabilities(now.plus(55_001), Timestamp(0), &nothing);
    assert_eq!(registry.to_ask(now.plus(65_000)), [], "its ports are known from before");
}
