//! Open views by version.

use std::collections::VecDeque;

/// How many views are open at each version: a few versions, nearly always the newest.
#[derive(Debug, Default)]
pub(super) struct Views(VecDeque<(u64, usize)>);

impl Views {
    pub(super) fn open(&mut self, version: u64) {
        let place = self.0.partition_point(|(at, _)| *at < version);
        match self.0.get_mut(place) {
            Some((at, count)) if *at == version => *count += 1,
            _ => self.0.insert(place, (version, 1)),
        }
    }

    pub(super) fn close(&mut self, version: u64) {
        let place = self.0.partition_point(|(at, _)| *at < version);
        if let Some((at, count)) = self.0.get_mut(place)
            && *at == version
        {
            *count -= 1;
            if *count == 0 {
                self.0.remove(place);
            }
        }
    }

    /// The oldest version that is open.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.0.front().map(|(version, _)| *version)
    }

    /// Whether views are open apart from one at this version.
    pub(super) fn others(&self, own: Option<u64>) -> bool {
        match (self.0.len(), self.0.front()) {
            (0, _) | (_, None) => false,
            (1, Some((version, 1))) => own != Some(*version),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn views_are_counted_by_version(deeds in proptest::collection::vec((any::<bool>(), 0_u64..6), 0..60)) {
            let mut views = Views::default();
            let mut model: Vec<u64> = Vec::new();
            for (opens, version) in deeds {
                if opens {
                    views.open(version);
                    model.push(version);
                } else if let Some(place) = model.iter().position(|open| *open == version) {
                    views.close(version);
                    model.remove(place);
                }
                prop_assert_eq!(views.oldest(), model.iter().min().copied());
                prop_assert_eq!(views.others(None), !model.is_empty());
                let others = model.len() > usize::from(model.contains(&version));
                prop_assert_eq!(views.others(Some(version)), others);
            }
        }
    }
}
