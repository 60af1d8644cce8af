//! A settings file for what was found on a switch, with comments: what `ipowdm-agent configure` writes.

use ipowdm_core::ids::{PopId, PortId, RouterId, VopId};
use std::fmt::Write as _;

/// What was found, and what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The PoP.
    pub pop_id: PopId,
    /// The router.
    pub router_id: RouterId,
    /// The one virtual operator to serve.
    pub virtual_operator: Option<VopId>,
    /// Where the broker is, `host:port`.
    pub broker: String,
    /// The journal's file.
    pub journal: String,
    /// On a SONiC switch: the mode that fits beside its own software, and why. Numbers and files are then left to the switch.
    pub mode: Option<(String, Vec<String>)>,
    /// Where the switch's root is, if not at `/`.
    pub root: Option<String>,
    /// The ports.
    pub ports: Vec<FoundPort>,
}

/// A port that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPort {
    /// The port.
    pub port: PortId,
    /// Its number.
    pub number: Option<u32>,
    /// Where its module is; `None`: where the settings' default says.
    pub file: Option<String>,
    /// Whether it is to be managed.
    pub managed: bool,
    /// What was found in it, in words.
    pub remark: String,
}

/// The pattern, with `{port}` for the number, that gives each file from its number.
#[must_use]
pub fn pattern(files: &[(u32, &str)]) -> Option<String> {
    let (number, first) = files.first()?;
    let digits = number.to_string();
    let fits = |pattern: &String| {
        files.iter().all(|(number, file)| pattern.replace("{port}", &number.to_string()) == *file)
    };
    let at = |(index, found): (usize, &str)| {
        let (before, after) = (&first[..index], &first[index + found.len()..]);
        format!("{before}{{port}}{after}")
    };
    let patterns: Vec<String> = first.match_indices(&digits).map(at).collect();
    // One port alone fits anything: its own path is the surer one, unless the number's place is plain.
    let mut fitting = patterns.into_iter().filter(fits);
    let chosen = fitting.next()?;
    (fitting.next().is_none() || files.len() > 1).then_some(chosen)
}

/// The file's text.
#[must_use]
pub fn document(found: &Found) -> String {
    let mut text = String::from(HEAD);
    // Writing to a string cannot fail.
    let _ = agent(found, &mut text);
    let _ = modules(found, &mut text);
    text.push_str(TAIL);
    text
}

const HEAD: &str = "\
# Settings of ipowdm-agent, written by `ipowdm-agent configure` for what it found on this switch.
# Environment variables, named in brackets, go before this file.
# To see what it comes to: ipowdm-agent run --check-config --config FILE; what is wrong: ipowdm-agent doctor --config FILE
";

const TAIL: &str = "
[telemetry]
# Seconds between samples and between heartbeats; with agent.virtual_operator only, otherwise the assignment says
# (TELEMETRY_INTERVAL_SEC).
# interval_sec = 3.0
# health_interval_sec = 30.0
# Most connections that are sampled at a time (MAX_TELEMETRY_SESSIONS); as many as ports where it is not set.
# max_sessions = 32

[quality]
# Judge the signals of connections by the controller's rule, and tell in heartbeats and the log (ENABLE_QOT_MONITORING). Powers are
# never touched. Thresholds are margins to what the mode needs, unless absolute ones are given (OSNR_THRESHOLD_DB, BER_THRESHOLD).
# enabled = true
# samples = 3
# cooldown_sec = 20.0

[log]
# error, warn, info, debug, trace, or a filter such as ipowdm::command=debug (LOG_LEVEL).
level = \"info\"
# text, or json: an object per line (LOG_FORMAT).
# format = \"json\"
# A file in the place of standard error (LOG_FILE), rotated at this size (LOG_MAX_SIZE_MB), so many of it kept (LOG_BACKUP_COUNT).
# file = \"/var/log/ipowdm-agent.log\"
# max_size_mb = 10.0
# backup_count = 5
";

