//! `ipowdm-agent dump`, from outside.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use ipowdm_agent::module_lock::ModuleLock;
use ipowdm_cmis::emulator::socket::{DEFAULT_MODE, Server};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile, VirtualClock};
use serde_json::Value;
use std::fs;
use std::process::{Command, Output};
use std::thread;

fn dump(module: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ipowdm-agent"))
        .args(["dump", "--module", module])
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_module_on_a_socket_says_everything_in_words_and_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("module");
    let module = EmulatedModule::new(Profile::OPENZRP, 7, ModuleClock::Virtual(VirtualClock::new()));
    let server = Server::bind(&path, DEFAULT_MODE, module).unwrap();
    let stopper = server.stopper();
    let serving = thread::spawn(move || server.run());
    let name = format!("unix:{}", path.display());

    let words = dump(&name, &[]);
    assert!(words.status.success(), "{}", text(&words.stderr));
    let words = text(&words.stdout);
    assert!(words.contains("== identity") && words.contains("== page 12"), "{words}");
    assert!(words.contains("CurrentLaserFrequencyTx1"), "{words}");

    let json = dump(&name, &["--json", "--leave-flags"]);
    assert!(json.status.success(), "{}", text(&json.stderr));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["module"], name);
    assert_eq!(json["identity"]["coherent"], true);
    assert_eq!(json["identity"]["checksums"]["00"], true);
    assert_eq!(json["state"]["module_state"], "LowPwr");
    assert_eq!(json["state"]["flags"]["unavailable"], "not read");
    assert_eq!(json["laser"]["lanes"][0]["current_frequency"]["unavailable"], "absent", "the laser is off");
    assert_eq!(json["page_status"]["9F"].as_str().map(str::is_empty), Some(false));
    stopper.stop();
    serving.join().unwrap().unwrap();
}

#[test]
fn a_module_that_another_process_works_on_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("eeprom");
    fs::write(&file, [0; 256]).unwrap();
    let locks = folder.path().join("locks");
    let held = ModuleLock::take(&locks, &file).unwrap();
    let dump = || {
        Command::new(env!("CARGO_BIN_EXE_ipowdm-agent"))
            .args(["dump", "--module", &format!("sysfs:{}", file.display())])
            .env("IPOWDM_RUN_DIR", &locks)
            .output()
            .unwrap()
    };
    let refused = dump();
    let words = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{words}");
    assert!(words.contains(&format!("in use by process {}", std::process::id())), "{words}");
    drop(held);
    assert!(!text(&dump().stderr).contains("in use"));
}

#[test]
fn an_image_is_read_whole() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let zeros = "00".repeat(128);
    let lower = format!("1850{}", &zeros[4..]);
    fs::write(file.path(), format!(r#"{{"lower":"{lower}","pages":{{"00":"{zeros}","01":"{zeros}"}}}}"#))
        .unwrap();
    let output = dump(&format!("image:{}", file.path().display()), &["--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["pages"]["lower"]["CmisRevision"]["value"], "5.0");
    assert_eq!(json["page_status"]["02"], "absent", "every paged module has it, and the image does not");
}

#[test]
fn what_is_no_module_ends_with_words_that_name_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), r#"{"lower":"00","pages":{}}"#).unwrap();
    let image = format!("image:{}", file.path().display());
    let cases = [
        (image.as_str(), 1, "lower has 2 hexadecimal digits, not 256"),
        ("image:/nowhere/image.json", 1, "/nowhere/image.json"),
        ("unix:/nowhere/module", 1, "/nowhere/module"),
        ("sysfs:/nowhere/eeprom", 1, "/nowhere/eeprom"),
        ("i2c:/dev/ttyS0", 2, "not an I2C bus"),
        ("module", 2, "unix:PATH"),
    ];
    for (module, code, words) in cases {
        let output = dump(module, &[]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{module}: {error}");
        assert!(error.contains(words), "{module}: {error}");
        assert!(output.stdout.is_empty(), "{module}");
    }
}

#[test]
fn what_is_not_managed_by_cmis_is_printed_with_a_warning() {
    let image = |identifier: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lower = format!("{identifier}{}", "00".repeat(126));
        fs::write(file.path(), format!(r#"{{"lower":"{lower}","pages":{{}}}}"#)).unwrap();
        file
    };
    for (identifier, cmis) in [("1108", false), ("ffff", false), ("1850", true)] {
        let file = image(identifier);
        let output = dump(&format!("image:{}", file.path().display()), &["--json"]);
        assert!(output.status.success(), "{identifier}: {}", text(&output.stderr));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["identity"]["cmis"], cmis, "{identifier}");
        let warned = text(&output.stderr).contains("not those of a CMIS module");
        assert_eq!(warned, !cmis, "{identifier}: {}", text(&output.stderr));
    }
}
