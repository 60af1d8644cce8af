//! Which module a port is: its number, from whoever says so.
//!
//! In order of precedence: the agent's own settings (`IFNAME_TO_PORTNUM_JSON`), `index` of `PORT|<port>` in CONFIG_DB,
//! `platform.json`, `port_config.ini`. The first that names a port decides; one that says otherwise is a [`Disagreement`].

use super::{Connection, Database, Platform, SonicError};
use core::fmt;
use ipowdm_core::ids::PortId;
use serde_json::Value;
use std::collections::BTreeMap;

/// Who says which number a port has, the first to be believed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NumberSource {
    /// `IFNAME_TO_PORTNUM_JSON`, `[modules] numbers`.
    Settings,
    /// `index` of `PORT|<port>` in CONFIG_DB.
    ConfigDb,
    /// `index` of the interface in `platform.json`.
    PlatformJson,
    /// The column `index` of `port_config.ini`.
    PortConfig,
}

impl fmt::Display for NumberSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settings => "IFNAME_TO_PORTNUM_JSON",
            Self::ConfigDb => "CONFIG_DB",
            Self::PlatformJson => "platform.json",
            Self::PortConfig => "port_config.ini",
        })
    }
}

/// A port's number and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortNumber {
    /// The number.
    pub number: u32,
    /// Who says so.
    pub source: NumberSource,
}

/// Two sources that give a port different numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{port} is number {} by {}, and {} by {}", chosen.number, chosen.source, other.number, other.source)]
pub struct Disagreement {
    /// The port.
    pub port: PortId,
    /// What is taken.
    pub chosen: PortNumber,
    /// What else is said.
    pub other: PortNumber,
}

/// What one source says.
pub type Numbers = BTreeMap<PortId, u32>;

/// The numbers of ports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortNumbers {
    numbers: BTreeMap<PortId, PortNumber>,
    /// Where sources disagree.
    pub disagreements: Vec<Disagreement>,
}

impl PortNumbers {
    /// Reads every source there is.
    ///
    /// # Errors
    /// [`SonicError`] where a source is there and cannot be read.
    pub fn read(
        settings: &Numbers,
        databases: Option<&mut Connection>,
        platform: &Platform,
    ) -> Result<Self, SonicError> {
        let mut sources = vec![(NumberSource::Settings, settings.clone())];
        if let Some(databases) = databases {
            let mut numbers = Numbers::new();
            for port in databases.keys(Database::Config, "PORT")? {
                let row = databases.row(Database::Config, "PORT", &port)?;
                let index = row.text("index").and_then(|index| index.parse().ok());
                if let (Ok(port), Some(index)) = (port.parse(), index) {
                    numbers.insert(port, index);
                }
            }
            sources.push((NumberSource::ConfigDb, numbers));
        }
        if let Some((path, text)) = platform.file("platform.json")? {
            let numbers = of_platform_json(&text).map_err(|reason| SonicError::Content { path, reason })?;
            sources.push((NumberSource::PlatformJson, numbers));
        }
        if let Some((_, text)) = platform.file("port_config.ini")? {
            sources.push((NumberSource::PortConfig, of_port_config(&text)));
        }
        Ok(Self::combine(sources))
    }

    /// Puts together what sources say, the first to be believed first.
    #[must_use]
    pub fn combine(mut sources: Vec<(NumberSource, Numbers)>) -> Self {
        sources.sort_by_key(|(source, _)| *source);
        let mut all = Self::default();
        for (source, numbers) in sources {
            for (port, number) in numbers {
                let said = PortNumber { number, source };
                match all.numbers.get(&port) {
                    None => {
                        all.numbers.insert(port, said);
                    }
                    Some(chosen) if chosen.number != number => {
                        all.disagreements.push(Disagreement { port, chosen: *chosen, other: said });
                    }
                    Some(_) => {}
                }
            }
        }
        all
    }

    /// The number of a port, where anybody says one.
    #[must_use]
    pub fn get(&self, port: &PortId) -> Option<PortNumber> {
        self.numbers.get(port).copied()
    }

    /// The disagreement of a port's sources that its owner has not settled by saying the number in the settings.
    #[must_use]
    pub fn unsettled(&self, port: &PortId) -> Option<&Disagreement> {
        let open = |d: &&Disagreement| d.port == *port && d.chosen.source != NumberSource::Settings;
        self.disagreements.iter().find(open)
    }

