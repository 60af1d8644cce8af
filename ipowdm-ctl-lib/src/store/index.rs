//! Secondary indexes: records found by a value that they hold, kept in the transaction that writes them.
//!
//! ```
//! use ipowdm_ctl_lib::store::{Index, Key, Record, Store, StoreError};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Module { serial: String, vendor: String }
//! impl Module {
//!     const BY_SERIAL: Index<Self> = Index::unique("serial", |module, values| values.add(&[&module.serial]));
//!     const BY_VENDOR: Index<Self> = Index::multi("vendor", |module, values| values.add(&[&module.vendor]));
//! }
//! impl Record for Module {
//!     const KIND: &'static str = "module";
//!     const VERSION: u8 = 1;
//!     const INDEXES: &'static [Index<Self>] = &[Self::BY_SERIAL, Self::BY_VENDOR];
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), StoreError> {
//! let store = Store::memory();
//! let module = Module { serial: "X1".to_owned(), vendor: "ACME".to_owned() };
//! store.transact(|tx| tx.put(&Key::new(&["port1"]), &module)).await?;
//! let found = store.walk(|tx| tx.find(&Module::BY_SERIAL, &["X1"])).await?;
//! assert_eq!(found.map(|(key, _)| key.to_string()).as_deref(), Some("module/5:port1,"));
//! assert_eq!(store.walk(|tx| tx.find_all(&Module::BY_VENDOR, &["ACME"])).await?.len(), 1);
//! # Ok(()) }
//! ```

use super::key::{push_number, push_part};
use super::{Key, RawKey, Record, SharedEntries, SharedEntry, StoreError, Tx, Value, record};
use core::fmt;

mod audit;
#[cfg(test)]
mod tests;

pub use audit::IndexFault;

/// A secondary index of the records of one type.
///
/// An entry is stored under `<kind>.<name>/<value>…`; in an index with several records for a value the record's key is the
/// last part. A kind must not look like that of an entry, so it holds no dot where another type has indexes.
pub struct Index<T> {
    name: &'static str,
    unique: bool,
    values: fn(&T, &mut IndexValues),
}

/// The values of one record in one index.
#[derive(Debug, Default)]
pub struct IndexValues {
    values: Vec<String>,
}

impl IndexValues {
    /// The record is found under these parts.
    pub fn add(&mut self, parts: &[&str]) {
        let mut value = String::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
        parts.iter().for_each(|part| push_part(&mut value, part));
        self.values.push(value);
    }

    /// The record is found under these parts and a number; numbers sort as numbers.
    pub fn add_numbered(&mut self, parts: &[&str], number: u64) {
        self.add(parts);
        if let Some(value) = self.values.last_mut() {
            push_number(value, number);
        }
    }
}

impl<T> Clone for Index<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Index<T> {}

impl<T> fmt::Debug for Index<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("name", &self.name)
            .field("unique", &self.unique)
            .finish_non_exhaustive()
    }
}

impl<T> Index<T> {
    /// An index in which no two records may have the same value. `values` must depend on the record alone.
    #[must_use]
    pub const fn unique(name: &'static str, values: fn(&T, &mut IndexValues)) -> Self {
        Self { name, unique: true, values }
    }

