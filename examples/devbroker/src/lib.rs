//! In-process Kafka-protocol broker for laboratories and tests.
