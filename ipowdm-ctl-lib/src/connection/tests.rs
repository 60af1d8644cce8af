use super::*;
use ipowdm_core::error::Code;
use ipowdm_core::msg::{Outcome, Readback};
use ipowdm_core::qot::{End, Level};
use ipowdm_core::time::{Millis, Timestamp};
use ipowdm_core::units::{Frequency, Power};

mod claims;
mod histories;
mod repair;
mod table;

const S: End = End::Source;
const D: End = End::Destination;

fn power(hundredths: i16) -> Power {
    Power::from_hundredths(hundredths)
}

fn wanted() -> Wanted {
    Wanted { frequency: Frequency::ANCHOR, tx_power: Some(power(-200)), media_code: 0x46 }
}

fn both() -> Ends<Wanted> {
    Ends { source: wanted(), destination: wanted() }
}

fn readback(tx_power: Power) -> Readback {
    Readback {
        frequency_mhz: Some(Frequency::ANCHOR),
        tx_power_dbm: Some(tx_power),
        data_path_state: Some("DPActivated".into()),
        tx_enabled: Some(true),
        ..Readback::default()
    }
}

/// A connection on a test clock that remembers what it did.
#[derive(Clone)]
struct Bench {
    life: Lifecycle,
    now: Millis,
    log: Vec<Action>,
}

impl Bench {
    fn new() -> Self {
        let now = Now { at: Millis(1_000), wall: Timestamp(0) };
        let life = Lifecycle::new(&both(), Times::default(), now);
        Self { life, now: now.at, log: Vec::new() }
    }

    fn on(&mut self, event: &Event) -> Effect {
        let wall = Timestamp(i64::try_from(self.now.0).unwrap());
        let effect = self.life.on(Now { at: self.now, wall }, event);
        self.log.extend(effect.actions.iter().cloned());
        effect
    }

    fn after(&mut self, ms: u64, event: &Event) -> Effect {
        self.now = self.now.plus(ms);
        self.on(event)
    }

    /// Lets the deadline pass.
    fn expire(&mut self) -> Effect {
        self.now = self.life.deadline().unwrap();
        self.on(&Event::Tick)
    }

    /// The answer to the last command of an end.
    fn answer(&self, end: End, outcome: Outcome) -> Answer {
        let number = last_number(&self.life, end);
        let readback = (outcome == Outcome::Applied).then(|| readback(power(-200)));
        Answer { end, number, outcome, code: None, error: None, readback, module_ms: 40_000, claimed: false }
    }

    fn answered(&mut self, end: End, outcome: Outcome) -> Effect {
        let answer = self.answer(end, outcome);
        self.on(&Event::Answer(answer))
    }

    fn dark(&mut self, end: End) -> Effect {
        let answer = Answer { readback: None, ..self.answer(end, Outcome::Applied) };
        self.on(&Event::Answer(answer))
    }

    /// Commands of the log as (end, first letter of the order).
    fn sent(&self) -> Vec<(End, char)> {
        self.log
            .iter()
            .filter_map(|action| match action {
                Action::Send { end, order, .. } => Some((*end, letter(order))),
                _ => None,
            })
            .collect()
    }

    fn released(&self) -> usize {
        self.log.iter().filter(|action| **action == Action::Release).count()
    }

    fn finished(&self) -> Vec<(OperationKind, Option<Code>)> {
        self.log
            .iter()
            .filter_map(|action| match action {
                Action::Finished(finished) => {
                    Some((finished.kind, finished.result.as_ref().err().map(|failure| failure.code)))
                }
                _ => None,
            })
            .collect()
    }

