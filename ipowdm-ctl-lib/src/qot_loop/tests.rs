use super::*;
use ipowdm_core::modes::by_media_code;
use ipowdm_core::qot::{Limits, Measured};
use ipowdm_core::units::{Ber, Frequency};
use serde_json::json;

const D: End = End::Destination;

fn power(hundredths: i16) -> Power {
    Power::from_hundredths(hundredths)
}

fn sample(seq: u64, fields: TelemetryFields) -> TelemetrySample {
    let base = json!({
        "connection_id": "C-1", "agent_id": "pop2-router1", "interface": "Ethernet48",
        "timestamp": 1.0, "fields": {}
    });
    let mut sample: TelemetrySample = {
        let mut value = base;
        value["type"] = json!("telemetrySample");
        serde_json::from_value(value).unwrap()
    };
    sample.fields = fields;
    sample.numbered(7, seq)
}

fn osnr(tenths: i16) -> TelemetryFields {
    TelemetryFields { osnr: Some(Db::from_tenths(tenths)), ..TelemetryFields::default() }
}

/// A loop with the reference's thresholds on a test clock, a sample every 3 s.
struct Bench {
    qot: QotLoop,
    config: QotConfig,
    wanted: Wanted,
    troubles: Troubles,
    light: Light,
    level: Level,
    judged: bool,
    fresh: bool,
    now: Millis,
    seq: u64,
}

impl Bench {
    fn new() -> Self {
        let wanted = Wanted { frequency: Frequency::ANCHOR, tx_power: Some(power(-200)), media_code: 0x46 };
        Self {
            qot: QotLoop::default(),
            config: QotConfig { thresholds: Some(Thresholds::reference()), ..QotConfig::default() },
            wanted,
            troubles: Troubles::default(),
            light: Light::Lit,
            level: Level::Good,
            judged: true,
            fresh: true,
            now: Millis(1_000_000),
            seq: 0,
        }
    }

    fn see(&mut self, sample: &TelemetrySample) -> Vec<Finding> {
        self.now = self.now.plus(3_000);
        let rule = self.config.rule(by_media_code(0x46).unwrap());
        let context = Context {
            rule: &rule,
            wanted: &self.wanted,
            troubles: self.troubles,
            light: self.light,
            level: self.level,
            judged: self.judged,
            fresh: self.fresh,
            max_age_ms: self.config.max_age_ms,
        };
        let findings = self.qot.observe(self.now, D, sample.clone(), self.seq, &context);
        for finding in &findings {
            match finding {
                Finding::Level(level) => self.level = *level,
                Finding::LossOfSignal => self.troubles.loss_of_signal = true,
                Finding::SignalBack => self.troubles.loss_of_signal = false,
                Finding::ForeignChange => self.troubles.unverified = true,
                Finding::Conforming => self.troubles.unverified = false,
                Finding::Light(light) => self.light = *light,
                Finding::Request(_) => {}
            }
        }
        findings
    }

    fn next(&mut self, fields: TelemetryFields) -> Vec<Finding> {
        self.seq += 1;
        let sample = sample(self.seq, fields);
        self.see(&sample)
    }
}

fn step(attempt: u8) -> Finding {
    Finding::Request(Request::Step { attempt, source: true, destination: false })
}

#[test]
fn s0_13_the_third_sample_tells_the_level_and_asks_for_a_step_of_the_far_transmitter() {
    let mut bench = Bench::new();
    assert_eq!(bench.next(osnr(170)), []);
    assert_eq!(bench.next(osnr(170)), []);
    assert_eq!(bench.next(osnr(170)), [Finding::Level(Level::Degraded), step(1)]);
    assert_eq!(bench.qot.level_at(D), Level::Degraded);
    assert_eq!(bench.qot.level_at(End::Source), Level::Good);
}

#[test]
fn s0_13_a_stored_loop_keeps_its_cooldown_its_attempts_and_what_it_has_seen() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.next(osnr(170));
    }
    let bytes = postcard::to_stdvec(bench.qot.state()).unwrap();
    bench.qot = QotLoop::resumed(postcard::from_bytes(&bytes).unwrap());
    let old = sample(bench.seq, osnr(170));
    assert_eq!(bench.see(&old), [], "counted before the restart");
    let mut steps = Vec::new();
    for n in 1..=30 {
        if let Some(Finding::Request(request)) = bench.next(osnr(170)).last() {
            steps.push((n, *request));
        }
    }
    let request = |attempt| Request::Step { attempt, source: true, destination: false };
    // 20 s of cooldown are 7 samples; one of them was the repeated one.
    assert_eq!(steps, [(6, request(2)), (13, request(3)), (20, Request::Alarm { attempts: 3 })]);
}

