//! Bring-up and reconfiguration: application, frequency and power of a tunable module, compared before and read back after.

mod checks;
mod steps;
mod waits;

use super::apply::Application as Applied;
use super::lanes::{Lanes, Scope};
use super::laser_choice::{LaserChannel, channel_for, check_power};
use super::module_info::{Application, Controls, Durations, ModuleInfo};
use super::snapshot::{Reader, Snapshot};
use super::wait::Watch;
use super::{Feature, Op, ProcError, Procedure, Reply, SettingSet};
use crate::access::TransportError;
use crate::codes::{DataPathState, ModuleState};
use crate::time::Millis;
use core::time::Duration;
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

/// Which staged control set a configuration goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ControlSet {
    /// Set 0, which every module has (10h:143-177).
    #[default]
    Scs0,
    /// Set 1, where 01h:162.5 advertises it (10h:178-212).
    Scs1,
}

impl ControlSet {
    /// The index in the register names.
    pub(super) const fn index(self) -> u16 {
        match self {
            Self::Scs0 => 0,
            Self::Scs1 => 1,
        }
    }

    /// Refuses a set that the module does not have.
    pub(super) const fn check(self, controls: &Controls) -> Result<(), ProcError> {
        match self {
            Self::Scs1 if !controls.staged_set1 => {
                Err(ProcError::NotSupported { feature: Feature::StagedSet1 })
            }
            _ => Ok(()),
        }
    }
}

/// Which frequencies are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tuning {
    /// Channels of the module's grids only.
    #[default]
    Channels,
    /// Also frequencies beside a channel, where the module's fine tuning reaches them (04h:129.7, 190-195).
    Fine,
}

/// How a configuration is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Which lanes it is about.
    pub scope: Scope,
    /// The staged control set it goes through.
    pub control_set: ControlSet,
    /// Which frequencies are taken.
    pub tuning: Tuning,
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
    /// The outputs were disabled and the data paths taken down.
    Darkened,
}

/// What was read back after everything was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readback {
    /// How much had to be done.
    pub change: Change,
    /// Frequency that grid, channel and fine tuning name, 12h:128, 136 and 152.
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
    /// Bank of the lanes.
    pub bank: u8,
    /// Host lanes of the data paths, the bank's first lane in bit 0.
    pub host_lanes: u8,
    /// Media lanes of the data paths, whose lasers are all set to the target.
    pub media_lanes: u8,
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

/// A wait of a configuration, for a table of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitStep {
    /// Module state Ready.
    ModuleReady,
    /// Data path Deactivated.
    Deactivated,
    /// The laser has taken its settings.
    Tuned,
    /// ConfigStatus is final.
    Configured,
    /// Data path Initialized.
    Initialized,
    /// Data path Activated.
    Activated,
    /// The laser is locked at its frequency.
    Locked,
}

impl core::fmt::Display for WaitStep {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ModuleReady => "module ready",
            Self::Deactivated => "data path deactivated",
            Self::Tuned => "laser settings taken",
            Self::Configured => "configuration accepted",
            Self::Initialized => "data path initialized",
            Self::Activated => "data path activated",
            Self::Locked => "laser locked",
        })
    }
}

