//! The disk fails at any write: the answers say so, and nothing that was answered is lost.

use super::disk::{Disk, Random};
use super::traffic::{Ledger, audit, build, request, store_on};
use super::{full_sweeps, small};
use crate::linkdb::LinkDb;
use crate::store::backend::{Batch, CommitError};
use crate::store::{
    Backend as _, BackendError, Key, RawKey, RedbBackend, Store, StoreError, StoreOptions, Value, Write,
};
use crate::store::{OpenError, RedbOptions};
use ipowdm_core::error::Code;
use std::io::ErrorKind;
use std::sync::Arc;

/// Bytes of redb's own header.
const HEADER: usize = 320;

/// Runs traffic until the disk fails after `events`, then a little more, and opens the store again.
async fn fail_and_reopen(events: usize, kind: ErrorKind) -> bool {
    let (disk, ledger) = (Disk::default(), Ledger::default());
    let backend = RedbBackend::open_on(disk.clone(), small()).await.unwrap();
    let db = LinkDb::new(store_on(backend));
    build(&db).await.unwrap();
    disk.fail_after(events, kind);
    let mut random = Random(events as u64);
    for round in 0..40 {
        let asked: Vec<_> = (0..3).map(|i| request(&format!("{round}-{i}"), &mut random)).collect();
        let now = || 0;
        let calls = asked.into_iter().map(|asked| ledger.allocate(&db, asked, now));
        futures_util::future::join_all(calls).await;
    }
    let failed = disk.has_failed();
    if failed {
        // The error may have struck work in the background; a commit comes after that or is told.
        let refused = db.store().transact(|tx| tx.put(&Key::new(&["after"]), &Note(1))).await;
        assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
        let read = db.topology().await.map(|view| view.grants.len());
        assert_eq!(read.map_err(|error| error.code()), Err(Code::StoreUnavailable));
    }
    // The old handle is still there: it holds nothing of the file.
    let again = RedbBackend::open_on(Disk::new(disk.content()), small()).await.unwrap();
    let again = LinkDb::new(store_on(again));
    ledger.check(&again, 0).await;
    audit(&again).await;
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_at_any_write_is_told_and_loses_nothing_that_was_answered() {
    let (most, step) = if full_sweeps() { (1500, 1) } else { (300, 17) };
    let (mut runs, mut struck) = (0, 0);
    for events in (0..most).step_by(step) {
        let kind = if events % 2 == 0 { ErrorKind::StorageFull } else { ErrorKind::Other };
        runs += 1;
        struck += u32::from(fail_and_reopen(events, kind).await);
    }
    println!("redb faults: {runs} runs with an error after 0 to {most} events, {struck} of them met it");
    assert!(struck > 0);
}

fn batch(key: &str, value: &[u8]) -> Batch {
    let write = Write { key: RawKey::from_stored(key), value: Some(Value::from(value)) };
    Batch { writes: vec![write], ..Batch::default() }
}

#[tokio::test]
async fn the_reason_names_what_the_system_said() {
    let disk = Disk::default();
    let backend = RedbBackend::open_on(disk.clone(), small()).await.unwrap();
    backend.commit(batch("k/1:a,", b"1")).await.unwrap();
    disk.fail_after(0, ErrorKind::StorageFull);
    let Err(CommitError::Indeterminate { reason } | CommitError::Unavailable { reason }) =
        backend.commit(batch("k/1:b,", b"2")).await
    else {
        panic!("committed to a full disk");
    };
    assert!(reason.contains("no storage space"), "{reason}");
    let Err(CommitError::Unavailable { reason: later }) = backend.commit(batch("k/1:c,", b"3")).await else {
        panic!("committed after a failure");
    };
    assert_eq!(later, reason);
    assert!(matches!(backend.view().await.map(drop), Err(BackendError::Unavailable { .. })));
}

#[tokio::test]
async fn a_transaction_larger_than_the_queue_is_refused() {
    let backend = RedbBackend::open_on(Disk::default(), small()).await.unwrap();
    let large = vec![0; small().queue + 1];
    let refused = backend.commit(batch("k/1:a,", &large)).await;
    assert!(matches!(refused, Err(CommitError::Unavailable { .. })), "{refused:?}");
    backend.commit(batch("k/1:a,", b"1")).await.unwrap();
}

async fn open(path: &std::path::Path) -> Result<Store, OpenError> {
    let backend = RedbBackend::open(path, RedbOptions::default()).await?;
    Ok(Store::new(Arc::new(backend), StoreOptions::default()))
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Note(u32);

impl crate::store::Record for Note {
    const KIND: &'static str = "note";
    const VERSION: u8 = 1;
}

#[tokio::test]
async fn a_file_of_a_store_is_private_locked_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let key = Key::<Note>::new(&["a"]);
    let store = open(&path).await.unwrap();
    store.transact(|tx| tx.put(&key, &Note(1))).await.unwrap();
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(matches!(open(&path).await, Err(OpenError::Locked { .. })));
    drop(store);
    let store = open(&path).await.unwrap();
    assert_eq!(store.get(&key).await, Ok(Some(Note(1))));
    let entries: Vec<_> =
        directory.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(entries, ["store.redb"]);
}

#[tokio::test]
async fn what_is_not_a_store_is_refused_by_name_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("text"), "something else, longer than the mark of a database\n".repeat(100)).unwrap();
    assert!(matches!(open(&at("text")).await, Err(OpenError::Foreign { .. })));
    assert!(std::fs::read(at("text")).unwrap().starts_with(b"something else"));

    let foreign = redb::Database::create(at("foreign")).unwrap();
    let tx = foreign.begin_write().unwrap();
    tx.open_table(redb::TableDefinition::<u64, u64>::new("accounts")).unwrap().insert(1, 2).unwrap();
    tx.commit().unwrap();
    drop(foreign);
    let error = open(&at("foreign")).await.unwrap_err();
    assert!(matches!(&error, OpenError::Foreign { reason, .. } if reason.contains("accounts")), "{error}");

    assert!(open(directory.path()).await.is_err());
    assert!(matches!(open(&at("absent/store")).await, Err(OpenError::Unavailable { .. })));
    // What `touch` leaves is as good as nothing.
    std::fs::write(at("empty"), "").unwrap();
    drop(open(&at("empty")).await.unwrap());
}

