//! Allocations, numbered densely, each life of a number told apart.

use super::{Grant, PathId, PlaneError};

/// One allocation: its number, and which life of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// What an allocation took, or the place where one did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    path: PathId,
    /// Odd while the allocation lives.
    pub(super) generation: u32,
    pub(super) first: u16,
    pub(super) count: u16,
    pub(super) guard: u16,
}

impl Record {
    pub(super) const fn grant(&self, handle: Handle) -> Grant {
        Grant { handle, path: self.path, first: self.first, count: self.count, guard: self.guard }
    }
}

/// All allocations.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    all: Vec<Record>,
    /// Numbers to be used again.
    vacant: Vec<u32>,
    active: usize,
}

impl Records {
    pub(super) const fn active(&self) -> usize {
        self.active
    }

    pub(super) fn get(&self, index: u32) -> Option<&Record> {
        self.all.get(index as usize)
    }

    #[inline]
    pub(super) fn live(&self, handle: Handle) -> Result<&Record, PlaneError> {
        match self.all.get(handle.index as usize) {
            Some(record) if record.generation == handle.generation => Ok(record),
            _ => Err(PlaneError::UnknownHandle { handle }),
        }
    }

    #[inline]
    pub(super) fn add(&mut self, path: PathId, first: u16, count: u16, guard: u16) -> Handle {
        self.active += 1;
        if let Some(index) = self.vacant.pop()
            && let Some(record) = self.all.get_mut(index as usize)
        {
            let generation = record.generation + 1;
            *record = Record { path, generation, first, count, guard };
            return Handle { index, generation };
        }
        // Each record owns a slot of its own, and slots are numbered with 32 bits.
        let index = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(Record { path, generation: 1, first, count, guard });
        Handle { index, generation: 1 }
    }

    #[inline]
    pub(super) fn remove(&mut self, handle: Handle) -> Result<Record, PlaneError> {
        let record = match self.all.get_mut(handle.index as usize) {
            Some(record) if record.generation == handle.generation => record,
            _ => return Err(PlaneError::UnknownHandle { handle }),
        };
        let removed = *record;
        self.active -= 1;
        // The last generation is never given out again, so that no old handle comes to life.
        record.generation = record.generation.wrapping_add(1);
        if record.generation != 0 {
            self.vacant.push(handle.index);
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_whose_generations_are_used_up_is_retired() {
        let mut records = Records::default();
        let path = PathId::numbered(0);
        let handle = records.add(path, 0, 1, 0);
        records.all[0].generation = u32::MAX;
        let last = Handle { generation: u32::MAX, ..handle };
        assert!(records.remove(last).is_ok());
        assert!(records.remove(last).is_err());
        assert_eq!(records.add(path, 0, 1, 0).index, 1);
        assert!(records.live(Handle { index: 0, generation: 1 }).is_err());
    }
}
