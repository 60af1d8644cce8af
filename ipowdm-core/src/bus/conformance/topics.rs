//! Creating, describing, listing and deleting topics.

use super::*;
use crate::bus::{Created, TopicChange};

pub(super) async fn a_topic_is_new_once_and_then_existing_and_unchanged(stage: &Stage) -> Verdict {
    let name = stage.topic_with("t", 2, &[("retention.ms", "3600000")]).await?;
    let again = stage.bus.create_topic(spec(&name, 5, &[("retention.ms", "1000")])).await?;
    same("creation of the same topic", again, Created::Existing)?;
    let found = stage.bus.describe_topic(&name).await?;
    let found = found.ok_or_else(|| Violation("no description".to_string()))?;
    same("partitions", found.partitions, 2)?;
    same("retention.ms", found.configs.get("retention.ms").map(String::as_str), Some("3600000"))
}

pub(super) async fn an_illegal_name_or_size_is_refused(stage: &Stage) -> Verdict {
    let long = "x".repeat(250);
    for illegal in ["", ".", "..", "a b", "ä", "a/b", long.as_str()] {
        let outcome = stage.bus.create_topic(spec(illegal, 1, &[])).await;
        rule(matches!(outcome, Err(BusError::Invalid { .. })), || format!("{illegal:?}: {outcome:?}"))?;
    }
    let outcome = stage.bus.create_topic(spec(&stage.name("none"), 0, &[])).await;
    rule(matches!(outcome, Err(BusError::Invalid { .. })), || format!("0 partitions: {outcome:?}"))
}

pub(super) async fn a_description_has_partitions_replication_and_the_settings_given(
    stage: &Stage,
) -> Verdict {
    let configs = [
        ("cleanup.policy", "compact"),
        ("message.timestamp.type", "LogAppendTime"),
        ("retention.bytes", "1048576"),
    ];
    let name = stage.topic_with("t", 3, &configs).await?;
    let found = stage.bus.describe_topic(&name).await?;
    let found = found.ok_or_else(|| Violation("no description".to_string()))?;
    same("name", found.name.as_str(), name.as_str())?;
    same("partitions", found.partitions, 3)?;
    same("replication", found.replication, 1)?;
    same("settings", found.configs, spec(&name, 3, &configs).configs)
}

pub(super) async fn topics_are_listed_in_order(stage: &Stage) -> Verdict {
    let mut ours = Vec::new();
    for suffix in ["b", "a", "c"] {
        ours.push(stage.topic(suffix, 1).await?);
    }
    ours.sort_unstable();
    let listed = stage.bus.topics().await?;
    rule(listed.is_sorted(), || format!("not in order: {listed:?}"))?;
    let listed: Vec<_> = listed.into_iter().filter(|name| ours.contains(name)).collect();
    same("topics listed", listed, ours)
}

pub(super) async fn a_deleted_topic_is_gone_for_every_operation(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    stage.publish_each(&name, &["a"]).await?;
    same("deletion", stage.bus.delete_topic(&name).await?, true)?;
    same("second deletion", stage.bus.delete_topic(&name).await?, false)?;
    is_missing(stage, &name).await
}

pub(super) async fn a_topic_that_is_not_there_is_unknown_and_asking_does_not_create_it(
    stage: &Stage,
) -> Verdict {
    let name = stage.name("never");
    is_missing(stage, &name).await
}

async fn is_missing(stage: &Stage, name: &str) -> Verdict {
    let unknown = |what: &str, error: Option<BusError>| {
        rule(matches!(error, Some(BusError::UnknownTopic { .. })), || format!("{what}: {error:?}"))
    };
    unknown("publish", stage.bus.publish(name, Vec::from([record("k", "v")])).await.err())?;
    unknown("fetch", stage.fetch(name, 0, 0, Duration::ZERO).await.err())?;
    unknown("bounds", stage.bus.bounds(name, 0).await.err())?;
    same("description", stage.bus.describe_topic(name).await?, None)?;
    let listed = stage.bus.topics().await?;
    rule(!listed.iter().any(|topic| topic == name), || format!("{name} is listed"))
}

