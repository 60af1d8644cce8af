use super::*;
use ipowdm_core::error::Code;
use ipowdm_core::msg::{AckStatus, Outcome};
use ipowdm_core::units::Power;

fn outcome(ack: &CommandAck) -> (Outcome, Option<Code>) {
    (ack.outcome, ack.details.code)
}

#[tokio::test(start_paused = true)]
async fn s0_05_the_guides_hand_typed_setup_is_obeyed_and_read_back() {
    let bench = Bench::started().await;
    let ack = bench.command(GUIDE).await;
    assert_eq!(outcome(&ack), (Outcome::Applied, None));
    assert_eq!(ack.status, AckStatus::Success);
    assert_eq!(ack.command_id.as_str(), "setup-POP1-POP2-1");
    assert_eq!(ack.ack_id.as_deref(), Some("pop1-router1:1:1"));
    assert_eq!(ack.interface.as_ref().map(PortId::as_str), Some("Ethernet48"));
    let read = ack.details.readback.unwrap();
    assert_eq!(read.frequency_mhz, Some(Frequency::from_mhz(193_100_000)));
    assert_eq!(read.tx_power_dbm, Some(Power::from_hundredths(-200)));
    assert_eq!(read.data_path_state.as_deref(), Some("DPActivated"));
    assert!(ack.details.module_ms.unwrap() > 10_000 && ack.details.register_writes.unwrap() > 0);
    assert!(bench.is_lit(0) && !bench.is_lit(1));
    let key = bench.records("monitoring_vOp2").await[0].key.clone().unwrap();
    assert_eq!(&key[..], b"POP1-POP2-1");
}

#[tokio::test(start_paused = true)]
async fn a_read_back_tells_the_channel_that_is_set_apart_from_what_the_laser_reports() {
    let bench = Bench::started().await;
    bench.ports[0].module.report_laser_off_by(300);
    let ack = bench.command(GUIDE).await;
    assert_eq!(outcome(&ack), (Outcome::Applied, None));
    let read = ack.details.readback.unwrap();
    assert_eq!(read.frequency_mhz, Some(Frequency::from_mhz(193_100_000)));
    assert_eq!(read.laser_frequency_mhz, Some(Frequency::from_mhz(193_100_300)));
    let read = bench.command(GUIDE_RECONFIG).await.details.readback.unwrap();
    assert_eq!(read.frequency_mhz, Some(Frequency::from_mhz(193_100_000)));
    assert_eq!(read.laser_frequency_mhz, Some(Frequency::from_mhz(193_100_300)));
}

#[tokio::test(start_paused = true)]
async fn s0_07_a_repeated_command_is_answered_with_the_same_ack_and_writes_nothing() {
    let bench = Bench::started().await;
    let line = fenced(GUIDE, "c-1", 1);
    let first = bench.command(&line).await;
    let writes = bench.writes();
    let again = bench.command(&line).await;
    assert_eq!(again, first);
    assert_eq!(bench.writes(), writes);
    assert_eq!(bench.status().await.intake.repeated, 1);
}

#[tokio::test(start_paused = true)]
async fn s0_07_an_id_with_other_content_is_refused_and_changes_nothing_also_after_a_restart() {
    let mut bench = Bench::started().await;
    let line = fenced(GUIDE, "c-1", 1);
    let other = line.replace("-2.0", "-3.0");
    let first = bench.command(&line).await;
    let writes = bench.writes();
    let refused = bench.command(&other).await;
    assert_eq!(outcome(&refused), (Outcome::Rejected, Some(Code::AlreadyExists)));
    assert_ne!(refused.ack_id, first.ack_id);
    bench.kill().await;
    bench.start().await;
    assert_eq!(outcome(&bench.command(&other).await), (Outcome::Rejected, Some(Code::AlreadyExists)));
    assert_eq!(bench.command(&line).await, first);
    assert_eq!(bench.writes(), writes);
    assert!(bench.is_lit(0));
}

