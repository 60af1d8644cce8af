use std::fmt::Debug;

use bytes::Buf;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    AlterConfigsResponse, AlterUserScramCredentialsResponse, ApiVersionsResponse, CreateAclsResponse,
    CreatePartitionsResponse, CreateTopicsResponse, DeleteAclsResponse, DeleteRecordsResponse,
    DeleteTopicsResponse, DescribeAclsResponse, DescribeConfigsResponse,
    DescribeUserScramCredentialsResponse, FetchResponse, FindCoordinatorResponse, HeartbeatResponse,
    IncrementalAlterConfigsResponse, InitProducerIdResponse, JoinGroupResponse, LeaveGroupResponse,
    ListGroupsResponse, ListOffsetsResponse, MetadataResponse, OffsetCommitResponse, OffsetFetchResponse,
    ProduceResponse, ResponseHeader, SyncGroupResponse,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion};
use proptest::prelude::*;

use super::*;
use crate::api::Api;
use crate::engine::Endpoint;
use crate::faults::Fault;
use crate::options::{Limits, Options};
use crate::samples;

const CORRELATION: i32 = 0x0c0f_fee0;

fn engine(options: Options) -> Engine {
    Engine::new(options, Endpoint { host: "127.0.0.1".to_owned(), port: 9092 })
}

/// An engine that creates any topic asked for, so that requests find something.
fn willing() -> Engine {
    engine(Options::default().auto_create(true).default_partitions(3).limits(Limits {
        topics: 20,
        partitions: 50,
        partition_bytes: 4_000,
        log_bytes: 20_000,
        groups: 10,
        group_members: 20,
        ..Limits::default()
    }))
}

/// Answers a frame while the group timer runs. `None` if the connection would be closed.
async fn ask(engine: &Engine, frame: Vec<u8>) -> Option<Option<Bytes>> {
    tokio::select! {
        answer = answer(engine, Bytes::from(frame)) => answer.ok(),
        () = engine.keep_group_time() => panic!("the engine has stopped"),
    }
}

/// Decodes an answer wholly and renders it.
fn read(api: Api, version: i16, answer: &Bytes) -> String {
    fn decode<R: Decodable + HeaderVersion + Debug>(version: i16, answer: &Bytes) -> String {
        let mut rest = answer.clone();
        assert_eq!(rest.get_i32(), i32::try_from(rest.len()).unwrap(), "length prefix");
        let header = ResponseHeader::decode(&mut rest, R::header_version(version)).unwrap();
        assert_eq!(header.correlation_id, CORRELATION);
        let response = R::decode(&mut rest, version).unwrap();
        assert!(rest.is_empty(), "bytes after the response");
        format!("{response:?}")
    }
    match api {
        Api::Produce => decode::<ProduceResponse>(version, answer),
        Api::Fetch => decode::<FetchResponse>(version, answer),
        Api::ListOffsets => decode::<ListOffsetsResponse>(version, answer),
        Api::Metadata => decode::<MetadataResponse>(version, answer),
        Api::OffsetCommit => decode::<OffsetCommitResponse>(version, answer),
        Api::OffsetFetch => decode::<OffsetFetchResponse>(version, answer),
        Api::FindCoordinator => decode::<FindCoordinatorResponse>(version, answer),
        Api::JoinGroup => decode::<JoinGroupResponse>(version, answer),
        Api::Heartbeat => decode::<HeartbeatResponse>(version, answer),
        Api::LeaveGroup => decode::<LeaveGroupResponse>(version, answer),
        Api::SyncGroup => decode::<SyncGroupResponse>(version, answer),
        Api::ListGroups => decode::<ListGroupsResponse>(version, answer),
        Api::ApiVersions => decode::<ApiVersionsResponse>(version, answer),
        Api::CreateTopics => decode::<CreateTopicsResponse>(version, answer),
        Api::DeleteTopics => decode::<DeleteTopicsResponse>(version, answer),
        Api::DeleteRecords => decode::<DeleteRecordsResponse>(version, answer),
        Api::InitProducerId => decode::<InitProducerIdResponse>(version, answer),
        Api::DescribeAcls => decode::<DescribeAclsResponse>(version, answer),
        Api::CreateAcls => decode::<CreateAclsResponse>(version, answer),
        Api::DeleteAcls => decode::<DeleteAclsResponse>(version, answer),
        Api::DescribeConfigs => decode::<DescribeConfigsResponse>(version, answer),
        Api::AlterConfigs => decode::<AlterConfigsResponse>(version, answer),
        Api::CreatePartitions => decode::<CreatePartitionsResponse>(version, answer),
        Api::IncrementalAlterConfigs => decode::<IncrementalAlterConfigsResponse>(version, answer),
        Api::DescribeUserScramCredentials => decode::<DescribeUserScramCredentialsResponse>(version, answer),
        Api::AlterUserScramCredentials => decode::<AlterUserScramCredentialsResponse>(version, answer),
    }
}

