use super::*;
use crate::msg::DecodeError;
use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec;

/// A command as an existing controller writes it, from the folder of dialects.
macro_rules! recorded {
    ($name:literal) => {
        Command::from_json(include_bytes!(concat!("../../../dialects/commands/", $name, ".json")))
    };
}

fn port(pop: &str) -> PortRef {
    PortRef {
        pop_id: pop.parse().unwrap(),
        router_id: "router1".parse().unwrap(),
        port_id: "Ethernet48".parse().unwrap(),
    }
}

fn end(pop: &str, frequency: Option<u32>, hundredths: i16) -> Endpoint {
    Endpoint {
        port: port(pop),
        frequency: frequency.map(Frequency::from_mhz),
        tx_power: Some(Power::from_hundredths(hundredths)),
        media_code: None,
    }
}

fn connection() -> ConnectionId {
    "POP1-POP2-1".parse().unwrap()
}

fn to_router1() -> Target {
    Target::Agent("pop1-router1".parse().unwrap())
}

#[test]
fn s0_05_every_recorded_set_up_tunes_to_the_exact_megahertz() {
    let setup = |endpoints| Action::Setup { connection_id: connection(), endpoints };
    let guide = recorded!("s0_05-guide-setup").unwrap();
    assert_eq!(guide.action, setup(vec![end("pop1", Some(193_100_000), -200)]));
    assert_eq!((guide.target, guide.epoch), (Target::All, None));

    let head = recorded!("s0_05-ctrl-head-setup").unwrap();
    assert_eq!(head.action, setup(vec![end("pop1", Some(193_100_000), -200)]), "type and no action");
    assert_eq!(head.target, to_router1());

    let full = recorded!("s0_05-full-setup").unwrap();
    let ends = ["pop1", "pop2"].map(|pop| end(pop, Some(193_100_000), -1000));
    assert_eq!(full.action, setup(ends.to_vec()), "one frequency in GHz at the top");
    assert_eq!(full.command_id, None);
}

#[test]
fn s0_05_a_recorded_teardown_without_endpoints_means_every_port_of_the_connection() {
    let command = recorded!("s0_05-full-teardown").unwrap();
    assert_eq!(command.action, Action::Teardown { connection_id: connection(), endpoints: vec![] });
}

#[test]
fn s0_06_every_recorded_reconfiguration_changes_the_power_and_nothing_else() {
    for (command, reason, powers) in [
        (recorded!("s0_06-guide-reconfig"), "OSNR degraded", vec![("pop1", -150)]),
        (
            recorded!("s0_06-ctrl-legacy-reconfig"),
            "{'type': 'QOT_DEGRADATION', 'osnr': 17.2, 'pre_fec_ber': 0.0031, 'samples': 3, 'acted': None, 'recovered': False}",
            vec![("pop1", -100), ("pop2", -100)],
        ),
        (recorded!("s0_06-ctrl-head-reconfig"), "QOT_DEGRADATION", vec![("pop1", -100)]),
    ] {
        let command = command.unwrap();
        let endpoints = powers.iter().map(|(pop, power)| end(pop, None, *power)).collect();
        let reason = Some(String::from(reason));
        assert_eq!(command.action, Action::Reconfigure { connection_id: connection(), reason, endpoints });
    }
    assert_eq!(recorded!("s0_06-ctrl-legacy-reconfig").unwrap().target, Target::All, "target_pop all");
}

#[test]
fn s0_07_the_recorded_interface_control_has_its_action_where_others_have_the_commands_name() {
    for (command, state) in [
        (recorded!("s0_07-ctrl-head-interface-control-up"), AdminState::Up),
        (recorded!("s0_07-ctrl-head-interface-control-down"), AdminState::Down),
        (recorded!("s0_07-ctrl-head-interface-control-admin-down"), AdminState::Down),
    ] {
        let command = command.unwrap();
        assert_eq!(command.action, Action::InterfaceControl { port: port("pop1"), state });
        assert_eq!(command.target, to_router1());
    }
}

#[test]
fn s0_10_recorded_questions_are_read() {
    assert_eq!(recorded!("s0_10-ctrl-head-discover").unwrap().action, Action::Discover);
    assert_eq!(recorded!("s0_10-full-health-check").unwrap().action, Action::HealthCheck);
    assert_eq!(recorded!("s0_10-full-get-capabilities").unwrap().action, Action::GetCapabilities);
}

#[test]
fn the_superseded_envelope_is_refused_as_unknown_and_not_guessed_at() {
    assert_eq!(recorded!("superseded-envelope"), Err(DecodeError::Unknown(String::new())));
}

#[test]
fn every_recorded_command_is_named_by_a_test() {
    assert_named("dialects/commands", include_str!("tests.rs"));
}

/// Every file of a folder of this crate is named in a text.
fn assert_named(folder: &str, text: &str) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().into())
        .collect();
    assert!(files.len() > 10, "{files:?}");
    for name in files {
        assert!(text.contains(&format!("\"{name}\"")), "{name} is read by no test");
    }
}

