//! Case 3: a line degrades, the loop raises the far transmitter, the connection recovers.

use super::setup::Lit;
use super::{PATIENCE, millis};
use crate::lab::report::{Case, Narrator};
use crate::lab::world::Lab;
use core::time::Duration;
use ipowdm_core::ids::ConnectionId;
use ipowdm_core::msg::{Command, CommandAck, TelemetrySample};
use ipowdm_core::qot::{End, Level};
use ipowdm_core::units::{Db, Power};
use ipowdm_ctl_lib::connection::State;
use ipowdm_ctl_lib::controller::ControllerHandle;
use std::time::Instant;

/// How far below the threshold of DEGRADED the line is pushed: enough for every sample in spite of measurement noise, and
/// little enough for one step of 1 dB to bring it back.
const BELOW_THRESHOLD: Db = Db::from_hundredths(25);

/// OSNR of the emulated transmitters: what no line noise can better.
const TRANSMITTER_OSNR_DB: f64 = 36.0;

/// Degrades the light into the destination of a connection.
pub async fn play(lab: &Lab, which: Option<&Lit>) -> Case {
    let mut say =
        Narrator::begin(3, "a line degrades, the loop raises the far transmitter, the connection recovers");
    let Some(which) = which else {
        say.fail("there is no connection to degrade");
        return say.end(0.0, 0.0);
    };
    let Some(controller) = lab.controller(&which.vop) else {
        say.fail("the tenant has no controller");
        return say.end(0.0, 0.0);
    };
    let id = &which.connection;
    let Some(baseline) = received(lab, which, Instant::now()).await else {
        say.fail(format!("{id}: no telemetry of the destination"));
        return say.end(0.0, 0.0);
    };
    let Some(threshold) = controller.qot(id).ok().and_then(|qot| qot.rule.thresholds.degraded.osnr_below)
    else {
        say.fail(format!("{id}: the rule has no OSNR threshold"));
        return say.end(0.0, 0.0);
    };
    let (source_power, others) = powers(&controller, id);
    let (Some(osnr), Some(before)) = (baseline.fields.osnr, source_power) else {
        say.fail(format!("{id}: no OSNR or no transmit power to begin with"));
        return say.end(0.0, 0.0);
    };
    say.observe(
        "osnr_before_db",
        osnr.value(),
        format!("{id}: {} receives OSNR {osnr}; DEGRADED is below {threshold}", baseline.agent_id),
    );
    say.observe("tx_power_before_dbm", before.value(), format!("{id}: {} transmits {before}", which.ports.0));
    let noise = added_noise(osnr, threshold.minus(BELOW_THRESHOLD));
    let since = Instant::now();
    let degraded = lab.plant.degrade(&which.ports.1, noise);
    say.expect(
        "line_degraded",
        degraded,
        format!("the plant adds {noise} of noise to the fibre into {}", which.ports.1),
    );
    let control_plane = repair(lab, which, since, before, &mut say).await;
    recovery(lab, which, &controller, (before, others), since, &mut say).await;
    let metrics = controller.metrics();
    say.observe(
        "step_published_us",
        metrics.step_published_us.p99,
        format!(
            "{id}: bad sample to command on the bus took {} us",
            metrics.step_published_us.p99.unwrap_or(0)
        ),
    );
    say.end(control_plane.0, control_plane.1)
}

/// The noise figure rise that takes a received OSNR to `target`. The transmitter's own noise stays.
fn added_noise(osnr: Db, target: Db) -> Db {
    let inverse = |db: f64| 10_f64.powf(-db / 10.0);
    let line = |total: Db| inverse(total.value()) - inverse(TRANSMITTER_OSNR_DB);
    Db::from_number(10.0 * (line(target) / line(osnr)).log10()).unwrap_or(Db::from_hundredths(0))
}

/// The next sample of the destination after `since`.
async fn received(lab: &Lab, which: &Lit, since: Instant) -> Option<TelemetrySample> {
    let port = &which.ports.1;
    let agent = port.router().default_agent();
    lab.observer
        .wait_for(PATIENCE, |seen| {
            let mut samples = seen.samples(&which.connection, since);
            samples.find(|sample| sample.agent_id == agent && sample.fields.osnr.is_some()).cloned()
        })
        .await
}

/// Transmit power of the source and of the destination as last read back.
fn powers(controller: &ControllerHandle, id: &ConnectionId) -> (Option<Power>, Option<Power>) {
    match controller.connection(id) {
        Ok(view) => (view.ends.get(End::Source).tx_power, view.ends.get(End::Destination).tx_power),
        Err(_) => (None, None),
    }
}

