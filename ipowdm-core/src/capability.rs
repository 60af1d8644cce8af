//! What a module can do, as read from its registers and as the control plane plans with it.

use crate::grid::{Grid, SpectrumWindow};
use crate::units::{Frequency, Power};
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// The channels of one grid that a module can tune to (CMIS page 04h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GridRange {
    /// The grid.
    pub grid: Grid,
    /// Lowest channel number.
    pub low_channel: i16,
    /// Highest channel number.
    pub high_channel: i16,
}

impl GridRange {
    /// Whether `frequency` is a channel of this range.
    #[must_use]
    pub fn holds(&self, frequency: Frequency) -> bool {
        self.grid.channel(frequency).is_ok_and(|n| (self.low_channel..=self.high_channel).contains(&n))
    }
}

/// One application a module advertises (CMIS application descriptor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationInfo {
    /// AppSel code: the descriptor's index, 1…15.
    pub app_sel: u8,
    /// SFF-8024 host interface code.
    pub host_code: u8,
    /// SFF-8024 media interface code.
    pub media_code: u8,
    /// Host lanes of one instance.
    pub host_lanes: u8,
    /// Media lanes of one instance.
    pub media_lanes: u8,
}

/// Transmit power that a module lets the host program (CMIS 04h:196-201).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerRange {
    /// Least programmable power.
    #[serde(rename = "min_cdbm")]
    pub min: Power,
    /// Greatest programmable power.
    #[serde(rename = "max_cdbm")]
    pub max: Power,
}

impl PowerRange {
    /// Whether `power` is inside, both ends included.
    #[must_use]
    pub fn holds(&self, power: Power) -> bool {
        (self.min..=self.max).contains(&power)
    }

    /// The range that both allow; `None` where they do not meet.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let range = Self { min: self.min.max(other.min), max: self.max.min(other.max) };
        (range.min <= range.max).then_some(range)
    }
}

/// What a coherent module can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleCapability {
    /// Grids and channel limits; empty for a module that is not tunable.
    pub grids: Vec<GridRange, 10>,
    /// Programmable transmit power; `None` where the module does not let the host set it.
    pub tx_power: Option<PowerRange>,
    /// Advertised applications, in the module's order.
    pub applications: Vec<ApplicationInfo, 15>,
}

impl ModuleCapability {
    /// Whether the module can tune to `frequency` on any of its grids.
    #[must_use]
    pub fn can_tune(&self, frequency: Frequency) -> bool {
        self.grids.iter().any(|range| range.holds(frequency))
    }

    /// The coarsest grid that holds `frequency` and its channel number there.
    #[must_use]
    pub fn channel_for(&self, frequency: Frequency) -> Option<(Grid, i16)> {
        Grid::COARSEST_FIRST.into_iter().find_map(|grid| {
            let range = self.grids.iter().find(|range| range.grid == grid)?;
            let n = grid.channel(frequency).ok()?;
            (range.low_channel..=range.high_channel).contains(&n).then_some((grid, n))
        })
    }

    /// The span from the lowest to the highest tunable frequency, over all grids.
    #[must_use]
    pub fn tunable_window(&self) -> Option<SpectrumWindow> {
        let mut window: Option<SpectrumWindow> = None;
        for range in &self.grids {
            let edge = |n: i16| range.grid.frequency(n).ok();
            // Advertised limits need not be legal channel numbers of the grid; such a range is passed over.
            let (Some(low), Some(high)) = (edge(range.low_channel), edge(range.high_channel)) else {
                continue;
            };
            let so_far = window.unwrap_or(SpectrumWindow { low, high });
            window = Some(SpectrumWindow { low: so_far.low.min(low), high: so_far.high.max(high) });
        }
        window
    }

    /// The first application with this media interface code.
    #[must_use]
    pub fn application(&self, media_code: u8) -> Option<&ApplicationInfo> {
        self.applications.iter().find(|app| app.media_code == media_code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module() -> ModuleCapability {
        ModuleCapability {
            grids: Vec::from_slice(&[
                GridRange { grid: Grid::Ghz100, low_channel: -18, high_channel: 30 },
                GridRange { grid: Grid::Ghz75, low_channel: -69, high_channel: 120 },
                GridRange { grid: Grid::Ghz6p25, low_channel: -288, high_channel: 480 },
            ])
            .unwrap(),
            tx_power: Some(PowerRange { min: Power::from_hundredths(-1500), max: Power::from_hundredths(0) }),
            applications: Vec::new(),
        }
    }

    #[test]
    fn the_coarsest_grid_that_holds_a_frequency_is_chosen() {
        let module = module();
        assert_eq!(module.channel_for(Frequency::ANCHOR), Some((Grid::Ghz100, 0)));
        assert_eq!(module.channel_for(Frequency::from_mhz(193_175_000)), Some((Grid::Ghz75, 3)));
        assert_eq!(module.channel_for(Frequency::from_mhz(193_106_250)), Some((Grid::Ghz6p25, 1)));
        assert_eq!(module.channel_for(Frequency::from_mhz(193_106_251)), None);
    }

    #[test]
    fn the_tunable_window_spans_all_grids() {
        let window = module().tunable_window().unwrap();
        assert_eq!(window.low, Frequency::from_mhz(191_300_000));
        assert_eq!(window.high, Frequency::from_mhz(196_100_000));
    }

    #[test]
    fn power_ranges_meet_or_do_not() {
        let range =
            |min, max| PowerRange { min: Power::from_hundredths(min), max: Power::from_hundredths(max) };
        assert_eq!(range(-1500, 0).intersection(&range(-800, 100)), Some(range(-800, 0)));
        assert_eq!(range(-1500, -800).intersection(&range(-700, 0)), None);
        assert!(range(-1500, -800).holds(Power::from_hundredths(-800)));
        assert!(!range(-1500, -800).holds(Power::from_hundredths(-200)));
    }
}
