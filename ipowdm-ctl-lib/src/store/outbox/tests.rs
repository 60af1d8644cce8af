use super::*;
use crate::store::{Prefix, Store, StoreError};
use core::time::Duration;
use ipowdm_core::time::Millis;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

fn id(number: u64) -> Key<OutboxRecord> {
    Key::numbered(&["0"], number)
}

fn options(batch: usize, in_flight: usize) -> RelayOptions {
    RelayOptions { batch, in_flight, ..RelayOptions::default() }
}

fn lanes(batch: usize, in_flight: usize) -> Lanes {
    Lanes::new(options(batch, in_flight))
}

fn message(topic: &str, key: &str, text: &str) -> OutboxRecord {
    OutboxRecord {
        topic: topic.to_owned(),
        key: key.as_bytes().to_vec(),
        payload: Some(text.as_bytes().to_vec()),
    }
}

#[test]
fn one_batch_of_a_lane_is_in_flight_at_a_time() {
    let mut lanes = lanes(2, 10);
    for n in 0..3 {
        lanes.found(id(n), "t", b"a");
    }
    let work = lanes.next(Millis(0)).unwrap();
    assert_eq!(work.messages, [id(0), id(1)]);
    assert_eq!(lanes.next(Millis(0)), None);
    assert_eq!(lanes.finished(work.lane, Outcome::Confirmed, Millis(1)), [id(0), id(1)]);
    assert_eq!(lanes.next(Millis(1)).unwrap().messages, [id(2)]);
}

#[test]
fn a_paused_lane_does_not_hold_up_the_others() {
    let mut lanes = lanes(8, 10);
    lanes.found(id(0), "t", b"a");
    let a = lanes.next(Millis(0)).unwrap();
    assert!(lanes.finished(a.lane, Outcome::Failed, Millis(0)).is_empty());
    lanes.found(id(1), "t", b"a");
    lanes.found(id(2), "t", b"b");
    let b = lanes.next(Millis(1)).unwrap();
    assert_eq!(b.messages, [id(2)]);
    assert_eq!(lanes.next(Millis(49)), None);
    assert_eq!(lanes.wake_at(), Some(Millis(50)));
    assert_eq!(lanes.next(Millis(50)).unwrap().messages, [id(0), id(1)]);
}

#[test]
fn pauses_double_up_to_the_longest_and_end_with_a_confirmation() {
    let mut lanes = lanes(1, 1);
    lanes.found(id(0), "t", b"a");
    lanes.found(id(1), "t", b"a");
    let mut now = Millis(0);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let work = lanes.next(now).unwrap();
        lanes.finished(work.lane, Outcome::Failed, now);
        let at = lanes.wake_at().unwrap();
        pauses.push(at.0 - now.0);
        now = at;
    }
    assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
    let work = lanes.next(now).unwrap();
    lanes.finished(work.lane, Outcome::Confirmed, now);
    let work = lanes.next(now).unwrap();
    lanes.finished(work.lane, Outcome::Failed, now);
    assert_eq!(lanes.wake_at(), Some(Millis(now.0 + 50)));
}

#[test]
fn a_refused_batch_is_repeated_one_by_one_until_the_refused_message_is_found() {
    let mut lanes = lanes(8, 1);
    for n in 0..4 {
        lanes.found(id(n), "t", b"a");
    }
    let mut calls = Vec::new();
    let mut given_up = Vec::new();
    while let Some(work) = lanes.next(Millis(0)) {
        calls.push(work.messages.len());
        // Message 1 is the one that the bus does not take.
        let refused = work.messages.contains(&id(1));
        let outcome = if refused { Outcome::Refused } else { Outcome::Confirmed };
        let done = lanes.finished(work.lane, outcome, Millis(0));
        if refused {
            given_up.extend(done);
        }
    }
    assert_eq!((calls, given_up), (vec![4, 1, 1, 2], vec![id(1)]));
    assert_eq!((lanes.waiting(), lanes.wake_at()), (0, None));
}

#[test]
fn a_lane_without_a_topic_waits_for_it_a_minute_and_then_gives_its_messages_up_one_by_one() {
    let mut lanes = lanes(8, 10);
    for n in 0..3 {
        lanes.found(id(n), "t", b"a");
    }
    let mut now = Millis(0);
    let mut given_up = Vec::new();
    while let Some(work) = lanes.next(now) {
        let done = lanes.finished(work.lane, Outcome::NoTopic, now);
        assert!(done.is_empty() || now >= Millis(60_000), "given up at {now:?}");
        given_up.push(done);
        now = lanes.wake_at().map_or(now, |at| at.max(now));
    }
    assert!(now < Millis(63_000), "{now:?}");
    given_up.retain(|done| !done.is_empty());
    assert_eq!(given_up, [[id(0)], [id(1)], [id(2)]]);
    assert_eq!(lanes.waiting(), 0);
}

