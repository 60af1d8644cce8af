//! What is checked before the module is accessed, and how a survey is judged.

use super::ApplicationChoice;
use crate::codes::{DataPathState, ModuleState};
use crate::procedure::lanes::{BANK_LANES, Lanes, Scope};
use crate::procedure::module_info::Application;
use crate::procedure::snapshot::Snapshot;
use crate::procedure::{LegalApplications, ProcError, Setting, SettingSet};
use heapless::Vec;
use ipowdm_core::grid::{CHANNEL_ROUNDING_MHZ, LASER_TOLERANCE_MHZ};
use ipowdm_core::units::{Frequency, Power};

/// The application of a choice; `None` for [`ApplicationChoice::Keep`], which only the survey can decide.
pub(super) fn chosen(
    applications: &Vec<Application, 15>,
    choice: ApplicationChoice,
) -> Result<Option<&Application>, ProcError> {
    let chosen = match choice {
        ApplicationChoice::Keep => return Ok(None),
        ApplicationChoice::AppSel(code) => applications.iter().find(|a| a.info.app_sel == code),
        ApplicationChoice::MediaCode(code) => applications.iter().find(|a| a.info.media_code == code),
    };
    chosen.filter(|a| Lanes::of(a).is_some()).map(Some).ok_or_else(|| no_application(applications))
}

/// The lanes of the application that is provisioned, or of the first advertised one that fits.
pub(super) fn lanes_to_keep(
    applications: &Vec<Application, 15>,
    active: &[u8; 8],
    scope: Scope,
    banks: u8,
) -> Result<Lanes, ProcError> {
    let first = match scope {
        Scope::Bank(_) => 0,
        Scope::FromLane(lane) => usize::from(lane.saturating_sub(1) % BANK_LANES),
    };
    let of_scope = |application: &Application| scope.lanes(application, banks).ok();
    let provisioned = active.iter().skip(first).map(|config| config >> 4).find(|app_sel| *app_sel != 0);
    let by_code = |code: u8| applications.iter().find(|a| a.info.app_sel == code);
    provisioned
        .and_then(by_code)
        .and_then(of_scope)
        .or_else(|| applications.iter().find_map(of_scope))
        .ok_or_else(|| no_application(applications))
}

fn no_application(applications: &[Application]) -> ProcError {
    ProcError::NoApplication { legal: LegalApplications::of(applications) }
}

/// Lanes of the active control set with an application.
pub(super) fn occupied(active: &[u8; 8]) -> u8 {
    lanes_where(|lane| active[lane] >> 4 != 0)
}

/// Lanes of all data paths of the active control set that share a lane with `lanes`.
pub(super) fn overlapping(active: &[u8; 8], lanes: u8) -> u8 {
    let own = |lane: usize| lanes & (1 << lane) != 0 && active[lane] >> 4 != 0;
    lanes_where(|lane| {
        active[lane] >> 4 != 0
            && (0..8).any(|other| own(other) && active[other] & 0xFE == active[lane] & 0xFE)
    })
}

fn lanes_where(holds: impl Fn(usize) -> bool) -> u8 {
    (0..8).filter(|lane| holds(*lane)).fold(0, |mask, lane| mask | (1 << lane))
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
pub(super) fn distance(snapshot: &Snapshot, lanes: &Lanes, wanted: &Wanted) -> Distance {
    let coming_up = each_lane(snapshot, lanes, |state| {
        !matches!(state, DataPathState::Deactivated | DataPathState::Deinit | DataPathState::Unknown(_))
    });
    let provisioned = snapshot.module_state == ModuleState::Ready
        && (!wanted.whole_bank || others_are_idle(snapshot, lanes))
        && application_is(snapshot, lanes)
        && each_laser(lanes, |laser| frequency_is(snapshot, laser, wanted))
        && snapshot.deinit & lanes.host == 0
        && !is_pending(snapshot, lanes, wanted)
        && coming_up;
    let lit = snapshot.tx_disable & lanes.media == 0
        && snapshot.squelch_force & lanes.media == 0
        && each_lane(snapshot, lanes, |state| state == DataPathState::Activated)
        && each_laser(lanes, |laser| locked(snapshot, laser, wanted.frequency));
    Distance { provisioned, lit, power: power_is(snapshot, lanes, wanted) }
}

pub(super) fn power_is(snapshot: &Snapshot, lanes: &Lanes, wanted: &Wanted) -> bool {
    each_laser(lanes, |laser| snapshot.target(laser) == wanted.tx_power)
}

/// What the registers are compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) frequency: Frequency,
    pub(super) fine: i16,
    pub(super) tx_power: Power,
    /// Whether lanes outside are to be idle.
    pub(super) whole_bank: bool,
    /// Whether DPInitPending means something on this module.
    pub(super) init_pending: bool,
}

