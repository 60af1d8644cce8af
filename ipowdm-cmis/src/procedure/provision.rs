//! Staging and applying a configuration of lanes by itself, and taking lanes out of use.

use super::apply::{Application as Applied, CONFIG_LIMIT, MOST_TRIGGERS, Verdict};
use super::broadcast::{BroadcastGuard, Guarded};
use super::module_info::{Durations, ModuleInfo, SERIAL, same_module};
use super::snapshot::{active_set, config_status, dp_states};
use super::transmitter::{TxControl, TxGoal, TxLanes};
use super::wait::Watch;
use super::{
    Awaited, ControlSet, Feature, LaneStatuses, LegalApplications, Op, ProcError, Procedure, Reply, Setting,
    data, read, write, written,
};
use crate::codes::{ConfigStatus, DataPathState};
use crate::map::{Address, Block, page10, page11};
use crate::time::Millis;
use core::time::Duration;
use heapless::String;

/// How a staged configuration is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// ApplyDPInit: a data path that is not Deactivated goes down and up with the new configuration.
    DpInit,
    /// ApplyImmediate: a data path that is Initialized or Activated takes it as it runs.
    Immediate,
}

/// Signal integrity settings of the host lanes of a bank, as the bytes 10h:153-173 (OIF-CMIS-05.4, staged control set).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalIntegrity {
    /// AdaptiveInputEqEnableTx, lane 1 in bit 0.
    pub adaptive_eq_enable: u8,
    /// AdaptiveInputEqRecallTx, two bits a lane, lane 1 lowest.
    pub adaptive_eq_recall: [u8; 2],
    /// FixedInputEqTargetTx, four bits a lane.
    pub fixed_eq: [u8; 4],
    /// CDREnableTx, lane 1 in bit 0.
    pub cdr_tx: u8,
    /// CDREnableRx, lane 1 in bit 0.
    pub cdr_rx: u8,
    /// OutputEqPreCursorTargetRx, four bits a lane.
    pub pre_cursor: [u8; 4],
    /// OutputEqPostCursorTargetRx, four bits a lane.
    pub post_cursor: [u8; 4],
    /// OutputAmplitudeTargetRx, four bits a lane.
    pub amplitude: [u8; 4],
}

/// Bytes of the settings.
const SI_LEN: usize = 21;

impl SignalIntegrity {
    const fn bytes(&self) -> [u8; SI_LEN] {
        let [recall_low, recall_high] = self.adaptive_eq_recall;
        let [f0, f1, f2, f3] = self.fixed_eq;
        let [p0, p1, p2, p3] = self.pre_cursor;
        let [q0, q1, q2, q3] = self.post_cursor;
        let [a0, a1, a2, a3] = self.amplitude;
        [
            self.adaptive_eq_enable,
            recall_low,
            recall_high,
            f0,
            f1,
            f2,
            f3,
            self.cdr_tx,
            self.cdr_rx,
            p0,
            p1,
            p2,
            p3,
            q0,
            q1,
            q2,
            q3,
            a0,
            a1,
            a2,
            a3,
        ]
    }
}

/// A configuration of lanes of one bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provisioning {
    /// The bank.
    pub bank: u8,
    /// The control set it goes through.
    pub control_set: ControlSet,
    /// Host lanes it is about, the bank's first in bit 0.
    pub lanes: u8,
    /// DPConfig bytes of these lanes: AppSel in bits 7-4, DataPathID in 3-1, ExplicitControl in 0; AppSel 0 takes a lane
    /// out of use.
    pub dp_config: [u8; 8],
    /// Signal integrity settings; they take effect on lanes with ExplicitControl.
    pub signal_integrity: Option<SignalIntegrity>,
    /// How it is applied.
    pub trigger: Trigger,
}

/// What [`Provision`] ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provisioned {
    /// ConfigStatus of every lane of the bank.
    pub statuses: LaneStatuses,
    /// DPConfig bytes of the active control set.
    pub active: [u8; 8],
    /// Lanes whose configuration takes effect with the next initialisation (11h:235).
    pub init_pending: u8,
    /// Triggers that were needed.
    pub attempts: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Identity,
    States,
    Config,
    Asleep,
    Staged,
    StageConfig,
    /// This many bytes of the settings are staged.
    StageSi(u8),
    Apply,
    Await,
    AwaitAsleep,
    Verify,
}

