//! `ipowdm-agent emulate`, from outside.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A running emulator.
struct Emulator(Child);

impl Emulator {
    /// Starts the program and waits until it says that it listens.
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ipowdm-agent"))
            .arg("emulate")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("listens on unix:"), "{line}");
        Self(child)
    }

    fn signal(mut self, signal: &str) -> ExitStatus {
        assert!(Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap().success());
        self.0.wait().unwrap()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(socket: &Path, lines: &[&str]) -> Vec<String> {
    let mut stream = UnixStream::connect(socket).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    lines
        .iter()
        .map(|line| {
            stream.write_all(format!("{line}\n").as_bytes()).unwrap();
            let mut answer = String::new();
            answers.read_line(&mut answer).unwrap();
            answer.trim_end().to_string()
        })
        .collect()
}

#[test]
fn a_module_answers_on_its_socket_until_it_is_terminated() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("module");
    let listen = format!("unix:{}", socket.display());
    let virtual_time = ["--profile", "400zr", "--listen", &listen, "--time", "virtual", "--cold"];
    let emulator = Emulator::start(&virtual_time);
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let answers = ask(&socket, &["R 0 1", "T 3000", "R 0 1", "what?", "R 3 1"]);
    assert!(answers[0].starts_with("ERR busy"), "MgmtInit: {answers:?}");
    assert_eq!((answers[1].as_str(), answers[2].as_str()), ("OK", "OK 18"));
    assert!(answers[3].starts_with("ERR bad-request"), "{answers:?}");
    assert_eq!(answers[4], "OK 02", "LowPwr, interrupt");
    assert!(emulator.signal("-TERM").success());
    assert!(!socket.exists(), "a terminated server leaves no file");

    // A file that a killed server left behind is replaced.
    assert!(!Emulator::start(&virtual_time).signal("-KILL").success());
    assert!(socket.exists());
    let emulator = Emulator::start(&["--profile", "openzrp", "--listen", &listen, "--scale", "1000"]);
    let second = Command::new(env!("CARGO_BIN_EXE_ipowdm-agent")).arg("emulate").args(virtual_time).output();
    let second = second.unwrap();
    assert!(!second.status.success() && String::from_utf8_lossy(&second.stderr).contains("another program"));
    let answers = ask(&socket, &["R 0 1", "T 5", &format!("R {} 1", 17 * 128 + 147)]);
    assert_eq!(answers[0], "OK 18", "a module that is not cold answers at once");
    assert!(answers[1].starts_with("ERR unsupported"), "time is real");
    assert_eq!(answers[2], "OK 00", "there is light");
    assert!(emulator.signal("-INT").success());
    assert!(!socket.exists());
}

#[test]
fn what_cannot_be_emulated_is_refused_with_words() {
    let directory = tempfile::tempdir().unwrap();
    let listen = format!("unix:{}", directory.path().join("module").display());
    for (arguments, word) in [
        (["--profile", "nonesuch", "--listen", &listen], "800zr"),
        (["--profile", "absent.toml", "--listen", &listen], "absent.toml"),
        (["--profile", "400zr", "--listen", "/tmp/module"], "unix:PATH"),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_ipowdm-agent")).arg("emulate").args(arguments).output().unwrap();
        assert!(!output.status.success());
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(words.contains(word), "{words}");
    }
    let file = directory.path().join("file");
    std::fs::write(&file, b"kept").unwrap();
    let listen = format!("unix:{}", file.display());
    let arguments = ["emulate", "--profile", "400zr", "--listen", &listen];
    let output = Command::new(env!("CARGO_BIN_EXE_ipowdm-agent")).args(arguments).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(std::fs::read(&file).unwrap(), b"kept", "what is no socket is left alone");
}
