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
    assert_eq!(next(true, "A"), []);
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