/// Stages a configuration and applies it; the result of every lane is read back.
///
/// ```text
/// Identity → States → Config ─transient or in progress→ Asleep → States
///              └steady→ Staged → StageConfig → StageSi × 3 → Apply → Await ⇄ AwaitAsleep → Verify → Done
///                                                             └─ignored, three times at most→ Apply
/// ```
/// A trigger while a lane is in a transient state, or ConfigInProgress, would be ignored without a word; these are waited
/// out first, each with its own limit.
#[derive(Debug)]
pub struct Provision {
    guard: BroadcastGuard,
    serial: String<16>,
    wanted: Provisioning,
    durations: Durations,
    applies_to_live: bool,
    phase: Phase,
    states: [DataPathState; 8],
    before: [ConfigStatus; 8],
    staged: [u8; 8],
    apply: Applied,
    watch: Watch,
    last: Option<([ConfigStatus; 8], [u8; 8])>,
}

type Step = Result<Op<Result<Provisioned, ProcError>>, ProcError>;

const STATES: (Address, u8) = (Address::page(0x11, 128), 4);
const CONFIG: (Address, u8) = (Address::page(0x11, 202), 34);

impl Provision {
    /// The procedure for the module that `info` describes.
    ///
    /// # Errors
    /// [`ProcError::WrongBank`], [`ProcError::NotSupported`] for a control set that is not there,
    /// [`ProcError::NoApplication`] for an AppSel code that is not advertised; the module has not been accessed.
    pub fn new(info: &ModuleInfo, wanted: Provisioning) -> Result<Self, ProcError> {
        let durations = info.controllable()?;
        info.check_bank(wanted.bank)?;
        wanted.control_set.check(&info.controls)?;
        let known = |code: u8| code == 0 || info.applications.iter().any(|a| a.info.app_sel == code);
        let named = (0..8).filter(|lane| wanted.lanes & (1 << lane) != 0);
        if !named.map(|lane: usize| wanted.dp_config[lane] >> 4).all(known) {
            return Err(ProcError::NoApplication { legal: LegalApplications::of(&info.applications) });
        }
        let mut apply = Applied::new();
        apply.mask = wanted.lanes;
        apply.wanted = wanted.dp_config;
        Ok(Self {
            guard: BroadcastGuard::new(info),
            serial: info.serial_number.clone(),
            applies_to_live: match wanted.trigger {
                Trigger::DpInit => info.controls.applies_to_live_paths(),
                Trigger::Immediate => {
                    !info.controls.stepped_config_only || info.controls.auto_commissioning == 2
                }
            },
            wanted,
            durations,
            phase: Phase::Identity,
            states: [DataPathState::Unknown(0); 8],
            before: [ConfigStatus::Undefined; 8],
            staged: [0; 8],
            apply,
            watch: Watch::start(Millis(0), Duration::ZERO),
            last: None,
        })
    }

    const fn here(&self, at: Address) -> Address {
        at.in_bank(self.wanted.bank)
    }

    fn advance(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        match self.phase {
            Phase::Identity => {
                same_module(&self.serial, data(reply, SERIAL.0)?)?;
                self.watch = Watch::start(now, CONFIG_LIMIT);
                self.phase = Phase::States;
                Ok(read(self.here(STATES.0), STATES.1))
            }
            Phase::Asleep => {
                self.phase = Phase::States;
                Ok(read(self.here(STATES.0), STATES.1))
            }
            Phase::States => {
                let at = self.here(STATES.0);
                self.states = dp_states(Block::new(at, data(reply, at)?));
                self.phase = Phase::Config;
                Ok(read(self.here(CONFIG.0), CONFIG.1))
            }
            Phase::Config => self.steady(now, reply),
            Phase::Staged => {
                let bytes = data(reply, self.config_at())?;
                self.staged = bytes.try_into().map_err(|_| ProcError::OutOfStep)?;
                for lane in (0..8).filter(|lane| self.wanted.lanes & (1 << lane) != 0) {
                    self.staged[lane] = self.wanted.dp_config[lane];
                }
                self.phase = Phase::StageConfig;
                Ok(write(self.config_at(), &self.staged))
            }
            Phase::StageConfig => {
                written(reply, self.config_at())?;
                Ok(self.stage_settings(now, 0))
            }
            Phase::StageSi(done) => {
                written(reply, self.settings_at(done))?;
                Ok(self.stage_settings(now, done.saturating_add(8)))
            }
            Phase::Apply => {
                written(reply, self.trigger_at())?;
                self.watch = Watch::start(now, self.durations.dp_deinit.max(CONFIG_LIMIT));
                self.phase = Phase::Await;
                Ok(read(self.here(CONFIG.0), CONFIG.1))
            }
            Phase::AwaitAsleep => {
                self.phase = Phase::Await;
                Ok(read(self.here(CONFIG.0), CONFIG.1))
            }
            Phase::Await => self.await_result(now, reply),
            Phase::Verify => self.verify(reply),
        }
    }

