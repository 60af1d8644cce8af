//! Names of things: virtual operators, PoPs, routers, ports, agents, connections, commands.
//!
//! Every id is a bounded, validated ASCII string. The character sets are chosen so that topic names, URLs and log lines
//! need no escaping.
//!
//! With the feature `alloc` an id is three words: up to 23 characters lie in it, longer ones are shared by its clones on
//! the heap. Records hold many ids and are moved and copied often. Without that feature ids lie where they are, at their
//! greatest length, and no heap is needed.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[cfg(feature = "alloc")]
mod text {
    /// The text of an id; its length has been checked.
    pub(super) type Text<const MAX: usize> = smol_str::SmolStr;

    pub(super) fn hold<const MAX: usize>(text: &str) -> Option<Text<MAX>> {
        (text.len() <= MAX).then(|| Text::<MAX>::new(text))
    }
}

#[cfg(not(feature = "alloc"))]
mod text {
    /// The text of an id.
    pub(super) type Text<const MAX: usize> = heapless::String<MAX>;

    pub(super) fn hold<const MAX: usize>(text: &str) -> Option<Text<MAX>> {
        Text::try_from(text).ok()
    }
}

use text::{Text, hold};

/// Why a text is not a legal id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("{kind} is empty")]
    Empty {
        /// Which kind of id was being read.
        kind: &'static str,
    },
    /// The text is longer than the kind allows.
    #[error("{kind} has {len} characters, at most {max} are allowed")]
    TooLong {
        /// Which kind of id was being read.
        kind: &'static str,
        /// Length of the text in bytes.
        len: usize,
        /// Greatest legal length.
        max: usize,
    },
    /// The text has a character that the kind does not allow.
    #[error("{kind} has the character {character:?} at {at}; allowed: letters, digits and {extra:?}")]
    BadCharacter {
        /// Which kind of id was being read.
        kind: &'static str,
        /// The refused character.
        character: char,
        /// Its byte position.
        at: usize,
        /// The legal characters beside letters and digits.
        extra: &'static str,
    },
    /// The text is `.` or `..`, which URLs and file names have another meaning for.
    #[error("{kind} is {text:?}, which cannot be part of a path")]
    DotSegment {
        /// Which kind of id was being read.
        kind: &'static str,
        /// The text.
        text: &'static str,
    },
}

/// Which bytes an id may have: letters, digits and those of `extra`, which are ASCII.
const fn legal_bytes(extra: &str) -> [bool; 256] {
    let mut legal = [false; 256];
    let mut byte = 0_u8;
    while byte < u8::MAX {
        legal[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < extra.len() {
        legal[extra.as_bytes()[at] as usize] = true;
        at += 1;
    }
    legal
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text<$max>);

        impl $name {
            /// Greatest length in bytes.
            pub const MAX_LEN: usize = $max;

            /// Checks and takes over a text.
            ///
            /// # Errors
            /// [`IdError`] where the text is empty, too long, `.` or `..`, or has a character outside the kind's set.
            pub fn new(text: &str) -> Result<Self, IdError> {
                if text.is_empty() {
                    return Err(IdError::Empty { kind: $kind });
                }
                const LEGAL: [bool; 256] = legal_bytes($extra);
                // Ids are read from every record: what is legal is seen by one look at each byte.
                if !text.bytes().all(|byte| LEGAL[usize::from(byte)]) {
                    let illegal = |character: char| {
                        !character.is_ascii_alphanumeric() && !$extra.contains(character)
                    };
                    if let Some((at, character)) = text.char_indices().find(|(_, c)| illegal(*c)) {
                        return Err(IdError::BadCharacter { kind: $kind, character, at, extra: $extra });
                    }
                }
                if let Some(text) = [".", ".."].into_iter().find(|dots| *dots == text) {
                    return Err(IdError::DotSegment { kind: $kind, text });
                }
                hold::<$max>(text)
                    .map(Self)
                    .ok_or(IdError::TooLong { kind: $kind, len: text.len(), max: $max })
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;
            fn try_from(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a ", $kind))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> alloc::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": concat!("A ", $kind, "; neither `.` nor `..`."),
                    // A set of characters in which `-` stands last means itself.
                    "pattern": concat!("^(?!\\.{1,2}$)[A-Za-z0-9", $extra, "]+$"),
                    "minLength": 1,
                    "maxLength": $max,
                })
            }
        }
    };
}

