//! Every state and every event.

use super::*;

/// What an event leads to in a state: refused, ignored, taken in without a move, or a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pair {
    R,
    I,
    Stay,
    To(State),
}

fn pair_of(bench: &mut Bench, event: &Event) -> Pair {
    let before = bench.life.clone();
    let effect = bench.on(event);
    match effect.verdict {
        Verdict::Applied if bench.life.state() == before.state() => Pair::Stay,
        Verdict::Applied => Pair::To(bench.life.state()),
        other => {
            assert_eq!(bench.life, before, "{event:?} in {} changed something", before.state());
            assert!(effect.actions.is_empty(), "{event:?} in {}", before.state());
            if other == Verdict::Refused { Pair::R } else { Pair::I }
        }
    }
}

/// A named way to make the event for a bench in some state.
type Make = (&'static str, fn(&mut Bench) -> Event);

fn events() -> Vec<Make> {
    vec![
        ("setup", |_| Event::Setup),
        ("repair, taken anew", |_| Event::Repair { anew: Some(both()) }),
        ("repair, still held", |_| Event::Repair { anew: None }),
        ("reconfigure", |_| change()),
        ("step", |_| step()),
        ("teardown", |_| Event::Teardown),
        ("abandon", |_| Event::Abandon),
        ("good answer", |b| {
            // What an agent answers that did what it was told.
            let teardown = b.life.state() == State::TeardownInProgress;
            let powered = if b.life.state() == State::Reconfiguring { -150 } else { -200 };
            let readback = (!teardown).then(|| readback(power(powered)));
            Event::Answer(Answer { readback, ..b.answer(S, Outcome::Applied) })
        }),
        ("bad answer", |b| Event::Answer(b.answer(S, Outcome::Rejected))),
        ("stale answer", |b| Event::Answer(b.answer(S, Outcome::StaleEpoch))),
        ("unknown answer", |b| {
            Event::Answer(Answer { number: CommandNumber(9_999), ..b.answer(S, Outcome::Applied) })
        }),
        ("early tick", |_| Event::Tick),
        ("deadline", |b| {
            b.now = b.life.deadline().unwrap_or(b.now.plus(86_400_000));
            Event::Tick
        }),
        ("agent unknown", |_| Event::AgentUnknown(S)),
        ("agent known", |b| {
            b.on(&Event::AgentUnknown(S));
            Event::AgentKnown(S)
        }),
        ("module removed", |_| Event::ModuleRemoved(S)),
        ("module present", |_| Event::ModulePresent(S)),
        ("module swapped", |_| Event::ModuleSwapped(S)),
        ("loss of signal", |_| Event::LossOfSignal(S)),
        ("signal back", |b| {
            b.on(&Event::LossOfSignal(S));
            Event::SignalBack(S)
        }),
        ("link down", |_| Event::LinkDown),
        ("link up", |b| {
            b.on(&Event::LinkDown);
            Event::LinkUp
        }),
        ("foreign change", |_| Event::ForeignChange(S)),
        ("conforming", |b| {
            b.on(&Event::ForeignChange(S));
            Event::Conforming(S)
        }),
        ("dark seen", |_| Event::LightSeen(S, Light::Dark)),
        ("light seen", |b| {
            b.on(&Event::LightSeen(S, Light::Dark));
            Event::LightSeen(S, Light::Lit)
        }),
        ("degraded", |_| Event::Quality(Level::Degraded)),
        ("good", |_| Event::Quality(Level::Good)),
    ]
}

#[test]
fn s0_11_every_state_and_event() {
    use Pair::{I, R, Stay, To};
    use State::{
        Active as A, Degraded as G, Failed as F, Reconfiguring as C, SetupInProgress as U,
        TeardownInProgress as X, Terminated as Z,
    };
    // Columns: PENDING, SETUP, ACTIVE, DEGRADED, RECONFIGURING, TEARDOWN, TERMINATED, FAILED (holding nothing).
    let table: [(&str, [Pair; 8]); 28] = [
        ("setup", [To(U), R, R, R, R, R, R, R]),
        ("repair, taken anew", [R, R, R, R, R, R, R, To(U)]),
        ("repair, still held", [R, R, R, R, R, R, R, R]),
        ("reconfigure", [R, R, To(C), To(C), R, R, R, R]),
        ("step", [I, I, To(C), To(C), I, I, I, I]),
        ("teardown", [To(Z), To(X), To(X), To(X), To(X), R, R, To(Z)]),
        ("abandon", [To(Z), To(Z), To(Z), To(Z), To(Z), To(Z), R, To(Z)]),
        ("good answer", [I, Stay, I, I, To(G), Stay, I, I]),
        ("bad answer", [I, To(X), I, I, To(G), Stay, I, I]),
        ("stale answer", [I, Stay, I, I, Stay, Stay, I, I]),
        ("unknown answer", [I, I, I, I, I, I, I, I]),
        ("early tick", [I, I, I, I, I, I, I, I]),
        ("deadline", [To(F), To(X), I, I, To(G), To(F), Stay, Stay]),
        ("agent unknown", [Stay, Stay, Stay, Stay, Stay, Stay, I, I]),
        ("agent known", [Stay, Stay, Stay, Stay, Stay, Stay, I, I]),
        ("module removed", [Stay, To(X), To(G), Stay, To(G), Stay, I, I]),
        ("module present", [I, I, I, I, I, I, I, I]),
        ("module swapped", [I, To(X), To(G), Stay, Stay, I, I, I]),
        ("loss of signal", [Stay, Stay, To(G), Stay, Stay, Stay, I, I]),
        ("signal back", [Stay, Stay, To(A), Stay, Stay, Stay, I, I]),
        ("link down", [Stay, Stay, To(G), Stay, Stay, Stay, I, I]),
        ("link up", [Stay, Stay, To(A), Stay, Stay, Stay, I, I]),
        ("foreign change", [I, I, To(G), Stay, I, I, I, I]),
        ("conforming", [I, I, To(A), Stay, I, I, I, I]),
        ("dark seen", [I, I, To(G), Stay, I, I, I, I]),
        ("light seen", [I, I, Stay, Stay, I, I, I, I]),
        ("degraded", [I, I, To(G), I, I, I, I, I]),
        ("good", [I, I, I, To(A), Stay, I, I, I]),
    ];
    let events = events();
    assert_eq!(table.len(), events.len());
    let mut wrong = Vec::new();
    for ((name, row), (event_name, make)) in table.iter().zip(&events) {
        assert_eq!(name, event_name);
        for (state, expected) in State::ALL.iter().zip(row) {
            let mut bench = Bench::in_state(*state);
            if *state == State::Reconfiguring {
                // It came from DEGRADED, so that settling is visible as a move to either.
                bench = Bench::in_state(State::Degraded);
                bench.on(&change());
            }
            let event = make(&mut bench);
            let pair = pair_of(&mut bench, &event);
            if pair != *expected {
                wrong.push(format!("{name} in {state}: {pair:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The column that the table has no room for: FAILED, with an end that may still shine.
#[test]
fn s0_11_every_event_in_failed_while_something_is_held() {
    use Pair::{I, R, Stay, To};
    let expected = |name: &str| match name {
        "repair, still held" => To(State::SetupInProgress),
        "setup" | "repair, taken anew" | "reconfigure" => R,
        "teardown" => To(State::TeardownInProgress),
        "abandon" => To(State::Terminated),
        // The end that shines answers that it has gone dark, or is gone; or it is told again.
        "good answer" | "bad answer" | "stale answer" | "deadline" => Stay,
        "agent known" | "module removed" => Stay,
        "agent unknown" | "loss of signal" | "signal back" | "link down" | "link up" => Stay,
        _ => I,
    };
    let mut wrong = Vec::new();
    for (name, make) in events() {
        let mut bench = Bench::stranded();
        let event = match name {
            "good answer" => Event::Answer(Answer { readback: None, ..bench.answer(S, Outcome::Applied) }),
            "agent unknown" => {
                bench.on(&Event::AgentKnown(S));
                Event::AgentUnknown(S)
            }
            _ => make(&mut bench),
        };
        let pair = pair_of(&mut bench, &event);
        if pair != expected(name) {
            wrong.push(format!("{name}: {pair:?}, not {:?}", expected(name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn s0_11_moves_follow_the_table_of_the_reference_and_its_stated_additions() {
    for (name, make) in events() {
        for state in State::ALL {
            let mut bench = Bench::in_state(state);
            let event = make(&mut bench);
            bench.on(&event);
            for action in &bench.log {
                if let Action::Moved { from, to, .. } = action {
                    assert!(from.successors().contains(to), "{name}: {from} to {to}");
                }
            }
        }
    }
}
