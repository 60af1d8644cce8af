//! The journal of everything but records: entries of length, CRC-32C and content.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::coordinator::Committed;

/// Something that changed what the broker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A topic was created; `id` is given by the folder.
    Created { id: u64, topic: String, partitions: usize, configs: Vec<(String, String)> },
    /// A topic was deleted, with its records and the positions in it.
    Deleted { topic: String },
    /// A topic has so many partitions now.
    Grown { topic: String, partitions: usize },
    /// A topic has this configuration now.
    Configured { topic: String, configs: Vec<(String, String)> },
    /// A batch was appended. In the partition's file, not in the journal.
    Appended { topic: String, partition: i32, bytes: Bytes },
    /// The log of a partition starts here now.
    Start { topic: String, partition: i32, start: i64 },
    /// A group has committed a position.
    Committed { group: String, topic: String, partition: i32, committed: Committed },
    /// Producer numbers below this have been given.
    ProducerIds { next: i64 },
}

impl Event {
    /// `None` for what is not in the journal.
    fn encode(&self) -> Option<BytesMut> {
        let mut out = BytesMut::new();
        match self {
            Event::Created { id, topic, partitions, configs } => {
                out.put_u8(1);
                out.put_u64(*id);
                put_text(&mut out, topic);
                out.put_u64(*partitions as u64);
                put_configs(&mut out, configs);
            }
            Event::Deleted { topic } => {
                out.put_u8(2);
                put_text(&mut out, topic);
            }
            Event::Grown { topic, partitions } => {
                out.put_u8(3);
                put_text(&mut out, topic);
                out.put_u64(*partitions as u64);
            }
            Event::Configured { topic, configs } => {
                out.put_u8(4);
                put_text(&mut out, topic);
                put_configs(&mut out, configs);
            }
            Event::Start { topic, partition, start } => {
                out.put_u8(5);
                put_text(&mut out, topic);
                out.put_i32(*partition);
                out.put_i64(*start);
            }
            Event::Committed { group, topic, partition, committed } => {
                out.put_u8(6);
                put_text(&mut out, group);
                put_text(&mut out, topic);
                out.put_i32(*partition);
                out.put_i64(committed.offset);
                out.put_i32(committed.leader_epoch);
                put_text(&mut out, &committed.metadata);
            }
            Event::ProducerIds { next } => {
                out.put_u8(7);
                out.put_i64(*next);
            }
            Event::Appended { .. } => return None,
        }
        Some(out)
    }

    fn decode(mut data: Bytes) -> Option<Event> {
        let data = &mut data;
        let event = match data.try_get_u8().ok()? {
            1 => Event::Created {
                id: data.try_get_u64().ok()?,
                topic: text(data)?,
                partitions: usize::try_from(data.try_get_u64().ok()?).ok()?,
                configs: configs(data)?,
            },
            2 => Event::Deleted { topic: text(data)? },
            3 => Event::Grown {
                topic: text(data)?,
                partitions: usize::try_from(data.try_get_u64().ok()?).ok()?,
            },
            4 => Event::Configured { topic: text(data)?, configs: configs(data)? },
            5 => Event::Start {
                topic: text(data)?,
                partition: data.try_get_i32().ok()?,
                start: data.try_get_i64().ok()?,
            },
            6 => Event::Committed {
                group: text(data)?,
                topic: text(data)?,
                partition: data.try_get_i32().ok()?,
                committed: Committed {
                    offset: data.try_get_i64().ok()?,
                    leader_epoch: data.try_get_i32().ok()?,
                    metadata: text(data)?,
                },
            },
            7 => Event::ProducerIds { next: data.try_get_i64().ok()? },
            _ => return None,
        };
        Some(event).filter(|_| data.is_empty())
    }
}

fn put_text(out: &mut BytesMut, text: &str) {
    // Names and notes are bounded far below 4 GiB.
    out.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    out.put_slice(text.as_bytes());
}

fn put_configs(out: &mut BytesMut, configs: &[(String, String)]) {
    out.put_u32(u32::try_from(configs.len()).unwrap_or(u32::MAX));
    for (name, value) in configs {
        put_text(out, name);
        put_text(out, value);
    }
}

fn text(data: &mut Bytes) -> Option<String> {
    let length = usize::try_from(data.try_get_u32().ok()?).ok()?;
    if length > data.len() {
        return None;
    }
    String::from_utf8(data.split_to(length).to_vec()).ok()
}

fn configs(data: &mut Bytes) -> Option<Vec<(String, String)>> {
    (0..data.try_get_u32().ok()?).map(|_| Some((text(data)?, text(data)?))).collect()
}

fn encode(events: &[Event]) -> BytesMut {
    let mut out = BytesMut::new();
    for content in events.iter().filter_map(Event::encode) {
        out.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
        out.put_u32(crc32c::crc32c(&content));
        out.put_slice(&content);
    }
    out
}

/// Adds events to the journal.
pub(super) fn append(journal: &mut File, events: &[Event]) -> io::Result<()> {
    let data = encode(events);
    if data.is_empty() { Ok(()) } else { journal.write_all(&data) }
}

/// Replaces the journal by one with these events; answers it, to be added to.
pub(super) fn rewrite(path: &Path, events: &[Event]) -> io::Result<File> {
    let new = path.with_extension("new");
    std::fs::write(&new, encode(events))?;
    std::fs::rename(&new, path)?;
    OpenOptions::new().append(true).open(path)
}

/// The events of a journal, up to the first entry that is not whole. None where there is no journal.
pub(super) fn read(path: &Path) -> io::Result<Vec<Event>> {
    let mut data = match std::fs::read(path) {
        Ok(data) => Bytes::from(data),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut events = Vec::new();
    while data.len() >= 8 {
        let (length, crc) = (data.get_u32() as usize, data.get_u32());
        if length > data.len() {
            break;
        }
        let content = data.split_to(length);
        if crc32c::crc32c(&content) != crc {
            break;
        }
        let Some(event) = Event::decode(content) else { break };
        events.push(event);
    }
    Ok(events)
}
