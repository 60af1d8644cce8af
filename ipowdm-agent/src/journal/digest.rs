//! What a command orders, in short: whether a repeated id is a repeated command.

use ipowdm_core::msg::{Action, Command, VERSION};
use serde::{Deserialize, Serialize};

/// What a command orders, in short: two commands of one id that differ in it are different commands.
///
/// Length and CRC-32C of the action with all it names, as JSON of our own, so that neither white space nor dialect
/// matter. Epoch, lifetime and target say for how long and to whom, not what, and are left out. It finds mistakes;
/// whoever wants to deceive can as well take an id of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest {
    length: u32,
    checksum: u32,
}

impl Digest {
    /// The digest of what is to be done.
    #[must_use]
    pub fn of(action: &Action) -> Self {
        // The version makes the JSON name everything; its form is frozen.
        let json = Command { v: VERSION, ..Command::bare(action.clone()) }.to_json();
        // A record is at most 1 MiB.
        Self { length: u32::try_from(json.len()).unwrap_or(u32::MAX), checksum: crc32c::crc32c(&json) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETUP: &str = r#"{"action":"setupConnection","command_id":"c-1","epoch":1,"parameters":{"connection_id":"c","endpoint_config":[{"pop_id":"p","node_id":"r","port_id":"Ethernet48","frequency":193.1,"tx_power_level":-2.0}]}}"#;

    fn digest(json: &str) -> Digest {
        Digest::of(&Command::from_json(json.as_bytes()).unwrap().action)
    }

    #[test]
    fn only_what_is_ordered_counts() {
        for (from, to) in [
            (r#""epoch":1"#, r#""epoch":2,"lifetime_ms":5,"v":1,"virtual_operator":"v","target_pop":"p""#),
            ("c-1", "c-2"),
            ("193.1", "193100000"),
            (",", " ,\n"),
        ] {
            assert_eq!(digest(&SETUP.replace(from, to)), digest(SETUP), "{from} → {to}");
        }
        for (from, to) in [
            ("-2.0", "-1.5"),
            ("193.1", "193.2"),
            ("Ethernet48", "Ethernet56"),
            (r#""connection_id":"c""#, r#""connection_id":"d""#),
            (r#"-2.0"#, r#"-2.0,"media_code":70"#),
            ("setupConnection", "reconfigConnection"),
        ] {
            assert_ne!(digest(&SETUP.replace(from, to)), digest(SETUP), "{from} → {to}");
        }
    }

    #[test]
    fn a_digest_is_golden() {
        // Journals hold it: other bytes would make every repetition a contradiction.
        assert_eq!(digest(SETUP), Digest { length: 207, checksum: 2_810_121_606 });
    }
}