#[test]
fn replayed_late_and_unjudged_samples_never_count() {
    for spoil in [(|bench: &mut Bench| bench.fresh = false) as fn(&mut Bench), |bench| bench.judged = false] {
        let mut bench = Bench::new();
        spoil(&mut bench);
        for _ in 0..10 {
            assert_eq!(bench.next(osnr(100)), []);
        }
        (bench.fresh, bench.judged) = (true, true);
        let old = sample(bench.seq, osnr(100));
        assert_eq!(bench.see(&old), []);
        assert_eq!((bench.qot.counts().passed_over, bench.qot.counts().repeated), (10, 1));
        assert_eq!(bench.next(osnr(100)), [], "the count begins anew");
    }
    let mut bench = Bench::new();
    for _ in 0..10 {
        bench.seq += 1;
        let late = TelemetrySample { age_ms: Some(10_001), ..sample(bench.seq, osnr(100)) };
        assert_eq!(bench.see(&late), []);
    }
}

#[test]
fn a_forged_sample_with_absurd_numbers_does_not_blind_the_loop() {
    for (boot_id, seq) in [(u64::MAX, u64::MAX), (7, u64::MAX), (8, 0)] {
        let mut bench = Bench::new();
        assert_eq!(bench.next(osnr(300)), []);
        let forged = sample(0, osnr(300)).numbered(boot_id, seq);
        assert_eq!(bench.see(&forged), []);
        assert_eq!(bench.see(&forged), []);
        assert_eq!(bench.qot.counts().repeated, 1);
        bench.next(osnr(170));
        bench.next(osnr(170));
        assert_eq!(bench.next(osnr(170)), [Finding::Level(Level::Degraded), step(1)]);
    }
}

#[test]
fn a_sample_without_a_number_is_counted_by_its_place_in_the_log() {
    let mut bench = Bench::new();
    let bare = TelemetrySample { boot_id: None, seq: None, ..sample(1, osnr(170)) };
    for _ in 0..2 {
        bench.seq += 1;
        assert_eq!(bench.see(&bare), []);
        assert_eq!(bench.see(&bare), []);
    }
    assert_eq!(bench.qot.counts().repeated, 2);
    bench.seq += 1;
    assert_eq!(bench.see(&bare).len(), 2);
}

#[test]
fn loss_of_signal_and_foreign_changes_need_two_samples_and_end_with_one() {
    let mut bench = Bench::new();
    let lost = |lost| TelemetryFields { rx_los: Some(lost), ..TelemetryFields::default() };
    assert_eq!(bench.next(lost(true)), []);
    assert_eq!(bench.next(lost(true)), [Finding::LossOfSignal]);
    assert_eq!(bench.next(lost(true)), []);
    assert_eq!(bench.next(lost(false)), [Finding::SignalBack]);
    assert_eq!(bench.next(lost(true)), []);
    assert_eq!(bench.next(lost(false)), []);

    let set = |hundredths| TelemetryFields {
        tx_power_configured: Some(power(hundredths)),
        ..TelemetryFields::default()
    };
    assert_eq!(bench.next(set(-300)), []);
    assert_eq!(bench.next(TelemetryFields::default()), [], "absent says nothing");
    assert_eq!(bench.next(set(-300)), [Finding::ForeignChange]);
    assert_eq!(bench.next(set(-200)), [Finding::Conforming]);
}

#[test]
fn light_that_is_not_as_known_needs_two_samples() {
    let mut bench = Bench::new();
    let path =
        |state: &str| TelemetryFields { data_path_state: Some(state.into()), ..TelemetryFields::default() };
    assert_eq!(bench.next(path("DPActivated")), []);
    assert_eq!(bench.next(path("DPDeactivated")), []);
    assert_eq!(bench.next(path("DPDeactivated")), [Finding::ForeignChange, Finding::Light(Light::Dark)]);
    assert_eq!(bench.next(path("DPDeactivated")), []);
    assert_eq!(bench.next(path("DPTxTurnOn")), [], "on its way");
    assert_eq!(
        bench.next(path("DPActivated")),
        [Finding::Light(Light::Lit), Finding::Conforming],
        "as wanted again, which a dark end is not"
    );
    assert_eq!(bench.next(path("DPActivated")), []);
}

