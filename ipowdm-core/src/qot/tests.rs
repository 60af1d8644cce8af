mod quantities;

use super::*;
use crate::modes::CATALOGUE;
use proptest::prelude::*;

fn rule() -> Rule {
    Rule::with_thresholds(Thresholds::reference())
}

fn osnr(tenths: i16) -> Measured {
    Measured { osnr: Some(Db::from_tenths(tenths)), ..Measured::default() }
}

fn ber(mantissa: u16, exponent: i8) -> Measured {
    Measured { ber: Ber::new(mantissa, exponent), ..Measured::default() }
}

/// A connection and a clock.
struct Bench {
    episode: Episode,
    rule: Rule,
    now: Millis,
}

impl Bench {
    fn new() -> Self {
        Self { episode: Episode::new(), rule: rule(), now: Millis(5_000_000) }
    }

    /// A sample 3 s after the last one.
    fn sample(&mut self, end: End, measured: Measured) -> Option<Request> {
        self.now = self.now.plus(3_000);
        self.episode.observe(&self.rule, self.now, end, &measured)
    }
}

#[test]
fn s0_12_each_boundary_on_both_sides() {
    let table = Thresholds::reference();
    for (measured, level) in [
        (osnr(200), Level::Good),
        (osnr(199), Level::Warning),
        (osnr(180), Level::Warning),
        (osnr(179), Level::Degraded),
        (osnr(150), Level::Degraded),
        (osnr(149), Level::Critical),
        (ber(10, -5), Level::Good),
        (ber(11, -5), Level::Warning),
        (ber(10, -4), Level::Warning),
        (ber(11, -4), Level::Degraded),
        (ber(10, -3), Level::Degraded),
        (ber(11, -3), Level::Critical),
    ] {
        assert_eq!(table.level(&measured), Some(level), "{measured:?}");
    }
    assert_eq!(table.level(&Measured::default()), None);
}

#[test]
fn s0_12_mode_margins_follow_the_mode() {
    for mode in CATALOGUE {
        let table = Thresholds::for_mode(mode);
        let at = |margin: i16| Measured {
            osnr: Some(mode.required_osnr.plus(Db::from_tenths(margin))),
            ..Measured::default()
        };
        assert_eq!(table.level(&at(20)), Some(Level::Good), "{}", mode.name);
        assert_eq!(table.level(&at(19)), Some(Level::Warning), "{}", mode.name);
        assert_eq!(table.level(&at(9)), Some(Level::Degraded), "{}", mode.name);
        assert_eq!(table.level(&at(2)), Some(Level::Critical), "{}", mode.name);
        let at_limit = Measured { ber: Some(mode.fec_limit), ..Measured::default() };
        assert_eq!(table.level(&at_limit), Some(Level::Critical), "{}", mode.name);
    }
}

#[test]
fn s0_13_triggers_on_the_third_then_after_each_cooldown_then_alarms_once() {
    let mut bench = Bench::new();
    let mut requests = std::vec::Vec::new();
    for i in 1..=60 {
        if let Some(request) = bench.sample(End::Destination, osnr(170)) {
            requests.push((i, request));
        }
    }
    let step = |attempt| Request::Step { attempt, source: true, destination: false };
    // Samples every 3 s: the first at or after 20 s of cooldown is the seventh.
    assert_eq!(requests, [(3, step(1)), (10, step(2)), (17, step(3)), (24, Request::Alarm { attempts: 3 })]);
}

#[test]
fn s0_13_never_twice_within_the_cooldown() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.sample(End::Source, osnr(100));
    }
    let start = bench.now;
    assert_eq!(bench.episode.due(&bench.rule, start.plus(19_999)), None);
    assert!(matches!(
        bench.episode.due(&bench.rule, start.plus(20_000)),
        Some(Request::Step { attempt: 2, .. })
    ));
}

#[test]
fn s0_14_osnr_and_ber_in_one_sample_count_once() {
    let mut bench = Bench::new();
    let both = Measured { ber: Ber::new(5, -3), ..osnr(160) };
    assert_eq!(bench.sample(End::Source, both), None);
    assert_eq!(bench.sample(End::Source, both), None);
    assert!(matches!(bench.sample(End::Source, both), Some(Request::Step { attempt: 1, .. })));
}