fn agent(found: &Found, text: &mut String) -> std::fmt::Result {
    let Found { pop_id, router_id, virtual_operator, broker, journal, .. } = found;
    writeln!(text, "\n[agent]")?;
    writeln!(
        text,
        "# Where the switch is and what it is called there, as the slice manager has them (POP_ID, ROUTER_ID)."
    )?;
    writeln!(text, "pop_id = {}\nrouter_id = {}", quoted(pop_id.as_str()), quoted(router_id.as_str()))?;
    writeln!(
        text,
        "# The one virtual operator to serve, on all ports below (VIRTUAL_OPERATOR). Without it: those that the topic"
    )?;
    writeln!(text, "# ipowdm_assignments names.")?;
    match virtual_operator {
        Some(vop) => writeln!(text, "virtual_operator = {}", quoted(vop.as_str()))?,
        None => writeln!(text, "# virtual_operator = \"vOp1\"")?,
    }
    writeln!(
        text,
        "# What must survive a restart (JOURNAL_FILE): on storage that survives a reboot; its folder must exist."
    )?;
    writeln!(text, "journal = {}", quoted(journal))?;
    writeln!(
        text,
        "# Carry out commands without an epoch, such as hand-typed ones: for laboratories (ACCEPT_UNFENCED)."
    )?;
    writeln!(text, "# accept_unfenced = true\n\n[bus]")?;
    writeln!(text, "# host:port, several with commas (KAFKA_BROKER).\nbootstrap = {}", quoted(broker))?;
    writeln!(
        text,
        "# PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL (KAFKA_SECURITY_PROTOCOL), and what they need. The password stands in a"
    )?;
    writeln!(text, "# file of its own that only the agent's user may read (mode 600).")?;
    writeln!(text, "# security_protocol = \"SASL_SSL\"\n# ca_file = \"/etc/ipowdm/ca.pem\"")?;
    writeln!(
        text,
        "# sasl_username = \"agent_{pop_id}-{router_id}\"\n# sasl_password_file = \"/etc/ipowdm/kafka-password\""
    )
}

fn modules(found: &Found, text: &mut String) -> std::fmt::Result {
    writeln!(text, "\n[modules]")?;
    if let Some((mode, reasons)) = &found.mode {
        writeln!(
            text,
            "# How the switch's own software is lived with (MODULES_MODE): auto, observe, configure, supplement or own."
        )?;
        writeln!(text, "# auto comes to {mode}:")?;
        for reason in reasons {
            writeln!(text, "# - {}", plain(reason))?;
        }
        writeln!(text, "mode = \"auto\"")?;
    }
    if let Some(root) = &found.root {
        writeln!(text, "# Where the switch's root is (SWITCH_ROOT).\nroot = {}", quoted(root))?;
    }
    writeln!(text, "# The ports to manage (ASSIGNED_TRANSCEIVERS).\nports = [")?;
    for port in &found.ports {
        let mark = if port.managed { "" } else { "# " };
        writeln!(text, "  {mark}{}, # {}", quoted(port.port.as_str()), plain(&port.remark))?;
    }
    writeln!(text, "]")?;
    if found.mode.is_some() {
        return writeln!(
            text,
            "# Their numbers and files are the switch's to say; [modules.numbers] and eeprom would go before it."
        );
    }
    let managed = || found.ports.iter().filter(|port| port.managed);
    let files: Vec<(u32, &str)> =
        managed().filter_map(|port| Some((port.number?, port.file.as_deref()?))).collect();
    let all = files.len() == managed().count();
    let pattern = pattern(&files).filter(|_| all);
    writeln!(
        text,
        "# Where the modules' registers are, {{port}} standing for the number; or unix:PATH of a socket."
    )?;
    match &pattern {
        Some(pattern) => writeln!(text, "eeprom = {}", quoted(pattern))?,
        None => writeln!(text, "# eeprom = {}", quoted(crate::settings::DEFAULT_EEPROM))?,
    }
    writeln!(text, "\n# Numbers of the ports on the platform (IFNAME_TO_PORTNUM_JSON).\n[modules.numbers]")?;
    for port in &found.ports {
        let Some(number) = port.number else { continue };
        let mark = if port.managed { "" } else { "# " };
        writeln!(text, "{mark}{} = {number}", quoted(port.port.as_str()))?;
    }
    if pattern.is_none() && !files.is_empty() {
        writeln!(text, "\n# Where the modules' registers are, by port.\n[modules.files]")?;
        for port in managed() {
            let Some(file) = &port.file else { continue };
            writeln!(text, "{} = {}", quoted(port.port.as_str()), quoted(file))?;
        }
    }
    Ok(())
}

/// A string as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

