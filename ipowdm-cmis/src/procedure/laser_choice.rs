//! Which grid, channel and fine tuning a frequency is given, and what is refused before the module is accessed.

use super::module_info::ModuleInfo;
use super::{ProcError, Tuning};
use ipowdm_core::capability::ModuleCapability;
use ipowdm_core::grid::{Grid, GridError};
use ipowdm_core::units::{Frequency, Power};

/// What is written into the laser's registers for a frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaserChannel {
    /// Grid, 12h:128.7-4.
    pub grid: Grid,
    /// Channel number, 12h:136.
    pub number: i16,
    /// Fine tuning in MHz, 12h:152; 0 for none, and the enable bit (12h:128.0) is clear then.
    pub fine: i16,
}

/// The channel of `frequency`: on the coarsest grid that holds it, or with [`Tuning::Fine`] beside the nearest channel of
/// the coarsest grid whose channel is within reach.
pub(super) fn channel_for(
    info: &ModuleInfo,
    frequency: Frequency,
    tuning: Tuning,
) -> Result<LaserChannel, ProcError> {
    let capability = &info.capability;
    if !info.tunable || capability.grids.is_empty() {
        return Err(ProcError::NotTunable);
    }
    if let Some((grid, number)) = capability.channel_for(frequency) {
        return Ok(LaserChannel { grid, number, fine: 0 });
    }
    match tuning {
        Tuning::Channels => Err(refusal(capability, frequency)),
        Tuning::Fine => fine_channel(info, frequency),
    }
}

fn fine_channel(info: &ModuleInfo, frequency: Frequency) -> Result<LaserChannel, ProcError> {
    let Some(fine) = info.fine_tuning else {
        return Err(refusal(&info.capability, frequency));
    };
    let mut nearest: Option<i32> = None;
    for grid in Grid::COARSEST_FIRST {
        for range in info.capability.grids.iter().filter(|range| range.grid == grid) {
            for centre in neighbours(grid, frequency) {
                if !range.holds(centre) {
                    continue;
                }
                let Ok(number) = grid.channel(centre) else { continue };
                let offset = i64::from(frequency.mhz()) - i64::from(centre.mhz());
                let Ok(offset) = i32::try_from(offset) else { continue };
                if nearest.is_none_or(|so_far| offset.abs() < so_far.abs()) {
                    nearest = Some(offset);
                }
                if let Ok(step) = i16::try_from(offset)
                    && fine.holds(step)
                {
                    return Ok(LaserChannel { grid, number, fine: step });
                }
            }
        }
    }
    let Some(offset) = nearest else {
        return Err(refusal(&info.capability, frequency));
    };
    Err(ProcError::FineTuningOutOfRange {
        frequency,
        offset,
        low: fine.low,
        high: fine.high,
        resolution: fine.resolution,
    })
}

/// The channels of a grid on both sides of a frequency.
fn neighbours(grid: Grid, frequency: Frequency) -> impl Iterator<Item = Frequency> {
    let (below, above) = match grid.channel(frequency) {
        Err(GridError::OffGrid { below, above, .. }) => (Some(below), Some(above)),
        _ => (None, None),
    };
    below.into_iter().chain(above)
}

/// Refuses a power outside the module's range.
pub(super) fn check_power(capability: &ModuleCapability, power: Power) -> Result<(), ProcError> {
    let range = capability.tx_power.ok_or(ProcError::PowerNotProgrammable)?;
    if range.holds(power) {
        Ok(())
    } else {
        Err(ProcError::PowerOutOfRange { power, min: range.min, max: range.max })
    }
}

/// Why no grid holds a frequency: beyond all channels, or between two.
fn refusal(capability: &ModuleCapability, frequency: Frequency) -> ProcError {
    let Some(legal) = capability.tunable_window() else {
        return ProcError::NotTunable;
    };
    let outside = ProcError::FrequencyOutOfRange { frequency, legal };
    if frequency < legal.low || frequency > legal.high {
        return outside;
    }
    let mut nearest: Option<(Frequency, Frequency)> = None;
    for range in &capability.grids {
        let Err(GridError::OffGrid { below, above, .. }) = range.grid.channel(frequency) else {
            continue;
        };
        if !range.holds(below) || !range.holds(above) {
            continue;
        }
        let (so_far_below, so_far_above) = nearest.unwrap_or((below, above));
        nearest = Some((so_far_below.max(below), so_far_above.min(above)));
    }
    nearest.map_or(outside, |(below, above)| ProcError::FrequencyOffGrid { frequency, below, above })
}