#[test]
fn a_topic_that_comes_in_time_gets_everything_and_the_patience_is_whole_again() {
    let mut lanes = lanes(8, 10);
    lanes.found(id(0), "t", b"a");
    let work = lanes.next(Millis(0)).unwrap();
    assert!(lanes.finished(work.lane, Outcome::NoTopic, Millis(0)).is_empty());
    lanes.found(id(1), "t", b"a");
    let work = lanes.next(Millis(59_000)).unwrap();
    lanes.found(id(2), "t", b"a");
    assert_eq!(lanes.finished(work.lane, Outcome::Confirmed, Millis(59_000)), [id(0), id(1)]);
    let work = lanes.next(Millis(61_000)).unwrap();
    assert!(lanes.finished(work.lane, Outcome::NoTopic, Millis(61_000)).is_empty());
    assert_eq!(lanes.wake_at(), Some(Millis(61_050)));
}

#[test]
fn calls_in_flight_are_limited_and_busy_lanes_take_turns() {
    let mut lanes = lanes(1, 2);
    for n in 0..6 {
        lanes.found(id(n), "t", &[u8::try_from(n % 3).unwrap()]);
    }
    let (first, second) = (lanes.next(Millis(0)).unwrap(), lanes.next(Millis(0)).unwrap());
    assert_eq!(lanes.next(Millis(0)), None);
    assert_eq!(lanes.wake_at(), None);
    lanes.finished(first.lane, Outcome::Confirmed, Millis(1));
    // The third lane has waited longer than the rest of the first.
    assert_eq!(lanes.next(Millis(1)).unwrap().messages, [id(2)]);
    lanes.finished(second.lane, Outcome::Confirmed, Millis(1));
    assert_eq!(lanes.next(Millis(1)).unwrap().messages, [id(3)]);
}

#[test]
fn an_end_without_a_beginning_changes_nothing() {
    let mut lanes = lanes(1, 1);
    lanes.found(id(0), "t", b"a");
    let work = lanes.next(Millis(0)).unwrap();
    assert_eq!(lanes.finished(work.lane, Outcome::Failed, Millis(0)).len(), 0);
    assert_eq!(lanes.finished(work.lane, Outcome::Confirmed, Millis(0)).len(), 0);
    assert_eq!(lanes.waiting(), 1);
    assert_eq!(lanes.next(Millis(50)).unwrap().messages, [id(0)]);
}

/// What happens next in a random history of the lanes.
#[derive(Debug, Clone)]
enum Step {
    Found(u8),
    Next,
    /// The nth call in flight ends so.
    Finish(usize, Outcome),
    Wait(u16),
    /// The relay is restarted: it finds again what has not been deleted.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Confirmed),
        2 => Just(Outcome::Failed),
        1 => Just(Outcome::NoTopic),
        1 => Just(Outcome::Refused),
    ];
    prop_oneof![
        4 => (0_u8..3).prop_map(Step::Found),
        4 => Just(Step::Next),
        4 => (0_usize..4, outcome).prop_map(|(nth, outcome)| Step::Finish(nth, outcome)),
        1 => (0_u16..3000).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn every_message_is_done_with_once_and_in_order_per_lane(steps in proptest::collection::vec(step(), 0..200),
                                                            batch in 1_usize..4, in_flight in 1_usize..4) {
        let mut lanes = lanes(batch, in_flight);
        let mut outbox: BTreeMap<u64, u8> = BTreeMap::new();
        let mut flying: VecDeque<Work> = VecDeque::new();
        let mut last: BTreeMap<u8, u64> = BTreeMap::new();
        let mut now = Millis(0);
        let mut count = 0_u64;
        let drain = [Step::Wait(5000), Step::Next, Step::Finish(0, Outcome::Confirmed)];
        let total = steps.len() + 3 * 400;
        for step in steps.into_iter().chain(drain.into_iter().cycle()).take(total) {
            match step {
                Step::Found(key) => {
                    lanes.found(id(count), "t", &[key]);
                    outbox.insert(count, key);
                    count += 1;
                }
                Step::Next => flying.extend(lanes.next(now)),
                Step::Wait(ms) => now = Millis(now.0 + u64::from(ms)),
                Step::Restart => {
                    flying.clear();
                    lanes = Lanes::new(options(batch, in_flight));
                    for (&number, &key) in &outbox {
                        lanes.found(id(number), "t", &[key]);
                    }
                }
                Step::Finish(nth, outcome) => {
                    let Some(work) = flying.remove(nth) else { continue };
                    for message in lanes.finished(work.lane, outcome, now) {
                        let number = message.number().unwrap();
                        let key = outbox.remove(&number).expect("done with once");
                        prop_assert!(last.insert(key, number).is_none_or(|before| before < number));
                    }
                }
            }
            prop_assert!(flying.len() <= in_flight);
            prop_assert_eq!(lanes.waiting(), outbox.len());
        }
        prop_assert!(outbox.is_empty(), "{} are left", outbox.len());
    }
}