    /// Goes on when no lane is in transit; refuses what the states do not allow.
    fn steady(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        let at = self.here(CONFIG.0);
        self.before = config_status(Block::new(at, data(reply, at)?));
        let named = |lane: &usize| self.wanted.lanes & (1 << lane) != 0;
        let transient = (0..8).filter(named).find(|lane| self.states[*lane].is_transient());
        let in_progress = (0..8).filter(named).any(|lane| self.before[lane] == ConfigStatus::InProgress);
        if transient.is_none() && !in_progress {
            return self.admitted();
        }
        let state = transient.map_or(DataPathState::Unknown(0), |lane| self.states[lane]);
        let limit = match state {
            DataPathState::Init => self.durations.dp_init,
            DataPathState::Deinit => self.durations.dp_deinit,
            DataPathState::TxTurnOn => self.durations.tx_on,
            DataPathState::TxTurnOff => self.durations.tx_off,
            _ => CONFIG_LIMIT,
        };
        match self.watch.observe(now, state.code(), limit) {
            Ok(()) => {
                self.phase = Phase::Asleep;
                Ok(Op::Sleep { until: self.watch.next_look(now) })
            }
            Err(limit) => Err(ProcError::TimedOut { awaited: Awaited::Configuration, limit }),
        }
    }

    fn admitted(&mut self) -> Step {
        let live =
            |lane: usize| matches!(self.states[lane], DataPathState::Initialized | DataPathState::Activated);
        let named = |lane: &usize| self.wanted.lanes & (1 << lane) != 0;
        let any_live = (0..8).filter(named).any(live);
        let immediate = self.wanted.trigger == Trigger::Immediate;
        if any_live && !self.applies_to_live {
            return Err(ProcError::NotSupported { feature: Feature::LiveReconfiguration });
        }
        if immediate && let Some(lane) = (0..8).filter(named).find(|lane| !live(*lane)) {
            let (wanted, seen) = (DataPathState::Initialized, self.states[lane]);
            let lane = u8::try_from(lane).unwrap_or(7) + 1;
            return Err(ProcError::WrongPathState { lane, wanted, seen });
        }
        self.phase = Phase::Staged;
        Ok(read(self.config_at(), 8))
    }

    fn config_at(&self) -> Address {
        self.here(match self.wanted.control_set {
            ControlSet::Scs0 => page10::SCS0_DP_CONFIG_LANE_APP_SEL_CODE.address(0),
            ControlSet::Scs1 => page10::SCS1_DP_CONFIG_LANE_APP_SEL_CODE.address(0),
        })
    }

    fn settings_at(&self, offset: u8) -> Address {
        let first = page10::SCS_ADAPTIVE_INPUT_EQ_ENABLE_TX.address(self.wanted.control_set.index());
        self.here(Address { byte: first.byte.saturating_add(offset), ..first })
    }

    fn trigger_at(&self) -> Address {
        let set = self.wanted.control_set.index();
        self.here(match self.wanted.trigger {
            Trigger::DpInit => page10::SCS_APPLY_DP_INIT_LANE.address(set),
            Trigger::Immediate => page10::SCS_APPLY_IMMEDIATE_LANE.address(set),
        })
    }

    fn stage_settings(&mut self, now: Millis, done: u8) -> Op<Result<Provisioned, ProcError>> {
        let settings = self.wanted.signal_integrity.map(|settings| settings.bytes());
        let rest = settings.as_ref().and_then(|bytes| bytes.get(usize::from(done)..)).unwrap_or_default();
        if rest.is_empty() {
            return self.trigger(now);
        }
        self.phase = Phase::StageSi(done);
        write(self.settings_at(done), &rest[..rest.len().min(8)])
    }

    fn trigger(&mut self, now: Millis) -> Op<Result<Provisioned, ProcError>> {
        self.apply.trigger(now);
        self.phase = Phase::Apply;
        write(self.trigger_at(), &[self.wanted.lanes])
    }

    fn await_result(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        let at = self.here(CONFIG.0);
        let block = Block::new(at, data(reply, at)?);
        let (status, active) = (config_status(block), active_set(block));
        self.last = Some((status, active));
        match self.apply.judge(now, &status, &active, &self.before) {
            Verdict::InProgress => {
                match self.watch.observe(now, ConfigStatus::InProgress.code(), Duration::ZERO) {
                    Ok(()) => Ok(self.look_again(now)),
                    Err(limit) => Err(ProcError::TimedOut { awaited: Awaited::Configuration, limit }),
                }
            }
            Verdict::Wait => Ok(self.look_again(now)),
            Verdict::Refused(lane, refusal) => Err(Applied::rejection(lane, refusal, status)),
            Verdict::Ignored if self.apply.attempts < MOST_TRIGGERS => Ok(self.trigger(now)),
            Verdict::Ignored => Err(ProcError::ApplyIgnored { attempts: self.apply.attempts }),
            Verdict::Done => {
                self.phase = Phase::Verify;
                Ok(read(self.here(Address::page(0x11, 214)), 22))
            }
        }
    }

