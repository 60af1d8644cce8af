//! Versatile diagnostics monitoring: how observables are encoded, what they are, thresholds and flags.

use super::core::Core;
use super::profile::{VdmGroup, VdmInstance};
use super::receiver::FLOOR_DBM;
use crate::map::page2f;
use ipowdm_core::units::Ber;

/// How an observable is encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Format {
    /// Unsigned with this unit.
    Unsigned(f64),
    /// Signed with this unit.
    Signed(f64),
    /// The specification's float.
    F16,
}

/// The encoding of an observable type (OIF-CMIS-05.4 and C-CMIS, VDM observable types); `None` for an unknown one.
pub(super) const fn format(observable: u8) -> Option<Format> {
    Some(match observable {
        1 | 27..=34 => Format::Unsigned(1.0),
        2 | 148 => Format::Signed(100.0 / 32_767.0),
        3 => Format::Signed(10.0),
        4 => Format::Signed(1.0 / 256.0),
        5..=8 => Format::Unsigned(1.0 / 256.0),
        9..=26 => Format::F16,
        128..=133 | 142 => Format::Unsigned(100.0 / 65_535.0),
        134 | 141 => Format::Signed(1.0),
        135 => Format::Signed(20.0),
        136 | 137 => Format::Unsigned(0.01),
        138..=140 | 147 | 151 => Format::Unsigned(0.1),
        143..=145 => Format::Signed(0.01),
        146 | 149 => Format::Unsigned(1.0),
        150 | 152 => Format::Signed(0.1),
        _ => return None,
    })
}

/// Threshold sets of every group that no sample is beyond: for unsigned numbers and floats, and for signed ones.
///
/// Every instance names a set. One without limits of its own names one of these, as modules do: zeros would say that any
/// sample above zero is alarming.
pub(super) const NEVER_REACHED: [(u8, [u16; 4]); 2] =
    [(UNSIGNED_SET, [0xFFFF, 0x0000, 0xFFFF, 0x0000]), (SIGNED_SET, [0x7FFF, 0x8000, 0x7FFF, 0x8000])];
/// The first threshold set that is not a profile's to declare.
pub(super) const UNSIGNED_SET: u8 = 14;
const SIGNED_SET: u8 = 15;

/// The threshold set that an instance names: its own where the group declares one that fits, or one never reached.
pub(super) fn threshold_set(group: &VdmGroup, instance: VdmInstance) -> u8 {
    let wanted = format(instance.observable);
    let own =
        group.thresholds.iter().any(|set| set.set == instance.thresholds && format(set.observable) == wanted);
    match wanted {
        _ if own => instance.thresholds,
        Some(Format::Signed(_)) => SIGNED_SET,
        _ => UNSIGNED_SET,
    }
}

impl Format {
    /// The register value of a physical value; `None` where it cannot be represented.
    pub(super) fn encode(self, value: f64) -> Option<u16> {
        let whole = |unit: f64, low: f64, high: f64| {
            let raw = (value / unit).round();
            (low..=high).contains(&raw).then_some(raw)
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked against the range"
        )]
        match self {
            Self::Unsigned(unit) => whole(unit, 0.0, 65_535.0).map(|raw| raw as u16),
            Self::Signed(unit) => whole(unit, -32_768.0, 32_767.0).map(|raw| (raw as i16).cast_unsigned()),
            Self::F16 => Ber::from_number(value).ok().map(Ber::to_f16),
        }
    }

    /// The same with values beyond the range at its end, as a monitor reads them.
    pub(super) fn clamped(self, value: f64) -> u16 {
        let value = match self {
            Self::Unsigned(unit) => value.clamp(0.0, 65_535.0 * unit),
            Self::Signed(unit) => value.clamp(-32_768.0 * unit, 32_767.0 * unit),
            Self::F16 => value.clamp(0.0, 1.0),
        };
        self.encode(value).unwrap_or(0)
    }

    /// The physical value of a register value.
    pub(super) fn decode(self, raw: u16) -> f64 {
        match self {
            Self::Unsigned(unit) => f64::from(raw) * unit,
            Self::Signed(unit) => f64::from(raw.cast_signed()) * unit,
            Self::F16 => f64::from(raw & 0x7FF) * libm::pow(10.0, f64::from(raw >> 11) - 24.0),
        }
    }
}

