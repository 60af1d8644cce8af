//! Bring-up and reconfiguration: application, frequency and power of a tunable module, compared before and read back after.

mod checks;
pub(super) use checks::check_power;
mod steps;

use super::lanes::Lanes;
use super::module_info::{Application, Durations, ModuleInfo};
use super::snapshot::{Reader, Snapshot};
use super::wait::Watch;
use super::{Op, ProcError, Procedure, Reply};
use crate::codes::{DataPathState, ModuleState};
use crate::time::Millis;
use heapless::{String, Vec};
use ipowdm_core::grid::Grid;
use ipowdm_core::units::{Frequency, Power};

/// Which application to provision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApplicationChoice {
    /// The one that is provisioned, or the first advertised where none is.
    #[default]
    Keep,
    /// The one with this AppSel code.
    AppSel(u8),
    /// The first with this media interface code (SFF-8024).
    MediaCode(u8),
}

/// What a module is to be configured to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Carrier frequency.
    pub frequency: Frequency,
    /// Transmit power.
    pub tx_power: Power,
    /// Application.
    pub application: ApplicationChoice,
}

/// How much had to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The module was right; nothing was written.
    Unchanged,
    /// Only the target power was written; the data path was not touched.
    PowerOnly,
    /// The data path was right; the transmitter was turned on.
    OutputOnly,
    /// The data path was taken down, tuned, provisioned and initialised.
    Reprovisioned,
}

/// What was read back after everything was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readback {
    /// How much had to be done.
    pub change: Change,
    /// Frequency that grid and channel name, 12h:128 and 136.
    pub frequency: Frequency,
    /// Frequency the laser reports, 12h:168; `None` while it reports none.
    pub laser_frequency: Option<Frequency>,
    /// Whether the laser is neither tuning nor unlocked.
    pub laser_tuned: bool,
    /// Target power, 12h:200.
    pub tx_power_target: Power,
    /// Measured power, 11h:154; `None` below the monitor's range.
    pub tx_power: Option<Power>,
    /// AppSel code of the active control set.
    pub app_sel: u8,
    /// Media interface code of that application.
    pub media_code: u8,
    /// Module state.
    pub module_state: ModuleState,
    /// Host lanes of the data paths, lane 1 in bit 0.
    pub host_lanes: u8,
    /// Data-path state of each host lane.
    pub dp_states: [DataPathState; 8],
}

/// What a configuration is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading what the module is set to.
    Reading,
    /// Turning the output off and taking the data path down.
    TakingDown,
    /// Waiting for high power.
    PoweringUp,
    /// Setting channel and power of the laser.
    Tuning,
    /// Provisioning the application.
    Provisioning,
    /// Waiting for the data path to initialise.
    Initialising,
    /// Turning the transmitter on and waiting for its lock.
    TurningOn,
    /// Reading back.
    ReadingBack,
    /// A wait ran out; looking for the cause.
    Failing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Survey,
    DisableTx,
    Deinit,
    PowerUp,
    AwaitReady,
    AwaitDeactivated,
    Grid,
    ClearFlags,
    Channel,
    Power,
    AwaitTuning,
    Stage,
    Apply,
    AwaitConfig,
    Init,
    AwaitInitialized,
    Unsquelch,
    EnableTx,
    AwaitActivated,
    AwaitLock,
    /// A wait ran out: see whether the module is in its fault state.
    Autopsy,
    FaultCause,
    Verify,
}

