//! A scripted cluster of several brokers on the loopback, for what one broker cannot show: leaders that move, brokers
//! that know different things, quotas, and answers that are wrong.

use crate::bus::kafka::{KafkaBus, KafkaOptions};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse, RequestHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use std::collections::{BTreeMap, BTreeSet};
use std::string::ToString;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use std::vec;
use std::vec::Vec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The only topic; one partition, led by [`State::leader`].
pub(in crate::bus::kafka) const TOPIC: &str = "t";

/// What the brokers do.
#[derive(Default)]
pub(in crate::bus::kafka) struct State {
    pub(in crate::bus::kafka) ports: Vec<u16>,
    /// Index of the broker that leads the partition; `None`: nobody.
    pub(in crate::bus::kafka) leader: Option<usize>,
    /// Index of the broker that the others take for the leader, where they are behind.
    pub(in crate::bus::kafka) believed_leader: Option<usize>,
    pub(in crate::bus::kafka) controller: usize,
    /// Brokers that have not heard of the topic.
    pub(in crate::bus::kafka) ignorant: BTreeSet<usize>,
    /// Brokers that read and never answer.
    pub(in crate::bus::kafka) silent: BTreeSet<usize>,
    /// Bytes sent in place of any answer.
    pub(in crate::bus::kafka) garbage: Option<Vec<u8>>,
    /// What every answer to a produce asks for, in milliseconds.
    pub(in crate::bus::kafka) throttle_ms: i32,
    /// Produce requests that took effect, by broker.
    pub(in crate::bus::kafka) appended: Vec<usize>,
    /// Requests by API key.
    pub(in crate::bus::kafka) asked: BTreeMap<i16, usize>,
    pub(in crate::bus::kafka) created: Vec<(usize, std::string::String)>,
}

/// The cluster; dropping it ends its brokers.
pub(in crate::bus::kafka) struct Fake {
    state: Arc<Mutex<State>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Fake {
    pub(in crate::bus::kafka) async fn start(brokers: usize) -> Self {
        let state = Arc::new(Mutex::new(State { leader: Some(0), ..State::default() }));
        let mut tasks = Vec::new();
        for index in 0..brokers {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            state.lock().unwrap().ports.push(listener.local_addr().unwrap().port());
            tasks.push(tokio::spawn(accept(listener, index, Arc::clone(&state))));
        }
        Self { state, tasks }
    }

    pub(in crate::bus::kafka) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The address of a broker.
    pub(in crate::bus::kafka) fn address(&self, index: usize) -> std::string::String {
        std::format!("127.0.0.1:{}", self.state().ports[index])
    }

    /// A bus that knows all brokers.
    pub(in crate::bus::kafka) fn bus(&self, call_timeout: Duration) -> KafkaBus {
        let all: Vec<_> = (0..self.tasks.len()).map(|index| self.address(index)).collect();
        let mut options = KafkaOptions::new(&all.join(","));
        options.call_timeout = call_timeout;
        KafkaBus::connect(&options).unwrap()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn accept(listener: TcpListener, index: usize, state: Arc<Mutex<State>>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, index, Arc::clone(&state)));
    }
}

async fn serve(mut stream: TcpStream, index: usize, state: Arc<Mutex<State>>) {
    while let Ok(length) = stream.read_u32().await {
        let mut frame = vec![0; length as usize];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        let answer = answer(&mut state.lock().unwrap(), index, frame.into());
        match answer {
            Some(answer) if stream.write_all(&answer).await.is_ok() => {}
            Some(_) => return,
            None => std::future::pending().await,
        }
    }
}

