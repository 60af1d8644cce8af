//! What has failed, or is not as wanted, is lit once more.

use super::*;

#[test]
fn a_repair_is_a_set_up_whose_failure_is_undone_and_released_again() {
    let mut bench = Bench::in_state(State::Failed);
    bench.on(&Event::Repair { anew: Some(both()) });
    assert_eq!((bench.life.state(), bench.life.failure()), (State::SetupInProgress, None));
    assert!(bench.life.holds_grant() && bench.life.deadline().is_some());
    assert_eq!(bench.sent(), [(S, 'S'), (D, 'S')]);
    bench.answered(S, Outcome::Applied);
    bench.answered(D, Outcome::Rejected);
    bench.dark(S);
    bench.dark(D);
    assert_eq!((bench.life.state(), bench.released()), (State::Failed, 1));
    bench.on(&Event::Repair { anew: Some(both()) });
    bench.answered(S, Outcome::Applied);
    bench.answered(D, Outcome::Applied);
    assert_eq!((bench.life.state(), bench.released()), (State::Active, 1));
    assert!(bench.life.verified_at().is_some() && bench.life.failure().is_none());
    let repairs = [(OperationKind::Repair, Some(Code::ModuleRejected)), (OperationKind::Repair, None)];
    assert_eq!(bench.finished(), repairs);
}

#[test]
fn what_is_still_held_is_kept_by_a_repair_and_an_answer_to_its_teardown_changes_nothing_any_more() {
    let mut bench = Bench::stranded();
    bench.on(&Event::LinkDown);
    let teardown = Answer { readback: None, ..bench.answer(S, Outcome::Applied) };
    assert_eq!(bench.on(&Event::Repair { anew: Some(both()) }).verdict, Verdict::Refused);
    bench.on(&Event::Repair { anew: None });
    assert_eq!((bench.life.state(), bench.sent()), (State::SetupInProgress, vec![(S, 'S'), (D, 'S')]));
    assert_eq!(bench.on(&Event::Answer(teardown)).verdict, Verdict::Ignored);
    bench.answered(S, Outcome::Applied);
    bench.answered(D, Outcome::Applied);
    assert_eq!((bench.life.state(), bench.released()), (State::Degraded, 0), "the link is down");
    bench.on(&Event::LinkUp);
    assert_eq!(bench.life.state(), State::Active);
}

#[test]
fn a_repair_without_answers_is_undone_by_its_deadlines() {
    let mut bench = Bench::in_state(State::Failed);
    bench.on(&Event::Repair { anew: Some(both()) });
    bench.expire();
    assert_eq!(bench.life.state(), State::TeardownInProgress);
    bench.expire();
    assert_eq!((bench.life.state(), bench.released()), (State::Failed, 1));
    assert_eq!(bench.finished(), [(OperationKind::Repair, Some(Code::TimedOut))]);
}

/// DEGRADED, with a source that does not shine any more.
fn half_dark() -> Bench {
    let mut bench = Bench::in_state(State::Active);
    bench.on(&Event::LightSeen(S, Light::Dark));
    assert_eq!((bench.life.state(), bench.life.ends().source.light), (State::Degraded, Light::Dark));
    bench.log.clear();
    bench
}

#[test]
fn a_dark_end_of_what_is_degraded_is_set_up_again_and_the_other_is_left_alone() {
    let mut bench = half_dark();
    assert_eq!(
        bench.on(&Event::Repair { anew: Some(both()) }).verdict,
        Verdict::Refused,
        "it holds what it has"
    );
    bench.on(&Event::Repair { anew: None });
    assert_eq!((bench.life.state(), bench.sent()), (State::Reconfiguring, vec![(S, 'S')]));
    assert!(bench.life.deadline().is_some());
    bench.answered(S, Outcome::Applied);
    assert_eq!((bench.life.state(), bench.life.deadline()), (State::Active, None));
    assert_eq!(bench.life.ends().source.light, Light::Lit);
    assert!(bench.life.verified_at().is_some());
    assert_eq!((bench.finished(), bench.released()), (vec![(OperationKind::Repair, None)], 0));
    assert_eq!(bench.on(&Event::Repair { anew: None }).verdict, Verdict::Refused, "nothing is wrong with it");
}

#[test]
fn a_repair_of_what_is_degraded_that_fails_leaves_it_as_it_was() {
    let wrong =
        |bench: &Bench| Answer { readback: Some(readback(power(-300))), ..bench.answer(S, Outcome::Applied) };
    type Case = (fn(&Bench) -> Answer, Light, Code);
    let cases: [Case; 3] = [
        (|bench| bench.answer(S, Outcome::Rejected), Light::Dark, Code::ModuleRejected),
        (|bench| bench.answer(S, Outcome::Failed), Light::Unknown, Code::Internal),
        (wrong, Light::Lit, Code::ReadBackMismatch),
    ];
    for (answer, light, code) in cases {
        let mut bench = half_dark();
        bench.on(&Event::Repair { anew: None });
        let answer = Event::Answer(answer(&bench));
        bench.on(&answer);
        assert_eq!((bench.life.state(), bench.life.ends().source.light), (State::Degraded, light));
        assert_eq!((bench.finished(), bench.released()), (vec![(OperationKind::Repair, Some(code))], 0));
        assert!(bench.life.holds_grant() && bench.life.verified_at().is_none());
        assert_eq!(bench.sent(), [(S, 'S')], "the end that shines goes on shining");
        bench.on(&Event::Repair { anew: None });
        bench.answered(S, Outcome::Applied);
        assert_eq!(bench.life.state(), State::Active, "it may be asked for again");
    }
    let mut bench = half_dark();
    bench.on(&Event::Repair { anew: None });
    bench.expire();
    assert_eq!((bench.life.state(), bench.life.failure().unwrap().code), (State::Degraded, Code::TimedOut));
    assert!(bench.life.failure().unwrap().text.contains("setupConnection"));
    bench.on(&Event::LightSeen(S, Light::Lit));
    bench.on(&Event::Conforming(S));
    assert_eq!(bench.life.state(), State::Active, "its answer was lost, and it shines");
}

#[test]
fn an_end_that_shines_and_is_not_as_wanted_is_repaired_too_and_may_be_torn_down_meanwhile() {
    let mut bench = Bench::in_state(State::Active);
    bench.on(&Event::ForeignChange(D));
    bench.log.clear();
    bench.on(&Event::Repair { anew: None });
    assert_eq!((bench.sent(), bench.life.ends().destination.light), (vec![(D, 'S')], Light::Lit));
    bench.answered(D, Outcome::Rejected);
    assert_eq!((bench.life.state(), bench.life.ends().destination.light), (State::Degraded, Light::Lit));
    bench.on(&Event::Repair { anew: None });
    bench.on(&Event::Teardown);
    assert_eq!(bench.life.state(), State::TeardownInProgress);
    bench.dark(S);
    bench.dark(D);
    assert_eq!((bench.life.state(), bench.released()), (State::Terminated, 1));
}
