//! Paths as slices of one arena.

use super::PlaneError;

/// A path that a plane has numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PathId(u32);

impl PathId {
    #[cfg(test)]
    pub(super) const fn numbered(number: u32) -> Self {
        Self(number)
    }
}

/// Paths that are tried in order: those that were made known together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Candidates {
    first: u32,
    count: u32,
}

impl Candidates {
    /// The paths in order.
    pub fn paths(self) -> impl Iterator<Item = PathId> {
        (self.first..self.first.saturating_add(self.count)).map(PathId)
    }
}

impl From<PathId> for Candidates {
    /// This path alone.
    fn from(path: PathId) -> Self {
        Self { first: path.0, count: 1 }
    }
}

/// All paths.
#[derive(Debug, Clone)]
pub(super) struct Routes {
    fibres: u32,
    hops: Vec<u32>,
    /// Path p is `hops[from[p]..from[p + 1]]`.
    from: Vec<u32>,
}

impl Routes {
    pub(super) fn new(fibres: u32) -> Self {
        Self { fibres, hops: Vec::new(), from: vec![0] }
    }

    pub(super) const fn fibres(&self) -> u32 {
        self.fibres
    }

    fn count(&self) -> usize {
        self.from.len() - 1
    }

    /// Adds a path, or changes nothing.
    pub(super) fn add(&mut self, fibres: &[u32]) -> Result<PathId, PlaneError> {
        if fibres.is_empty() {
            return Err(PlaneError::EmptyPath);
        }
        for (at, &fibre) in fibres.iter().enumerate() {
            if fibre >= self.fibres {
                return Err(PlaneError::UnknownFibre { fibre });
            }
            if fibres[..at].contains(&fibre) {
                return Err(PlaneError::FibreTwice { fibre });
            }
        }
        let number = u32::try_from(self.count()).map_err(|_| PlaneError::TooManyPaths)?;
        let end = u32::try_from(self.hops.len() + fibres.len()).map_err(|_| PlaneError::TooManyPaths)?;
        self.hops.extend_from_slice(fibres);
        self.from.push(end);
        Ok(PathId(number))
    }

    /// Adds paths, or changes nothing.
    pub(super) fn add_all<P: AsRef<[u32]>>(
        &mut self,
        paths: impl IntoIterator<Item = P>,
    ) -> Result<Candidates, PlaneError> {
        let (before, hops) = (self.count(), self.hops.len());
        let first = u32::try_from(before).map_err(|_| PlaneError::TooManyPaths)?;
        let mut count = 0;
        for path in paths {
            if let Err(error) = self.add(path.as_ref()) {
                self.from.truncate(before + 1);
                self.hops.truncate(hops);
                return Err(error);
            }
            count += 1;
        }
        Ok(Candidates { first, count })
    }

    /// The fibres of a path.
    #[inline]
    pub(super) fn get(&self, path: PathId) -> Option<&[u32]> {
        let index = path.0 as usize;
        let (from, to) = (*self.from.get(index)?, *self.from.get(index + 1)?);
        self.hops.get(from as usize..to as usize)
    }
}