    /// An index in which several records may have the same value. `values` must depend on the record alone.
    #[must_use]
    pub const fn multi(name: &'static str, values: fn(&T, &mut IndexValues)) -> Self {
        Self { name, unique: false, values }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T: Record> Index<T> {
    fn write_prefix(&self, text: &mut String) {
        text.push_str(T::KIND);
        text.push('.');
        text.push_str(self.name);
        text.push('/');
    }

    /// The keys of the entries of a record, sorted.
    pub(super) fn entries(&self, key: &Key<T>, record: &T) -> Vec<RawKey> {
        let mut values = IndexValues::default();
        (self.values)(record, &mut values);
        let mut entries: Vec<RawKey> =
            values.values.iter().map(|value| self.entry(value, key.raw())).collect();
        entries.sort_unstable();
        entries.dedup();
        entries
    }

    fn entry(&self, value: &str, key: &RawKey) -> RawKey {
        RawKey::written(|text| {
            self.write_prefix(text);
            text.push_str(value);
            if !self.unique {
                push_part(text, key.as_str());
            }
        })
    }

    /// What all entries of a value begin with; of a unique index, the entry itself.
    fn prefix(&self, parts: &[&str]) -> RawKey {
        RawKey::written(|text| {
            self.write_prefix(text);
            parts.iter().for_each(|part| push_part(text, part));
        })
    }

    /// What is stored as an entry: the record's key where the entry's does not say it.
    fn stored(&self, key: &RawKey) -> Value {
        if self.unique { Value::from(key.as_str().as_bytes()) } else { Value::from(Vec::new()) }
    }

    /// The key of the record that an entry names.
    fn record_key(&self, entry: &RawKey, value: &Value) -> Result<Key<T>, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt { key: entry.clone(), reason: what.to_owned() };
        let text = if self.unique {
            core::str::from_utf8(value).ok()
        } else {
            entry.parts().and_then(|parts| parts.last().copied())
        };
        let text = text.ok_or_else(|| corrupt("the index entry names no record"))?;
        Key::from_raw(RawKey::from_stored(text)).ok_or_else(|| corrupt("the index entry names another kind"))
    }
}

impl Tx {
    /// The record with this value in an index; of several, the one whose key comes first. Whatever would change the answer
    /// before the commit is a conflict.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on. [`StoreError::Corrupt`] where the entry names a record that is not there.
    pub fn find<T: Record>(
        &mut self,
        index: &Index<T>,
        parts: &[&str],
    ) -> Result<Option<SharedEntry<T>>, StoreError> {
        if !index.unique {
            return Ok(self.find_all(index, parts)?.into_iter().next());
        }
        let entry = index.prefix(parts);
        let Some(stored) = self.value(&entry)? else { return Ok(None) };
        let key = index.record_key(&entry, &stored)?;
        self.indexed(&entry, key).map(Some)
    }

    /// All records with this value in an index, in key order. Whatever would change the answer before the commit is a
    /// conflict.
    ///
    /// # Errors
    /// As [`Tx::find`].
    pub fn find_all<T: Record>(
        &mut self,
        index: &Index<T>,
        parts: &[&str],
    ) -> Result<SharedEntries<T>, StoreError> {
        if index.unique {
            return Ok(self.find(index, parts)?.into_iter().collect());
        }
        let mut found = Vec::new();
        let mut missing = false;
        for (entry, stored) in self.values_under(&index.prefix(parts))? {
            // A value of more parts begins with the same parts.
            if entry.parts().is_none_or(|all| all.len() != parts.len() + 1) {
                continue;
            }
            let key = index.record_key(&entry, &stored)?;
            match self.indexed(&entry, key) {
                Ok(entry) => found.push(entry),
                // All that is missing is fetched in one go.
                Err(StoreError::NotLoaded) => missing = true,
                Err(error) => return Err(error),
            }
        }
        if missing { Err(StoreError::NotLoaded) } else { Ok(found) }
    }

    fn indexed<T: Record>(&mut self, entry: &RawKey, key: Key<T>) -> Result<SharedEntry<T>, StoreError> {
        let record = self.get_shared(&key)?.ok_or_else(|| StoreError::Corrupt {
            key: entry.clone(),
            reason: format!("the index entry names {key}, which is not there"),
        })?;
        Ok((key, record))
    }

    /// Brings the entries of a record's indexes in line with what it becomes.
    pub(super) fn reindex<T: Record>(&mut self, key: &Key<T>, new: Option<&T>) -> Result<(), StoreError> {
        if T::INDEXES.is_empty() {
            return Ok(());
        }
        let old = self.value(key.raw())?;
        let old = old.map(|bytes| record::decode_shared::<T>(key.raw(), &bytes)).transpose()?;
        for index in T::INDEXES {
            let before = old.as_ref().map_or_else(Vec::new, |record| index.entries(key, record));
            let after = new.map_or_else(Vec::new, |record| index.entries(key, record));
            for entry in after.iter().filter(|entry| !before.contains(entry)) {
                self.add_entry(index, entry, key)?;
            }
            for entry in before.into_iter().filter(|entry| !after.contains(entry)) {
                self.write(entry, None);
            }
        }
        Ok(())
    }

    fn add_entry<T: Record>(
        &mut self,
        index: &Index<T>,
        entry: &RawKey,
        key: &Key<T>,
    ) -> Result<(), StoreError> {
        if index.unique
            && let Some(stored) = self.value(entry)?
        {
            let holder = index.record_key(entry, &stored)?;
            if holder != *key {
                return Err(StoreError::Duplicate { entry: entry.clone(), holder: holder.raw().clone() });
            }
        }
        self.write(entry.clone(), Some(index.stored(key.raw())));
        Ok(())
    }
}
