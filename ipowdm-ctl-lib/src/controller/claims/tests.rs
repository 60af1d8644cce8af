use super::*;
use crate::controller::command::StartTag;
use ipowdm_core::ids::RouterRef;

const SETUP: &str = "setupConnection";
const TEARDOWN: &str = "teardownConnection";

fn connection() -> ConnectionId {
    "C1".parse().unwrap()
}

fn agent(name: &str) -> AgentId {
    name.parse().unwrap()
}

fn command(number: u32) -> CommandRef {
    CommandRef { incarnation: 7, start: StartTag(1), number: CommandNumber(number) }
}

fn claim(of: &str, action: &str, at: i64) -> Claim {
    Claim {
        agent_id: agent(of),
        router: RouterRef { pop_id: "pop1".parse().unwrap(), router_id: "router1".parse().unwrap() },
        action: Some(action.into()),
        command_id: None,
        connection_id: Some(connection()),
        interface: None,
        status: AckStatus::Success,
        new_power: None,
        error: None,
        timestamp: Timestamp(at),
    }
}

/// A correlator to whose agent `a` these were sent, a second apart.
fn sent(actions: &[&'static str]) -> Correlator {
    let mut correlator = Correlator::default();
    for (n, action) in actions.iter().enumerate() {
        let at = Millis(n as u64 * 1_000);
        let number = u32::try_from(n).unwrap() + 1;
        correlator.sent(at, (&connection(), &agent("a")), action, command(number));
    }
    correlator
}

const SOON: Millis = Millis(10_000);

#[test]
fn an_answer_is_that_of_the_oldest_unanswered_command_of_its_kind() {
    let mut correlator = sent(&[SETUP, TEARDOWN, SETUP]);
    let mut answers = |action, at| correlator.attribute(SOON, &connection(), &claim("a", action, at));
    assert_eq!(answers(SETUP, 1), Attribution::Of(command(1)), "not of the newer one: it may be late");
    assert_eq!(answers(TEARDOWN, 2), Attribution::Of(command(2)));
    assert_eq!(answers(SETUP, 3), Attribution::Of(command(3)));
    assert_eq!(answers(SETUP, 4), Attribution::Awaited);
}

#[test]
fn no_other_connection_or_agent_is_answered() {
    let mut correlator = sent(&[SETUP]);
    let other = "C2".parse().unwrap();
    assert_eq!(correlator.attribute(SOON, &other, &claim("a", SETUP, 1)), Attribution::Awaited);
    assert_eq!(correlator.attribute(SOON, &connection(), &claim("b", SETUP, 2)), Attribution::Awaited);
    assert_eq!(correlator.attribute(SOON, &connection(), &claim("a", SETUP, 3)), Attribution::Of(command(1)));
}

#[test]
fn a_message_that_comes_twice_answers_once() {
    let mut correlator = sent(&[SETUP, SETUP]);
    assert_eq!(correlator.attribute(SOON, &connection(), &claim("a", SETUP, 1)), Attribution::Of(command(1)));
    assert_eq!(correlator.attribute(SOON, &connection(), &claim("a", SETUP, 1)), Attribution::Repeated);
}

#[test]
fn a_command_answered_by_its_id_is_not_waited_for() {
    let mut correlator = sent(&[SETUP, SETUP]);
    correlator.answered(&connection(), &agent("a"), command(1));
    assert_eq!(correlator.attribute(SOON, &connection(), &claim("a", SETUP, 1)), Attribution::Of(command(2)));
}

#[test]
fn what_was_followed_is_waited_for_five_minutes_and_the_newest_without_end() {
    let mut correlator = sent(&[SETUP, TEARDOWN, SETUP]);
    let late = Millis(1_000 + STRAGGLER_MS);
    assert_eq!(correlator.attribute(late, &connection(), &claim("a", SETUP, 1)), Attribution::Of(command(3)));
    let mut correlator = sent(&[SETUP]);
    let much_later = Millis(STRAGGLER_MS * 100);
    let answer = correlator.attribute(much_later, &connection(), &claim("a", SETUP, 1));
    assert_eq!(answer, Attribution::Of(command(1)));
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut correlator = Correlator::default();
    for n in 0..2 * PLACES {
        let id: ConnectionId = format!("C{n}").parse().unwrap();
        for number in 0..2 * KEPT {
            correlator.sent(Millis(0), (&id, &agent("a")), SETUP, command(u32::try_from(number).unwrap()));
        }
        assert!(correlator.places.len() <= PLACES);
        let place = &correlator.places[&(id, agent("a"))];
        assert!(place.unanswered.len() <= KEPT);
        if n > PLACES + 2 {
            break;
        }
    }
    assert!(!correlator.places.contains_key(&("C0".parse().unwrap(), agent("a"))), "the oldest goes first");
}
