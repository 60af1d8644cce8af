//! What views of older versions show, and how much of the past the server keeps.

use std::collections::BTreeMap;

use ipowdm_ctl_lib::store::{Prefix, Snapshot, Store, StoreError};

use super::server::{Server, connect};
use super::{Number, number, put, read, store};

type Model = BTreeMap<String, u64>;

async fn all(snapshot: &mut Snapshot) -> Result<Model, StoreError> {
    let entries = snapshot.scan(&Prefix::<Number>::all()).await?;
    Ok(entries.into_iter().map(|(key, Number(n))| (key.parts()[0].to_owned(), n)).collect())
}

/// Writes or deletes one of a few keys.
async fn step(store: &Store, model: &mut Model, draw: u64) {
    let name = format!("{}", draw % 7);
    if draw.is_multiple_of(3) {
        store
            .transact(|tx| {
                tx.delete(&number(&name));
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        model.remove(&name);
    } else {
        put(store, &name, draw).await;
        model.insert(name, draw);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_06_views_of_many_versions_show_each_its_own() {
    let server = Server::shared();
    let options = server.fresh();
    let (writer, reader) = (store(connect(&options).await), store(connect(&options).await));
    let mut model = Model::new();
    let mut views = Vec::new();
    let mut draw = 1_u64;
    for round in 0..150 {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        step(&writer, &mut model, draw >> 33).await;
        if round % 5 == 0 {
            // One process has the writes in memory, the other has to ask for what was superseded.
            let store = if round % 2 == 0 { &writer } else { &reader };
            views.push((store.snapshot().await.unwrap(), model.clone()));
        }
    }
    for (mut view, model) in views {
        for name in 0..7 {
            let name = name.to_string();
            let value = view.get(&number(&name)).await.unwrap().map(|number| number.0);
            assert_eq!(value, model.get(&name).copied(), "{name} in {view:?}");
        }
        assert_eq!(all(&mut view).await.unwrap(), model, "{view:?}");
    }
}

#[tokio::test]
async fn s4_08_a_view_older_than_the_history_is_stale_and_the_past_is_forgotten() {
    let server = Server::shared();
    let mut options = server.fresh();
    options.history = 16;
    let store = store(connect(&options).await);
    put(&store, "a", 1).await;
    let mut old = store.snapshot().await.unwrap();
    for round in 0..300 {
        let name = format!("short-lived {round}");
        put(&store, &name, round).await;
        store
            .transact(|tx| {
                tx.delete(&number(&name));
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }
    assert_eq!(old.get(&number("b")).await, Err(StoreError::Stale));
    assert_eq!(read(&store, "a").await, Ok(Some(1)));
    // Of the 300 deleted keys only those are left that a view within the history could still show.
    let name = |part: &str| format!("{{{}}}:{part}", options.prefix);
    assert!(server.ask(&format!("HLEN {}", name("data"))) < 40);
    assert!(server.ask(&format!("ZCARD {}", name("index"))) < 40);
    assert!(server.ask(&format!("ZCARD {}", name("graves"))) < 40);
    assert!(server.ask(&format!("XLEN {}", name("feed"))) < 250, "trimmed in whole blocks of 100");
}

#[tokio::test]
async fn a_range_longer_than_a_page_is_read_whole_and_at_one_version() {
    let server = Server::shared();
    let options = server.fresh();
    let (writer, reader) = (store(connect(&options).await), store(connect(&options).await));
    writer
        .transact(|tx| {
            for i in 0..5000 {
                tx.put(&number(&format!("{i:04}")), &Number(1))?;
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    let mut view = reader.snapshot().await.unwrap();
    writer
        .transact(|tx| {
            for i in 0..5000 {
                if i % 2 == 0 {
                    tx.put(&number(&format!("{i:04}")), &Number(2))?;
                } else {
                    tx.delete(&number(&format!("{i:04}")));
                }
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    let old = all(&mut view).await.unwrap();
    assert!(old.len() == 5000 && old.values().all(|n| *n == 1));
    let new = all(&mut reader.snapshot().await.unwrap()).await.unwrap();
    assert!(new.len() == 2500 && new.values().all(|n| *n == 2));
    let mut view = reader.snapshot().await.unwrap();
    let page = view.page(&Prefix::<Number>::all(), Some(&number("4990")), Some(3)).await.unwrap();
    let names: Vec<_> = page.into_iter().map(|(key, _)| key.parts()[0].to_owned()).collect();
    assert_eq!(names, ["4992", "4994", "4996"]);
}