impl Core {
    /// Whether VDM monitors at all: a duty cycle of 0 stops it.
    pub(super) fn vdm_samples(&self) -> bool {
        super::cells::value_of(&self.cells, 0, page2f::VDM_DUTY_CYCLE, 0) != 0
    }

    /// The value of an observable in its physical unit; `None` while there is none.
    pub(super) fn observe(&self, bank: usize, observable: u8, lane: u8) -> Option<f64> {
        let carrier = self.carrier(bank, usize::from(lane));
        let meter = carrier.and_then(|index| self.meters.get(index));
        let seen = meter.map(|meter| meter.seen);
        let locked = seen.and_then(|seen| seen.locked);
        let laser = seen.filter(|seen| seen.laser_on);
        let statistics = || meter.map(|meter| meter.report());
        let host = || self.hosts.get(bank).map(|host| host.report());
        Some(match observable {
            1 => 3.0,
            2 => laser_of(self).then(|| self.tec_current())?,
            3 => laser?.laser_error_mhz,
            4 => laser_of(self).then(|| self.laser_temperature())?,
            5 | 7 => locked?.esnr_db,
            6 | 8 => self.host_active(bank).then(|| 22.0 + self.jitter(40 + u64::from(lane), 0.3))?,
            9 => statistics()?.min_ber()?,
            11 => statistics()?.max_ber()?,
            13 => statistics()?.average_ber()?,
            15 => locked?.ber,
            17 => statistics()?.min_frame_errors()?,
            19 => statistics()?.max_frame_errors()?,
            21 => statistics()?.average_frame_errors()?,
            23 => locked?.frame_error_ratio(),
            25 => meter?.total_frame_errors()?,
            10 => host()?.min_ber()?,
            12 => host()?.max_ber()?,
            14 => host()?.average_ber()?,
            16 => self.host_active(bank).then(|| self.host_ber(bank, self.synced))?,
            18 | 20 | 22 | 24 | 26 => self.host_active(bank).then_some(0.0)?,
            // Transmit modulator biases sit near their middle.
            128..=133 => {
                let offset = f64::from(observable - 128);
                laser.map(|_| 50.0 + 3.0 * (offset - 2.5) + self.jitter(50 + u64::from(observable), 0.5))?
            }
            134 | 135 => locked?.dispersion_ps_nm,
            136 => locked?.dgd_ps,
            137 | 149 => locked?.sopmd_ps2(),
            138 => locked?.pdl_db,
            139 => locked?.osnr_db,
            140 => locked?.esnr_db,
            141 => locked?.offset_mhz,
            142 => locked?.evm_percent(),
            143 => seen?.transmitted_dbm.unwrap_or(FLOOR_DBM),
            144 => seen?.total_dbm,
            145 => seen?.signal_dbm,
            146 => locked?.sop_krad_s,
            147 => locked?.esnr_db + 0.4,
            148 => locked?.clock_recovery,
            150 => locked?.snr_margin_db(),
            151 => locked?.q_db(),
            152 => locked?.q_margin_db(),
            _ => return None,
        })
    }

    /// Writes the samples of a group (24h-27h).
    pub(super) fn refresh_samples(&mut self, bank: usize, group: u8) {
        if !self.vdm_samples() {
            return;
        }
        let number = u8::try_from(bank).unwrap_or(0);
        for index in 0..64_u8 {
            let descriptor = self.cells.word(number, 0x20 + group, 128 + index * 2);
            let [head, observable] = descriptor.to_be_bytes();
            let Some(format) = format(observable) else { continue };
            let value = self.observe(bank, observable, head & 0x0F);
            // There is no code for "unknown": without light the sample reads 0, as the flags of 11h and 33h explain.
            let raw = value.map_or(0, |value| format.clamped(value));
            self.cells.set(number, 0x24 + group, 128 + index * 2, &raw.to_be_bytes());
        }
    }

