use super::*;
use ipowdm_core::ids::{PortId, VopId};
use ipowdm_core::msg::Action;
use ipowdm_core::units::{Frequency, Power};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn vop() -> VopId {
    "vOp2".parse().unwrap()
}

fn port(n: u64) -> PortId {
    PortId::new(&format!("Ethernet{n}")).unwrap()
}

fn accepted(number: u64) -> Accepted {
    Accepted {
        number,
        boot: 1,
        vop: vop(),
        key: CommandKey::Id(format!("c-{number}").parse().unwrap()),
        command_id: format!("c-{number}").parse().unwrap(),
        port: Some(port(number % 4)),
        stamp_ms: 1_730_000_000_000,
        command: format!("{{\"n\":{number}}}").into_bytes(),
    }
}

fn answer(number: u64) -> Answer {
    let Accepted { number, vop, key, port, .. } = accepted(number);
    Answer { number, vop, key, port, record_key: "c".into(), ack: vec![b'x'; 40] }
}

fn digest(number: u64) -> Digest {
    let connection_id = format!("conn-{number}").parse().unwrap();
    Digest::of(&Action::StopTelemetry { connection_id })
}

fn desired(number: u64) -> PortState {
    PortState {
        intent: Intent::Lit(Box::new(Desired {
            vop: vop(),
            connection: format!("conn-{number}").parse().unwrap(),
            frequency: Frequency::ANCHOR,
            tx_power: Some(Power::from_hundredths(-200)),
            media_code: None,
        })),
        admin_down: number.is_multiple_of(3),
        sessions: vec![(format!("conn-{number}").parse().unwrap(), vop())],
    }
}

fn bound(partition: u32, from: i64) -> Entry {
    Entry::Bound { topic: "config_vOp2".into(), incarnation: "i1".parse().unwrap(), partition, from }
}

fn position(partition: u32, next: i64) -> Entry {
    Entry::Position { topic: "config_vOp2".into(), incarnation: "i1".parse().unwrap(), partition, next }
}

/// The steps of an agent's day: every kind of entry, positions in one step with their effect.
fn steps(count: u64) -> Vec<Vec<Entry>> {
    let mut steps = vec![
        vec![Entry::Boot(1)],
        vec![Entry::FirstStart(1_730_000_000_000)],
        vec![bound(0, 4), bound(1, 0)],
        vec![Entry::Assignment(Some(b"{}".to_vec()))],
    ];
    for n in 1..=count {
        let next = i64::try_from(n).unwrap();
        steps.push(vec![
            Entry::Content { vop: vop(), key: accepted(n).key, digest: digest(n) },
            Entry::Accepted(accepted(n)),
            Entry::Epoch { vop: vop(), epoch: n / 2 },
            position(u32::from(n.is_multiple_of(2)), next),
        ]);
        steps.push(vec![Entry::Answered(answer(n)), Entry::Port(port(n % 4), desired(n))]);
        if !n.is_multiple_of(3) {
            steps.push(vec![Entry::Sent(n)]);
        }
    }
    steps
}

fn open(storage: &MemoryStorage) -> (Journal, Recovery) {
    Journal::open(Box::new(storage.clone()), 8).unwrap()
}

fn written(steps: &[Vec<Entry>]) -> MemoryStorage {
    let storage = MemoryStorage::default();
    let (mut journal, _) = open(&storage);
    for step in steps {
        journal.append(step.clone()).unwrap();
    }
    storage
}

#[test]
fn what_is_appended_is_found_again() {
    let storage = written(&steps(20));
    let (journal, recovery) = open(&storage);
    assert_eq!(recovery, Recovery::Clean);
    let state = journal.state();
    assert_eq!((state.boot(), state.last_number(), state.epoch(&vop())), (1, 20, Some(10)));
    let next = state.position("config_vOp2", &"i1".parse().unwrap()).unwrap();
    assert_eq!((next[&0], next[&1]), (19, 20));
    assert_eq!(state.position("config_vOp2", &"i2".parse().unwrap()), None, "another life of the topic");
    assert_eq!(state.port(&port(3)), desired(19));
    assert_eq!(state.port(&port(9)), PortState::default());
    assert_eq!(state.unsent().map(|a| a.number).collect::<Vec<_>>(), [3, 6, 9, 12, 15, 18]);
    assert_eq!(state.accepted().count(), 0);
    let last = accepted(20);
    assert_eq!(state.known(&vop(), &last.key).unwrap().numbers().collect::<Vec<_>>(), [20]);
}

