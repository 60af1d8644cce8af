//! What is wrong with settings: every problem at once, each with its place and its fix.

use core::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The key (`slice.partitions`), the variable (`KAFKA_BROKER`) or the option (`--store`).
    pub(crate) key: String,
    /// Its line in the file, where it is there.
    pub(crate) line: Option<usize>,
    /// What is wrong with it.
    pub(crate) reason: String,
    /// What to do.
    pub(crate) fix: String,
}

impl Problem {
    pub(crate) fn new(key: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { key: key.to_owned(), line: None, reason: reason.into(), fix: fix.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        write!(f, ": {}; {}", self.reason, self.fix)
    }
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingsError {
    /// The problems, never none.
    pub(crate) problems: Vec<Problem>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot be used:")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}