    /// A connection in a state, and with what a connection in that state awaits.
    fn in_state(state: State) -> Self {
        let mut bench = Self::new();
        let up = [Event::Setup];
        if state != State::Pending && state != State::Terminated {
            up.iter().for_each(|event| assert_eq!(bench.on(event).verdict, Verdict::Applied));
        }
        match state {
            State::Pending | State::SetupInProgress => {}
            State::Terminated => {
                bench.on(&Event::Teardown);
            }
            State::Failed => {
                bench.expire();
                bench.expire();
            }
            _ => {
                bench.answered(S, Outcome::Applied);
                bench.answered(D, Outcome::Applied);
            }
        }
        match state {
            State::Degraded => drop(bench.on(&Event::Quality(Level::Degraded))),
            State::Reconfiguring => drop(bench.on(&change())),
            State::TeardownInProgress => drop(bench.on(&Event::Teardown)),
            _ => {}
        }
        assert_eq!(bench.life.state(), state);
        bench.log.clear();
        bench
    }

    /// FAILED, with a source that shines and is not heard.
    fn stranded() -> Self {
        let mut bench = Self::in_state(State::Active);
        bench.on(&Event::AgentUnknown(S));
        bench.on(&Event::Teardown);
        bench.dark(D);
        bench.expire();
        assert_eq!((bench.life.state(), bench.life.holds_grant()), (State::Failed, true));
        bench.log.clear();
        bench
    }
}

fn letter(order: &Order) -> char {
    match order {
        Order::Setup(_) => 'S',
        Order::Reconfigure(_) => 'R',
        Order::Teardown => 'T',
    }
}

fn last_number(life: &Lifecycle, end: End) -> CommandNumber {
    life.ends().get(end).issued.as_ref().map_or(CommandNumber(0), |issued| issued.number)
}

fn change() -> Event {
    Event::Reconfigure {
        tx_power: Ends { source: Some(power(-150)), destination: None },
        reason: "manual".to_owned(),
    }
}

fn step() -> Event {
    Event::Step { tx_power: Ends { source: Some(power(-100)), destination: None }, attempt: 1 }
}

// --- set-up -----------------------------------------------------------------------------------------------------------

#[test]
fn active_only_when_both_ends_are_read_back() {
    let mut bench = Bench::new();
    bench.on(&Event::Setup);
    assert_eq!(bench.sent(), [(S, 'S'), (D, 'S')]);
    bench.now = bench.now.plus(60_000);
    bench.answered(D, Outcome::Applied);
    assert_eq!((bench.life.state(), bench.life.verified_at()), (State::SetupInProgress, None));
    bench.now = bench.now.plus(5_000);
    bench.answered(S, Outcome::Unchanged);
    assert_eq!(bench.life.state(), State::TeardownInProgress, "an answer without read-back proves nothing");
    assert_eq!(bench.life.failure().unwrap().code, Code::ReadBackMismatch);

    let mut bench = Bench::in_state(State::SetupInProgress);
    bench.answered(D, Outcome::Applied);
    bench.now = bench.now.plus(45_000);
    bench.answered(S, Outcome::Applied);
    assert_eq!(bench.life.state(), State::Active);
    assert_eq!(bench.life.verified_at(), Some(Timestamp(46_000)));
    assert_eq!(bench.life.deadline(), None);
    let timing = Timing { total_ms: 45_000, module_ms: 40_000 };
    let expected = Finished { number: 1, kind: OperationKind::Setup, result: Ok(()), timing };
    assert!(bench.log.contains(&Action::Finished(expected)));
    assert_eq!(timing.control_plane_ms(), 5_000);
}

#[test]
fn a_read_back_that_differs_undoes_both_ends() {
    let mut bench = Bench::in_state(State::SetupInProgress);
    bench.answered(S, Outcome::Applied);
    let other = Answer { readback: Some(readback(power(-300))), ..bench.answer(D, Outcome::Applied) };
    bench.on(&Event::Answer(other));
    assert_eq!(bench.life.state(), State::TeardownInProgress);
    assert_eq!(bench.sent(), [(S, 'T'), (D, 'T')]);
    assert_eq!(bench.released(), 0, "nothing is given back before both ends are dark");
    bench.dark(S);
    bench.dark(D);
    assert_eq!((bench.life.state(), bench.released()), (State::Failed, 1));
    assert_eq!(bench.finished(), [(OperationKind::Setup, Some(Code::ReadBackMismatch))]);
}

