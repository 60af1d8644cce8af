//! Receipts: what a piece of work leaves in the store, written in the transaction of its effect.
//!
//! Whoever is not sure whether it has done its work, after a crash or a commit whose outcome is not known, does it again with the
//! same receipt: the transaction finds that it has been done, and by what, or does it now. There is no third case.

use super::{Key, Record, StoreError, Tx};
use serde::{Deserialize, Serialize};

/// What was left: a name by which the result is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Left(String);

impl Record for Left {
    const KIND: &'static str = "receipt";
    const VERSION: u8 = 1;
}

/// A receipt for work that is to be done at most once. The default is none: work with it is done whenever it is asked for.
#[derive(Debug, Clone, Default)]
pub struct Receipt(Option<Key<Left>>);

impl Receipt {
    /// The receipt of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(Some(Key::new(&[name])))
    }

    /// Whether this is none.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// What the work has left, where it has been done.
    ///
    /// # Errors
    /// As [`Tx::get`].
    pub fn found_in(&self, tx: &mut Tx) -> Result<Option<String>, StoreError> {
        let Some(key) = &self.0 else { return Ok(None) };
        Ok(tx.get(key)?.map(|Left(name)| name))
    }

    /// The work is done in this transaction; `name` finds its result.
    ///
    /// # Errors
    /// As [`Tx::put`].
    pub fn write_in(&self, tx: &mut Tx, name: &str) -> Result<(), StoreError> {
        self.0.as_ref().map_or(Ok(()), |key| tx.put(key, &Left(name.to_owned())))
    }

    /// Nobody will ask for it any more.
    pub fn discard_in(&self, tx: &mut Tx) {
        if let Some(key) = &self.0 {
            tx.delete(key);
        }
    }

    /// Does work whose result needs no name, unless it has been done.
    ///
    /// # Errors
    /// The work's.
    pub fn once_in<T, E: From<StoreError>>(
        &self,
        tx: &mut Tx,
        work: impl FnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        if self.found_in(tx)?.is_some() {
            return Ok(None);
        }
        let done = work(tx)?;
        self.write_in(tx, "")?;
        Ok(Some(done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{RawKey, Store, encode};

    #[tokio::test]
    async fn work_with_a_receipt_is_done_once_and_work_without_whenever_it_is_asked_for() {
        let store = Store::memory();
        let counter = Key::<Left>::new(&["counter"]);
        let count = async |receipt: Receipt| {
            let once = |tx: &mut Tx| {
                receipt.once_in(tx, |tx| {
                    let Left(marks) = tx.get(&counter)?.unwrap_or(Left(String::new()));
                    tx.put(&counter, &Left(marks + "|"))
                })
            };
            store.transact(once).await.unwrap();
            store.get(&counter).await.unwrap().unwrap().0
        };
        assert_eq!(count(Receipt::named("a")).await, "|");
        assert_eq!(count(Receipt::named("a")).await, "|");
        assert_eq!(count(Receipt::named("b")).await, "||");
        assert_eq!(count(Receipt::default()).await, "|||");
        assert_eq!(count(Receipt::default()).await, "||||");
        let discard = |tx: &mut Tx| {
            Receipt::named("a").discard_in(tx);
            Ok::<_, StoreError>(())
        };
        store.transact(discard).await.unwrap();
        assert_eq!(count(Receipt::named("a")).await, "|||||");
    }

    #[test]
    fn golden_bytes_of_a_receipt() {
        let key = RawKey::from_stored("receipt/1:a,");
        assert_eq!(&*encode(&key, &Left("C-1".to_owned())).unwrap(), [1, 3, b'C', b'-', b'1']);
    }
}
