//! What a sync costs, and a storage on which it costs what is said.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run has no result")]

use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use std::io;
use std::time::{Duration, Instant};

/// What a [`Paused`] storage sleeps for a sync: 0.1 ms less what a sleep takes longer than it should.
const PAUSE: Duration = Duration::from_micros(45);

/// A storage in memory whose fdatasync pauses for 0.1 ms, as a data-centre SSD's does.
#[derive(Debug, Default)]
pub struct Paused(InMemoryBackend);

impl StorageBackend for Paused {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        std::thread::sleep(PAUSE);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// The median time of a sync, of `count` of them, each after a write of `size` bytes, in µs.
///
/// # Panics
/// Where the storage does not work.
#[must_use]
pub fn sync_latency(storage: &impl StorageBackend, size: usize, count: u64) -> f64 {
    let (content, length, blocks) = (vec![7; size], size as u64, count.div_ceil(4));
    storage.set_len(blocks * length).expect("a storage that works");
    let times = (0..count).map(|i| {
        storage.write((i % blocks) * length, &content).expect("a storage that works");
        let begun = Instant::now();
        storage.sync_data().expect("a storage that works");
        begun.elapsed().as_secs_f64() * 1e6
    });
    let mut times: Vec<f64> = times.collect();
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}
