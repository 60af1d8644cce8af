//! `ipowdm-agent doctor` on a healthy set-up and on one broken in each of its twelve rows.
//!
//! The program is the real one, in a process of its own; so are the agent that runs beside it, the development broker and the
//! emulated modules on their sockets.
#![expect(clippy::unwrap_used, reason = "tests state what they expect")]

#[path = "doctor/setup.rs"]
mod setup;

use ipowdm_cmis::emulator::Profile;
use setup::{Setup, Verdicts};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_set_up_is_well_in_all_twelve_rows() {
    let setup = Setup::new().await;
    let mut agent = setup.agent();
    setup.heard().await;
    // A machine so busy that a first heartbeat lacks a port, or takes seconds to the broker, is given another look.
    let mut told = setup.doctor();
    for _ in 0..60 {
        if told.rows.iter().all(|row| row.verdict == "ok") {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        told = setup.doctor();
    }
    assert_eq!(told.rows.len(), 12);
    for row in &told.rows {
        assert_eq!(row.verdict, "ok", "{}\n{}", row.name, told.text);
    }
    assert!(told.success && told.json["well"] == true);
    assert!(
        !told.text.contains("fix:") && told.text.contains("0 at fault, 0 with warnings, 0 not checked"),
        "{}",
        told.text
    );
    agent.stop();
}

/// Breaks one thing of the set-up; the row that must say so is at fault, and no other.
async fn broken(row: &str, found: &str, fix: &str, break_it: impl AsyncFnOnce(&mut Setup)) {
    let mut setup = Setup::new().await;
    break_it(&mut setup).await;
    let told = setup.doctor();
    assert!(!told.success, "the exit code says so\n{}", told.text);
    judge(&told, row, found, fix);
}

fn judge(told: &Verdicts, row: &str, found: &str, fix: &str) {
    for other in told.rows.iter().filter(|other| other.name != row) {
        assert_ne!(other.verdict, "fault", "{} is at fault beside {row}\n{}", other.name, told.text);
    }
    let row = told.rows.iter().find(|known| known.name == row).unwrap();
    assert_eq!(row.verdict, "fault", "{}", told.text);
    assert!(row.details.contains(found) && row.details.contains(fix), "{}", row.details);
    assert!(
        told.text.contains(&row.title) && told.text.contains(found) && told.text.contains(fix),
        "{}",
        told.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_1_a_broker_that_does_not_answer() {
    broken("broker", "127.0.0.1:9", "correct KAFKA_BROKER", async |setup| {
        setup.set("KAFKA_BROKER", "127.0.0.1:9");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_2_a_topic_that_is_not_there() {
    broken("topics", "monitoring_vOp2 is not there", "activate the virtual operator", async |setup| {
        setup.delete_topic("monitoring_vOp2").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_3_an_agent_whose_heartbeats_do_not_arrive() {
    let setup = Setup::new().await;
    // As an agent holds it that was started for another virtual operator.
    let journal = File::create(setup.path("journal")).unwrap();
    journal.lock().unwrap();
    let told = setup.doctor();
    judge(&told, "health-stream", "health_vOp2 has no heartbeat", "VIRTUAL_OPERATOR or assignment must name");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_4_a_module_file_that_cannot_be_written() {
    broken("permissions", "Ethernet48", "udev rule", async |setup| {
        let file = setup.path("eeprom-7");
        fs::write(&file, [0; 256]).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
        let template = format!("{}/eeprom-{{port}}", setup.path("").display());
        setup.configure("[modules]", &format!("eeprom = {template:?}"));
        setup.set("ASSIGNED_TRANSCEIVERS", r#"["Ethernet48"]"#);
        setup.become_nobody();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_5_two_ports_with_the_same_module() {
    broken("mapping", "the same module", "number of its own module", async |setup| {
        setup.set("IFNAME_TO_PORTNUM_JSON", r#"{"Ethernet48":7,"Ethernet56":7}"#);
    })
    .await;
    broken("mapping", "no entry for Ethernet56", "port map", async |setup| {
        setup.set("IFNAME_TO_PORTNUM_JSON", r#"{"Ethernet48":7}"#);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_6_a_telemetry_interval_that_is_too_small() {
    broken("interval", "0.05 s is not an interval", "more than 0.1", async |setup| {
        setup.set("TELEMETRY_INTERVAL_SEC", "0.05");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_7_a_clock_that_is_not_the_brokers() {
    broken("clock", "s behind the broker's", "NTP", async |setup| {
        setup.heartbeat_of_a_host_whose_clock_is_off(-3_600_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_8_a_topic_name_of_the_time_before_virtual_operators() {
    broken("legacy-topics", "config-topic", "unset the variable", async |setup| {
        setup.set("CONFIG_TOPIC", "config-topic");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_9_another_program_that_drives_the_modules() {
    broken("owner", "xcvrd (process 4711)", "skip_xcvrd_cmis_mgr", async |setup| {
        let process = setup.path("host/proc/4711");
        fs::create_dir_all(&process).unwrap();
        fs::write(process.join("cmdline"), "/usr/bin/python3\0/usr/local/bin/xcvrd\0").unwrap();
        fs::write(process.join("comm"), "xcvrd\n").unwrap();
        setup.argument("--root");
        let root = setup.path("host");
        setup.argument(root.to_str().unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_10_a_journal_that_cannot_be_kept_or_a_second_agent_of_the_name() {
    broken("journal", "its folder is not there", "make the folder", async |setup| {
        let path = setup.path("absent/journal");
        setup.set("JOURNAL_FILE", path.to_str().unwrap());
    })
    .await;
    let mut setup = Setup::new().await;
    let mut other = setup.agent();
    setup.heard().await;
    let path = setup.path("another.journal");
    setup.set("JOURNAL_FILE", path.to_str().unwrap());
    let told = setup.doctor();
    judge(&told, "journal", "one of this name was heard", "stop the other one");
    other.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn row_11_modules_that_cannot_be_worked_with() {
    broken("modules", "Ethernet56: no module", "plug one in", async |setup| {
        setup.module(1).pull_out();
        // Beside a grey one; an empty port alone is a warning.
        setup.module(0).swap(Profile::GREY400, 9);
    })
    .await;
    broken("modules", "is in its fault state", "reset or reseat", async |setup| {
        setup.module(0).raise_fault(1)
    })
    .await;
    broken("modules", "is no coherent module", "400ZR", async |setup| {
        setup.module(0).swap(Profile::GREY400, 9);
    })
    .await;
    broken("modules", "is not a CMIS module", "put a CMIS module", async |setup| {
        let mut memory = [0; 128 * 257];
        memory[0] = 0x11;
        fs::write(setup.path("eeprom-7"), memory).unwrap();
        let template = format!("{}/eeprom-{{port}}", setup.path("").display());
        setup.configure("[modules]", &format!("eeprom = {template:?}"));
        setup.set("ASSIGNED_TRANSCEIVERS", r#"["Ethernet48"]"#);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_12_a_password_that_everybody_may_read() {
    broken("secrets", "open to everybody (mode 644)", "chmod 600", async |setup| {
        fs::set_permissions(setup.path("password"), Permissions::from_mode(0o644)).unwrap();
    })
    .await;
}
