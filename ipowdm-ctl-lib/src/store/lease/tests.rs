//! The store's clock, and the sweeper as a task.

use super::*;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Held;

impl Record for Held {
    const KIND: &'static str = "held";
    const VERSION: u8 = 1;
    const LEASED: bool = true;
}

#[tokio::test(start_paused = true)]
async fn s4_21_time_without_the_store_running_does_not_count() {
    let store = Store::memory();
    let clock = StoreClock::resume(&store).await.unwrap();
    tokio::time::advance(Duration::from_secs(7)).await;
    clock.keep(&store).await.unwrap();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    let resumed = StoreClock::resume(&store).await.unwrap();
    assert_eq!(resumed.now(), Millis(7_000));
    // The first process comes back and is ahead: the other one follows, and neither runs twice as fast.
    clock.keep(&store).await.unwrap();
    resumed.keep(&store).await.unwrap();
    assert_eq!((clock.now(), resumed.now()), (Millis(3_607_000), Millis(3_607_000)));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!((clock.now(), resumed.now()), (Millis(3_608_000), Millis(3_608_000)));
    resumed.keep(&store).await.unwrap();
    clock.keep(&store).await.unwrap();
    assert_eq!(clock.now(), Millis(3_608_000));
}

#[tokio::test(start_paused = true)]
async fn s4_21_the_sweeper_removes_what_has_expired_until_it_is_stopped() {
    let store = Store::memory();
    let clock = StoreClock::resume(&store).await.unwrap();
    let until = clock.now().plus(2_500);
    for number in 0..25 {
        let key = Key::<Held>::numbered(&[], number);
        store
            .transact(|tx| {
                tx.put(&key, &Held)?;
                tx.set_lease(&key, until)
            })
            .await
            .unwrap();
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let sweeper = LeaseSweeper::new(store.clone(), clock.clone(), 10);
    let expire = |tx: &mut Tx, raw: &RawKey| {
        if let Some(key) = Key::<Held>::from_raw(raw.clone()) {
            tx.delete(&key);
        }
        Ok::<_, StoreError>(())
    };
    let task = tokio::spawn(sweeper.run(Duration::from_secs(1), expire, async {
        let _ = stopped.await;
    }));
    let mut watch = store.watch(&Prefix::<Held>::all());
    tokio::time::sleep(Duration::from_millis(2_400)).await;
    assert_eq!(store.scan(&Prefix::<Held>::all()).await.unwrap().len(), 25);
    for _ in 0..25 {
        watch.next().await.unwrap();
    }
    assert!(clock.now() >= until);
    assert_eq!(store.scan(&Prefix::<Held>::all()).await, Ok(Vec::new()));
    assert_eq!(store.lease_count().await, Ok(0));
    stop.send(()).unwrap();
    task.await.unwrap();
}