/// How long a wait took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTime {
    /// What was waited for.
    pub step: WaitStep,
    /// The maximum that the module advertises for it; `None` where CMIS has no advertisement.
    pub advertised: Option<Duration>,
    /// From the beginning of the wait to the look that ended it.
    pub took: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Survey,
    /// BankBroadcastEnable, left on by somebody, would spread every write over all banks.
    BroadcastOff,
    DisableTx,
    Deinit,
    /// DPDeinit of a bank that a power-up would otherwise light.
    OtherBank(u8),
    PowerUp,
    AwaitReady,
    AwaitDeactivated,
    /// Of this laser.
    Grid(u8),
    ClearFlags,
    Channel(u8),
    Fine(u8),
    Power(u8),
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
    /// The attempt failed after it may have lit the laser.
    Extinguish,
    ExtinguishPath,
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
///   └─else→ DisableTx → Deinit → OtherBank × n → PowerUp → AwaitReady → AwaitDeactivated → Grid → ClearFlags
///           → (Channel → Fine → Power) × lasers → AwaitTuning → Stage → Apply → AwaitConfig → Init
///           → AwaitInitialized → … as above
/// any wait ─too long→ Autopsy ─Fault→ FaultCause → Fault
///                       └─else→ TimedOut
/// any error after Init, Unsquelch or EnableTx → Extinguish → ExtinguishPath → Done(error)
/// ```
///
/// DisableTx and Deinit come before the power-up, so that a module whose defaults would light it at its old frequency
/// stays dark; the same is done to the other banks of a module that has to be powered up. States that the module passes
/// between two looks may be missed: a later state counts as reached. A bring-up that fails leaves no laser on that was off
/// before.
#[derive(Debug)]
pub struct Configure {
    serial: String<16>,
    target: Target,
    channel: LaserChannel,
    options: Options,
    controls: Controls,
    banks: u8,
    applications: Vec<Application, 15>,
    durations: Durations,
    lanes: Option<Lanes>,
    phase: Phase,
    change: Change,
    before: Snapshot,
    reader: Reader,
    watch: Watch,
    /// Beginning of the current wait.
    waiting_since: Millis,
    times: Vec<StepTime, 16>,
    asleep: bool,
    /// Where the work begins once a broadcast is off.
    entry: Phase,
    /// Tuning flags of each laser that any look has seen.
    flags: [u8; 8],
    global_control: u8,
    deinit: u8,
    /// Lanes taken down: the application's own and those of other data paths on the same carrier.
    down: u8,
    tx_disable: u8,
    squelch_force: u8,
    /// Something was written that may light the laser.
    may_shine: bool,
    apply: Applied,
    /// Whether unused lanes are decommissioned (AppSel 0) by the same trigger.
    decommission: bool,
    failure: ProcError,
}

impl Configure {
    /// A configuration of bank 0 of the module that `info` describes, with the default [`Options`].
    ///
    /// # Errors
    /// [`ProcError`] with the legal values where the target is outside them; the module has not been accessed.
    pub fn new(info: &ModuleInfo, target: Target) -> Result<Self, ProcError> {
        Self::with_options(info, target, Options::default())
    }

    /// As [`Configure::new`], for other lanes or carried out in another way.
    ///
    /// # Errors
    /// As [`Configure::new`], and [`ProcError::WrongBank`], [`ProcError::WrongLane`] or [`ProcError::NotSupported`].
    pub fn with_options(info: &ModuleInfo, target: Target, options: Options) -> Result<Self, ProcError> {
        let channel = channel_for(info, target.frequency, options.tuning)?;
        check_power(&info.capability, target.tx_power)?;
        let durations = info.controllable()?;
        options.scope.check(info)?;
        options.control_set.check(&info.controls)?;
        let lanes = checks::chosen(&info.applications, target.application)?
            .map(|application| options.scope.lanes(application, info.banks))
            .transpose()?;
        Ok(Self {
            serial: info.serial_number.clone(),
            target,
            channel,
            options,
            controls: info.controls,
            banks: info.banks,
            applications: info.applications.clone(),
            durations,
            lanes,
            phase: Phase::Survey,
            change: Change::Unchanged,
            before: Snapshot::empty(),
            reader: Reader::new(options.scope.bank()),
            watch: Watch::start(Millis(0), Duration::ZERO),
            waiting_since: Millis(0),
            times: Vec::new(),
            asleep: false,
            entry: Phase::DisableTx,
            flags: [0; 8],
            global_control: 0,
            deinit: 0,
            down: 0,
            tx_disable: 0,
            squelch_force: 0,
            may_shine: false,
            apply: Applied::new(),
            decommission: true,
            failure: ProcError::OutOfStep,
        })
    }

