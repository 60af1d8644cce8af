//! The scripts' arguments and answers.

use super::super::backend::{Batch, Range};
use super::super::{RawKey, Value};
use super::mirror::Entry;
use std::sync::Arc;

pub(super) const OPEN: &str = include_str!("open.lua");
pub(super) const EXCHANGE: &str = include_str!("exchange.lua");

/// The format of the store that these scripts read and write.
pub(super) const FORMAT: u32 = 1;

/// Commits that an exchange or a read of the feed tells at most.
pub(super) const PAGE: usize = 512;

/// Entries that one exchange loads of a range at most.
pub(super) const RANGE_PAGE: usize = 1024;

/// Bytes before the value of a stored record: version and kind.
const HEAD: usize = 9;

/// An answer that is not of the agreed form.
#[derive(Debug, thiserror::Error)]
#[error("the server's answer has an unexpected form: {0}")]
pub(super) struct Unreadable(&'static str);

/// The names of the store's keys on the server, all in one hash slot.
#[derive(Debug, Clone)]
pub(super) struct Names {
    shared: [String; 6],
    pub(super) writer: String,
}

impl Names {
    pub(super) fn new(prefix: &str, instance: &str) -> Self {
        let name = |part: &str| format!("{{{prefix}}}:{part}");
        Self {
            shared: ["meta", "data", "index", "feed", "undo", "graves"].map(name),
            writer: name(&format!("writer:{instance}")),
        }
    }

    pub(super) fn feed(&self) -> &str {
        &self.shared[3]
    }

    /// `EVALSHA` with the keys, ready for the script's arguments.
    pub(super) fn call(&self, sha: &str) -> redis::Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(sha).arg(self.shared.len() + 1).arg(&self.shared[..]).arg(&self.writer);
        command
    }
}

/// What is loaded at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Load {
    Keys {
        view: u64,
        keys: Vec<RawKey>,
    },
    /// A page of a range.
    Range {
        view: u64,
        range: Range,
    },
}

/// What a load answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Loaded {
    Keys(Vec<Option<Value>>),
    Range {
        /// Where the next page begins; `None` at the end of the range.
        next: Option<RawKey>,
        entries: Vec<(RawKey, Value)>,
    },
    Stale,
}

/// One request to the server, built anew for each attempt from the same parts.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The version up to which the commits have been checked here.
    pub(super) applied: u64,
    pub(super) anchor: String,
    pub(super) instance: Arc<str>,
    /// 0 without commits.
    pub(super) sequence: u64,
    pub(super) loads: Vec<Load>,
    pub(super) batches: Vec<Arc<Batch>>,
}

impl Exchange {
    /// Who commits the batch at this place of the exchange, as the script says it in the feed.
    pub(super) fn by(&self, index: usize) -> String {
        format!("{}:{}:{index}", self.instance, self.sequence)
    }

    /// Appends the arguments. `recall` asks what became of commits that were sent before, and lets them come true no more.
    pub(super) fn write(&self, command: &mut redis::Cmd, recall: bool) {
        command.arg(self.applied).arg(&self.anchor).arg(&*self.instance).arg(self.sequence);
        command.arg(if recall { "recall" } else { "run" }).arg(PAGE);
        command.arg(self.loads.len());
        for load in &self.loads {
            match load {
                Load::Keys { view, keys } => {
                    command.arg("k").arg(*view).arg(keys.len());
                    for key in keys {
                        command.arg(key.as_str());
                    }
                }
                Load::Range { view, range } => {
                    let (low, high, page) = bounds(range);
                    command.arg("r").arg(*view).arg(low).arg(high).arg(page);
                }
            }
        }
        command.arg(self.batches.len());
        for batch in &self.batches {
            write_batch(command, batch);
        }
    }
}