#[test]
fn an_end_that_should_be_sampled_and_is_not_is_stale_until_a_sample_comes() {
    let both = Ends { source: true, destination: true };
    let mut bench = Bench::new();
    let start = bench.now;
    assert_eq!(bench.qot.look(start, both, 3_000), []);
    assert_eq!(bench.qot.look(start.plus(14_999), both, 3_000), []);
    bench.now = start.plus(9_000);
    bench.next(osnr(300));
    // The destination was heard 12 s after the start, the source never.
    assert_eq!(bench.qot.look(start.plus(15_000), both, 3_000), [(End::Source, true)]);
    assert!(bench.qot.is_stale(End::Source) && !bench.qot.is_stale(D));
    assert_eq!(bench.qot.look(start.plus(16_000), both, 3_000), [], "told once");
    bench.fresh = false;
    bench.next(osnr(300));
    assert_eq!(bench.qot.look(start.plus(27_000), both, 3_000), [(D, true)], "a replayed sample is none");
    bench.fresh = true;
    bench.next(osnr(300));
    assert_eq!(bench.qot.look(bench.now, both, 3_000), [(D, false)]);
}

#[test]
fn silence_counts_from_when_samples_are_expected_and_not_below_ten_seconds() {
    let (both, nothing) = (Ends { source: true, destination: true }, Ends::default());
    let mut qot = QotLoop::default();
    let at = |ms| Millis(1_000_000).plus(ms);
    assert_eq!(qot.look(at(0), both, 100), []);
    assert_eq!(qot.look(at(9_999), both, 100), []);
    assert_eq!(qot.look(at(60_000), nothing, 100), [], "the agent is silent too: another matter");
    assert_eq!(qot.look(at(61_000), both, 100), []);
    assert_eq!(qot.look(at(70_999), both, 100), []);
    assert_eq!(qot.look(at(71_000), both, 100), [(End::Source, true), (D, true)]);
}

#[test]
fn s0_13_the_step_is_clamped_at_both_ends_and_stops_at_the_limit() {
    let range = |min, max| PowerRange { min: power(min), max: power(max) };
    let request = Request::Step { attempt: 1, source: true, destination: true };
    let current =
        |source, destination| Ends { source: Some(power(source)), destination: Some(power(destination)) };
    let allowed = Ends { source: Some(range(-1500, 0)), destination: Some(range(-1500, -150)) };
    let up = QotConfig::default();
    assert_eq!(up.step(&request, &current(-200, -200), &allowed), current(-100, -150));
    assert_eq!(
        up.step(&request, &current(-50, -150), &allowed),
        Ends { source: Some(power(0)), destination: None }
    );
    let down = QotConfig { step: Db::from_hundredths(-100), ..up };
    assert_eq!(
        down.step(&request, &current(-1450, -1500), &allowed),
        Ends { source: Some(power(-1500)), destination: None }
    );
    let own = QotConfig { tx_power: Some(range(-800, -170)), ..up };
    assert_eq!(own.step(&request, &current(-200, -200), &allowed), current(-170, -170));
    let nowhere = QotConfig { tx_power: Some(range(100, 200)), ..up };
    assert_eq!(nowhere.step(&request, &current(-200, -200), &allowed), Ends::default());
    let fixed = Ends { source: None, destination: None };
    assert_eq!(up.step(&request, &current(-200, -200), &fixed), Ends::default());
    let one = Request::Step { attempt: 1, source: false, destination: true };
    assert_eq!(up.step(&one, &current(-200, -300), &allowed).source, None);
}

#[test]
fn s0_12_absolute_thresholds_only_where_configured() {
    let mode = by_media_code(0x46).unwrap();
    let by_mode = QotConfig::default().rule(mode).thresholds;
    assert_eq!(by_mode, Thresholds::for_mode(mode));
    let absolute = QotConfig { thresholds: Some(Thresholds::reference()), ..QotConfig::default() };
    let rule = absolute.rule(mode).thresholds;
    assert_eq!(
        rule,
        Thresholds::reference().or(&by_mode),
        "a quantity that is not configured keeps its margin"
    );
    let of = |limits: Limits| (limits.osnr_below, limits.ber_above);
    assert_eq!(of(rule.degraded), of(Thresholds::reference().degraded));
    assert_eq!(rule.degraded.q_margin_below, by_mode.degraded.q_margin_below);
    let measured = Measured { ber: Ber::new(11, -4), ..Measured::default() };
    assert_eq!(absolute.rule(mode).thresholds.level(&measured), Some(Level::Degraded));
    assert_eq!(by_mode.level(&measured), Some(Level::Good));
}
