//! Where a store is kept, as a user writes it, and opening it.

#[cfg(feature = "redb")]
use super::redb::{RedbBackend, RedbOptions};
#[cfg(feature = "redis")]
use super::redis::RedisBackend;
use super::{Store, StoreOptions};
use core::fmt;
use core::str::FromStr;
use ipowdm_core::error::Code;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a store is kept.
///
/// ```
/// use ipowdm_ctl_lib::store::Location;
/// assert_eq!("memory".parse(), Ok(Location::Memory));
/// assert_eq!("redb:/var/lib/ipowdm/store.redb".parse(), Ok(Location::Redb("/var/lib/ipowdm/store.redb".into())));
/// assert!("postgres://db".parse::<Location>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// `memory`: gone when the process ends.
    Memory,
    /// `redb:PATH`: a file of this process alone, durable.
    Redb(PathBuf),
    /// `redis://…`, `rediss://…` or `redis+unix://…`: a Redis server, shared by several processes. The text may hold a
    /// password, so it is never shown.
    Redis(String),
}

/// Why a text does not name a place for a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// It begins with none of the known words.
    #[error("a store is at memory, redb:PATH or redis://HOST:PORT/DB, not at {text:?}")]
    Unknown {
        /// What was given, without what follows an `@` or a `?`.
        text: String,
    },
    /// `redb:` without a path.
    #[error("redb: needs the path of a file, as in redb:/var/lib/ipowdm/store.redb")]
    NoPath,
    /// The part after `redis://` cannot be understood.
    #[error("{reason}")]
    Redis {
        /// What is wrong; never a password.
        reason: String,
    },
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if let Some(path) = text.strip_prefix("redb:") {
            return if path.is_empty() { Err(LocationError::NoPath) } else { Ok(Self::Redb(path.into())) };
        }
        if ["redis://", "rediss://", "redis+unix://", "unix://"].iter().any(|scheme| text.starts_with(scheme))
        {
            return Ok(Self::Redis(text.to_owned()));
        }
        // A mistyped scheme must not put a password into a log.
        let shown = match text.split_once('@') {
            Some((before, _)) => before.split_once("://").map_or("", |(scheme, _)| scheme),
            None => text.split('?').next().unwrap_or_default(),
        };
        Err(LocationError::Unknown { text: shown.to_owned() })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Redb(path) => write!(f, "redb:{}", path.display()),
            Self::Redis(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("redis", ""));
                let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                write!(f, "{scheme}://{}", host.split('?').next().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a store could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The text names no place.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// This build cannot use such a place.
    #[error("{location}: this program was built without feature {feature}")]
    NotBuiltIn {
        /// The place.
        location: String,
        /// The cargo feature.
        feature: &'static str,
    },
    /// Another process has it open.
    #[error("{location}: in use by another process; stop it first, or give this one a store of its own")]
    Locked {
        /// The place.
        location: String,
    },
    /// It holds something else.
    #[error("{location}: not a store of this program: {reason}")]
    Foreign {
        /// The place.
        location: String,
        /// How that shows.
        reason: String,
    },
    /// It was written by a later release.
    #[error(
        "{location}: written in format {found}, this program reads up to {known}; use the release that wrote it"
    )]
    Newer {
        /// The place.
        location: String,
        /// The format found.
        found: u32,
        /// The latest format known here.
        known: u32,
    },
    /// It is damaged.
    #[error("{location}: damaged: {reason}; restore it from a backup")]
    Damaged {
        /// The place.
        location: String,
        /// Where and how.
        reason: String,
    },
    /// It may not be written.
    #[error("{location}: may not be written: {reason}")]
    ReadOnly {
        /// The place.
        location: String,
        /// What the system said.
        reason: String,
    },
    /// There is no room.
    #[error("{location}: no room left: {reason}")]
    Full {
        /// The place.
        location: String,
        /// What the system said.
        reason: String,
    },
    /// A restore was interrupted, so records are missing.
    #[error("{location}: holds a backup that was restored in part; restore it again")]
    RestoredInPart {
        /// The place.
        location: String,
    },
    /// Commits that it acknowledges may be lost, and the location does not accept that.
    #[error("{location}: {reason}; set it so, or accept the loss of commits with durability=relaxed")]
    NotDurable {
        /// The place.
        location: String,
        /// Which setting is how, and how it should be.
        reason: String,
    },
    /// It cannot be reached, or failed.
    #[error("{location}: {reason}")]
    Unavailable {
        /// The place.
        location: String,
        /// What happened, for people.
        reason: String,
    },
}

