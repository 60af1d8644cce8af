//! Faults of an index are found and mended.

use super::*;
use crate::store::{Store, StoreError};
use serde::{Deserialize, Serialize};

/// A port with a name and a place, before and after it had indexes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Plain(String, u64);

impl Record for Plain {
    const KIND: &'static str = "port";
    const VERSION: u8 = 1;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Indexed(String, u64);

impl Indexed {
    const BY_NAME: Index<Self> = Index::unique("name", |port, values| values.add(&[&port.0]));
    const BY_PLACE: Index<Self> =
        Index::multi("place", |port, values| values.add_numbered(&["rack"], port.1));
}

impl Record for Indexed {
    const KIND: &'static str = "port";
    const VERSION: u8 = 1;
    const INDEXES: &'static [Index<Self>] = &[Self::BY_NAME, Self::BY_PLACE];
}

async fn faults(store: &Store) -> Vec<IndexFault> {
    store.snapshot().await.unwrap().index_faults::<Indexed>().await.unwrap()
}

#[tokio::test]
async fn s4_15_records_stored_before_their_type_had_an_index_are_found_after_it_is_built() {
    let store = Store::memory();
    for number in 0..600_u64 {
        let key = Key::<Plain>::numbered(&[], number);
        store.transact(|tx| tx.put(&key, &Plain(format!("p{number}"), number % 7))).await.unwrap();
    }
    assert_eq!(faults(&store).await.len(), 1_200);
    store.build_indexes::<Indexed>().await.unwrap();
    assert_eq!(faults(&store).await, []);
    let at_three =
        store.walk(|tx| tx.find_all(&Indexed::BY_PLACE, &["rack", "0000000000000003"])).await.unwrap();
    assert_eq!(at_three.len(), 86);
    let found = store.walk(|tx| tx.find(&Indexed::BY_NAME, &["p17"])).await.unwrap();
    assert_eq!(found.map(|(key, _)| key), Some(Key::numbered(&[], 17)));
}

#[tokio::test]
async fn s4_15_an_entry_without_its_record_is_found_reported_and_dropped() {
    let store = Store::memory();
    let key = Key::<Indexed>::new(&["a"]);
    store.transact(|tx| tx.put(&key, &Indexed("p".to_owned(), 1))).await.unwrap();
    // Somebody deletes the record who does not know of the indexes.
    store
        .transact(|tx| {
            tx.delete(&Key::<Plain>::new(&["a"]));
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    let entries: Vec<String> = faults(&store)
        .await
        .into_iter()
        .map(|fault| match fault {
            IndexFault::Wrong { entry } => entry.to_string(),
            IndexFault::Missing { entry } => panic!("{entry} is not missing"),
        })
        .collect();
    assert_eq!(entries, ["port.name/1:p,", "port.place/4:rack,16:0000000000000001,9:port/1:a,,"]);
    let error = store.walk(|tx| tx.find(&Indexed::BY_NAME, &["p"])).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    store.build_indexes::<Indexed>().await.unwrap();
    assert_eq!(faults(&store).await, []);
    assert_eq!(store.walk(|tx| tx.find(&Indexed::BY_NAME, &["p"])).await, Ok(None));
}

#[tokio::test]
async fn s4_15_two_records_with_one_unique_value_are_told_when_the_index_is_built() {
    let store = Store::memory();
    for name in ["a", "b"] {
        let key = Key::<Plain>::new(&[name]);
        store.transact(|tx| tx.put(&key, &Plain("same".to_owned(), 1))).await.unwrap();
    }
    let error = store.build_indexes::<Indexed>().await.unwrap_err();
    assert!(matches!(error, StoreError::Duplicate { .. }), "{error}");
}

#[tokio::test]
async fn s4_15_a_value_with_more_parts_is_not_found_under_fewer() {
    let store = Store::memory();
    let key = Key::<Indexed>::new(&["a"]);
    store.transact(|tx| tx.put(&key, &Indexed("p".to_owned(), 1))).await.unwrap();
    assert_eq!(store.walk(|tx| tx.find_all(&Indexed::BY_PLACE, &["rack"])).await, Ok(Vec::new()));
}
