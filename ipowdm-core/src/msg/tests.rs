use super::*;
use crate::ids::*;
use crate::qot::Measured;
use crate::time::Timestamp;
use crate::units::{Ber, Db, Frequency, Power};
use alloc::format;
use proptest::prelude::*;
use std::string::String;
use std::vec;
use std::vec::Vec;

const GUIDE_SETUP: &str = r#"{
  "action": "setupConnection",
  "command_id": "setup-POP1-POP2-1",
  "parameters": {
    "connection_id": "POP1-POP2-1",
    "endpoint_config": [
      { "pop_id": "pop1", "node_id": "router1", "port_id": "Ethernet48", "frequency": 193.1, "tx_power_level": -2.0 }
    ]
  }
}"#;

const GUIDE_RECONFIG: &str = r#"{
  "action": "reconfigConnection",
  "command_id": "reconfig-POP1-POP2-1-1730",
  "parameters": {
    "connection_id": "POP1-POP2-1",
    "reason": "OSNR degraded",
    "endpoint_config": [
      { "pop_id": "pop1", "node_id": "router1", "port_id": "Ethernet48", "tx_power_level": -1.5 }
    ]
  }
}"#;

const GUIDE_TELEMETRY: &str = r#"{
  "type": "telemetrySample",
  "connection_id": "POP1-POP2-1",
  "agent_id": "pop1-router1",
  "interface": "Ethernet48",
  "timestamp": 1730000000.123,
  "fields": {
    "rx_power": -12.3,
    "osnr": 21.4,
    "ber": 0.0002,
    "tx_power": -2.0
  }
}"#;

/// The guide's examples without white space outside strings: the golden bytes.
fn compact(text: &str) -> String {
    let mut quoted = false;
    text.chars()
        .filter(|&c| {
            quoted ^= c == '"';
            quoted || !c.is_whitespace()
        })
        .collect()
}