#[tokio::test]
async fn a_store_of_a_later_release_is_refused_by_number() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    drop(open(&path).await.unwrap());
    let database = redb::Database::open(&path).unwrap();
    let tx = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, &[u8]>::new("ipowdm.meta");
    tx.open_table(meta).unwrap().insert("format", 2_u32.to_le_bytes().as_slice()).unwrap();
    tx.commit().unwrap();
    drop(database);
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_read_only_disk_is_told() {
    let disk = Disk::default();
    disk.fail_after(0, ErrorKind::ReadOnlyFilesystem);
    let refused = RedbBackend::open_on(disk, small()).await;
    assert!(matches!(refused, Err(OpenError::ReadOnly { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_refused_or_read_right() {
    let disk = Disk::default();
    let backend = RedbBackend::open_on(disk.clone(), small()).await.unwrap();
    for i in 0..200_u32 {
        backend.commit(batch(&format!("k/3:{i:03},"), &i.to_le_bytes())).await.unwrap();
    }
    let dump = |backend: RedbBackend| async move {
        store_on(backend).snapshot().await.unwrap().dump().await.unwrap()
    };
    let right = dump(backend).await;
    let content = disk.content();
    let mut random = Random(3);
    let (mut refused, mut read) = (0, 0);
    for _ in 0..if full_sweeps() { 3000 } else { 150 } {
        let mut damaged = content.clone();
        // Not in the header, where one bit chooses between this commit and the one before.
        let at = HEADER + random.below(damaged.len() - HEADER);
        damaged[at] ^= 1 << random.below(8);
        match RedbBackend::open_on(Disk::new(damaged), small()).await {
            Ok(backend) => {
                assert_eq!(dump(backend).await, right, "byte {at}");
                read += 1;
            }
            Err(OpenError::Damaged { .. } | OpenError::Foreign { .. } | OpenError::Newer { .. }) => {
                refused += 1
            }
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    println!("redb damage: {read} files with a changed bit read right, {refused} refused");
}
