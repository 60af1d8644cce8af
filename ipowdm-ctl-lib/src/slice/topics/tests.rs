use crate::slice::{ActivationRequest, SliceConfig, SliceManager};
use crate::testbed::{Testbed, eventually, vop};
use ipowdm_core::bus::{Bus as _, TopicChange, TopicDescription};
use ipowdm_core::topics::{ASSIGNMENTS, Role};
use std::sync::Arc;

async fn topic(bed: &Testbed, name: &str) -> TopicDescription {
    bed.bus.describe_topic(name).await.unwrap().unwrap()
}

/// Changes a topic behind the slice manager's back.
async fn disturb(bed: &Testbed, name: &str, settings: &[(&str, Option<&str>)]) {
    let each = settings.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)));
    let change = TopicChange { partitions: None, configs: each.collect() };
    bed.bus.alter_topic(name, change).await.unwrap();
}

fn changed() -> SliceConfig {
    let mut config = Testbed::slice_config();
    config.monitoring.partitions += 2;
    config.monitoring.retention_ms = 1_000;
    config.config.min_in_sync = Some(1);
    config
}

fn is_as(found: &TopicDescription, config: &SliceConfig, role: Role) -> bool {
    let wanted = config.spec(role, &found.name);
    found.partitions == wanted.partitions && found.configs == wanted.configs
}

#[tokio::test(start_paused = true)]
async fn a_repeated_activation_makes_topics_as_configured_and_leaves_what_is_not_its_own() {
    let bed = Testbed::new().await;
    bed.slices().activate(Testbed::vop2()).await.unwrap();
    bed.publish("config_vOp2", "k", b"{}").await;
    let disturbed = [
        ("retention.ms", Some("1")),
        ("message.timestamp.type", None),
        ("cleanup.policy", Some("compact")),
        ("segment.bytes", Some("1048576")),
    ];
    disturb(&bed, "config_vOp2", &disturbed).await;
    bed.bus.grow("health_vOp2", 9).unwrap();
    assert!(!bed.slices().activate(Testbed::vop2()).await.unwrap().new);
    let mut mended = topic(&bed, "config_vOp2").await;
    assert_eq!(mended.configs.remove("segment.bytes").as_deref(), Some("1048576"), "somebody's own");
    assert!(is_as(&mended, &Testbed::slice_config(), Role::Config), "{mended:?}");
    assert_eq!(topic(&bed, "health_vOp2").await.partitions, 9, "never fewer");
    assert_eq!(bed.records("config_vOp2").await.len(), 1, "nothing was made anew");
}

#[tokio::test(start_paused = true)]
async fn topics_follow_a_changed_configuration_from_the_next_start_on() {
    let bed = Testbed::new().await;
    bed.slices().activate(Testbed::vop2()).await.unwrap();
    let config = changed();
    let slices = SliceManager::builder(bed.linkdb.clone(), Arc::new(bed.bus.clone()))
        .config(config.clone())
        .relay(false)
        .start()
        .await
        .unwrap();
    let settled = || async {
        is_as(&topic(&bed, "monitoring_vOp2").await, &config, Role::Monitoring)
            && is_as(&topic(&bed, "config_vOp2").await, &config, Role::Config)
    };
    eventually("the topics are as configured", settled).await;
    disturb(&bed, "monitoring_vOp2", &[("retention.ms", None)]).await;
    let told = slices.ensure_topics(&vop("vOp2")).await.unwrap();
    assert!(is_as(&told[1], &config, Role::Monitoring), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn assignments_are_compacted_also_where_somebody_else_made_their_topic() {
    let bed = Testbed::new().await;
    let spec = ipowdm_core::bus::TopicSpec {
        name: ASSIGNMENTS.to_owned(),
        partitions: 1,
        replication: 1,
        configs: [("retention.ms".to_owned(), "1000".to_owned())].into(),
    };
    bed.bus.delete_topic(ASSIGNMENTS).await.unwrap();
    bed.bus.create_topic(spec).await.unwrap();
    let slices = SliceManager::builder(bed.linkdb.clone(), Arc::new(bed.bus.clone()))
        .config(changed())
        .relay(false)
        .start()
        .await
        .unwrap();
    let vop9 = ActivationRequest { vop: vop("vOp9"), ..Testbed::vop2() };
    slices.activate(vop9).await.unwrap();
    assert_eq!(topic(&bed, ASSIGNMENTS).await.configs, changed().assignments_spec().configs);
}
