//! Any history at all.

use super::*;
use proptest::prelude::*;

fn any_event() -> impl Strategy<Value = (u8, bool, u64)> {
    (0_u8..30, any::<bool>(), prop_oneof![Just(0_u64), 1..5_000_u64, Just(400_000)])
}

fn make(bench: &Bench, kind: u8, end: End) -> Event {
    let powered = bench.life.ends().get(end).wanted.tx_power.unwrap();
    let reply = |outcome, with: Option<Readback>| {
        Event::Answer(Answer { readback: with, ..bench.answer(end, outcome) })
    };
    match kind {
        0 => Event::Setup,
        1 => change(),
        2 => step(),
        3 => Event::Teardown,
        4 => Event::Abandon,
        5 | 6 => reply(Outcome::Applied, Some(readback(powered))),
        7 => reply(Outcome::Applied, None),
        8 => reply(Outcome::Rejected, None),
        9 => reply(Outcome::StaleEpoch, None),
        10 => reply(Outcome::Failed, None),
        11 => Event::Answer(Answer { number: CommandNumber(1), ..bench.answer(end, Outcome::Applied) }),
        12 | 13 => Event::Tick,
        14 => Event::AgentUnknown(end),
        15 => Event::AgentKnown(end),
        16 => Event::ModuleRemoved(end),
        17 => Event::ModulePresent(end),
        18 => Event::ModuleSwapped(end),
        19 => Event::LossOfSignal(end),
        20 => Event::SignalBack(end),
        21 => Event::LinkDown,
        22 => Event::LinkUp,
        23 => Event::ForeignChange(end),
        24 => Event::Conforming(end),
        25 => Event::LightSeen(end, Light::Dark),
        26 => Event::LightSeen(end, Light::Lit),
        28 | 29 => Event::Repair { anew: (!bench.life.holds_grant()).then(both) },
        _ => Event::Quality(if end == S { Level::Degraded } else { Level::Good }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_after_any_history(history in proptest::collection::vec(any_event(), 1..60)) {
        let mut bench = Bench::new();
        let mut taken = 1;
        for (kind, source, ms) in history {
            bench.now = bench.now.plus(ms);
            let event = make(&bench, kind, if source { S } else { D });
            let before = bench.life.clone();
            let effect = bench.on(&event);
            let anew = matches!(event, Event::Repair { anew: Some(_) });
            taken += usize::from(anew && effect.verdict == Verdict::Applied);
            if effect.verdict != Verdict::Applied {
                prop_assert_eq!(&bench.life, &before);
                prop_assert!(effect.actions.is_empty());
            }
            let life = &bench.life;
            // Nothing waits for ever: what is in progress, held without being up, or over, has a deadline or is done.
            let forgotten = effect.actions.contains(&Action::Forget)
                || (life.state().is_over() && before.deadline().is_none());
            prop_assert!(life.deadline().is_some() || matches!(life.state(), State::Active | State::Degraded) || forgotten,
                         "{} has no deadline", life.state());
            // Each grant is given back at most once, and a connection that is up holds one.
            prop_assert_eq!(taken - bench.released(), usize::from(life.holds_grant()));
            prop_assert!(life.holds_grant() || life.state().is_over());
            // ACTIVE means read back, with nothing wrong.
            if life.state() == State::Active {
                prop_assert!(life.verified_at().is_some());
                prop_assert!(!life.ends().any(|end| end.troubles.degrade()) && !life.link_down());
            }
            // An end known to shine always has an owner, unless it was given up by force.
            if !life.holds_grant() && life.ends().any(|end| end.light == Light::Lit) {
                prop_assert!(bench.log.iter().any(|action| matches!(action, Action::LeftUnconfirmed(_))));
            }
            // An operation is under way exactly in the states between.
            let between = matches!(life.state(), State::SetupInProgress | State::Reconfiguring | State::TeardownInProgress);
            prop_assert_eq!(life.operation().is_some(), between, "{}", life.state());
            for action in &effect.actions {
                if let Action::Moved { from, to, .. } = action {
                    prop_assert!(from.successors().contains(to), "{} to {}", from, to);
                }
            }
        }
    }

    #[test]
    fn left_alone_every_connection_comes_to_rest(history in proptest::collection::vec(any_event(), 1..40)) {
        let mut bench = Bench::new();
        for (kind, source, ms) in history {
            bench.now = bench.now.plus(ms);
            let event = make(&bench, kind, if source { S } else { D });
            bench.on(&event);
        }
        let resting = |life: &Lifecycle| matches!(life.state(), State::Active | State::Degraded) || life.state().is_over();
        for _ in 0..3 {
            if !resting(&bench.life) {
                bench.expire();
            }
        }
        prop_assert!(resting(&bench.life), "{}", bench.life.state());
    }

    #[test]
    fn a_stored_machine_is_the_same_machine(history in proptest::collection::vec(any_event(), 1..40)) {
        let mut bench = Bench::new();
        for (kind, source, ms) in history {
            bench.now = bench.now.plus(ms);
            let event = make(&bench, kind, if source { S } else { D });
            bench.on(&event);
            let bytes = postcard::to_stdvec(&bench.life).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Lifecycle>(&bytes).unwrap(), bench.life.clone());
        }
    }
}
