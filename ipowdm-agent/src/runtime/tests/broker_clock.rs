//! The broker's clock is set back or forward, at any time of an agent's life.

use super::*;
use ipowdm_core::msg::Outcome;

const HOUR_MS: i64 = 3_600_000;

/// A command that lives half a minute.
fn living(line: &str, id: &str) -> String {
    with(&fenced(line, id, 1), r#""lifetime_ms":30000"#)
}

/// A command from an earlier agent's time, then the agent, which passes it over.
async fn after_an_old_command() -> Bench {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    bench.send(&fenced(GUIDE, "c-0", 1)).await;
    bench.sleep(5_000).await;
    bench.start().await;
    assert_eq!(bench.status().await.intake.from_before, 1);
    bench
}

#[tokio::test(start_paused = true)]
async fn set_by_an_hour_it_makes_no_command_older_than_the_first_start() {
    for hours in [-1, 1, -24] {
        let mut bench = after_an_old_command().await;
        bench.bus.jump(hours * HOUR_MS);
        assert_eq!(bench.command(&fenced(GUIDE, "c-1", 1)).await.outcome, Outcome::Applied, "{hours} h");
        assert!(bench.is_lit(0));
        // Nor while the agent is down, and nor after it is set again.
        bench.kill().await;
        bench.send(&fenced(TEARDOWN, "c-2", 1)).await;
        bench.bus.jump(-HOUR_MS);
        bench.start().await;
        assert_eq!(bench.ack(2).await.outcome, Outcome::Applied, "{hours} h");
        assert_eq!(bench.command(&fenced(GUIDE, "c-3", 1)).await.outcome, Outcome::Applied, "{hours} h");
    }
}

#[tokio::test(start_paused = true)]
async fn set_back_while_an_agent_that_has_read_nothing_yet_is_down_it_hides_no_command() {
    let mut bench = Bench::started().await;
    bench.kill().await;
    bench.bus.jump(-HOUR_MS);
    bench.send(&fenced(GUIDE, "c-1", 1)).await;
    bench.start().await;
    assert_eq!(bench.ack(1).await.outcome, Outcome::Applied);
}

#[tokio::test(start_paused = true)]
async fn set_back_it_lets_a_fresh_command_expire_until_the_next_heartbeat_at_most() {
    for hours in [-1, 1] {
        let bench = Bench::started().await;
        bench.bus.jump(hours * HOUR_MS);
        let first = bench.command(&living(GUIDE, "c-1")).await.outcome;
        assert_eq!(first, if hours < 0 { Outcome::Expired } else { Outcome::Applied });
        bench.sleep(31_000).await;
        let second = bench.command(&living(GUIDE, "c-2")).await.outcome;
        assert_eq!(second, if hours < 0 { Outcome::Applied } else { Outcome::Unchanged });
        assert_eq!(bench.command(&living(TEARDOWN, "c-3")).await.outcome, Outcome::Applied);
    }
}

#[tokio::test(start_paused = true)]
async fn set_back_before_topics_are_made_anew_it_hides_no_command_in_them() {
    let mut bench = after_an_old_command().await;
    bench.bus.jump(-HOUR_MS);
    bench.kill().await;
    for topic in ["config_vOp2", "monitoring_vOp2", "health_vOp2"] {
        bench.bus.delete_topic(topic).await.unwrap();
        bench.create(topic).await;
    }
    let all = bench.grants();
    bench.assign_in("i2", &[("vOp2", all)]).await;
    bench.send(&fenced(GUIDE, "c-1", 1)).await;
    bench.start().await;
    assert_eq!(bench.ack(1).await.outcome, Outcome::Applied);
}

#[tokio::test(start_paused = true)]
async fn set_back_it_hides_no_command_in_a_partition_that_is_added_later() {
    let mut bench = after_an_old_command().await;
    bench.bus.jump(-HOUR_MS);
    bench.bus.grow("config_vOp2", 8).unwrap();
    for (id, key) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        let line = fenced(GUIDE, &format!("c-{}", id + 1), 1);
        bench.publish("config_vOp2", key, line.as_bytes()).await;
    }
    bench.ack(6).await;
    // And none that was sent while the agent was down.
    bench.kill().await;
    bench.bus.grow("config_vOp2", 16).unwrap();
    for (id, key) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        let line = fenced(GUIDE, &format!("d-{}", id + 1), 1);
        bench.publish("config_vOp2", key, line.as_bytes()).await;
    }
    bench.start().await;
    bench.ack(12).await;
    assert_eq!(bench.status().await.intake.from_before, 0, "nothing was passed over again");
}

#[tokio::test(start_paused = true)]
async fn set_back_after_the_first_command_that_counts_it_hides_none_of_those_that_follow() {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    bench.bus.delete_topic("config_vOp2").await.unwrap();
    bench.start().await;
    bench.create("config_vOp2").await;
    // All of them are in the log before the agent sees its end.
    bench.bus.jump(-HOUR_MS);
    bench.send(&fenced(GUIDE, "c-0", 1)).await;
    bench.bus.jump(HOUR_MS);
    bench.send(&fenced(GUIDE, "c-1", 1)).await;
    bench.bus.jump(-HOUR_MS);
    bench.send(&fenced(TEARDOWN, "c-2", 1)).await;
    bench.ack(2).await;
    assert_eq!(bench.status().await.intake.from_before, 1);
}

#[tokio::test(start_paused = true)]
async fn set_back_it_hides_nothing_from_an_agent_whose_heartbeats_are_confirmed_late() {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    bench.send(&fenced(GUIDE, "c-0", 1)).await;
    bench.bus.delete_topic("health_vOp2").await.unwrap();
    bench.start().await;
    bench.sleep(60_000).await;
    assert_eq!(bench.acks().await.len(), 0);
    // Where it begins was fixed by the end of the log; that it can tell the time now changes nothing.
    bench.create("health_vOp2").await;
    bench.sleep(60_000).await;
    bench.bus.jump(-HOUR_MS);
    assert_eq!(bench.command(&fenced(GUIDE, "c-1", 1)).await.outcome, Outcome::Applied);
    bench.kill().await;
    bench.start().await;
    assert_eq!(bench.command(&fenced(TEARDOWN, "c-2", 1)).await.outcome, Outcome::Applied);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_started_before_its_topic_was_there_obeys_it_from_its_first_command() {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    bench.bus.delete_topic("config_vOp2").await.unwrap();
    bench.start().await;
    bench.sleep(10_000).await;
    bench.create("config_vOp2").await;
    bench.send(&fenced(GUIDE, "c-1", 1)).await;
    assert_eq!(bench.ack(1).await.outcome, Outcome::Applied);
    bench.bus.jump(-HOUR_MS);
    assert_eq!(bench.command(&fenced(TEARDOWN, "c-2", 1)).await.outcome, Outcome::Applied);
}