#[test]
fn a_healthy_far_end_never_masks_a_bad_one() {
    let mut bench = Bench::new();
    let mut step = None;
    for _ in 0..3 {
        assert_eq!(bench.sample(End::Source, osnr(300)), None);
        step = bench.sample(End::Destination, osnr(170));
    }
    assert_eq!(step, Some(Request::Step { attempt: 1, source: true, destination: false }));
}

#[test]
fn one_good_sample_between_bad_ones_starts_the_count_again() {
    let mut bench = Bench::new();
    for measured in [osnr(170), osnr(170), osnr(250), osnr(170), osnr(170)] {
        assert_eq!(bench.sample(End::Source, measured), None);
    }
    assert!(bench.sample(End::Source, osnr(170)).is_some());
}

#[test]
fn recovery_closes_the_episode_and_a_new_one_starts_at_attempt_one() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.sample(End::Source, osnr(170));
    }
    assert_eq!(bench.sample(End::Source, osnr(250)), None);
    assert_eq!(bench.sample(End::Source, osnr(250)), None);
    assert_eq!(bench.sample(End::Source, osnr(250)), Some(Request::Recovered));
    assert!(!bench.episode.is_open());
    // The cooldown of the last step still runs: the third bad sample opens an episode, the fourth is late enough.
    for _ in 0..3 {
        assert_eq!(bench.sample(End::Source, osnr(170)), None);
    }
    assert!(bench.episode.is_open());
    assert!(matches!(bench.sample(End::Source, osnr(170)), Some(Request::Step { attempt: 1, .. })));
}

#[test]
fn adjust_names_the_transmitters() {
    for (adjust, source, destination) in [
        (Adjust::Opposite, true, false),
        (Adjust::Both, true, true),
        (Adjust::Source, true, false),
        (Adjust::Destination, false, true),
    ] {
        let mut bench = Bench::new();
        bench.rule.adjust = adjust;
        let mut last = None;
        for _ in 0..3 {
            last = bench.sample(End::Destination, osnr(100));
        }
        assert_eq!(last, Some(Request::Step { attempt: 1, source, destination }), "{adjust:?}");
    }
}

#[test]
fn s0_13_the_step_is_clamped_at_both_ends() {
    let limits = PowerRange { min: Power::from_hundredths(-1500), max: Power::from_hundredths(0) };
    let (up, down) = (Db::from_hundredths(100), Db::from_hundredths(-100));
    let p = Power::from_hundredths;
    assert_eq!(stepped(p(-200), up, &limits), Some(p(-100)));
    assert_eq!(stepped(p(-50), up, &limits), Some(p(0)));
    assert_eq!(stepped(p(0), up, &limits), None);
    assert_eq!(stepped(p(-1450), down, &limits), Some(p(-1500)));
    assert_eq!(stepped(p(-1500), down, &limits), None);
}

proptest! {
    #[test]
    fn steps_are_bounded_and_spaced(levels in proptest::collection::vec((0_i16..300, any::<bool>(), 0_u64..30_000), 1..300)) {
        let rule = rule();
        let mut episode = Episode::new();
        let (mut now, mut last, mut in_episode) = (Millis(0), None::<Millis>, 0_u8);
        for (tenths, at_source, wait) in levels {
            now = now.plus(wait);
            let end = if at_source { End::Source } else { End::Destination };
            match episode.observe(&rule, now, end, &osnr(tenths)) {
                Some(Request::Step { attempt, source, destination }) => {
                    in_episode += 1;
                    prop_assert_eq!(attempt, in_episode);
                    prop_assert!(attempt <= rule.max_attempts && (source || destination));
                    if let Some(last) = last { prop_assert!(now.since(last) >= rule.cooldown_ms); }
                    last = Some(now);
                }
                Some(Request::Recovered) => in_episode = 0,
                Some(Request::Alarm { attempts }) => prop_assert_eq!(attempts, rule.max_attempts),
                None => {}
            }
        }
    }
}