#[test]
fn cut_at_every_byte_the_journal_is_some_whole_number_of_its_steps() {
    let steps = steps(8);
    let mut ends = vec![(0, State::new(8))];
    let storage = MemoryStorage::default();
    let (mut journal, _) = open(&storage);
    for step in &steps {
        journal.append(step.clone()).unwrap();
        ends.push((storage.bytes().len(), journal.state().clone()));
    }
    let bytes = storage.bytes();
    for cut in 0..=bytes.len() {
        let torn = MemoryStorage::with(bytes[..cut].to_vec());
        let (mut journal, recovery) = open(&torn);
        let (end, expected) = ends.iter().rev().find(|(end, _)| *end <= cut).unwrap();
        assert_eq!(journal.state(), expected, "cut at {cut}");
        let lost = as_u64(cut - end);
        let expected = if lost == 0 { Recovery::Clean } else { Recovery::TornTail { bytes: lost } };
        assert_eq!(recovery, expected, "cut at {cut}");
        // What is appended next is not hidden behind the torn bytes.
        journal.append(vec![Entry::Boot(77)]).unwrap();
        assert_eq!(open(&torn).0.state().boot(), 77, "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_is_damage_not_a_torn_tail_and_what_follows_is_set_aside() {
    let storage = written(&steps(8));
    let bytes = storage.bytes();
    let last_frame = bytes.len() - {
        let steps = steps(8);
        frame::write(steps.last().unwrap()).unwrap().len()
    };
    for at in 0..last_frame {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let storage = MemoryStorage::with(damaged);
        let (_, recovery) = open(&storage);
        let Recovery::Damaged { at: begin, bytes: lost } = recovery else {
            panic!("bit in byte {at}: {recovery:?}");
        };
        assert!(begin <= as_u64(at));
        assert_eq!(begin + lost, as_u64(bytes.len()));
        assert_eq!(as_u64(storage.aside().len()), lost);
        assert_eq!(open(&storage).1, Recovery::Clean, "only once");
    }
}

#[test]
fn a_journal_of_a_later_version_is_refused_not_cut() {
    let storage = written(&steps(1));
    let mut bytes = storage.bytes();
    let payload = [frame::VERSION + 1, 1, 2, 3];
    bytes.extend_from_slice(&4_u32.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
    let storage = MemoryStorage::with(bytes.clone());
    let error = Journal::open(Box::new(storage.clone()), 8).unwrap_err();
    assert!(matches!(error, JournalError::Newer { found: 4, known: 3 }));
    assert_eq!(storage.bytes(), bytes);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

#[test]
fn frames_are_golden() {
    // One step with every kind of entry. A change of these bytes is a new format version.
    let mut step = vec![
        Entry::Boot(3),
        position(1, 9),
        Entry::Epoch { vop: vop(), epoch: 7 },
        Entry::Accepted(Accepted {
            key: CommandKey::Place { incarnation: "i1".parse().unwrap(), partition: 2, offset: 300 },
            ..accepted(1)
        }),
        Entry::Answered(Answer { ack: b"{}".to_vec(), port: None, ..answer(2) }),
        Entry::Sent(300),
        Entry::Port(port(4), desired(3)),
        Entry::Port(port(5), PortState { intent: Intent::Dark, ..PortState::default() }),
        Entry::Port(port(6), PortState::default()),
        Entry::Assignment(Some(b"{}".to_vec())),
        Entry::Assignment(None),
        Entry::Numbered(11),
    ];
    // Of the first version: neither content nor what came later.
    let before = concat!(
        "b10000003e026fe6010c0003010b636f6e6669675f764f703202693101120204764f70320703010104764f703201",
        "02693102d80403632d31010945746865726e65743180d0c8c0d964077b226e223a317d040204764f70320003632d",
        "32000163027b7d05ac02060945746865726e6574340204764f703206636f6e6e2d33e0f1895c018f030001010663",
        "6f6e6e2d3304764f7032060945746865726e657435010000060945746865726e6574360000000701027b7d070008",
        "0b",
    );
    assert_eq!(frame::read(&unhex(before)).unwrap().unwrap(), (step.clone(), before.len() / 2));
    step.push(Entry::Content { vop: vop(), key: accepted(1).key, digest: digest(1) });
    step.push(Entry::FirstStart(1_730_000_000_000));
    let second = concat!(
        "c9000000f8fa5d21020e0003010b636f6e6669675f764f703202693101120204764f70320703010104764f703201",
        "02693102d80403632d31010945746865726e65743180d0c8c0d964077b226e223a317d040204764f70320003632d",
        "32000163027b7d05ac02060945746865726e6574340204764f703206636f6e6e2d33e0f1895c018f030001010663",
        "6f6e6e2d3304764f7032060945746865726e657435010000060945746865726e6574360000000701027b7d070008",
        "0b0904764f70320003632d3148ddc08eed0d0a80d0c8c0d964",
    );
    assert_eq!(frame::read(&unhex(second)).unwrap().unwrap(), (step.clone(), second.len() / 2));
    step.push(bound(1, 300));
    let golden = concat!(
        "dc0000003b4a41d2030f0003010b636f6e6669675f764f703202693101120204764f70320703010104764f703201",
        "02693102d80403632d31010945746865726e65743180d0c8c0d964077b226e223a317d040204764f70320003632d",
        "32000163027b7d05ac02060945746865726e6574340204764f703206636f6e6e2d33e0f1895c018f030001010663",
        "6f6e6e2d3304764f7032060945746865726e657435010000060945746865726e6574360000000701027b7d070008",
        "0b0904764f70320003632d3148ddc08eed0d0a80d0c8c0d9640b0b636f6e6669675f764f703202693101d804",
    );
    assert_eq!(hex(&frame::write(&step).unwrap()), golden);
    assert_eq!(frame::read(&unhex(golden)).unwrap().unwrap(), (step, golden.len() / 2));
}

#[test]
fn the_place_in_the_log_decides_from_a_bound_on_and_where_there_is_none() {
    let (i1, i2) = ("i1".parse().unwrap(), "i2".parse().unwrap());
    let mut journal = Journal::in_memory(8);
    let topic = "config_vOp2";
    assert!(!journal.state().counts(topic, &i1, (0, 0)), "nothing is known of this life");
    assert!(!journal.state().succeeds(topic, &i1));
    journal.append(vec![bound(0, 7), position(1, 3)]).unwrap();
    let counts = [(0, 6), (0, 7), (1, 0), (2, 0)].map(|place| journal.state().counts(topic, &i1, place));
    assert_eq!(counts, [false, true, true, true]);
    journal.append(vec![bound(0, 6), position(0, 9)]).unwrap();
    assert!(journal.state().counts(topic, &i1, (0, 6)), "a bound moves to the first record that counts");
    assert!(!journal.state().counts(topic, &i2, (0, 6)) && journal.state().succeeds(topic, &i2));
    let incarnation = i2.clone();
    journal.append(vec![Entry::Bound { topic: topic.into(), incarnation, partition: 0, from: 5 }]).unwrap();
    assert!(!journal.state().counts(topic, &i2, (0, 4)) && !journal.state().counts(topic, &i1, (0, 9)));
    assert!(!journal.state().succeeds(topic, &i2));
    assert_eq!(journal.state().position(topic, &i2), Some(&BTreeMap::new()), "a position is of one life");
}

#[test]
fn a_full_disk_changes_nothing_and_is_over_when_there_is_room() {
    let storage = written(&steps(2));
    let (mut journal, _) = open(&storage);
    let before = journal.state().clone();
    storage.set_capacity(Some(storage.bytes().len() + 3));
    let error = journal.append(vec![Entry::Boot(5)]).unwrap_err();
    assert_eq!(error.code(), ipowdm_core::error::Code::StorageFull);
    assert!(journal.is_failing());
    assert_eq!(*journal.state(), before);
    storage.set_capacity(None);
    journal.append(vec![Entry::Boot(5)]).unwrap();
    assert!(!journal.is_failing());
    assert_eq!(open(&storage).0.state().boot(), 5);
}

#[test]
fn answers_are_bounded_and_an_unsent_one_is_never_dropped() {
    let mut journal = Journal::in_memory(8);
    for n in 1..=100 {
        journal.append(vec![Entry::Accepted(accepted(n))]).unwrap();
        journal.append(vec![Entry::Answered(answer(n))]).unwrap();
        if n != 7 {
            journal.append(vec![Entry::Sent(n)]).unwrap();
        }
    }
    let state = journal.state();
    assert_eq!(state.unsent().map(|a| a.number).collect::<Vec<_>>(), [7]);
    let kept: Vec<u64> = (1..=100).filter(|n| state.answer(*n).is_some()).collect();
    assert_eq!(kept, [7, 94, 95, 96, 97, 98, 99, 100]);
    assert_eq!(state.known(&vop(), &accepted(50).key), None);
    let known: Vec<u64> = (1..=100).filter(|n| state.known(&vop(), &accepted(*n).key).is_some()).collect();
    assert_eq!(known, kept);
}

#[test]
fn what_a_command_orders_is_remembered_as_long_as_its_answer_and_over_compaction() {
    let storage = MemoryStorage::default();
    let (mut journal, _) = open(&storage);
    for n in 1..=20 {
        let content = Entry::Content { vop: vop(), key: accepted(n).key, digest: digest(n) };
        journal.append(vec![content, Entry::Accepted(accepted(n))]).unwrap();
        journal.append(vec![Entry::Answered(answer(n)), Entry::Sent(n)]).unwrap();
    }
    journal.compact().unwrap();
    for state in [journal.state(), open(&storage).0.state()] {
        assert_eq!(state.known(&vop(), &accepted(12).key), None);
        let known = state.known(&vop(), &accepted(13).key).unwrap();
        assert!(known.is(digest(13)));
        assert!(!known.is(digest(14)));
        assert_eq!(known.numbers().collect::<Vec<_>>(), [13]);
    }
}

#[test]
fn a_command_whose_content_was_not_kept_is_taken_for_the_same() {
    let mut journal = Journal::in_memory(8);
    journal.append(vec![Entry::Accepted(accepted(1))]).unwrap();
    assert!(journal.state().known(&vop(), &accepted(1).key).unwrap().is(digest(9)));
}

#[test]
fn a_long_life_does_not_grow_the_journal() {
    let storage = MemoryStorage::default();
    let (mut journal, _) = open(&storage);
    for step in steps(4000) {
        journal.append(step).unwrap();
        // Every third ack of the steps is never confirmed and must be kept; confirm those of the past.
        let old: Vec<Entry> = journal.state().unsent().take(1).map(|a| Entry::Sent(a.number)).collect();
        journal.append(old).unwrap();
    }
    assert!(journal.len() < 2 * COMPACT_FROM, "{} bytes", journal.len());
    assert_eq!(open(&storage).0.state(), journal.state());
}

#[test]
fn a_file_survives_reopening_compaction_and_a_second_agent() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let mut journal = Journal::open(Box::new(FileStorage::open(&path).unwrap()), 8).unwrap().0;
    for step in steps(10) {
        journal.append(step).unwrap();
    }
    journal.syncer().unwrap().unwrap()().unwrap();
    assert_eq!(FileStorage::open(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    journal.compact().unwrap();
    assert_eq!(FileStorage::open(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    journal.append(vec![Entry::Boot(2)]).unwrap();
    let state = journal.state().clone();
    drop(journal);
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| io::Write::write_all(&mut file, &[1, 2, 3]))
        .unwrap();
    let (journal, recovery) = Journal::open(Box::new(FileStorage::open(&path).unwrap()), 8).unwrap();
    assert_eq!(recovery, Recovery::TornTail { bytes: 3 });
    assert_eq!(*journal.state(), state);
}

proptest! {
    #[test]
    fn a_snapshot_adds_up_to_the_same_state(count in 0_u64..40, history in 0_usize..12) {
        let mut state = State::new(history);
        for entry in steps(count).into_iter().flatten() {
            state.apply(entry);
        }
        let mut again = State::new(history);
        for entry in state.snapshot().into_iter().flatten() {
            again.apply(entry);
        }
        prop_assert_eq!(again, state);
    }

    #[test]
    fn no_bytes_panic_and_opening_is_idempotent(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let storage = MemoryStorage::with(bytes);
        if let Ok((journal, _)) = Journal::open(Box::new(storage.clone()), 8) {
            let (again, recovery) = open(&storage);
            prop_assert_eq!(recovery, Recovery::Clean);
            prop_assert_eq!(again.state(), journal.state());
        }
    }
}
