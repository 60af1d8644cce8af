//! Which databases a switch has, and where: `database_config.json`, or SONiC's defaults.

use super::SonicError;
use core::fmt;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The catalogue as the database container writes it.
pub const CATALOGUE_FILE: &str = "/var/run/redis/sonic-db/database_config.json";
/// The socket of SONiC's default instance.
pub const DEFAULT_SOCKET: &str = "/var/run/redis/redis.sock";

/// A database of SONiC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Database {
    /// What applications were told: `APPL_DB`.
    Appl,
    /// Counters: `COUNTERS_DB`.
    Counters,
    /// What the switch is meant to be: `CONFIG_DB`.
    Config,
    /// How things stand: `STATE_DB`.
    State,
}

impl Database {
    /// Every database that is used here.
    pub const ALL: [Self; 4] = [Self::Appl, Self::Counters, Self::Config, Self::State];

    /// The name in SONiC's words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Appl => "APPL_DB",
            Self::Counters => "COUNTERS_DB",
            Self::Config => "CONFIG_DB",
            Self::State => "STATE_DB",
        }
    }

    /// Number and separator on a switch that does not say otherwise.
    const fn default_place(self) -> (i64, char) {
        match self {
            Self::Appl => (0, ':'),
            Self::Counters => (2, ':'),
            Self::Config => (4, '|'),
            Self::State => (6, '|'),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its server's socket.
    pub socket: PathBuf,
    /// Its number there.
    pub number: i64,
    /// What stands between the table and the key.
    pub separator: char,
}

/// Where the databases of a switch are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    places: BTreeMap<Database, Place>,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "INSTANCES")]
    instances: BTreeMap<String, Instance>,
    #[serde(rename = "DATABASES")]
    databases: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Instance {
    unix_socket_path: PathBuf,
}

#[derive(Deserialize)]
struct Entry {
    id: i64,
    separator: String,
    instance: String,
}

/// A path of the switch as it is reached: below `root`, which is `/` on the switch itself.
#[must_use]
pub fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

impl Catalogue {
    /// Reads the catalogue of the switch below `root`; `None` where there is neither a catalogue nor the default socket:
    /// this is no SONiC.
    ///
    /// # Errors
    /// [`SonicError`] where the catalogue cannot be read or understood, or lacks a database.
    pub fn read(root: &Path) -> Result<Option<Self>, SonicError> {
        let path = below(root, Path::new(CATALOGUE_FILE));
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, root, &path).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let defaults = Self::defaults(root);
                let there = defaults.places.values().any(|place| place.socket.exists());
                Ok(there.then_some(defaults))
            }
            Err(source) => Err(SonicError::File { path, source }),
        }
    }

    /// Where SONiC's databases are unless a catalogue says otherwise.
    #[must_use]
    pub fn defaults(root: &Path) -> Self {
        let socket = below(root, Path::new(DEFAULT_SOCKET));
        let place = |database: Database| {
            let (number, separator) = database.default_place();
            (database, Place { socket: socket.clone(), number, separator })
        };
        Self { places: Database::ALL.into_iter().map(place).collect() }
    }

    fn parse(text: &str, root: &Path, path: &Path) -> Result<Self, SonicError> {
        let content = |reason: String| SonicError::Content { path: path.to_path_buf(), reason };
        let file: File = serde_json::from_str(text).map_err(|error| content(error.to_string()))?;
        let mut places = BTreeMap::new();
        for database in Database::ALL {
            let entry = file
                .databases
                .get(database.name())
                .ok_or_else(|| SonicError::NoDatabase { path: path.to_path_buf(), database })?;
            let instance = file.instances.get(&entry.instance).ok_or_else(|| {
                content(format!("{database} is of instance {:?}, which is not named", entry.instance))
            })?;
            let mut letters = entry.separator.chars();
            let (Some(separator), None) = (letters.next(), letters.next()) else {
                return Err(content(format!(
                    "the separator {:?} of {database} is no character",
                    entry.separator
                )));
            };
            let socket = below(root, &instance.unix_socket_path);
            places.insert(database, Place { socket, number: entry.id, separator });
        }
        Ok(Self { places })
    }

    /// Where a database is.
    #[must_use]
    pub fn place(&self, database: Database) -> Option<&Place> {
        self.places.get(&database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "INSTANCES": {
            "redis": {"hostname": "127.0.0.1", "port": 6379, "unix_socket_path": "/var/run/redis/redis.sock"},
            "counters": {"hostname": "127.0.0.1", "port": 6380, "unix_socket_path": "/var/run/redis1/redis.sock"}
        },
        "DATABASES": {
            "APPL_DB": {"id": 0, "separator": ":", "instance": "redis"},
            "COUNTERS_DB": {"id": 12, "separator": ":", "instance": "counters"},
            "CONFIG_DB": {"id": 4, "separator": "|", "instance": "redis"},
            "STATE_DB": {"id": 6, "separator": "|", "instance": "redis"}
        },
        "VERSION": "1.0"
    }"#;

    fn parse(text: &str) -> Result<Catalogue, SonicError> {
        Catalogue::parse(text, Path::new("/"), Path::new(CATALOGUE_FILE))
    }

    #[test]
    fn the_catalogue_says_where_databases_are() {
        let catalogue = parse(FILE).unwrap();
        let counters = catalogue.place(Database::Counters).unwrap();
        assert_eq!((counters.number, counters.separator), (12, ':'));
        assert_eq!(counters.socket, Path::new("/var/run/redis1/redis.sock"));
        assert_eq!(catalogue.place(Database::State).unwrap().separator, '|');
    }

    #[test]
    fn a_catalogue_that_lacks_something_is_refused_by_name() {
        let lacking = FILE.replace("STATE_DB", "OTHER_DB");
        assert!(matches!(parse(&lacking), Err(SonicError::NoDatabase { database: Database::State, .. })));
        let stray = FILE
            .replace(r#""separator": "|", "instance": "redis"}"#, r#""separator": "|", "instance": "r9"}"#);
        assert!(parse(&stray).unwrap_err().to_string().contains("r9"));
        let long = FILE.replace(r#""separator": "|""#, r#""separator": "||""#);
        assert!(parse(&long).unwrap_err().to_string().contains("||"));
        assert!(matches!(parse("{"), Err(SonicError::Content { .. })));
    }

    #[test]
    fn a_folder_with_neither_catalogue_nor_socket_is_no_switch() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Catalogue::read(root.path()).unwrap(), None);
        let socket = below(root.path(), Path::new(DEFAULT_SOCKET));
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        std::fs::write(&socket, "").unwrap();
        let catalogue = Catalogue::read(root.path()).unwrap().unwrap();
        let config = catalogue.place(Database::Config).unwrap();
        assert_eq!((config.number, config.separator, &config.socket), (4, '|', &socket));
    }
}