fn every_api_and_version() -> Vec<(Api, i16)> {
    Api::ALL.iter().flat_map(|&api| api.versions().map(move |version| (api, version))).collect()
}

fn frame(api: Api, version: i16, name: &str, n: i32) -> Vec<u8> {
    samples::frame(api, version, CORRELATION, &samples::body(api, version, name, n))
}

#[tokio::test(start_paused = true)]
async fn every_version_of_every_api_is_answered_so_that_the_codec_reads_it() {
    let engine = willing();
    // Known topic, unknown topic, nothing asked for.
    ask(&engine, frame(Api::Metadata, 1, "known", 1)).await.unwrap();
    for (api, version) in every_api_and_version() {
        for (name, n) in [("known", 1), ("known", 3), ("unknown!", 2), ("", 0)] {
            let answer = ask(&engine, frame(api, version, name, n)).await;
            let answer = answer.flatten().unwrap_or_else(|| panic!("{api} v{version} {name} {n}: no answer"));
            read(api, version, &answer);
        }
        // Deleted by its own samples.
        ask(&engine, frame(Api::Metadata, 1, "known", 1)).await.unwrap();
    }
    let stats = engine.stats();
    assert_eq!((stats.malformed_frames, stats.unencodable_responses), (0, 0), "{:?}", stats.last_unanswered);
    assert_eq!(stats.requests.len(), Api::ALL.len());
}

#[tokio::test(start_paused = true)]
async fn an_injected_error_reaches_the_client_in_every_version_and_changes_nothing() {
    let engine = willing();
    ask(&engine, frame(Api::Metadata, 1, "known", 1)).await.unwrap();
    let before = engine.stats();
    engine.faults.inject(Fault::on_any(Effect::Error(ResponseError::NotController)));
    let code = format!("error_code: {}", ResponseError::NotController.code());
    for (api, version) in every_api_and_version() {
        let answer = ask(&engine, frame(api, version, "known", 1)).await.flatten().unwrap();
        let text = read(api, version, &answer);
        assert!(text.contains(&code), "{api} v{version}: {text}");
    }
    let after = engine.stats();
    assert_eq!((after.topics, after.log_bytes), (before.topics, before.log_bytes));
    assert_eq!(after.unencodable_responses, 0);
}

#[tokio::test]
async fn operations_are_told_to_whom_they_are_asked_by_and_are_all_of_their_kind() {
    let engine = willing();
    // The samples ask for both where the version has them.
    for (version, cluster, topic) in [(7, false, false), (8, true, true), (9, true, true)] {
        let answer = ask(&engine, frame(Api::Metadata, version, "known", 1)).await.flatten().unwrap();
        let text = read(Api::Metadata, version, &answer);
        assert_eq!(text.contains(" cluster_authorized_operations: 8096"), cluster, "v{version}: {text}");
        assert_eq!(text.contains(" topic_authorized_operations: 3576"), topic, "v{version}: {text}");
    }
}

#[tokio::test]
async fn an_unknown_api_versions_request_is_answered_in_version_zero_with_the_table() {
    let engine = willing();
    for version in [-1, 4, i16::MAX] {
        let mut frame = samples::frame(Api::ApiVersions, 3, CORRELATION, &[0xff; 30]);
        frame[2..4].copy_from_slice(&version.to_be_bytes());
        let answer = ask(&engine, frame).await.flatten().unwrap();
        let text = read(Api::ApiVersions, 0, &answer);
        assert!(text.contains("error_code: 35") && text.contains("api_key: 18"), "{text}");
    }
}

