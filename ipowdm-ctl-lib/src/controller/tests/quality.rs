//! The quality loop with injected samples on a test clock (rows S0-12 to S0-14).

use super::*;
use crate::qot_loop::QotConfig;
use ipowdm_core::capability::PowerRange;
use ipowdm_core::msg::{TelemetryFields, TelemetrySample};
use ipowdm_core::qot::{Level, Thresholds};
use ipowdm_core::units::Ber;

const TICK: Duration = Duration::from_secs(3);

/// A controller with the reference's absolute thresholds, and the guide's connection lit.
async fn lit_with(qot: QotConfig) -> (Testbed, ControllerHandle) {
    let config = ControllerConfig { qot, ..ControllerConfig::default() };
    let (bed, controller) = Testbed::with_config(config).await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    (bed, controller)
}

fn absolute() -> QotConfig {
    QotConfig { thresholds: Some(Thresholds::reference()), ..QotConfig::default() }
}

/// One sample of pop2's receiver, then 3 s.
async fn tick(bed: &Testbed, osnr_tenths: i16) {
    bed.agent("pop2").osnr("Ethernet48", osnr_tenths).await;
    tokio::time::sleep(TICK).await;
}

/// The powers that were commanded to pop1's transmitter after set-up, in order.
async fn steps(bed: &Testbed) -> Vec<i16> {
    let commands = bed.commands("config_vOp2", "POP1-POP2-1").await;
    commands
        .iter()
        .filter_map(|(key, command)| match &command.action {
            Action::Reconfigure { endpoints, .. } => {
                assert_eq!(key, "pop1-router1", "the transmitter opposite the degraded receiver");
                endpoints[0].tx_power.map(ipowdm_core::units::Power::hundredths)
            }
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn s0_13_trigger_on_the_third_sample_and_again_after_each_cooldown_then_stop_and_alarm() {
    let (bed, controller) = lit_with(absolute()).await;
    let mut events = controller.events();
    tick(&bed, 170).await;
    tick(&bed, 170).await;
    assert!(steps(&bed).await.is_empty());
    assert_eq!(state(&controller), State::Active);
    tick(&bed, 170).await;
    assert_eq!(steps(&bed).await, [-100], "1 dB more at the far transmitter");
    assert_eq!(state(&controller), State::Degraded, "acknowledged, and still bad");
    assert_eq!(bed.agent("pop1").port("Ethernet48").tx_power, power(-100));
    // 20 s are not over after six more samples.
    for _ in 0..6 {
        tick(&bed, 170).await;
        assert_eq!(steps(&bed).await.len(), 1);
    }
    tick(&bed, 170).await;
    assert_eq!(steps(&bed).await, [-100, 0], "again after the cooldown, clamped at the module's limit");
    for _ in 0..30 {
        tick(&bed, 170).await;
    }
    assert_eq!(steps(&bed).await, [-100, 0], "at the limit the third attempt has nothing to change");
    let qot = controller.qot(&id("POP1-POP2-1")).unwrap();
    assert_eq!((qot.level, qot.acting, qot.alarm), (Level::Degraded, true, true));
    let mut alarms = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let ControllerEvent::QualityAlarm { attempts, .. } = event {
            alarms.push(attempts);
        }
    }
    assert_eq!(alarms, [3], "once");
}

#[tokio::test(start_paused = true)]
async fn s0_13_a_reconfiguration_is_on_the_wire_for_each_of_three_attempts_and_never_a_fourth() {
    let qot = QotConfig { step: Db::from_hundredths(50), ..absolute() };
    let (bed, controller) = lit_with(qot).await;
    for _ in 0..40 {
        tick(&bed, 170).await;
    }
    assert_eq!(steps(&bed).await, [-150, -100, -50]);
    assert_eq!(controller.metrics().steps, 3);
    assert_eq!(controller.metrics().alarms, 1);
    assert_eq!(controller.metrics().step_published_us.count, 3, "timed up to the confirmed publication");
}

#[tokio::test(start_paused = true)]
async fn s0_13_recovery_closes_the_episode_and_the_next_one_has_its_attempts_again() {
    let qot = QotConfig { step: Db::from_hundredths(10), ..absolute() };
    let (bed, controller) = lit_with(qot).await;
    for _ in 0..40 {
        tick(&bed, 170).await;
    }
    assert_eq!(steps(&bed).await.len(), 3);
    for _ in 0..3 {
        tick(&bed, 250).await;
    }
    assert_eq!(state(&controller), State::Active);
    assert!(!controller.qot(&id("POP1-POP2-1")).unwrap().alarm);
    for _ in 0..3 {
        tick(&bed, 170).await;
    }
    assert_eq!(steps(&bed).await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn s0_13_a_wall_clock_jump_changes_nothing() {
    let (bed, _controller) = lit_with(QotConfig { step: Db::from_hundredths(10), ..absolute() }).await;
    let mut times = Vec::new();
    for sample in 1..=30 {
        bed.wall.jump(if sample % 2 == 0 { 3_600_000 } else { -3_600_000 });
        tick(&bed, 170).await;
        if steps(&bed).await.len() > times.len() {
            times.push(sample);
        }
    }
    assert_eq!(times, [3, 10, 17]);
}

#[tokio::test(start_paused = true)]
async fn s0_13_a_restart_keeps_cooldown_and_attempts_and_replays_nothing() {
    let (mut bed, controller) = lit_with(QotConfig { step: Db::from_hundredths(10), ..absolute() }).await;
    for _ in 0..3 {
        tick(&bed, 170).await;
    }
    assert_eq!(steps(&bed).await.len(), 1);
    for _ in 0..2 {
        tick(&bed, 170).await;
    }
    drop(controller);
    bed.crash();
    // Samples of the time without a controller are replayed to the next one, and do not count.
    for _ in 0..20 {
        tick(&bed, 170).await;
    }
    bed.start().await;
    let controller = bed.controller("vOp2");
    calm().await;
    assert_eq!(steps(&bed).await.len(), 1, "nothing was triggered by the replay");
    let mut after = Vec::new();
    for sample in 1..=30 {
        tick(&bed, 170).await;
        if steps(&bed).await.len() > 1 + after.len() {
            after.push(sample);
        }
    }
    assert_eq!(after.len(), 2, "three attempts in all: {after:?}");
    assert!(after[0] >= 2, "the cooldown goes on: {after:?}");
    assert!(controller.qot(&id("POP1-POP2-1")).unwrap().alarm);
}

#[tokio::test(start_paused = true)]
async fn s0_13_the_operators_limits_clamp_the_step_at_both_ends() {
    let range = PowerRange { min: power(-260), max: power(-130) };
    let (bed, _controller) = lit_with(QotConfig { tx_power: Some(range), ..absolute() }).await;
    for _ in 0..12 {
        tick(&bed, 170).await;
    }
    assert_eq!(steps(&bed).await, [-130]);
    let down = QotConfig { tx_power: Some(range), step: Db::from_hundredths(-100), ..absolute() };
    let (bed, _controller) = lit_with(down).await;
    for _ in 0..12 {
        tick(&bed, 170).await;
    }
    assert_eq!(steps(&bed).await, [-260]);
}

#[tokio::test(start_paused = true)]
async fn s0_14_osnr_and_ber_in_one_sample_count_once() {
    let (bed, _controller) = lit_with(absolute()).await;
    let both = TelemetryFields {
        osnr: Some(Db::from_tenths(160)),
        ber: Ber::new(5, -3),
        ..TelemetryFields::default()
    };
    for _ in 0..2 {
        bed.agent("pop2").sample("Ethernet48", both.clone()).await;
        tokio::time::sleep(TICK).await;
    }
    assert!(steps(&bed).await.is_empty());
    bed.agent("pop2").sample("Ethernet48", both).await;
    tokio::time::sleep(TICK).await;
    assert_eq!(steps(&bed).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn s0_12_margins_of_the_mode_judge_unless_thresholds_are_configured() {
    let (bed, controller) = lit_with(QotConfig::default()).await;
    // 24 dB are required by ZR400-OFEC-16QAM; 1 dB above it is the limit.
    for _ in 0..6 {
        tick(&bed, 250).await;
    }
    assert_eq!(controller.qot(&id("POP1-POP2-1")).unwrap().level, Level::Warning);
    for _ in 0..3 {
        tick(&bed, 249).await;
    }
    assert_eq!(controller.qot(&id("POP1-POP2-1")).unwrap().level, Level::Degraded);
    assert_eq!(steps(&bed).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn s0_13_modules_that_report_only_one_quantity_each_are_stepped_and_recover_by_it() {
    let nothing = TelemetryFields::default;
    let db = |tenths| Some(Db::from_tenths(tenths));
    // What ZR400-OFEC-16QAM is degraded and good at: 24 dB of OSNR, 12.7 dB of eSNR and a ratio of 2e-2 are its limits.
    let reported = [
        (TelemetryFields { osnr: db(249), ..nothing() }, TelemetryFields { osnr: db(270), ..nothing() }),
        (TelemetryFields { esnr: db(134), ..nothing() }, TelemetryFields { esnr: db(142), ..nothing() }),
        (
            TelemetryFields { ber: Ber::new(13, -3), ..nothing() },
            TelemetryFields { ber: Ber::new(5, -3), ..nothing() },
        ),
        (TelemetryFields { q_margin: db(6), ..nothing() }, TelemetryFields { q_margin: db(14), ..nothing() }),
    ];
    for (bad, good) in reported {
        let (bed, controller) = lit_with(QotConfig::default()).await;
        let level = || controller.qot(&id("POP1-POP2-1")).unwrap().level;
        for fields in [&nothing(), &bad, &bad] {
            bed.agent("pop2").sample("Ethernet48", fields.clone()).await;
            tokio::time::sleep(TICK).await;
            assert!(steps(&bed).await.is_empty(), "{fields:?}");
        }
        bed.agent("pop2").sample("Ethernet48", bad.clone()).await;
        tokio::time::sleep(TICK).await;
        assert_eq!(steps(&bed).await, [-100], "{bad:?}");
        assert_eq!((level(), state(&controller)), (Level::Degraded, State::Degraded));
        // What says nothing of the light's quality does not say that it is good.
        for _ in 0..4 {
            bed.agent("pop2").sample("Ethernet48", nothing()).await;
            tokio::time::sleep(TICK).await;
        }
        assert_eq!(level(), Level::Degraded);
        for _ in 0..3 {
            bed.agent("pop2").sample("Ethernet48", good.clone()).await;
            tokio::time::sleep(TICK).await;
        }
        assert_eq!((level(), state(&controller)), (Level::Good, State::Active), "{good:?}");
        assert_eq!(steps(&bed).await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_is_switched_off_judges_and_does_not_act() {
    let (bed, controller) = lit_with(QotConfig { enabled: false, ..absolute() }).await;
    for _ in 0..10 {
        tick(&bed, 170).await;
    }
    assert_eq!(state(&controller), State::Degraded);
    assert!(steps(&bed).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn samples_of_another_port_connection_or_tenant_are_not_judged() {
    let (bed, controller) = lit_with(absolute()).await;
    bed.agent("pop2").osnr("Ethernet48", 300).await;
    calm().await;
    let good = controller.qot(&id("POP1-POP2-1")).unwrap().ends.destination.last.unwrap().0;
    let sample = |seq: u64| {
        let fields = TelemetryFields { osnr: Some(Db::from_tenths(100)), ..TelemetryFields::default() };
        let agent = router("pop2", "router1").default_agent();
        let at = ipowdm_core::time::Timestamp(0);
        TelemetrySample::new(id("POP1-POP2-1"), agent, "Ethernet48".parse().unwrap(), at, fields)
            .numbered(1, seq)
    };
    for seq in 100..110 {
        let foreign = TelemetrySample { virtual_operator: Some(vop("vOp1")), ..sample(seq) };
        bed.agent("pop2").publish_sample(&foreign).await;
        let port = TelemetrySample { interface: "Ethernet56".parse().unwrap(), ..sample(seq) };
        bed.agent("pop2").publish_sample(&port).await;
        let other = TelemetrySample { connection_id: id("NOBODY"), ..sample(seq) };
        bed.agent("pop2").publish_sample(&other).await;
    }
    calm().await;
    assert_eq!(controller.metrics().samples_unknown, 30);
    let last = controller.qot(&id("POP1-POP2-1")).unwrap().ends.destination.last.unwrap().0;
    assert_eq!(last, good);
    assert_eq!(state(&controller), State::Active);
}

#[tokio::test(start_paused = true)]
async fn samples_that_stay_away_while_the_agent_is_heard_are_told_counted_and_shown() {
    let (bed, controller) = lit_with(absolute()).await;
    let mut events = controller.events();
    let stale = || {
        let qot = controller.qot(&id("POP1-POP2-1")).unwrap();
        (qot.ends.source.stale, qot.ends.destination.stale)
    };
    for _ in 0..10 {
        bed.agent("pop1").osnr("Ethernet48", 300).await;
        tick(&bed, 300).await;
    }
    assert_eq!(stale(), (false, false));
    for _ in 0..10 {
        tick(&bed, 300).await;
    }
    assert_eq!(stale(), (true, false), "five intervals without a sample");
    assert_eq!(state(&controller), State::Active, "nothing is concluded from it");
    assert_eq!(controller.metrics().telemetry_stale, 1);
    bed.agent("pop1").osnr("Ethernet48", 300).await;
    tick(&bed, 300).await;
    assert_eq!(stale(), (false, false));
    // Where the agent is not heard either, that is what is told.
    bed.agent("pop2").silence(true);
    tokio::time::sleep(MINUTE * 3).await;
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let ControllerEvent::Telemetry { end, stale, .. } = event {
            told.push((end, stale));
        }
    }
    use ipowdm_core::qot::End::{Destination, Source};
    assert_eq!(told[..2], [(Source, true), (Source, false)]);
    assert!(told[2..].iter().all(|(_, stale)| *stale), "{told:?}");
    assert!(told[2..].contains(&(Source, true)) && told[2..].contains(&(Destination, true)));
}

#[tokio::test(start_paused = true)]
async fn the_light_of_an_end_that_somebody_else_darkened_is_dark() {
    let (bed, controller) = lit_with(absolute()).await;
    let light = || controller.connection(&id("POP1-POP2-1")).unwrap().ends.destination.light;
    let path =
        |state: &str| TelemetryFields { data_path_state: Some(state.into()), ..TelemetryFields::default() };
    for (state, seen) in [("DPDeactivated", Light::Dark), ("DPActivated", Light::Lit)] {
        for _ in 0..2 {
            bed.agent("pop2").sample("Ethernet48", path(state)).await;
            calm().await;
        }
        assert_eq!(light(), seen);
    }
    assert_eq!(state(&controller), State::Active);
}
