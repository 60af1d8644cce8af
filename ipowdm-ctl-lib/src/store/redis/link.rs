//! One connection: logging in, what the server must promise, the scripts; and what an error means for what was sent.

use super::super::OpenError;
use super::options::{Durability, RedisOptions};
use super::wire::{EXCHANGE, FORMAT, Names, OPEN, Opened, read_opened};
use core::time::Duration;
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, ServerErrorKind};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use tokio::time::timeout;

/// The oldest server whose scripts replicate and persist by effect alone.
const OLDEST: (u32, u32) = (7, 0);

/// Time to connect and log in.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Why a server cannot be used. Nothing of it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// It cannot be reached, or broke off.
    #[error("{place}: cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        place: String,
        /// What happened.
        reason: String,
    },
    /// It refuses the log-in or a command.
    #[error("{place}: refused: {reason}")]
    Refused {
        /// The server.
        place: String,
        /// What it said.
        reason: String,
    },
    /// Commits that it acknowledges may be lost, and the location does not accept that.
    #[error(
        "{place}: {setting}; set it on the server, or accept the loss of commits with durability=relaxed"
    )]
    NotDurable {
        /// The server.
        place: String,
        /// Which setting is how, and how it should be.
        setting: String,
    },
    /// It is too old.
    #[error("{place}: version {found}, but 7.0 or later is needed")]
    TooOld {
        /// The server.
        place: String,
        /// Its version.
        found: String,
    },
    /// What is under the prefix is not a store of this program.
    #[error("{place}: not a store of this program: {reason}; choose another prefix")]
    Foreign {
        /// The server.
        place: String,
        /// How that shows.
        reason: String,
    },
}

impl From<RedisError> for OpenError {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Unreachable { place, reason } => {
                Self::Unavailable { location: place, reason: format!("cannot be reached: {reason}") }
            }
            RedisError::Refused { place, reason } => {
                Self::Unavailable { location: place, reason: format!("refused: {reason}") }
            }
            RedisError::NotDurable { place, setting } => {
                Self::NotDurable { location: place, reason: setting }
            }
            RedisError::TooOld { place, found } => Self::Unavailable {
                location: place,
                reason: format!("version {found}, but 7.0 or later is needed"),
            },
            RedisError::Foreign { place, reason } => Self::Foreign { location: place, reason },
        }
    }
}

/// What an error says about the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection is of no use any more; whether the request was carried out is not known.
    Broken(String),
    /// Not carried out; the same request may succeed after a pause.
    Later(String),
    /// Not carried out: the server has forgotten the scripts.
    NoScript,
    /// Not carried out, and will not be.
    Refused(String),
    /// The server stopped at an error within the request.
    Failed(String),
    /// What is under the prefix is not a store of this program.
    Foreign(String),
}

/// Classifies an error of the server or of the connection.
pub(super) fn failure(error: &redis::RedisError) -> Failure {
    let reason = error.to_string();
    match error.kind() {
        ErrorKind::Server(kind) => match kind {
            ServerErrorKind::NoScript => Failure::NoScript,
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown => Failure::Later(reason),
            ServerErrorKind::ResponseError | ServerErrorKind::ExecAbort => Failure::Failed(reason),
            _ => Failure::Refused(reason),
        },
        ErrorKind::Extension => match error.code() {
            Some("BUSY") => Failure::Later(reason),
            Some("OOM" | "MISCONF" | "NOAUTH" | "NOREPLICAS" | "SUPERSEDED") => Failure::Refused(reason),
            _ => Failure::Failed(reason),
        },
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig | ErrorKind::RESP3NotSupported => {
            Failure::Refused(reason)
        }
        _ => Failure::Broken(reason),
    }
}

/// A connection with the scripts loaded, on a server that promises what it must.
pub(super) struct Link {
    connection: MultiplexedConnection,
    names: Names,
    /// Hashes of the scripts.
    open: String,
    exchange: String,
    answer_within: Duration,
}

