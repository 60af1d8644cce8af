//! Bearer tokens: 256 random bits, of which only the SHA-256 is kept.

use super::{Principal, Role};
use core::fmt::Write as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

/// Who holds which token.
///
/// A file of it is JSON, written by hand or with `ipowdm-ctl token`:
///
/// ```
/// # use ipowdm_ctl_lib::http::TokenTable;
/// let table = TokenTable::from_json(r#"{"tokens": [
///     {"name": "noc", "role": "operator",
///      "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"},
///     {"name": "billing", "role": "viewer",
///      "sha256": "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"},
///     {"name": "acme", "role": "tenant", "virtual_operator": "vOp1",
///      "sha256": "baa5a0964d3320fbc0c6a922140453c8513ea24ab8fd0577034804a967248096"}
/// ]}"#).unwrap();
/// assert_eq!(table.len(), 3);
/// ```
#[derive(Debug, Clone, Default)]
pub struct TokenTable {
    /// By digest: a lookup says nothing about a token that is nearly right.
    holders: HashMap<[u8; 32], Principal>,
}

/// A table that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not a table of tokens.
    #[error("not a table of tokens: {0}")]
    Json(#[from] serde_json::Error),
    /// A digest is not 64 hexadecimal digits.
    #[error("sha256 of {name} is not 64 hexadecimal digits")]
    Digest {
        /// Whose.
        name: String,
    },
    /// Two entries are of the same token, or have the same name.
    #[error("{name} is there twice, or has another's token")]
    Twice {
        /// Whose.
        name: String,
    },
    /// Others could write it.
    #[error("others may write it; make it mode 0600 or 0640")]
    Writable,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    tokens: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    #[serde(flatten)]
    role: Role,
    sha256: String,
}

impl TokenTable {
    /// Reads a table. Errors never quote it.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn from_json(text: &str) -> Result<Self, TokenError> {
        let document: Document = serde_json::from_str(text)?;
        let mut table = Self::default();
        for Entry { name, role, sha256 } in document.tokens {
            let digest = digest_of_hex(&sha256).ok_or_else(|| TokenError::Digest { name: name.clone() })?;
            table.add(digest, &name, role)?;
        }
        Ok(table)
    }

    /// Reads a table from a file that nobody but its owner can write.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let mut file = File::open(path)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            if file.metadata()?.mode() & 0o022 != 0 {
                return Err(TokenError::Writable);
            }
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Self::from_json(&text)
    }

    fn add(&mut self, digest: [u8; 32], name: &str, role: Role) -> Result<(), TokenError> {
        let known = self.holders.values().any(|holder| *holder.name == *name);
        let principal = Principal { name: Arc::from(name), role };
        if known || self.holders.insert(digest, principal).is_some() {
            return Err(TokenError::Twice { name: name.to_owned() });
        }
        Ok(())
    }

    /// Adds a caller.
    ///
    /// # Errors
    /// [`TokenError::Twice`]
    pub fn with(mut self, name: &str, role: Role, token: &NewToken) -> Result<Self, TokenError> {
        self.add(Sha256::digest(token.0.as_bytes()).into(), name, role)?;
        Ok(self)
    }

    /// How many callers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.holders.len()
    }

    /// Whether nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }

    pub(super) fn holder(&self, token: &[u8]) -> Option<Principal> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        self.holders.get(&digest).cloned()
    }
}

/// A token that has just been made. Its text is shown to whoever it is for and kept nowhere.
pub struct NewToken(String);

impl core::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("NewToken(…)")
    }
}

impl NewToken {
    /// Makes one of the system's randomness.
    ///
    /// # Errors
    /// Where the system has none.
    pub fn generate() -> io::Result<Self> {
        let mut bits = [0_u8; 32];
        File::open("/dev/urandom")?.read_exact(&mut bits)?;
        Ok(Self(hex(&bits)))
    }

    /// What the caller sends.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// The line of a table file for it.
    #[must_use]
    pub fn entry(&self, name: &str, role: &Role) -> String {
        let sha256 = hex(&Sha256::digest(self.0.as_bytes()));
        let entry = Entry { name: name.to_owned(), role: role.clone(), sha256 };
        serde_json::to_string(&entry).unwrap_or_default()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn digest_of_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(digest)
}
