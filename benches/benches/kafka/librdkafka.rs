//! librdkafka doing the same work, set as its documentation advises for low latency: Nagle's algorithm off.

use crate::client::{Entrance, Heard, ROOM};
use crate::place::PARTITIONS;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("socket.nagle.disable", "true");
    config
}

struct Entry {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
}

/// Where records go in: all in-sync replicas confirm, keys are spread as Java clients and ours do.
pub(crate) fn entrance(bootstrap: &str, topic: &str, linger_ms: u32, codec: &str) -> Box<dyn Entrance> {
    let mut config = config(bootstrap);
    config
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", linger_ms.to_string())
        .set("compression.type", codec)
        .set("queue.buffering.max.messages", ROOM.to_string());
    Box::new(Entry { producer: config.create().unwrap(), topic: topic.to_owned() })
}

impl Entrance for Entry {
    fn send(&mut self, key: &[u8], value: &[u8]) {
        let mut record = BaseRecord::to(&self.topic).key(key).payload(value);
        loop {
            match self.producer.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => panic!("librdkafka: {error}"),
            }
        }
    }

    fn flush(&mut self) {
        self.producer.flush(Duration::from_secs(60)).unwrap();
    }
}

struct Exit {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Exit {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Where the records of a topic come out, polled by a thread of its own.
pub(crate) fn exit(bootstrap: &str, topic: &str, heard: Heard) -> Box<dyn Any> {
    let mut config = config(bootstrap);
    // Named, and never joined: positions are assigned.
    config.set("group.id", "bench").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut places = TopicPartitionList::new();
    for partition in 0..i32::try_from(PARTITIONS).unwrap() {
        places.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&places).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    let thread = std::thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
                message.payload().into_iter().for_each(|value| heard(value));
            }
        }
    });
    Box::new(Exit { over, thread: Some(thread) })
}