#[test]
fn a_refused_end_undoes_both_and_keeps_the_first_reason() {
    let mut bench = Bench::in_state(State::SetupInProgress);
    let refusal = Answer {
        code: Some(Code::PowerOutOfRange),
        error: Some("-2.00 dBm".to_owned()),
        ..bench.answer(D, Outcome::Rejected)
    };
    bench.on(&Event::Answer(refusal));
    let late = Answer { number: CommandNumber(1), ..bench.answer(S, Outcome::Applied) };
    assert_eq!(bench.on(&Event::Answer(late)).verdict, Verdict::Applied, "the source shines: remembered");
    assert_eq!(bench.life.ends().source.light, Light::Lit);
    bench.answered(S, Outcome::Failed);
    bench.dark(S);
    bench.dark(D);
    assert_eq!((bench.life.state(), bench.released()), (State::Failed, 1));
    assert_eq!(bench.finished(), [(OperationKind::Setup, Some(Code::PowerOutOfRange))]);
    assert_eq!(bench.life.failure().unwrap().end, Some(D));
}

fn refused(bench: &Bench, end: End, code: Code) -> Event {
    let error = Some("the port serves another connection".to_owned());
    Event::Answer(Answer { code: Some(code), error, ..bench.answer(end, Outcome::Rejected) })
}

#[test]
fn a_port_that_refuses_set_up_and_teardown_is_dark_and_everything_is_released() {
    for code in [Code::IllegalState, Code::UnknownConnection, Code::Forbidden] {
        let mut bench = Bench::in_state(State::SetupInProgress);
        let occupied = refused(&bench, D, Code::PortOccupied);
        bench.on(&occupied);
        assert_eq!((bench.life.state(), bench.released()), (State::TeardownInProgress, 0));
        let not_ours = refused(&bench, D, code);
        bench.on(&not_ours);
        assert_eq!(bench.life.ends().destination.light, Light::Dark, "{code}");
        assert_eq!(
            (bench.life.state(), bench.released()),
            (State::TeardownInProgress, 0),
            "the source shines"
        );
        bench.dark(S);
        assert_eq!((bench.life.state(), bench.released()), (State::Failed, 1), "{code}");
        let failure = bench.life.failure().unwrap();
        assert_eq!((failure.code, failure.end), (Code::PortOccupied, Some(D)));
        assert_eq!(failure.text, "the port serves another connection");
        assert_eq!(bench.finished(), [(OperationKind::Setup, Some(Code::PortOccupied))]);
        assert_eq!(bench.sent(), [(S, 'T'), (D, 'T')], "nobody is asked again");
        assert_eq!(bench.expire().actions, [Action::Forget]);
    }
}

#[test]
fn a_teardown_refused_for_another_reason_proves_nothing_about_an_end_that_may_shine() {
    for (lit, code) in [(true, Code::Forbidden), (true, Code::LimitReached), (false, Code::StorageFull)] {
        let mut bench = Bench::in_state(State::SetupInProgress);
        if lit {
            bench.answered(S, Outcome::Applied);
        }
        let occupied = refused(&bench, D, Code::PortOccupied);
        bench.on(&occupied);
        let not_ours = refused(&bench, D, Code::IllegalState);
        bench.on(&not_ours);
        for _ in 0..3 {
            let refusal = refused(&bench, S, code);
            bench.on(&refusal);
        }
        assert_eq!((bench.life.state(), bench.released()), (State::Failed, 0), "{code}");
        assert!(bench.life.holds_grant());
        assert_eq!(bench.life.failure().unwrap().code, Code::PortOccupied, "the first reason stays");
        bench.expire();
        let not_there = refused(&bench, S, Code::IllegalState);
        bench.on(&not_there);
        assert_eq!(
            (bench.life.state(), bench.released()),
            (State::Failed, 1),
            "another connection is there now"
        );
    }
}

