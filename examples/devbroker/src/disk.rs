//! The persistent mode: what the broker holds, in files.
//!
//! A folder has one file per partition, to which batches are added as they are stored in memory, and a journal of everything else:
//! topics with their configurations, starts of logs, committed positions, producer numbers. Memory is the truth while the broker
//! runs and bounds what the files hold: a file of which half is no longer held is written anew.
//!
//! Every change is handed to the operating system before its request is answered. So nothing that was confirmed is lost when the
//! process ends, however it ends; files are not forced to the disk (Apache Kafka does not by default either), so it may be when
//! the machine does. What a write has left half done at the end of a file is cut off at the next start.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::batch::StoredBatch;
use crate::coordinator::Offsets;
use crate::engine::SavedLog;
use crate::log::PartitionLog;
use crate::topics::Topics;

mod journal;

pub(crate) use journal::Event;

/// Open files that are kept; partitions may be more than a process may have open.
const OPEN_FILES: usize = 256;

/// Bytes that a partition's file may have beyond twice what is held.
const SLACK: u64 = 1 << 20;

const JOURNAL: &str = "journal";
const LOCK: &str = "lock";

/// A folder that one broker writes to.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    journal: File,
    /// Number of each topic's files; a topic that is created anew gets another.
    ids: BTreeMap<String, u64>,
    next_id: u64,
    open: HashMap<(u64, i32), (File, u64)>,
    /// Held while the broker runs.
    _lock: File,
}

impl Disk {
    /// Opens a folder, which is made where there is none, and reads what it holds.
    ///
    /// # Errors
    ///
    /// What the system says; also where another broker writes to the folder.
    pub(crate) fn open(folder: &Path) -> io::Result<(Disk, SavedLog)> {
        std::fs::create_dir_all(folder)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another broker writes to this folder"),
            TryLockError::Error(error) => error,
        })?;
        let told = journal::read(&folder.join(JOURNAL))?;
        let mut held = Held::default();
        for event in &told {
            held.take(event);
        }
        let mut topics = Topics::default();
        for (name, topic) in &held.topics {
            let mut logs = Vec::with_capacity(topic.partitions);
            for index in 0..topic.partitions {
                let index = i32::try_from(index).unwrap_or(i32::MAX);
                let start = topic.starts.get(&index).copied().unwrap_or(0);
                logs.push(read_partition(&partition_file(folder, topic.id, index), start)?);
            }
            topics.restore(name, &topic.configs, logs);
        }
        remove_strangers(folder, &held)?;
        let ids = held.topics.iter().map(|(name, topic)| (name.clone(), topic.id)).collect();
        let next_id = held.next_id;
        // What has become of all that was told, and nothing of how.
        let journal = journal::rewrite(&folder.join(JOURNAL), &held.events())?;
        let saved = SavedLog::restored(topics, held.offsets, held.next_producer_id);
        let disk =
            Disk { folder: folder.to_owned(), journal, ids, next_id, open: HashMap::new(), _lock: lock };
        Ok((disk, saved))
    }

    /// Writes what has changed.
    ///
    /// # Errors
    ///
    /// What the system says: then the files are behind what is held.
    pub(crate) fn write(&mut self, events: Vec<Event>, topics: &Topics) -> io::Result<()> {
        let mut told = Vec::new();
        for event in events {
            match event {
                Event::Appended { topic, partition, bytes } => self.append(&topic, partition, &bytes)?,
                Event::Created { topic, partitions, configs, .. } => {
                    let id = self.next_id;
                    self.next_id += 1;
                    self.ids.insert(topic.clone(), id);
                    told.push(Event::Created { id, topic, partitions, configs });
                }
                Event::Deleted { topic } => {
                    // First told, then done: a file without a topic is removed at the next start.
                    told.push(Event::Deleted { topic: topic.clone() });
                    journal::append(&mut self.journal, &std::mem::take(&mut told))?;
                    self.remove(&topic)?;
                }
                Event::Start { topic, partition, start } => {
                    told.push(Event::Start { topic: topic.clone(), partition, start });
                    journal::append(&mut self.journal, &std::mem::take(&mut told))?;
                    self.keep_small(&topic, partition, topics)?;
                }
                other => told.push(other),
            }
        }
        journal::append(&mut self.journal, &told)
    }

    fn file(&mut self, id: u64, partition: i32) -> io::Result<&mut (File, u64)> {
        if self.open.len() >= OPEN_FILES && !self.open.contains_key(&(id, partition)) {
            self.open.clear();
        }
        match self.open.entry((id, partition)) {
            std::collections::hash_map::Entry::Occupied(open) => Ok(open.into_mut()),
            std::collections::hash_map::Entry::Vacant(free) => {
                let path = partition_file(&self.folder, id, partition);
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                let length = file.metadata()?.len();
                Ok(free.insert((file, length)))
            }
        }
    }

    fn append(&mut self, topic: &str, partition: i32, bytes: &Bytes) -> io::Result<()> {
        let Some(&id) = self.ids.get(topic) else { return Ok(()) };
        let (file, length) = self.file(id, partition)?;
        file.write_all(bytes)?;
        *length += bytes.len() as u64;
        Ok(())
    }

    /// Writes a partition's file anew where most of it is no longer held.
    fn keep_small(&mut self, topic: &str, partition: i32, topics: &Topics) -> io::Result<()> {
        let (Some(&id), Some(log)) = (self.ids.get(topic), topics.log(topic, partition)) else {
            return Ok(());
        };
        let length = self.file(id, partition)?.1;
        if length <= 2 * log.bytes() as u64 + SLACK {
            return Ok(());
        }
        let path = partition_file(&self.folder, id, partition);
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        for batch in log.batches() {
            file.write_all(&batch.bytes)?;
        }
        std::fs::rename(&new, &path)?;
        self.open.remove(&(id, partition));
        Ok(())
    }

    fn remove(&mut self, topic: &str) -> io::Result<()> {
        let Some(id) = self.ids.remove(topic) else { return Ok(()) };
        self.open.retain(|(of, _), _| *of != id);
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if partition_of(&path).is_some_and(|(of, _)| of == id) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// What the journal amounts to.
#[derive(Debug, Default)]
struct Held {
    topics: BTreeMap<String, HeldTopic>,
    offsets: Offsets,
    next_producer_id: i64,
    next_id: u64,
}

#[derive(Debug)]
struct HeldTopic {
    id: u64,
    partitions: usize,
    configs: Vec<(String, String)>,
    starts: BTreeMap<i32, i64>,
}

impl Held {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Created { id, topic, partitions, configs } => {
                let (id, partitions, configs) = (*id, *partitions, configs.clone());
                self.next_id = self.next_id.max(id + 1);
                let starts = BTreeMap::new();
                self.topics.insert(topic.clone(), HeldTopic { id, partitions, configs, starts });
            }
            Event::Deleted { topic } => {
                self.topics.remove(topic);
                self.offsets.forget_topic(topic);
            }
            Event::Grown { topic, partitions } => {
                if let Some(topic) = self.topics.get_mut(topic) {
                    topic.partitions = *partitions;
                }
            }
            Event::Configured { topic, configs } => {
                if let Some(topic) = self.topics.get_mut(topic) {
                    topic.configs.clone_from(configs);
                }
            }
            Event::Start { topic, partition, start } => {
                if let Some(topic) = self.topics.get_mut(topic) {
                    topic.starts.insert(*partition, *start);
                }
            }
            Event::Committed { group, topic, partition, committed } => {
                self.offsets.restore(group, topic, *partition, committed.clone());
            }
            Event::ProducerIds { next } => self.next_producer_id = *next,
            Event::Appended { .. } => {}
        }
    }

    /// The fewest events that amount to the same.
    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (name, topic) in &self.topics {
            let (id, partitions, configs) = (topic.id, topic.partitions, topic.configs.clone());
            events.push(Event::Created { id, topic: name.clone(), partitions, configs });
            let starts = topic.starts.iter();
            events.extend(starts.map(|(&partition, &start)| Event::Start {
                topic: name.clone(),
                partition,
                start,
            }));
        }
        for group in self.offsets.groups() {
            for (topic, partition, committed) in self.offsets.of_group(group) {
                let (group, topic, committed) = (group.to_owned(), topic.to_owned(), committed.clone());
                events.push(Event::Committed { group, topic, partition, committed });
            }
        }
        events.push(Event::ProducerIds { next: self.next_producer_id });
        events
    }
}

