//! Bounds and hostile peers, over real sockets.
#![allow(clippy::unwrap_used, reason = "an expectation that fails is a failed test")]

mod common;

use std::time::Duration;

use common::wire::Wire;
use common::{MEGABYTE, fetch, produce, record, topic};
use ipowdm_devbroker::{Broker, Limits, Options};
use kafka_protocol::messages::ApiVersionsRequest;
use proptest::prelude::*;
use rskafka::client::partition::Compression;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const LATE: Duration = Duration::from_secs(5);

async fn limited(limits: Limits) -> Broker {
    Broker::start(Options::default().limits(limits)).await.unwrap()
}

/// Whether the broker closes the connection by itself.
async fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(timeout(LATE, stream.read(&mut [0; 64])).await, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_counted_and_make_room_when_they_end() {
    let broker = limited(Limits { connections: 2, ..Limits::default() }).await;
    let mut first = Wire::connect(&broker).await;
    let mut second = Wire::connect(&broker).await;
    let versions = ApiVersionsRequest::default();
    assert!(first.call(0, &versions).await.is_some() && second.call(0, &versions).await.is_some());
    let mut third = TcpStream::connect(broker.addr()).await.unwrap();
    assert!(is_closed(&mut third).await);
    let stats = broker.stats();
    assert_eq!((stats.connections_open, stats.connections_refused), (2, 1));
    drop(first);
    timeout(LATE, async {
        while broker.stats().connections_open > 1 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert!(Wire::connect(&broker).await.call(0, &versions).await.is_some());
}

#[tokio::test]
async fn frames_over_the_limit_or_with_a_negative_length_close_their_connection_only() {
    let broker = limited(Limits { frame_bytes: 1000, ..Limits::default() }).await;
    let mut bystander = Wire::connect(&broker).await;
    // The last is an HTTP client that has lost its way.
    for prefix in [1001i32.to_be_bytes(), i32::MAX.to_be_bytes(), (-1i32).to_be_bytes(), *b"GET "] {
        let mut stream = TcpStream::connect(broker.addr()).await.unwrap();
        stream.write_all(&prefix).await.unwrap();
        assert!(is_closed(&mut stream).await, "{prefix:?}");
    }
    assert_eq!(broker.stats().oversized_frames, 4);
    assert!(bystander.call(0, &ApiVersionsRequest::default()).await.is_some());
}

#[tokio::test]
async fn a_peer_that_stalls_in_a_frame_or_says_nothing_is_let_go() {
    let patience = Duration::from_millis(100);
    let broker = limited(Limits { transfer: patience, idle: patience, ..Limits::default() }).await;
    let mut stalled = TcpStream::connect(broker.addr()).await.unwrap();
    stalled.write_all(&[0, 0, 0, 100, 1, 2, 3]).await.unwrap();
    let mut silent = TcpStream::connect(broker.addr()).await.unwrap();
    assert!(is_closed(&mut stalled).await && is_closed(&mut silent).await);
    assert_eq!(broker.stats().timed_out, 2);
}

#[tokio::test]
async fn frames_wait_for_their_share_of_memory_and_all_get_it() {
    let limits = Limits { frame_bytes: 64 << 10, frames_in_flight_bytes: 64 << 10, ..Limits::default() };
    let broker = limited(limits).await;
    let first = topic(&broker, "t").await;
    let mut writers = Vec::new();
    for _ in 0..8 {
        let writer = common::partition(&common::client(&broker).await, "t", 0).await;
        let records = vec![record(vec![1; 40 << 10])];
        writers.push(tokio::spawn(async move { writer.produce(records, Compression::NoCompression).await }));
    }
    for writer in writers {
        assert!(timeout(LATE, writer).await.unwrap().unwrap().is_ok());
    }
    let (records, end) = first.fetch_records(0, 1..MEGABYTE, 1_000).await.unwrap();
    assert_eq!((records.len(), end), (8, 8));
}

#[tokio::test]
async fn a_peer_that_leaves_while_it_waits_frees_its_connection() {
    let broker = limited(Limits::default()).await;
    let reader = topic(&broker, "t").await;
    let open = broker.stats().connections_open;
    let waiting = tokio::spawn(async move { reader.fetch_records(0, 1..MEGABYTE, 60_000).await });
    sleep(Duration::from_millis(100)).await;
    waiting.abort();
    let _ = waiting.await;
    timeout(LATE, async {
        while broker.stats().connections_open >= open {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the long poll of a client that has gone does not hold its connection");
}

/// What a hostile peer writes: frames with a right length prefix and any content, or any bytes at all.
fn writes() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    let framed = (0i16..40, 0i16..13, bytes.clone()).prop_map(|(key, version, content)| {
        let length = i32::try_from(content.len() + 10).unwrap();
        let header =
            [&length.to_be_bytes()[..], &key.to_be_bytes(), &version.to_be_bytes(), &[0, 0, 0, 7, 0, 0]];
        [header.concat(), content].concat()
    });
    prop_oneof![1 => bytes, 4 => framed]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn hostile_peers_on_the_socket_do_not_disturb_the_others(peers in prop::collection::vec(writes(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let broker = limited(Limits::default()).await;
            let partition = topic(&broker, "t").await;
            for (offset, write) in (0i64..).zip(peers) {
                let mut peer = TcpStream::connect(broker.addr()).await.unwrap();
                // The broker may close before it has read everything.
                let _ = peer.write_all(&write).await;
                prop_assert_eq!(produce(&partition, &["still here"]).await, [offset]);
            }
            let read = fetch(&partition, 0).await;
            prop_assert_eq!(read[0].1.as_str(), "still here");
            prop_assert_eq!(broker.stats().unencodable_responses, 0);
            Ok(())
        })?;
    }
}
