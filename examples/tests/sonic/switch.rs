//! A switch as the agent sees it: a folder in the place of its root, and databases behind the socket in it.

use ipowdm_agent::sonic::{Connection, Database};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The platform whose files the switch has.
pub(crate) const PLATFORM: &str = "x86_64-lab_zr32-r0";
/// Its hardware.
pub(crate) const HWSKU: &str = "Lab-ZR32";

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts").join(name)
}

/// A switch; its databases end with it.
#[derive(Debug)]
pub(crate) struct Switch {
    root: tempfile::TempDir,
    address: String,
}

impl Switch {
    /// A switch with the ports `Ethernet0`, `Ethernet8` and `Ethernet16`, which are modules 1, 2 and 3, and nothing
    /// plugged in.
    pub(crate) fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let output = Command::new(script("redis-up.sh"))
            .arg("--switch")
            .arg(root.path())
            .stdin(Stdio::null())
            .output()
            .expect("scripts/redis-up.sh can be run");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "scripts/redis-up.sh did not start a Redis server, which these tests need:\n{told}"
        );
        let address = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        let switch = Self { root, address };
        let metadata = [("platform", PLATFORM), ("hwsku", HWSKU), ("hostname", "lab")];
        switch.config("DEVICE_METADATA", "localhost", &metadata);
        for (index, port) in ["Ethernet0", "Ethernet8", "Ethernet16"].iter().enumerate() {
            let index = (index + 1).to_string();
            let row =
                [("index", index.as_str()), ("admin_status", "up"), ("speed", "400000"), ("mtu", "9100")];
            switch.config("PORT", port, &row);
        }
        switch
    }

    /// What stands for `/`.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Where its databases are reached without the socket.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A connection of its own.
    pub(crate) fn connect(&self) -> Connection {
        ipowdm_agent::sonic::open(self.root()).unwrap().expect("the switch has databases")
    }

    /// Says a command to the server, in a form that needs no client, and answers the first line of the reply.
    pub(crate) fn say(&self, command: &str) -> String {
        self.say_all(&[command])
    }

    /// Says several commands over one connection, and takes the last one's first line.
    pub(crate) fn say_all(&self, commands: &[&str]) -> String {
        use std::io::{BufRead as _, BufReader, Write as _};
        let mut lines = BufReader::new(std::net::TcpStream::connect(&self.address).unwrap());
        let mut line = String::new();
        for command in commands {
            lines.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
            line.clear();
            lines.read_line(&mut line).unwrap();
        }
        line.trim_end().to_owned()
    }

    /// Has the counters of a port kept under an object's name.
    pub(crate) fn count_for(&self, port: &str, oid: &str) {
        let set = format!("HSET COUNTERS_PORT_NAME_MAP {port} {oid}");
        assert_eq!(self.say_all(&["SELECT 2", &set]), ":1");
    }

    /// Sets fields in CONFIG_DB.
    pub(crate) fn config(&self, table: &str, key: &str, fields: &[(&str, &str)]) {
        self.connect().set(Database::Config, table, key, fields).unwrap();
    }

    /// Sets fields in STATE_DB.
    pub(crate) fn state(&self, table: &str, key: &str, fields: &[(&str, &str)]) {
        self.connect().set(Database::State, table, key, fields).unwrap();
    }

    /// Plugs a coherent module in, as xcvrd tells of it before its CMIS manager has done anything.
    pub(crate) fn plug(&self, port: &str, serial: &str) {
        let info = [
            ("type", "QSFP-DD Double Density 8X Pluggable Transceiver"),
            ("type_abbrv_name", "QSFP-DD"),
            ("manufacturer", "Lab Optics"),
            ("model", "LAB-400-ZR"),
            ("serial", serial),
            ("vendor_rev", "A"),
            ("cmis_rev", "5.0"),
            ("vdm_supported", "True"),
            ("host_lane_count", "8"),
            ("media_lane_count", "1"),
            ("media_interface_technology", "C-band tunable laser"),
            (
                "application_advertisement",
                "{1: {'host_electrical_interface_id': '400GAUI-8 C2M (Annex 120E)', 'module_media_interface_id': \
                 '400ZR, DWDM, amplified', 'media_lane_count': 1, 'host_lane_count': 8, 'host_lane_assignment_options': 1, \
                 'media_lane_assignment_options': 1}, 2: {'host_electrical_interface_id': '400GAUI-8 C2M (Annex 120E)', \
                 'module_media_interface_id': 'ZR400-OFEC-16QAM', 'media_lane_count': 1, 'host_lane_count': 8, \
                 'host_lane_assignment_options': 1, 'media_lane_assignment_options': 1}}",
            ),
            ("supported_max_tx_power", "1.0"),
            ("supported_min_tx_power", "-22.9"),
            ("supported_max_laser_freq", "196100"),
            ("supported_min_laser_freq", "191300"),
        ];
        self.state("TRANSCEIVER_INFO", port, &info);
    }

    /// Writes a file of the platform.
    pub(crate) fn platform_file(&self, name: &str, text: &str) {
        let folder = self.root().join("usr/share/sonic/device").join(PLATFORM);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
    }

    /// Shows a module's memory on the bus `bus`, as the driver of port `number`.
    pub(crate) fn eeprom(&self, bus: u32, number: u32, memory: &[u8]) -> PathBuf {
        let device = self.root().join(format!("sys/bus/i2c/devices/{bus}-0050"));
        std::fs::create_dir_all(&device).unwrap();
        std::fs::write(device.join("port_name"), format!("port{number}\n")).unwrap();
        std::fs::write(device.join("eeprom"), memory).unwrap();
        device.join("eeprom")
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let stopped = Command::new(script("redis-down.sh")).arg(&self.address).stdin(Stdio::null()).status();
        if !std::thread::panicking() {
            assert!(stopped.unwrap().success(), "scripts/redis-down.sh {} failed", self.address);
        }
    }
}
