use super::*;
use ipowdm_core::error::Code;
use ipowdm_core::msg::{HealthStatus, Outcome};
use ipowdm_core::time::Timestamp;
use std::sync::atomic::AtomicI64;

#[tokio::test(start_paused = true)]
async fn a_restart_drops_no_light_writes_nothing_and_resumes_telemetry() {
    let mut bench = Bench::started().await;
    bench.command(GUIDE).await;
    for graceful in [true, false] {
        let writes = bench.writes();
        if graceful {
            bench.stop().await;
        } else {
            bench.kill().await;
        }
        let before = bench.samples().await;
        bench.sleep(20_000).await;
        assert!(bench.is_lit(0));
        bench.start().await;
        bench.sleep(10_000).await;
        assert!(bench.is_lit(0));
        assert_eq!(bench.writes(), writes, "zero state-changing writes");
        let samples = bench.samples().await;
        assert!(samples.len() >= before.len() + 4);
        let (last, first) = (before.last().unwrap(), &samples[before.len()]);
        assert_eq!(first.boot_id, last.boot_id.map(|boot| boot + 1));
        assert_eq!(first.seq, Some(1));
    }
    assert_eq!(bench.acks().await.len(), 1, "no ack is repeated once it was confirmed and noted");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_agent_says_so() {
    let mut bench = Bench::started().await;
    bench.stop().await;
    let last = bench.healths().await.pop().unwrap();
    assert_eq!((last.status, last.boot_id), (HealthStatus::Stopped, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn commands_sent_while_the_agent_was_away_are_carried_out_once() {
    let mut bench = Bench::started().await;
    bench.stop().await;
    bench.send(&fenced(GUIDE, "c-1", 3)).await;
    bench.start().await;
    assert_eq!(bench.ack(1).await.outcome, Outcome::Applied);
    bench.kill().await;
    bench.start().await;
    bench.sleep(60_000).await;
    assert_eq!(bench.acks().await.len(), 1);
    assert_eq!(bench.healths().await.pop().unwrap().epoch, Some(3));
    // The epoch is remembered, too.
    let stale = bench.command(&fenced(GUIDE_RECONFIG, "c-2", 2)).await;
    assert_eq!(stale.outcome, Outcome::StaleEpoch);
}

#[tokio::test(start_paused = true)]
async fn an_agent_without_a_past_obeys_nothing_that_was_sent_before_it_started() {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    // An earlier life's: young enough to be alive, and one that lives for ever.
    bench.send(&with(&fenced(GUIDE, "c-1", 1), r#""lifetime_ms":30000"#)).await;
    bench.send(GUIDE).await;
    bench.sleep(5_000).await;
    bench.start().await;
    bench.sleep(30_000).await;
    assert_eq!((bench.writes(), bench.acks().await.len()), (0, 0));
    assert!(!bench.is_lit(0));
    assert_eq!(bench.status().await.intake.from_before, 2);
    // The guide's line, by hand, now.
    assert_eq!(bench.command(GUIDE).await.outcome, Outcome::Applied);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_as_soon_as_an_agent_without_a_past_has_started_is_obeyed() {
    // Long before its first heartbeat, and before it knows whom it serves.
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    bench.bus.set_available(false);
    bench.agent = Some(bench.build().spawn().unwrap());
    bench.sleep(10).await;
    bench.bus.set_available(true);
    bench.send(&with(&fenced(GUIDE, "c-1", 1), r#""lifetime_ms":30000"#)).await;
    assert_eq!(bench.ack(1).await.outcome, Outcome::Applied);
}

#[tokio::test(start_paused = true)]
async fn a_vop_that_was_activated_while_the_agent_was_down_is_obeyed_from_its_first_command() {
    let mut bench = Bench::started().await;
    // Nothing was ever read from a config topic: only the first start is remembered.
    bench.kill().await;
    for topic in ["config_vOp3", "monitoring_vOp3", "health_vOp3"] {
        bench.create(topic).await;
    }
    let grants = bench.grants();
    bench.assign(&[("vOp2", vec![grants[1].clone()]), ("vOp3", vec![grants[0].clone()])]).await;
    bench.publish("config_vOp3", "k", fenced(GUIDE, "c-1", 1).as_bytes()).await;
    bench.send(&fenced(&GUIDE.replace("Ethernet48", "Ethernet56"), "c-2", 1)).await;
    bench.sleep(20_000).await;
    bench.start().await;
    assert_eq!(bench.ack(1).await.outcome, Outcome::Applied);
    bench.sleep(60_000).await;
    assert!(bench.is_lit(0) && bench.is_lit(1));
}

#[tokio::test(start_paused = true)]
async fn an_agent_without_a_past_whose_heartbeats_are_refused_begins_at_the_end_of_the_log() {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    bench.bus.delete_topic("health_vOp2").await.unwrap();
    bench.send(GUIDE).await;
    bench.start().await;
    bench.sleep(60_000).await;
    assert_eq!((bench.writes(), bench.acks().await.len()), (0, 0));
    assert_eq!(bench.command(GUIDE).await.outcome, Outcome::Applied);
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_instant_of_a_setup_the_agent_finishes_it_and_acks_under_one_id() {
    for at in (0..60).map(|step| step * 397) {
        let mut bench = Bench::started().await;
        bench.send(&fenced(GUIDE, "c-1", 1)).await;
        bench.sleep(at).await;
        bench.kill().await;
        bench.start().await;
        bench.sleep(90_000).await;
        let acks = bench.acks().await;
        let ids: BTreeSet<_> = acks.iter().map(|ack| ack.ack_id.clone()).collect();
        assert_eq!(ids.len(), 1, "killed after {at} ms: {acks:#?}");
        assert!(matches!(acks[0].outcome, Outcome::Applied | Outcome::Unchanged), "killed after {at} ms");
        assert!(bench.is_lit(0), "killed after {at} ms");
        bench.kill().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_setup_whose_lifetime_is_over_is_expired_and_taken_back() {
    let mut bench = Bench::started().await;
    bench.send(&with(&fenced(GUIDE, "c-1", 1), r#""lifetime_ms":30000"#)).await;
    bench.sleep(10_000).await;
    bench.kill().await;
    assert!(bench.writes() > 0, "it was begun");
    bench.sleep(60_000).await;
    bench.start().await;
    let ack = bench.ack(1).await;
    assert_eq!((ack.outcome, ack.details.code), (Outcome::Expired, Some(Code::Expired)));
    bench.sleep(60_000).await;
    assert!(!bench.is_lit(0));
    // Within its lifetime it would have gone on.
    bench.send(&with(&fenced(GUIDE, "c-2", 1), r#""lifetime_ms":30000"#)).await;
    bench.sleep(10_000).await;
    bench.kill().await;
    bench.start().await;
    assert_eq!(bench.ack(2).await.outcome, Outcome::Applied);
}

#[tokio::test(start_paused = true)]
async fn a_torn_journal_costs_the_last_step_and_nothing_else() {
    let mut bench = Bench::started().await;
    bench.command(GUIDE).await;
    bench.kill().await;
    let bytes = bench.storage.bytes();
    let writes = bench.writes();
    for cut in 1..40 {
        bench.storage = MemoryStorage::with(bytes[..bytes.len() - cut].to_vec());
        bench.start().await;
        bench.sleep(5_000).await;
        assert!(bench.is_lit(0), "cut by {cut}");
        assert_eq!(bench.writes(), writes, "cut by {cut}");
        bench.kill().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_clock_that_jumps_by_an_hour_changes_no_decision() {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    let wall = Arc::new(AtomicI64::new(1_730_000_000_000));
    let shown = Arc::clone(&wall);
    bench.wall = Some(Arc::new(move || Timestamp(shown.load(Ordering::SeqCst))));
    bench.start().await;
    for (n, jump) in [3_600_000_i64, -7_200_000, 3_600_000].into_iter().enumerate() {
        wall.fetch_add(jump, Ordering::SeqCst);
        let id = format!("c-{n}");
        let alive = with(&fenced(GUIDE, &id, 1), r#""lifetime_ms":30000"#);
        let expected = if n == 0 { Outcome::Applied } else { Outcome::Unchanged };
        assert_eq!(bench.command(&alive).await.outcome, expected);
        let before = bench.samples().await.len();
        bench.sleep(30_000).await;
        assert_eq!(bench.samples().await.len(), before + 10);
    }
    bench.stop().await;
    let brief = with(&fenced(GUIDE_RECONFIG, "c-9", 1), r#""lifetime_ms":30000"#);
    bench.send(&brief).await;
    bench.sleep(31_000).await;
    wall.fetch_sub(3_600_000, Ordering::SeqCst);
    bench.start().await;
    assert_eq!(bench.ack(4).await.outcome, Outcome::Expired, "though the host shows an hour earlier");
}

#[tokio::test(start_paused = true)]
async fn without_a_journal_a_lit_module_is_left_alone() {
    let mut bench = Bench::started().await;
    bench.command(GUIDE).await;
    bench.kill().await;
    bench.storage = MemoryStorage::default();
    bench.config.service = Service::Fixed {
        vop: "vOp2".parse().unwrap(),
        ports: bench.ports.iter().map(|port| port.name.clone()).collect(),
        telemetry_interval_ms: 3_000,
        health_interval_ms: 30_000,
    };
    let writes = bench.writes();
    bench.start().await;
    bench.sleep(30_000).await;
    assert!(bench.is_lit(0));
    assert_eq!(bench.writes(), writes);
    assert_eq!(bench.acks().await.len(), 1, "what was sent before it first looked is not for it");
    // A controller that sets it up again finds it as it wants it.
    assert_eq!(bench.command(GUIDE).await.outcome, Outcome::Unchanged);
    // And now there is a position to go on from.
    bench.stop().await;
    bench.send(GUIDE_RECONFIG).await;
    bench.start().await;
    assert_eq!(bench.ack(3).await.outcome, Outcome::Applied);
}