/// Words that stay within the line of a comment.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ModuleSource, Settings};
    use proptest::prelude::*;

    fn port(name: &str, number: u32, file: Option<&str>, managed: bool) -> FoundPort {
        let remark = "MAKER\n\"ZR\" 1".to_string();
        FoundPort {
            port: name.parse().unwrap(),
            number: Some(number),
            file: file.map(str::to_string),
            managed,
            remark,
        }
    }

    fn found(ports: Vec<FoundPort>) -> Found {
        Found {
            pop_id: "pop1".parse().unwrap(),
            router_id: "router1".parse().unwrap(),
            virtual_operator: None,
            broker: "192.0.2.7:9092".to_string(),
            journal: "/var/lib/ipowdm/agent.journal".to_string(),
            mode: None,
            root: None,
            ports,
        }
    }

    fn sources(found: &Found) -> Vec<(PortId, ModuleSource)> {
        let text = document(found);
        let settings = Settings::from_toml(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        settings.resolve(|_| None).unwrap_or_else(|error| panic!("{error}\n{text}")).modules
    }

    #[test]
    fn what_is_written_is_understood_as_it_was_found() {
        let mut found = found(vec![
            port("Ethernet0", 1, Some("/sys/1-0050/eeprom"), true),
            port("Ethernet8", 2, None, false),
            port("Ethernet16", 13, Some("/sys/13-0050/eeprom"), true),
        ]);
        let at =
            |name: &str, file: &str| (name.parse::<PortId>().unwrap(), ModuleSource::Eeprom(file.into()));
        let expected = [at("Ethernet0", "/sys/1-0050/eeprom"), at("Ethernet16", "/sys/13-0050/eeprom")];
        assert_eq!(sources(&found), expected);
        assert!(document(&found).contains("eeprom = \"/sys/{port}-0050/eeprom\""));
        found.virtual_operator = Some("vOp2".parse().unwrap());
        // Where the numbers of buses are not those of ports.
        found.ports[2].file = Some("/sys/40-0050/eeprom".to_string());
        let expected = [at("Ethernet0", "/sys/1-0050/eeprom"), at("Ethernet16", "/sys/40-0050/eeprom")];
        assert_eq!(sources(&found), expected);
        // Where nothing is known of files, the default holds.
        found.ports.iter_mut().for_each(|port| port.file = None);
        let default = "/sys/bus/i2c/devices/13-0050/eeprom";
        assert_eq!(sources(&found)[1], at("Ethernet16", default));
        assert!(document(&found).contains("virtual_operator = \"vOp2\""));
        // On a SONiC switch the switch says all that.
        found.mode = Some(("observe".to_string(), vec!["it is so\nand so".to_string()]));
        found.root = Some("/host".to_string());
        assert_eq!(sources(&found)[1].1, ModuleSource::Switch);
        assert!(document(&found).contains("# - it is so and so\nmode = \"auto\"\n"));
    }

    #[test]
    fn a_pattern_is_one_that_holds_for_all_ports() {
        let of = |files: &[(u32, &str)]| pattern(files);
        assert_eq!(of(&[(5, "/a/5-0050/e"), (6, "/a/6-0050/e")]).as_deref(), Some("/a/{port}-0050/e"));
        assert_eq!(of(&[(5, "/a/0050/5"), (6, "/a/0050/6")]).as_deref(), Some("/a/0050/{port}"));
        assert_eq!(of(&[(5, "/a/5"), (6, "/a/7")]), None);
        assert_eq!(of(&[(7, "/a/7-0050")]).as_deref(), Some("/a/{port}-0050"));
        assert_eq!(of(&[(5, "/a/5-0050")]), None, "either place would do");
        assert_eq!(of(&[]), None);
    }

    proptest! {
        #[test]
        fn any_path_and_any_words_are_written_so_that_they_are_read_again(
            files in proptest::collection::vec("[ -~]{1,30}", 1..6), words in "\\PC{0,40}",
        ) {
            let mut files = files;
            files.sort();
            files.dedup();
            let mut found = found(Vec::new());
            for (index, file) in files.iter().enumerate() {
                let number = u32::try_from(index).unwrap() + 1;
                let mut port = port(&format!("Ethernet{index}"), number, Some(&format!("/{file}")), true);
                port.remark = words.clone();
                found.ports.push(port);
            }
            let expected: Vec<_> = found.ports.iter().map(|port| {
                (port.port.clone(), ModuleSource::Eeprom(port.file.clone().unwrap().into()))
            }).collect();
            prop_assert_eq!(sources(&found), expected);
        }
    }
}
