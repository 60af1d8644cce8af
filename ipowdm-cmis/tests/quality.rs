//! What modules say of the quality of their light: all of it, or one quantity alone.
#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

mod common;

use common::{Bench, target};
use ipowdm_cmis::codes::Observable;
use ipowdm_cmis::emulator::{Profile, VirtualClock};
use ipowdm_cmis::line::{Direction, Impairment, LineParameters, OpticalLine};
use ipowdm_cmis::monitoring::Reading;
use ipowdm_cmis::procedure::SweepReport;
use ipowdm_core::modes;
use ipowdm_core::qot::{Level, Measured, Thresholds};
use ipowdm_core::units::{Db, Length};

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

/// Two lit modules of a profile at the ends of a line on which noise dominates.
fn lit(profile: &Profile) -> (Bench, Bench, OpticalLine) {
    let clock = VirtualClock::new();
    let (mut a, mut b) = (Bench::at(&clock, profile.clone(), 1), Bench::at(&clock, profile.clone(), 2));
    let line = LineParameters::amplified(4, Length::from_metres(80_000));
    let line = OpticalLine::connect(&a.module, &b.module, line).unwrap();
    for bench in [&mut a, &mut b] {
        bench.configure(target(193_400_000, -300, 0x46)).unwrap();
    }
    (a, b, line)
}

fn of(report: &SweepReport) -> Measured {
    Measured {
        osnr: report.osnr.value(),
        esnr: report.esnr.value(),
        ber: report.pre_fec_ber.value(),
        q_margin: report.q_margin.value(),
    }
}

#[test]
fn q_margin_is_what_q_has_beyond_the_fec_limit_and_negative_past_it() {
    let (_far, mut port, line) = lit(&Profile::OPENZRP);
    // Q at a bit error ratio of 2e-2, the limit of oFEC.
    let at_limit = Db::from_hundredths(625);
    let mut last = None;
    for noise in (0..=1_200).step_by(100) {
        line.set_impairment(Direction::AToB, Impairment::noise(Db::from_hundredths(noise)));
        let report = port.sweep();
        let (Some(q), Some(margin)) = (report.q_factor.value(), report.q_margin.value()) else {
            panic!("{noise}: a locked receiver measures: {report:?}");
        };
        let off = q.minus(at_limit).minus(margin).hundredths().abs();
        assert!(off <= 10, "Q {q} is not {margin} beyond {at_limit}: both are in steps of 0.1 dB");
        let correctable =
            report.pre_fec_ber.value().unwrap() <= modes::by_media_code(0x46).unwrap().fec_limit;
        if margin.hundredths().abs() > 10 {
            assert_eq!(correctable, margin > Db::from_hundredths(0), "{margin}");
        }
        assert!(last.is_none_or(|last| margin <= last), "{margin} with more noise");
        last = Some(margin);
    }
    assert!(last.is_some_and(|last| last < Db::from_hundredths(-100)), "{last:?}: seen past the limit");
}

#[test]
fn a_module_that_reports_one_quantity_alone_is_judged_by_it() {
    let thresholds = Thresholds::for_mode(modes::by_media_code(0x46).unwrap());
    for only in [Observable::Osnr, Observable::Esnr, Observable::PreFecBerMedia, Observable::QMargin] {
        let (_far, mut port, line) = lit(&reporting(only));
        let clean = of(&port.sweep());
        let present = [
            (Observable::Osnr, clean.osnr.is_some()),
            (Observable::Esnr, clean.esnr.is_some()),
            (Observable::PreFecBerMedia, clean.ber.is_some()),
            (Observable::QMargin, clean.q_margin.is_some()),
        ];
        for (quantity, reported) in present {
            assert_eq!(reported, quantity == only, "{quantity:?} of a module with {only:?}");
        }
        assert_eq!(port.sweep().q_factor, Reading::Unsupported);
        assert_eq!(thresholds.level(&clean), Some(Level::Good), "{only:?}: {clean:?}");
        let mut worst = Level::Good;
        for noise in (0..=1_500).step_by(25) {
            line.set_impairment(Direction::AToB, Impairment::noise(Db::from_hundredths(noise)));
            let level = thresholds.level(&of(&port.sweep()));
            // A margin of exactly 0 that nothing vouches for is taken as not measured.
            let level = level.unwrap_or(worst);
            worst = worst.max(level);
        }
        assert_eq!(worst, Level::Critical, "{only:?}");
        line.set_impairment(Direction::AToB, Impairment::loss(Db::from_hundredths(6_000)));
        port.clock.advance(1_000);
        let dark = of(&port.sweep());
        assert_eq!(dark, Measured::default(), "{only:?}: nothing is received, so nothing is said of it");
    }
}
