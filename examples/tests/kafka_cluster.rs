//! Three nodes of Apache Kafka that are killed, frozen, restarted and gone while commands are under way.
//!
//! `IPOWDM_KAFKA_CLUSTER` names the state folder of a cluster that `scripts/kafka-up.sh --nodes 3` has started
//! (`build/kafka/run/<port>`), secured or not. What befalls its nodes befalls whoever else uses it: run with one test thread.
//! `IPOWDM_KAFKA_ALONE` names that of one secured node.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests state what they expect")]

#[path = "kafka_cluster/burst.rs"]
mod burst;
#[path = "kafka/counted.rs"]
mod counted;
#[path = "kafka_cluster/frozen.rs"]
mod frozen;
#[path = "kafka_cluster/gone.rs"]
mod gone;
#[path = "kafka_cluster/lost.rs"]
mod lost;
#[path = "kafka_cluster/nodes.rs"]
mod nodes;
#[path = "kafka_cluster/remembered.rs"]
mod remembered;
#[path = "kafka_cluster/rolling.rs"]
mod rolling;
#[path = "kafka_cluster/rotation.rs"]
mod rotation;
