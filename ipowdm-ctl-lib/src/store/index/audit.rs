//! Whether indexes agree with their records, and making them.

use super::Index;
use crate::store::{Key, Prefix, RawKey, Record, Snapshot, Store, StoreError, Value, record};
use std::collections::BTreeMap;

/// Records looked at in one transaction.
const PAGE: usize = 256;

/// An index that disagrees with its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexFault {
    /// A record is not found under a value that it has.
    Missing {
        /// The key of the entry that should be there.
        entry: RawKey,
    },
    /// An entry stands for a value that no record has, or names another record than the one that has it.
    Wrong {
        /// The key of the entry.
        entry: RawKey,
    },
}

impl Snapshot {
    /// Compares every index of a type with its records; empty where all agree.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub async fn index_faults<T: Record>(&mut self) -> Result<Vec<IndexFault>, StoreError> {
        let mut expected: BTreeMap<RawKey, Value> = BTreeMap::new();
        let mut faults = Vec::new();
        for (key, record) in self.scan_shared(&Prefix::<T>::all()).await? {
            for index in T::INDEXES {
                for entry in index.entries(&key, &record) {
                    if expected.insert(entry.clone(), index.stored(key.raw())).is_some() {
                        faults.push(IndexFault::Wrong { entry });
                    }
                }
            }
        }
        for index in T::INDEXES {
            for (entry, stored) in self.page_bytes(index.prefix(&[]), None, None).await? {
                if expected.remove(&entry).as_ref() != Some(&stored) {
                    faults.push(IndexFault::Wrong { entry });
                }
            }
        }
        faults.extend(expected.into_keys().map(|entry| IndexFault::Missing { entry }));
        Ok(faults)
    }
}

impl Store {
    /// Makes the entries of all records of a type: for records that were stored before the type had an index. Records may be
    /// written meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] where two records have the same value of a unique index; as [`Store::transact`].
    pub async fn build_indexes<T: Record>(&self) -> Result<(), StoreError> {
        for index in T::INDEXES {
            self.drop_wrong_entries(index).await?;
        }
        let mut after: Option<Key<T>> = None;
        loop {
            let mut snapshot = self.snapshot().await?;
            let page = snapshot.page::<T>(&Prefix::all(), after.as_ref(), Some(PAGE)).await?;
            drop(snapshot);
            let keys: Vec<Key<T>> = page.into_iter().map(|(key, _)| key).collect();
            let Some(last) = keys.last() else { return Ok(()) };
            self.transact(|tx| {
                for (key, record) in keys.iter().zip(tx.get_many_shared(&keys)?) {
                    let Some(record) = record else { continue };
                    for index in T::INDEXES {
                        for entry in index.entries(key, &record) {
                            tx.add_entry(index, &entry, key)?;
                        }
                    }
                }
                Ok::<_, StoreError>(())
            })
            .await?;
            after = Some(last.clone());
        }
    }

    async fn drop_wrong_entries<T: Record>(&self, index: &Index<T>) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let mut snapshot = self.snapshot().await?;
            let page = snapshot.page_bytes(index.prefix(&[]), after, Some(PAGE)).await?;
            drop(snapshot);
            let Some((last, _)) = page.last() else { return Ok(()) };
            self.transact(|tx| {
                for (entry, _) in &page {
                    let Some(stored) = tx.value(entry)? else { continue };
                    let right = match index.record_key(entry, &stored) {
                        Ok(key) => match tx.value(key.raw())? {
                            Some(bytes) => {
                                let record = record::decode_shared::<T>(key.raw(), &bytes)?;
                                index.entries(&key, &record).contains(entry)
                            }
                            None => false,
                        },
                        Err(_) => false,
                    };
                    if !right {
                        tx.write(entry.clone(), None);
                    }
                }
                Ok::<_, StoreError>(())
            })
            .await?;
            after = Some(last.clone());
        }
    }
}
