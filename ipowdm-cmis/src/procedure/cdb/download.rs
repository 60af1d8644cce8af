//! Download of a firmware image, and the switch to it.

use super::command::{CdbCommand, GetFirmwareFeatures, GetFirmwareInfo, lpl};
use super::exchange::{DEFAULT_LIMIT, Exchange, Link, Manners, Next, NoPayload, Payload};
use super::firmware::{BlockMechanism, FirmwareFeatures, FirmwareInfo};
use super::message::{CdbError, CommandId, FirmwareFeature, Lpl};
use crate::map::Address;
use crate::procedure::module_info::ModuleInfo;
use crate::procedure::wait::with_margin;
use crate::procedure::{Op, Procedure, Reply, read};
use crate::time::Millis;
use core::time::Duration;

/// A firmware image that is handed over in blocks.
pub trait ImageSource {
    /// Its length in bytes.
    fn len(&self) -> u32;

    /// Whether it has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts the bytes from `offset` into `into`; whether they were all there. The same bytes may be asked for again.
    fn read(&mut self, offset: u32, into: &mut [u8]) -> bool;
}

impl ImageSource for &[u8] {
    fn len(&self) -> u32 {
        u32::try_from((**self).len()).unwrap_or(u32::MAX)
    }

    fn read(&mut self, offset: u32, into: &mut [u8]) -> bool {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = start.checked_add(into.len()).and_then(|end| self.get(start..end));
        if let Some(bytes) = bytes {
            into.copy_from_slice(bytes);
        }
        bytes.is_some()
    }
}

/// Data of one block by local payload.
const LPL_BLOCK: u16 = 116;
/// Bytes that are compared with the erased byte at a time.
const PROBE: usize = 64;

/// What a download came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Downloaded {
    /// Bytes of the image, the start command's included.
    pub bytes: u32,
    /// Blocks written.
    pub blocks: u32,
    /// Blocks left out, because they hold erased bytes only and the module allows it.
    pub skipped: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Features,
    Start,
    Block,
    Complete,
    /// Giving up, for the failure that is kept.
    Abort,
}

/// Writes a firmware image into the bank that does not run. The password, where the module wants one, is entered before.
///
/// ```text
/// Features → Start → Block × n → Complete → Done
///            Start, Block, Complete ─failed→ Abort (where 0041h has it) → Done(the failure)
/// ```
#[derive(Debug)]
pub struct Download<I> {
    image: I,
    link: Link,
    features: Option<FirmwareFeatures>,
    mechanism: BlockMechanism,
    exchange: Exchange,
    phase: Phase,
    /// Of the image, from the end of the start command's part.
    address: u32,
    block: u16,
    done: Downloaded,
    failure: CdbError,
}

/// The bytes of one block.
struct Block<'a, I> {
    image: &'a mut I,
    first: u32,
}

impl<I: ImageSource> Payload for Block<'_, I> {
    fn fill(&mut self, offset: u16, into: &mut [u8]) -> Result<(), CdbError> {
        let offset = self.first.saturating_add(u32::from(offset));
        if self.image.read(offset, into) { Ok(()) } else { Err(CdbError::ImageUnreadable { offset }) }
    }
}

impl<I: ImageSource> Download<I> {
    /// Downloads `image` through a CDB instance of the module, 1 or 2.
    ///
    /// # Errors
    /// As [`Cdb::new`](super::Cdb::new).
    pub fn new(info: &ModuleInfo, instance: u8, image: I) -> Result<Self, CdbError> {
        let link = Link::new(info, instance)?;
        let command = GetFirmwareFeatures;
        let exchange = Exchange::new(link, command.id(), Lpl::new(), 0, command.limit(), Manners::default())?;
        Ok(Self {
            image,
            link,
            features: None,
            mechanism: BlockMechanism::Local,
            exchange,
            phase: Phase::Features,
            address: 0,
            block: 0,
            done: Downloaded { bytes: 0, blocks: 0, skipped: 0 },
            failure: CdbError::NotSupported,
        })
    }

    /// Bytes handed over so far, and all bytes.
    #[must_use]
    pub fn progress(&self) -> (u32, u32) {
        let header = self.features.map_or(0, |features| u32::from(features.start_payload));
        let sent = if self.phase == Phase::Features { 0 } else { header.saturating_add(self.address) };
        (sent.min(self.image.len()), self.image.len())
    }

