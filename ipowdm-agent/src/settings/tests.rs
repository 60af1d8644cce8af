use super::*;
use crate::mode::Mode;
use ipowdm_core::bus::kafka::SaslMechanism;
use ipowdm_core::ids::IdError;
use std::path::PathBuf;

type Environment<'a> = &'a [(&'a str, &'a str)];

const REFERENCE: Environment<'static> = &[
    ("POP_ID", "pop1"),
    ("ROUTER_ID", "router1"),
    ("VIRTUAL_OPERATOR", "vOp2"),
    ("KAFKA_BROKER", "192.0.2.7:9092"),
    ("CONFIG_TOPIC", "config_vOp2"),
    ("MONITORING_TOPIC", "monitoring_vOp2"),
    ("HEALTH_TOPIC", "health_vOp2"),
    ("ASSIGNED_TRANSCEIVERS", r#"["Ethernet48","Ethernet56"]"#),
    ("IFNAME_TO_PORTNUM_JSON", r#"{"Ethernet48":7,"Ethernet56":8}"#),
    ("TELEMETRY_INTERVAL_SEC", "3.0"),
    ("COMMAND_TIMEOUT_SEC", "45"),
    ("MAX_TELEMETRY_SESSIONS", "10"),
    ("ENABLE_QOT_MONITORING", "true"),
    ("LOG_LEVEL", "WARNING"),
    ("MOCK_HARDWARE", "False"),
];

fn resolve(file: &str, environment: &[(&str, &str)]) -> Result<Resolved, SettingsError> {
    let get = |name: &str| environment.iter().rev().find(|(key, _)| *key == name).map(|(_, v)| v.to_string());
    Settings::from_toml(file)?.resolve(get)
}

fn with<'a>(extra: Environment<'a>) -> Vec<(&'a str, &'a str)> {
    REFERENCE.iter().chain(extra).copied().collect()
}

fn problems(file: &str, environment: &[(&str, &str)]) -> Vec<String> {
    resolve(file, environment).unwrap_err().problems.iter().map(ToString::to_string).collect()
}

#[test]
fn the_environment_of_the_existing_agent_is_understood() {
    let resolved = resolve("", REFERENCE).unwrap();
    assert_eq!(resolved.agent.identity.agent_id.as_str(), "pop1-router1");
    assert_eq!(
        resolved.agent.service,
        Service::Fixed {
            vop: "vOp2".parse().unwrap(),
            ports: vec!["Ethernet48".parse().unwrap(), "Ethernet56".parse().unwrap()],
            telemetry_interval_ms: 3_000,
            health_interval_ms: 30_000,
        }
    );
    assert_eq!(resolved.bus.bootstrap, ["192.0.2.7:9092"]);
    assert_eq!(resolved.agent.max_sessions, Some(10));
    assert_eq!(resolved.agent.queue_wait_ms, 45_000);
    assert_eq!(resolved.log, "warn");
    assert!(!resolved.agent.accept_unfenced, "off unless asked for");
    let path = PathBuf::from("/sys/bus/i2c/devices/7-0050/eeprom");
    assert_eq!(resolved.modules[0], ("Ethernet48".parse().unwrap(), ModuleSource::Eeprom(path)));
    assert_eq!(resolved.agent.quality, Some(crate::quality::QualityConfig::default()));
}

#[test]
fn a_log_file_has_the_existing_agents_names_and_bounds() {
    let names = [("LOG_FILE", "/var/log/agent.log")];
    let defaults = resolve("", &with(&names)).unwrap().log_file.unwrap();
    let path = PathBuf::from("/var/log/agent.log");
    assert_eq!(defaults, LogFile { path: path.clone(), max_bytes: 10 << 20, backups: 5 });
    let set =
        with(&[("LOG_FILE", "/var/log/agent.log"), ("LOG_MAX_SIZE_MB", "2"), ("LOG_BACKUP_COUNT", "0")]);
    assert_eq!(
        resolve("", &set).unwrap().log_file.unwrap(),
        LogFile { path, max_bytes: 2 << 20, backups: 0 }
    );
    assert_eq!(resolve("", REFERENCE).unwrap().log_file, None);
    for (name, value) in [("LOG_MAX_SIZE_MB", "0"), ("LOG_MAX_SIZE_MB", "nan"), ("LOG_BACKUP_COUNT", "1001")]
    {
        assert!(problems("", &with(&[(name, value)]))[0].starts_with(name), "{name}={value}");
    }
    for (level, filter) in
        [("CRITICAL", "error"), ("WARNING", "warn"), ("DEBUG", "debug"), ("NOTSET", "trace")]
    {
        assert_eq!(resolve("", &with(&[("LOG_LEVEL", level)])).unwrap().log, filter);
    }
    assert_eq!(resolve("", &with(&[("LOG_LEVEL", ""), ("DEBUG_MODE", "true")])).unwrap().log, "debug");
}