    fn look_again(&mut self, now: Millis) -> Op<Result<Provisioned, ProcError>> {
        self.phase = Phase::AwaitAsleep;
        Op::Sleep { until: self.watch.next_look(now) }
    }

    fn verify(&self, reply: &Reply<'_>) -> Step {
        let at = self.here(Address::page(0x11, 214));
        let bytes = data(reply, at)?;
        if let Some(settings) = self.wanted.signal_integrity {
            let explicit = self.apply.wanted.iter().any(|config| config & 1 != 0);
            if explicit && bytes.get(..SI_LEN) != Some(settings.bytes().as_slice()) {
                return Err(ProcError::Mismatch { setting: Setting::SignalIntegrity });
            }
        }
        let (statuses, active) = self.last.ok_or(ProcError::OutOfStep)?;
        Ok(Op::Done(Ok(Provisioned {
            statuses: LaneStatuses(statuses),
            active,
            init_pending: Block::new(at, bytes).byte(page11::DP_INIT_PENDING_LANE).unwrap_or(0),
            attempts: self.apply.attempts,
        })))
    }
}

impl Procedure for Provision {
    type Output = Result<Provisioned, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let reply = match self.guard.pass(now, reply) {
            Guarded::Op(op) => return op,
            Guarded::Through(reply) => reply,
        };
        if reply == Reply::Start {
            return read(SERIAL.0, SERIAL.1);
        }
        match self.advance(now, &reply) {
            Ok(op) => op,
            Err(error) => Op::Done(Err(error)),
        }
    }
}

/// What [`Decommission`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decommissioned {
    /// The lanes carry no application (AppSel 0).
    Released,
    /// The module refuses AppSel 0, as some do. The data paths are Deactivated and stay so by DPDeinit; their lanes are
    /// free for a new configuration of the same lanes.
    HeldDown {
        /// How the module refused.
        statuses: LaneStatuses,
    },
}

#[derive(Debug)]
enum Decommissioning {
    Down(TxControl),
    Release(Provision),
}

/// Takes lanes out of use: their outputs off, their data paths Deactivated, then AppSel 0.
///
/// ```text
/// Down (TxControl) → Release (Provision) ─accepted→ Done(Released)
///                                        └─refused→ Done(HeldDown)
/// ```
/// A refusal of AppSel 0 is an outcome and is not tried again: the lanes are dark and idle.
#[derive(Debug)]
pub struct Decommission {
    state: Decommissioning,
    release: Option<Provision>,
}

impl Decommission {
    /// Takes `lanes` of `bank` out of use.
    ///
    /// # Errors
    /// [`ProcError::FlatMemory`], [`ProcError::RevisionTooOld`] or [`ProcError::WrongBank`]; the module has not been
    /// accessed.
    pub fn new(info: &ModuleInfo, bank: u8, lanes: TxLanes) -> Result<Self, ProcError> {
        let provisioning = Provisioning {
            bank,
            control_set: ControlSet::Scs0,
            lanes: lanes.host,
            dp_config: [0; 8],
            signal_integrity: None,
            trigger: Trigger::DpInit,
        };
        Ok(Self {
            state: Decommissioning::Down(TxControl::of_lanes(info, TxGoal::Deactivate, bank, lanes)?),
            release: Some(Provision::new(info, provisioning)?),
        })
    }
}

impl Procedure for Decommission {
    type Output = Result<Decommissioned, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let mut reply = reply;
        loop {
            match &mut self.state {
                Decommissioning::Down(down) => match down.step(now, reply).split() {
                    Ok(op) => return op,
                    Err(Err(error)) => return Op::Done(Err(error)),
                    Err(Ok(_)) => match self.release.take() {
                        Some(release) => self.state = Decommissioning::Release(release),
                        None => return Op::Done(Err(ProcError::OutOfStep)),
                    },
                },
                Decommissioning::Release(release) => {
                    return match release.step(now, reply).split() {
                        Ok(op) => op,
                        Err(Ok(_)) => Op::Done(Ok(Decommissioned::Released)),
                        Err(Err(ProcError::Rejected { lanes: statuses, .. })) => {
                            Op::Done(Ok(Decommissioned::HeldDown { statuses }))
                        }
                        Err(Err(error)) => Op::Done(Err(error)),
                    };
                }
            }
            reply = Reply::Start;
        }
    }
}