impl OpenError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Location(_) => Code::InvalidField,
            Self::NotBuiltIn { .. } => Code::Unsupported,
            Self::Newer { .. } => Code::UnknownVersion,
            Self::ReadOnly { .. } | Self::Full { .. } => Code::StorageFull,
            Self::Locked { .. }
            | Self::Foreign { .. }
            | Self::Damaged { .. }
            | Self::RestoredInPart { .. }
            | Self::NotDurable { .. }
            | Self::Unavailable { .. } => Code::StoreUnavailable,
        }
    }
}

impl Store {
    /// Opens, or creates, the store at a place.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(location: &Location, options: StoreOptions) -> Result<Self, OpenError> {
        let store = Self::open_unchecked(location, options).await?;
        match store.is_restored_in_part().await {
            Ok(false) => Ok(store),
            Ok(true) => Err(OpenError::RestoredInPart { location: location.to_string() }),
            Err(error) => {
                Err(OpenError::Unavailable { location: location.to_string(), reason: error.to_string() })
            }
        }
    }

    /// As [`Store::open`], also where a restore was interrupted.
    pub(super) async fn open_unchecked(
        location: &Location,
        options: StoreOptions,
    ) -> Result<Self, OpenError> {
        let store = match location {
            Location::Memory => Self::new(Arc::new(super::MemoryBackend::new()), options),
            #[cfg(feature = "redb")]
            Location::Redb(path) => {
                Self::new(Arc::new(RedbBackend::open(path, RedbOptions::default()).await?), options)
            }
            #[cfg(not(feature = "redb"))]
            Location::Redb(_) => return Err(not_built_in(location, "redb")),
            #[cfg(feature = "redis")]
            Location::Redis(url) => {
                let parsed = url.parse().map_err(|error: super::redis::RedisLocationError| {
                    LocationError::Redis { reason: error.to_string() }
                });
                Self::new(Arc::new(RedisBackend::connect(parsed?).await?), options)
            }
            #[cfg(not(feature = "redis"))]
            Location::Redis(_) => return Err(not_built_in(location, "redis")),
        };
        Ok(store)
    }
}

#[cfg(not(all(feature = "redb", feature = "redis")))]
fn not_built_in(location: &Location, feature: &'static str) -> OpenError {
    OpenError::NotBuiltIn { location: location.to_string(), feature }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_places_read_and_show_alike() {
        for text in
            ["memory", "redb:store.redb", "redb:/a b/ä.redb", "redis://127.0.0.1:6379/2", "rediss://h"]
        {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let location: Location = "redis://user:secret@host:1/0?password=secret".parse().unwrap();
        assert_eq!(format!("{location} {location:?}"), "redis://host:1/0 redis://host:1/0");
        for text in ["reddis://user:secret@host", "user:secret@host", "redid://host?password=secret"] {
            let error = text.parse::<Location>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "Memory", "memory:", "redb", "sqlite:x", "/var/lib/store"] {
            assert!(matches!(text.parse::<Location>(), Err(LocationError::Unknown { .. })), "{text}");
        }
        assert_eq!("redb:".parse::<Location>(), Err(LocationError::NoPath));
    }

    #[tokio::test]
    async fn memory_opens_and_what_is_not_built_in_says_so() {
        assert!(Store::open(&Location::Memory, StoreOptions::default()).await.is_ok());
        if cfg!(not(feature = "redb")) {
            let error = Store::open(&Location::Redb("x".into()), StoreOptions::default()).await.unwrap_err();
            assert_eq!(error.code(), Code::Unsupported);
        }
    }
}