#[test]
fn the_agents_own_verdict_has_the_existing_agents_names() {
    use ipowdm_core::qot::Thresholds;
    let quality = |extra: Environment<'_>| resolve("", &with(extra)).unwrap().agent.quality;
    assert_eq!(quality(&[("ENABLE_QOT_MONITORING", "false")]), None);
    assert_eq!(
        resolve("", &with(&[("ENABLE_QOT_MONITORING", "")])).unwrap().agent.quality,
        None,
        "off by default"
    );
    let given: &[(&str, &str)] = &[
        ("QOT_SAMPLES", "5"),
        ("QOT_COOLDOWN_SEC", "20"),
        ("OSNR_THRESHOLD_DB", "18"),
        ("BER_THRESHOLD", "1e-3"),
    ];
    let set = quality(given).unwrap();
    assert_eq!((set.samples, set.cooldown_ms), (5, 20_000));
    assert_eq!(set.absolute, Some(Thresholds::reference()), "those of the existing system");
    let lower = quality(&[("OSNR_THRESHOLD_DB", "16.5")]).unwrap().absolute.unwrap();
    assert_eq!(lower.degraded.osnr_below.unwrap().hundredths(), 1_650);
    assert_eq!(lower.degraded.ber_above, Thresholds::reference().degraded.ber_above);
    for (name, value) in [
        ("QOT_SAMPLES", "0"),
        ("QOT_COOLDOWN_SEC", "0"),
        ("OSNR_THRESHOLD_DB", "1e9"),
        ("BER_THRESHOLD", "2"),
    ] {
        assert!(problems("", &with(&[(name, value)]))[0].starts_with(name), "{name}={value}");
    }
}

#[test]
fn s0_16_a_port_without_a_number_is_refused_by_name_unless_modules_are_emulated() {
    let environment = with(&[("IFNAME_TO_PORTNUM_JSON", r#"{"Ethernet48":7}"#)]);
    let problems = problems("", &environment);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("IFNAME_TO_PORTNUM_JSON") && problems[0].contains("Ethernet56"));
    let mut emulated = environment;
    emulated.push(("MOCK_HARDWARE", "true"));
    let resolved = resolve("", &emulated).unwrap();
    assert!(resolved.agent.emulated);
    assert!(resolved.modules.iter().all(|(_, source)| *source == ModuleSource::Emulated));
}

#[test]
fn s0_17_legacy_topic_names_are_refused_with_the_fix() {
    for (variable, legacy) in [
        ("CONFIG_TOPIC", "config-topic"),
        ("MONITORING_TOPIC", "monitoring-topic"),
        ("HEALTH_TOPIC", "health-topic"),
    ] {
        let problems = problems("", &with(&[(variable, legacy)]));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with(variable) && problems[0].contains("<vOp>"), "{}", problems[0]);
    }
}

#[test]
fn a_topic_name_that_contradicts_the_virtual_operator_is_refused() {
    let problems_of = |environment: &[(&str, &str)]| problems("", environment);
    assert!(problems_of(&with(&[("CONFIG_TOPIC", "config_vOp3")]))[0].contains("config_vOp2"));
    let assigned: Vec<_> = REFERENCE.iter().filter(|(key, _)| *key != "VIRTUAL_OPERATOR").copied().collect();
    assert_eq!(problems_of(&assigned).len(), 3);
}

#[test]
fn an_agent_id_that_is_never_assigned_is_refused_unless_the_service_is_static() {
    let named = with(&[("AGENT_ID", "edge-7")]);
    assert_eq!(resolve("", &named).unwrap().agent.identity.agent_id.as_str(), "edge-7");
    let topics = ["VIRTUAL_OPERATOR", "CONFIG_TOPIC", "MONITORING_TOPIC", "HEALTH_TOPIC"];
    let assigned: Vec<_> = named.into_iter().filter(|(key, _)| !topics.contains(key)).collect();
    let problems = problems("", &assigned);
    assert_eq!(problems.len(), 1, "{problems:?}");
    for words in ["AGENT_ID", "edge-7", "pop1-router1", "VIRTUAL_OPERATOR"] {
        assert!(problems[0].contains(words), "{words} not in {}", problems[0]);
    }
    let mut default = assigned;
    default.push(("AGENT_ID", "pop1-router1"));
    assert!(resolve("", &default).is_ok());
}

#[test]
fn a_region_is_refused_because_nobody_makes_its_topics() {
    let problems = problems("", &with(&[("REGION", "north")]));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("REGION") && problems[0].contains("north"), "{}", problems[0]);
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let problems = problems(
        "",
        &[
            ("POP_ID", "pop 1"),
            ("VIRTUAL_OPERATOR", "v_Op"),
            ("KAFKA_BROKER", "nowhere"),
            ("ASSIGNED_TRANSCEIVERS", "Ethernet48"),
            ("TELEMETRY_INTERVAL_SEC", "0.1"),
            ("MAX_TELEMETRY_SESSIONS", "-1"),
            ("MOCK_HARDWARE", "perhaps"),
        ],
    );
    for key in [
        "POP_ID",
        "ROUTER_ID",
        "VIRTUAL_OPERATOR",
        "KAFKA_BROKER",
        "ASSIGNED_TRANSCEIVERS",
        "TELEMETRY_INTERVAL_SEC",
        "MAX_TELEMETRY_SESSIONS",
        "MOCK_HARDWARE",
    ] {
        assert!(problems.iter().any(|problem| problem.starts_with(key)), "{key} not in {problems:?}");
    }
    for seconds in ["NaN", "inf", "-3", "1e9"] {
        let seconds_only = [("TELEMETRY_INTERVAL_SEC", seconds)];
        assert_eq!(resolve("", &with(&seconds_only)).unwrap_err().problems.len(), 1, "{seconds}");
    }
}

