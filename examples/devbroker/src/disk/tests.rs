use super::*;
use crate::batch::Batch;
use crate::clock::Clock;
use crate::config::TopicConfig;
use crate::coordinator::Committed;
use crate::options::Limits;
use crate::samples;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("devbroker-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Folder(std::env::temp_dir().join(name))
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".log"))
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Topics over a folder.
struct Bench {
    disk: Disk,
    topics: Topics,
    saved: SavedLog,
    limits: Limits,
}

impl Bench {
    fn open(folder: &Folder) -> Self {
        Self::limited(folder, Limits::default())
    }

    fn limited(folder: &Folder, limits: Limits) -> Self {
        let (disk, saved) = Disk::open(&folder.0).unwrap();
        let mut topics = saved.held().clone();
        topics.keep_changes(true);
        Bench { disk, topics, saved, limits }
    }

    fn create(&mut self, topic: &str, configs: &[(&str, &str)]) {
        let config = TopicConfig::parse(configs.iter().map(|&(name, value)| (name, Some(value)))).unwrap();
        self.topics.create(topic, 2, config, &self.limits).unwrap();
        self.write();
    }

    fn append(&mut self, topic: &str, count: usize) {
        let batch = Batch::check(&samples::plain_batch(count, 1_000)).unwrap();
        self.topics.append(topic, 1, batch, Clock::default().now(), &self.limits).unwrap();
        self.write();
    }

    fn write(&mut self) {
        self.disk.write(self.topics.unwritten(), &self.topics).unwrap();
    }

    fn bounds(&self, topic: &str) -> (i64, i64) {
        self.topics.bounds(topic, 1).unwrap()
    }

    fn records(&self, topic: &str) -> Bytes {
        let start = self.bounds(topic).0;
        self.topics.read(topic, 1, start, usize::MAX, true).unwrap().records
    }
}

#[test]
fn what_was_held_is_held_again_byte_for_byte() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    bench.create("t", &[("retention.ms", "-1")]);
    bench.append("t", 3);
    bench.append("t", 2);
    bench.topics.grow("t", 4, &bench.limits.clone()).unwrap();
    let committed = Committed { offset: 4, leader_epoch: -1, metadata: "note".to_owned() };
    let event = Event::Committed { group: "g".to_owned(), topic: "t".to_owned(), partition: 1, committed };
    bench.topics.note(|| event);
    bench.topics.note(|| Event::ProducerIds { next: 77 });
    bench.write();
    let records = bench.records("t");
    drop(bench);
    for _ in 0..2 {
        let again = Bench::open(&folder);
        assert_eq!((again.bounds("t"), again.records("t")), ((0, 5), records.clone()));
        let topic = again.topics.get("t").unwrap();
        assert_eq!((topic.partitions(), topic.config.retention_ms), (4, None));
        let (offsets, next) = again.saved.positions();
        assert_eq!((offsets.get("g", "t", 1).map(|at| at.offset), next), (Some(4), 77));
    }
}

#[test]
fn a_torn_tail_is_cut_off_and_appended_after() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    bench.create("t", &[]);
    bench.append("t", 3);
    drop(bench);
    let path = folder.0.join("0-1.log");
    let whole = std::fs::read(&path).unwrap();
    let next = samples::plain_batch(2, 1_000);
    for torn in [&next[..1], &next[..next.len() - 1], &[0_u8; 200][..], &whole[..]] {
        std::fs::write(&path, [&whole, torn].concat()).unwrap();
        let mut bench = Bench::open(&folder);
        assert_eq!(bench.bounds("t"), (0, 3), "{} bytes more", torn.len());
        bench.append("t", 1);
        drop(bench);
        assert_eq!(Bench::open(&folder).bounds("t"), (0, 4));
        std::fs::write(&path, &whole).unwrap();
    }
    // The journal's tail, too: what was told before counts.
    let journal = folder.0.join("journal");
    let told = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, [&told[..], &[0, 0, 0, 9, 1, 2]].concat()).unwrap();
    assert_eq!(Bench::open(&folder).bounds("t"), (0, 3));
}

#[test]
fn a_batch_that_was_damaged_ends_the_log_before_it() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    bench.create("t", &[]);
    bench.append("t", 3);
    bench.append("t", 3);
    drop(bench);
    let path = folder.0.join("0-1.log");
    let mut data = std::fs::read(&path).unwrap();
    *data.last_mut().unwrap() ^= 1;
    std::fs::write(&path, data).unwrap();
    assert_eq!(Bench::open(&folder).bounds("t"), (0, 3));
}

#[test]
fn a_start_that_moved_does_not_move_back_and_files_stay_small() {
    let folder = Folder::new();
    let limits = Limits { partition_bytes: 10_000, ..Limits::default() };
    let mut bench = Bench::limited(&folder, limits.clone());
    bench.create("t", &[]);
    while bench.bounds("t").0 < 50_000 {
        bench.append("t", 100);
        let length = std::fs::metadata(folder.0.join("0-1.log")).unwrap().len();
        assert!(length <= SLACK + 40_000, "{length}");
    }
    bench.topics.delete_records("t", 1, -1).unwrap();
    bench.write();
    let bounds = bench.bounds("t");
    assert_eq!(bounds.0, bounds.1);
    drop(bench);
    assert_eq!(Bench::limited(&folder, limits).bounds("t"), bounds);
}

#[test]
fn a_topic_that_is_created_anew_has_nothing_of_the_old_one() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    bench.create("t", &[]);
    bench.append("t", 3);
    assert!(bench.topics.delete("t"));
    bench.write();
    assert_eq!(folder.files(), Vec::<String>::new());
    bench.create("t", &[]);
    drop(bench);
    assert_eq!(Bench::open(&folder).bounds("t"), (0, 0));
    // Left by a deletion that was cut short.
    std::fs::write(folder.0.join("99-0.log"), b"old").unwrap();
    drop(Bench::open(&folder));
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn one_broker_writes_to_a_folder() {
    let folder = Folder::new();
    let bench = Bench::open(&folder);
    let refused = Disk::open(&folder.0).unwrap_err();
    assert!(refused.to_string().contains("another broker"), "{refused}");
    drop(bench);
    drop(Bench::open(&folder));
}