fn port(pop: &str, router: &str, port: &str) -> PortRef {
    PortRef {
        pop_id: pop.parse().unwrap(),
        router_id: router.parse().unwrap(),
        port_id: port.parse().unwrap(),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn guide_setup() -> Command {
    Command {
        command_id: Some("setup-POP1-POP2-1".parse().unwrap()),
        ..Command::bare(Action::Setup {
            connection_id: "POP1-POP2-1".parse().unwrap(),
            endpoints: vec![Endpoint {
                port: port("pop1", "router1", "Ethernet48"),
                frequency: Some(Frequency::from_mhz(193_100_000)),
                tx_power: Some(Power::from_hundredths(-200)),
                media_code: None,
            }],
        })
    }
}

#[test]
fn s0_05_the_guides_setup_is_golden() {
    let command = Command::from_json(GUIDE_SETUP.as_bytes()).unwrap();
    assert_eq!(command, guide_setup());
    assert_eq!(text(command.to_json()), compact(GUIDE_SETUP));
}

#[test]
fn s0_05_the_guides_hand_typed_line_is_accepted_verbatim() {
    let line = r#"{"action":"setupConnection","command_id":"setup-POP1-POP2-1","parameters":{"connection_id":"POP1-POP2-1","endpoint_config":[{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","frequency":193.1,"tx_power_level":-2.0}]}} "#;
    assert_eq!(Command::from_json(line.as_bytes()).unwrap(), guide_setup());
}

#[test]
fn s0_05_an_integer_megahertz_field_is_accepted_and_must_agree() {
    let with = |field: &str| GUIDE_SETUP.replace(r#""frequency": 193.1"#, field);
    for field in [
        r#""frequency_mhz": 193100000"#,
        r#""frequency": 193.1, "frequency_mhz": 193100000"#,
        r#""frequency": 193100"#,
        r#""frequency": 193100000"#,
    ] {
        assert_eq!(Command::from_json(with(field).as_bytes()).unwrap(), guide_setup(), "{field}");
    }
    let error =
        Command::from_json(with(r#""frequency": 193.1, "frequency_mhz": 193200000"#).as_bytes()).unwrap_err();
    assert!(matches!(&error, DecodeError::Field { field, .. } if field.contains("frequency_mhz")), "{error}");
}

#[test]
fn s0_06_the_guides_reconfig_is_golden_and_leaves_the_frequency_alone() {
    let command = Command::from_json(GUIDE_RECONFIG.as_bytes()).unwrap();
    assert_eq!(text(command.to_json()), compact(GUIDE_RECONFIG));
    let Action::Reconfigure { reason, endpoints, .. } = command.action else {
        panic!("not a reconfiguration")
    };
    assert_eq!(reason.as_deref(), Some("OSNR degraded"));
    assert_eq!(endpoints[0].frequency, None);
    assert_eq!(endpoints[0].tx_power, Some(Power::from_hundredths(-150)));
}

#[test]
fn s0_08_the_guides_telemetry_sample_is_golden() {
    let AgentMessage::Telemetry(sample) = AgentMessage::from_json(GUIDE_TELEMETRY.as_bytes()).unwrap() else {
        panic!("not telemetry")
    };
    assert_eq!(sample.fields.osnr, Some(Db::from_hundredths(2140)));
    assert_eq!(sample.fields.ber, Some(Ber::from_number(2e-4).unwrap()));
    assert_eq!(sample.timestamp, Timestamp(1_730_000_000_123));
    assert_eq!(text(sample.to_json()), compact(GUIDE_TELEMETRY));
}

#[test]
fn every_judged_quantity_is_golden_on_the_wire_and_one_that_is_null_or_missing_is_not_judged() {
    let fields = r#""fields":{"osnr":27.5,"ber":0.0031,"esnr":15.3,"q_factor":9.1,"q_margin":-0.4}"#;
    let head = r#"{"type":"telemetrySample","connection_id":"C1","agent_id":"a","interface":"Ethernet0","timestamp":1.5,"#;
    let read = |fields: &str| match AgentMessage::from_json(format!("{head}{fields}}}").as_bytes()) {
        Ok(AgentMessage::Telemetry(sample)) => sample,
        other => panic!("{other:?}"),
    };
    let sample = read(fields);
    let expected = Measured {
        osnr: Some(Db::from_tenths(275)),
        esnr: Some(Db::from_tenths(153)),
        ber: Ber::new(31, -4),
        q_margin: Some(Db::from_tenths(-4)),
    };
    assert_eq!(sample.fields.measured(), expected);
    assert_eq!(sample.fields.q_factor, Some(Db::from_tenths(91)));
    assert_eq!(text(sample.to_json()), format!("{head}{fields}}}"));
    for nothing in
        [r#""fields":{}"#, r#""fields":{"osnr":null,"ber":null,"esnr":null,"q_factor":null,"q_margin":null}"#]
    {
        assert_eq!(read(nothing).fields.measured(), Measured::default());
    }
}

#[test]
fn our_command_fields_are_golden() {
    let command = Command {
        command_id: Some("c-1".parse().unwrap()),
        vop: Some("vOp2".parse().unwrap()),
        target: Target::Agent("pop1-router1".parse().unwrap()),
        epoch: Some(7),
        lifetime_ms: Some(30_000),
        v: 1,
        action: guide_setup().action,
    };
    let json = text(command.to_json());
    assert_eq!(
        json,
        r#"{"action":"setupConnection","command_id":"c-1","v":1,"epoch":7,"lifetime_ms":30000,"virtual_operator":"vOp2","target_agent":"pop1-router1","parameters":{"connection_id":"POP1-POP2-1","endpoint_config":[{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","frequency":193.1,"tx_power_level":-2.0,"frequency_mhz":193100000}]}}"#
    );
    assert_eq!(Command::from_json(json.as_bytes()).unwrap(), command);
}

#[test]
fn every_action_survives_its_encoding() {
    let connection_id: ConnectionId = "c".parse().unwrap();
    let endpoints = vec![Endpoint {
        port: port("p", "r", "Ethernet0"),
        frequency: None,
        tx_power: Some(Power::from_hundredths(-999)),
        media_code: Some(0x46),
    }];
    for action in [
        Action::Teardown { connection_id: connection_id.clone(), endpoints: vec![] },
        Action::Teardown { connection_id: connection_id.clone(), endpoints: endpoints.clone() },
        Action::Reconfigure {
            connection_id: connection_id.clone(),
            reason: None,
            endpoints: endpoints.clone(),
        },
        Action::StartTelemetry { connection_id: connection_id.clone(), endpoints },
        Action::StopTelemetry { connection_id },
        Action::InterfaceControl { port: port("p", "r", "Ethernet0"), state: AdminState::Down },
        Action::InterfaceControl { port: port("p", "r", "Ethernet0"), state: AdminState::Up },
        Action::HealthCheck,
        Action::GetCapabilities,
        Action::Discover,
        Action::Dump,
    ] {
        let command = Command { v: 1, target: Target::Pop("p".parse().unwrap()), ..Command::bare(action) };
        assert_eq!(Command::from_json(&command.to_json()).unwrap(), command);
    }
}

#[test]
fn a_dump_of_a_port_is_golden() {
    let golden = r#"{"type":"portDump","v":1,"agent_id":"pop1-router1","pop_id":"pop1","router_id":"router1","virtual_operator":"vOp2","interface":"Ethernet48","timestamp":1730000000.0,"connection_id":"c-1","module":"MAKER ZR 1","age_ms":400,"fields":{"osnr":23.5},"windows":[{"seconds":10,"values":{"osnr":{"instant":23.5,"age_ms":400,"min":23.1,"avg":23.3,"max":23.5,"samples":3}}}],"interval":{"age_ms":900,"link":{"mer":{"unit":"dB","min":20.1,"avg":20.4,"max":20.5}},"host_fec":{"bits":1000,"corrected_bits":2,"frames":10,"uncorrected_frames":0}},"issues":[]}"#;
    let AgentMessage::Dump(dump) = AgentMessage::from_json(golden.as_bytes()).unwrap() else {
        panic!("not a dump");
    };
    assert_eq!(dump.windows[0].values["osnr"].samples, 3);
    assert_eq!(String::from_utf8(dump.to_json()).unwrap(), golden);
    let bare = r#"{"type":"portDump","agent_id":"a","pop_id":"p","router_id":"r","virtual_operator":"v","interface":"e","timestamp":1.0}"#;
    let AgentMessage::Dump(bare) = AgentMessage::from_json(bare.as_bytes()).unwrap() else {
        panic!("not a dump");
    };
    assert!(bare.windows.is_empty() && bare.module.is_none());
}

#[test]
fn existing_controllers_dialects_are_read() {
    let control = r#"{"type":"interfaceControl","command_id":"u","timestamp":1.5,"target_agent":"pop1-router1","action":"admin_down","parameters":{"pop_id":"pop1","router_id":"router1","interface":"Ethernet48","action":"admin_down"}}"#;
    let command = Command::from_json(control.as_bytes()).unwrap();
    assert_eq!(
        command.action,
        Action::InterfaceControl { port: port("pop1", "router1", "Ethernet48"), state: AdminState::Down }
    );
    assert_eq!(command.target, Target::Agent("pop1-router1".parse().unwrap()));

    let spread = r#"{"type":"setupConnection","command_id":"x","target_agent":"pop1-router1","connection_id":"POP1-POP2-1","parameters":{"connection_id":"POP1-POP2-1","pop_id":"pop1","router_id":"router1","interface":"Ethernet48","direction":"source","tx_power":-2.0,"frequency":193.1,"modulation":"DP-16QAM","path_info":null}}"#;
    assert_eq!(Command::from_json(spread.as_bytes()).unwrap().action, guide_setup().action);

    let top = r#"{"action":"setupConnection","connection_id":"POP1-POP2-1","frequency":193100,"endpoint_config":[{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","app":1,"tx_power_level":-2.0}]}"#;
    assert_eq!(Command::from_json(top.as_bytes()).unwrap().action, guide_setup().action);

    let legacy = GUIDE_RECONFIG.replace(
        r#""action": "reconfigConnection","#,
        r#""action": "reconfigConnection", "target_pop": "all","#,
    );
    assert_eq!(Command::from_json(legacy.as_bytes()).unwrap().target, Target::All);
}

#[test]
fn bad_commands_are_refused_with_the_place() {
    let cases: &[(&str, Code, &str)] = &[
        ("", Code::Malformed, ""),
        ("[1,2]", Code::Malformed, "object"),
        ("{\"action\":\"setupConnection\",", Code::Malformed, ""),
        (r#"{"action":"launchMissiles"}"#, Code::UnknownAction, "launchMissiles"),
        (r#"{"hello":"world"}"#, Code::UnknownAction, ""),
        (r#"{"action":17}"#, Code::InvalidField, "action"),
        (r#"{"action":"setupConnection","parameters":[]}"#, Code::InvalidField, "parameters"),
        (
            r#"{"action":"setupConnection","parameters":{"connection_id":"c"}}"#,
            Code::InvalidField,
            "endpoint_config",
        ),
        (r#"{"action":"discover","epoch":-1}"#, Code::InvalidField, "epoch"),
        (r#"{"action":"discover","epoch":1e400}"#, Code::Malformed, ""),
        (
            r#"{"action":"discover","action":"teardownConnection"}"#,
            Code::Malformed,
            "duplicate field `action`",
        ),
        (
            r#"{"action":"discover","parameters":{"x":[{"y":1,"y":1}]}}"#,
            Code::Malformed,
            "duplicate field `y`",
        ),
        (r#"{"action":"discover","target_agent":"a b"}"#, Code::InvalidField, "target_agent"),
    ];
    for (json, code, place) in cases {
        let error = Command::from_json(json.as_bytes()).unwrap_err();
        assert_eq!(error.code(), *code, "{json}: {error}");
        assert!(std::format!("{error}").contains(place), "{json}: {error}");
    }
    let swap =
        |from: &str, to: &str| Command::from_json(GUIDE_SETUP.replace(from, to).as_bytes()).unwrap_err();
    for (from, to, place) in [
        ("193.1", "\"193.1\"", "frequency"),
        ("193.1", "-193.1", "frequency"),
        ("193.1", "193.1000004", "frequency"),
        ("-2.0", "1e9", "tx_power_level"),
        ("\"router1\"", "7", "node_id"),
        ("\"Ethernet48\"", "\"\"", "port_id"),
        ("\"POP1-POP2-1\"", "\"a b\"", "connection_id"),
    ] {
        let error = swap(from, to);
        assert_eq!(error.code(), Code::InvalidField, "{to}: {error}");
        assert!(std::format!("{error}").contains(place), "{to}: {error}");
    }
    assert_eq!(Command::from_json(&vec![b' '; MAX_RECORD + 1]).unwrap_err().code(), Code::TooLarge);
}

fn ack() -> CommandAck {
    CommandAck {
        v: VERSION,
        agent_id: "pop1-router1".parse().unwrap(),
        pop_id: "pop1".parse().unwrap(),
        router_id: "router1".parse().unwrap(),
        virtual_operator: "vOp2".parse().unwrap(),
        command_id: "c-1".parse().unwrap(),
        action: "setupConnection".into(),
        status: Outcome::Applied.status(),
        outcome: Outcome::Applied,
        ack_id: Some("pop1-router1:1:1".into()),
        connection_id: Some("POP1-POP2-1".parse().unwrap()),
        interface: Some("Ethernet48".parse().unwrap()),
        details: AckDetails {
            result: Some("configured".into()),
            readback: Some(Readback {
                frequency_mhz: Some(Frequency::ANCHOR),
                tx_power_dbm: Some(Power::from_hundredths(-200)),
                ..Readback::default()
            }),
            ..AckDetails::default()
        },
        timestamp: Timestamp(1_730_000_000_123),
    }
}

#[test]
fn s0_07_an_ack_is_golden() {
    let ack = ack();
    let json = text(ack.to_json());
    assert_eq!(
        json,
        r#"{"type":"commandAck","v":1,"agent_id":"pop1-router1","pop_id":"pop1","router_id":"router1","virtual_operator":"vOp2","command_id":"c-1","action":"setupConnection","status":"success","outcome":"applied","ack_id":"pop1-router1:1:1","connection_id":"POP1-POP2-1","interface":"Ethernet48","details":{"result":"configured","readback":{"frequency_mhz":193100000,"tx_power_dbm":-2.0}},"timestamp":1730000000.123}"#
    );
    assert_eq!(AgentMessage::from_json(json.as_bytes()), Ok(AgentMessage::Ack(ack)));
}

#[test]
fn a_null_measurement_is_absent_and_an_unknown_type_is_named() {
    let json = GUIDE_TELEMETRY.replace("0.0002", "null").replace(r#""osnr": 21.4,"#, "");
    let AgentMessage::Telemetry(sample) = AgentMessage::from_json(json.as_bytes()).unwrap() else {
        panic!("not telemetry")
    };
    assert_eq!((sample.fields.ber, sample.fields.osnr), (None, None));
    assert!(!text(sample.to_json()).contains("null"));
    assert_eq!(
        AgentMessage::from_json(br#"{"type":"qotEvent"}"#),
        Err(DecodeError::Unknown("qotEvent".into()))
    );
}

#[test]
fn health_capabilities_and_assignments_survive_their_encoding() {
    let health = br#"{"type":"agentHealth","agent_id":"a","pop_id":"p","router_id":"r","virtual_operator":"v","status":"ok","timestamp":1.5,"extra":1}"#;
    let AgentMessage::Health(health) = AgentMessage::from_json(health).unwrap() else { panic!("not health") };
    assert_eq!(health.status, HealthStatus::Healthy);
    assert_eq!(AgentMessage::from_json(&health.to_json()), Ok(AgentMessage::Health(health)));
    let judged = r#"{"port_id":"Ethernet48","present":true,"quality":"DEGRADED"}"#;
    let interface: InterfaceHealth = serde_json::from_str(judged).unwrap();
    assert_eq!(interface.quality, Some(crate::qot::Level::Degraded));
    assert_eq!(serde_json::to_string(&interface).unwrap(), judged, "absent where the agent does not judge");

    let assignment = Assignment {
        v: VERSION,
        agent_id: "a".parse().unwrap(),
        pop_id: "p".parse().unwrap(),
        router_id: "r".parse().unwrap(),
        revision: 3,
        vops: vec![VopAssignment {
            vop: "vOp2".parse().unwrap(),
            incarnation: "i1".parse().unwrap(),
            ports: vec![PortGrant {
                port_id: "Ethernet48".parse().unwrap(),
                spectrum: vec![crate::grid::SpectrumWindow {
                    low: Frequency::from_mhz(192_000_000),
                    high: Frequency::from_mhz(194_000_000),
                }],
                tx_power: None,
            }],
            telemetry_interval_ms: 3000,
            health_interval_ms: 30_000,
        }],
    };
    let json = text(assignment.to_json());
    assert_eq!(
        json,
        r#"{"type":"assignment","v":1,"agent_id":"a","pop_id":"p","router_id":"r","revision":3,"vops":[{"vop":"vOp2","incarnation":"i1","ports":[{"port_id":"Ethernet48","spectrum":[{"low_mhz":192000000,"high_mhz":194000000}]}],"telemetry_interval_ms":3000,"health_interval_ms":30000}]}"#
    );
    assert_eq!(Assignment::from_json(json.as_bytes()), Ok(assignment));
    assert!(matches!(Assignment::from_json(&ack().to_json()), Err(DecodeError::Unknown(_))));
}

#[test]
fn a_message_of_an_unknown_version_is_refused_before_anything_else_of_it_is_looked_at() {
    let ack = text(ack().to_json());
    let assignment =
        r#"{"type":"assignment","v":1,"agent_id":"a","pop_id":"p","router_id":"r","revision":3,"vops":[]}"#;
    let outcomes = |v: &str| {
        let with = |json: &str| json.replace(r#""v":1"#, &std::format!(r#""v":{v}"#)).into_bytes();
        let command = Command::from_json(&with(r#"{"v":1,"action":"discover"}"#)).map(|_| ());
        let later = Command::from_json(&with(r#"{"v":1,"action":"newInThat","parameters":7}"#)).map(|_| ());
        let message = AgentMessage::from_json(&with(&ack)).map(|_| ());
        let assignment = Assignment::from_json(&with(assignment)).map(|_| ());
        ([command, message, assignment], later)
    };
    for (v, number) in [("2", 2), ("99", 99), ("65536", 65_536), ("18446744073709551615", u64::MAX)] {
        let unknown = Err(DecodeError::UnknownVersion(number));
        assert_eq!(outcomes(v), ([unknown.clone(), unknown.clone(), unknown.clone()], unknown), "{v}");
    }
    assert_eq!(DecodeError::UnknownVersion(2).code(), Code::UnknownVersion);
    for v in ["0", "1"] {
        let (known, later) = outcomes(v);
        assert_eq!(known, [Ok(()), Ok(()), Ok(())], "{v}");
        assert!(later.is_err());
    }
    for v in ["-1", "1.5", "\"1\"", "true"] {
        let (bad, _) = outcomes(v);
        assert!(
            bad.iter().all(|o| matches!(o, Err(DecodeError::Field { field, .. }) if field == "v")),
            "{bad:?}"
        );
    }
}

proptest! {
    #[test]
    fn no_record_panics(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = (Command::from_json(&bytes), AgentMessage::from_json(&bytes), Assignment::from_json(&bytes));
    }

    #[test]
    fn no_mutation_of_a_good_record_panics(at in 0_usize..300, byte in any::<u8>()) {
        let mut bytes = compact(GUIDE_SETUP).into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(command) = Command::from_json(&bytes) {
            // What is accepted reads back as itself.
            prop_assert_eq!(Command::from_json(&command.to_json()), Ok(command));
        }
    }
}

#[test]
fn a_sample_read_in_one_pass_is_refused_for_what_a_closer_look_would_refuse() {
    let plain = r#"{"type":"telemetrySample","connection_id":"C1","agent_id":"a","interface":"Ethernet0","timestamp":1.5,"fields":{"osnr":30.25}"#;
    let read = |tail: &str| AgentMessage::from_json(format!("{plain}{tail}}}").as_bytes());
    assert!(
        matches!(read(""), Ok(AgentMessage::Telemetry(sample)) if sample.fields.osnr == Db::from_number(30.25).ok())
    );
    assert!(matches!(read(r#","v":1,"later":{"x":[1]}"#), Ok(AgentMessage::Telemetry(_))));
    assert_eq!(read(r#","v":7"#), Err(DecodeError::UnknownVersion(7)));
    assert!(matches!(read(r#","type":"commandAck""#), Err(DecodeError::Malformed(_))));
    assert!(matches!(read(r#","\u0074ype":"commandAck""#), Err(DecodeError::Malformed(_))));
    assert!(matches!(read(r#","seq":-1"#), Err(DecodeError::Field { .. })));
    assert!(matches!(read(r#","seq":"#), Err(DecodeError::Malformed(_))));
    // The word as a value is no second type.
    assert!(matches!(read(r#","note":"type""#), Ok(AgentMessage::Telemetry(_))));
}
