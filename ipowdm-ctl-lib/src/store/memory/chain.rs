//! The values of one key.

use super::kinds::Kind;
use crate::store::Value;
use std::sync::Arc;

/// The newest value of a key and those before it that open views may see, each with the version that wrote it. `None` is a
/// deletion.
#[derive(Debug)]
pub(super) struct Chain {
    version: u64,
    value: Option<Value>,
    /// Ascending.
    older: Vec<(u64, Option<Value>)>,
    kind: Arc<Kind>,
}

/// What became of the value before.
#[derive(Debug)]
pub(super) enum Replaced {
    /// An absent key was deleted.
    Nothing,
    /// It is kept for open views.
    Kept,
    /// Nobody can see it any more.
    Dropped(Option<Value>),
}

impl Chain {
    pub(super) fn new(version: u64, value: Value, kind: Arc<Kind>) -> Self {
        Self { version, value: Some(value), older: Vec::new(), kind }
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// How many values are held.
    #[cfg(test)]
    pub(super) fn length(&self) -> usize {
        1 + self.older.len()
    }

    pub(super) const fn kind(&self) -> &Arc<Kind> {
        &self.kind
    }

    /// The value as of a version.
    pub(super) fn at(&self, version: u64) -> Option<&Value> {
        if self.version <= version {
            return self.value.as_ref();
        }
        self.older.iter().rev().find(|(written, _)| *written <= version).and_then(|(_, value)| value.as_ref())
    }

    pub(super) const fn changed_after(&self, version: u64) -> bool {
        self.version > version
    }

    /// Makes this the newest value; with `keep` the one before stays.
    pub(super) fn put(&mut self, version: u64, value: Option<Value>, keep: bool) -> Replaced {
        if value.is_none() && self.value.is_none() {
            return Replaced::Nothing;
        }
        self.kind.changed(version);
        let written = core::mem::replace(&mut self.version, version);
        let old = core::mem::replace(&mut self.value, value);
        // What is older still is dropped when its turn comes; the order of what is kept must not break.
        if keep || !self.older.is_empty() {
            self.older.push((written, old));
            Replaced::Kept
        } else {
            Replaced::Dropped(old)
        }
    }

    /// Drops what no view at or after `oldest` sees; true when nothing is left.
    pub(super) fn prune(&mut self, oldest: u64, garbage: &mut Vec<Option<Value>>) -> bool {
        let hidden = if self.version <= oldest {
            self.older.len()
        } else {
            self.older.iter().rposition(|(written, _)| *written <= oldest).unwrap_or(0)
        };
        garbage.extend(self.older.drain(..hidden).map(|(_, value)| value));
        if self.older.is_empty() {
            self.older = Vec::new();
        }
        self.older.is_empty() && self.value.is_none() && self.version <= oldest
    }
}
