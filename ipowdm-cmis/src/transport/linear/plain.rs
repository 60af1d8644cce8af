//! Which bytes tell a page from page 00h without being changed by it.

use crate::map::{Access, TABLES};
use core::ops::Range;

/// Fewest bytes that do not agree with another page's by chance.
pub(super) const LEAST: usize = 8;

/// The longest run of bytes among the first `within` of a page's upper half that hold no register that clears when it is
/// read; `None` where none is long enough, as on pages of flags alone. Counted from byte 128.
pub(super) fn plain_bytes(page: u8, within: usize) -> Option<Range<usize>> {
    let clearing = clearing_bytes(page);
    let mut longest = 0..0;
    let mut start = 0;
    for index in 0..=within.min(128) {
        let is_end = index == within.min(128) || clearing & (1 << index) != 0;
        if is_end {
            if index - start > longest.len() {
                longest = start..index;
            }
            start = index + 1;
        }
    }
    (longest.len() >= LEAST).then_some(longest)
}

/// The bytes of a page's upper half that hold registers that clear when they are read, one bit each.
fn clearing_bytes(page: u8) -> u128 {
    let fields = TABLES.iter().copied().flatten();
    let clearing = fields.filter(|f| f.access == Access::Cor && f.page == page && f.byte >= 128);
    let places = clearing.flat_map(|field| (0..field.count).filter_map(|index| field.element(index)));
    places.fold(0, |bits, place| {
        let last = place.at.byte.saturating_add(place.len.saturating_sub(1));
        (place.at.byte..=last).fold(bits, |bits, byte| bits | 1 << (byte % 128))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_recognised_by_what_reading_does_not_change() {
        for page in 0x01..=0xFF {
            let Some(run) = plain_bytes(page, 54) else { continue };
            let clearing = clearing_bytes(page);
            assert!(run.clone().all(|index| clearing & (1 << index) == 0), "{page:02X}h");
        }
        // Without flags at its head; flags at 134-153; flags at the head of the data; flags alone.
        assert_eq!(plain_bytes(0x10, 54), Some(0..54));
        assert_eq!(plain_bytes(0x11, 54), Some(26..54));
        assert_eq!(plain_bytes(0x33, 54).map(|run| run.end), Some(54));
        assert_eq!(plain_bytes(0x2C, 54), None);
    }
}
