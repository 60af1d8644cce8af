use super::*;
use crate::connection::State;
use crate::controller::ConnectionRequest;
use crate::spectrum::Quota;
use crate::testbed::{Behaviour, Testbed, calm, guide, id, port, power, vop};
use ipowdm_core::capability::PowerRange;
use ipowdm_core::error::Code;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::msg::Assignment;
use ipowdm_core::topics::ASSIGNMENTS;
use ipowdm_core::units::Frequency;

/// The assignments on the wire by agent, newest last; `None` is a tombstone.
async fn assignments(bed: &Testbed) -> BTreeMap<String, Vec<Option<Assignment>>> {
    let mut by_agent: BTreeMap<String, Vec<Option<Assignment>>> = BTreeMap::new();
    for record in bed.records(ASSIGNMENTS).await {
        let agent = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
        let assignment = record.value.map(|value| Assignment::from_json(&value).unwrap());
        by_agent.entry(agent).or_default().push(assignment);
    }
    by_agent
}

fn window(low: u32, high: u32) -> SpectrumWindow {
    SpectrumWindow { low: Frequency::from_mhz(low), high: Frequency::from_mhz(high) }
}

#[tokio::test(start_paused = true)]
async fn s0_01_activation_makes_the_three_topics_as_configured_before_it_returns() {
    let bed = Testbed::new().await;
    let Activation { vop: active, new, .. } = bed.slices().activate(Testbed::vop2()).await.unwrap();
    assert!(new);
    assert_eq!(active.phase, VopPhase::Active);
    let config = Testbed::slice_config();
    for (name, settings) in [
        ("config_vOp2", config.config),
        ("monitoring_vOp2", config.monitoring),
        ("health_vOp2", config.health),
    ] {
        let topic = bed.bus.describe_topic(name).await.unwrap().unwrap();
        assert_eq!(
            (topic.partitions, topic.replication),
            (settings.partitions, settings.replication),
            "{name}"
        );
        assert_eq!(topic.configs["retention.ms"], settings.retention_ms.to_string(), "{name}");
        assert_eq!(topic.configs["message.timestamp.type"], "LogAppendTime", "{name}");
    }
    assert_eq!(bed.bus.describe_topic("health_vOp2").await.unwrap().unwrap().partitions, 2);
    let assignments = bed.bus.describe_topic(ASSIGNMENTS).await.unwrap().unwrap();
    assert_eq!((assignments.partitions, assignments.configs["cleanup.policy"].as_str()), (1, "compact"));
}

