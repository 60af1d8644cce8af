use super::*;
use proptest::prelude::*;

const CONTROL: u8 = 0x28;

/// What a runner may answer, whatever was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// Two bytes of the control and status registers.
    Registers(u8, u8),
    Written,
    Woken,
    Failed,
    /// A read of another length.
    Short,
}

impl Event {
    fn step(self, handshake: &mut Handshake, now: Millis) -> Next {
        match self {
            Self::Registers(control, status) => handshake.step(now, Reply::Data(&[control, status])),
            Self::Written => handshake.step(now, Reply::Written),
            Self::Woken => handshake.step(now, Reply::Woken),
            Self::Failed => handshake.step(now, Reply::Failed(TransportError::Busy)),
            Self::Short => handshake.step(now, Reply::Data(&[0])),
        }
    }
}

fn at(stage: Stage) -> Handshake {
    let mut handshake = Handshake::new();
    handshake.stage = stage;
    handshake.control = CONTROL;
    handshake.requested = !matches!(stage, Stage::Idle | Stage::Control);
    handshake.releases = u8::from(!matches!(stage, Stage::Idle | Stage::Control | Stage::Requesting));
    handshake.deadline = Millis(1_000);
    handshake
}

const NOW: Millis = Millis(100);
const LATE: Millis = Millis(2_000);
const FROZEN: Next = Next::Attempted(Ok(IntervalEnd::Frozen));
const BUSY: Next = Next::Attempted(Err(FreezeFault::Transport(TransportError::Busy)));
const OUT_OF_STEP: Next = Next::Attempted(Err(FreezeFault::Transport(TransportError::TimedOut)));
const SETTLE: Next = Next::Sleep(Millis(110));
const AGAIN: Next = Next::Sleep(Millis(105));
const REST: Next = Next::Sleep(Millis(150));

/// Every stage with every kind of answer, on time.
#[test]
fn every_stage_answers_every_event() {
    use Event::{Failed, Registers, Short, Woken, Written};
    let release = Next::Write(CONTROL);
    let found = Next::Attempted(Ok(IntervalEnd::FoundFrozen));
    let idle = Next::Released(Release::NotNeeded);
    let events = [
        Registers(CONTROL, 0x00),
        Registers(CONTROL | REQUEST, 0x00),
        Registers(CONTROL | REQUEST, FREEZE_DONE),
        Registers(CONTROL, UNFREEZE_DONE),
        Written,
        Woken,
        Failed,
        Short,
    ];
    let request = Next::Write(CONTROL | REQUEST);
    let withdrawn = Next::Attempted(Err(FreezeFault::Withdrawn));
    let confirmed = Next::Released(Release::Confirmed);
    let table = [
        (Stage::Idle, [idle; 8]),
        (Stage::Control, [request, SETTLE, found, request, OUT_OF_STEP, OUT_OF_STEP, BUSY, OUT_OF_STEP]),
        (
            Stage::Requesting,
            [OUT_OF_STEP, OUT_OF_STEP, OUT_OF_STEP, OUT_OF_STEP, SETTLE, OUT_OF_STEP, BUSY, OUT_OF_STEP],
        ),
        (Stage::Settling, [Next::Read; 8]),
        (Stage::Polling, [withdrawn, AGAIN, FROZEN, withdrawn, OUT_OF_STEP, OUT_OF_STEP, BUSY, OUT_OF_STEP]),
        (Stage::Releasing, [REST, REST, REST, REST, SETTLE, REST, REST, REST]),
        (Stage::Resting, [release; 8]),
        (Stage::ReleaseSettling, [Next::Read; 8]),
        (Stage::ReleasePolling, [AGAIN, REST, REST, confirmed, AGAIN, AGAIN, AGAIN, AGAIN]),
    ];
    for (stage, expected) in table {
        for (event, expected) in events.into_iter().zip(expected) {
            let mut handshake = at(stage);
            assert_eq!(event.step(&mut handshake, NOW), expected, "{stage:?} and {event:?}");
        }
    }
}

#[test]
fn a_wait_ends_with_its_limit_and_the_release_with_its_attempts() {
    let mut late = at(Stage::Polling);
    assert_eq!(
        Event::Registers(CONTROL | REQUEST, 0).step(&mut late, LATE),
        Next::Attempted(Err(FreezeFault::NotDone))
    );
    let mut late = at(Stage::ReleasePolling);
    assert_eq!(Event::Registers(CONTROL, 0).step(&mut late, LATE), Next::Released(Release::Unconfirmed));
    let mut stubborn = at(Stage::Releasing);
    stubborn.releases = RELEASES;
    assert_eq!(Event::Failed.step(&mut stubborn, NOW), Next::Released(Release::StillFrozen));
    let mut stubborn = at(Stage::ReleasePolling);
    stubborn.releases = RELEASES;
    let kept = Event::Registers(CONTROL | REQUEST, 0).step(&mut stubborn, NOW);
    assert_eq!(kept, Next::Released(Release::StillFrozen));
}

#[test]
fn what_never_was_requested_is_not_released() {
    let mut handshake = Handshake::new();
    assert_eq!(handshake.freeze(), Next::Read);
    assert_eq!(Event::Failed.step(&mut handshake, NOW), BUSY);
    assert!(!handshake.is_requested());
    assert_eq!(handshake.release(), Next::Released(Release::NotNeeded));
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (any::<u8>(), any::<u8>()).prop_map(|(control, status)| Event::Registers(control, status)),
        2 => Just(Event::Written),
        1 => Just(Event::Woken),
        1 => Just(Event::Failed),
        1 => Just(Event::Short),
    ]
}

proptest! {
    /// Whatever is answered, and however the clock goes, the handshake ends, and not without a release.
    #[test]
    fn any_answers_end_with_a_release(script in prop::collection::vec((event(), 0..50_u64), 0..600)) {
        let mut handshake = Handshake::new();
        let mut script = script.into_iter();
        let (mut now, mut requested, mut released) = (Millis(0), false, false);
        let mut next = handshake.freeze();
        for _ in 0..2_000 {
            next = match next {
                Next::Attempted(_) => handshake.release(),
                Next::Released(release) => {
                    prop_assert!(!requested || released, "{:?} without a release", release);
                    return Ok(());
                }
                other => {
                    if let Next::Write(control) = other {
                        requested |= control & REQUEST != 0;
                        released |= control & REQUEST == 0;
                    }
                    // After the script the module answers nothing any more.
                    let (event, pause) = script.next().unwrap_or((Event::Failed, 5));
                    now = Millis(now.0 + pause);
                    event.step(&mut handshake, now)
                }
            };
        }
        prop_assert!(false, "the handshake never ends");
    }
}