fn partition_file(folder: &Path, id: u64, partition: i32) -> PathBuf {
    folder.join(format!("{id}-{partition}.log"))
}

/// Which partition a file is of, by its name.
fn partition_of(path: &Path) -> Option<(u64, i32)> {
    let name = path.file_name()?.to_str()?;
    let (id, partition) = name.strip_suffix(".log").or_else(|| name.strip_suffix(".new"))?.split_once('-')?;
    Some((id.parse().ok()?, partition.parse().ok()?))
}

/// Removes the files of topics that were deleted, and what was not finished.
fn remove_strangers(folder: &Path, held: &Held) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let known = |id| held.topics.values().any(|topic| topic.id == id);
        let unfinished = path.extension().is_some_and(|extension| extension == "new");
        if unfinished || partition_of(&path).is_some_and(|(id, _)| !known(id)) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Reads the batches of a file up to the first that is not whole, and cuts the file off there.
fn read_partition(path: &Path, start: i64) -> io::Result<PartitionLog> {
    let data = match std::fs::read(path) {
        Ok(data) => Bytes::from(data),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Bytes::new(),
        Err(error) => return Err(error),
    };
    let mut batches: Vec<StoredBatch> = Vec::new();
    let mut at = 0;
    while let Some(batch) = StoredBatch::read(&data.slice(at..)) {
        if batches.last().is_some_and(|before| before.last_offset + 1 != batch.base_offset) {
            break;
        }
        at += batch.bytes.len();
        batches.push(batch);
    }
    if at < data.len() {
        OpenOptions::new().write(true).open(path)?.set_len(at as u64)?;
    }
    // Each with memory of its own: together they would be held as long as one of them is.
    batches.iter_mut().for_each(|batch| batch.bytes = Bytes::copy_from_slice(&batch.bytes));
    Ok(PartitionLog::restored(batches, start))
}

#[cfg(test)]
mod tests;
