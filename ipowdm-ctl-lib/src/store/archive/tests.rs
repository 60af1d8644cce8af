//! Archives are consistent, whole or refused, and restore what they show.

use super::*;
use crate::store::{MemoryBackend, OutboxRecord, Prefix};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Item(u64, Vec<u8>);

impl Record for Item {
    const KIND: &'static str = "item";
    const VERSION: u8 = 1;
}

fn key(number: u64) -> Key<Item> {
    Key::numbered(&[], number)
}

async fn dump(store: &Store) -> Vec<(RawKey, crate::store::Value)> {
    store.snapshot().await.unwrap().dump().await.unwrap()
}

/// A store with this many records of 0 to 500 bytes, and messages.
async fn filled(store: Store, records: u64) -> Store {
    for from in (0..records).step_by(100) {
        let write = |tx: &mut crate::store::Tx| {
            for number in from..records.min(from + 100) {
                let size = usize::try_from(number % 501).unwrap_or_default();
                tx.put(&key(number), &Item(number, vec![1; size]))?;
            }
            tx.publish(&OutboxRecord { topic: "t".to_owned(), key: vec![], payload: None })
        };
        store.transact(write).await.unwrap();
    }
    store
}

#[tokio::test]
async fn an_archive_restores_what_it_shows_and_versions_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("backup");
    let store = filled(Store::memory(), 3000).await;
    let summary = store.archive(&path).await.unwrap();
    assert_eq!(summary.records, 3030);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    let other = Store::memory();
    assert_eq!(other.restore(&path).await.unwrap(), summary);
    assert_eq!(dump(&other).await, dump(&store).await);
    // A message put now comes after those of the archive, as it would have in the other store.
    let message = OutboxRecord { topic: "last".to_owned(), key: vec![], payload: None };
    let (_, version) = other.transact_versioned(|tx| tx.publish(&message)).await.unwrap();
    assert!(version > summary.version);
    let messages = other.scan(&Prefix::<OutboxRecord>::all()).await.unwrap();
    assert_eq!(messages.last().unwrap().1.topic, "last");
    assert_eq!(other.restore(&path).await, Err(ArchiveError::NotEmpty));
}

#[cfg(feature = "redb")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_a_file_restores_into_another_file_which_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("backup");
    let at = |name: &str| Location::Redb(directory.path().join(name));
    let store = filled(Store::open(&at("one"), StoreOptions::default()).await.unwrap(), 1000).await;
    let summary = store.archive(&path).await.unwrap();
    let (other, restored) = Store::open_restored(&at("two"), StoreOptions::default(), &path).await.unwrap();
    assert_eq!(restored, summary);
    drop(other);
    let other = Store::open(&at("two"), StoreOptions::default()).await.unwrap();
    assert_eq!(dump(&other).await, dump(&store).await);
    assert!(other.snapshot().await.unwrap().version() > summary.version);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_taken_while_transactions_go_on_shows_one_commit() {
    const KEYS: u64 = 5000;
    let directory = tempfile::tempdir().unwrap();
    let store = Store::memory().with_options(|options| options.check_repeatable = false);
    let write = |round: u64| {
        let store = store.clone();
        async move {
            let all =
                |tx: &mut crate::store::Tx| (0..KEYS).try_for_each(|n| tx.put(&key(n), &Item(round, vec![])));
            store.transact(all).await.unwrap();
        }
    };
    write(0).await;
    let done = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (done, write) = (Arc::clone(&done), (1..).map(write).take(10_000).collect::<Vec<_>>());
        async move {
            for round in write {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                round.await;
            }
        }
    });
    for number in 0..3 {
        let path = directory.path().join(number.to_string());
        store.archive(&path).await.unwrap();
        let other = Store::memory();
        other.restore(&path).await.unwrap();
        let items = other.scan(&Prefix::<Item>::all()).await.unwrap();
        assert_eq!(items.len() as u64, KEYS);
        assert!(items.iter().all(|(_, item)| item.0 == items[0].1.0), "torn");
    }
    done.store(true, Ordering::SeqCst);
    writer.await.unwrap();
}