#[tokio::test]
async fn an_api_or_version_that_is_not_served_ends_the_connection_and_is_counted() {
    let engine = willing();
    for (key, version) in [(0i16, 2i16), (0, 10), (3, -1), (17, 1), (-1, 0), (i16::MAX, 0)] {
        let mut frame = frame(Api::Metadata, 1, "t", 1);
        frame[0..2].copy_from_slice(&key.to_be_bytes());
        frame[2..4].copy_from_slice(&version.to_be_bytes());
        assert_eq!(ask(&engine, frame).await, None, "key {key} version {version}");
    }
    for length in 0..8 {
        assert_eq!(ask(&engine, vec![0; length]).await, None, "{length} bytes");
    }
    assert_eq!(engine.stats().malformed_frames, 6 + 8);
}

/// What hostile frames are made from.
#[derive(Debug, Clone)]
enum Hostile {
    /// Any bytes.
    Random(Vec<u8>),
    /// A right header before any bytes.
    RandomBody(usize, Vec<u8>),
    /// A right frame with some bytes overwritten, then cut or lengthened.
    Mutated {
        pick: usize,
        n: i32,
        damage: Vec<(prop::sample::Index, u8)>,
        cut: prop::sample::Index,
        more: Vec<u8>,
    },
    /// A right frame.
    Right(usize, i32),
}

fn hostile() -> impl Strategy<Value = Hostile> {
    let pick = 0..every_api_and_version().len();
    let bytes = prop::collection::vec(any::<u8>(), 0..120);
    let damage = prop::collection::vec(
        (any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0xff), Just(0x7f), Just(0x80), Just(0)]),
        0..8,
    );
    prop_oneof![
        1 => bytes.clone().prop_map(Hostile::Random),
        2 => (pick.clone(), bytes.clone()).prop_map(|(pick, bytes)| Hostile::RandomBody(pick, bytes)),
        5 => (pick.clone(), 0..4, damage, any::<prop::sample::Index>(), bytes)
            .prop_map(|(pick, n, damage, cut, more)| Hostile::Mutated { pick, n, damage, cut, more }),
        2 => (pick, 0..4).prop_map(|(pick, n)| Hostile::Right(pick, n)),
    ]
}

fn hostile_frame(hostile: Hostile) -> Vec<u8> {
    let right = |pick: usize, n| {
        let (api, version) = every_api_and_version()[pick];
        frame(api, version, "known", n)
    };
    match hostile {
        Hostile::Random(bytes) => bytes,
        Hostile::RandomBody(pick, bytes) => {
            let (api, version) = every_api_and_version()[pick];
            samples::frame(api, version, CORRELATION, &bytes)
        }
        Hostile::Mutated { pick, n, damage, cut, more } => {
            let mut frame = right(pick, n);
            for (at, byte) in damage {
                // The API key stays: what it names is to be reached.
                let at = 2 + at.index(frame.len() - 2);
                frame[at] = byte;
            }
            if more.len() % 3 == 0 {
                frame.truncate(cut.index(frame.len()));
            } else if more.len() % 3 == 1 {
                frame.extend(more);
            }
            frame
        }
        Hostile::Right(pick, n) => right(pick, n),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Random and mutated frames neither panic nor push the broker over its limits, nor bring it to answer something
    /// that cannot be encoded; afterwards it serves as before.
    #[test]
    fn no_frame_panics_or_harms_the_broker(frames in prop::collection::vec(hostile(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let engine = willing();
            ask(&engine, frame(Api::Metadata, 1, "known", 1)).await.unwrap();
            for hostile in frames {
                // Paused time passes by itself, so that what waits comes to its end.
                let _ = ask(&engine, hostile_frame(hostile)).await;
                let stats = engine.stats();
                prop_assert_eq!(stats.unencodable_responses, 0, "{:?}", stats.last_unanswered);
                let limits = engine.limits();
                prop_assert!(stats.topics <= limits.topics as u64);
                prop_assert!(stats.partitions <= limits.partitions as u64);
                prop_assert!(stats.log_bytes <= limits.log_bytes as u64);
            }
            let answer = ask(&engine, frame(Api::ApiVersions, 3, "fine", 0)).await.flatten().unwrap();
            prop_assert!(read(Api::ApiVersions, 3, &answer).contains("error_code: 0"));
            let answer = ask(&engine, frame(Api::Metadata, 9, "known", 1)).await.flatten().unwrap();
            prop_assert!(read(Api::Metadata, 9, &answer).contains("port: 9092"));
            Ok(())
        })?;
    }
}