pub(super) async fn a_partition_that_is_not_there_is_unknown(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 2).await?;
    let fetched = stage.fetch(&name, 2, 0, Duration::ZERO).await;
    let wanted = BusError::UnknownTopic { topic: name.clone(), partition: 2 };
    same("fetch", fetched, Err(wanted.clone()))?;
    same("bounds", stage.bus.bounds(&name, 2).await, Err(wanted))
}

pub(super) async fn a_re_created_topic_starts_at_0_and_an_old_position_is_lost(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    stage.publish_each(&name, &["a", "b", "c"]).await?;
    same("deletion", stage.bus.delete_topic(&name).await?, true)?;
    same("creation", stage.bus.create_topic(spec(&name, 2, &[])).await?, Created::New)?;
    let lost = stage.fetch(&name, 0, 3, Duration::ZERO).await;
    let wanted =
        BusError::OffsetOutOfRange { topic: name.clone(), partition: 0, offset: 3, earliest: 0, next: 0 };
    same("fetch at the old position", lost, Err(wanted))?;
    let keyless = Outgoing { key: None, value: Some("new".into()) };
    let positions = stage.bus.publish(&name, Vec::from([keyless])).await?;
    same("first offset", positions.first().map(|position| position.offset), Some(0))?;
    same("first record", values(&stage.read(&name, 0, 1).await?), Vec::from(["new".to_string()]))
}

pub(super) async fn a_topic_is_changed_as_asked_or_not_at_all(stage: &Stage) -> Verdict {
    let given = [("retention.ms", "3600000"), ("max.message.bytes", "65536")];
    let name = stage.topic_with("t", 2, &given).await?;
    stage.publish_each(&name, &["before"]).await?;
    let partition = crate::topics::partition(b"k", 2);
    let setting = |key: &str, value: Option<&str>| (key.to_string(), value.map(str::to_string));
    let changed = [setting("retention.ms", Some("7200000")), setting("max.message.bytes", None)];
    let change = TopicChange { partitions: Some(5), configs: changed.into() };
    let described = match stage.bus.alter_topic(&name, change.clone()).await {
        Err(BusError::Unsupported { .. }) => {
            let found = stage.bus.describe_topic(&name).await?.map(|topic| (topic.partitions, topic.configs));
            return same("a topic that cannot be changed", found, Some((2, spec(&name, 2, &given).configs)));
        }
        outcome => outcome?,
    };
    let wanted = spec(&name, 5, &[("retention.ms", "7200000")]);
    same("partitions", described.partitions, wanted.partitions)?;
    same("settings", &described.configs, &wanted.configs)?;
    same("what is described then", stage.bus.describe_topic(&name).await?.as_ref(), Some(&described))?;
    same("the same change again", stage.bus.alter_topic(&name, change).await?, described.clone())?;
    same(
        "what was there",
        values(&stage.read(&name, partition, 1).await?),
        Vec::from(["before".to_string()]),
    )?;
    for partition in 0..5 {
        stage.bus.bounds(&name, partition).await?;
    }
    let fewer = TopicChange { partitions: Some(1), ..TopicChange::default() };
    same("a wish for fewer partitions", stage.bus.alter_topic(&name, fewer).await?, described)?;
    refused_changes(stage, &name).await
}

async fn refused_changes(stage: &Stage, name: &str) -> Verdict {
    let before = stage.bus.describe_topic(name).await?;
    for partitions in [0, u32::MAX] {
        let configs = BTreeMap::from([("retention.ms".to_string(), Some("1000".to_string()))]);
        let outcome =
            stage.bus.alter_topic(name, TopicChange { partitions: Some(partitions), configs }).await;
        rule(matches!(outcome, Err(BusError::Invalid { .. })), || format!("{partitions}: {outcome:?}"))?;
    }
    same("after a change that was refused", stage.bus.describe_topic(name).await?, before)?;
    let never = stage.name("never");
    let outcome = stage.bus.alter_topic(&never, TopicChange::default()).await;
    rule(matches!(outcome, Err(BusError::UnknownTopic { .. })), || format!("no such topic: {outcome:?}"))
}
