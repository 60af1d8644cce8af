//! Where the server is and how the store on it is kept: from a location such as `redis://host:6379/0?durability=relaxed`.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::path::PathBuf;
use url::Url;

/// The environment variable that may hold the password.
pub const PASSWORD_VARIABLE: &str = "IPOWDM_REDIS_PASSWORD";

/// Where Redis listens when the location does not say.
const PORT: u16 = 6379;

/// A password that no output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes over a password.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// What a server must promise about the commits that it has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// They are on disk: `appendonly yes`, `appendfsync always`, and nothing is evicted. A server without these settings is
    /// refused.
    #[default]
    Strict,
    /// They may be lost when the server or its machine fails. What was lost is noticed, see
    /// [`RedisBackend`](super::RedisBackend).
    Relaxed,
}

/// Where the server is, how to log in, and how the store on it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisOptions {
    /// Name or address of the server.
    pub host: String,
    /// TCP port of the server.
    pub port: u16,
    /// Number of the database on the server.
    pub database: u32,
    /// User of the server's access control list; `None` for the default user.
    pub username: Option<String>,
    /// Password; `None` where the server wants none.
    pub password: Option<Password>,
    /// What the names of all keys begin with (as a cluster hash tag): several stores may share a server.
    pub prefix: String,
    /// What the server must promise.
    pub durability: Durability,
    /// Commits for which a view stays readable. It becomes a property of the store when that is created; later openers get
    /// the store's own.
    pub history: u32,
    /// How long an operation waits for a server that is away before it fails.
    pub patience: Duration,
    /// How long one answer of a connected server may take before the connection is given up.
    pub answer_within: Duration,
    /// Bytes of keys and values kept in this process for reading.
    pub cache_bytes: usize,
}

/// Why a location is not one of a Redis store. No variant shows a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisLocationError {
    /// It does not have the form `redis://HOST:PORT/DATABASE?NAME=VALUE`.
    #[error("not of the form redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE][?NAME=VALUE&…]: {reason}")]
    Form {
        /// What is wrong.
        reason: String,
    },
    /// Encryption is asked for, which this build cannot do. Nothing is sent unencrypted instead.
    #[error("rediss:// (TLS) is not supported; use redis:// through an encrypting tunnel")]
    Tls,
    /// A parameter has a value that is not one of its values.
    #[error("{name}={value}: {expected}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// There is no such parameter.
    #[error("unknown parameter {name:?}; known are durability, prefix, history and password_file")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// The password file cannot be read.
    #[error("password file {}: {reason}", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl RedisOptions {
    /// A store on this server with the defaults: port 6379 unless given, database 0, strict durability, no password.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            database: 0,
            username: None,
            password: None,
            prefix: "ipowdm".to_owned(),
            durability: Durability::Strict,
            history: 1 << 15,
            patience: Duration::from_secs(5),
            answer_within: Duration::from_secs(5),
            cache_bytes: 64 << 20,
        }
    }

    /// Takes the password from the environment ([`PASSWORD_VARIABLE`]) where there is none yet.
    #[must_use]
    pub fn with_environment(mut self) -> Self {
        if self.password.is_none() {
            self.password = std::env::var(PASSWORD_VARIABLE).ok().map(Password);
        }
        self
    }

    /// The place for messages: neither password nor parameters.
    pub(super) fn place(&self) -> String {
        format!("redis://{}:{}/{} ({})", self.host, self.port, self.database, self.prefix)
    }

    fn parameter(&mut self, name: &str, value: &str) -> Result<(), RedisLocationError> {
        let refuse =
            |name, expected| Err(RedisLocationError::Value { name, value: value.to_owned(), expected });
        match name {
            "durability" => match value {
                "strict" => self.durability = Durability::Strict,
                "relaxed" => self.durability = Durability::Relaxed,
                _ => return refuse("durability", "it is strict or relaxed"),
            },
            "prefix" => {
                let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
                if value.is_empty() || value.len() > 63 || !value.chars().all(letter) {
                    return refuse("prefix", "it is 1 to 63 of A-Z a-z 0-9 - _ . :");
                }
                value.clone_into(&mut self.prefix);
            }
            "history" => match value.parse() {
                Ok(commits @ 16..=1_000_000) => self.history = commits,
                _ => return refuse("history", "it is a number of commits, 16 to 1000000"),
            },
            "password_file" => {
                let path = PathBuf::from(value);
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| RedisLocationError::PasswordFile { path, reason: error.to_string() })?;
                self.password = Some(Password::new(text.trim_end_matches(['\r', '\n'])));
            }
            _ => return Err(RedisLocationError::Unknown { name: name.to_owned() }),
        }
        Ok(())
    }
}