/// A range as the bounds of `ZRANGEBYLEX`, and the size of its next page.
fn bounds(range: &Range) -> (Vec<u8>, Vec<u8>, usize) {
    let prefix = range.prefix.as_str();
    let low = match &range.after {
        Some(after) if after.as_str() >= prefix => format!("({after}").into_bytes(),
        _ => format!("[{prefix}").into_bytes(),
    };
    // No key holds the byte FFh, which UTF-8 has no use for: this is behind every key with the prefix.
    let high = [b"(", prefix.as_bytes(), b"\xff"].concat();
    (low, high, range.limit.unwrap_or(RANGE_PAGE).clamp(1, RANGE_PAGE))
}

fn write_batch(command: &mut redis::Cmd, batch: &Batch) {
    let puts = batch.writes.iter().filter(|write| write.value.is_some()).count();
    command.arg(batch.reads.len()).arg(batch.scans.len());
    command.arg(puts).arg(batch.writes.len() - puts).arg(batch.stamped.len());
    for key in batch.reads.iter().chain(&batch.scans) {
        command.arg(key.as_str());
    }
    for write in &batch.writes {
        if let Some(value) = &write.value {
            command.arg(write.key.as_str()).arg(&**value);
        }
    }
    for write in batch.writes.iter().filter(|write| write.value.is_none()) {
        command.arg(write.key.as_str());
    }
    for write in &batch.stamped {
        command.arg(write.kind).arg(&*write.value);
    }
}

/// What the exchange script answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// The feed does not continue what this process has seen; nothing was done.
    Lost,
    Done(Done),
}

#[derive(Debug)]
pub(super) struct Done {
    /// So much was committed since that the commits could not be checked; they were not tried.
    pub(super) behind: bool,
    pub(super) version: u64,
    pub(super) entries: Vec<Entry>,
    pub(super) loads: Vec<Loaded>,
    /// The version of each commit, none for a conflict; empty where none was tried.
    pub(super) outcomes: Vec<Option<u64>>,
}

type Items = std::vec::IntoIter<redis::Value>;

fn items(value: redis::Value, what: &'static str) -> Result<Items, Unreadable> {
    match value {
        redis::Value::Array(items) => Ok(items.into_iter()),
        _ => Err(Unreadable(what)),
    }
}

fn number(value: Option<redis::Value>) -> Result<u64, Unreadable> {
    match value {
        Some(redis::Value::Int(number)) => u64::try_from(number).map_err(|_| Unreadable("a negative number")),
        _ => Err(Unreadable("not a number")),
    }
}

fn bytes(value: Option<redis::Value>) -> Result<Vec<u8>, Unreadable> {
    match value {
        Some(redis::Value::BulkString(bytes)) => Ok(bytes),
        Some(redis::Value::SimpleString(text)) => Ok(text.into_bytes()),
        _ => Err(Unreadable("not a text")),
    }
}

fn text(value: Option<redis::Value>) -> Result<String, Unreadable> {
    String::from_utf8(bytes(value)?).map_err(|_| Unreadable("not UTF-8"))
}

fn raw_key(value: Option<redis::Value>) -> Result<RawKey, Unreadable> {
    Ok(RawKey::from_stored(&text(value)?))
}

/// The value in a stored record.
fn record(bytes: &[u8]) -> Result<Value, Unreadable> {
    bytes.get(HEAD..).map(Value::from).ok_or(Unreadable("a record without head"))
}

/// The keys of a commit, each as `LENGTH:KEY`.
fn keys_of(blob: &str) -> Result<Vec<RawKey>, Unreadable> {
    let mut keys = Vec::new();
    let mut rest = blob;
    while !rest.is_empty() {
        let parts = rest.split_once(':').and_then(|(length, tail)| {
            let length: usize = length.parse().ok()?;
            Some((tail.get(..length)?, tail.get(length..)?))
        });
        let (key, tail) = parts.ok_or(Unreadable("a list of keys"))?;
        keys.push(RawKey::from_stored(key));
        rest = tail;
    }
    Ok(keys)
}

