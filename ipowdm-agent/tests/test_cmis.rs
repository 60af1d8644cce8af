//! `ipowdm-agent test-cmis`, from outside, against an emulated module on a socket.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// A module in virtual time on a socket of its own.
struct Module {
    child: Child,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Module {
    fn start(profile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("module");
        let mut child = Command::new(env!("CARGO_BIN_EXE_ipowdm-agent"))
            .args(["emulate", "--profile", profile, "--time", "virtual", "--listen"])
            .arg(format!("unix:{}", socket.display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("listens on unix:"), "{line}");
        Self { child, socket, _folder: folder }
    }

    fn test(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_ipowdm-agent"))
            .arg("test-cmis")
            .arg(format!("--module=unix:{}", self.socket.display()))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_bring_up_reaches_activated_with_a_table_of_times() {
    let module = Module::start("400zr");
    let read_only = module.test(&[]);
    assert!(read_only.status.success(), "{}", text(&read_only.stdout));
    assert!(text(&read_only.stdout).contains("module state LowPwr"));
    let target = ["--frequency-mhz", "193400000", "--tx-power-dbm", "-10", "--yes"];
    let done = module.test(&target);
    let said = text(&done.stdout);
    assert!(done.status.success(), "{said}{}", text(&done.stderr));
    assert!(said.contains("Activated at 193.400000 THz with -10.00 dBm"), "{said}");
    for step in ["module ready", "data path initialized", "data path activated", "300.000 s"] {
        assert!(said.contains(step), "{step}: {said}");
    }
    let lit = module.test(&[]);
    assert!(text(&lit.stdout).contains("the laser of lane 1 is at 193.400000 THz"), "{}", text(&lit.stdout));
    let again = module.test(&target);
    assert!(text(&again.stdout).contains("it was so before"), "{}", text(&again.stdout));
}

/// The module's memory as the kernel's `eeprom` file shows it: 00h-FFh of bank 0.
fn eeprom_file(module: &Module) -> Vec<u8> {
    let mut socket = UnixStream::connect(&module.socket).unwrap();
    let mut answers = BufReader::new(socket.try_clone().unwrap());
    (0..257_u32)
        .flat_map(|half| {
            writeln!(socket, "R {} 128", half * 128).unwrap();
            let mut answer = String::new();
            answers.read_line(&mut answer).unwrap();
            let digits = answer.trim().strip_prefix("OK ").map_or_else(|| "00".repeat(128), str::to_owned);
            (0..256).step_by(2).map(move |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        })
        .collect()
}

#[test]
fn nothing_is_written_to_hardware_without_yes_where_nobody_can_be_asked() {
    let module = Module::start("400zr");
    let memory = eeprom_file(&module);
    let file = module.socket.with_file_name("eeprom");
    std::fs::write(&file, &memory).unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_ipowdm-agent"))
        .arg("test-cmis")
        .arg(format!("--module=sysfs:{}", file.display()))
        .args(["--frequency-mhz", "193400000", "--tx-power-dbm", "-10"])
        .env("IPOWDM_RUN_DIR", module.socket.with_file_name("locks"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("--yes"), "{}", text(&refused.stderr));
    assert_eq!(std::fs::read(&file).unwrap(), memory);
}

#[test]
fn a_module_on_a_socket_is_emulated_and_not_asked_about() {
    let module = Module::start("400zr");
    let done = module.test(&["--frequency-mhz", "193400000", "--tx-power-dbm", "-10"]);
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    assert!(text(&module.test(&[]).stdout).contains("the laser of lane 1 is at 193.400000 THz"));
}

#[test]
fn bad_targets_are_refused_with_the_legal_values() {
    let module = Module::start("400zr");
    let cases: [(&[&str], &str); 4] = [
        (&["--frequency-mhz", "193401000", "--tx-power-dbm", "-10"], "193.400000 THz and 193.406250 THz"),
        (&["--frequency-mhz", "199000000", "--tx-power-dbm", "-10"], "191.300000 THz to 196.100000 THz"),
        (&["--frequency-mhz", "193400000", "--tx-power-dbm", "2"], "-15.00 dBm to -8.00 dBm"),
        (&["--frequency-mhz", "193400000", "--tx-power-dbm", "-9", "--app-sel", "12"], "AppSel 3 (host 0Dh"),
    ];
    for (arguments, legal) in cases {
        let refused = module.test(&[arguments, &["--yes"]].concat());
        assert!(!refused.status.success());
        assert!(text(&refused.stderr).contains(legal), "{}", text(&refused.stderr));
    }
    assert!(text(&module.test(&[]).stdout).contains("module state LowPwr"), "nothing was written");
}

#[test]
fn an_empty_socket_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let gone = Command::new(env!("CARGO_BIN_EXE_ipowdm-agent"))
        .arg("test-cmis")
        .arg(format!("--module=unix:{}", folder.path().join("nobody").display()))
        .output()
        .unwrap();
    assert!(!gone.status.success());
    assert!(text(&gone.stderr).contains("nobody"), "{}", text(&gone.stderr));
}

#[test]
fn a_power_that_is_none_ends_with_the_legal_ones_before_the_module_is_opened() {
    for power in ["NaN", "inf", "1e300", "327.68", "-10.005", "-10dBm", ""] {
        let refused = Command::new(env!("CARGO_BIN_EXE_ipowdm-agent"))
            .args(["test-cmis", "--module=unix:/nowhere/module", "--frequency-mhz=193400000"])
            .arg(format!("--tx-power-dbm={power}"))
            .output()
            .unwrap();
        let error = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{power}: {error}");
        assert!(error.contains("--tx-power-dbm") && error.contains("-327.68 to 327.67"), "{power}: {error}");
    }
    for power in ["-10", "-10.1", "-12.34", "0", "+1.07"] {
        let accepted = Command::new(env!("CARGO_BIN_EXE_ipowdm-agent"))
            .args(["test-cmis", "--module=unix:/nowhere/module", "--frequency-mhz=193400000"])
            .arg(format!("--tx-power-dbm={power}"))
            .output()
            .unwrap();
        assert_eq!(
            accepted.status.code(),
            Some(1),
            "{power}: there is no module, {}",
            text(&accepted.stderr)
        );
    }
}