fn ours(action: Action) -> Command {
    Command {
        command_id: Some("POP1-POP2-1.1a2b.1.c0ffee.1".parse().unwrap()),
        vop: Some("vOp2".parse().unwrap()),
        target: to_router1(),
        epoch: Some(7),
        lifetime_ms: Some(30_000),
        v: 1,
        action,
    }
}

const SUPERSET: Superset = Superset { at: Timestamp(1_761_730_512_483), app: Some(2) };

#[test]
fn s0_05_the_superset_of_a_set_up_is_golden_and_reads_back_as_the_same_command() {
    let endpoint = Endpoint { media_code: Some(0x46), ..end("pop1", Some(193_100_000), -1000) };
    let command = ours(Action::Setup { connection_id: connection(), endpoints: vec![endpoint] });
    let json = String::from_utf8(command.to_superset_json(&SUPERSET)).unwrap();
    assert_eq!(
        json,
        r#"{"type":"setupConnection","action":"setupConnection","command_id":"POP1-POP2-1.1a2b.1.c0ffee.1","v":1,"epoch":7,"lifetime_ms":30000,"virtual_operator":"vOp2","target_agent":"pop1-router1","target_pop":"pop1","timestamp":1761730512.483,"connection_id":"POP1-POP2-1","frequency":193100,"endpoint_config":[{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","app":2,"tx_power_level":-10.0},{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","app":2,"tx_power_level":-10.0}],"parameters":{"connection_id":"POP1-POP2-1","endpoint_config":[{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","frequency":193.1,"tx_power_level":-10.0,"frequency_mhz":193100000,"media_code":70}],"tx_power_level":-10.0}}"#
    );
    assert_eq!(Command::from_json(json.as_bytes()).unwrap(), command);
}

#[test]
fn s0_06_the_superset_of_a_reconfiguration_is_golden_and_names_no_frequency() {
    let action = Action::Reconfigure {
        connection_id: connection(),
        reason: Some("manual".into()),
        endpoints: vec![end("pop1", None, -950)],
    };
    let command = ours(action);
    let json = String::from_utf8(command.to_superset_json(&Superset::default())).unwrap();
    assert_eq!(
        json,
        r#"{"type":"reconfigConnection","action":"reconfigConnection","command_id":"POP1-POP2-1.1a2b.1.c0ffee.1","v":1,"epoch":7,"lifetime_ms":30000,"virtual_operator":"vOp2","target_agent":"pop1-router1","target_pop":"pop1","timestamp":0.0,"connection_id":"POP1-POP2-1","endpoint_config":[{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","tx_power_level":-9.5}],"parameters":{"connection_id":"POP1-POP2-1","reason":"manual","endpoint_config":[{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","tx_power_level":-9.5}],"tx_power_level":-9.5}}"#
    );
    assert_eq!(Command::from_json(json.as_bytes()).unwrap(), command);
}

#[test]
fn s0_07_the_superset_of_interface_control_is_that_of_existing_controllers() {
    let command = ours(Action::InterfaceControl { port: port("pop1"), state: AdminState::Down });
    let json = String::from_utf8(command.to_superset_json(&SUPERSET)).unwrap();
    let recorded = include_str!("../../../dialects/commands/s0_07-ctrl-head-interface-control-down.json");
    let [json_value, recorded]: [serde_json::Value; 2] =
        [&json, recorded].map(|text| serde_json::from_str(text).unwrap());
    for member in ["type", "action", "parameters", "target_agent"] {
        assert_eq!(json_value[member], recorded[member], "{member}");
    }
    assert_eq!(json_value.get("endpoint_config"), None);
    assert_eq!(Command::from_json(json.as_bytes()).unwrap(), command);
}

#[test]
fn the_superset_of_every_command_reads_back_as_the_same_command() {
    let connection_id = connection();
    let endpoints = vec![end("pop1", None, -999)];
    for action in [
        Action::Teardown { connection_id: connection_id.clone(), endpoints: vec![] },
        Action::Teardown { connection_id: connection_id.clone(), endpoints: endpoints.clone() },
        Action::Setup {
            connection_id: connection_id.clone(),
            endpoints: vec![end("pop1", Some(193_106_250), 0)],
        },
        Action::StartTelemetry { connection_id: connection_id.clone(), endpoints },
        Action::StopTelemetry { connection_id },
        Action::InterfaceControl { port: port("pop1"), state: AdminState::Up },
        Action::HealthCheck,
        Action::GetCapabilities,
        Action::Discover,
        Action::Dump,
    ] {
        for target in [to_router1(), Target::All, Target::Pop("pop1".parse().unwrap())] {
            let command = Command { target, ..ours(action.clone()) };
            let json = command.to_superset_json(&SUPERSET);
            assert_eq!(Command::from_json(&json).unwrap(), command);
        }
    }
}

#[test]
fn a_frequency_that_is_no_whole_gigahertz_is_written_as_it_is() {
    let action =
        Action::Setup { connection_id: connection(), endpoints: vec![end("pop1", Some(193_106_250), 0)] };
    let json = ours(action).to_superset_json(&Superset::default());
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["frequency"], 193_106.25);
}
