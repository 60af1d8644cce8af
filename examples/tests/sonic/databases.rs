//! What is read of a switch, and the mode that follows from it.

use super::switch::Switch;
use ipowdm_agent::mode::{Mode, ModeChoice};
use ipowdm_agent::sonic::facts::SerialCheck;
use ipowdm_agent::sonic::{self, CmisManager, Conflict, Database, Detection, Link, Look, SonicError};
use ipowdm_core::ids::PortId;

fn detect(switch: &Switch, ports: &[&str], choice: ModeChoice) -> Detection {
    let ports: Vec<PortId> = ports.iter().map(|port| port.parse().unwrap()).collect();
    let numbers = Default::default();
    let look = Look { ports: &ports, numbers: &numbers, eeprom: None };
    sonic::detect(switch.root(), Some(&mut switch.connect()), &look, choice).unwrap()
}

fn memory(serial: &str) -> Vec<u8> {
    let mut memory = vec![0; 256];
    memory[166..166 + serial.len()].copy_from_slice(serial.as_bytes());
    memory
}

#[test]
fn databases_are_told_apart_by_number_and_separator() {
    let switch = Switch::start();
    let mut databases = switch.connect();
    databases.set(Database::Appl, "PORT_TABLE", "Ethernet0", &[("oper_status", "up")]).unwrap();
    assert_eq!(
        databases.row(Database::Appl, "PORT_TABLE", "Ethernet0").unwrap().text("oper_status"),
        Some("up")
    );
    assert!(databases.row(Database::State, "PORT_TABLE", "Ethernet0").unwrap().is_empty());
    let mut ports = databases.keys(Database::Config, "PORT").unwrap();
    ports.sort();
    assert_eq!(ports, ["Ethernet0", "Ethernet16", "Ethernet8"]);
    let rows = databases.rows(Database::Config, "Ethernet8", &["PORT", "NONE", "PORT"]).unwrap();
    let index: Vec<Option<&str>> = rows.iter().map(|row| row.text("index")).collect();
    assert_eq!(index, [Some("2"), None, Some("2")]);
}

#[test]
fn a_server_that_was_started_anew_is_asked_again_and_told_once() {
    let switch = Switch::start();
    let mut databases = switch.connect();
    assert!(!databases.row(Database::Config, "PORT", "Ethernet0").unwrap().is_empty());
    // The server breaks every connection, as it does when it is started anew.
    let broken = || assert!(switch.say("CLIENT KILL TYPE normal SKIPME yes").starts_with(':'));
    broken();
    assert!(!databases.row(Database::Config, "PORT", "Ethernet0").unwrap().is_empty());
    broken();
    // What was told may have been heard.
    let mut told = || databases.set(Database::Config, "PORT", "Ethernet0", &[("mtu", "1500")]);
    assert!(matches!(told(), Err(SonicError::Redis { database: Database::Config, .. })));
    told().unwrap();
}

#[test]
fn what_the_host_counts_and_sees_of_a_port_is_found() {
    let switch = Switch::start();
    let mut databases = switch.connect();
    databases.set(Database::Appl, "PORT_TABLE", "Ethernet0", &[("oper_status", "up")]).unwrap();
    let oid = "oid:0x1000000000012";
    databases
        .set(Database::Counters, "COUNTERS", oid, &[("SAI_PORT_STAT_IF_IN_FEC_NOT_CORRECTABLE_FRAMES", "12")])
        .unwrap();
    switch.count_for("Ethernet0", oid);
    let link = Link::read(&mut databases, &"Ethernet0".parse().unwrap()).unwrap();
    assert_eq!((link.oper_up, link.uncorrectable_frames), (Some(true), Some(12)));
    let other = Link::read(&mut databases, &"Ethernet8".parse().unwrap()).unwrap();
    assert_eq!(other, Link::default());
}