    /// Every port that has a number.
    pub fn ports(&self) -> impl Iterator<Item = (&PortId, PortNumber)> {
        self.numbers.iter().map(|(port, number)| (port, *number))
    }
}

/// `{"interfaces": {"Ethernet0": {"index": "1,1,1,1,1,1,1,1", …}}}`: one index a lane, all the same.
fn of_platform_json(text: &str) -> Result<Numbers, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let interfaces = file.get("interfaces").and_then(Value::as_object).into_iter().flatten();
    let number = |(port, entry): (&String, &Value)| {
        let index = entry.get("index")?;
        let text = index.as_str().map_or_else(|| index.to_string(), str::to_string);
        let first = text.split(',').next()?.trim().parse().ok()?;
        Some((port.parse().ok()?, first))
    };
    Ok(interfaces.filter_map(number).collect())
}

/// A table of words; the comment line names the columns.
fn of_port_config(text: &str) -> Numbers {
    let mut columns: Vec<&str> = vec!["name", "lanes", "alias", "index"];
    let mut numbers = Numbers::new();
    for line in text.lines() {
        let words: Vec<&str> = line.trim_start_matches('#').split_whitespace().collect();
        if line.trim_start().starts_with('#') {
            if words.contains(&"name") {
                columns = words;
            }
            continue;
        }
        let word = |name: &str| words.get(columns.iter().position(|column| *column == name)?);
        let port = word("name").and_then(|port| port.parse().ok());
        let index = word("index").or_else(|| word("port")).and_then(|index| index.parse().ok());
        if let (Some(port), Some(index)) = (port, index) {
            numbers.insert(port, index);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str) -> PortId {
        name.parse().unwrap()
    }

    fn numbers(of: &[(&str, u32)]) -> Numbers {
        of.iter().map(|(name, number)| (port(name), *number)).collect()
    }

    #[test]
    fn the_first_source_that_names_a_port_decides_and_others_are_heard() {
        let all = PortNumbers::combine(vec![
            (NumberSource::PortConfig, numbers(&[("Ethernet0", 1), ("Ethernet8", 2), ("Ethernet16", 3)])),
            (NumberSource::ConfigDb, numbers(&[("Ethernet0", 0), ("Ethernet8", 2)])),
            (NumberSource::Settings, numbers(&[("Ethernet8", 9)])),
        ]);
        let number = |name| all.get(&port(name)).unwrap();
        assert_eq!(number("Ethernet0"), PortNumber { number: 0, source: NumberSource::ConfigDb });
        assert_eq!(number("Ethernet8"), PortNumber { number: 9, source: NumberSource::Settings });
        assert_eq!(number("Ethernet16"), PortNumber { number: 3, source: NumberSource::PortConfig });
        assert_eq!(all.get(&port("Ethernet24")), None);
        assert_eq!(all.disagreements.len(), 3);
        // What the settings say is settled; what two files of the switch say is not.
        assert_eq!(all.unsettled(&port("Ethernet8")), None);
        let open = all.unsettled(&port("Ethernet0")).unwrap();
        assert_eq!(open.to_string(), "Ethernet0 is number 0 by CONFIG_DB, and 1 by port_config.ini");
    }

    #[test]
    fn platform_json_names_one_index_a_lane() {
        let text = r#"{"interfaces": {"Ethernet0": {"index": "1,1,1,1", "lanes": "1,2,3,4"},
                       "Ethernet8": {"index": 2}, "Ethernet16": {"lanes": "9"}}}"#;
        assert_eq!(of_platform_json(text).unwrap(), numbers(&[("Ethernet0", 1), ("Ethernet8", 2)]));
        assert!(of_platform_json("[").is_err());
    }

    #[test]
    fn port_config_is_read_by_the_names_of_its_columns() {
        let text = "# name      lanes     alias   speed   index\n\
                    Ethernet0   1,2,3,4   etp1    400000  5\n\n\
                    Ethernet8   5,6,7,8   etp2    400000\n";
        assert_eq!(of_port_config(text), numbers(&[("Ethernet0", 5)]));
        assert_eq!(of_port_config("Ethernet4 1,2 etp1 7\n"), numbers(&[("Ethernet4", 7)]));
    }
}