/// Brings a module to a target.
///
/// Ranges are checked by [`Configure::new`], before any access. The module is then read; where it is already right
/// nothing is written. The way of a full re-provision is legal on every module (OIF-CMIS-05.4, data path
/// reconfiguration with the transmitter off; the laser is tuned while Deactivated):
///
/// ```text
/// Survey ─right→ Done(Unchanged)
///   ├─only power differs→ ClearFlags → Power → AwaitTuning → AwaitLock → Verify → Done(PowerOnly)
///   ├─only output is off→ … Power → AwaitInitialized → Unsquelch → EnableTx → AwaitActivated → AwaitLock → Verify
///   └─else→ DisableTx → Deinit → PowerUp → AwaitReady → AwaitDeactivated → Grid → ClearFlags → Channel → Power
///           → AwaitTuning → Stage → Apply → AwaitConfig → Init → AwaitInitialized → … as above
/// any wait ─too long→ Autopsy ─Fault→ FaultCause → Done(Fault)
///                       └─else→ Done(TimedOut)
/// ```
///
/// DisableTx and Deinit come before the power-up, so that a module whose defaults would light it at its old frequency
/// stays dark. States that the module passes between two looks may be missed: a later state counts as reached.
#[derive(Debug)]
pub struct Configure {
    serial: String<16>,
    target: Target,
    grid: Grid,
    channel: i16,
    applications: Vec<Application, 15>,
    durations: Durations,
    lanes: Option<Lanes>,
    phase: Phase,
    change: Change,
    before: Snapshot,
    reader: Reader,
    watch: Watch,
    asleep: bool,
    flags: u8,
    global_control: u8,
    deinit: u8,
    /// Lanes taken down: the application's own and those of other data paths on the same carrier.
    down: u8,
    tx_disable: u8,
    squelch_force: u8,
    grid_byte: u8,
    apply: ApplyState,
    failure: ProcError,
}

/// How the provisioning stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ApplyState {
    /// Lanes named in the trigger.
    mask: u8,
    /// DPConfig bytes wanted on these lanes.
    wanted: [u8; 8],
    /// Whether unused lanes are decommissioned (AppSel 0) by the same trigger.
    decommission: bool,
    attempts: u8,
    triggered: Millis,
    seen_in_progress: bool,
}

impl Configure {
    /// A configuration of the module that `info` describes.
    ///
    /// # Errors
    /// [`ProcError`] with the legal values where the target is outside them; the module has not been accessed.
    pub fn new(info: &ModuleInfo, target: Target) -> Result<Self, ProcError> {
        let (grid, channel) = checks::check(info, target)?;
        let durations = info.controllable()?;
        let lanes = checks::lanes_of_choice(&info.applications, target.application)?;
        Ok(Self {
            serial: info.serial_number.clone(),
            target,
            grid,
            channel,
            applications: info.applications.clone(),
            durations,
            lanes,
            phase: Phase::Survey,
            change: Change::Unchanged,
            before: Snapshot::empty(),
            reader: Reader::new(),
            watch: Watch::start(Millis(0), core::time::Duration::ZERO),
            asleep: false,
            flags: 0,
            global_control: 0,
            deinit: 0,
            down: 0,
            tx_disable: 0,
            squelch_force: 0,
            grid_byte: 0,
            apply: ApplyState {
                mask: 0,
                wanted: [0; 8],
                decommission: true,
                attempts: 0,
                triggered: Millis(0),
                seen_in_progress: false,
            },
            failure: ProcError::OutOfStep,
        })
    }

    /// What is being done, for a progress display.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self.phase {
            Phase::Survey => Stage::Reading,
            Phase::PowerUp | Phase::AwaitReady => Stage::PoweringUp,
            Phase::DisableTx | Phase::Deinit | Phase::AwaitDeactivated => Stage::TakingDown,
            Phase::Grid | Phase::ClearFlags | Phase::Channel | Phase::Power | Phase::AwaitTuning => {
                Stage::Tuning
            }
            Phase::Stage | Phase::Apply | Phase::AwaitConfig => Stage::Provisioning,
            Phase::Init | Phase::AwaitInitialized => Stage::Initialising,
            Phase::Unsquelch | Phase::EnableTx | Phase::AwaitActivated | Phase::AwaitLock => Stage::TurningOn,
            Phase::Autopsy | Phase::FaultCause => Stage::Failing,
            Phase::Verify => Stage::ReadingBack,
        }
    }

    /// The grid and channel that the frequency was given: the coarsest grid that holds it.
    #[must_use]
    pub const fn channel(&self) -> (Grid, i16) {
        (self.grid, self.channel)
    }
}

impl Procedure for Configure {
    type Output = Result<Readback, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        if reply == Reply::Start {
            return self.reader.op();
        }
        match self.advance(now, &reply) {
            Ok(op) => op,
            Err(error) => Op::Done(Err(error)),
        }
    }
}
