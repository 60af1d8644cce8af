//! A disk that remembers every write and can be cut off after each, as a power failure does.

use redb::StorageBackend;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a device writes as a whole.
const SECTOR: usize = 512;

/// A small generator of reproducible pseudo-random numbers (SplitMix64).
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

#[derive(Debug, Clone)]
enum Event {
    Write { offset: usize, content: Arc<[u8]> },
    Length(usize),
    Sync,
}

/// What is left of the writes after the last sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsynced {
    /// All of them.
    Kept,
    /// None of them.
    Lost,
    /// Of each sector any of its contents since the sync, drawn with this seed; the length likewise.
    Torn(u64),
}

#[derive(Debug, Default)]
struct State {
    /// What was there before the first event.
    before: Vec<u8>,
    /// What a reader of the running machine sees.
    content: Vec<u8>,
    events: Vec<Event>,
    /// Writes, changes of length and syncs left until one fails, and how.
    fault: Option<(usize, ErrorKind)>,
    /// Whether one has failed.
    struck: bool,
}

/// The disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub(super) fn new(content: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State { before: content.clone(), content, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// How many writes, changes of length and syncs there were.
    pub(super) fn events(&self) -> usize {
        self.state().events.len()
    }

    /// Makes the event after `events` more fail, and all that follow.
    pub(super) fn fail_after(&self, events: usize, kind: ErrorKind) {
        self.state().fault = Some((events, kind));
    }

    /// Whether the fault has struck.
    pub(super) fn has_failed(&self) -> bool {
        self.state().struck
    }

    /// What the machine reads from its disk.
    pub(super) fn content(&self) -> Vec<u8> {
        self.state().content.clone()
    }

    /// What is on the disk when the power goes after `cut` events.
    pub(super) fn after_cut(&self, cut: usize, unsynced: Unsynced) -> Vec<u8> {
        let state = self.state();
        let synced = state.events[..cut].iter().rposition(|event| matches!(event, Event::Sync)).unwrap_or(0);
        let mut content = state.before.clone();
        for event in &state.events[..synced] {
            apply(&mut content, event);
        }
        match unsynced {
            Unsynced::Lost => {}
            Unsynced::Kept => state.events[synced..cut].iter().for_each(|event| apply(&mut content, event)),
            Unsynced::Torn(seed) => tear(&mut content, &state.events[synced..cut], &mut Random(seed)),
        }
        content
    }

    fn record(&self, event: Event) -> io::Result<()> {
        let mut state = self.state();
        match &mut state.fault {
            Some((0, kind)) => {
                let error = io::Error::from(*kind);
                state.struck = true;
                return Err(error);
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
        apply(&mut state.content, &event);
        state.events.push(event);
        Ok(())
    }
}

fn apply(content: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Write { offset, content: written } => {
            let end = offset + written.len();
            content.resize(content.len().max(end), 0);
            content[*offset..end].copy_from_slice(written);
        }
        Event::Length(length) => content.resize(*length, 0),
        Event::Sync => {}
    }
}

/// Gives each sector, and the length, one of the contents that it had.
fn tear(content: &mut Vec<u8>, events: &[Event], random: &mut Random) {
    let mut lengths = vec![content.len()];
    let mut sectors: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
    let mut whole = content.clone();
    for event in events {
        apply(&mut whole, event);
        lengths.push(whole.len());
        if let Event::Write { offset, content: written } = event
            && !written.is_empty()
        {
            for sector in offset / SECTOR..=(offset + written.len() - 1) / SECTOR {
                let from = sector * SECTOR;
                let to = whole.len().min(from + SECTOR);
                sectors.entry(sector).or_default().push(whole[from..to].to_vec());
            }
        }
    }
    let length = lengths[random.below(lengths.len())];
    content.resize(length, 0);
    for (sector, versions) in sectors {
        let chosen = random.below(versions.len() + 1);
        let from = sector * SECTOR;
        if chosen > 0 && from < length {
            let version = &versions[chosen - 1];
            let to = length.min(from + version.len());
            content[from..to].copy_from_slice(&version[..to - from]);
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().content.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let from = usize::try_from(offset).unwrap();
        let found = state.content.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.record(Event::Length(usize::try_from(len).unwrap()))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.record(Event::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.record(Event::Write { offset: usize::try_from(offset).unwrap(), content: data.into() })
    }
}

#[test]
fn a_cut_disk_holds_what_was_synced_and_any_of_the_rest() {
    let disk = Disk::default();
    disk.write(0, &[1; 1024]).unwrap();
    disk.sync_data().unwrap();
    disk.write(0, &[2; 1024]).unwrap();
    disk.write(512, &[3; 512]).unwrap();
    assert_eq!(disk.events(), 4);
    assert_eq!(disk.after_cut(4, Unsynced::Lost), [1; 1024]);
    assert_eq!(disk.after_cut(3, Unsynced::Kept), [2; 1024]);
    assert_eq!(disk.after_cut(1, Unsynced::Lost), Vec::<u8>::new());
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let torn = disk.after_cut(4, Unsynced::Torn(seed));
        assert!(
            torn[..512].iter().all(|byte| *byte == torn[0])
                && torn[512..].iter().all(|byte| *byte == torn[512])
        );
        seen.insert((torn[0], torn[512]));
    }
    assert_eq!(seen.len(), 2 * 3, "{seen:?}");
}