#[tokio::test(start_paused = true)]
async fn a_message_of_an_unknown_version_is_set_aside_and_changes_nothing() {
    let mut bench = Bench::started().await;
    bench.send(&with(GUIDE, r#""v":99"#)).await;
    // An assignment that takes everything away, in a later version's words.
    let newest = bench.records(ASSIGNMENTS).await.pop().unwrap().value.unwrap();
    let later = String::from_utf8(newest.to_vec()).unwrap().replace(r#""v":1"#, r#""v":99"#);
    let later = later.replace(r#""revision":1"#, r#""revision":9"#).replace("vOp2", "vOp9");
    bench.publish(ASSIGNMENTS, "pop1-router1", later.as_bytes()).await;
    bench.sleep(60_000).await;
    assert_eq!((bench.writes(), bench.acks().await.len()), (0, 0));
    let status = bench.status().await;
    let aside = status.dead_letters.iter().map(|l| (l.topic.as_str(), l.error.code()));
    let wanted = [(ASSIGNMENTS, Code::UnknownVersion), ("config_vOp2", Code::UnknownVersion)];
    assert_eq!(aside.collect::<BTreeSet<_>>(), BTreeSet::from(wanted));
    assert_eq!(status.dead_letters_total, 2);
    assert_eq!(outcome(&bench.command(&with(GUIDE, r#""v":1"#)).await), (Outcome::Applied, None));
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn s0_07_a_command_repeated_while_it_is_carried_out_has_one_ack() {
    let bench = Bench::started().await;
    let line = fenced(GUIDE, "c-1", 1);
    for _ in 0..3 {
        bench.send(&line).await;
        bench.sleep(1_000).await;
    }
    bench.ack(1).await;
    bench.sleep(60_000).await;
    assert_eq!(bench.acks().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn s0_06_a_power_only_reconfiguration_writes_one_register() {
    let bench = Bench::started().await;
    bench.command(GUIDE).await;
    let writes = bench.writes();
    let ack = bench.command(GUIDE_RECONFIG).await;
    assert_eq!(outcome(&ack), (Outcome::Applied, None));
    assert_eq!(ack.details.register_writes, Some(1));
    assert_eq!(bench.writes(), writes + 1);
    assert_eq!(ack.details.readback.unwrap().tx_power_dbm, Some(Power::from_hundredths(-150)));
    let samples = bench.samples().await;
    assert!(samples.iter().all(|s| s.fields.data_path_state.as_deref() == Some("DPActivated")));
}

#[tokio::test(start_paused = true)]
async fn a_teardown_without_endpoints_makes_the_port_dark_and_ends_its_samples() {
    let bench = Bench::started().await;
    bench.command(GUIDE).await;
    let ack = bench.command(TEARDOWN).await;
    assert_eq!(outcome(&ack), (Outcome::Applied, None));
    assert!(!bench.is_lit(0));
    let samples = bench.samples().await.len();
    bench.sleep(30_000).await;
    assert_eq!(bench.samples().await.len(), samples);
    // A second time nobody here serves it: hand-typed for everybody, it is another agent's.
    bench.send(TEARDOWN).await;
    bench.sleep(5_000).await;
    assert_eq!(bench.acks().await.len(), 2);
    let mine = with(TEARDOWN, r#""target_agent":"pop1-router1""#);
    assert_eq!(outcome(&bench.command(&mine).await), (Outcome::Unchanged, None));
}

#[tokio::test(start_paused = true)]
async fn refusals_have_their_outcome_and_code_and_touch_nothing() {
    let bench = Bench::started().await;
    bench.command(&fenced(GUIDE, "c-0", 5)).await;
    let writes = bench.writes();
    let cases = [
        (fenced(GUIDE_RECONFIG, "c-1", 4), Outcome::StaleEpoch, Code::StaleEpoch),
        (with(&fenced(GUIDE, "c-2", 5), r#""virtual_operator":"vOp9""#), Outcome::Rejected, Code::Forbidden),
        (GUIDE.replace("Ethernet48", "Ethernet99"), Outcome::Rejected, Code::UnknownPort),
        (GUIDE.replace("193.1", "195.1"), Outcome::Rejected, Code::FrequencyNotGranted),
        (GUIDE.replace("193.1", "193.101"), Outcome::Rejected, Code::FrequencyOffGrid),
        (GUIDE.replace("-2.0", "1.0"), Outcome::Rejected, Code::PowerOutOfRange),
        (GUIDE.replace("POP1-POP2-1", "other"), Outcome::Rejected, Code::PortOccupied),
        (GUIDE_RECONFIG.replace("POP1-POP2-1", "other"), Outcome::Rejected, Code::UnknownConnection),
    ];
    for (line, expected, code) in cases {
        let ack = bench.command(&line).await;
        assert_eq!(outcome(&ack), (expected, Some(code)), "{line}");
        assert_eq!(ack.status, AckStatus::Failed);
        assert!(ack.details.error.is_some());
        assert_eq!(ack.details.epoch, Some(5));
    }
    assert_eq!(bench.writes(), writes);
    assert!(bench.is_lit(0));
}

#[tokio::test(start_paused = true)]
async fn a_400zr_module_refuses_minus_two_dbm() {
    let mut bench = Bench::new(&[Profile::ZR400]).await;
    bench.start().await;
    let ack = bench.command(GUIDE).await;
    assert_eq!(outcome(&ack), (Outcome::Rejected, Some(Code::PowerOutOfRange)));
    assert!(ack.details.error.unwrap().contains("-8.00 dBm"));
    assert_eq!(bench.writes(), 0);
    assert_eq!(outcome(&bench.command(&GUIDE.replace("-2.0", "-9.0")).await), (Outcome::Applied, None));
}

#[tokio::test(start_paused = true)]
async fn a_command_older_than_its_lifetime_is_answered_expired() {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    bench.start().await;
    bench.stop().await;
    let brief = with(&fenced(GUIDE, "c-1", 1), r#""lifetime_ms":20000"#);
    bench.send(&brief).await;
    bench.sleep(60_000).await;
    bench.send(&brief.replace("c-1", "c-2")).await;
    bench.start().await;
    let first = bench.ack(1).await;
    assert_eq!(outcome(&first), (Outcome::Expired, Some(Code::Expired)));
    assert_eq!(first.command_id.as_str(), "c-1");
    assert_eq!(outcome(&bench.ack(2).await), (Outcome::Applied, None));
}

#[tokio::test(start_paused = true)]
async fn malformed_oversized_and_unknown_records_between_good_ones_are_counted_and_change_nothing() {
    let bench = Bench::started().await;
    bench.command(GUIDE).await;
    let oversized = format!(r#"{{"action":"discover","padding":"{}"}}"#, "x".repeat(1 << 20));
    let refused = bench.bus.publish("config_vOp2", vec![Outgoing::new("k", oversized)]).await;
    assert!(refused.is_err(), "the bus itself refuses it");
    for bad in ["{", "[]", "", r#"{"action":"reboot"}"#, r#"{"action":"setupConnection"}"#] {
        bench.send(bad).await;
        assert_eq!(outcome(&bench.command(GUIDE).await), (Outcome::Unchanged, None));
    }
    let status = bench.status().await;
    assert_eq!(status.dead_letters_total, 5);
    assert_eq!(status.dead_letters[3].excerpt, r#"{"action":"reboot"}"#);
    assert!(bench.is_lit(0));
}

#[tokio::test(start_paused = true)]
async fn s0_10_health_capabilities_and_discovery_are_answered_and_acked() {
    let bench = Bench::started().await;
    let before = (bench.healths().await.len(), bench.capabilities().await.len());
    let ack = bench.command(r#"{"type":"healthCheck","command_id":"h"}"#).await;
    assert_eq!((outcome(&ack), ack.interface), ((Outcome::Applied, None), None));
    let ack = bench.command(r#"{"type":"getCapabilities","command_id":"g"}"#).await;
    assert_eq!(outcome(&ack), (Outcome::Applied, None));
    let ack = bench.command(r#"{"action":"discover","command_id":"d","target_pop":"pop1"}"#).await;
    assert_eq!((ack.action.as_str(), outcome(&ack)), ("discover", (Outcome::Applied, None)));
    bench.sleep(100).await;
    let after = (bench.healths().await.len(), bench.capabilities().await.len());
    assert_eq!(after, (before.0 + 2, before.1 + 2));
    let ack = bench.command(r#"{"action":"discover","command_id":"e","target_agent":"pop1-router1"}"#).await;
    let key = bench.records("monitoring_vOp2").await.pop().unwrap().key.unwrap();
    assert_eq!((&key[..], ack.connection_id), (&b"pop1-router1"[..], None));
}

#[tokio::test(start_paused = true)]
async fn the_existing_controllers_interface_control_switches_light_off_and_on() {
    let bench = Bench::started().await;
    bench.command(GUIDE).await;
    let control = |state: &str| {
        format!(
            r#"{{"type":"interfaceControl","command_id":"u-{state}","timestamp":1.5,"target_agent":"pop1-router1","action":"{state}","parameters":{{"pop_id":"pop1","router_id":"router1","interface":"Ethernet48","action":"{state}"}}}}"#
        )
    };
    let ack = bench.command(&control("admin_down")).await;
    assert_eq!((ack.action.as_str(), ack.status), ("interfaceControl", AckStatus::Success));
    assert!(!bench.is_lit(0));
    bench.sleep(30_000).await;
    let health = bench.healths().await.pop().unwrap();
    assert_eq!(health.interfaces[0].admin_up, Some(false));
    assert!(health.issues.iter().any(|issue| issue.contains("administratively down")));
    assert_eq!(bench.command(&control("up")).await.status, AckStatus::Success);
    assert!(bench.is_lit(0));
}

#[tokio::test(start_paused = true)]
async fn telemetry_stops_and_starts_on_command() {
    let bench = Bench::started().await;
    bench.command(GUIDE).await;
    let line = |action: &str| {
        format!(r#"{{"action":"{action}","command_id":"t","parameters":{{"connection_id":"POP1-POP2-1"}}}}"#)
    };
    assert_eq!(outcome(&bench.command(&line("stopTelemetry")).await), (Outcome::Applied, None));
    let before = bench.samples().await.len();
    bench.sleep(10_000).await;
    assert_eq!(bench.samples().await.len(), before);
    assert_eq!(outcome(&bench.command(&line("startTelemetry")).await), (Outcome::Applied, None));
    bench.sleep(10_000).await;
    assert_eq!(bench.samples().await.len(), before + 4);
    assert!(bench.is_lit(0));
}

#[tokio::test(start_paused = true)]
async fn both_ends_at_one_agent_have_one_ack_each() {
    let bench = Bench::started().await;
    let second = r#",{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet56","frequency":193.1,"tx_power_level":-2.0}]"#;
    bench.send(&GUIDE.replace("]", second)).await;
    bench.ack(2).await;
    let acks = bench.acks().await;
    let ports: BTreeSet<_> = acks.iter().map(|ack| ack.interface.clone().unwrap()).collect();
    assert_eq!(ports.len(), 2);
    assert_ne!(acks[0].ack_id, acks[1].ack_id);
    assert!(bench.is_lit(0) && bench.is_lit(1));
}
