//! Notes that operators and their tools keep on things: a bounded map of names to texts that nothing here interprets.

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Entries that one thing may have.
const MAX_ENTRIES: usize = 32;
/// Bytes of a name.
const MAX_NAME: usize = 63;
/// Bytes of a text.
const MAX_TEXT: usize = 255;
/// What a name may hold beside letters and digits.
const NAME_EXTRA: &str = "-_./";

/// Names and texts, in order of the names.
///
/// ```
/// use ipowdm_ctl_lib::topology::Metadata;
///
/// let mut notes = Metadata::default();
/// notes.set("asset/tag", "R-1234")?;
/// assert_eq!(notes.get("asset/tag"), Some("R-1234"));
/// assert!(notes.set("two words", "").is_err());
/// # Ok::<(), ipowdm_ctl_lib::topology::MetadataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

/// Why an entry is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The name is empty, too long, or has another character.
    #[error("metadata name {name:?} is not 1 to {MAX_NAME} letters, digits and {NAME_EXTRA:?}")]
    Name {
        /// The name.
        name: String,
    },
    /// The text is too long or has control characters.
    #[error("the metadata text of {name:?} has control characters or more than {MAX_TEXT} bytes")]
    Text {
        /// Its name.
        name: String,
    },
    /// There are too many entries.
    #[error("at most {MAX_ENTRIES} metadata entries are kept")]
    Full,
}

impl Metadata {
    /// The text of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets the text of a name.
    ///
    /// # Errors
    /// [`MetadataError`]; nothing is changed then.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), MetadataError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || NAME_EXTRA.contains(c);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(legal) {
            return Err(MetadataError::Name { name: name.chars().take(MAX_NAME).collect() });
        }
        if text.len() > MAX_TEXT || text.chars().any(char::is_control) {
            return Err(MetadataError::Text { name: name.to_owned() });
        }
        if self.0.len() >= MAX_ENTRIES && !self.0.contains_key(name) {
            return Err(MetadataError::Full);
        }
        self.0.insert(name.to_owned(), text.to_owned());
        Ok(())
    }

    /// Removes a name and answers its text.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Names and texts in order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Metadata;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a map of names to texts")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Metadata, A::Error> {
                let mut metadata = Metadata::default();
                while let Some((name, text)) = entries.next_entry::<String, String>()? {
                    metadata.set(&name, &text).map_err(de::Error::custom)?;
                }
                Ok(metadata)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_or_too_much_is_refused_and_changes_nothing() {
        let mut notes = Metadata::default();
        for n in 0..MAX_ENTRIES {
            notes.set(&format!("n{n}"), "x").unwrap();
        }
        let full = notes.clone();
        assert_eq!(notes.set("more", "x"), Err(MetadataError::Full));
        assert!(matches!(notes.set("n0", &"x".repeat(MAX_TEXT + 1)), Err(MetadataError::Text { .. })));
        assert!(matches!(notes.set("n0", "a\nb"), Err(MetadataError::Text { .. })));
        assert!(matches!(notes.set(&"n".repeat(MAX_NAME + 1), ""), Err(MetadataError::Name { .. })));
        assert!(matches!(notes.set("", ""), Err(MetadataError::Name { .. })));
        assert_eq!(notes, full);
        notes.set("n0", "y").unwrap();
        assert_eq!((notes.get("n0"), notes.len()), (Some("y"), MAX_ENTRIES));
        assert_eq!(notes.remove("n0").as_deref(), Some("y"));
        assert_eq!(notes.get("n0"), None);
    }

    #[test]
    fn what_is_read_is_checked_too() {
        let read = |text: &str| serde_json::from_str::<Metadata>(text);
        assert_eq!(read(r#"{"a":"b"}"#).unwrap().iter().collect::<Vec<_>>(), [("a", "b")]);
        assert!(read(r#"{"a b":"c"}"#).is_err());
        let many: Vec<String> = (0..=MAX_ENTRIES).map(|n| format!("\"{n}\":\"\"")).collect();
        assert!(read(&format!("{{{}}}", many.join(","))).is_err());
    }
}
