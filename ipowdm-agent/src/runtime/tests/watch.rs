//! Statistics and verdicts of the agent's own.

use super::*;
use crate::quality::QualityConfig;
use ipowdm_cmis::line::{Direction, Impairment, LineParameters, OpticalLine};
use ipowdm_core::msg::{HealthStatus, Outcome};
use ipowdm_core::qot::Level;
use ipowdm_core::units::{Db, Length};

/// Both ends of one connection at this switch, over a line of one span.
async fn looped(quality: Option<QualityConfig>) -> (Bench, OpticalLine) {
    let mut bench = Bench::new(&[Profile::OPENZRP, Profile::OPENZRP]).await;
    bench.config.quality = quality;
    let parameters = LineParameters::amplified(1, Length::from_metres(80_000));
    let line = OpticalLine::connect(&bench.ports[0].module, &bench.ports[1].module, parameters).unwrap();
    bench.start().await;
    let second = r#",{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet56","frequency":193.1,"tx_power_level":-2.0}]"#;
    bench.send(&GUIDE.replace("]", second)).await;
    assert_eq!(bench.ack(2).await.outcome, Outcome::Applied);
    (bench, line)
}

/// The last heartbeat: what is said of the first port, and what it complains of.
async fn told(bench: &Bench) -> (Option<Level>, HealthStatus, Vec<String>) {
    let health = bench.healths().await.pop().unwrap();
    (health.interfaces[0].quality, health.status, health.issues)
}

#[tokio::test(start_paused = true)]
async fn a_dump_tells_each_port_with_its_statistics_and_the_age_of_each_value() {
    let (bench, _line) = looped(None).await;
    bench.sleep(60_000).await;
    let ack = bench.command(r#"{"action":"dump","command_id":"d","target_agent":"pop1-router1"}"#).await;
    assert_eq!((ack.action.as_str(), ack.outcome), ("dump", Outcome::Applied));
    bench.sleep(100).await;
    let dumps = bench.dumps().await;
    assert_eq!(dumps.len(), 2);
    for (dump, port) in dumps.iter().zip(&bench.ports) {
        assert_eq!((&dump.interface, dump.virtual_operator.as_str()), (&port.name, "vOp2"));
        assert_eq!(dump.connection_id.as_ref().unwrap().as_str(), "POP1-POP2-1");
        assert!(dump.module.as_ref().unwrap().contains("IPOWDM-EMU"), "{:?}", dump.module);
        assert!(dump.age_ms.unwrap() <= 3_000 && dump.fields.osnr.is_some());
        assert_eq!(dump.windows.iter().map(|window| window.seconds).collect::<Vec<_>>(), [10, 60, 900]);
        let samples: Vec<u32> = dump.windows.iter().map(|window| window.values["osnr"].samples).collect();
        assert!(
            (3..=4).contains(&samples[0]) && (18..=21).contains(&samples[1]) && samples[2] >= samples[1],
            "{samples:?}"
        );
        let osnr = &dump.windows[1].values["osnr"];
        assert!((osnr.instant - dump.fields.osnr.unwrap().value()).abs() < 1e-9);
        assert!(osnr.min <= osnr.avg && osnr.avg <= osnr.max && osnr.age_ms <= 3_000, "{osnr:?}");
    }
    assert_eq!(bench.status().await.windows.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_degrades_is_told_at_once_until_it_recovers_and_no_power_is_touched() {
    let (bench, line) = looped(Some(QualityConfig::default())).await;
    bench.sleep(12_000).await;
    bench.command(r#"{"action":"healthCheck","command_id":"h"}"#).await;
    assert_eq!(told(&bench).await, (Some(Level::Good), HealthStatus::Healthy, Vec::new()));
    let writes = bench.writes();
    let heartbeats = bench.healths().await.len();

    line.set_impairment(Direction::BToA, Impairment::noise(Db::from_hundredths(2_000)));
    bench.sleep(15_000).await;
    let (level, status, issues) = told(&bench).await;
    assert!(bench.healths().await.len() > heartbeats, "a heartbeat of its own, long before the next is due");
    assert!(level >= Some(Level::Degraded) && status == HealthStatus::Degraded, "{level:?} {status:?}");
    assert!(issues[0].starts_with("Ethernet48: the signal of POP1-POP2-1 is "), "{issues:?}");

    line.set_impairment(Direction::BToA, Impairment::NONE);
    bench.sleep(30_000).await;
    assert_eq!(told(&bench).await, (Some(Level::Good), HealthStatus::Healthy, Vec::new()));
    assert_eq!(bench.writes(), writes, "powers are the controller's");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_quality_unless_it_is_asked_for() {
    let (bench, line) = looped(None).await;
    line.set_impairment(Direction::BToA, Impairment::noise(Db::from_hundredths(2_000)));
    bench.sleep(60_000).await;
    let (level, _, issues) = told(&bench).await;
    assert_eq!(level, None);
    assert!(!issues.iter().any(|issue| issue.contains("signal of")), "{issues:?}");
}