    fn begin<T>(
        &mut self,
        now: Millis,
        id: CommandId,
        payload: Lpl,
        epl_len: u16,
        limit: Duration,
    ) -> Result<Op<T>, CdbError> {
        self.exchange = Exchange::new(self.link, id, payload, epl_len, limit, Manners::default())?;
        Ok(self.exchange.start(now))
    }

    fn features(&self) -> Result<FirmwareFeatures, CdbError> {
        self.features.ok_or(CdbError::FeatureMissing { what: FirmwareFeature::Download })
    }

    fn start<T>(&mut self, now: Millis, reply: FirmwareFeatures) -> Result<Op<T>, CdbError> {
        self.features = Some(reply);
        let missing = CdbError::FeatureMissing { what: FirmwareFeature::Download };
        self.mechanism = match reply.write.ok_or(missing)? {
            BlockMechanism::Extended if self.link.max_epl() == 0 && reply.writes_both_ways => {
                BlockMechanism::Local
            }
            BlockMechanism::Extended if self.link.max_epl() == 0 => return Err(missing),
            mechanism => mechanism,
        };
        let size = self.image.len();
        if size < u32::from(reply.start_payload) {
            return Err(CdbError::ImageTooShort { len: size, needed: reply.start_payload });
        }
        let mut payload = [0_u8; 120];
        let end = 8 + usize::from(reply.start_payload);
        let Some(header) = payload.get_mut(8..end) else {
            return Err(CdbError::PayloadTooLong { len: end, max: 120 });
        };
        if !self.image.read(0, header) {
            return Err(CdbError::ImageUnreadable { offset: 0 });
        }
        payload[..4].copy_from_slice(&size.to_be_bytes());
        self.phase = Phase::Start;
        self.begin(now, CommandId::START_DOWNLOAD, lpl(&payload[..end]), 0, reply.start_limit)
    }

    /// The next block that has to be written, or the completion.
    fn next_block<T>(&mut self, now: Millis) -> Result<Op<T>, CdbError> {
        let features = self.features()?;
        let header = u32::from(features.start_payload);
        let total = self.image.len().saturating_sub(header);
        let room = match self.mechanism {
            BlockMechanism::Local => LPL_BLOCK,
            BlockMechanism::Extended => self.link.max_epl(),
        };
        loop {
            let rest = total.saturating_sub(self.address);
            if rest == 0 {
                self.phase = Phase::Complete;
                let limit = features.complete_limit;
                return self.begin(now, CommandId::COMPLETE_DOWNLOAD, Lpl::new(), 0, limit);
            }
            self.block = u16::try_from(rest).unwrap_or(u16::MAX).min(room);
            if !(features.skip_erased && self.is_erased(header, features.erased_byte)?) {
                break;
            }
            self.done.skipped += 1;
            self.address += u32::from(self.block);
        }
        self.phase = Phase::Block;
        let mut payload = [0_u8; 120];
        payload[..4].copy_from_slice(&self.address.to_be_bytes());
        match self.mechanism {
            BlockMechanism::Extended => {
                let limit = features.write_limit;
                self.begin(now, CommandId::WRITE_EPL, lpl(&payload[..4]), self.block, limit)
            }
            BlockMechanism::Local => {
                let end = 4 + usize::from(self.block);
                let offset = header + self.address;
                let data = payload.get_mut(4..end).unwrap_or_default();
                if !self.image.read(offset, data) {
                    return Err(CdbError::ImageUnreadable { offset });
                }
                let limit = features.write_limit;
                self.begin(now, CommandId::WRITE_LPL, lpl(&payload[..end.min(120)]), 0, limit)
            }
        }
    }

    /// Whether the present block holds nothing but erased bytes.
    fn is_erased(&mut self, header: u32, erased: u8) -> Result<bool, CdbError> {
        let mut at = header + self.address;
        let mut rest = usize::from(self.block);
        let mut probe = [0_u8; PROBE];
        while rest > 0 {
            let len = rest.min(PROBE);
            if !self.image.read(at, &mut probe[..len]) {
                return Err(CdbError::ImageUnreadable { offset: at });
            }
            if probe[..len].iter().any(|byte| *byte != erased) {
                return Ok(false);
            }
            rest -= len;
            at = at.saturating_add(u32::try_from(len).unwrap_or(0));
        }
        Ok(true)
    }

