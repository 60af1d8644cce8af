//! What is checked before the module is accessed, and how a survey is judged.

use super::{ApplicationChoice, Target};
use crate::codes::{DataPathState, ModuleState};
use crate::procedure::lanes::Lanes;
use crate::procedure::module_info::{Application, ModuleInfo};
use crate::procedure::snapshot::Snapshot;
use crate::procedure::{ProcError, Setting};
use heapless::Vec;
use ipowdm_core::capability::ModuleCapability;
use ipowdm_core::grid::{CHANNEL_ROUNDING_MHZ, Grid, GridError, LASER_TOLERANCE_MHZ};
use ipowdm_core::units::{Frequency, Power};

/// Grid and channel of a target that the module can do.
pub(super) fn check(info: &ModuleInfo, target: Target) -> Result<(Grid, i16), ProcError> {
    if !info.tunable || info.capability.grids.is_empty() {
        return Err(ProcError::NotTunable);
    }
    check_power(&info.capability, target.tx_power)?;
    info.capability
        .channel_for(target.frequency)
        .ok_or_else(|| frequency_error(&info.capability, target.frequency))
}

/// Refuses a power outside the module's range.
pub(in crate::procedure) fn check_power(
    capability: &ModuleCapability,
    power: Power,
) -> Result<(), ProcError> {
    let range = capability.tx_power.ok_or(ProcError::PowerNotProgrammable)?;
    if range.holds(power) {
        Ok(())
    } else {
        Err(ProcError::PowerOutOfRange { power, min: range.min, max: range.max })
    }
}

/// Why no grid holds a frequency: beyond all channels, or between two.
fn frequency_error(capability: &ModuleCapability, frequency: Frequency) -> ProcError {
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

/// The lanes of a choice; `None` for [`ApplicationChoice::Keep`], which only the survey can decide.
pub(super) fn lanes_of_choice(
    applications: &Vec<Application, 15>,
    choice: ApplicationChoice,
) -> Result<Option<Lanes>, ProcError> {
    let chosen = match choice {
        ApplicationChoice::Keep => return Ok(None),
        ApplicationChoice::AppSel(code) => applications.iter().find(|a| a.info.app_sel == code),
        ApplicationChoice::MediaCode(code) => applications.iter().find(|a| a.info.media_code == code),
    };
    chosen.and_then(Lanes::of).map(Some).ok_or_else(|| no_application(applications))
}

/// The lanes of the application that is provisioned, or of the first advertised one.
pub(super) fn lanes_to_keep(
    applications: &Vec<Application, 15>,
    active: &[u8; 8],
) -> Result<Lanes, ProcError> {
    let provisioned = active.iter().map(|config| config >> 4).find(|app_sel| *app_sel != 0);
    let by_code = |code: u8| applications.iter().find(|a| a.info.app_sel == code);
    provisioned
        .and_then(by_code)
        .and_then(Lanes::of)
        .or_else(|| applications.iter().find_map(Lanes::of))
        .ok_or_else(|| no_application(applications))
}

fn no_application(applications: &Vec<Application, 15>) -> ProcError {
    ProcError::NoApplication { advertised: u8::try_from(applications.len()).unwrap_or(u8::MAX) }
}

/// How far a surveyed module is from its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Distance {
    /// Application, frequency and requests are right and the data path is initialised or on its way.
    pub(super) provisioned: bool,
    /// Transmitter on, laser locked.
    pub(super) lit: bool,
    /// Target power is right.
    pub(super) power: bool,
}

/// Judges a survey.
pub(super) fn distance(snapshot: &Snapshot, lanes: &Lanes, target: Target) -> Distance {
    let laser = lanes.laser();
    let coming_up = each_lane(snapshot, lanes, |state| {
        !matches!(state, DataPathState::Deactivated | DataPathState::Deinit | DataPathState::Unknown(_))
    });
    let others_idle = (0..8).filter(|lane| lanes.host & (1 << lane) == 0).all(|lane| {
        // A lane that the module does not have reports the reserved code 0.
        matches!(snapshot.dp_states[lane], DataPathState::Deactivated | DataPathState::Unknown(0))
    });
    let provisioned = snapshot.module_state == ModuleState::Ready
        && others_idle
        && application_is(snapshot, lanes)
        && frequency_is(snapshot, laser, target.frequency)
        && snapshot.deinit & lanes.host == 0
        && coming_up;
    let lit = snapshot.tx_disable & lanes.media == 0
        && snapshot.squelch_force & lanes.media == 0
        && each_lane(snapshot, lanes, |state| state == DataPathState::Activated)
        && locked(snapshot, laser, target.frequency);
    Distance { provisioned, lit, power: snapshot.target(laser) == target.tx_power }
}

/// The first setting that is not as it should be after everything was done.
pub(super) fn first_mismatch(snapshot: &Snapshot, lanes: &Lanes, target: Target) -> Option<Setting> {
    let laser = lanes.laser();
    let activated = each_lane(snapshot, lanes, |state| state == DataPathState::Activated);
    let checks = [
        (Setting::ModuleState, snapshot.module_state == ModuleState::Ready),
        (Setting::Application, application_is(snapshot, lanes)),
        (Setting::Frequency, frequency_is(snapshot, laser, target.frequency)),
        (Setting::TxPower, snapshot.target(laser) == target.tx_power),
        (Setting::DataPathDeinit, snapshot.deinit & lanes.host == 0),
        (Setting::TxOutput, (snapshot.tx_disable | snapshot.squelch_force) & lanes.media == 0),
        (Setting::DataPathState, activated),
    ];
    checks.into_iter().find(|(_, right)| !right).map(|(setting, _)| setting)
}

fn application_is(snapshot: &Snapshot, lanes: &Lanes) -> bool {
    lanes
        .dp_config
        .iter()
        .zip(&snapshot.active)
        // ExplicitControl (bit 0) chooses signal integrity settings, not the application.
        .all(|(wanted, active)| *wanted == 0 || wanted & 0xFE == active & 0xFE)
}

fn frequency_is(snapshot: &Snapshot, laser: u8, frequency: Frequency) -> bool {
    let fine_tuned =
        snapshot.grid_byte[usize::from(laser)] & 1 != 0 && snapshot.fine_offset[usize::from(laser)] != 0;
    !fine_tuned
        && snapshot.set_frequency(laser).is_some_and(|set| set.distance(frequency) <= CHANNEL_ROUNDING_MHZ)
}

fn locked(snapshot: &Snapshot, laser: u8, frequency: Frequency) -> bool {
    snapshot.tuning_status[usize::from(laser)] & 0x03 == 0
        && snapshot.frequency(laser).is_some_and(|at| at.distance(frequency) <= LASER_TOLERANCE_MHZ)
}

fn each_lane(snapshot: &Snapshot, lanes: &Lanes, holds: impl Fn(DataPathState) -> bool) -> bool {
    (0..8).filter(|lane| lanes.host & (1 << lane) != 0).all(|lane| holds(snapshot.dp_states[lane]))
}