    /// What is being done, for a progress display.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self.phase {
            Phase::Survey => Stage::Reading,
            Phase::PowerUp | Phase::AwaitReady => Stage::PoweringUp,
            Phase::BroadcastOff
            | Phase::DisableTx
            | Phase::Deinit
            | Phase::OtherBank(_)
            | Phase::AwaitDeactivated => Stage::TakingDown,
            Phase::Grid(_)
            | Phase::ClearFlags
            | Phase::Channel(_)
            | Phase::Fine(_)
            | Phase::Power(_)
            | Phase::AwaitTuning => Stage::Tuning,
            Phase::Stage | Phase::Apply | Phase::AwaitConfig => Stage::Provisioning,
            Phase::Init | Phase::AwaitInitialized => Stage::Initialising,
            Phase::Unsquelch | Phase::EnableTx | Phase::AwaitActivated | Phase::AwaitLock => Stage::TurningOn,
            Phase::Autopsy | Phase::FaultCause | Phase::Extinguish | Phase::ExtinguishPath => Stage::Failing,
            Phase::Verify => Stage::ReadingBack,
        }
    }

    /// The grid and channel that the frequency was given: the coarsest grid that holds it.
    #[must_use]
    pub const fn channel(&self) -> (Grid, i16) {
        (self.channel.grid, self.channel.number)
    }

    /// The fine tuning that the frequency was given, in MHz.
    #[must_use]
    pub const fn fine_tuning(&self) -> i16 {
        self.channel.fine
    }

    /// How long each wait took so far, in the order in which they ended.
    #[must_use]
    pub fn times(&self) -> &[StepTime] {
        &self.times
    }
}

impl Procedure for Configure {
    type Output = Result<Readback, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        if reply == Reply::Start && self.phase == Phase::Survey {
            self.reader = Reader::new(self.options.scope.bank());
            return self.reader.op();
        }
        match self.advance(now, &reply) {
            Ok(op) => op,
            Err(error) => self.fail(error),
        }
    }
}

impl Configure {
    /// What differs from the target in a survey, and how much has to be done about it.
    ///
    /// # Errors
    /// [`ProcError::Fault`], or [`ProcError::NoApplication`] where none fits; nothing has been written.
    pub(super) fn assess(&mut self, snapshot: &Snapshot) -> Result<(SettingSet, Change), ProcError> {
        if snapshot.module_state == ModuleState::Fault {
            return Err(ProcError::Fault { cause: snapshot.fault_cause });
        }
        let lanes = match self.lanes {
            Some(lanes) => lanes,
            None => {
                let scope = self.options.scope;
                checks::lanes_to_keep(&self.applications, &snapshot.active, scope, self.banks)?
            }
        };
        self.lanes = Some(lanes);
        let wanted = self.wanted();
        let distance = checks::distance(snapshot, &lanes, &wanted);
        let change = match (distance.provisioned, distance.lit, distance.power) {
            (true, true, true) => Change::Unchanged,
            (true, true, false) => Change::PowerOnly,
            (true, false, _) => Change::OutputOnly,
            (false, ..) => Change::Reprovisioned,
        };
        Ok((checks::differences(snapshot, &lanes, &wanted), change))
    }

    /// What a survey shows of a module that [`Configure::assess`] has judged.
    pub(super) fn seen(&self, snapshot: &Snapshot) -> Option<Readback> {
        self.lanes.map(|lanes| self.readback(snapshot, &lanes))
    }

    /// Ends with `error`, after the laser has been made dark where this attempt may have lit it.
    fn fail(&mut self, error: ProcError) -> Op<Result<Readback, ProcError>> {
        let gone = matches!(error, ProcError::Bus { source: TransportError::Absent, .. });
        if !self.may_shine || gone {
            return Op::Done(Err(error));
        }
        self.failure = error;
        self.extinguish()
    }
}