#[test]
fn a_switch_that_configures_its_modules_is_observed() {
    let switch = Switch::start();
    switch.plug("Ethernet0", "LAB0001");
    switch.state("TRANSCEIVER_STATUS_SW", "Ethernet0", &[("cmis_state", "READY"), ("status", "1")]);
    let found = detect(&switch, &["Ethernet0", "Ethernet8"], ModeChoice::Auto);
    assert_eq!((found.mode, found.facts.manager), (Mode::Observe, CmisManager::Running));
    assert_eq!(found.conflicts, []);
    let [here, empty] = ["Ethernet0", "Ethernet8"].map(|port| &found.facts.ports[&port.parse().unwrap()]);
    assert!(here.present && here.cmis && here.polled && here.admin_up);
    assert!(!empty.present && empty.configured);
    // Older images have the state in another table.
    let older = Switch::start();
    older.plug("Ethernet0", "LAB0001");
    assert_eq!(detect(&older, &["Ethernet0"], ModeChoice::Auto).facts.manager, CmisManager::Silent);
    older.state("TRANSCEIVER_STATUS", "Ethernet0", &[("cmis_state", "READY")]);
    assert_eq!(detect(&older, &["Ethernet0"], ModeChoice::Auto).facts.manager, CmisManager::Running);
    let configure = detect(&switch, &["Ethernet0"], ModeChoice::Only(Mode::Configure));
    assert_eq!(configure.conflicts, []);
    let own = detect(&switch, &["Ethernet0"], ModeChoice::Only(Mode::Own));
    assert!(own.fatal().any(|conflict| *conflict == Conflict::ManagerRunning));
}

#[test]
fn a_switch_that_leaves_its_modules_alone_is_taken_over() {
    let switch = Switch::start();
    switch.plug("Ethernet0", "LAB0001");
    switch.platform_file("pmon_daemon_control.json", r#"{"skip_ledd": true, "skip_xcvrd_cmis_mgr": true}"#);
    let path = switch.eeprom(41, 1, &memory("LAB0001"));
    // As long as the switch polls it, it is not left alone.
    let found = detect(&switch, &["Ethernet0"], ModeChoice::Auto);
    assert_eq!((found.mode, found.facts.manager), (Mode::Observe, CmisManager::Skipped));
    switch.config("PORT", "Ethernet0", &[("dom_polling", "disabled")]);
    let found = detect(&switch, &["Ethernet0"], ModeChoice::Auto);
    assert_eq!((found.mode, found.conflicts.len()), (Mode::Own, 0));
    let port = &found.facts.ports[&"Ethernet0".parse().unwrap()];
    assert_eq!(port.eeprom.as_ref().unwrap().as_ref().unwrap().path, path);
    assert_eq!(port.serial, SerialCheck::Same("LAB0001".into()));
}

#[test]
fn a_file_of_another_port_is_noticed_by_its_serial_number() {
    let switch = Switch::start();
    switch.plug("Ethernet8", "LAB0002");
    switch.eeprom(42, 2, &memory("LAB0009"));
    let found = detect(&switch, &["Ethernet8"], ModeChoice::Only(Mode::Supplement));
    assert!(matches!(&found.conflicts[..], [Conflict::OtherModule { file, .. }] if file == "LAB0009"));
}

#[test]
fn files_of_the_platform_that_contradict_the_configuration_are_heard() {
    let switch = Switch::start();
    switch.platform_file(
        "platform.json",
        r#"{"interfaces": {"Ethernet0": {"index": "1,1,1,1"}, "Ethernet8": {"index": "7,7,7,7"}}}"#,
    );
    let found = detect(&switch, &["Ethernet0", "Ethernet8"], ModeChoice::Only(Mode::Own));
    let number = |port: &str| found.facts.numbers.get(&port.parse().unwrap()).unwrap().number;
    assert_eq!((number("Ethernet0"), number("Ethernet8")), (1, 2));
    assert_eq!(found.facts.numbers.disagreements.len(), 1);
    assert!(found.fatal().any(|conflict| matches!(conflict, Conflict::Numbers(_))));
}