    /// Whether the data path behind an instance carried traffic at the instant that was looked at.
    fn was_up(&self, bank: usize, lane: u8) -> bool {
        let meter = self.carrier(bank, usize::from(lane)).and_then(|carrier| self.meters.get(carrier));
        meter.map_or_else(|| self.host_active(bank), |meter| meter.seen.transmitted_dbm.is_some())
    }

    /// Raises the flags of every instance that is beyond a threshold now (2Ch).
    pub(super) fn raise_vdm_flags(&mut self) {
        if self.watched.is_empty() || !self.vdm_samples() {
            return;
        }
        for index in 0..self.watched.len() {
            let watch = self.watched[index];
            // Data paths that are not up have nothing to be alarmed about.
            if watch.lane != 15 && !self.was_up(watch.bank, watch.lane) {
                continue;
            }
            let Some(value) = self.observe(watch.bank, watch.observable, watch.lane) else { continue };
            let Some(format) = format(watch.observable) else { continue };
            // Compared as the registers have them; strictly.
            let value = format.decode(format.clamped(value));
            let beyond = [
                value > watch.limits[0],
                value < watch.limits[1],
                value > watch.limits[2],
                value < watch.limits[3],
            ];
            let nibble = beyond.iter().rev().fold(0_u8, |bits, beyond| (bits << 1) | u8::from(*beyond));
            let bits = if watch.number.is_multiple_of(2) { nibble } else { nibble << 4 };
            let bank = u8::try_from(watch.bank).unwrap_or(0);
            self.cells.raise(bank, 0x2C, 128 + watch.number / 2, bits);
        }
    }
}

/// Whether any laser of the module is on.
fn laser_of(core: &Core) -> bool {
    (0..core.layout.banks).any(|bank| core.laser_on(bank))
}

/// An instance whose thresholds can raise flags.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Watched {
    pub(super) bank: usize,
    /// Instance over all groups, from 0.
    pub(super) number: u8,
    pub(super) observable: u8,
    pub(super) lane: u8,
    /// High alarm, low alarm, high warning, low warning.
    pub(super) limits: [f64; 4],
}

/// The watched instances of a module.
pub(super) fn watched(core: &Core) -> std::vec::Vec<Watched> {
    let mut all = std::vec::Vec::new();
    let Some(vdm) = &core.profile.vdm else { return all };
    for bank in 0..core.layout.banks {
        let number = u8::try_from(bank).unwrap_or(0);
        for (group, page) in vdm.groups.iter().zip(0_u8..4) {
            for (instance, index) in group.instances.iter().zip(0_u8..64) {
                let sets = &group.thresholds;
                let set = sets.iter().find(|set| {
                    set.set == instance.thresholds && format(set.observable) == format(instance.observable)
                });
                let (Some(set), Some(format)) = (set, format(instance.observable)) else { continue };
                let limit =
                    |at: u8| format.decode(core.cells.word(number, 0x28 + page, 128 + set.set * 8 + at * 2));
                all.push(Watched {
                    bank,
                    number: page * 64 + index,
                    observable: instance.observable,
                    lane: instance.lane,
                    limits: [limit(0), limit(1), limit(2), limit(3)],
                });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_holds_its_range_and_nothing_else() {
        let osnr = format(139).unwrap();
        assert_eq!(osnr.encode(30.2), Some(302));
        assert_eq!((osnr.encode(-1.0), osnr.clamped(-1.0)), (None, 0));
        assert_eq!(format(143).unwrap().encode(-10.0), Some((-1000_i16).cast_unsigned()));
        let ber = format(15).unwrap();
        let raw = ber.encode(3.16e-4).unwrap();
        assert!((ber.decode(raw) - 3.16e-4).abs() < 1e-6);
        assert_eq!(format(99), None);
        for observable in 0..=u8::MAX {
            if let Some(format) = format(observable) {
                assert_eq!(format.encode(0.0), Some(0), "{observable}");
            }
        }
    }
}
