//! The quality loop on modules that report one quantity each: what a receiver does not say keeps nothing from being done.
//!
//! Emulated modules, agents, bus and controller are as in the lab; only what the modules advertise is less.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests state what they expect")]

use ipowdm_cmis::codes::Observable;
use ipowdm_cmis::emulator::Profile;
use ipowdm_core::ids::{ConnectionId, PortRef};
use ipowdm_core::msg::TelemetryFields;
use ipowdm_core::qot::Level;
use ipowdm_core::units::Db;
use ipowdm_ctl_lib::connection::State;
use ipowdm_ctl_lib::controller::ControllerHandle;
use ipowdm_examples::lab::cases;
use ipowdm_examples::lab::fill;
use ipowdm_examples::lab::options::Options;
use ipowdm_examples::lab::world::Lab;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

const QUALITY: [Observable; 5] = [
    Observable::Osnr,
    Observable::Esnr,
    Observable::PreFecBerMedia,
    Observable::QMargin,
    Observable::QFactor,
];

/// An OpenZR+ module that advertises of its quality only this.
fn reporting(only: Observable) -> Profile {
    let others: Vec<u8> = QUALITY.into_iter().filter(|o| *o != only).map(Observable::code).collect();
    Profile::OPENZRP
        .altered(|profile| {
            for group in &mut profile.vdm.as_mut().unwrap().groups {
                group.instances.retain(|instance| !others.contains(&instance.observable));
            }
        })
        .unwrap()
}

/// Whether a sample says this of the quality, and nothing else.
fn says_only(only: Observable, fields: &TelemetryFields) -> bool {
    let said = [
        (Observable::Osnr, fields.osnr.is_some()),
        (Observable::Esnr, fields.esnr.is_some()),
        (Observable::PreFecBerMedia, fields.ber.is_some()),
        (Observable::QMargin, fields.q_margin.is_some()),
        (Observable::QFactor, fields.q_factor.is_some()),
    ];
    said.into_iter().all(|(quantity, is_said)| is_said == (quantity == only))
}

/// Waits until so many more samples of a port's receiver have gone by.
async fn samples(lab: &Lab, id: &ConnectionId, port: &PortRef, count: usize) {
    let (since, agent) = (Instant::now(), port.router().default_agent());
    let seen = lab.observer.wait_for(PATIENCE, |seen| {
        let of_port = seen.samples(id, since).filter(|sample| sample.agent_id == agent).count();
        (of_port >= count).then_some(())
    });
    assert!(seen.await.is_some(), "{id}: no telemetry of {port}");
}

async fn becomes(lab: &Lab, controller: &ControllerHandle, id: &ConnectionId, level: Level, state: State) {
    let seen = lab.observer.wait_for(PATIENCE, |_| {
        let qot = controller.qot(id).ok()?;
        (qot.level == level && qot.state == state).then_some(())
    });
    if seen.await.is_none() {
        panic!("not {level:?} and {state:?}: {:?}", controller.qot(id));
    }
}

/// A connection of modules that report one quantity is lit, degraded until the loop acts, and mended.
async fn judged_by(only: Observable) {
    let lab = Lab::start_with(&Options::for_tests(), &reporting(only)).await.unwrap();
    let case = cases::activation(&lab).await;
    assert!(case.passed, "{:?}", case.evidence);
    let tenant = &lab.plan.tenants[0];
    let controller = lab.controller(&tenant.vop).unwrap();
    let source = tenant.ports.first().unwrap().clone();
    let destination = tenant.ports.iter().find(|port| port.pop_id != source.pop_id).unwrap().clone();
    let id: ConnectionId = "Q-1".parse().unwrap();
    fill::light(controller.clone(), id.to_string(), source.clone(), destination.clone()).await.unwrap();
    becomes(&lab, &controller, &id, Level::Good, State::Active).await;
    samples(&lab, &id, &destination, 2).await;
    let since = Instant::now();
    let mut noise = 0;
    let stepped = loop {
        let step = lab.observer.look(|seen| seen.reconfigurations(&id, since).next().cloned());
        if let Some((_, command)) = step {
            break command;
        }
        noise += 150;
        assert!(noise < 2_000, "{only:?}: no step whatever the noise: {:?}", controller.qot(&id));
        assert!(lab.plant.degrade(&destination, Db::from_hundredths(noise)), "no line into {destination}");
        samples(&lab, &id, &destination, 4).await;
    };
    assert_eq!(
        stepped.action.endpoints()[0].port,
        source,
        "{only:?}: the transmitter opposite the bad receiver"
    );
    assert!(lab.plant.degrade(&destination, Db::from_hundredths(0)));
    becomes(&lab, &controller, &id, Level::Good, State::Active).await;
    let strange = lab.observer.look(|seen| {
        let quality = |fields: &TelemetryFields| {
            fields.q_factor.is_some() || fields.measured() != ipowdm_core::qot::Measured::default()
        };
        seen.samples(&id, since).find(|s| quality(&s.fields) && !says_only(only, &s.fields)).cloned()
    });
    assert_eq!(strange, None, "{only:?} alone is reported");
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_13_osnr_alone_makes_the_loop_act_and_recover() {
    judged_by(Observable::Osnr).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_13_esnr_alone_makes_the_loop_act_and_recover() {
    judged_by(Observable::Esnr).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_13_ber_alone_makes_the_loop_act_and_recover() {
    judged_by(Observable::PreFecBerMedia).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_13_q_margin_alone_makes_the_loop_act_and_recover() {
    judged_by(Observable::QMargin).await;
}