#[tokio::test]
async fn a_store_restored_in_part_is_refused_and_restored_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("backup");
    let store = filled(Store::memory(), 500).await;
    let summary = store.archive(&path).await.unwrap();
    let other = Store::new(Arc::new(MemoryBackend::new()), StoreOptions::default());
    other.begin_restore(summary.version).await.unwrap();
    other.transact(|tx| tx.put(&key(7), &Item(8, vec![9]))).await.unwrap();
    other.transact(|tx| tx.put(&key(700_000), &Item(8, vec![9]))).await.unwrap();
    assert_eq!(other.is_restored_in_part().await, Ok(true));
    other.restore(&path).await.unwrap();
    assert_eq!(other.is_restored_in_part().await, Ok(false));
    assert_eq!(dump(&other).await, dump(&store).await);
}

#[cfg(feature = "redb")]
#[tokio::test]
async fn a_file_restored_in_part_opens_only_to_be_restored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("backup");
    let (location, options) = (Location::Redb(directory.path().join("store")), StoreOptions::default());
    let summary = filled(Store::memory(), 50).await.archive(&path).await.unwrap();
    let part = Store::open(&location, options.clone()).await.unwrap();
    part.begin_restore(summary.version).await.unwrap();
    drop(part);
    let refused = Store::open(&location, options.clone()).await.unwrap_err();
    assert!(matches!(refused, OpenError::RestoredInPart { .. }), "{refused}");
    drop(Store::open_restored(&location, options.clone(), &path).await.unwrap());
    let store = Store::open(&location, options).await.unwrap();
    assert_eq!(store.scan(&Prefix::<Item>::all()).await.unwrap().len(), 50);
}

#[tokio::test]
async fn golden_bytes_of_an_archive() {
    let mut block = Block::new();
    block.push(&RawKey::from_stored("k/1:a,"), &[7, 8]);
    let (mut blocks, mut out) = (vec![block], Vec::new());
    format::write(&mut out, Version::new(5), || blocks.pop()).unwrap();
    let bodies: [&[u8]; 3] = [
        &[1, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0],
        b"\x01\x06k/1:a,\x02\x07\x08",
        &[1, 1, 0, 0, 0, 0, 0, 0, 0],
    ];
    let frame = |body: &[u8]| {
        let length = u32::try_from(body.len() + 4).unwrap().to_le_bytes();
        [&length, body, &crc32c::crc32c(body).to_le_bytes()].concat()
    };
    let expected =
        [b"ipowdm store archive\n", &frame(bodies[0])[..], &frame(bodies[1]), &[0; 4], &frame(bodies[2])]
            .concat();
    assert_eq!(out, expected);
}

#[tokio::test]
async fn an_archive_that_is_cut_off_or_changed_restores_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("backup");
    filled(Store::memory(), 20).await.archive(&path).await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    let refused = async |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        let store = Store::memory();
        let error = store.restore(&path).await.unwrap_err();
        assert!(
            matches!(
                error,
                ArchiveError::Damaged { .. } | ArchiveError::Foreign { .. } | ArchiveError::Newer { .. }
            ),
            "{error}"
        );
        assert_eq!(dump(&store).await, []);
    };
    for length in 0..whole.len() {
        refused(&whole[..length]).await;
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        refused(&changed).await;
    }
    refused(&[&whole[..], b"x"].concat()).await;
    assert!(matches!(Store::memory().restore(directory.path()).await, Err(ArchiveError::Io { .. })));
}

#[tokio::test]
async fn an_archive_that_cannot_be_written_leaves_the_older_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(Store::memory(), 20).await;
    let error = store.archive(&directory.path().join("absent/backup")).await.unwrap_err();
    assert!(matches!(error, ArchiveError::Io { .. }), "{error}");
    // A writer that is told of no end drops what it has.
    let path = directory.path().join("backup");
    std::fs::write(&path, "older").unwrap();
    let mut blocks = vec![Block::new()];
    let cut = write_file(&path, Version::new(1), || blocks.pop().map(Some));
    assert!(cut.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"older");
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(mut content: Vec<u8>, marked: bool) {
        if marked {
            content.splice(0..0, b"ipowdm store archive\n".iter().copied());
        }
        let length = content.len() as u64;
        if let Ok(mut reading) = Reading::new(content.as_slice(), Path::new("x"), length) {
            while let Ok(Some(_)) = reading.next_block() {}
        }
    }
}