#[tokio::test(start_paused = true)]
async fn s0_01_the_same_activation_again_is_the_same_result_and_recreates_nothing() {
    let bed = Testbed::new().await;
    let first = bed.slices().activate(Testbed::vop2()).await.unwrap().vop;
    bed.publish("monitoring_vOp2", "k", b"{}").await;
    let Activation { vop: second, new, .. } = bed.slices().activate(Testbed::vop2()).await.unwrap();
    assert!(!new);
    assert_eq!(second, first);
    assert_eq!(bed.records("monitoring_vOp2").await.len(), 1, "the topic was not made anew");
    let other = ActivationRequest { tenant_name: "Somebody".to_owned(), ..Testbed::vop2() };
    assert_eq!(bed.slices().activate(other).await.unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(bed.slices().list().await.unwrap().len(), 1);
    let topics = bed.slices().ensure_topics(&vop("vOp2")).await.unwrap();
    assert_eq!(
        topics.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>(),
        ["config_vOp2", "monitoring_vOp2", "health_vOp2"]
    );
}

#[tokio::test(start_paused = true)]
async fn agents_are_told_what_they_serve_with_rising_revisions() {
    let bed = Testbed::new().await;
    let limits = PowerRange { min: power(-1200), max: power(-100) };
    let request = ActivationRequest {
        windows: Some(vec![window(193_000_000, 194_000_000)]),
        tx_power: Some(limits),
        telemetry_interval_ms: Some(1_000),
        ..Testbed::vop2()
    };
    bed.slices().activate(request).await.unwrap();
    let shared = ActivationRequest::new(vop("vOp1"), "Tenant 1", vec![port("pop1/router2/Ethernet48")]);
    bed.slices().activate(shared).await.unwrap();
    calm().await;
    let told = assignments(&bed).await;
    assert_eq!(
        told.keys().map(String::as_str).collect::<Vec<_>>(),
        ["pop1-router1", "pop1-router2", "pop2-router1", "pop3-router1"]
    );
    let first = told["pop1-router1"][0].clone().unwrap();
    assert_eq!((first.revision, first.vops.len()), (1, 1));
    let of_vop2 = &first.vops[0];
    assert_eq!((of_vop2.telemetry_interval_ms, of_vop2.health_interval_ms), (1_000, 30_000));
    assert_eq!(of_vop2.incarnation, bed.slices().describe(&vop("vOp2")).await.unwrap().vop.incarnation);
    assert_eq!(
        of_vop2.ports.iter().map(|grant| grant.port_id.as_str()).collect::<Vec<_>>(),
        ["Ethernet48", "Ethernet56"]
    );
    assert_eq!(of_vop2.ports[0].spectrum, [window(193_000_000, 194_000_000)]);
    assert_eq!(of_vop2.ports[0].tx_power, Some(limits));

    bed.slices().deactivate(&vop("vOp2"), false).await.unwrap();
    let told = assignments(&bed).await;
    assert_eq!(told["pop1-router1"].last().unwrap(), &None, "a tombstone: it serves nobody");
    assert!(told["pop1-router2"].last().unwrap().is_some(), "the other tenant's agent is not touched");
    bed.slices().activate(Testbed::vop2()).await.unwrap();
    calm().await;
    let again = assignments(&bed).await["pop1-router1"].last().unwrap().clone().unwrap();
    assert_eq!(again.revision, 3, "newer than everything before, the tombstone included");
}

#[tokio::test(start_paused = true)]
async fn a_store_made_anew_writes_newer_assignments_than_the_broker_has_kept() {
    let old = Testbed::new().await;
    for _ in 0..3 {
        old.slices().activate(Testbed::vop2()).await.unwrap();
        old.slices().deactivate(&vop("vOp2"), false).await.unwrap();
    }
    old.slices().activate(Testbed::vop2()).await.unwrap();
    calm().await;
    let kept = assignments(&old).await["pop1-router1"].last().unwrap().clone().unwrap();
    assert_eq!(kept.revision, 7);
    let bus = old.bus.clone();
    drop(old);
    let new = Testbed::on(bus).await;
    new.slices().activate(Testbed::vop2()).await.unwrap();
    calm().await;
    let newest = assignments(&new).await["pop1-router1"].last().unwrap().clone().unwrap();
    assert!(newest.revision > kept.revision, "agents take it");
    assert_ne!(newest.vops[0].incarnation, kept.vops[0].incarnation);
}

#[tokio::test(start_paused = true)]
async fn two_tenants_on_one_router_are_in_one_assignment() {
    let bed = Testbed::new().await;
    let request = |name: &str, interface: &str| {
        let port = port(&format!("pop1/router1/{interface}"));
        ActivationRequest::new(vop(name), name, vec![port])
    };
    bed.slices().activate(request("vOp1", "Ethernet48")).await.unwrap();
    bed.slices().activate(request("vOp2", "Ethernet56")).await.unwrap();
    calm().await;
    let newest = assignments(&bed).await["pop1-router1"].last().unwrap().clone().unwrap();
    let served: Vec<_> =
        newest.vops.iter().map(|part| (part.vop.as_str(), part.ports[0].port_id.as_str())).collect();
    assert_eq!((newest.revision, served), (2, vec![("vOp1", "Ethernet48"), ("vOp2", "Ethernet56")]));
    bed.slices().deactivate(&vop("vOp1"), false).await.unwrap();
    let newest = assignments(&bed).await["pop1-router1"].last().unwrap().clone().unwrap();
    assert_eq!(newest.vops.iter().map(|part| part.vop.as_str()).collect::<Vec<_>>(), ["vOp2"]);
}

#[tokio::test(start_paused = true)]
async fn s0_02_deactivation_with_live_connections_is_refused_unless_forced() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    controller.setup_and_wait(&id("POP1-POP2-1"), Duration::from_secs(60)).await.unwrap();
    let error = bed.slices().deactivate(&vop("vOp2"), false).await.unwrap_err();
    assert_eq!(error, SliceError::LiveConnections { vop: "vOp2".to_owned(), count: 1 });
    let view = bed.slices().describe(&vop("vOp2")).await.unwrap();
    assert_eq!((view.vop.phase, view.live_connections), (VopPhase::Active, 1), "nothing has changed");
    assert_eq!(controller.connection(&id("POP1-POP2-1")).unwrap().state, State::Active);

    bed.slices().deactivate(&vop("vOp2"), true).await.unwrap();
    assert!(!bed.agent("pop1").port("Ethernet48").lit && !bed.agent("pop2").port("Ethernet48").lit);
    bed.assert_nothing_held().await;
    assert_eq!(bed.bus.topics().await.unwrap(), [ASSIGNMENTS], "its topics are gone");
    let free = bed.slices().check_interface(&port("pop1/router1/Ethernet48")).await.unwrap();
    assert_eq!(free, PortAvailability { known: true, available: true });
    assert_eq!(bed.slices().describe(&vop("vOp2")).await.unwrap_err().code(), Code::UnknownVop);
    assert_eq!(bed.slices().deactivate(&vop("vOp2"), true).await.unwrap_err().code(), Code::UnknownVop);
}

