//! The file: its values, and in which line each of them stands.

use super::problem::{Problem, SettingsError};
use super::{Program, Settings};
use std::collections::BTreeMap;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// A file that was read.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) settings: Settings,
    lines: BTreeMap<String, usize>,
}

impl Document {
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let key = path.display().to_string();
            let problem = Problem::new(&key, error.to_string(), "name a file that can be read");
            SettingsError { problems: vec![problem] }
        })?;
        Self::parse(&text)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, SettingsError> {
        let settings = toml::from_str(text).map_err(|error| refusal(text, &error))?;
        let table = DeTable::parse(text).map_err(|error| refusal(text, &error))?;
        let mut lines = BTreeMap::new();
        note_lines(text, "", table.get_ref(), &mut lines);
        Ok(Self { settings, lines })
    }

    /// Adds the lines of keys that stand in the file.
    pub(crate) fn place(&self, problems: &mut [Problem]) {
        for problem in problems {
            problem.line = self.lines.get(&problem.key).copied();
        }
    }

    /// Everything checked and filled in.
    pub(crate) fn resolve(
        self,
        program: Program,
        environment: &dyn Fn(&str) -> Option<String>,
        change: impl FnOnce(&mut Settings),
    ) -> Result<super::Resolved, SettingsError> {
        let mut problems = Vec::new();
        let mut settings = self.settings.clone();
        let notices = settings.overlay(program, environment, &mut problems);
        change(&mut settings);
        let resolved = settings.resolve(program, notices, &mut problems);
        match resolved {
            Some(resolved) if problems.is_empty() => Ok(resolved),
            _ => {
                self.place(&mut problems);
                Err(SettingsError { problems })
            }
        }
    }
}

/// What the parser says, with its line and never the text of it: it may hold a secret.
fn refusal(text: &str, error: &toml::de::Error) -> SettingsError {
    let span = error.span().unwrap_or_default();
    let line = line_at(text, span.start);
    // The key stands at the beginning of its line; in an inline table the outer one is named.
    let source = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let key = source.split(['=', '#']).next().unwrap_or_default().trim();
    let reason = error.message().split('\n').collect::<Vec<_>>().join(", ");
    let mut problem =
        Problem::new(if key.is_empty() { "(file)" } else { key }, reason, "see the sample file");
    problem.line = Some(line);
    SettingsError { problems: vec![problem] }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn note_lines(text: &str, above: &str, table: &DeTable<'_>, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let name = key.get_ref();
        let path = if above.is_empty() { name.to_string() } else { format!("{above}.{name}") };
        if let DeValue::Table(inner) = value.get_ref() {
            note_lines(text, &path, inner, lines);
        }
        lines.insert(path, line_at(text, key.span().start));
    }
}
