//! Performance monitoring of coherent modules: media FEC (34h), media link (35h), host FEC (3Ah).

use super::cells::Half;
use super::core::{Core, number};
use super::meter::{Interval, Statistic};
use super::vdm::Format;

/// A quantity of 35h: first byte of its average, minimum, maximum; four bytes each instead of two; unit.
struct Quantity {
    byte: u8,
    long: bool,
    format: Format,
}

const fn quantity(byte: u8, format: Format) -> Quantity {
    Quantity { byte, long: false, format }
}

/// In the order of [`super::meter::quantities`] (C-CMIS, page 35h).
const PLACES: [Quantity; super::meter::QUANTITIES] = [
    Quantity { byte: 128, long: true, format: Format::Signed(1.0) },
    quantity(140, Format::Unsigned(0.01)),
    quantity(146, Format::Unsigned(0.01)),
    quantity(152, Format::Unsigned(0.1)),
    quantity(158, Format::Unsigned(0.1)),
    quantity(164, Format::Unsigned(0.1)),
    quantity(170, Format::Signed(1.0)),
    quantity(176, Format::Unsigned(100.0 / 65_535.0)),
    quantity(182, Format::Signed(0.01)),
    quantity(188, Format::Signed(0.01)),
    quantity(194, Format::Signed(0.01)),
    quantity(200, Format::Unsigned(1.0)),
    quantity(206, Format::Unsigned(0.1)),
    quantity(212, Format::Signed(100.0 / 32_767.0)),
    quantity(218, Format::Unsigned(1.0)),
    quantity(224, Format::Signed(0.1)),
    quantity(230, Format::Unsigned(0.1)),
    quantity(236, Format::Signed(0.1)),
];

impl Quantity {
    fn write(&self, statistic: &Statistic, into: &mut Half) {
        let values = [statistic.average(), statistic.min, statistic.max];
        let mut byte = self.byte;
        for value in values {
            if self.long {
                #[expect(clippy::cast_possible_truncation, reason = "dispersion, clamped")]
                let raw = value.round().clamp(-2e9, 2e9) as i32;
                put(into, byte, &raw.to_be_bytes());
                byte += 4;
            } else {
                put(into, byte, &self.format.clamped(value).to_be_bytes());
                byte += 2;
            }
        }
    }
}

fn put(half: &mut Half, byte: u8, bytes: &[u8]) {
    for (cell, value) in half[usize::from(byte - 128)..].iter_mut().zip(bytes) {
        *cell = *value;
    }
}

/// The common part of 34h and 3Ah.
fn fec(interval: &Interval, only_32_bits: bool) -> Half {
    let mut half = [0; 128];
    let measured = interval.frames() > 0;
    let of = |value: u64| if measured { value } else { 0 };
    let bits_sub = if only_32_bits { interval.bits_sub() & 0xFFFF_FFFF } else { interval.bits_sub() };
    let long = [
        interval.bits(),
        of(bits_sub),
        interval.corrected,
        of(interval.min_corrected),
        interval.max_corrected,
    ];
    for (value, byte) in long.into_iter().zip((128_u8..).step_by(8)) {
        put(&mut half, byte, &value.to_be_bytes());
    }
    let short =
        [interval.frames(), of(interval.frames_sub()), interval.bad, of(interval.min_bad), interval.max_bad];
    for (value, byte) in short.into_iter().zip((168_u8..).step_by(4)) {
        put(&mut half, byte, &u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes());
    }
    half
}

impl Core {
    /// Writes 34h and 35h of a bank's first media lane, which is the only one of a coherent module's bank.
    pub(super) fn refresh_media_performance(&mut self, bank: usize) {
        let Some(meter) = self.carrier(bank, 0).and_then(|carrier| self.meters.get(carrier)) else { return };
        let interval = meter.report();
        let fec = fec(&interval, self.faults.sub_interval_32_bits);
        let mut link = [0; 128];
        for (place, statistic) in PLACES.iter().zip(&interval.quantities) {
            place.write(statistic, &mut link);
        }
        self.cells.set(number(bank), 0x34, 128, &fec);
        self.cells.set(number(bank), 0x35, 128, &link);
    }

    /// Writes 3Ah.
    pub(super) fn refresh_host_performance(&mut self, bank: usize) {
        let Some(host) = self.hosts.get(bank) else { return };
        let interval = host.report();
        let mut half = fec(&interval, self.faults.sub_interval_32_bits);
        // Frames with corrected errors: at these ratios at most one error falls into a frame.
        let corrected = u32::try_from(interval.corrected.min(interval.frames())).unwrap_or(u32::MAX);
        let per_sub = u32::try_from(interval.max_corrected.min(interval.frames_sub())).unwrap_or(u32::MAX);
        put(&mut half, 188, &corrected.to_be_bytes());
        put(&mut half, 192, &per_sub.to_be_bytes());
        self.cells.set(number(bank), 0x3A, 128, &half);
    }
}
