use super::*;
use ipowdm_core::msg::{HealthStatus, Outcome};

#[tokio::test(start_paused = true)]
async fn s0_10_heartbeats_come_at_the_join_and_every_thirty_seconds_with_what_was_read() {
    let bench = Bench::started().await;
    let first = &bench.healths().await[0];
    assert_eq!(first.status, HealthStatus::Healthy);
    assert!(first.emulated);
    assert_eq!((first.boot_id, first.interfaces.len()), (Some(1), 2));
    assert_eq!(first.interfaces[0].vendor.as_deref(), Some("IPOWDM-EMU"));
    bench.command(GUIDE).await;
    bench.sleep(90_000).await;
    let healths = bench.healths().await;
    let stamps: Vec<i64> = bench
        .records("health_vOp2")
        .await
        .iter()
        .filter(|record| record.value.as_ref().unwrap().starts_with(br#"{"type":"agentHealth""#))
        .map(|record| record.timestamp_ms)
        .collect();
    assert!(stamps.windows(2).all(|pair| (pair[1] - pair[0] - 30_000).abs() < 100), "{stamps:?}");
    let last = healths.last().unwrap();
    assert_eq!(last.interfaces[0].connection_id.as_ref().unwrap().as_str(), "POP1-POP2-1");
    assert_eq!(last.interfaces[0].data_path_state.as_deref(), Some("DPActivated"));
    // Nothing lights its receiver, and it says so.
    assert_eq!(last.status, HealthStatus::Degraded);
    assert!(last.issues[0].contains("loss of signal"), "{:?}", last.issues);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_says_of_a_port_only_what_was_read() {
    // So busy that it cannot be looked at before the first heartbeat, and then for good.
    let mut bench = Bench::new(&[Profile::OPENZRP, Profile::OPENZRP]).await;
    bench.ports[0].module.refuse_accesses(1_000_000);
    bench.ports[1].module.pull_out();
    bench.start().await;
    let first = bench.healths().await.remove(0);
    let ports: Vec<_> = first.interfaces.iter().map(|port| port.port_id.as_str()).collect();
    assert_eq!(ports, ["Ethernet56"], "of a port that was not looked at nothing is said");
    assert_eq!(first.status, HealthStatus::Degraded);
    assert_eq!(first.issues, ["Ethernet48: not managed by this agent, or not read yet"]);
    bench.sleep(120_000).await;
    let last = bench.healths().await.pop().unwrap();
    let [silent, empty] = <[_; 2]>::try_from(last.interfaces).unwrap();
    for port in [&silent, &empty] {
        assert_eq!((port.present, port.operational, port.module_state.as_ref()), (false, None, None));
    }
    assert_eq!(
        last.issues.len(),
        1,
        "an empty port is no trouble, one that may not be empty is: {:?}",
        last.issues
    );
    assert!(last.issues[0].starts_with("Ethernet48: "), "{:?}", last.issues);
}

#[test]
fn more_trouble_than_a_heartbeat_carries_is_counted() {
    let ports: Vec<PortId> = (0..70).map(|n| format!("Ethernet{n}").parse().unwrap()).collect();
    let vop: ipowdm_core::ids::VopId = "vOp2".parse().unwrap();
    let served = crate::assignment::Assignments::fixed(vop.clone(), "i1".parse().unwrap(), &ports, 1, 1);
    let vitals = reports::Vitals {
        stopped: false,
        uptime_ms: 0,
        boot: 1,
        epoch: None,
        emulated: false,
        issues: Vec::new(),
        timestamp: ipowdm_core::time::Timestamp(0),
    };
    let me = Identity::of_router("pop1".parse().unwrap(), "router1".parse().unwrap());
    let health = reports::health(&me, &served.in_force()[&vop], &BTreeMap::new(), &BTreeMap::new(), vitals);
    assert_eq!((health.issues.len(), health.issues[63].as_str()), (64, "and 7 more"));
    assert!(health.interfaces.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_names_the_application_only_while_its_data_path_is_up() {
    let bench = Bench::started().await;
    bench.command(GUIDE).await;
    let health = async || {
        bench.command(r#"{"type":"healthCheck","command_id":"h"}"#).await;
        bench.sleep(100).await;
        bench.healths().await.pop().unwrap().interfaces.remove(0)
    };
    let lit = health().await;
    // Nothing lights its receiver.
    assert_eq!((lit.operational, lit.app_code.is_some()), (Some(false), true));
    bench.command(TEARDOWN).await;
    let dark = health().await;
    assert_eq!((dark.operational, dark.app_code), (Some(false), None));
}

#[tokio::test(start_paused = true)]
async fn capabilities_are_read_from_registers_and_sent_again_when_a_module_changes() {
    let bench = Bench::started().await;
    let capabilities = bench.capabilities().await;
    assert_eq!(capabilities.len(), 1);
    let interface = &capabilities[0].interfaces[0];
    assert_eq!(interface.frequency_range, Some([191_300.0, 196_100.0]));
    assert_eq!(interface.tx_power_range, Some([-15.0, 0.0]));
    assert_eq!(interface.capability.as_ref().unwrap().applications.len(), 6);
    bench.ports[0].module.swap(Profile::ZR400, 9);
    bench.sleep(60_000).await;
    let last = bench.capabilities().await.pop().unwrap();
    assert_eq!(last.interfaces[0].tx_power_range, Some([-15.0, -8.0]));
    bench.ports[0].module.pull_out();
    bench.sleep(20_000).await;
    let last = bench.capabilities().await.pop().unwrap();
    assert_eq!(last.interfaces[0].capability, None, "unknown is absent");
}

#[tokio::test(start_paused = true)]
async fn a_virtual_operator_that_goes_leaves_its_ports_dark_and_hears_nothing_more() {
    let mut bench = Bench::started().await;
    bench.command(GUIDE).await;
    bench.assign(&[]).await;
    bench.sleep(10_000).await;
    assert!(!bench.is_lit(0));
    let heard = bench.records("monitoring_vOp2").await.len() + bench.records("health_vOp2").await.len();
    bench.send(GUIDE).await;
    bench.sleep(60_000).await;
    let now = bench.records("monitoring_vOp2").await.len() + bench.records("health_vOp2").await.len();
    assert_eq!(now, heard);
    assert!(!bench.is_lit(0));
    // Dark is what is meant from now on, also after a restart.
    bench.kill().await;
    bench.start().await;
    bench.sleep(30_000).await;
    assert!(!bench.is_lit(0));
}

#[tokio::test(start_paused = true)]
async fn a_port_that_changes_hands_goes_dark_first_and_each_hears_only_of_its_own() {
    let mut bench = Bench::started().await;
    for topic in ["config_vOp3", "monitoring_vOp3", "health_vOp3"] {
        bench.create(topic).await;
    }
    bench.command(GUIDE).await;
    let grants = bench.grants();
    bench.assign(&[("vOp2", vec![grants[1].clone()]), ("vOp3", vec![grants[0].clone()])]).await;
    bench.sleep(10_000).await;
    assert!(!bench.is_lit(0));
    let taken = bench.command(GUIDE).await;
    assert_eq!(taken.outcome, Outcome::Rejected);
    bench.publish("config_vOp3", "k", GUIDE.as_bytes()).await;
    bench.sleep(60_000).await;
    assert!(bench.is_lit(0));
    let AgentMessage::Ack(ack) = bench.messages("monitoring_vOp3").await.remove(0) else { panic!("no ack") };
    assert_eq!((ack.virtual_operator.as_str(), ack.outcome), ("vOp3", Outcome::Applied));
    let last = bench.healths().await.pop().unwrap();
    assert_eq!(last.interfaces.len(), 1);
    assert_eq!(last.interfaces[0].port_id.as_str(), "Ethernet56");
    assert!(
        !bench
            .samples()
            .await
            .iter()
            .any(|sample| sample.virtual_operator.as_ref().unwrap().as_str() == "vOp3")
    );
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_is_narrowed_puts_nothing_out_but_is_told() {
    let mut bench = Bench::started().await;
    bench.command(GUIDE).await;
    let mut grants = bench.grants();
    grants[0].spectrum.clear();
    bench.assign(&[("vOp2", grants)]).await;
    bench.sleep(5_000).await;
    assert!(bench.is_lit(0));
    let health = bench.healths().await.pop().unwrap();
    assert!(health.issues.iter().any(|issue| issue.contains("outside its grant")), "{:?}", health.issues);
    assert_eq!(bench.command(GUIDE).await.outcome, Outcome::Rejected);
}

#[tokio::test(start_paused = true)]
async fn a_setup_under_way_when_its_port_is_taken_away_ends_dark() {
    let mut bench = Bench::started().await;
    bench.send(GUIDE).await;
    bench.sleep(5_000).await;
    bench.assign(&[("vOp2", vec![bench.grants()[1].clone()])]).await;
    bench.sleep(90_000).await;
    assert!(!bench.is_lit(0));
    assert_eq!(bench.acks().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_life_of_the_topics_is_read_from_its_beginning_and_light_stays() {
    let mut bench = Bench::started().await;
    bench.command(GUIDE).await;
    for topic in ["config_vOp2", "monitoring_vOp2", "health_vOp2"] {
        bench.bus.delete_topic(topic).await.unwrap();
        bench.create(topic).await;
    }
    bench.send(GUIDE_RECONFIG).await;
    let mut record = bench.records(ASSIGNMENTS).await.pop().unwrap().value.unwrap().to_vec();
    record = String::from_utf8(record)
        .unwrap()
        .replace(r#""i1""#, r#""i2""#)
        .replace(r#""revision":1"#, r#""revision":2"#)
        .into_bytes();
    bench.revision = 2;
    bench.publish(ASSIGNMENTS, "pop1-router1", &record).await;
    let ack = bench.ack(1).await;
    assert_eq!((ack.action.as_str(), ack.outcome), ("reconfigConnection", Outcome::Applied));
    assert!(bench.is_lit(0));
}

#[tokio::test(start_paused = true)]
async fn history_of_the_assignments_topic_drops_no_light_at_a_restart() {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    let grants = bench.grants();
    for _ in 0..3 {
        bench.assign(&[("vOp9", grants.clone())]).await;
        bench.assign(&[("vOp2", grants.clone())]).await;
    }
    bench.start().await;
    bench.command(GUIDE).await;
    let writes = bench.writes();
    bench.kill().await;
    bench.start().await;
    bench.sleep(30_000).await;
    assert!(bench.is_lit(0));
    assert_eq!(bench.writes(), writes);
}

#[tokio::test(start_paused = true)]
async fn a_fixed_service_needs_no_assignments_topic_and_begins_at_the_end() {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    bench.bus.delete_topic(ASSIGNMENTS).await.unwrap();
    bench.config.service = Service::Fixed {
        vop: "vOp2".parse().unwrap(),
        ports: vec!["Ethernet48".parse().unwrap()],
        telemetry_interval_ms: 1_000,
        health_interval_ms: 5_000,
    };
    bench.send(GUIDE).await;
    bench.start().await;
    bench.sleep(30_000).await;
    assert!(bench.acks().await.is_empty(), "sent before anybody listened");
    assert_eq!(bench.command(GUIDE).await.outcome, Outcome::Applied);
    let before = bench.samples().await.len();
    bench.sleep(10_000).await;
    assert_eq!(bench.samples().await.len(), before + 10);
}

#[tokio::test(start_paused = true)]
async fn s0_09_the_limit_of_sessions_holds_over_all_ports() {
    let mut bench = Bench::new(&[Profile::OPENZRP, Profile::OPENZRP]).await;
    bench.config.max_sessions = Some(1);
    bench.start().await;
    assert_eq!(bench.command(GUIDE).await.outcome, Outcome::Applied);
    let second = GUIDE.replace("Ethernet48", "Ethernet56").replace("POP1-POP2-1", "other");
    let ack = bench.command(&second).await;
    assert_eq!(ack.outcome, Outcome::Rejected);
    assert!(ack.details.error.unwrap().contains("limit"));
    bench.command(TEARDOWN).await;
    assert_eq!(bench.command(&second).await.outcome, Outcome::Applied);
}

#[tokio::test(start_paused = true)]
async fn s0_09_samples_are_on_the_bus_within_a_tenth_of_a_second_of_their_tick() {
    let bench = Bench::started().await;
    bench.command(GUIDE).await;
    let from = bench.records("monitoring_vOp2").await.len();
    bench.sleep(100_000).await;
    let records = bench.records("monitoring_vOp2").await.split_off(from);
    assert!((33..=34).contains(&records.len()));
    let first = records[0].timestamp_ms;
    for (k, record) in records.iter().enumerate() {
        let due = first + 3_000 * i64::try_from(k).unwrap();
        assert!((record.timestamp_ms - due).abs() < 100, "tick {k}");
    }
    assert!(bench.samples().await.iter().all(|sample| sample.age_ms.unwrap() < 100));
}

#[tokio::test]
async fn hardware_that_blocks_and_a_journal_on_disk_work_in_real_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let bench = Bench::new(&[]).await;
    // Two hundred times as fast as the data sheet: a setup takes a tenth of a second.
    let module = EmulatedModule::new(Profile::OPENZRP, 1, ModuleClock::scaled(200));
    let mut config = bench.config.clone();
    let port: PortId = "Ethernet48".parse().unwrap();
    config.service = Service::Fixed {
        vop: "vOp2".parse().unwrap(),
        ports: vec![port.clone()],
        telemetry_interval_ms: 200,
        health_interval_ms: 30_000,
    };
    let start = async || {
        let agent = Agent::builder(config.clone())
            .bus(Arc::new(bench.bus.clone()))
            .blocking_port(port.clone(), Box::new(module.eeprom()))
            .storage(crate::journal::FileStorage::open(&path).unwrap())
            .build()
            .unwrap();
        assert_eq!(agent.recovery(), Recovery::Clean);
        let agent = agent.spawn().unwrap();
        while agent.status().await.unwrap().vops.values().any(|listening| !listening) {
            bench.sleep(10).await;
        }
        agent
    };
    let agent = start().await;
    assert_eq!(bench.command(GUIDE).await.outcome, Outcome::Applied);
    agent.kill().await;
    assert!(module.emission().is_some());
    let agent = start().await;
    assert_eq!(bench.command(GUIDE).await.outcome, Outcome::Unchanged);
    bench.sleep(500).await;
    assert!(bench.samples().await.iter().any(|sample| sample.boot_id == Some(2)));
    agent.stop().await;
    assert!(module.emission().is_some());
}