/// Reads the answer of the exchange script to these loads.
pub(super) fn read_answer(value: redis::Value) -> Result<Answer, Unreadable> {
    let mut parts = items(value, "the answer")?;
    let status = text(parts.next())?;
    if status == "lost" {
        return Ok(Answer::Lost);
    }
    let version = number(parts.next())?;
    let mut list = items(parts.next().unwrap_or_default(), "entries")?;
    let mut entries = Vec::with_capacity(list.len() / 4);
    while let Some(entry) = list.next() {
        let version = number(Some(entry))?;
        let (by, after) = (text(list.next())?, text(list.next())?);
        entries.push(Entry { version, by, after, keys: keys_of(&text(list.next())?)? });
    }
    let loads = items(parts.next().unwrap_or_default(), "loads")?.collect::<Vec<_>>();
    let outcomes = items(parts.next().unwrap_or_default(), "outcomes")?
        .map(|outcome| number(Some(outcome)).map(|outcome| outcome.checked_sub(1)))
        .collect::<Result<_, _>>()?;
    let loads = loads.into_iter().map(read_load).collect::<Result<_, _>>()?;
    Ok(Answer::Done(Done { behind: status == "behind", version, entries, loads, outcomes }))
}

/// A load's answer begins with the list's kind, so that it is read without knowing the question.
fn read_load(value: redis::Value) -> Result<Loaded, Unreadable> {
    let mut list = match value {
        redis::Value::Array(list) => list.into_iter(),
        redis::Value::BulkString(_) | redis::Value::SimpleString(_) => return Ok(Loaded::Stale),
        _ => return Err(Unreadable("a load")),
    };
    let kind = text(list.next())?;
    if kind == "k" {
        let value = |item| match item {
            redis::Value::Nil => Ok(None),
            item => record(&bytes(Some(item))?).map(Some),
        };
        return Ok(Loaded::Keys(list.map(value).collect::<Result<_, _>>()?));
    }
    let next = match list.next() {
        Some(redis::Value::Nil) => None,
        item => Some(raw_key(item)?),
    };
    let mut entries = Vec::with_capacity(list.len() / 2);
    while let Some(key) = list.next() {
        entries.push((raw_key(Some(key))?, record(&bytes(list.next())?)?));
    }
    Ok(Loaded::Range { next, entries })
}

/// Reads what `XREAD` says of the feed: nothing, or its entries.
pub(super) fn read_feed(value: redis::Value) -> Result<Vec<Entry>, Unreadable> {
    if value == redis::Value::Nil {
        return Ok(Vec::new());
    }
    let stream = items(value, "streams")?.next().ok_or(Unreadable("no stream"))?;
    let list = items(stream, "a stream")?.nth(1).ok_or(Unreadable("a stream without entries"))?;
    items(list, "entries")?.map(read_entry).collect()
}

fn read_entry(value: redis::Value) -> Result<Entry, Unreadable> {
    let mut parts = items(value, "an entry")?;
    let id = text(parts.next())?;
    let version = id.split('-').next().and_then(|digits| digits.parse().ok());
    let mut fields = items(parts.next().unwrap_or_default(), "fields")?;
    let (by, after) = (text(fields.nth(1))?, text(fields.nth(1))?);
    let keys = keys_of(&text(fields.nth(1))?)?;
    Ok(Entry { version: version.ok_or(Unreadable("an id"))?, by, after, keys })
}

/// What the open script answered.
#[derive(Debug)]
pub(super) enum Opened {
    Foreign(String),
    Store { version: u64, anchor: String },
}

pub(super) fn read_opened(value: redis::Value) -> Result<Opened, Unreadable> {
    let mut parts = items(value, "the answer")?;
    match parts.next() {
        Some(redis::Value::Int(version)) => {
            let version = u64::try_from(version).map_err(|_| Unreadable("a negative version"))?;
            Ok(Opened::Store { version, anchor: text(parts.next())? })
        }
        _ => Ok(Opened::Foreign(text(parts.next())?)),
    }
}