#[test]
fn a_file_is_enough_the_environment_goes_before_it_and_unknown_keys_are_refused() {
    let file = r#"
        [agent]
        pop_id = "pop1"
        router_id = "router2"
        accept_unfenced = true
        journal = "/var/lib/ipowdm/agent.journal"
        [bus]
        bootstrap = "127.0.0.1:9092, 127.0.0.1:9093"
        [modules]
        ports = ["Ethernet48"]
        numbers = { Ethernet48 = 7 }
        eeprom = "/run/eeprom/{port}"
    "#;
    let resolved = resolve(file, &[("ROUTER_ID", "router1"), ("LOG_LEVEL", "")]).unwrap();
    assert_eq!(resolved.agent.identity.router_id.as_str(), "router1");
    assert_eq!(resolved.agent.service, Service::Assigned);
    assert!(resolved.agent.accept_unfenced);
    assert_eq!(resolved.bus.bootstrap.len(), 2);
    assert_eq!(resolved.modules[0].1, ModuleSource::Eeprom(PathBuf::from("/run/eeprom/7")));
    assert_eq!(ModuleSource::at("unix:/run/7"), ModuleSource::Socket(PathBuf::from("/run/7")));
    assert_eq!((resolved.log.as_str(), resolved.log_format), ("info", LogFormat::Text));
    assert!(problems("[agent]\npop = 1", &[])[0].contains("unknown field"));
    assert!(
        problems("[agent]\npop_id = \"\"", &[])[0].contains(&IdError::Empty { kind: "PoP id" }.to_string())
    );
}

