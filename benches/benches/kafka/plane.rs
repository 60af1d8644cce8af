//! The control plane over each bus: set-ups, steps against degradation, and how much telemetry it takes in.

use crate::Session;
use crate::place::{Kind, Place};
use crate::table::{Row, ms};
use benches::control::{ingest, setup, step};

/// Set-ups measured.
const SETUPS: usize = 200;

const CLIENT: &str = "ours, control plane on 1 thread";

fn is_kafka(place: &Place) -> bool {
    matches!(place.kind, Kind::Kafka(_))
}

/// The row `setup`.
pub(crate) fn setup(_: &Session, place: &Place) -> Vec<Row> {
    let setup::Setups { control_ms, total_us, .. } = setup::measure(&place.words(), SETUPS);
    let seen = format!(
        "p50 {} ms, p99 {} ms, max {} ms, n = {}",
        control_ms.p50, control_ms.p99, control_ms.max, control_ms.count
    );
    let row = Row::of(place.kind.name(), "set-up, the control plane's part", CLIENT, "", seen);
    let row = row.noted(&format!(
        "created and set up p50 {:.1} ms, p99 {:.1} ms",
        ms(total_us.p50),
        ms(total_us.p99)
    ));
    let holds = control_ms.p50 <= 10 && control_ms.p99 <= 50;
    vec![if is_kafka(place) { row.owed("p50 <= 10 ms, p99 <= 50 ms", holds) } else { row }]
}

/// The row `step`.
pub(crate) fn step(_: &Session, place: &Place) -> Vec<Row> {
    let step::Steps { connections, published_us, .. } = step::measure(&place.words());
    let figure = |micros: Option<u64>| ms(micros.unwrap_or_default());
    let seen = format!(
        "p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms, n = {} of {connections} at once",
        figure(published_us.p50),
        figure(published_us.p99),
        figure(published_us.max),
        published_us.count
    );
    vec![Row::of(place.kind.name(), "3rd bad sample to command on the bus", CLIENT, "", seen)]
}

/// The row `ingest`.
pub(crate) fn ingest(_: &Session, place: &Place) -> Vec<Row> {
    let found = ingest::measure(&place.words());
    let seen = format!(
        "{:.0} a second of its core; {:.0} a second ({} of {:.0} bytes)",
        found.per_core_second(),
        found.per_second(),
        found.samples,
        found.bytes_each
    );
    let row = Row::of(place.kind.name(), "samples decoded, judged and kept", CLIENT, "", seen);
    let holds = found.per_core_second() >= 100_000.0;
    vec![if is_kafka(place) { row.owed(">= 100 000 a second of one core", holds) } else { row }]
}