#[test]
fn silence_is_undone_and_released_by_deadlines() {
    let mut bench = Bench::in_state(State::SetupInProgress);
    bench.expire();
    assert_eq!((bench.life.state(), bench.sent().len()), (State::TeardownInProgress, 2));
    bench.expire();
    assert_eq!((bench.life.state(), bench.released()), (State::Failed, 1));
    assert!(
        bench.log.contains(&Action::LeftUnconfirmed(S)) && bench.log.contains(&Action::LeftUnconfirmed(D))
    );
    assert_eq!(bench.finished(), [(OperationKind::Setup, Some(Code::TimedOut))]);
    let effect = bench.expire();
    assert_eq!(effect.actions, [Action::Forget]);
}

#[test]
fn s0_11_a_hold_that_is_never_set_up_is_released() {
    let mut bench = Bench::new();
    assert_eq!(bench.after(599_999, &Event::Tick).verdict, Verdict::Ignored);
    bench.after(1, &Event::Tick);
    assert_eq!((bench.life.state(), bench.released()), (State::Failed, 1));
    assert_eq!(bench.life.failure().unwrap().code, Code::Expired);
    assert!(bench.sent().is_empty());
}

#[test]
fn a_stale_epoch_is_answered_by_sending_again_a_bounded_number_of_times() {
    let mut bench = Bench::in_state(State::SetupInProgress);
    for repeat in 1..=2 {
        let old = last_number(&bench.life, S);
        bench.answered(S, Outcome::StaleEpoch);
        assert_eq!(bench.sent(), vec![(S, 'S'); repeat]);
        assert!(last_number(&bench.life, S) > old, "each attempt is a command of its own");
    }
    bench.answered(S, Outcome::StaleEpoch);
    assert_eq!(bench.life.state(), State::TeardownInProgress);
    assert_eq!(bench.life.failure().unwrap().code, Code::StaleEpoch);
}

#[test]
fn a_module_taken_out_during_set_up_undoes_it() {
    let mut bench = Bench::in_state(State::SetupInProgress);
    bench.on(&Event::ModuleRemoved(D));
    assert_eq!(bench.life.state(), State::TeardownInProgress);
    let gone = Answer { code: Some(Code::ModuleAbsent), ..bench.answer(D, Outcome::Rejected) };
    bench.on(&Event::Answer(gone));
    bench.dark(S);
    assert_eq!((bench.life.state(), bench.released()), (State::Failed, 1));
}

#[test]
fn a_repeated_answer_changes_nothing() {
    let mut bench = Bench::in_state(State::SetupInProgress);
    let answer = Event::Answer(bench.answer(S, Outcome::Applied));
    assert_eq!(bench.on(&answer).verdict, Verdict::Applied);
    assert_eq!(bench.on(&answer).verdict, Verdict::Ignored);
    bench.answered(D, Outcome::Applied);
    assert_eq!(bench.on(&answer).verdict, Verdict::Ignored);
    assert_eq!(bench.life.state(), State::Active);
}

#[test]
fn trouble_met_during_set_up_shows_after_it() {
    let mut bench = Bench::in_state(State::SetupInProgress);
    bench.on(&Event::LossOfSignal(D));
    bench.answered(S, Outcome::Applied);
    bench.answered(D, Outcome::Applied);
    assert_eq!(bench.life.state(), State::Degraded);
    bench.on(&Event::SignalBack(D));
    assert_eq!(bench.life.state(), State::Active);
}

// --- change -----------------------------------------------------------------------------------------------------------

fn changed(bench: &Bench, end: End, hundredths: i16) -> Event {
    Event::Answer(Answer {
        readback: Some(readback(power(hundredths))),
        ..bench.answer(end, Outcome::Applied)
    })
}

