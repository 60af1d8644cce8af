//! Reading at one version: from what this process keeps, or from the server, which knows what has been superseded since.

use super::super::backend::{BackendError, BoxFuture, Lookup, Range, Version, View, Want};
use super::super::{RawKey, Value};
use super::Shared;
use super::wire::{Load, Loaded};
use super::worker::Request;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

type Entries = Arc<[(RawKey, Value)]>;

/// What was read once is kept, so that every run over the view reads the same.
pub(super) struct RedisView {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    version: u64,
    /// It may be behind the latest commit.
    draft: bool,
    keys: RefCell<HashMap<RawKey, Option<Value>>>,
    ranges: RefCell<Vec<(Range, Entries)>>,
}

impl RedisView {
    pub(super) fn new(
        shared: Arc<Shared>,
        requests: mpsc::Sender<Request>,
        version: u64,
        draft: bool,
    ) -> Self {
        Self { shared, requests, version, draft, keys: RefCell::default(), ranges: RefCell::default() }
    }

    /// Everything read so far, in order: keys and prefixes.
    fn read(&self) -> (Vec<RawKey>, Vec<RawKey>) {
        let mut keys: Vec<RawKey> = self.keys.borrow().keys().cloned().collect();
        keys.sort_unstable();
        (keys, self.ranges.borrow().iter().map(|(range, _)| range.prefix.clone()).collect())
    }

    async fn ask(&mut self, load: Load) -> Result<Loaded, BackendError> {
        let (answer, loaded) = oneshot::channel();
        let gone = || BackendError::Unavailable { reason: super::GONE.to_owned() };
        self.requests.send(Request::Load(load, answer)).await.map_err(|_| gone())?;
        match loaded.await.map_err(|_| gone())?? {
            Loaded::Stale => Err(BackendError::Stale),
            loaded => Ok(loaded),
        }
    }

    async fn load_keys(&mut self, keys: Vec<RawKey>) -> Result<(), BackendError> {
        let load = Load::Keys { view: self.version, keys: keys.clone() };
        let Loaded::Keys(values) = self.ask(load).await? else { return Err(mismatch()) };
        if values.len() != keys.len() {
            return Err(mismatch());
        }
        let mut mirror = self.shared.mirror();
        for (key, value) in keys.into_iter().zip(values) {
            mirror.keep(&key, self.version, value.clone());
            self.keys.get_mut().insert(key, value);
        }
        Ok(())
    }

    async fn load_range(&mut self, range: &Range) -> Result<(), BackendError> {
        let mut entries = Vec::new();
        let limit = range.limit.unwrap_or(usize::MAX);
        let mut page = range.clone();
        while entries.len() < limit {
            page.limit = Some(limit - entries.len());
            let load = Load::Range { view: self.version, range: page.clone() };
            let Loaded::Range { next, entries: more } = self.ask(load).await? else { return Err(mismatch()) };
            entries.extend(more);
            match next {
                Some(key) => page.after = Some(key),
                None => break,
            }
        }
        let entries = Entries::from(entries);
        self.shared.mirror().keep_range(range, self.version, &entries);
        self.ranges.get_mut().push((range.clone(), entries));
        Ok(())
    }
}

fn mismatch() -> BackendError {
    BackendError::Unavailable { reason: "the server's answer does not fit the question".to_owned() }
}

impl View for RedisView {
    fn version(&self) -> Version {
        Version::new(self.version)
    }

    fn get(&self, key: &RawKey) -> Result<Lookup<Option<Value>>, BackendError> {
        if let Some(value) = self.keys.borrow().get(key) {
            return Ok(Lookup::Known(value.clone()));
        }
        let mut mirror = self.shared.mirror();
        if !mirror.holds(self.version) {
            return Err(BackendError::Stale);
        }
        let Some(value) = mirror.get(key, self.version) else { return Ok(Lookup::NotLoaded) };
        drop(mirror);
        self.keys.borrow_mut().insert(key.clone(), value.clone());
        Ok(Lookup::Known(value))
    }

    fn scan(&self, range: &Range) -> Result<Lookup<Vec<(RawKey, Value)>>, BackendError> {
        let known = self.ranges.borrow().iter().find(|(known, _)| known == range).map(|(_, e)| Arc::clone(e));
        if let Some(entries) = known {
            return Ok(Lookup::Known(entries.to_vec()));
        }
        let mirror = self.shared.mirror();
        if !mirror.holds(self.version) {
            return Err(BackendError::Stale);
        }
        let Some(entries) = mirror.scan(range, self.version) else { return Ok(Lookup::NotLoaded) };
        drop(mirror);
        self.ranges.borrow_mut().push((range.clone(), Arc::clone(&entries)));
        Ok(Lookup::Known(entries.to_vec()))
    }

    fn load<'a>(&'a mut self, wants: &'a [Want]) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let keys = wants.iter().filter_map(|want| match want {
                Want::Key(key) => Some(key.clone()),
                Want::Range(_) => None,
            });
            let keys: Vec<RawKey> = keys.collect();
            if !keys.is_empty() {
                self.load_keys(keys).await?;
            }
            for want in wants {
                if let Want::Range(range) = want {
                    self.load_range(range).await?;
                }
            }
            Ok(())
        })
    }

    fn settled(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        if !self.draft {
            return Box::pin(core::future::ready(Ok(())));
        }
        let (keys, prefixes) = self.read();
        let (shared, requests, version) = (Arc::clone(&self.shared), self.requests.clone(), self.version);
        Box::pin(async move {
            super::synchronise(&requests).await?;
            if shared.mirror().touched(version, &keys, &prefixes) {
                return Err(BackendError::Stale);
            }
            Ok(())
        })
    }
}