/// A bus that keeps what it gets and answers as told.
#[derive(Clone, Default)]
struct Recorder {
    got: Arc<Mutex<Vec<OutboxRecord>>>,
    /// Answers of the next calls; afterwards all succeed.
    answers: Arc<Mutex<VecDeque<Result<(), PublishError>>>>,
}

impl Publish for Recorder {
    async fn publish(&self, topic: &str, messages: Vec<OutboxRecord>) -> Result<(), PublishError> {
        assert!(messages.iter().all(|message| message.topic == topic));
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Ok(()));
        if answer.is_ok() {
            self.got.lock().unwrap().extend(messages);
        }
        answer
    }
}

impl Recorder {
    fn texts(&self) -> Vec<String> {
        let got = self.got.lock().unwrap();
        got.iter().map(|m| String::from_utf8(m.payload.clone().unwrap_or_default()).unwrap()).collect()
    }
}

async fn send(store: &Store, message: OutboxRecord) {
    store.transact(|tx| tx.publish(&message)).await.unwrap();
}

async fn left(store: &Store) -> usize {
    store.scan(&Prefix::<OutboxRecord>::all()).await.unwrap().len()
}

async fn until(what: impl AsyncFn() -> bool) {
    for _ in 0..10_000 {
        if what().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not happen");
}

struct Running {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
    counts: RelayCounts,
}

fn start(store: &Store, bus: &Recorder) -> Running {
    let relay = OutboxRelay::new(store.clone(), bus.clone(), RelayOptions::default());
    let counts = relay.counts();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(relay.run(async move {
        let _ = stopped.await;
    }));
    Running { stop, task, counts }
}

impl Running {
    async fn end(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn messages_from_before_and_after_the_start_are_relayed_in_order_and_deleted() {
    let (store, bus) = (Store::memory(), Recorder::default());
    for n in 0..3 {
        send(&store, message("t", "a", &n.to_string())).await;
    }
    let relay = start(&store, &bus);
    until(async || left(&store).await == 0).await;
    for n in 3..6 {
        send(&store, message("t", "a", &n.to_string())).await;
    }
    until(async || left(&store).await == 0).await;
    assert_eq!(bus.texts(), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!((relay.counts.published(), relay.counts.failed(), relay.counts.rejected()), (6, 0, 0));
    relay.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_publish_is_repeated_and_order_is_kept() {
    let (store, bus) = (Store::memory(), Recorder::default());
    let down = Err(PublishError::Transient("down".to_owned()));
    bus.answers.lock().unwrap().extend([down.clone(), down.clone(), down]);
    for n in 0..3 {
        send(&store, message("t", "a", &n.to_string())).await;
    }
    let relay = start(&store, &bus);
    until(async || left(&store).await == 0).await;
    assert_eq!(bus.texts(), ["0", "1", "2"]);
    assert_eq!((relay.counts.published(), relay.counts.failed()), (3, 3));
    relay.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_refused_for_ever_is_set_aside_and_the_rest_goes_on() {
    let (store, bus) = (Store::memory(), Recorder::default());
    let refused = Err(PublishError::Permanent("too large".to_owned()));
    // The batch of three, then the first alone.
    bus.answers.lock().unwrap().extend([refused.clone(), refused]);
    for n in 0..3 {
        send(&store, message("t", "a", &n.to_string())).await;
    }
    let relay = start(&store, &bus);
    until(async || left(&store).await == 0).await;
    assert_eq!(bus.texts(), ["1", "2"]);
    let aside = store.scan(&Prefix::<RejectedMessage>::all()).await.unwrap();
    assert_eq!(aside.len(), 1);
    assert_eq!(
        aside[0].1,
        RejectedMessage { message: Some(message("t", "a", "0")), reason: "too large".to_owned() }
    );
    assert_eq!(relay.counts.rejected(), 1);
    relay.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_outlives_a_topic_that_is_made_again_and_holds_back_no_other() {
    use ipowdm_core::bus::{Bus, TopicSpec, memory::MemoryBus};
    let store = Store::memory();
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new());
    let spec = |name: &str| TopicSpec {
        name: name.to_owned(),
        partitions: 1,
        replication: 1,
        configs: BTreeMap::new(),
    };
    bus.create_topic(spec("there")).await.unwrap();
    for topic in ["again", "gone", "there"] {
        send(&store, message(topic, "a", "1")).await;
        send(&store, message(topic, "a", "2")).await;
    }
    let relay = OutboxRelay::new(store.clone(), Arc::clone(&bus), RelayOptions::default());
    let counts = relay.counts();
    let running = tokio::spawn(relay.run(core::future::pending()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(counts.published(), 2, "the others wait");
    tokio::time::sleep(Duration::from_secs(40)).await;
    bus.create_topic(spec("again")).await.unwrap();
    until(async || left(&store).await == 0).await;
    assert_eq!((counts.published(), counts.rejected()), (4, 2));
    let aside = store.scan(&Prefix::<RejectedMessage>::all()).await.unwrap();
    let messages: Vec<_> = aside.into_iter().map(|(_, rejected)| rejected.message.unwrap()).collect();
    assert_eq!(messages, [message("gone", "a", "1"), message("gone", "a", "2")]);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn messages_survive_a_restart_of_the_relay() {
    let (store, bus) = (Store::memory(), Recorder::default());
    let down = || Err(PublishError::Transient("down".to_owned()));
    bus.answers.lock().unwrap().extend(core::iter::repeat_with(down).take(5));
    for n in 0..3 {
        send(&store, message("t", "a", &n.to_string())).await;
    }
    let relay = start(&store, &bus);
    let counts = relay.counts.clone();
    until(async || counts.failed() >= 2).await;
    relay.end().await;
    assert_eq!(left(&store).await, 3);
    let relay = start(&store, &bus);
    until(async || left(&store).await == 0).await;
    assert_eq!(bus.texts(), ["0", "1", "2"]);
    relay.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_record_does_not_hold_up_the_others() {
    let (store, bus) = (Store::memory(), Recorder::default());
    // A key of the outbox with bytes of another type under it.
    #[derive(Serialize, Deserialize)]
    struct Damaged(u8);
    impl Record for Damaged {
        const KIND: &'static str = "outbox";
        const VERSION: u8 = 9;
    }
    let key = Key::<Damaged>::numbered(&["0000000000000000"], 0);
    store.transact(|tx| tx.put(&key, &Damaged(1))).await.unwrap();
    send(&store, message("t", "a", "0")).await;
    let relay = start(&store, &bus);
    until(async || store.snapshot().await.unwrap().dump().await.unwrap().len() == 1).await;
    assert_eq!(bus.texts(), ["0"]);
    let aside = store.scan(&Prefix::<RejectedMessage>::all()).await.unwrap();
    assert!(aside[0].1.message.is_none() && aside[0].1.reason.contains("version 9"), "{aside:?}");
    relay.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_rolled_back_transaction_sends_nothing() {
    let (store, bus) = (Store::memory(), Recorder::default());
    let relay = start(&store, &bus);
    let undone: Result<(), StoreError> = store
        .transact(|tx| {
            tx.publish(&message("t", "a", "never"))?;
            Err(StoreError::Stale)
        })
        .await;
    assert!(undone.is_err());
    send(&store, message("t", "a", "sent")).await;
    until(async || left(&store).await == 0).await;
    assert_eq!(bus.texts(), ["sent"]);
    relay.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_and_keys_keep_their_order_on_the_memory_bus() {
    use ipowdm_core::bus::{Bus, FetchRequest, TopicSpec, memory::MemoryBus};
    let store = Store::memory();
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new());
    let spec = TopicSpec { name: "t".to_owned(), partitions: 1, replication: 1, configs: BTreeMap::new() };
    bus.create_topic(spec).await.unwrap();
    let relay = OutboxRelay::new(store.clone(), Arc::clone(&bus), RelayOptions::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(relay.run(async move {
        let _ = stopped.await;
    }));
    let writers: Vec<_> = (0..8)
        .map(|key| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..100 {
                    send(&store, message("t", &format!("k{key}"), &n.to_string())).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    until(async || left(&store).await == 0).await;
    stop.send(()).unwrap();
    running.await.unwrap();
    let request = FetchRequest {
        topic: "t".to_owned(),
        partition: 0,
        offset: 0,
        max_bytes: 10_000_000,
        max_wait: Duration::ZERO,
    };
    let mut per_key: BTreeMap<Vec<u8>, Vec<u32>> = BTreeMap::new();
    for record in bus.fetch(request).await.unwrap().records {
        let number = core::str::from_utf8(record.value.as_ref().unwrap()).unwrap().parse().unwrap();
        per_key.entry(record.key.unwrap().to_vec()).or_default().push(number);
    }
    assert_eq!(per_key.len(), 8);
    assert!(per_key.values().all(|numbers| numbers.iter().copied().eq(0..100)), "{per_key:?}");
}
