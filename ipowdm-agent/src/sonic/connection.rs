//! A connection to the databases of a switch.

use super::{Catalogue, Database, Place, Row, SonicError};
use core::fmt;
use core::time::Duration;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// How long a server may take for an answer. It answers from memory within milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// Keys asked for at a time when a table is listed.
const SCAN_STEP: u32 = 256;
/// Most keys of a table that are listed: more than a switch has ports.
const MOST_KEYS: usize = 4_096;

/// A connection to all databases of a switch. It connects when it is used, and anew after it was lost.
///
/// Calls block; none waits longer than two seconds for a server.
pub struct Connection {
    catalogue: Catalogue,
    links: BTreeMap<PathBuf, redis::Connection>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("catalogue", &self.catalogue).finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection that is made when it is first used.
    #[must_use]
    pub const fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, links: BTreeMap::new() }
    }

    /// Where the databases are.
    #[must_use]
    pub const fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Reads one row; an empty one where there is none.
    ///
    /// # Errors
    /// [`SonicError::Redis`].
    pub fn row(&mut self, database: Database, table: &str, key: &str) -> Result<Row, SonicError> {
        let mut rows = self.rows(database, key, &[table])?;
        Ok(rows.pop().unwrap_or_default())
    }

    /// Reads the rows of one key in several tables in one exchange, in the order of the tables.
    ///
    /// # Errors
    /// [`SonicError::Redis`].
    pub fn rows(&mut self, database: Database, key: &str, tables: &[&str]) -> Result<Vec<Row>, SonicError> {
        self.ask(database, |place, pipe| {
            for table in tables {
                pipe.cmd("HGETALL").arg(format!("{table}{}{key}", place.separator));
            }
        })
        .map(|rows: Vec<Vec<(Vec<u8>, Vec<u8>)>>| rows.into_iter().map(row_of).collect())
    }

    /// Reads some fields of a row; those that are not there are left out.
    ///
    /// # Errors
    /// [`SonicError::Redis`].
    pub fn fields(
        &mut self,
        database: Database,
        table: &str,
        key: &str,
        fields: &[&str],
    ) -> Result<Row, SonicError> {
        let name = format!("{table}{}{key}", self.place(database)?.separator);
        self.hash(database, &name, fields)
    }

    /// Reads some fields of a key that is no row of a table.
    ///
    /// # Errors
    /// [`SonicError::Redis`].
    pub fn hash(&mut self, database: Database, name: &str, fields: &[&str]) -> Result<Row, SonicError> {
        let mut answers: Vec<Vec<Option<Vec<u8>>>> = self.ask(database, |_, pipe| {
            pipe.cmd("HMGET").arg(name).arg(fields);
        })?;
        let values = answers.pop().unwrap_or_default();
        let there =
            fields.iter().zip(values).filter_map(|(name, value)| Some((name.as_bytes().to_vec(), value?)));
        Ok(row_of(there.collect()))
    }

    /// Lists the keys of a table, without the table's name.
    ///
    /// # Errors
    /// [`SonicError::Redis`].
    pub fn keys(&mut self, database: Database, table: &str) -> Result<Vec<String>, SonicError> {
        let mut keys = BTreeSet::new();
        let mut cursor = 0_u64;
        while keys.len() < MOST_KEYS {
            let mut prefix = String::new();
            let mut answers: Vec<(u64, Vec<Vec<u8>>)> = self.ask(database, |place, pipe| {
                prefix = format!("{table}{}", place.separator);
                let pattern = format!("{prefix}*");
                pipe.cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_STEP);
            })?;
            let Some((next, found)) = answers.pop() else { break };
            let names = found.iter().map(|key| String::from_utf8_lossy(key));
            keys.extend(names.filter_map(|key| key.strip_prefix(&prefix).map(str::to_string)));
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        Ok(keys.into_iter().collect())
    }

    /// Sets fields of a row at one stroke.
    ///
    /// # Errors
    /// [`SonicError::Redis`]; the fields may or may not have been set where the server was lost meanwhile.
    pub fn set(
        &mut self,
        database: Database,
        table: &str,
        key: &str,
        fields: &[(&str, &str)],
    ) -> Result<(), SonicError> {
        let _: Vec<i64> = self.say(database, &mut |place: &Place, pipe: &mut redis::Pipeline| {
            pipe.cmd("HSET").arg(format!("{table}{}{key}", place.separator)).arg(fields);
        })?;
        Ok(())
    }

    /// Asks a database. A link that was made before and fails is made anew once: its server was started again.
    fn ask<T: redis::FromRedisValue>(
        &mut self,
        database: Database,
        mut commands: impl FnMut(&Place, &mut redis::Pipeline),
    ) -> Result<T, SonicError> {
        let is_old = self.place(database).is_ok_and(|place| self.links.contains_key(&place.socket));
        match self.say(database, &mut commands) {
            Err(SonicError::Redis { source, .. }) if is_old && source.is_io_error() => {
                self.say(database, &mut commands)
            }
            said => said,
        }
    }

    /// Sends commands to a database and takes their answers; a link that fails is given up.
    fn say<T: redis::FromRedisValue>(
        &mut self,
        database: Database,
        commands: &mut impl FnMut(&Place, &mut redis::Pipeline),
    ) -> Result<T, SonicError> {
        let place = self.place(database)?;
        let failed = |source| SonicError::Redis { database, socket: place.socket.clone(), source };
        let mut link = match self.links.remove(&place.socket) {
            Some(link) => link,
            None => connect(&place).map_err(failed)?,
        };
        let mut pipe = redis::pipe();
        // Every exchange says its database: one link serves all databases of a server.
        pipe.cmd("SELECT").arg(place.number).ignore();
        commands(&place, &mut pipe);
        let answer = pipe.query(&mut link).map_err(failed)?;
        self.links.insert(place.socket.clone(), link);
        Ok(answer)
    }

    fn place(&self, database: Database) -> Result<Place, SonicError> {
        self.catalogue
            .place(database)
            .cloned()
            .ok_or_else(|| SonicError::NoDatabase { path: super::catalogue::CATALOGUE_FILE.into(), database })
    }
}

fn connect(place: &Place) -> Result<redis::Connection, RedisError> {
    let info: ConnectionInfo = ConnectionAddr::Unix(place.socket.clone()).into_connection_info()?;
    let link = redis::Client::open(info)?.get_connection_with_timeout(PATIENCE)?;
    link.set_read_timeout(Some(PATIENCE))?;
    link.set_write_timeout(Some(PATIENCE))?;
    Ok(link)
}

fn row_of(fields: Vec<(Vec<u8>, Vec<u8>)>) -> Row {
    let mut row = Row::default();
    for (name, value) in fields {
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        row.insert(words(&name), words(&value));
    }
    row
}
