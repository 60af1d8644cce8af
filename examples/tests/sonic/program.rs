//! `ipowdm-agent doctor` and `configure` on a switch.

use crate::configure::until_ready;
use crate::switch::Switch;
use crate::xcvrd::Xcvrd;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn agent(arguments: &[&str], root: &Path, environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ipowdm-agent-under-test"))
        .args(arguments)
        .env_clear()
        .envs([
            ("POP_ID", "pop1"),
            ("ROUTER_ID", "router1"),
            ("VIRTUAL_OPERATOR", "vOp2"),
            ("KAFKA_BROKER", "127.0.0.1:9"),
        ])
        .env("SWITCH_ROOT", root)
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// Verdict and details of a row.
fn row(switch: &Switch, row: &str, ports: &str, mode: &str) -> (String, String) {
    let environment = [("ASSIGNED_TRANSCEIVERS", ports), ("MODULES_MODE", mode)];
    let output = agent(&["doctor", "--json"], switch.root(), &environment);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let told = rows.iter().find(|told| told["row"] == row).unwrap();
    (told["verdict"].as_str().unwrap().to_owned(), told["details"].to_string())
}

fn memory(serial: &str) -> Vec<u8> {
    let mut memory = vec![0; 256];
    memory[166..166 + serial.len()].copy_from_slice(serial.as_bytes());
    memory
}

#[test]
fn the_doctor_tells_the_mode_why_and_what_does_not_fit_it() {
    let switch = Switch::start();
    switch.plug("Ethernet0", "LAB0001");
    switch.state("TRANSCEIVER_STATUS_SW", "Ethernet0", &[("cmis_state", "READY")]);
    let one = r#"["Ethernet0"]"#;
    for (name, word) in [
        ("owner", "mode observe: the switch's CMIS manager configures modules"),
        ("permissions", "mode observe needs no access"),
        ("mapping", "1 ports"),
        ("modules", "seen by the switch"),
    ] {
        let (verdict, details) = row(&switch, name, one, "auto");
        assert!(verdict == "ok" && details.contains(word), "{name}: {details}");
    }
    let (verdict, details) = row(&switch, "owner", one, "own");
    assert_eq!(verdict, "fault", "{details}");
    assert!(
        details.contains("would undo what is written") && details.contains("skip_xcvrd_cmis_mgr"),
        "{details}"
    );
    let (verdict, details) = row(&switch, "permissions", one, "own");
    assert!(verdict == "fault" && details.contains("0050/eeprom"), "{details}");
    let (verdict, details) = row(&switch, "mapping", r#"["Ethernet4"]"#, "auto");
    assert!(verdict == "fault" && details.contains("show interfaces status"), "{details}");
    let (verdict, details) = row(&switch, "modules", r#"["Ethernet8"]"#, "auto");
    assert!(verdict == "warning" && details.contains("no module in the port"), "{details}");
    switch.plug("Ethernet8", "LAB0002");
    switch.eeprom(42, 2, &memory("LAB0009"));
    let (verdict, details) = row(&switch, "mapping", r#"["Ethernet8"]"#, "supplement");
    assert!(
        verdict == "fault" && details.contains("LAB0009") && details.contains("IFNAME_TO_PORTNUM_JSON"),
        "{details}"
    );

    let nowhere = tempfile::tempdir().unwrap();
    let environment = [("ASSIGNED_TRANSCEIVERS", one), ("MODULES_MODE", "configure")];
    let output = agent(&["doctor"], nowhere.path(), &environment);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && told.contains("works through SONiC's databases"), "{told}");
}

#[test]
fn configure_leaves_numbers_and_files_to_the_switch() {
    let switch = Switch::start();
    switch.plug("Ethernet8", "LAB0002");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    let file = file.to_str().unwrap();
    let output = agent(&["configure", "--output", file], switch.root(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("\nmode = \"auto\"\n") && text.contains("\n  \"Ethernet8\", #"), "{text}");
    assert!(text.contains("\n  # \"Ethernet0\", # no file for module 1: "), "{text}");
    let checked = agent(&["run", "--check-config", "--config", file], Path::new("/"), &[]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[tokio::test]
async fn what_the_switch_drives_is_discovered_by_what_the_switch_says() {
    let switch = Switch::start();
    switch.plug("Ethernet0", "LAB0001");
    let _daemon = Xcvrd::start(&switch, "Ethernet0");
    until_ready(&switch).await;
    let environment =
        [("ASSIGNED_TRANSCEIVERS", r#"["Ethernet0","Ethernet8"]"#), ("MODULES_MODE", "configure")];
    let output = agent(&["discover", "--json"], switch.root(), &environment);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json[0]["serial"], &json[0]["present"]), (&"LAB0001".into(), &true.into()), "{json:#}");
    assert_eq!(json[0]["fields"]["data_path_state"], "DPActivated");
    assert_eq!(json[1]["present"], false);
    let words = agent(&["discover"], switch.root(), &environment);
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(words.contains("Lab Optics") && words.contains("400ZR"), "{words}");
}