impl FromStr for RedisOptions {
    type Err = RedisLocationError;

    /// Reads `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]` with the parameters `durability`, `prefix`, `history` and
    /// `password_file`. Without a password in it, that of the environment counts ([`PASSWORD_VARIABLE`]).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = |reason: &str| RedisLocationError::Form { reason: reason.to_owned() };
        let url = Url::parse(text).map_err(|error| form(&error.to_string()))?;
        match url.scheme() {
            "redis" => {}
            "rediss" => return Err(RedisLocationError::Tls),
            _ => return Err(form("it begins with redis://")),
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| form("there is no host"))?;
        // An IPv6 address stands in brackets in a URL, and without them everywhere else.
        let mut options = Self::new(host.trim_matches(['[', ']']), url.port().unwrap_or(PORT));
        let database = url.path().trim_start_matches('/');
        if !database.is_empty() {
            options.database = database.parse().map_err(|_| form("the database is a number"))?;
        }
        let decoded = |text: &str| -> Result<String, RedisLocationError> {
            // What a form decoder does beyond percent signs is to read a plus as a space.
            let kept = format!("v={}", text.replace('+', "%2B"));
            let pair = url::form_urlencoded::parse(kept.as_bytes()).next();
            pair.map(|(_, value)| value.into_owned()).ok_or_else(|| form("user or password"))
        };
        if !url.username().is_empty() {
            options.username = Some(decoded(url.username())?);
        }
        if let Some(password) = url.password() {
            options.password = Some(Password(decoded(password)?));
        }
        if url.fragment().is_some() {
            return Err(form("there is a '#'; write it as %23"));
        }
        for (name, value) in url.query_pairs() {
            options.parameter(&name, &value)?;
        }
        Ok(options.with_environment())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RedisOptions, RedisLocationError> {
        text.parse()
    }

    #[test]
    fn a_location_says_everything() {
        let options =
            parse("redis://me:p%40ss+%25@db.example:7000/3?durability=relaxed&prefix=lab&history=100")
                .unwrap();
        assert_eq!((options.host.as_str(), options.port, options.database), ("db.example", 7000, 3));
        assert_eq!(options.username.as_deref(), Some("me"));
        assert_eq!(options.password.as_ref().map(Password::reveal), Some("p@ss+%"));
        assert_eq!((options.prefix.as_str(), options.history), ("lab", 100));
        assert_eq!(options.durability, Durability::Relaxed);
    }

    #[test]
    fn the_defaults_are_safe() {
        let options = parse("redis://[::1]").unwrap();
        assert_eq!((options.host.as_str(), options.port), ("::1", 6379));
        assert_eq!(options.durability, Durability::Strict);
        assert_eq!(options.prefix, "ipowdm");
    }

    #[test]
    fn no_output_holds_the_password() {
        let options = parse("redis://:hunter2@localhost/0").unwrap();
        assert!(!format!("{options:?}{}", options.place()).contains("hunter2"));
        for text in [
            "redis://:hunter2@localhost:port/0",
            "rediss://:hunter2@localhost",
            "redis://:hunter2@localhost/x",
            "redis://:hunter2@localhost/0?durability=some",
            "redis://:hunter2@localhost/0?nothing=1",
            "redis://:hunter2@localhost/0#x",
            "http://:hunter2@localhost/0",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn encryption_that_is_not_there_is_refused() {
        assert_eq!(parse("rediss://localhost"), Err(RedisLocationError::Tls));
    }

    #[test]
    fn a_password_may_stand_in_a_file() {
        let file = std::env::temp_dir().join(format!("ipowdm-redis-password-{}", std::process::id()));
        std::fs::write(&file, "s3cret\n").unwrap();
        let options = parse(&format!("redis://localhost?password_file={}", file.display())).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(options.password.as_ref().map(Password::reveal), Some("s3cret"));
        let missing = parse("redis://localhost?password_file=/nonexistent/password");
        assert!(matches!(missing, Err(RedisLocationError::PasswordFile { .. })));
    }
}
