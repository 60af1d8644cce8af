//! The program, from outside.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use std::process::{Command, Output};

/// Runs the program in an environment of these variables only.
fn agent(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ipowdm-agent"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

const EMULATED: &[(&str, &str)] = &[
    ("POP_ID", "pop1"),
    ("ROUTER_ID", "router1"),
    ("VIRTUAL_OPERATOR", "vOp2"),
    ("ASSIGNED_TRANSCEIVERS", r#"["Ethernet48","Ethernet56"]"#),
    ("MOCK_HARDWARE", "true"),
    // Nobody listens on the discard port.
    ("KAFKA_BROKER", "127.0.0.1:9"),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn settings_are_checked_without_starting() {
    let output = agent(&["run", "--check-config"], EMULATED);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("pop1-router1"));
}

#[test]
fn s0_17_a_legacy_topic_name_ends_the_start_with_the_fix() {
    let mut environment = EMULATED.to_vec();
    environment.push(("CONFIG_TOPIC", "config-topic"));
    let output = agent(&["run"], &environment);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("config_<vOp>"), "{}", text(&output.stderr));
}

#[test]
fn s0_16_a_port_without_a_number_ends_the_start_by_name() {
    let mut environment = EMULATED.to_vec();
    environment.retain(|(name, _)| *name != "MOCK_HARDWARE");
    environment.push(("IFNAME_TO_PORTNUM_JSON", r#"{"Ethernet48":7}"#));
    let output = agent(&["run"], &environment);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("Ethernet56"));
}

#[test]
fn discovery_reads_every_module() {
    let output = agent(&["discover"], EMULATED);
    assert!(output.status.success());
    let table = text(&output.stdout);
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.contains("IPOWDM-EMU") && table.contains("ModuleLowPwr"), "{table}");
    let output = agent(&["discover", "--json"], EMULATED);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list[1]["port_id"], "Ethernet56");
    assert_eq!(list[0]["capability"]["applications"].as_array().unwrap().len(), 6);
    assert!(list[0]["fields"].get("osnr").is_none(), "unknown is absent");
}

/// Waits until `file` holds `word`.
fn await_word(file: &std::path::Path, word: &str) -> String {
    for _ in 0..6_000 {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if text.contains(word) {
            return text;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    unreachable!("{word:?} is not in {} within 60 s", file.display());
}

#[test]
fn the_log_goes_to_a_file_that_is_rotated_and_an_unusable_file_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.log");
    let mut environment = EMULATED.to_vec();
    environment.extend([("LOG_FILE", file.to_str().unwrap()), ("LOG_MAX_SIZE_MB", "0.001")]);
    environment.extend([("LOG_BACKUP_COUNT", "1"), ("LOG_LEVEL", "TRACE")]);
    let program = env!("CARGO_BIN_EXE_ipowdm-agent");
    let mut running =
        Command::new(program).arg("run").env_clear().envs(environment.iter().copied()).spawn().unwrap();
    // Attempts to reach the broker fill the log.
    await_word(&folder.path().join("agent.log.1"), "ipowdm");
    assert!(Command::new("kill").arg(running.id().to_string()).status().unwrap().success());
    assert!(running.wait().unwrap().success());
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.len() <= 1_049 || text.lines().count() == 1, "{}: {}", file.display(), text.len());
        assert!(!text.contains('\u{1b}'), "a file has no colours");
    }

    environment.push(("LOG_FILE", "/dev/null/agent.log"));
    let output = agent(&["discover"], &environment);
    assert!(output.status.success());
    assert!(text(&output.stderr).contains("LOG_FILE cannot be used"), "{}", text(&output.stderr));
}

#[test]
fn a_configuration_is_written_for_what_is_found_and_never_over_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("host");
    for (path, content) in [
        ("proc/sys/kernel/hostname", "leaf-7\n"),
        ("sys/bus/i2c/devices/7-0050/eeprom", ""),
        ("sys/bus/i2c/devices/9-0050/eeprom", ""),
    ] {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let file = folder.path().join("etc/agent.toml");
    let output = file.to_str().unwrap();
    let arguments = ["configure", "--output", output, "--root", root.to_str().unwrap()];
    let environment = [("POP_ID", "pop1"), ("IFNAME_TO_PORTNUM_JSON", r#"{"Ethernet48":7,"Ethernet64":9}"#)];
    let written = agent(&arguments, &environment);
    assert!(written.status.success(), "{}", text(&written.stderr));
    assert!(text(&written.stdout).contains("2 ports") && text(&written.stdout).contains("doctor --config"));
    let check = agent(&["run", "--check-config", "--config", output], &[]);
    assert!(check.status.success(), "{}", text(&check.stderr));
    for word in ["pop1-leaf-7", "7-0050/eeprom", "9-0050/eeprom", "/var/lib/ipowdm/agent.journal"] {
        assert!(text(&check.stdout).contains(word), "{word}: {}", text(&check.stdout));
    }

    let content = std::fs::read_to_string(&file).unwrap();
    let again = [&arguments[..], &["--broker", "192.0.2.7:9092"]].concat();
    let refused = agent(&again, &environment);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("--force"), "{}", text(&refused.stderr));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
    let replaced = agent(&[&again[..], &["--force"]].concat(), &environment);
    assert!(replaced.status.success(), "{}", text(&replaced.stderr));
    assert!(std::fs::read_to_string(&file).unwrap().contains("192.0.2.7:9092"));
    assert_eq!(std::fs::read_dir(folder.path().join("etc")).unwrap().count(), 1, "nothing is left beside it");

    let bare = ["configure", "--output", "-", "--root", output, "--ports", "Ethernet48", "--router-id", "r1"];
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let printed = agent(&bare, &environment);
    assert!(text(&printed.stdout).contains("router_id = \"r1\""), "{}", text(&printed.stderr));
    let nothing = agent(&arguments, &[("POP_ID", "pop1")]);
    assert!(!nothing.status.success() && text(&nothing.stderr).contains("IFNAME_TO_PORTNUM_JSON"));
}

#[test]
fn completions_and_the_manual_page_name_every_command() {
    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/man/ipowdm-agent.1");
    let commands = ["run", "discover", "health", "doctor", "configure", "dump", "test-cmis", "emulate"];
    for shell in ["bash", "zsh", "fish"] {
        let output = agent(&["completions", shell], &[]);
        assert!(output.status.success(), "{shell}");
        let said = text(&output.stdout);
        for command in commands {
            assert!(said.contains(command), "{command} in {shell}");
        }
    }
    let page = std::fs::read_to_string(PAGE).unwrap();
    for command in commands {
        assert!(page.contains(&format!(".SH COMMAND {}\n", command.to_uppercase())), "{command}");
    }
    // Only builds for packagers have it: it is a fiftieth of the program.
    if cfg!(feature = "man") {
        let printed = agent(&["man"], &[]);
        let fix = "cargo run -p ipowdm-agent --features man -- man > dist/man/ipowdm-agent.1";
        assert!(page == text(&printed.stdout), "dist/man/ipowdm-agent.1 is old: {fix}");
    }
}

#[test]
fn health_says_what_is_wrong_by_its_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    std::fs::write(&journal, b"").unwrap();
    let mut environment = EMULATED.to_vec();
    environment.push(("JOURNAL_FILE", journal.to_str().unwrap()));
    let output = agent(&["health"], &environment);
    let lines = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "no broker is there: {lines}");
    assert_eq!(lines.lines().filter(|line| line.starts_with("ok")).count(), 3, "{lines}");
    assert!(lines.contains("WRONG 127.0.0.1:9"), "{lines}");
}