id! {
    /// A virtual operator, `[A-Za-z0-9-]{1,63}`. No `_` and no `.`, so that topic naming is injective.
    VopId, "virtual operator id", 63, "-"
}
id! {
    /// A region, `[A-Za-z0-9-]{1,63}`.
    RegionId, "region id", 63, "-"
}
id! {
    /// A point of presence.
    PopId, "PoP id", 63, "_.-"
}
id! {
    /// A router within a PoP; the reference's messages call it `node_id`.
    RouterId, "router id", 63, "_.-"
}
id! {
    /// A port within a router, such as `Ethernet48`.
    PortId, "port id", 63, "_.:/-"
}
id! {
    /// The agent of one router. Its default is `<pop>-<router>`; never split it to learn the two.
    AgentId, "agent id", 127, "_.-"
}
id! {
    /// An application of a virtual operator, `[A-Za-z0-9-]{1,63}`. No `_` and no `.`: it becomes part of names on the bus.
    ApplicationId, "application id", 63, "-"
}
id! {
    /// A fibre link (a pair of directed fibres).
    LinkId, "link id", 127, "_.:-"
}
id! {
    /// Spectrum that is taken by something other than a connection of ours.
    ReservationId, "reservation id", 127, "_.:-"
}
id! {
    /// A connection.
    ConnectionId, "connection id", 127, "_.:-"
}
id! {
    /// A command, unique per issuer for ever.
    CommandId, "command id", 127, "_.:@/+-"
}
id! {
    /// One life of a topic: a re-created topic has another incarnation.
    Incarnation, "incarnation", 63, "_.-"
}

/// A router in a PoP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouterRef {
    /// The PoP.
    pub pop_id: PopId,
    /// The router in it.
    pub router_id: RouterId,
}

impl RouterRef {
    /// The default agent id, `<pop>-<router>`. It is ambiguous to read back; keep the pair.
    #[must_use]
    pub fn default_agent(&self) -> AgentId {
        let mut text = heapless::String::<{ AgentId::MAX_LEN }>::new();
        // 63 + 1 + 63 = 127 characters always fit, and both sets are subsets of the agent's.
        let _ = text.push_str(self.pop_id.as_str());
        let _ = text.push('-');
        let _ = text.push_str(self.router_id.as_str());
        AgentId(hold::<{ AgentId::MAX_LEN }>(&text).unwrap_or_default())
    }
}

impl fmt::Display for RouterRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pop_id, self.router_id)
    }
}

/// A port of a router in a PoP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortRef {
    /// The PoP.
    pub pop_id: PopId,
    /// The router in it.
    pub router_id: RouterId,
    /// The port on it.
    pub port_id: PortId,
}

impl PortRef {
    /// The router the port is on.
    #[must_use]
    pub fn router(&self) -> RouterRef {
        RouterRef { pop_id: self.pop_id.clone(), router_id: self.router_id.clone() }
    }
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.pop_id, self.router_id, self.port_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_vop_name_has_no_separator() {
        assert!(VopId::new("vOp2").is_ok());
        assert!(matches!(VopId::new("v_2"), Err(IdError::BadCharacter { character: '_', at: 1, .. })));
        assert!(matches!(VopId::new("v.2"), Err(IdError::BadCharacter { .. })));
        assert!(matches!(VopId::new(""), Err(IdError::Empty { .. })));
        let long = "a".repeat(64);
        assert!(matches!(VopId::new(&long), Err(IdError::TooLong { len: 64, max: 63, .. })));
    }

    #[test]
    fn dots_that_lead_elsewhere_in_a_path_are_no_name() {
        for dots in [".", ".."] {
            assert!(matches!(ConnectionId::new(dots), Err(IdError::DotSegment { .. })), "{dots}");
            assert!(PopId::new(dots).is_err() && PortId::new(dots).is_err() && LinkId::new(dots).is_err());
        }
        assert!(ConnectionId::new("...").is_ok() && ConnectionId::new("a..b").is_ok());
    }

    #[test]
    fn the_longest_pop_and_router_make_an_agent() {
        let router = RouterRef {
            pop_id: PopId::new(&"p".repeat(63)).unwrap(),
            router_id: RouterId::new(&"r".repeat(63)).unwrap(),
        };
        let agent = router.default_agent();
        assert_eq!(agent.as_str().len(), 127);
        assert_eq!(AgentId::new(agent.as_str()), Ok(agent));
    }

    #[test]
    fn ids_are_checked_when_read_from_json() {
        assert!(serde_json::from_str::<PopId>("\"pop1\"").is_ok());
        assert!(serde_json::from_str::<PopId>("\"pop 1\"").is_err());
        assert!(serde_json::from_str::<PopId>("17").is_err());
    }

    proptest! {
        #[test]
        fn what_is_accepted_reads_back_unchanged(text in ".{0,140}") {
            if let Ok(id) = ConnectionId::new(&text) {
                prop_assert_eq!(id.as_str(), text.as_str());
            }
        }
    }
}