#[test]
fn a_change_goes_to_the_ends_it_names_and_settles_by_what_is_known() {
    let mut bench = Bench::in_state(State::Degraded);
    bench.on(&step());
    assert_eq!(bench.sent(), [(S, 'R')]);
    let answer = changed(&bench, S, -100);
    bench.on(&answer);
    assert_eq!(bench.life.state(), State::Degraded, "the level is still bad");
    assert_eq!(bench.life.ends().source.wanted.tx_power, Some(power(-100)));
    assert_eq!(bench.life.ends().destination.wanted.tx_power, Some(power(-200)));
    bench.on(&Event::Quality(Level::Warning));
    assert_eq!(bench.life.state(), State::Active);
}

#[test]
fn a_refused_change_leaves_the_end_as_it_was() {
    let mut bench = Bench::in_state(State::Active);
    bench.on(&change());
    bench.answered(S, Outcome::Rejected);
    assert_eq!(bench.life.state(), State::Active);
    assert_eq!(bench.life.ends().source.wanted, wanted());
    assert!(bench.life.verified_at().is_some());
    assert_eq!(bench.finished(), [(OperationKind::Reconfigure, Some(Code::ModuleRejected))]);
}

#[test]
fn an_end_that_does_not_know_the_connection_is_not_verified_any_more() {
    let mut bench = Bench::in_state(State::Active);
    bench.on(&change());
    let gone = Answer { code: Some(Code::UnknownConnection), ..bench.answer(S, Outcome::Rejected) };
    bench.on(&Event::Answer(gone));
    assert_eq!((bench.life.state(), bench.life.verified_at()), (State::Degraded, None));
    assert_eq!(bench.finished(), [(OperationKind::Reconfigure, Some(Code::UnknownConnection))]);
}

#[test]
fn a_change_without_answer_is_not_verified_until_the_end_is_seen() {
    let mut bench = Bench::in_state(State::Active);
    bench.on(&change());
    bench.expire();
    assert_eq!((bench.life.state(), bench.life.verified_at()), (State::Degraded, None));
    let mut late = bench.clone();
    bench.on(&Event::Conforming(S));
    assert_eq!(bench.life.state(), State::Active);
    let answer = changed(&late, S, -150);
    late.on(&answer);
    assert_eq!(late.life.state(), State::Active);
    assert_eq!(late.life.ends().source.wanted.tx_power, Some(power(-150)));
    assert_eq!(late.on(&answer).verdict, Verdict::Ignored, "once");
}

#[test]
fn a_change_of_nothing_is_refused() {
    let mut bench = Bench::in_state(State::Active);
    let nothing = Event::Reconfigure { tx_power: Ends::default(), reason: String::new() };
    assert_eq!(bench.on(&nothing).verdict, Verdict::Refused);
}

// --- teardown ---------------------------------------------------------------------------------------------------------

#[test]
fn a_teardown_ends_when_both_are_dark() {
    let mut bench = Bench::in_state(State::Active);
    bench.on(&Event::Teardown);
    bench.dark(D);
    assert_eq!((bench.life.state(), bench.released()), (State::TeardownInProgress, 0));
    bench.dark(S);
    assert_eq!((bench.life.state(), bench.released()), (State::Terminated, 1));
    assert_eq!(bench.finished(), [(OperationKind::Teardown, None)]);
}

#[test]
fn teardown_commands_outlive_everything_and_light_commands_do_not() {
    let mut bench = Bench::new();
    bench.on(&Event::Setup);
    bench.on(&Event::Teardown);
    for action in &bench.log {
        if let Action::Send { order, lifetime_ms, .. } = action {
            assert_eq!(lifetime_ms.is_none(), *order == Order::Teardown);
        }
    }
}

#[test]
fn a_laser_that_cannot_be_reached_keeps_its_spectrum_and_is_told_again() {
    let mut bench = Bench::stranded();
    bench.expire();
    assert_eq!(bench.sent(), [(S, 'T')]);
    bench.on(&Event::AgentKnown(S));
    assert_eq!(bench.sent(), [(S, 'T'), (S, 'T')], "at once when the agent is heard");
    assert_eq!(bench.released(), 0);
    bench.dark(S);
    assert_eq!((bench.life.state(), bench.released()), (State::Failed, 1));
    assert!(!bench.life.holds_grant());
    bench.on(&Event::Teardown);
    assert_eq!((bench.life.state(), bench.released()), (State::Terminated, 1));
}