impl Link {
    /// Connects, checks the server's promises and loads the scripts.
    pub(super) async fn connect(options: &RedisOptions, names: &Names) -> Result<Self, RedisError> {
        let place = options.place();
        let connection = raw_connection(options).await?;
        let mut link = Self {
            connection,
            names: names.clone(),
            open: String::new(),
            exchange: String::new(),
            answer_within: options.answer_within,
        };
        link.check(options).await?;
        link.load_scripts().await.map_err(|failure| failure.at(&place))?;
        Ok(link)
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn call(&mut self, command: &redis::Cmd) -> Result<redis::Value, Failure> {
        match timeout(self.answer_within, self.connection.send_packed_command(command)).await {
            Ok(Ok(redis::Value::ServerError(error))) => Err(failure(&error.into())),
            Ok(answer) => answer.map_err(|error| failure(&error)),
            Err(_) => Err(Failure::Broken(format!("no answer within {:?}", self.answer_within))),
        }
    }

    async fn load_scripts(&mut self) -> Result<(), Failure> {
        for (hash, script) in [(0, OPEN), (1, EXCHANGE)] {
            let answer = self.call(redis::cmd("SCRIPT").arg("LOAD").arg(script)).await?;
            let loaded =
                redis::from_redis_value(answer).map_err(|error| Failure::Failed(error.to_string()))?;
            *(if hash == 0 { &mut self.open } else { &mut self.exchange }) = loaded;
        }
        Ok(())
    }

    /// The exchange script, ready for its arguments.
    pub(super) fn command_exchange(&self) -> redis::Cmd {
        self.names.call(&self.exchange)
    }

    /// Where the store is, made where there is none; see `open.lua`.
    pub(super) async fn open_store(
        &mut self,
        history: u32,
        instance: &str,
        at_least: u64,
    ) -> Result<(u64, String), Failure> {
        let mut command = self.names.call(&self.open);
        command.arg(FORMAT).arg(at_least).arg(instance).arg(history);
        match read_opened(self.call(&command).await?) {
            Ok(Opened::Store { version, anchor }) => Ok((version, anchor)),
            Ok(Opened::Foreign(reason)) => Err(Failure::Foreign(reason)),
            Err(error) => Err(Failure::Foreign(error.to_string())),
        }
    }

    async fn check(&mut self, options: &RedisOptions) -> Result<(), RedisError> {
        let place = options.place();
        let info = self.call(redis::cmd("INFO").arg("server")).await.map_err(|failure| failure.at(&place))?;
        let info: String = redis::from_redis_value(info).unwrap_or_default();
        let found = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or("unknown");
        let mut numbers = found.split('.').map_while(|number| number.parse::<u32>().ok());
        if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST {
            return Err(RedisError::TooOld { place, found: found.to_owned() });
        }
        if options.durability == Durability::Relaxed {
            return Ok(());
        }
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg("append*").arg("maxmemory*");
        let settings = match self.call(&command).await {
            Ok(answer) => redis::from_redis_value(answer).unwrap_or_default(),
            Err(Failure::Refused(reason) | Failure::Failed(reason)) => {
                let setting = format!("its settings cannot be read (CONFIG GET: {reason})");
                return Err(RedisError::NotDurable { place, setting });
            }
            Err(failure) => return Err(failure.at(&place)),
        };
        match not_durable(&settings) {
            Some(setting) => Err(RedisError::NotDurable { place, setting }),
            None => Ok(()),
        }
    }
}

/// What in a server's settings may lose commits.
fn not_durable(settings: &HashMap<String, String>) -> Option<String> {
    let is = |name: &str| settings.get(name).map_or("unknown", String::as_str);
    for (name, wanted) in [("appendonly", "yes"), ("appendfsync", "always")] {
        if is(name) != wanted {
            return Some(format!("{name} is {}, not {wanted}", is(name)));
        }
    }
    if is("maxmemory") != "0" && is("maxmemory-policy") != "noeviction" {
        return Some(format!("maxmemory-policy is {}, not noeviction", is("maxmemory-policy")));
    }
    None
}

impl Failure {
    pub(super) fn at(self, place: &str) -> RedisError {
        let place = place.to_owned();
        match self {
            Self::Broken(reason) | Self::Later(reason) => RedisError::Unreachable { place, reason },
            Self::NoScript => RedisError::Unreachable { place, reason: "it forgets scripts".to_owned() },
            Self::Refused(reason) | Self::Failed(reason) => RedisError::Refused { place, reason },
            Self::Foreign(reason) => RedisError::Foreign { place, reason },
        }
    }
}

impl From<RedisError> for Failure {
    /// A failure to connect: nothing was sent.
    fn from(error: RedisError) -> Self {
        match &error {
            RedisError::Unreachable { .. } => Self::Later(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}

/// A connection that is logged in.
pub(super) async fn raw_connection(options: &RedisOptions) -> Result<MultiplexedConnection, RedisError> {
    use redis::{AsyncConnectionConfig, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

    let place = options.place();
    let mut login = RedisConnectionInfo::default().set_db(options.database.into());
    if let Some(username) = &options.username {
        login = login.set_username(username);
    }
    if let Some(password) = &options.password {
        login = login.set_password(password.reveal());
    }
    let address = ConnectionAddr::Tcp(options.host.clone(), options.port);
    let info = address.into_connection_info().map(|info| {
        let settings = info.tcp_settings().clone().set_nodelay(true);
        info.set_redis_settings(login).set_tcp_settings(settings)
    });
    let client = info.and_then(redis::Client::open).map_err(|error| failure(&error).at(&place))?;
    // The times are kept here, so that a time-out is told from other ends.
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    match timeout(CONNECT_WITHIN, client.get_multiplexed_async_connection_with_config(&config)).await {
        Ok(connection) => connection.map_err(|error| failure(&error).at(&place)),
        Err(_) => {
            Err(RedisError::Unreachable { place, reason: format!("not connected within {CONNECT_WITHIN:?}") })
        }
    }
}

/// A growing, jittered pause between attempts: the first is none, the longest a second.
#[derive(Debug)]
pub(super) struct Pause {
    next: Duration,
    jitter: RandomState,
    draws: u64,
}

impl Pause {
    pub(super) fn new() -> Self {
        Self { next: Duration::ZERO, jitter: RandomState::new(), draws: 0 }
    }

    /// Between half and all of the current pause, which then doubles.
    fn draw(&mut self) -> Duration {
        let drawn = self.next / 2 + self.next * u32::from(self.random()) / (2 * u32::from(u16::MAX));
        self.next = (self.next * 2).clamp(Duration::from_millis(10), Duration::from_secs(1));
        drawn
    }

    fn random(&mut self) -> u16 {
        self.draws += 1;
        let [high, low, ..] = self.jitter.hash_one(self.draws).to_le_bytes();
        u16::from_le_bytes([high, low])
    }

    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.draw()).await;
    }
}