#[tokio::test(start_paused = true)]
async fn a_forced_deactivation_does_not_wait_for_ever_for_a_dead_agent() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    controller.setup_and_wait(&id("POP1-POP2-1"), Duration::from_secs(60)).await.unwrap();
    bed.agent("pop2").behave("Ethernet48", Behaviour::Dead);
    let began = tokio::time::Instant::now();
    bed.slices().deactivate(&vop("vOp2"), true).await.unwrap();
    assert!(began.elapsed() <= Duration::from_secs(110), "{:?}", began.elapsed());
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn a_forced_deactivation_cut_short_still_darkens_the_lasers() {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    controller.setup_and_wait(&id("POP1-POP2-1"), Duration::from_secs(60)).await.unwrap();
    drop(controller);
    bed.agent("pop2").behave("Ethernet48", Behaviour::Slow(Duration::from_secs(30)));
    let slices = bed.slices().clone();
    let cut = tokio::time::timeout(Duration::from_secs(1), slices.deactivate(&vop("vOp2"), true)).await;
    assert!(cut.is_err());
    drop(slices);
    bed.crash();
    bed.start().await;
    crate::testbed::eventually("it is gone", || async { bed.slices().list().await.unwrap().is_empty() })
        .await;
    assert!(!bed.agent("pop1").port("Ethernet48").lit && !bed.agent("pop2").port("Ethernet48").lit);
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn a_virtual_operator_lives_again_in_a_new_incarnation_with_a_higher_epoch() {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    let first = bed.slices().describe(&vop("vOp2")).await.unwrap().vop;
    let epoch = controller.status().await.epoch;
    drop(controller);
    bed.agents.clear();
    bed.slices().deactivate(&vop("vOp2"), false).await.unwrap();
    let controller = bed.activate(Testbed::vop2()).await;
    let second = bed.slices().describe(&vop("vOp2")).await.unwrap().vop;
    assert_ne!(second.incarnation, first.incarnation);
    assert!(controller.status().await.epoch > epoch, "agents remember the old one");
    controller.create_connection(guide()).await.unwrap();
    controller.setup_and_wait(&id("POP1-POP2-1"), Duration::from_secs(60)).await.unwrap();
    assert_eq!(controller.connection(&id("POP1-POP2-1")).unwrap().state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_had_to_be_made_again_begins_another_incarnation_that_works() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    let first = bed.slices().describe(&vop("vOp2")).await.unwrap().vop;
    bed.slices().ensure_topics(&vop("vOp2")).await.unwrap();
    let same = bed.slices().describe(&vop("vOp2")).await.unwrap().vop;
    assert_eq!(same, first, "nothing was missing");
    drop(controller);
    bed.bus.delete_topic("monitoring_vOp2").await.unwrap();
    bed.slices().ensure_topics(&vop("vOp2")).await.unwrap();
    let second = bed.slices().describe(&vop("vOp2")).await.unwrap().vop;
    assert_ne!(second.incarnation, first.incarnation);
    assert_eq!((second.phase, &second.request), (VopPhase::Active, &first.request));
    calm().await;
    for (agent, told) in assignments(&bed).await {
        let newest = told.last().unwrap().clone().unwrap();
        assert_eq!((newest.revision, &newest.vops[0].incarnation), (2, &second.incarnation), "{agent}");
    }
    let controller = bed.controller("vOp2");
    controller.create_connection(guide()).await.unwrap();
    controller.setup_and_wait(&id("POP1-POP2-1"), Duration::from_secs(60)).await.unwrap();
    assert_eq!(controller.connection(&id("POP1-POP2-1")).unwrap().state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_topic_left_by_an_earlier_life_is_made_anew() {
    let bed = Testbed::new().await;
    let spec = Testbed::slice_config().spec(ipowdm_core::topics::Role::Config, "config_vOp2");
    bed.bus.create_topic(spec).await.unwrap();
    bed.publish("config_vOp2", "pop1-router1", b"{\"action\":\"setupConnection\"}").await;
    bed.slices().activate(Testbed::vop2()).await.unwrap();
    calm().await;
    let left = bed.records("config_vOp2").await;
    let old = left.iter().filter(|record| record.value.as_ref().unwrap().starts_with(b"{\"action\":\"setup"));
    assert_eq!(old.count(), 0, "no agent reads a command of another life");
}

#[tokio::test(start_paused = true)]
async fn a_port_has_one_owner_and_the_refusal_does_not_name_it() {
    let bed = Testbed::new().await;
    bed.slices().activate(Testbed::vop2()).await.unwrap();
    let greedy = ActivationRequest::new(
        vop("vOp1"),
        "Tenant 1",
        vec![port("pop1/router2/Ethernet48"), port("pop1/router1/Ethernet48")],
    );
    let error = bed.slices().activate(greedy).await.unwrap_err();
    assert_eq!(error.code(), Code::PortOccupied);
    assert_eq!(error.to_string(), "port pop1/router1/Ethernet48 is assigned to another virtual operator");
    let untouched = bed.slices().check_interface(&port("pop1/router2/Ethernet48")).await.unwrap();
    assert!(untouched.available, "all or nothing");
    assert_eq!(bed.slices().list().await.unwrap().len(), 1);
    let taken = bed.slices().check_interface(&port("pop1/router1/Ethernet48")).await.unwrap();
    assert_eq!(taken, PortAvailability { known: true, available: false });
    let nowhere = bed.slices().check_interface(&port("pop9/router1/Ethernet48")).await.unwrap();
    assert_eq!(nowhere, PortAvailability { known: false, available: false });
}

#[tokio::test(start_paused = true)]
async fn senseless_activations_are_refused_and_change_nothing() {
    let bed = Testbed::new().await;
    let twice = vec![port("pop1/router1/Ethernet48"); 2];
    let cases = [
        (ActivationRequest { tenant_name: " ".to_owned(), ..Testbed::vop2() }, Code::InvalidField),
        (ActivationRequest { ports: twice, ..Testbed::vop2() }, Code::InvalidField),
        (
            ActivationRequest { ports: vec![port("pop9/router1/Ethernet48")], ..Testbed::vop2() },
            Code::UnknownPort,
        ),
        (ActivationRequest { windows: Some(vec![]), ..Testbed::vop2() }, Code::InvalidField),
        (
            ActivationRequest { windows: Some(vec![window(194_000_000, 193_000_000)]), ..Testbed::vop2() },
            Code::InvalidField,
        ),
        (ActivationRequest { telemetry_interval_ms: Some(99), ..Testbed::vop2() }, Code::InvalidField),
        (
            ActivationRequest {
                tx_power: Some(PowerRange { min: power(0), max: power(-1) }),
                ..Testbed::vop2()
            },
            Code::InvalidField,
        ),
    ];
    for (request, code) in cases {
        let error = bed.slices().activate(request.clone()).await.unwrap_err();
        assert_eq!(error.code(), code, "{request:?}");
        assert!(bed.slices().list().await.unwrap().is_empty());
        assert!(bed.linkdb.topology().await.unwrap().ports.iter().all(|port| port.port.vop.is_none()));
    }
    assert_eq!(bed.slices().describe(&vop("vOp2")).await.unwrap_err().code(), Code::UnknownVop);
    assert_eq!(bed.slices().ensure_topics(&vop("vOp2")).await.unwrap_err().code(), Code::UnknownVop);
}

#[tokio::test(start_paused = true)]
async fn spectrum_nowhere_or_on_links_that_are_not_there_is_refused() {
    let bed = Testbed::new().await;
    let nothing = |link: &str| BTreeMap::from([(link.parse().unwrap(), Vec::new())]);
    let nowhere = ActivationRequest { windows: Some(Vec::new()), ..Testbed::vop2() };
    assert_eq!(bed.slices().activate(nowhere).await.unwrap_err().code(), Code::InvalidField);
    let unknown = ActivationRequest { on_links: nothing("pop1-pop9"), ..Testbed::vop2() };
    assert_eq!(bed.slices().activate(unknown).await.unwrap_err().code(), Code::UnknownLink);
    assert_eq!(bed.slices().list().await.unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn spectrum_that_is_one_operators_alone_is_refused_to_others_without_a_name() {
    let bed = Testbed::new().await;
    let low = Some(vec![window(193_000_000, 194_000_000)]);
    let alone = ActivationRequest { windows: low.clone(), exclusive: true, ..Testbed::vop2() };
    bed.slices().activate(alone).await.unwrap();
    assert!(bed.linkdb.vop_grant(&vop("vOp2")).await.unwrap().unwrap().exclusive);
    let shared = ActivationRequest::new(vop("vOp1"), "Tenant 1", vec![port("pop1/router2/Ethernet48")]);
    let error = bed.slices().activate(shared.clone()).await.unwrap_err();
    assert_eq!(error.code(), Code::NoSpectrum);
    assert_eq!(error, SliceError::SpectrumAssigned { vop: "vOp1".to_owned() });
    assert!(!error.to_string().contains("vOp2"));
    assert_eq!(bed.slices().list().await.unwrap().len(), 1);
    let beside = ActivationRequest { windows: Some(vec![window(194_000_000, 195_000_000)]), ..shared };
    bed.slices().activate(beside).await.unwrap();
    bed.slices().deactivate(&vop("vOp2"), false).await.unwrap();
    let pooled = ActivationRequest { windows: low, ..Testbed::vop2() };
    bed.slices().activate(pooled).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_quota_holds_for_what_the_operator_sets_up() {
    let mut bed = Testbed::new().await;
    let quota = Some(Quota { connections: Some(1), slot_links: None });
    let controller = bed.activate(ActivationRequest { quota, ..Testbed::vop2() }).await;
    controller.create_connection(guide()).await.unwrap();
    let second = ConnectionRequest { connection_id: Some(id("POP1-POP2-2")), ..guide() };
    let error = controller.create_connection(second).await.unwrap_err();
    assert_eq!(error.code(), Code::QuotaExceeded);
}

#[tokio::test(start_paused = true)]
async fn spectrum_on_single_links_holds_for_what_the_operator_sets_up_and_its_agents_know_all_of_it() {
    let mut bed = Testbed::new().await;
    let (low, high) = (window(192_000_000, 193_000_000), window(195_000_000, 195_500_000));
    let request = ActivationRequest {
        windows: Some(vec![low]),
        on_links: BTreeMap::from([("pop1-pop2".parse().unwrap(), vec![high])]),
        ..Testbed::vop2()
    };
    let controller = bed.activate(request.clone()).await;
    assert_eq!(bed.linkdb.vop_grant(&vop("vOp2")).await.unwrap().unwrap().on_links, request.on_links);
    let told = assignments(&bed).await["pop1-router1"].last().unwrap().clone().unwrap();
    assert_eq!(told.vops[0].ports[0].spectrum, [low, high], "agents know no links");
    let (here, _) = controller.create_connection(guide()).await.unwrap();
    assert!(high.holds(here.frequency, 75_000), "{here:?}");
    let elsewhere = ConnectionRequest::between(crate::testbed::pop("pop2"), crate::testbed::pop("pop3"));
    let (elsewhere, _) = controller.create_connection(elsewhere).await.unwrap();
    assert!(low.holds(elsewhere.frequency, 75_000), "{elsewhere:?}");
    let slots: BTreeMap<String, (u32, u32)> = (controller.network().await.unwrap().links.into_iter())
        .map(|view| (view.link.id.to_string(), (view.total_slots, view.used_slots)))
        .collect();
    assert_eq!((slots["pop1-pop2"], slots["pop2-pop3"]), ((80, 12), (160, 12)), "what is its own on each");
    // Alone on one link: there nobody may join it, elsewhere everybody may.
    let ports = vec![port("pop1/router2/Ethernet48")];
    let alone = ActivationRequest {
        windows: Some(Vec::new()),
        on_links: BTreeMap::from([("pop1-pop2".parse().unwrap(), vec![high])]),
        exclusive: true,
        ..ActivationRequest::new(vop("vOp1"), "Tenant 1", ports)
    };
    let error = bed.slices().activate(alone.clone()).await.unwrap_err();
    assert_eq!(error, SliceError::SpectrumAssigned { vop: "vOp1".to_owned() });
    let on_links = BTreeMap::from([("pop1-pop2".parse().unwrap(), vec![low])]);
    bed.slices().activate(ActivationRequest { on_links, ..alone }).await.unwrap();
}

/// A launcher whose controllers do not start.
struct Broken;

impl ControllerLauncher for Broken {
    fn launch<'a>(
        &'a self,
        _vop: &'a Vop,
        _: Option<&'a Credential>,
    ) -> crate::store::BoxFuture<'a, Result<Option<String>, LaunchError>> {
        let error = LaunchError { code: Code::LimitReached, reason: "no room".to_owned() };
        Box::pin(async move { Err(error) })
    }

    fn drain<'a>(
        &'a self,
        _vop: &'a VopId,
        _limit: Duration,
    ) -> crate::store::BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async { Ok(()) })
    }

    fn stop<'a>(&'a self, _vop: &'a VopId) -> crate::store::BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn an_activation_that_fails_half_way_is_undone_completely() {
    let bed = Testbed::new().await;
    let bus: Arc<dyn Bus> = Arc::new(bed.bus.clone());
    let slices = SliceManager::builder(bed.linkdb.clone(), bus)
        .launcher(Arc::new(Broken))
        .relay(false)
        .start()
        .await
        .unwrap();
    let error = slices.activate(Testbed::vop2()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (Code::LimitReached, "controller of vOp2: no room")
    );
    assert!(slices.list().await.unwrap().is_empty());
    assert_eq!(bed.bus.topics().await.unwrap(), [ASSIGNMENTS]);
    assert!(bed.linkdb.topology().await.unwrap().ports.iter().all(|port| port.port.vop.is_none()));
    assert!(bed.linkdb.vop_grant(&vop("vOp2")).await.unwrap().is_none());
    for told in assignments(&bed).await.values() {
        assert_eq!(told.last().unwrap(), &None, "what an agent may have heard is withdrawn");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_is_away_refuses_activation_and_leaves_nothing() {
    let bed = Testbed::new().await;
    bed.bus.set_available(false);
    let error = bed.slices().activate(Testbed::vop2()).await.unwrap_err();
    assert_eq!(error.code(), Code::BusUnavailable);
    let health = bed.slices().health().await;
    assert!(health.bus.is_some() && health.store.is_none());
    assert!(bed.slices().list().await.unwrap().is_empty());
    bed.bus.set_available(true);
    assert!(bed.slices().activate(Testbed::vop2()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_deactivation_cut_short_by_an_outage_is_finished_by_the_next_start() {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    drop(controller);
    bed.bus.set_available(false);
    let error = bed.slices().deactivate(&vop("vOp2"), false).await.unwrap_err();
    assert_eq!(error.code(), Code::BusUnavailable);
    let phase = bed.slices().describe(&vop("vOp2")).await.unwrap().vop.phase;
    assert_eq!(phase, VopPhase::Deactivating);
    let busy = bed.slices().activate(Testbed::vop2()).await.unwrap_err();
    assert_eq!(busy.code(), Code::BusUnavailable);
    bed.crash();
    bed.bus.set_available(true);
    bed.start().await;
    crate::testbed::eventually("it is gone", || async { bed.slices().list().await.unwrap().is_empty() })
        .await;
    assert_eq!(bed.bus.topics().await.unwrap(), [ASSIGNMENTS]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_starts_the_controllers_of_active_virtual_operators() {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    drop(controller);
    bed.crash();
    bed.start().await;
    let controller = bed.controller("vOp2");
    assert_eq!(controller.connection(&id("POP1-POP2-1")).unwrap().state, State::Pending);
}