/// Watches the bad samples, the command and the ack go by; control-plane and module milliseconds.
async fn repair(lab: &Lab, which: &Lit, since: Instant, before: Power, say: &mut Narrator) -> (f64, f64) {
    let id = &which.connection;
    let command =
        lab.observer.wait_for(PATIENCE, |seen| seen.reconfigurations(id, since).next().cloned()).await;
    let Some((commanded_at, command)) = command else {
        say.expect("reconfigured", false, format!("{id}: no reconfigConnection on the bus"));
        return (0.0, 0.0);
    };
    let wanted = wanted_power(&command);
    let at_source = command.action.endpoints().first().is_some_and(|endpoint| endpoint.port == which.ports.0);
    say.expect(
        "reconfigured",
        at_source && wanted.is_some_and(|power| power > before),
        format!(
            "{id}: reconfigConnection tells {} to transmit {} (was {before})",
            which.ports.0,
            text(wanted)
        ),
    );
    let agent = which.ports.1.router().default_agent();
    let bad = lab.observer.look(|seen| {
        let in_time = seen.telemetry.iter().filter(|(at, sample)| {
            *at >= since && *at <= commanded_at && sample.connection_id == *id && sample.agent_id == agent
        });
        in_time.map(|(at, sample)| (*at, sample.fields.osnr)).collect::<Vec<_>>()
    });
    let line = format!(
        "{id}: {} samples of the receiver since then, the last {}",
        bad.len(),
        bad.last().and_then(|b| b.1).map_or_else(|| "without OSNR".to_owned(), |osnr| osnr.to_string())
    );
    say.observe("samples_until_command", bad.len(), line);
    let latency = bad.last().map_or(Duration::ZERO, |(at, _)| commanded_at.saturating_duration_since(*at));
    let ack: Option<CommandAck> = lab
        .observer
        .wait_for(PATIENCE, |seen| {
            seen.acks_of(id, since).find(|ack| Some(&ack.command_id) == command.command_id.as_ref()).cloned()
        })
        .await;
    let read = ack.as_ref().and_then(|ack| ack.details.readback.as_ref()).and_then(|r| r.tx_power_dbm);
    let writes = ack.as_ref().and_then(|ack| ack.details.register_writes);
    say.expect(
        "power_read_back",
        read.is_some() && read == wanted,
        format!(
            "{id}: {} read back {} after {} register writes",
            which.ports.0,
            text(read),
            writes.unwrap_or(0)
        ),
    );
    say.observe(
        "register_writes",
        writes,
        format!("{id}: {} state-changing register writes", writes.unwrap_or(0)),
    );
    say.expect("power_only", writes == Some(1), "one register was written: no tuning, no re-initialisation");
    let module = ack.and_then(|ack| ack.details.module_ms).unwrap_or(0);
    (millis(latency), u32::try_from(module).map_or(f64::from(u32::MAX), f64::from))
}

fn text(power: Option<Power>) -> String {
    power.map_or_else(|| "unknown".to_owned(), |power| power.to_string())
}

fn wanted_power(command: &Command) -> Option<Power> {
    command.action.endpoints().first().and_then(|endpoint| endpoint.tx_power)
}

/// Waits until the controller sees the connection well again.
async fn recovery(
    lab: &Lab,
    which: &Lit,
    controller: &ControllerHandle,
    before: (Power, Option<Power>),
    since: Instant,
    say: &mut Narrator,
) {
    let id = &which.connection;
    let started = Instant::now();
    let well = || {
        controller
            .qot(id)
            .is_ok_and(|qot| qot.state == State::Active && qot.level < Level::Degraded && !qot.acting)
    };
    while !well() && started.elapsed() < PATIENCE * 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let sample = received(lab, which, Instant::now()).await;
    let osnr = sample.and_then(|sample| sample.fields.osnr);
    say.expect(
        "recovered",
        well(),
        format!("{id}: ACTIVE again, OSNR {}", osnr.map_or_else(|| "unknown".to_owned(), |o| o.to_string())),
    );
    let (source, destination) = powers(controller, id);
    say.expect(
        "only_the_far_transmitter_moved",
        source.is_some_and(|power| power > before.0) && destination == before.1,
        "the transmitter opposite the degraded receiver was stepped, the other one was left alone",
    );
    let steps = lab.observer.look(|seen| seen.reconfigurations(id, since).count());
    say.observe("steps", steps, format!("{id}: {steps} reconfigConnection in this episode"));
    let dark = lab.observer.look(|seen| {
        let states = seen.samples(id, since).filter_map(|sample| sample.fields.data_path_state.as_deref());
        states.filter(|state| *state != ipowdm_core::msg::DATA_PATH_ACTIVATED).count()
    });
    say.expect("light_stayed_on", dark == 0, format!("{id}: every sample since then says DPActivated"));
    say.observe("osnr_after_db", osnr.map(Db::value), format!("{id}: transmits {}", text(source)));
    say.observe(
        "tx_power_after_dbm",
        source.map(Power::value),
        format!("{id}: far end at {}", text(destination)),
    );
}
