//! Which lanes the data paths of an application may take.

use super::profile::ApplicationRow;

/// A data path: its host lanes and media lanes within a bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placement {
    /// Host lanes, lane 1 in bit 0.
    pub(super) host: u8,
    /// Media lanes, lane 1 in bit 0.
    pub(super) media: u8,
}

/// `count` bits from bit `first`, cut at bit 7.
const fn run_of(first: u8, count: u8) -> u8 {
    let ones = (1_u16 << if count > 8 { 8 } else { count }) - 1;
    ((ones << if first > 7 { 7 } else { first }) & 0xFF).to_le_bytes()[0]
}

impl Placement {
    /// The data path of an application that begins on host lane `first` (0-based); `None` where it may not.
    pub(super) fn of(row: &ApplicationRow, first: u8) -> Option<Self> {
        let fits = first < 8 && first + row.host_lanes <= 8;
        if !fits || row.host_assignment & (1 << first) == 0 {
            return None;
        }
        // Instances take the media options in order; those beyond the last option are multiplexed onto it.
        let number = (row.host_assignment & run_of(0, first)).count_ones();
        let mut options = row.media_assignment;
        for _ in 0..number {
            let rest = options & options.wrapping_sub(1);
            if rest == 0 {
                break;
            }
            options = rest;
        }
        let media_first = u8::try_from(options.trailing_zeros()).unwrap_or(0).min(7);
        Some(Self { host: run_of(first, row.host_lanes), media: run_of(media_first, row.media_lanes) })
    }

    /// DPConfig of all eight lanes with as many instances of an application as fit.
    pub(super) fn everywhere(rows: &[ApplicationRow], app_sel: u8) -> [u8; 8] {
        let mut config = [0; 8];
        let Some(row) = usize::from(app_sel).checked_sub(1).and_then(|index| rows.get(index)) else {
            return config;
        };
        let mut first = 0;
        while first < 8 {
            let Some(path) = Self::of(row, first) else {
                first += 1;
                continue;
            };
            for lane in 0..8_u8 {
                if path.host & (1 << lane) != 0 {
                    config[usize::from(lane)] = (app_sel << 4) | (first << 1);
                }
            }
            first += row.host_lanes;
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(host_lanes: u8, host_assignment: u8, media_lanes: u8, media_assignment: u8) -> ApplicationRow {
        ApplicationRow {
            host_code: 0x0D,
            media_code: 0x3E,
            host_lanes,
            media_lanes,
            host_assignment,
            media_assignment,
        }
    }

    #[test]
    fn multiplexed_instances_share_the_last_media_lane() {
        let muxponder = row(2, 0x55, 1, 0x01);
        for first in [0, 2, 4, 6] {
            assert_eq!(Placement::of(&muxponder, first).unwrap().media, 0x01);
        }
        let breakout = row(2, 0x55, 1, 0x0F);
        let media: std::vec::Vec<u8> =
            [0, 2, 4, 6].iter().map(|first| Placement::of(&breakout, *first).unwrap().media).collect();
        assert_eq!(media, [0x01, 0x02, 0x04, 0x08]);
    }

    #[test]
    fn a_path_begins_only_where_the_descriptor_allows() {
        assert_eq!(Placement::of(&row(2, 0x55, 1, 1), 1), None);
        assert_eq!(Placement::of(&row(8, 0x01, 1, 1), 0), Some(Placement { host: 0xFF, media: 0x01 }));
        assert_eq!(Placement::of(&row(4, 0x21, 1, 1), 5), None, "beyond lane 8");
    }

    #[test]
    fn defaults_fill_the_bank() {
        let rows = [row(8, 0x01, 1, 1), row(2, 0x55, 1, 1)];
        assert_eq!(Placement::everywhere(&rows, 1), [0x10; 8]);
        let expected = [0x20, 0x20, 0x24, 0x24, 0x28, 0x28, 0x2C, 0x2C];
        assert_eq!(Placement::everywhere(&rows, 2), expected);
        assert_eq!(Placement::everywhere(&rows, 0), [0; 8]);
    }
}
