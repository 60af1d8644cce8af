//! Which of several candidate paths a connection gets, given what is free on each.

use serde::{Deserialize, Serialize};

/// The rule by which one of the candidate paths is chosen.
///
/// Ties go to the path that comes first in the order of candidates (see the module's head).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathPolicy {
    /// The first path, shortest first, on which the request fits.
    #[default]
    FirstThatFits,
    /// The path on which the request fits at the lowest start.
    LowestStart,
    /// The path whose fullest link is the emptiest, of those on which the request fits.
    LeastUsed,
}

/// How a request fits on one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fit {
    /// The first bit of the slot that it would take.
    pub start: u16,
    /// Occupied bits of the fullest fibre of the path, before the request.
    pub fullest: u16,
}

impl PathPolicy {
    /// The index of the chosen one of `paths` candidates and its fit; `None` where the request fits on none. `fit` is asked
    /// in order of the candidates, and not beyond the first that fits where that decides.
    ///
    /// ```
    /// use ipowdm_ctl_lib::paths::{Fit, PathPolicy};
    ///
    /// let fits = [None, Some(Fit { start: 12, fullest: 40 }), Some(Fit { start: 24, fullest: 10 })];
    /// let choose = |policy: PathPolicy| policy.choose(fits.len(), |path| Ok::<_, ()>(fits[path]));
    /// assert_eq!(choose(PathPolicy::FirstThatFits), Ok(Some((1, fits[1].unwrap()))));
    /// assert_eq!(choose(PathPolicy::LowestStart), Ok(Some((1, fits[1].unwrap()))));
    /// assert_eq!(choose(PathPolicy::LeastUsed), Ok(Some((2, fits[2].unwrap()))));
    /// ```
    ///
    /// # Errors
    /// What `fit` returns.
    pub fn choose<E>(
        self,
        paths: usize,
        mut fit: impl FnMut(usize) -> Result<Option<Fit>, E>,
    ) -> Result<Option<(usize, Fit)>, E> {
        let mut best: Option<(usize, Fit)> = None;
        for path in 0..paths {
            let Some(found) = fit(path)? else { continue };
            let better = |best: &Fit| match self {
                Self::FirstThatFits => false,
                Self::LowestStart => found.start < best.start,
                Self::LeastUsed => found.fullest < best.fullest,
            };
            if best.as_ref().is_none_or(|(_, best)| better(best)) {
                best = Some((path, found));
            }
            if self == Self::FirstThatFits {
                break;
            }
        }
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(policy: PathPolicy, fits: &[Option<(u16, u16)>]) -> (Option<usize>, usize) {
        let mut asked = 0;
        let chosen = policy.choose(fits.len(), |path| {
            asked += 1;
            Ok::<_, ()>(fits[path].map(|(start, fullest)| Fit { start, fullest }))
        });
        (chosen.unwrap().map(|(path, _)| path), asked)
    }

    #[test]
    fn each_policy_chooses_by_its_rule_and_ties_go_to_the_earlier_path() {
        let fits = [None, Some((8, 5)), Some((4, 6)), Some((4, 5)), Some((9, 1)), Some((9, 1))];
        assert_eq!(choose(PathPolicy::FirstThatFits, &fits), (Some(1), 2));
        assert_eq!(choose(PathPolicy::LowestStart, &fits), (Some(2), 6));
        assert_eq!(choose(PathPolicy::LeastUsed, &fits), (Some(4), 6));
    }

    #[test]
    fn where_nothing_fits_nothing_is_chosen_and_an_error_ends_the_choice() {
        for policy in [PathPolicy::FirstThatFits, PathPolicy::LowestStart, PathPolicy::LeastUsed] {
            assert_eq!(choose(policy, &[None, None]), (None, 2));
            assert_eq!(policy.choose(3, |_| Err("broken")), Err("broken"));
        }
    }
}
