//! The slice manager's settings: topics, intervals, limits.

use super::super::{LimitTable, SliceTable};
use super::Checker;
use crate::slice::{BusLimits, SliceConfig};
use ipowdm_core::bus::quota::Quota;

const HOUR_MS: u64 = 3_600_000;

pub(super) fn config(check: &mut Checker<'_>, table: &SliceTable) -> SliceConfig {
    let mut config = SliceConfig::default();
    refuse_zeros(check, table);
    let topics = [
        (&mut config.config, table.config_partitions),
        (&mut config.monitoring, table.monitoring_partitions),
        (&mut config.health, table.health_partitions),
    ];
    for (topic, partitions) in topics {
        topic.partitions = partitions.or(table.partitions).unwrap_or(topic.partitions);
        topic.replication = table.replication.unwrap_or(topic.replication);
        topic.min_in_sync = table.min_insync_replicas;
    }
    config.assignments_replication = table.replication.unwrap_or(config.assignments_replication);
    config.assignments_min_in_sync = table.min_insync_replicas;
    if let Some(least) = table.min_insync_replicas.filter(|least| *least > config.config.replication) {
        let reason = format!("{least} of {} replicas", config.config.replication);
        check.refuse("slice.min_insync_replicas", reason, "give at most as many as slice.replication");
    }
    let monitoring = table.monitoring_retention_hours;
    let kept = [
        (&mut config.config, table.config_retention_hours),
        (&mut config.monitoring, monitoring),
        (&mut config.health, table.health_retention_hours.or(monitoring)),
    ];
    for (topic, hours) in kept {
        topic.retention_ms = hours.map_or(topic.retention_ms, |hours| u64::from(hours) * HOUR_MS);
    }
    if let Some(ms) = check.milliseconds("slice.telemetry_interval_sec", table.telemetry_interval_sec, 0.1) {
        config.telemetry_interval_ms = ms;
    }
    if let Some(ms) = check.milliseconds("slice.health_interval_sec", table.health_interval_sec, 0.1) {
        config.health_interval_ms = ms;
    }
    if let Some(limit) = check.seconds("slice.drain_sec", table.drain_sec, 0.0) {
        config.drain = limit;
    }
    let limits = &table.limits;
    config.limits = BusLimits {
        controller: quota(&limits.controller),
        agent: quota(&limits.agent),
        application: quota(&limits.application),
    };
    config
}

fn refuse_zeros(check: &mut Checker<'_>, table: &SliceTable) {
    let replicas = |count: Option<u16>| count.map(u32::from);
    for (key, given) in [
        ("slice.partitions", table.partitions),
        ("slice.config_partitions", table.config_partitions),
        ("slice.monitoring_partitions", table.monitoring_partitions),
        ("slice.health_partitions", table.health_partitions),
        ("slice.replication", replicas(table.replication)),
        ("slice.min_insync_replicas", replicas(table.min_insync_replicas)),
        ("slice.config_retention_hours", table.config_retention_hours),
        ("slice.monitoring_retention_hours", table.monitoring_retention_hours),
        ("slice.health_retention_hours", table.health_retention_hours),
    ] {
        if given == Some(0) {
            check.refuse(key, "is 0", "give at least 1");
        }
    }
}

const fn quota(table: &LimitTable) -> Quota {
    Quota {
        publish_bytes: table.publish_bytes_per_sec,
        fetch_bytes: table.fetch_bytes_per_sec,
        request_percent: table.request_percent,
    }
}
