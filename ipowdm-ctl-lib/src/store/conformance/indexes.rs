//! Secondary indexes agree with their records at any time.

use super::random::Random;
use super::subject::{Subject, again};
use crate::store::{Index, Key, Prefix, Record, StoreError};
use serde::{Deserialize, Serialize};

/// A module in a port, by serial number and by the virtual operators that may use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Module {
    serial: Option<String>,
    users: Vec<String>,
}

impl Module {
    const BY_SERIAL: Index<Self> = Index::unique("serial", |module, values| {
        module.serial.iter().for_each(|serial| values.add(&[serial]))
    });
    const BY_USER: Index<Self> =
        Index::multi("user", |module, values| module.users.iter().for_each(|user| values.add(&[user])));

    fn key(port: u64) -> Key<Self> {
        Key::new(&[&format!("port{port}")])
    }

    fn new(serial: &str, users: &[&str]) -> Self {
        let users = users.iter().map(ToString::to_string).collect();
        Self { serial: Some(serial.to_owned()), users }
    }

    fn random(random: &mut Random) -> Self {
        let serial = (random.below(4) > 0).then(|| format!("S{}", random.below(24)));
        let users = (0..random.below(4)).map(|_| format!("vOp{}", random.below(5))).collect();
        Self { serial, users }
    }
}

impl Record for Module {
    const KIND: &'static str = "conformance-module";
    const VERSION: u8 = 1;
    const INDEXES: &'static [Index<Self>] = &[Self::BY_SERIAL, Self::BY_USER];
}

async fn assert_agreement(s: &Subject) {
    let faults = again!(s, async { s.store.snapshot().await?.index_faults::<Module>().await }.await);
    assert_eq!(faults, Ok(Vec::new()));
    let users: Vec<String> = (0..5).map(|user| format!("vOp{user}")).collect();
    let (modules, found) = again!(
        s,
        s.store
            .walk(|tx| {
                let found: Result<Vec<_>, _> =
                    users.iter().map(|user| tx.find_all(&Module::BY_USER, &[user])).collect();
                Ok::<_, StoreError>((tx.scan::<Module>(&Prefix::all())?, found?))
            })
            .await
    )
    .unwrap();
    for (user, found) in users.iter().zip(found) {
        let expected: Vec<_> =
            modules.iter().filter(|(_, module)| module.users.contains(user)).cloned().collect();
        assert_eq!(found, expected);
    }
}

pub(super) async fn s4_15_indexes_agree_with_records_under_concurrent_changes(s: Subject) {
    const TASKS: u64 = 8;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let s = s.clone();
            tokio::spawn(async move {
                let mut random = Random::new(500 + task);
                let mut refused = 0_u32;
                for _ in 0..50 {
                    let changes: Vec<_> = (0..1 + random.below(3))
                        .map(|_| {
                            let there = random.below(4) > 0;
                            (Module::key(random.below(16)), there.then(|| Module::random(&mut random)))
                        })
                        .collect();
                    let outcome = s
                        .transact(|tx| {
                            for (key, module) in &changes {
                                match module {
                                    Some(module) => tx.put(key, module)?,
                                    None => tx.delete(key),
                                }
                            }
                            Ok::<_, StoreError>(())
                        })
                        .await;
                    match outcome {
                        Ok(()) => {}
                        Err(StoreError::Duplicate { .. }) => refused += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
                refused
            })
        })
        .collect();
    let mut refused = 0;
    for task in tasks {
        refused += task.await.unwrap();
        assert_agreement(&s).await;
    }
    assert!(refused > 0, "no two records ever wanted the same serial number: nothing was shown");
}

pub(super) async fn s4_15_a_value_of_a_unique_index_has_one_owner(s: Subject) {
    let put = async |port: u64, module: Module| s.transact(|tx| tx.put(&Module::key(port), &module)).await;
    put(1, Module::new("S1", &[])).await.unwrap();
    let error = put(2, Module::new("S1", &["vOp1"])).await.unwrap_err();
    let StoreError::Duplicate { holder, .. } = error else { panic!("{error}") };
    assert_eq!(holder, *Module::key(1).raw());
    assert_eq!(s.get(&Module::key(2)).await, None);
    // The same record may be written again, and a value that was given up may be taken, in one transaction too.
    put(1, Module::new("S1", &["vOp2"])).await.unwrap();
    s.transact(|tx| {
        tx.put(&Module::key(1), &Module::new("S3", &[]))?;
        tx.put(&Module::key(2), &Module::new("S1", &[]))
    })
    .await
    .unwrap();
    let found = again!(s, s.store.walk(|tx| tx.find(&Module::BY_SERIAL, &["S1"])).await).unwrap();
    assert_eq!(found.map(|(key, _)| key), Some(Module::key(2)));
    s.transact(|tx| {
        tx.delete(&Module::key(2));
        assert!(tx.find(&Module::BY_SERIAL, &["S1"])?.is_none());
        Ok::<_, StoreError>(())
    })
    .await
    .unwrap();
    assert_agreement(&s).await;
}

pub(super) async fn s4_15_a_look_up_is_part_of_what_a_transaction_has_read(s: Subject) {
    // Each transaction adds a module for the vOp where the index shows fewer than three.
    let tasks: Vec<_> = (0..12)
        .map(|task| {
            let s = s.clone();
            tokio::spawn(async move {
                s.transact(|tx| {
                    if tx.find_all(&Module::BY_USER, &["vOp1"])?.len() < 3 {
                        tx.put(&Module::key(task), &Module::new(&format!("S{task}"), &["vOp1"]))?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await
                .unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(s.scan::<Module>(&Prefix::all()).await.len(), 3);
    assert_agreement(&s).await;
}