    fn advance<T>(&mut self, now: Millis, reply: &Reply<'_>) -> Result<Next<T>, CdbError> {
        let header = self.features.map_or(0, |features| u32::from(features.start_payload));
        let mut block = Block { image: &mut self.image, first: header + self.address };
        if let Next::Op(op) = self.exchange.step(now, reply, &mut block)? {
            return Ok(Next::Op(op));
        }
        match self.phase {
            Phase::Features => {
                let features = FirmwareFeatures::decode(self.exchange.reply())?;
                self.start(now, features).map(Next::Op)
            }
            Phase::Start => self.next_block(now).map(Next::Op),
            Phase::Block => {
                self.done.blocks += 1;
                self.address += u32::from(self.block);
                self.next_block(now).map(Next::Op)
            }
            Phase::Complete => Ok(Next::Done),
            Phase::Abort => Err(self.failure),
        }
    }

    /// Gives up after `error`: aborts what was begun, where the module can.
    fn fail(&mut self, now: Millis, error: CdbError) -> Op<Result<Downloaded, CdbError>> {
        let begun = matches!(self.phase, Phase::Start | Phase::Block | Phase::Complete);
        let Some(features) = self.features.filter(|features| begun && features.abort) else {
            let failure = if self.phase == Phase::Abort { self.failure } else { error };
            return Op::Done(Err(failure));
        };
        self.failure = error;
        self.phase = Phase::Abort;
        self.begin(now, CommandId::ABORT_DOWNLOAD, Lpl::new(), 0, features.abort_limit)
            .unwrap_or(Op::Done(Err(error)))
    }
}

impl<I: ImageSource> Procedure for Download<I> {
    type Output = Result<Downloaded, CdbError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        if reply == Reply::Start {
            return self.exchange.start(now);
        }
        match self.advance(now, &reply) {
            Ok(Next::Op(op)) => op,
            Ok(Next::Done) => {
                self.done.bytes = self.image.len();
                Op::Done(Ok(self.done))
            }
            Err(error) => self.fail(now, error),
        }
    }
}

/// How the module changes to another image, 0109h byte 137.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunMode {
    /// 0: resets into the image that does not run; traffic is disturbed.
    ResetToInactive,
    /// 1: as 0, trying not to disturb traffic.
    HitlessToInactive,
    /// 2: resets into the image that runs.
    ResetToRunning,
    /// 3: as 2, trying not to disturb traffic.
    HitlessToRunning,
}

impl RunMode {
    const fn code(self) -> u8 {
        match self {
            Self::ResetToInactive => 0,
            Self::HitlessToInactive => 1,
            Self::ResetToRunning => 2,
            Self::HitlessToRunning => 3,
        }
    }

    const fn changes_image(self) -> bool {
        matches!(self, Self::ResetToInactive | Self::HitlessToInactive)
    }
}

/// What [`RunFirmware`] found before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restarted {
    /// Before the restart.
    pub before: FirmwareInfo,
    /// After it.
    pub after: FirmwareInfo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunPhase {
    Before,
    Run,
    /// The module is silent, or about to be.
    Restarting,
    Looking,
    After,
}

/// Time for a restart beyond the delay that was asked for: tMgmtInit is 2 s, images are unpacked and checked on the way.
const RESTART_LIMIT: Duration = Duration::from_secs(60);
/// Time in which a module that accepted the command may still be up.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Restarts the module into an image, waits for it, and sees which image runs. What was known of the module is void then:
/// it is to be identified anew, and every clear-on-read flag, PM interval and configuration has started over.
///
/// ```text
/// Before → Run → Restarting ⇄ Looking ─answers→ After → Done
/// ```
#[derive(Debug)]
pub struct RunFirmware {
    link: Link,
    mode: RunMode,
    delay: u16,
    exchange: Exchange,
    phase: RunPhase,
    before: Option<FirmwareInfo>,
    deadline: Millis,
}

type RunOutput = Result<Restarted, CdbError>;