#[test]
fn the_answer_to_the_teardown_that_was_given_up_frees_a_stranded_connection() {
    let mut bench = Bench::stranded();
    bench.dark(S);
    assert_eq!(bench.released(), 1);
}

#[test]
fn abandoning_releases_at_once_and_says_what_may_shine() {
    let mut bench = Bench::stranded();
    bench.on(&Event::Abandon);
    assert_eq!((bench.life.state(), bench.released()), (State::Terminated, 1));
    assert!(bench.log.contains(&Action::LeftUnconfirmed(S)));

    let mut bench = Bench::in_state(State::Active);
    bench.on(&Event::Abandon);
    assert_eq!(bench.sent(), [(S, 'T'), (D, 'T')], "the ends are told all the same");
    assert_eq!((bench.life.state(), bench.released()), (State::Terminated, 1));
}

#[test]
fn an_end_that_refuses_to_go_dark_is_asked_three_times_and_then_held() {
    let mut bench = Bench::in_state(State::Active);
    bench.on(&Event::Teardown);
    bench.dark(D);
    for _ in 0..3 {
        bench.answered(S, Outcome::Failed);
    }
    assert_eq!(bench.sent().iter().filter(|sent| **sent == (S, 'T')).count(), 3);
    assert_eq!((bench.life.state(), bench.released()), (State::Failed, 0));
}

#[test]
fn deleting_during_an_undo_ends_terminated() {
    let mut bench = Bench::in_state(State::SetupInProgress);
    bench.answered(S, Outcome::Rejected);
    bench.on(&Event::Teardown);
    bench.dark(S);
    bench.dark(D);
    assert_eq!(bench.life.state(), State::Terminated);
    assert_eq!(
        bench.finished(),
        [(OperationKind::Setup, Some(Code::ModuleRejected)), (OperationKind::Teardown, None)]
    );
}

// --- facts ------------------------------------------------------------------------------------------------------------

#[test]
fn an_exchanged_module_is_not_verified_until_it_is_seen_as_wanted() {
    let mut bench = Bench::in_state(State::Active);
    bench.on(&Event::ModuleRemoved(S));
    assert_eq!((bench.life.state(), bench.life.verified_at()), (State::Degraded, None));
    bench.on(&Event::ModulePresent(S));
    assert_eq!(bench.life.state(), State::Degraded);
    bench.on(&Event::Conforming(S));
    assert_eq!(bench.life.state(), State::Active);
    assert!(bench.life.verified_at().is_some());
}

#[test]
fn a_silent_agent_is_noted_and_its_light_is_not_judged() {
    let mut bench = Bench::in_state(State::Active);
    bench.on(&Event::AgentUnknown(S));
    assert_eq!(bench.life.state(), State::Active);
    assert!(bench.life.ends().source.troubles.agent_unknown);
}

#[test]
fn the_light_of_an_end_is_what_was_last_observed() {
    let mut bench = Bench::in_state(State::Active);
    bench.on(&Event::LightSeen(S, Light::Dark));
    assert_eq!((bench.life.state(), bench.life.verified_at()), (State::Degraded, None));
    assert_eq!(bench.life.ends().source.light, Light::Dark);
    assert!(bench.life.ends().source.troubles.unverified);
    assert_eq!(bench.on(&Event::LightSeen(S, Light::Dark)).verdict, Verdict::Ignored, "known");
    bench.on(&Event::LightSeen(S, Light::Lit));
    assert_eq!((bench.life.state(), bench.life.ends().source.light), (State::Degraded, Light::Lit));
    bench.on(&Event::Conforming(S));
    assert_eq!(bench.life.state(), State::Active);
}
