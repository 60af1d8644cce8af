//! What the meaning of some registers depends on.

use super::item::interface_name;
use super::{Memory, PageName};
use crate::codes::sff8024::{HOST_INTERFACES, media_interfaces, name_of};
use crate::codes::{END_OF_APPLICATIONS, Observable};
use crate::map::{Field, lower, page01, page02};

/// Registers of a bank that decide on scale, unit and meaning of others.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) bank: u8,
    media_type: u8,
    bias_factor: u32,
    /// Scale and unit of the auxiliary monitors; `None` where the module does not say.
    aux: [Option<AuxMonitor>; 3],
    /// Observables of the instances, by group.
    samples: [[Option<Observable>; 64]; 4],
    /// Observables that the threshold sets are for, by group.
    thresholds: [[Option<Observable>; 16]; 4],
}

/// What an auxiliary monitor measures (01h:145.2-0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AuxMonitor {
    pub(super) name: &'static str,
    pub(super) scale: (u32, u32),
    pub(super) unit: &'static str,
    /// Whether the number has a sign: a supply of 3.3 V is beyond the 3.2767 V that one would leave.
    pub(super) signed: bool,
}

const TEC_CURRENT: AuxMonitor =
    AuxMonitor { name: "TEC current", scale: (100, 32_767), unit: "%", signed: true };
const LASER_TEMPERATURE: AuxMonitor =
    AuxMonitor { name: "laser temperature", scale: (1, 256), unit: "degC", signed: true };
const VCC2: AuxMonitor = AuxMonitor { name: "Vcc2", scale: (1, 10_000), unit: "V", signed: false };

/// The auxiliary monitors by the bits of 01h:145.
pub(super) fn aux_monitors(memory: &Memory) -> [Option<AuxMonitor>; 3] {
    let block = memory.block(PageName::page(1), 145, 1);
    let bit = |index| block.and_then(|block| block.byte_at(page01::AUX_MON_OBSERVABLE, index));
    [
        bit(0).filter(|bit| *bit == 1).map(|_| TEC_CURRENT),
        bit(1).map(|bit| if bit == 1 { TEC_CURRENT } else { LASER_TEMPERATURE }),
        bit(2).map(|bit| if bit == 1 { VCC2 } else { LASER_TEMPERATURE }),
    ]
}

/// The multiplier of the laser bias (01h:160.4-3); the reserved code is read as 1.
pub(super) fn bias_factor(memory: &Memory) -> u32 {
    let block = memory.block(PageName::page(1), 160, 1);
    match block.and_then(|block| block.byte(page01::TX_BIAS_CURRENT_SCALING_FACTOR)) {
        Some(1) => 2,
        Some(2) => 4,
        _ => 1,
    }
}

/// The media type (00h:85), which chooses among the tables of media interfaces.
pub(super) fn media_type(memory: &Memory) -> u8 {
    memory.block(PageName::Lower, 85, 1).and_then(|block| block.byte(lower::MEDIA_TYPE)).unwrap_or(0)
}

impl Context {
    pub(super) fn new(memory: &Memory, bank: u8) -> Self {
        let mut context = Self {
            bank,
            media_type: media_type(memory),
            bias_factor: bias_factor(memory),
            aux: aux_monitors(memory),
            samples: [[None; 64]; 4],
            thresholds: [[None; 16]; 4],
        };
        for (group, page) in (0x20..=0x23_u8).enumerate() {
            let Some(half) = memory.half(PageName::Page { page, bank }) else { continue };
            let Some(bytes) = half.get(128, 128) else { continue };
            for (instance, pair) in bytes.chunks_exact(2).enumerate() {
                let observable = Observable::from_code(pair[1]);
                context.samples[group][instance] = observable;
                let set = &mut context.thresholds[group][usize::from(pair[0] >> 4)];
                *set = set.or(observable);
            }
        }
        context
    }

    /// What element `index` of a page of VDM samples or thresholds observes.
    pub(super) fn observable(&self, page: PageName, index: u16) -> Option<Observable> {
        let PageName::Page { page, .. } = page else { return None };
        let group = usize::from(page & 3);
        let index = usize::from(index);
        match page {
            0x24..=0x27 => self.samples[group].get(index).copied().flatten(),
            0x28..=0x2B => self.thresholds[group].get(index).copied().flatten(),
            _ => None,
        }
    }

    /// The name of a code.
    pub(super) fn code_name(&self, field: &Field, code: u8) -> Option<&'static str> {
        let host = [lower::APP_HOST_INTERFACE_ID, page01::APP_HOST_INTERFACE_ID];
        let media = [lower::APP_MEDIA_INTERFACE_ID, page01::APP_MEDIA_INTERFACE_ID];
        let of = |fields: [Field; 2]| fields.iter().any(|candidate| is_same(candidate, field));
        match (of(host), of(media), code) {
            (true, _, END_OF_APPLICATIONS) => Some("end of the list"),
            (true, _, _) => interface_name(HOST_INTERFACES, code),
            (_, true, _) => interface_name(media_interfaces(self.media_type), code),
            _ => name_of(field.names, code),
        }
    }

    fn aux_of(&self, field: &Field, index: u16) -> Option<AuxMonitor> {
        let dependent = [
            lower::AUX_MON_VALUE,
            page02::AUX_MON_HIGH_ALARM_THRESHOLD,
            page02::AUX_MON_LOW_ALARM_THRESHOLD,
            page02::AUX_MON_HIGH_WARNING_THRESHOLD,
            page02::AUX_MON_LOW_WARNING_THRESHOLD,
        ];
        let dependent = dependent.iter().any(|aux| is_same(aux, field));
        if dependent { self.aux.get(usize::from(index)).copied().flatten() } else { None }
    }

    /// Whether a register has no sign although its kind has one.
    pub(super) fn is_unsigned(&self, field: &Field, index: u16) -> bool {
        field.scale.is_none() && self.aux_of(field, index).is_some_and(|aux| !aux.signed)
    }

    /// The scale of a register.
    pub(super) fn scale(&self, field: &Field, index: u16) -> Option<(u32, u32)> {
        match field.scale {
            Some((multiplier, divisor)) if is_bias(field) => Some((multiplier * self.bias_factor, divisor)),
            Some(scale) => Some(scale),
            None => self.aux_of(field, index).map(|aux| aux.scale),
        }
    }

    /// The unit of a register.
    pub(super) fn unit(&self, field: &Field, index: u16) -> &'static str {
        match field.scale {
            Some(_) if is_bias(field) => "uA",
            Some(_) => field.unit,
            None => self.aux_of(field, index).map_or("", |aux| aux.unit),
        }
    }
}

/// Laser currents, whose multiplier is in 01h:160.4-3: the unit says so.
fn is_bias(field: &Field) -> bool {
    field.unit.starts_with("uA *")
}

fn is_same(a: &Field, b: &Field) -> bool {
    a.page == b.page && a.byte == b.byte && a.bits == b.bits
}
