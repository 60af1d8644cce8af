use super::*;
use ipowdm_core::error::Code;
use ipowdm_core::msg::{HealthStatus, Outcome};

#[tokio::test(start_paused = true)]
async fn an_ack_that_falls_due_while_the_bus_is_away_is_not_lost() {
    let mut bench = Bench::started().await;
    bench.send(&fenced(GUIDE, "c-1", 1)).await;
    bench.sleep(1_000).await;
    bench.bus.set_available(false);
    bench.sleep(60_000).await;
    assert!(bench.is_lit(0), "the work itself goes on");
    assert_eq!(bench.status().await.unsent_acks, 1);
    // Not even when the agent dies meanwhile.
    bench.kill().await;
    bench.start().await;
    bench.sleep(30_000).await;
    bench.bus.set_available(true);
    let ack = bench.ack(1).await;
    assert_eq!((ack.outcome, ack.ack_id.as_deref()), (Outcome::Applied, Some("pop1-router1:1:1")));
    bench.sleep(1_000).await;
    assert_eq!(bench.status().await.unsent_acks, 0);
}

#[tokio::test(start_paused = true)]
async fn telemetry_is_dropped_oldest_first_and_counted_exactly() {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    bench.config.outgoing = 12;
    bench.start().await;
    bench.command(GUIDE).await;
    bench.sleep(10_000).await;
    bench.bus.set_available(false);
    bench.sleep(120_000).await;
    assert!(bench.is_lit(0), "losing the bus takes no light away");
    bench.bus.set_available(true);
    bench.sleep(5_000).await;
    let dropped = bench.status().await.publisher.dropped;
    assert!(dropped >= 20, "{dropped}");
    let seqs: Vec<u64> = bench.samples().await.iter().map(|sample| sample.seq.unwrap()).collect();
    assert!(seqs.is_sorted());
    assert_eq!(seqs.last().unwrap() - (seqs.len() as u64), dropped, "the gap is what was counted");
    let gap = seqs.windows(2).find(|pair| pair[1] != pair[0] + 1).unwrap();
    assert_eq!(gap[1] - gap[0] - 1, dropped, "one gap: the oldest that waited");
    bench.sleep(30_000).await;
    let told: u64 = bench
        .healths()
        .await
        .iter()
        .flat_map(|health| health.issues.clone())
        .filter_map(|issue| issue.split(" telemetry samples were dropped").next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(told, dropped);
}

#[tokio::test(start_paused = true)]
async fn a_virtual_operator_is_told_of_its_own_lost_samples_only() {
    let mut bench = Bench::new(&[Profile::OPENZRP, Profile::OPENZRP]).await;
    for topic in ["config_vOp3", "monitoring_vOp3", "health_vOp3"] {
        bench.create(topic).await;
    }
    let [first, second] = [0, 1].map(|n| grant(&bench.ports[n].name));
    bench.assign(&[("vOp2", vec![first]), ("vOp3", vec![second])]).await;
    bench.config.outgoing = 12;
    bench.start().await;
    bench.command(GUIDE).await;
    bench.sleep(10_000).await;
    bench.bus.set_available(false);
    bench.sleep(120_000).await;
    bench.bus.set_available(true);
    bench.sleep(35_000).await;
    let told = |messages: Vec<AgentMessage>| {
        messages.into_iter().any(|message| match message {
            AgentMessage::Health(health) => health.issues.iter().any(|issue| issue.contains("dropped")),
            _ => false,
        })
    };
    assert!(told(bench.messages("health_vOp2").await), "its samples were dropped");
    assert!(!told(bench.messages("health_vOp3").await), "it has no samples to lose");
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_is_away_at_the_start_is_waited_for() {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    bench.bus.set_available(false);
    bench.start().await;
    bench.sleep(60_000).await;
    bench.bus.set_available(true);
    bench.send(GUIDE).await;
    assert_eq!(bench.ack(1).await.outcome, Outcome::Applied);
    let capabilities = bench.capabilities().await;
    assert_eq!(capabilities.last().unwrap().interfaces[0].frequency_range, Some([191_300.0, 196_100.0]));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_without_the_bus_what_was_lit_is_sampled() {
    let mut bench = Bench::started().await;
    bench.command(GUIDE).await;
    bench.kill().await;
    bench.bus.set_available(false);
    bench.start().await;
    bench.sleep(10_000).await;
    assert!(bench.is_lit(0));
    bench.bus.set_available(true);
    bench.sleep(5_000).await;
    let second_life = bench.samples().await.into_iter().filter(|sample| sample.boot_id == Some(2)).count();
    assert!(second_life >= 4, "{second_life}");
}

#[tokio::test(start_paused = true)]
async fn an_ack_whose_topic_is_not_there_for_a_while_is_kept() {
    let bench = Bench::started().await;
    bench.bus.delete_topic("monitoring_vOp2").await.unwrap();
    bench.send(&fenced(GUIDE, "c-1", 1)).await;
    bench.sleep(60_000).await;
    assert_eq!(bench.status().await.unsent_acks, 1);
    bench.create("monitoring_vOp2").await;
    assert_eq!(bench.ack(1).await.outcome, Outcome::Applied);
    bench.sleep(2_000).await;
    let status = bench.status().await;
    assert_eq!((status.unsent_acks, status.refused_acks), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_new_work_goes_on_reporting_and_recovers() {
    let bench = Bench::started().await;
    bench.command(GUIDE).await;
    bench.storage.set_capacity(Some(0));
    // Appends fail now and the agent learns of it with the first.
    let ack = bench.command(GUIDE_RECONFIG).await;
    assert_eq!((ack.outcome, ack.details.code), (Outcome::Rejected, Some(Code::StorageFull)));
    let before = bench.samples().await.len();
    bench.sleep(30_000).await;
    assert_eq!(bench.samples().await.len(), before + 10);
    let health = bench.healths().await.pop().unwrap();
    assert_eq!(health.status, HealthStatus::Degraded);
    assert!(health.issues.iter().any(|issue| issue.starts_with("journal:")), "{:?}", health.issues);
    bench.storage.set_capacity(None);
    bench.sleep(2_000).await;
    assert_eq!(bench.command(GUIDE_RECONFIG).await.outcome, Outcome::Applied);
}

#[tokio::test(start_paused = true)]
async fn work_that_the_journal_cannot_keep_is_acked_with_these_words_and_kept_once_it_can() {
    let mut bench = Bench::started().await;
    bench.send(&fenced(GUIDE, "c-1", 1)).await;
    bench.sleep(1_000).await;
    bench.storage.set_capacity(Some(0));
    let ack = bench.ack(1).await;
    assert_eq!((ack.outcome, ack.details.code), (Outcome::Applied, Some(Code::StorageFull)));
    assert!(ack.details.error.unwrap().contains("journal") && ack.details.readback.is_some());
    bench.storage.set_capacity(None);
    bench.sleep(2_000).await;
    bench.kill().await;
    bench.start().await;
    bench.sleep(5_000).await;
    assert_eq!(bench.acks().await.len(), 1, "it is known after the restart");
    let again = bench.command(&fenced(GUIDE, "c-1", 1)).await;
    assert_eq!((again.ack_id, again.outcome, again.details.code), (ack.ack_id, Outcome::Applied, None));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_sync_is_a_full_disk_until_the_journal_is_written_anew() {
    let bench = Bench::started().await;
    bench.send(GUIDE).await;
    bench.sleep(1_000).await;
    bench.storage.fail_syncs(true);
    let ack = bench.ack(1).await;
    assert_eq!((ack.outcome, ack.details.code), (Outcome::Applied, Some(Code::StorageFull)));
    let refused = bench.command(GUIDE_RECONFIG).await;
    assert_eq!((refused.outcome, refused.details.code), (Outcome::Rejected, Some(Code::StorageFull)));
    bench.sleep(30_000).await;
    let health = bench.healths().await.pop().unwrap();
    assert!(health.issues.iter().any(|issue| issue.starts_with("journal:")), "{:?}", health.issues);
    bench.storage.fail_syncs(false);
    bench.sleep(2_000).await;
    let teardown = bench.command(TEARDOWN).await;
    assert_eq!((teardown.outcome, teardown.details.code), (Outcome::Applied, None));
}

#[tokio::test(start_paused = true)]
async fn a_slow_module_delays_no_other() {
    // The data path of the first takes twice as long as that of the second.
    let mut bench = Bench::new(&[Profile::ZR400, Profile::OPENZRP]).await;
    bench.start().await;
    bench.send(&GUIDE.replace("-2.0", "-9.0")).await;
    bench.sleep(2_000).await;
    let other = GUIDE.replace("Ethernet48", "Ethernet56").replace("POP1-POP2-1", "other");
    let ack = bench.command(&other).await;
    assert_eq!(
        (ack.interface.as_ref().map(PortId::as_str), ack.outcome),
        (Some("Ethernet56"), Outcome::Applied)
    );
    assert!(bench.is_lit(1) && !bench.is_lit(0));
    let before = bench.samples().await.len();
    bench.sleep(9_000).await;
    assert_eq!(bench.samples().await.len(), before + 3);
    assert_eq!(bench.ack(2).await.interface.as_ref().map(PortId::as_str), Some("Ethernet48"));
}