/// The bytes to send; `None` for silence.
fn answer(state: &mut State, index: usize, mut frame: Bytes) -> Option<Vec<u8>> {
    let (key, version) = ((&frame[..2]).get_i16(), (&frame[2..4]).get_i16());
    let header = RequestHeader::decode(&mut frame, 1).unwrap();
    *state.asked.entry(key).or_default() += 1;
    if state.silent.contains(&index) {
        return None;
    }
    if let Some(garbage) = &state.garbage {
        return Some(garbage.clone());
    }
    let mut body = BytesMut::new();
    body.put_i32(header.correlation_id);
    match key {
        0 => {
            let request = ProduceRequest::decode(&mut frame, version).unwrap();
            produce(state, index, &request).encode(&mut body, version).unwrap();
        }
        3 => {
            let request = MetadataRequest::decode(&mut frame, version).unwrap();
            assert!(!request.allow_auto_topic_creation, "asking must not create");
            metadata(state, index).encode(&mut body, version).unwrap();
        }
        18 => api_versions().encode(&mut body, version).unwrap(),
        19 => {
            let request = CreateTopicsRequest::decode(&mut frame, version).unwrap();
            create(state, index, &request).encode(&mut body, version).unwrap();
        }
        20 => {
            let request = DeleteTopicsRequest::decode(&mut frame, version).unwrap();
            let name = request.topic_names[0].clone();
            let deleted = DeletableTopicResult::default().with_name(Some(name));
            let answer = DeleteTopicsResponse::default().with_responses(vec![deleted]);
            answer.encode(&mut body, version).unwrap();
        }
        _ => return None,
    }
    let length = u32::try_from(body.len()).unwrap();
    Some([&length.to_be_bytes()[..], &body].concat())
}

fn api_versions() -> ApiVersionsResponse {
    let api = |&(key, highest): &(i16, i16)| {
        ApiVersion::default().with_api_key(key).with_min_version(0).with_max_version(highest)
    };
    let keys = [(0, 7), (1, 6), (2, 3), (3, 7), (18, 0), (19, 4), (20, 3)];
    ApiVersionsResponse::default().with_api_keys(keys.iter().map(api).collect())
}

fn metadata(state: &State, index: usize) -> MetadataResponse {
    let broker = |(id, port): (i32, &u16)| {
        MetadataResponseBroker::default()
            .with_node_id(id.into())
            .with_host(StrBytes::from_static_str("127.0.0.1"))
            .with_port(i32::from(*port))
    };
    let believed = state.believed_leader.or(state.leader);
    let leader = believed.map_or(-1, |leader| i32::try_from(leader).unwrap());
    let partition = MetadataResponsePartition::default()
        .with_leader_id(leader.into())
        .with_replica_nodes(vec![0.into(), 1.into()]);
    let name = kafka_protocol::messages::TopicName(StrBytes::from_static_str(TOPIC));
    let topic = MetadataResponseTopic::default().with_name(Some(name));
    let topic = if state.ignorant.contains(&index) {
        topic.with_error_code(ResponseError::UnknownTopicOrPartition.code())
    } else {
        topic.with_partitions(vec![partition])
    };
    MetadataResponse::default()
        .with_brokers((0..).zip(&state.ports).map(broker).collect())
        .with_controller_id(i32::try_from(state.controller).unwrap().into())
        .with_topics(vec![topic])
}

fn produce(state: &mut State, index: usize, request: &ProduceRequest) -> ProduceResponse {
    assert_eq!(request.acks, -1, "all in-sync replicas confirm");
    let partition = PartitionProduceResponse::default();
    let partition = if state.leader == Some(index) {
        state.appended.push(index);
        partition.with_base_offset(i64::try_from(state.appended.len()).unwrap() - 1)
    } else {
        partition.with_base_offset(-1).with_error_code(ResponseError::NotLeaderOrFollower.code())
    };
    let topic = TopicProduceResponse::default()
        .with_name(request.topic_data[0].name.clone())
        .with_partition_responses(vec![partition]);
    ProduceResponse::default().with_throttle_time_ms(state.throttle_ms).with_responses(vec![topic])
}

fn create(state: &mut State, index: usize, request: &CreateTopicsRequest) -> CreateTopicsResponse {
    let name = request.topics[0].name.clone();
    let topic = CreatableTopicResult::default().with_name(name.clone());
    let topic = if index == state.controller {
        state.created.push((index, name.0.to_string()));
        topic
    } else {
        topic.with_error_code(ResponseError::NotController.code())
    };
    CreateTopicsResponse::default().with_topics(vec![topic])
}