/// The first setting that is not as it should be after everything was done. The lock was waited for.
pub(super) fn first_mismatch(snapshot: &Snapshot, lanes: &Lanes, wanted: &Wanted) -> Option<Setting> {
    differences(snapshot, lanes, wanted).iter().find(|setting| *setting != Setting::LaserLock)
}

/// The settings that are not as they should be.
pub(super) fn differences(snapshot: &Snapshot, lanes: &Lanes, wanted: &Wanted) -> SettingSet {
    let activated = each_lane(snapshot, lanes, |state| state == DataPathState::Activated);
    let others_idle = !wanted.whole_bank || others_are_idle(snapshot, lanes);
    let checks = [
        (Setting::ModuleState, snapshot.module_state == ModuleState::Ready),
        (Setting::Application, application_is(snapshot, lanes)),
        (Setting::Frequency, each_laser(lanes, |laser| frequency_is(snapshot, laser, wanted))),
        (Setting::TxPower, power_is(snapshot, lanes, wanted)),
        (Setting::DataPathDeinit, snapshot.deinit & lanes.host == 0),
        (Setting::TxOutput, (snapshot.tx_disable | snapshot.squelch_force) & lanes.media == 0),
        (Setting::DataPathState, activated && others_idle),
        (Setting::InitPending, !is_pending(snapshot, lanes, wanted)),
        (Setting::LaserLock, each_laser(lanes, |laser| locked(snapshot, laser, wanted.frequency))),
    ];
    let wrong = checks.into_iter().filter(|(_, right)| !right);
    wrong.fold(SettingSet::EMPTY, |set, (setting, _)| set.with(setting))
}

/// Whether no lane outside has a data path that is up. A lane that the module does not have reports the reserved code 0.
fn others_are_idle(snapshot: &Snapshot, lanes: &Lanes) -> bool {
    (0..8).filter(|lane| lanes.host & (1 << lane) == 0).all(|lane| {
        matches!(snapshot.dp_states[lane], DataPathState::Deactivated | DataPathState::Unknown(0))
    })
}

/// Whether a configuration was accepted for a lane that is not in effect: the data path has to be initialised again.
const fn is_pending(snapshot: &Snapshot, lanes: &Lanes, wanted: &Wanted) -> bool {
    wanted.init_pending && snapshot.init_pending & lanes.host != 0
}

fn application_is(snapshot: &Snapshot, lanes: &Lanes) -> bool {
    lanes
        .dp_config
        .iter()
        .zip(&snapshot.active)
        // ExplicitControl (bit 0) chooses signal integrity settings, not the application.
        .all(|(wanted, active)| *wanted == 0 || wanted & 0xFE == active & 0xFE)
}

fn frequency_is(snapshot: &Snapshot, laser: u8, wanted: &Wanted) -> bool {
    (snapshot.fine_tuning(laser) == 0 || wanted.fine != 0)
        && snapshot
            .set_frequency(laser)
            .is_some_and(|set| set.distance(wanted.frequency) <= CHANNEL_ROUNDING_MHZ)
}

pub(super) fn locked(snapshot: &Snapshot, laser: u8, frequency: Frequency) -> bool {
    snapshot.tuning_status[usize::from(laser)] & 0x03 == 0
        && snapshot.frequency(laser).is_some_and(|at| at.distance(frequency) <= LASER_TOLERANCE_MHZ)
}

fn each_lane(snapshot: &Snapshot, lanes: &Lanes, holds: impl Fn(DataPathState) -> bool) -> bool {
    (0..8).filter(|lane| lanes.host & (1 << lane) != 0).all(|lane| holds(snapshot.dp_states[lane]))
}

fn each_laser(lanes: &Lanes, holds: impl Fn(u8) -> bool) -> bool {
    (0..8_u8).filter(|laser| lanes.media & (1 << laser) != 0).all(holds)
}