#[test]
fn a_password_proves_who_the_agent_is_and_is_never_shown() {
    let environment = with(&[
        ("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
        ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-256"),
        ("KAFKA_SASL_USERNAME", "agent_pop1-router1"),
        ("KAFKA_SASL_PASSWORD", "hunter2"),
    ]);
    let resolved = resolve("", &environment).unwrap();
    let sasl = resolved.bus.sasl.clone().unwrap();
    assert_eq!((sasl.mechanism, sasl.username.as_str()), (SaslMechanism::ScramSha256, "agent_pop1-router1"));
    assert_eq!(sasl.password.reveal(), "hunter2");
    assert_eq!(resolved.bus.client_id, "pop1-router1");
    assert!(!format!("{resolved:?}").contains("hunter2"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "from the file\n").unwrap();
    let file = format!(
        "[bus]\nsecurity_protocol = \"SASL_PLAINTEXT\"\nsasl_username = \"me\"\nsasl_password_file = {:?}\n",
        path.display().to_string()
    );
    let resolved = resolve(&file, REFERENCE).unwrap();
    assert_eq!(resolved.bus.sasl.unwrap().password.reveal(), "from the file");
}

#[test]
fn a_password_in_the_file_or_missing_is_refused_and_so_is_a_secured_bus_that_cannot_be_had() {
    let inline = "[bus]\nsasl_password = \"hunter2\"\n";
    let error = Settings::from_toml(inline).unwrap_err().to_string();
    assert!(error.contains("line 2: unknown field `sasl_password`"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    let missing = problems("", &with(&[("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")]));
    assert_eq!(missing.len(), 2, "{missing:?}");
    assert!(missing[0].starts_with("bus.sasl_username") && missing[1].contains("KAFKA_SASL_PASSWORD"));
}

#[test]
fn an_encrypted_bus_names_its_files_and_a_certificate_needs_its_key() {
    let encrypted = with(&[("KAFKA_SECURITY_PROTOCOL", "SSL"), ("KAFKA_SSL_CAFILE", "/etc/ca.pem")]);
    if cfg!(feature = "tls") {
        let tls = resolve("", &encrypted).unwrap().bus.tls.unwrap();
        assert_eq!((tls.ca_file, tls.client), (Some(PathBuf::from("/etc/ca.pem")), None));
    } else {
        let refused = problems("", &encrypted);
        assert!(refused[0].contains("TLS") && refused[0].contains("is not supported"), "{refused:?}");
    }
    let alone =
        problems("[bus]\nsecurity_protocol = \"SSL\"\ncertificate_file = \"/etc/me.pem\"\n", REFERENCE);
    assert!(alone[0].starts_with("bus.key_file"), "{alone:?}");
}

#[test]
fn telemetry_is_compressed_where_that_is_asked_for_in_a_way_that_is_known() {
    let of =
        |text, extra: &[(&'static str, &'static str)]| resolve(text, &with(extra)).unwrap().bus.compression;
    assert_eq!(of("", &[]), Compression::None);
    assert_eq!(of("[bus]\ncompression = \"none\"\n", &[]), Compression::None);
    if cfg!(feature = "lz4") {
        assert_eq!(of("[bus]\ncompression = \"lz4\"\n", &[]), Compression::Lz4);
        assert_eq!(of("", &[("KAFKA_COMPRESSION_TYPE", "LZ4")]), Compression::Lz4);
    }
    let unknown = problems("[bus]\ncompression = \"zstd\"\n", REFERENCE);
    assert!(unknown[0].starts_with("bus.compression") && unknown[0].contains("none or lz4"), "{unknown:?}");
}

#[test]
fn a_mode_on_a_switch_is_named_and_then_ports_need_no_number() {
    let modes = [("observe", Mode::Observe), ("configure", Mode::Configure), ("own", Mode::Own)];
    for (name, mode) in modes {
        let extra = [("MODULES_MODE", name), ("IFNAME_TO_PORTNUM_JSON", r#"{"Ethernet48":7}"#)];
        let resolved = resolve("", &with(&extra)).unwrap();
        assert_eq!(resolved.switch.mode, Some(ModeChoice::Only(mode)));
        assert_eq!(resolved.modules[1], ("Ethernet56".parse().unwrap(), ModuleSource::Switch));
        assert_eq!(resolved.switch.numbers.len(), 1);
    }
    let file = "[modules]\nmode = \"auto\"\nroot = \"/host\"\n";
    let resolved = resolve(file, REFERENCE).unwrap();
    assert_eq!(resolved.switch.mode, Some(ModeChoice::Auto));
    assert_eq!(resolved.switch.root, Some(PathBuf::from("/host")));
    let problem = problems("", &with(&[("MODULES_MODE", "takeover")]));
    assert!(problem[0].contains("MODULES_MODE") && problem[0].contains("configure"), "{problem:?}");
    let problem = problems("", &with(&[("MODULES_MODE", "own"), ("MOCK_HARDWARE", "true")]));
    assert!(problem[0].contains("MOCK_HARDWARE"), "{problem:?}");
}
