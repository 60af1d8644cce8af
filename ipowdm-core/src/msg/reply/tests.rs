use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::string::String;
use std::vec;

/// What an existing agent writes, from the folder of dialects.
macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../../dialects/replies/", $name, ".json")).as_slice()
    };
}

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const AT: Timestamp = Timestamp(1_761_730_512_484);

fn router(agent: &AgentId) -> Option<RouterRef> {
    let (pop, router) = agent.as_str().split_once('-')?;
    (pop == "pop1").then(|| RouterRef { pop_id: pop.parse().unwrap(), router_id: router.parse().unwrap() })
}

fn read_reply(bytes: &[u8]) -> Result<Reply, DecodeError> {
    let vop = "vOp2".parse().unwrap();
    Reply::from_json(bytes, &Surroundings { vop: &vop, router_of: &router, now: NOW })
}

fn claim(bytes: &[u8]) -> Claim {
    match read_reply(bytes) {
        Ok(Reply::Claim(claim)) => claim,
        other => panic!("{other:?}"),
    }
}

fn message(bytes: &[u8]) -> AgentMessage {
    match read_reply(bytes) {
        Ok(Reply::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn sample(bytes: &[u8]) -> TelemetrySample {
    match message(bytes) {
        AgentMessage::Telemetry(sample) => sample,
        other => panic!("{other:?}"),
    }
}

fn health(bytes: &[u8]) -> AgentHealth {
    match message(bytes) {
        AgentMessage::Health(health) => health,
        other => panic!("{other:?}"),
    }
}

fn capabilities(bytes: &[u8]) -> Capabilities {
    match message(bytes) {
        AgentMessage::Capabilities(said) => said,
        other => panic!("{other:?}"),
    }
}

/// The claim that most forms amount to.
fn said(action: Option<&str>, status: AckStatus) -> Claim {
    Claim {
        agent_id: "pop1-router1".parse().unwrap(),
        router: router(&"pop1-router1".parse().unwrap()).unwrap(),
        action: action.map(Into::into),
        command_id: None,
        connection_id: Some("POP1-POP2-1".parse().unwrap()),
        interface: None,
        status,
        new_power: None,
        error: None,
        timestamp: AT,
    }
}

#[test]
fn s0_05_a_result_is_a_claim_about_a_connection_without_a_command() {
    let success = AckStatus::Success;
    let setup = said(Some("setupConnection"), success);
    let interface = Some("Ethernet48".parse().unwrap());
    assert_eq!(claim(recorded!("s0_05-agent-full-setup-result")), Claim { interface, ..setup });
    let error = Some("TX power config failed: TX power -2.0dBm out of range".into());
    let failed = Claim { error, ..said(Some("setupConnection"), AckStatus::Failed) };
    assert_eq!(claim(recorded!("s0_05-agent-full-setup-result-failed")), failed);
    assert_eq!(
        claim(recorded!("s0_05-agent-full-teardown-result")),
        said(Some("teardownConnection"), success)
    );
}

#[test]
fn s0_06_a_reconfiguration_result_says_the_power_that_was_set() {
    let new_power = Some(Power::from_hundredths(-950));
    let reconfigured = Claim { new_power, ..said(Some("reconfigConnection"), AckStatus::Success) };
    assert_eq!(claim(recorded!("s0_06-agent-full-reconfig-result")), reconfigured);
    let error = Some("TX power -2.0dBm out of range".into());
    let failed = Claim { error, ..said(Some("reconfigConnection"), AckStatus::Failed) };
    assert_eq!(claim(recorded!("s0_06-agent-full-reconfig-result-failed")), failed);
}

#[test]
fn s0_05_an_error_is_a_failure_of_the_command_that_it_names() {
    let error = claim(recorded!("s0_05-agent-full-error"));
    assert_eq!((error.status, error.connection_id, error.action), (AckStatus::Failed, None, None));
    assert_eq!(error.command_id, Some("setup-POP1-POP2-1".parse().unwrap()));
    assert!(error.error.unwrap().starts_with("SetupConnectionError: 2 validation errors"));
    let nameless = claim(recorded!("s0_05-agent-full-error-without-command"));
    assert_eq!((nameless.status, nameless.command_id), (AckStatus::Failed, None));
}

#[test]
fn s0_07_every_recorded_ack_is_a_claim_and_one_that_is_no_outcome_is_refused() {
    let id = Some("3f0f7f0c-6f3b-4d0e-9a54-0d6f6a3a1f55".parse().unwrap());
    for (bytes, status, error) in [
        (recorded!("s0_07-agent-head-command-ack"), AckStatus::Success, None),
        (
            recorded!("s0_07-agent-head-command-ack-failed"),
            AckStatus::Failed,
            Some("Interface Ethernet99 not found"),
        ),
        (recorded!("s0_07-ack"), AckStatus::Success, None),
        (recorded!("s0_07-command-ack-status"), AckStatus::Failed, None),
    ] {
        let ack = claim(bytes);
        assert_eq!((ack.command_id, ack.status, ack.error.as_deref()), (id.clone(), status, error));
    }
    let received = read_reply(recorded!("s0_07-ack-received")).unwrap_err();
    assert!(matches!(&received, DecodeError::Field { field, .. } if field == "status"), "{received}");
}

#[test]
fn s0_08_telemetry_of_every_form_is_a_sample_in_which_null_is_absent() {
    let full = sample(recorded!("s0_08-agent-full-telemetry"));
    assert_eq!((full.connection_id.as_str(), full.interface.as_str()), ("POP1-POP2-1", "Ethernet48"));
    let expected = TelemetryFields {
        rx_power: Some(Power::from_hundredths(-1234)),
        tx_power: Some(Power::from_hundredths(-1000)),
        osnr: Some(Db::from_hundredths(2140)),
        module_state: Some("HIGH_POWER".into()),
        ..TelemetryFields::default()
    };
    let temperature = full.fields.temperature;
    assert!(temperature.is_some_and(|t| (t.celsius() - 45.2).abs() < 0.01), "{temperature:?}");
    assert_eq!(full.fields, TelemetryFields { temperature, ..expected.clone() });
    assert_eq!((full.v, full.pop_id, full.timestamp), (None, None, AT), "it does not say where it is");

    let first = sample(recorded!("s0_08-agent-first-telemetry"));
    assert_eq!(first.fields.ber, Some(Ber::from_number(2.1e-4).unwrap()));
    let without_ber = TelemetryFields { ber: None, ..first.fields };
    assert_eq!(without_ber, TelemetryFields { temperature, ..expected.clone() }, "what is set is not taken");

    let legacy = sample(recorded!("s0_08-legacy-telemetry"));
    assert_eq!(legacy.fields.ber, Some(Ber::from_number(2.1e-5).unwrap()));
    assert_eq!(legacy.pop_id, Some("pop1".parse().unwrap()));

    let nan = read_reply(recorded!("s0_08-qot-telemetry-nan")).unwrap_err();
    assert!(matches!(nan, DecodeError::Malformed(_)), "{nan}");
}

#[test]
fn s0_10_every_recorded_heartbeat_has_a_status_that_we_know() {
    use HealthStatus::{Degraded, Healthy};
    for (bytes, status) in [
        (recorded!("s0_10-agent-head-health"), Healthy),
        (recorded!("s0_10-agent-full-health"), Degraded),
        (recorded!("s0_10-agent-full-health-check"), Healthy),
        (recorded!("s0_10-agent-details-health"), Degraded),
        (recorded!("s0_10-agentHeartbeat-ok"), Healthy),
        (recorded!("s0_10-health-up"), Healthy),
        (recorded!("s0_10-heartbeat-warning"), Degraded),
    ] {
        let health = health(bytes);
        assert_eq!((health.status, health.v, health.timestamp), (status, 0, AT));
        let at = (health.agent_id.as_str(), health.pop_id.as_str(), health.router_id.as_str());
        assert_eq!(at, ("pop1-router1", "pop1", "router1"), "where it is follows from its id");
        assert_eq!(health.virtual_operator.as_str(), "vOp2");
        assert_eq!((health.epoch, health.boot_id), (None, None));
    }
}

#[test]
fn s0_10_ports_in_a_recorded_heartbeat_are_in_our_units_and_unknown_is_absent() {
    let health = health(recorded!("s0_10-agent-full-health"));
    let [lit, empty] = health.interfaces.as_slice() else { panic!("{:?}", health.interfaces) };
    assert_eq!(lit.frequency_mhz, Some(Frequency::from_mhz(193_100_000)), "it says MHz and means GHz");
    assert_eq!((lit.present, lit.operational, lit.app_code), (true, Some(true), Some(2)));
    assert_eq!((lit.vendor.as_deref(), lit.serial.as_deref()), (Some("NeoPhotonics"), None));
    assert_eq!((lit.tx_power_dbm, &lit.connection_id), (Some(Power::from_hundredths(-1000)), &None));
    assert_eq!((empty.present, &empty.vendor, empty.frequency_mhz), (false, &None, None));
}

#[test]
fn s0_10_recorded_capabilities_are_planned_with_only_where_the_modes_are_known() {
    let names = capabilities(recorded!("s0_10-agent-head-capabilities"));
    let ports: Vec<_> =
        names.interfaces.iter().map(|port| (port.port_id.as_str(), &port.capability)).collect();
    assert_eq!(ports, [("Ethernet48", &None), ("Ethernet56", &None)]);

    let full = capabilities(recorded!("s0_10-agent-full-capabilities"));
    assert_eq!((full.router_id.as_str(), full.interfaces.len()), ("router1", 1), "node_id is the router");
    let module = full.interfaces[0].capability.as_ref().unwrap();
    let codes: Vec<_> = module.applications.iter().map(|app| (app.app_sel, app.media_code)).collect();
    assert_eq!(codes, [(1, 0x3E), (2, 0x46), (5, 0x49)], "no catalogue has 100G with 16QAM or 8QAM");
    assert!(
        module.can_tune(Frequency::from_mhz(191_300_000))
            && module.can_tune(Frequency::from_mhz(196_100_000))
    );
    assert!(!module.can_tune(Frequency::from_mhz(193_150_000)), "its driver would tune elsewhere");
    let powers = module.tx_power.unwrap();
    assert_eq!((powers.min.hundredths(), powers.max.hundredths()), (-1500, -800));
}

#[test]
fn s0_13_a_recorded_quality_event_is_a_note_and_no_change() {
    let Ok(Reply::Note(note)) = read_reply(recorded!("s0_13-agent-full-qot-event")) else { panic!() };
    assert_eq!((note.connection_id.as_str(), note.event.as_str()), ("POP1-POP2-1", "tx_power_adjusted"));
}

#[test]
fn the_superseded_envelope_is_refused_as_unknown() {
    assert_eq!(read_reply(recorded!("superseded-envelope")), Err(DecodeError::Unknown(String::new())));
}

#[test]
fn an_agent_that_is_not_known_must_say_where_it_is() {
    let stranger = br#"{"type": "error", "agent_id": "stranger", "error_type": "x", "error_message": "y"}"#;
    let error = read_reply(stranger).unwrap_err();
    assert!(matches!(&error, DecodeError::Field { field, .. } if field == "agent_id"), "{error}");
    let placed = br#"{"type": "error", "agent_id": "stranger", "pop_id": "pop9", "router_id": "r", "error_type": "x"}"#;
    assert_eq!((claim(placed).router.pop_id.as_str(), claim(placed).timestamp), ("pop9", NOW));
}

#[test]
fn what_no_agent_writes_is_refused_with_the_place() {
    let cases = [
        (r#"{"type": "setupConnectionResult", "agent_id": "pop1-router1", "connection_id": "c"}"#, "success"),
        (
            r#"{"type": "setupConnectionResult", "agent_id": "pop1-router1", "success": true}"#,
            "connection_id",
        ),
        (r#"{"type": "setupConnectionResult", "connection_id": "c", "success": true}"#, "agent_id"),
        (r#"{"type": "ack", "agent_id": "pop1-router1", "status": "ok"}"#, "command_id"),
        (r#"{"type": "telemetry", "agent_id": "pop1-router1", "data": {"connection_id": "c"}}"#, "fields"),
        (r#"{"type": "telemetrySample", "agent_id": "a", "interface": "e", "fields": {}}"#, "connection_id"),
        (r#"{"type": "health", "agent_id": "pop1-router1"}"#, "status"),
    ];
    for (text, place) in cases {
        let error = read_reply(text.as_bytes()).unwrap_err();
        assert!(matches!(&error, DecodeError::Field { field, .. } if field == place), "{text}: {error}");
    }
    assert!(matches!(read_reply(b"[]"), Err(DecodeError::Malformed(_))));
    assert!(matches!(read_reply(br#"{"type": "healthCheck"}"#), Err(DecodeError::Unknown(_))));
    assert_eq!(read_reply(br#"{"type": "ack", "v": 2}"#), Err(DecodeError::UnknownVersion(2)));
}

#[test]
fn messages_of_this_project_are_read_as_strictly_as_ever() {
    let loose = br#"{"type": "agentHeartbeat", "v": 1, "agent_id": "pop1-router1", "status": "ok"}"#;
    assert_eq!(read_reply(loose), Err(DecodeError::Unknown("agentHeartbeat".into())));
    let ack = br#"{"type":"commandAck","v":1,"agent_id":"pop1-router1","command_id":"c","status":"success"}"#;
    assert!(matches!(read_reply(ack), Err(DecodeError::Field { .. })), "no outcome");
}

#[test]
fn strict_readers_take_of_these_forms_only_what_the_guide_has() {
    let strict = |bytes: &[u8]| AgentMessage::from_json(bytes).is_ok();
    let taken: Vec<_> =
        files().into_iter().filter(|(_, bytes)| strict(bytes)).map(|(name, _)| name).collect();
    assert_eq!(taken, ["s0_08-agent-full-telemetry", "s0_10-agent-head-health"]);
}

#[test]
fn every_recorded_reply_is_named_by_a_test() {
    let files = files();
    assert!(files.len() > 20, "{}", files.len());
    for (name, _) in files {
        assert!(include_str!("tests.rs").contains(&std::format!("\"{name}\"")), "{name} is read by no test");
    }
}

proptest! {
    #[test]
    fn no_mutation_of_a_recorded_reply_panics(file in 0..27_usize, at in 0..600_usize, byte: u8) {
        let files = files();
        let mut bytes = files[file % files.len()].1.clone();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = read_reply(&bytes);
    }
}

fn files() -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dialects/replies");
    let mut files = vec![];
    let paths: BTreeSet<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in paths {
        files.push((path.file_stem().unwrap().to_str().unwrap().into(), std::fs::read(path).unwrap()));
    }
    files
}
