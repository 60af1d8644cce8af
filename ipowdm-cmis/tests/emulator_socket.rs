//! The line protocol of an emulated module, over a real socket.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

use ipowdm_cmis::access::{Eeprom, TransportError};
use ipowdm_cmis::emulator::socket::{DEFAULT_MODE, MAX_CLIENTS, Server, Stopper};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile, VirtualClock};
use ipowdm_cmis::map::Address;
use ipowdm_cmis::transport::Socket;
use ipowdm_cmis::transport::line_protocol::MAX_LINE;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;

/// A server in this process.
struct Served {
    path: PathBuf,
    stopper: Stopper,
    running: Option<JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl Served {
    fn new(profile: Profile) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("module");
        let module = EmulatedModule::new(profile, 1, ModuleClock::Virtual(VirtualClock::new()));
        let server = Server::bind(&path, DEFAULT_MODE, module).unwrap();
        let stopper = server.stopper();
        let running = std::thread::spawn(move || server.run().unwrap());
        Self { path, stopper, running: Some(running), _directory: directory }
    }

    fn client(&self) -> Client {
        let stream = UnixStream::connect(&self.path).unwrap();
        Client { answers: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    fn awake(profile: Profile) -> (Self, Client) {
        let served = Self::new(profile);
        let mut client = served.client();
        assert_eq!(client.ask("T 3000"), "OK");
        (served, client)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stopper.stop();
        let _ = self.running.take().unwrap().join();
        assert!(!self.path.exists(), "the file is gone with the server");
    }
}

struct Client {
    stream: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Client {
    fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n").as_bytes());
        self.answer()
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn answer(&mut self) -> String {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim_end().to_string()
    }
}

/// Linear offset of a byte in bank 0.
fn at(page: u8, byte: u8) -> u32 {
    Address::page(page, byte).linear()
}

#[test]
fn offsets_are_those_of_optoe_and_the_page_registers_are_the_modules_own() {
    let (_served, mut client) = Served::awake(Profile::OPENZRP);
    assert_eq!(client.ask("R 0 1"), "OK 18");
    assert_eq!(client.ask("R 128 1"), "OK 18", "00h:128");
    assert_eq!(client.ask(&format!("R {} 4", at(0x11, 128))), "OK 11111111");
    assert_eq!(client.ask("R 126 2"), "OK 0000", "the page was put back");
    // Item 1: what the module makes of a page is seen in 127, whoever writes it.
    assert_eq!(client.ask("W 127 11"), "OK");
    assert_eq!(client.ask("R 126 2"), "OK 0011");
    assert_eq!(client.ask("R 128 1"), "OK 18", "an offset means its page whatever 127 holds");
    assert_eq!(client.ask("R 126 2"), "OK 0011");
    assert_eq!(client.ask("W 127 b5"), "OK");
    assert_eq!(client.ask("R 127 1"), "OK 00");
    assert_eq!(client.ask(&format!("R {} 1", at(0xB5, 128))), "OK 18", "page 00h shows in its place");
    // Written and read back.
    let app_sel = at(0x10, 145);
    assert_eq!(client.ask(&format!("W {app_sel} 2020202020202020")), "OK");
    assert_eq!(client.ask(&format!("R {app_sel} 8")), "OK 2020202020202020");
}

#[test]
fn bad_requests_get_err_and_change_nothing() {
    let (served, mut client) = Served::awake(Profile::OPENZRP);
    let before = client.ask("R 26 1");
    for bad in [
        "",
        "Q",
        "R",
        "R 0",
        "R -1 1",
        "R 0 0",
        "R 0 129",
        "R 0 99999999999",
        "R 120 16",
        "R 250 8",
        "R 4294967295 1",
        "W 26",
        "W 26 1",
        "W 26 zz",
        "W 26 00 00",
        "W 124 0000000000000000",
        "W 27 000000000000000000",
        "T",
        "T x",
        "T -5",
        "X",
        "\u{fffd}",
    ] {
        let answer = client.ask(bad);
        assert!(answer.starts_with("ERR "), "{bad:?}: {answer}");
    }
    client.send(b"W 26 \xff\xff\n");
    assert!(client.answer().starts_with("ERR "));
    // Longer than a line may be: one answer, and the next line is understood.
    client.send(&vec![b'W'; 3 * MAX_LINE]);
    client.send(b"\n");
    assert!(client.answer().starts_with("ERR "));
    assert_eq!(client.ask("R 26 1"), before);
    // Half a line of a client that hangs up is no request.
    let mut other = served.client();
    other.send(b"W 26 10");
    drop(other);
    assert_eq!(client.ask("R 26 1"), before);
}

#[test]
fn several_clients_talk_to_one_module_and_too_many_are_told() {
    let (served, mut first) = Served::awake(Profile::OPENZRP);
    let mut clients: Vec<Client> = (1..MAX_CLIENTS).map(|_| served.client()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("R 0 1"), "OK 18");
    }
    let mut late = served.client();
    assert!(late.answer().contains("too many"));
    assert_eq!(first.ask("W 31 01"), "OK");
    assert_eq!(clients[7].ask("R 31 1"), "OK 01");
}

#[test]
fn lines_and_faults_are_changed_over_the_socket_and_nothing_by_a_wrong_document() {
    let (_served, mut client) = Served::awake(Profile::OPENZRP);
    let los = format!("R {} 1", at(0x11, 147));
    assert_eq!(client.ask(&los), "OK 01", "dark");
    assert_eq!(client.ask(r#"X {"line": {"far_end": {"tx_power_dbm": -9}}}"#), "OK");
    client.ask(&los);
    assert_eq!(client.ask(&los), "OK 00");
    assert!(
        client.ask(r#"X {"line": null, "faults": [{"fault": "nonesuch"}]}"#).starts_with("ERR bad-request")
    );
    assert_eq!(client.ask(&los), "OK 00", "the line is still there");
    assert_eq!(client.ask(r#"X {"faults": [{"fault": "stuck_busy", "on": true}]}"#), "OK");
    assert!(client.ask("R 0 1").starts_with("ERR busy"));
    assert_eq!(client.ask(r#"X {"faults": [{"fault": "clear"}, {"fault": "pull_out"}]}"#), "OK");
    assert!(client.ask("R 0 1").starts_with("ERR absent"));
    assert_eq!(client.ask(r#"X {"faults": [{"fault": "insert"}], "line": null}"#), "OK");
    assert_eq!(client.ask("T 2000"), "OK");
    assert_eq!(client.ask(&los), "OK 01");
}

#[test]
fn a_driver_may_use_it_as_an_eeprom() {
    let served = Served::new(Profile::ZR400);
    let socket = Socket::connect(&served.path).unwrap();
    let mut eeprom = socket.eeprom();
    let mut name = [0; 16];
    assert_eq!(eeprom.read(Address::page(0, 129), &mut name), Err(TransportError::Busy), "MgmtInit");
    socket.advance(3_000).unwrap();
    eeprom.read(Address::page(0, 129), &mut name).unwrap();
    assert_eq!(&name, b"IPOWDM-EMU      ");
}
