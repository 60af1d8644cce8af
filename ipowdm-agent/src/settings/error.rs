//! What is wrong with settings: every problem at once, each with its fix.

use core::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub fix: String,
}

impl Problem {
    pub(super) fn new(key: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { key: key.to_string(), reason: reason.into(), fix: fix.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.reason, self.fix)
    }
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// The problems, never none.
    pub problems: Vec<Problem>,
}

impl SettingsError {
    pub(super) fn one(key: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { problems: vec![Problem::new(key, reason, fix)] }
    }
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