#[cfg(test)]
mod tests {
    use super::super::module_info::FineTuning;
    use super::*;
    use ipowdm_core::capability::GridRange;
    use proptest::prelude::*;
    use std::string::ToString;

    fn module(grids: &[(Grid, i16, i16)], fine: Option<FineTuning>) -> ModuleInfo {
        let mut info = ModuleInfo::empty();
        info.tunable = true;
        info.fine_tuning = fine;
        for (grid, low_channel, high_channel) in grids {
            let range = GridRange { grid: *grid, low_channel: *low_channel, high_channel: *high_channel };
            info.capability.grids.push(range).unwrap();
        }
        info
    }

    const FINE: FineTuning = FineTuning { resolution: 10, low: -6_000, high: 6_000 };

    #[test]
    fn an_off_grid_frequency_is_refused_unless_fine_tuning_is_asked_for_and_there() {
        let frequency = Frequency::from_mhz(193_104_000);
        let plain = module(&[(Grid::Ghz100, -18, 30)], None);
        let fine = module(&[(Grid::Ghz100, -18, 30), (Grid::Ghz3p125, -500, 500)], Some(FINE));
        for (info, tuning) in [(&plain, Tuning::Channels), (&plain, Tuning::Fine), (&fine, Tuning::Channels)]
        {
            let refused = channel_for(info, frequency, tuning).unwrap_err();
            assert!(matches!(refused, ProcError::FrequencyOffGrid { .. }), "{refused}");
        }
        let found = channel_for(&fine, frequency, Tuning::Fine).unwrap();
        assert_eq!(found, LaserChannel { grid: Grid::Ghz100, number: 0, fine: 4_000 });
    }

    #[test]
    fn fine_tuning_refuses_what_is_between_its_steps_or_beyond_its_reach() {
        let info = module(&[(Grid::Ghz100, -18, 30)], Some(FINE));
        let refuse = |mhz| channel_for(&info, Frequency::from_mhz(mhz), Tuning::Fine).unwrap_err();
        let far = refuse(193_150_000);
        assert!(
            matches!(far, ProcError::FineTuningOutOfRange { offset: 50_000, high: 6_000, .. }),
            "{far:?}"
        );
        let between = refuse(193_104_005);
        assert_eq!(
            between.to_string(),
            "193.104005 THz needs fine tuning by 4005 MHz; the module does -6000 to 6000 MHz in steps of 10 MHz"
        );
    }

    #[test]
    fn a_frequency_on_a_grid_needs_no_fine_tuning() {
        let info = module(&[(Grid::Ghz75, -72, 120), (Grid::Ghz50, -36, 60)], Some(FINE));
        let found = channel_for(&info, Frequency::from_mhz(193_150_000), Tuning::Fine).unwrap();
        assert_eq!(found, LaserChannel { grid: Grid::Ghz50, number: 1, fine: 0 });
    }

    proptest! {
        #[test]
        fn what_is_chosen_names_the_frequency_and_is_within_the_limits(mhz in 191_000_000_u32..196_500_000) {
            let grids = [(Grid::Ghz100, -18, 30), (Grid::Ghz33, -54, 90), (Grid::Ghz6p25, -288, 480)];
            let info = module(&grids, Some(FINE));
            let frequency = Frequency::from_mhz(mhz);
            if let Ok(found) = channel_for(&info, frequency, Tuning::Fine) {
                let centre = found.grid.frequency(found.number).unwrap();
                let named = centre.offset(i64::from(found.fine)).unwrap();
                prop_assert!(named.distance(frequency) <= 1);
                prop_assert!(found.fine == 0 || FINE.holds(found.fine));
                let range = grids.iter().find(|(grid, ..)| *grid == found.grid).unwrap();
                prop_assert!((range.1..=range.2).contains(&found.number));
            }
        }
    }
}
