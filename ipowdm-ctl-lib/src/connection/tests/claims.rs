//! Ends whose agents read nothing back.

use super::*;

/// The word of an end about its last command.
fn word(bench: &Bench, end: End, outcome: Outcome) -> Event {
    Event::Answer(Answer { readback: None, module_ms: 0, claimed: true, ..bench.answer(end, outcome) })
}

fn says(bench: &mut Bench, end: End, outcome: Outcome) -> Effect {
    let word = word(bench, end, outcome);
    bench.on(&word)
}

/// ACTIVE by the word of both ends.
fn claimed() -> Bench {
    let mut bench = Bench::in_state(State::SetupInProgress);
    says(&mut bench, S, Outcome::Applied);
    says(&mut bench, D, Outcome::Applied);
    bench
}

fn moves(bench: &Bench) -> Vec<(State, &Cause)> {
    let moved = bench.log.iter().filter_map(|action| match action {
        Action::Moved { to, cause, .. } => Some((*to, cause)),
        _ => None,
    });
    moved.collect()
}

#[test]
fn the_word_of_both_ends_makes_it_active_and_not_verified() {
    let bench = claimed();
    assert_eq!((bench.life.state(), bench.life.verified_at()), (State::Active, None));
    assert_eq!(moves(&bench).last(), Some(&(State::Active, &Cause::Claimed)));
    assert!(bench.life.ends().all(|end| end.seen.is_none() && end.light == Light::Lit));
    assert_eq!(bench.finished(), [(OperationKind::Setup, None)]);
}

#[test]
fn one_word_beside_one_read_back_is_not_verified_either() {
    for (first, second) in [(S, D), (D, S)] {
        let mut bench = Bench::in_state(State::SetupInProgress);
        says(&mut bench, first, Outcome::Applied);
        bench.answered(second, Outcome::Applied);
        assert_eq!((bench.life.state(), bench.life.verified_at()), (State::Active, None));
    }
}

#[test]
fn without_the_mark_of_a_claim_an_answer_that_reads_nothing_back_is_no_success() {
    let mut bench = Bench::in_state(State::SetupInProgress);
    bench.dark(S);
    assert_eq!(bench.life.state(), State::TeardownInProgress);
    assert_eq!(bench.life.failure().map(|failure| failure.code), Some(Code::ReadBackMismatch));
}

#[test]
fn a_claimed_failure_undoes_the_set_up() {
    let mut bench = Bench::in_state(State::SetupInProgress);
    says(&mut bench, S, Outcome::Failed);
    assert_eq!(bench.life.state(), State::TeardownInProgress);
    says(&mut bench, S, Outcome::Applied);
    says(&mut bench, D, Outcome::Applied);
    assert_eq!((bench.life.state(), bench.released()), (State::Failed, 1));
}

#[test]
fn a_claimed_change_is_what_is_wanted_now_and_takes_the_verification_away() {
    let mut bench = Bench::in_state(State::Active);
    assert!(bench.life.verified_at().is_some());
    bench.on(&step());
    says(&mut bench, S, Outcome::Applied);
    assert_eq!((bench.life.state(), bench.life.verified_at()), (State::Active, None));
    assert_ne!(bench.life.ends().source.wanted.tx_power, Some(power(-200)));
    assert_eq!(moves(&bench).last(), Some(&(State::Active, &Cause::Claimed)));
}

#[test]
fn a_claimed_teardown_ends_it_and_says_that_nothing_is_known_dark() {
    let mut bench = claimed();
    bench.on(&Event::Teardown);
    says(&mut bench, S, Outcome::Applied);
    assert_eq!(bench.life.state(), State::TeardownInProgress);
    bench.dark(D);
    assert_eq!((bench.life.state(), bench.released()), (State::Terminated, 1));
    let left: Vec<_> =
        bench.log.iter().filter(|action| matches!(action, Action::LeftUnconfirmed(_))).collect();
    assert_eq!(left, [&Action::LeftUnconfirmed(S)]);
}

#[test]
fn trouble_at_a_claimed_end_and_its_end_leave_it_unverified() {
    let mut bench = claimed();
    bench.on(&Event::ForeignChange(S));
    assert_eq!(bench.life.state(), State::Degraded);
    bench.on(&Event::Conforming(S));
    assert_eq!((bench.life.state(), bench.life.verified_at()), (State::Active, None));
}