impl RunFirmware {
    /// Restarts `delay` milliseconds after the command.
    ///
    /// # Errors
    /// As [`Cdb::new`](super::Cdb::new).
    pub fn new(info: &ModuleInfo, instance: u8, mode: RunMode, delay: u16) -> Result<Self, CdbError> {
        let link = Link::new(info, instance)?;
        let exchange = info_exchange(link)?;
        let before = None;
        Ok(Self { link, mode, delay, exchange, phase: RunPhase::Before, before, deadline: Millis(0) })
    }

    fn advance(&mut self, now: Millis, reply: &Reply<'_>) -> Result<Op<RunOutput>, CdbError> {
        match self.phase {
            RunPhase::Restarting => {
                self.phase = RunPhase::Looking;
                Ok(read(Address::lower(0), 4))
            }
            RunPhase::Looking => self.look(now, reply),
            RunPhase::Before | RunPhase::Run | RunPhase::After => {
                let next = self.exchange.step(now, reply, &mut NoPayload);
                match (next, self.phase) {
                    (Ok(Next::Op(op)), _) => Ok(op),
                    (Ok(Next::Done), RunPhase::Before) => self.run(now),
                    (Ok(Next::Done), RunPhase::After) => self.finish().map(|done| Op::Done(Ok(done))),
                    // A module that restarts at once never reports success.
                    (Ok(Next::Done) | Err(CdbError::TimedOut { .. }), RunPhase::Run) => {
                        Ok(self.await_restart(now))
                    }
                    (Ok(Next::Done), _) => Ok(Op::Done(Err(CdbError::NotSwitched))),
                    (Err(error), _) => Err(error),
                }
            }
        }
    }

    fn run(&mut self, now: Millis) -> Result<Op<RunOutput>, CdbError> {
        self.before = Some(GetFirmwareInfo.decode(self.exchange.reply())?);
        let [high, low] = self.delay.to_be_bytes();
        let payload = lpl(&[0, self.mode.code(), high, low]);
        let manners = Manners { interrupts: false, restarts: true };
        self.exchange = Exchange::new(self.link, CommandId::RUN_IMAGE, payload, 0, DEFAULT_LIMIT, manners)?;
        self.phase = RunPhase::Run;
        Ok(self.exchange.start(now))
    }

    fn await_restart(&mut self, now: Millis) -> Op<RunOutput> {
        let delay = Duration::from_millis(u64::from(self.delay));
        self.deadline = now.after(with_margin(delay + RESTART_LIMIT));
        self.phase = RunPhase::Restarting;
        Op::Sleep { until: now.after(delay + LAST_WORDS) }
    }

    fn look(&mut self, now: Millis, reply: &Reply<'_>) -> Result<Op<RunOutput>, CdbError> {
        let silent = match reply {
            Reply::Data(_) => None,
            Reply::Failed(error) => Some(*error),
            _ => return Err(crate::procedure::ProcError::OutOfStep.into()),
        };
        let Some(error) = silent else {
            self.exchange = info_exchange(self.link)?;
            self.phase = RunPhase::After;
            return Ok(self.exchange.start(now));
        };
        if now >= self.deadline {
            let limit = with_margin(Duration::from_millis(u64::from(self.delay)) + RESTART_LIMIT);
            return Err(CdbError::TimedOut { command: CommandId::RUN_IMAGE, limit, silent: Some(error) });
        }
        self.phase = RunPhase::Restarting;
        Ok(Op::Sleep { until: now.after(Duration::from_millis(200)).min(self.deadline.max(now.plus(1))) })
    }

    fn finish(&mut self) -> Result<Restarted, CdbError> {
        let after = GetFirmwareInfo.decode(self.exchange.reply())?;
        let before = self.before.take().ok_or(CdbError::NotSwitched)?;
        if self.mode.changes_image() && before.running() == after.running() {
            return Err(CdbError::NotSwitched);
        }
        Ok(Restarted { before, after })
    }
}

fn info_exchange(link: Link) -> Result<Exchange, CdbError> {
    let command = GetFirmwareInfo;
    Exchange::new(link, command.id(), Lpl::new(), 0, command.limit(), Manners::default())
}

impl Procedure for RunFirmware {
    type Output = RunOutput;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        if reply == Reply::Start {
            return self.exchange.start(now);
        }
        match self.advance(now, &reply) {
            Ok(op) => op,
            Err(error) => Op::Done(Err(error)),
        }
    }
}
