//! One command and its reply, as registers see them.

use super::message::{CdbError, CdbStatus, CommandId, Lpl, MAX_LPL, check_code, command_check_code};
use crate::access::{TransportError, write_limit};
use crate::map::{Address, lower, page9f};
use crate::procedure::module_info::{CdbSupport, ModuleInfo};
use crate::procedure::wait::with_margin;
use crate::procedure::{Op, ProcError, Reply, data, read, write, written};
use crate::time::Millis;
use core::time::Duration;

/// Least time from the trigger to the first look: until then the module acknowledges nothing (tWRITE).
const FIRST_LOOK: Duration = Duration::from_millis(10);
/// Longest time between two looks.
const SLOWEST_LOOK: Duration = Duration::from_millis(200);
/// Time for a command without an advertised limit: the longest that 01h:165 can advertise is 4 960 ms.
pub(super) const DEFAULT_LIMIT: Duration = Duration::from_secs(5);
/// Bytes of one page of the extended payload.
const EPL_PAGE: u16 = 128;

/// Where the bytes of an extended payload come from.
pub(super) trait Payload {
    /// Puts the bytes from `offset` of the payload into `into`.
    fn fill(&mut self, offset: u16, into: &mut [u8]) -> Result<(), CdbError>;
}

/// No extended payload.
pub(super) struct NoPayload;

impl Payload for NoPayload {
    fn fill(&mut self, _offset: u16, _into: &mut [u8]) -> Result<(), CdbError> {
        Ok(())
    }
}

/// How the command data block of a module is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// Instance, from 0.
    index: u8,
    support: CdbSupport,
}

impl Link {
    pub(super) fn new(info: &ModuleInfo, instance: u8) -> Result<Self, CdbError> {
        info.controllable()?;
        let support = info.cdb.ok_or(CdbError::NotSupported)?;
        if instance == 0 || instance > support.instances {
            return Err(CdbError::WrongInstance { instance, instances: support.instances });
        }
        Ok(Self { index: instance - 1, support })
    }

    /// Bytes of extended payload that the module takes.
    pub(super) fn max_epl(&self) -> u16 {
        u16::from(self.support.payload_pages) * EPL_PAGE
    }

    fn status_at(&self) -> Address {
        lower::CDB_STATUS_IS_BUSY.address(u16::from(self.index))
    }

    fn message_at(&self, byte: u8) -> Address {
        Address::page(0x9F, byte).in_bank(self.index)
    }

    /// The place of a byte of the extended payload.
    fn epl_at(&self, offset: u16) -> Address {
        let page = 0xA0 + u8::try_from(offset / EPL_PAGE).unwrap_or(0x0F).min(0x0F);
        let byte = 128 + u8::try_from(offset % EPL_PAGE).unwrap_or(0);
        Address::page(page, byte).in_bank(self.index)
    }

    /// Most bytes of one write that starts at `at`.
    fn write_len(&self, at: Address) -> usize {
        let extension = u8::try_from(self.support.access_len / 8).unwrap_or(u8::MAX).saturating_sub(1);
        write_limit(at.page, extension).min(256 - usize::from(at.byte))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waiting until no command runs.
    Free,
    FreeAsleep,
    Epl,
    Lpl,
    Header,
    Trigger,
    Running,
    Asleep,
    Reply,
}

/// What an exchange wants next.
pub(super) enum Next<T> {
    Op(Op<T>),
    /// The command succeeded; the reply is in [`Exchange::reply`].
    Done,
}

/// A command from the first look at the status to its reply.
///
/// ```text
/// Free ⇄ FreeAsleep → Epl × n → Lpl × n → Header → Trigger → Asleep ⇄ Running → Reply → Done
/// ```
/// The command number is written last, for that write starts the command. While it runs nothing that the bus says is
/// believed but its status: a module in foreground mode acknowledges no access, which on some hosts looks like an empty
/// port.
#[derive(Debug)]
pub(super) struct Exchange {
    link: Link,
    id: CommandId,
    lpl: Lpl,
    epl_len: u16,
    limit: Duration,
    /// The command is meant for a running one, or ends in a restart.
    manners: Manners,
    phase: Phase,
    sent: u16,
    deadline: Millis,
    pause: Duration,
    silent: Option<TransportError>,
    reply: Lpl,
}

/// How a command differs from an ordinary one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Manners {
    /// Sent while another one runs.
    pub(super) interrupts: bool,
    /// The module may restart before it reports success.
    pub(super) restarts: bool,
}

impl Exchange {
    pub(super) fn new(
        link: Link,
        id: CommandId,
        lpl: Lpl,
        epl_len: u16,
        limit: Duration,
        manners: Manners,
    ) -> Result<Self, CdbError> {
        if epl_len > link.max_epl() {
            let (len, max) = (usize::from(epl_len), usize::from(link.max_epl()));
            return Err(CdbError::PayloadTooLong { len, max });
        }
        Ok(Self {
            link,
            id,
            lpl,
            epl_len,
            limit: with_margin(limit.max(link.support.busy_limit)),
            manners,
            phase: Phase::Free,
            sent: 0,
            deadline: Millis(0),
            pause: FIRST_LOOK,
            silent: None,
            reply: Lpl::new(),
        })
    }

    pub(super) fn reply(&self) -> &[u8] {
        &self.reply
    }

    /// Begins the exchange.
    pub(super) fn start<T>(&mut self, now: Millis) -> Op<T> {
        self.deadline = now.after(with_margin(DEFAULT_LIMIT.max(self.limit)));
        self.pause = FIRST_LOOK;
        read(self.link.status_at(), 1)
    }

    pub(super) fn step<T>(
        &mut self,
        now: Millis,
        reply: &Reply<'_>,
        payload: &mut dyn Payload,
    ) -> Result<Next<T>, CdbError> {
        match self.phase {
            Phase::Free => self.free(now, reply, payload),
            Phase::FreeAsleep => {
                self.phase = Phase::Free;
                Ok(Next::Op(read(self.link.status_at(), 1)))
            }
            Phase::Epl => {
                written(reply, self.link.epl_at(self.sent))?;
                let len = self.link.write_len(self.link.epl_at(self.sent));
                self.sent = self.sent.saturating_add(u16::try_from(len).unwrap_or(u16::MAX));
                self.send_epl(payload)
            }
            Phase::Lpl => {
                let at = self.lpl_at();
                written(reply, at)?;
                let len = self.link.write_len(at);
                self.sent = self.sent.saturating_add(u16::try_from(len).unwrap_or(u16::MAX));
                Ok(Next::Op(self.send_lpl()))
            }
            Phase::Header => {
                written(reply, self.link.message_at(page9f::EPL_LENGTH.byte))?;
                self.phase = Phase::Trigger;
                let at = self.link.message_at(page9f::CMDID.byte);
                Ok(Next::Op(write(at, &self.id.0.to_be_bytes())))
            }
            Phase::Trigger => {
                written(reply, self.link.message_at(page9f::CMDID.byte))?;
                self.deadline = now.after(self.limit);
                self.pause = FIRST_LOOK;
                Ok(Next::Op(self.sleep(now)))
            }
            Phase::Asleep => {
                self.phase = Phase::Running;
                Ok(Next::Op(read(self.link.status_at(), 1)))
            }
            Phase::Running => self.running(now, reply),
            Phase::Reply => self.take_reply(reply),
        }
    }

    /// Sleeps until the next look, less and less often, never past the deadline.
    fn sleep<T>(&mut self, now: Millis) -> Op<T> {
        self.phase = if self.phase == Phase::Free { Phase::FreeAsleep } else { Phase::Asleep };
        let until = now.after(self.pause).min(self.deadline.max(now.plus(1)));
        self.pause = (self.pause * 2).min(SLOWEST_LOOK);
        Op::Sleep { until }
    }

    fn free<T>(
        &mut self,
        now: Millis,
        reply: &Reply<'_>,
        payload: &mut dyn Payload,
    ) -> Result<Next<T>, CdbError> {
        let at = self.link.status_at();
        // Somebody else's foreground command looks the same as one of ours.
        let busy = match data(reply, at) {
            Ok(bytes) => {
                !self.manners.interrupts
                    && matches!(CdbStatus::from_byte(bytes.first().copied().unwrap_or(0)), CdbStatus::Busy(_))
            }
            Err(ProcError::Bus { source: TransportError::Busy, .. }) => true,
            Err(error) => return Err(error.into()),
        };
        if !busy {
            self.sent = 0;
            return self.send_epl(payload);
        }
        if now >= self.deadline {
            return Err(CdbError::InUse {
                command: self.id,
                limit: with_margin(DEFAULT_LIMIT.max(self.limit)),
            });
        }
        Ok(Next::Op(self.sleep(now)))
    }

    fn send_epl<T>(&mut self, payload: &mut dyn Payload) -> Result<Next<T>, CdbError> {
        if self.sent >= self.epl_len {
            self.sent = 0;
            return Ok(Next::Op(self.send_lpl()));
        }
        self.phase = Phase::Epl;
        let at = self.link.epl_at(self.sent);
        let rest = usize::from(self.epl_len - self.sent);
        let mut bytes = [0; 128];
        let len = self.link.write_len(at).min(rest).min(bytes.len());
        payload.fill(self.sent, &mut bytes[..len])?;
        Ok(Next::Op(write(at, &bytes[..len])))
    }

    fn lpl_at(&self) -> Address {
        let first = page9f::LPL.byte;
        self.link.message_at(first.saturating_add(u8::try_from(self.sent).unwrap_or(u8::MAX)))
    }

    fn send_lpl<T>(&mut self) -> Op<T> {
        let rest = self.lpl.get(usize::from(self.sent)..).unwrap_or_default();
        if rest.is_empty() {
            self.phase = Phase::Header;
            let [epl_high, epl_low] = self.epl_len.to_be_bytes();
            let lpl_len = u8::try_from(self.lpl.len()).unwrap_or(0);
            let check = command_check_code(self.id, self.epl_len, &self.lpl);
            let at = self.link.message_at(page9f::EPL_LENGTH.byte);
            return write(at, &[epl_high, epl_low, lpl_len, check]);
        }
        self.phase = Phase::Lpl;
        let at = self.lpl_at();
        let len = self.link.write_len(at).min(rest.len());
        write(at, &rest[..len])
    }

    fn running<T>(&mut self, now: Millis, reply: &Reply<'_>) -> Result<Next<T>, CdbError> {
        let status = match data(reply, self.link.status_at()) {
            Ok(bytes) => {
                self.silent = None;
                CdbStatus::from_byte(bytes.first().copied().unwrap_or(0))
            }
            Err(ProcError::Bus { source, .. }) => {
                self.silent = Some(source);
                CdbStatus::Busy(0)
            }
            Err(error) => return Err(error.into()),
        };
        match status {
            CdbStatus::Success(_) => {
                self.phase = Phase::Reply;
                Ok(Next::Op(read(self.link.message_at(128), 128)))
            }
            CdbStatus::Failed(failure) => Err(CdbError::Failed { command: self.id, failure }),
            CdbStatus::Idle if self.manners.restarts => Ok(Next::Done),
            CdbStatus::Busy(_) | CdbStatus::Idle if now >= self.deadline => {
                Err(CdbError::TimedOut { command: self.id, limit: self.limit, silent: self.silent })
            }
            CdbStatus::Busy(_) | CdbStatus::Idle => Ok(Next::Op(self.sleep(now))),
        }
    }

    fn take_reply<T>(&mut self, reply: &Reply<'_>) -> Result<Next<T>, CdbError> {
        let bytes = match data(reply, self.link.message_at(128)) {
            Ok(bytes) => bytes,
            // A module that restarts has said what there was to say.
            Err(ProcError::Bus { .. }) if self.manners.restarts => return Ok(Next::Done),
            Err(error) => return Err(error.into()),
        };
        let (len, received) = match bytes {
            [_, _, _, _, _, _, len, check, ..] => (*len, *check),
            _ => return Err(ProcError::OutOfStep.into()),
        };
        let command = self.id;
        let Some(payload) = bytes.get(8..8 + usize::from(len)) else {
            let needed = u8::try_from(MAX_LPL).unwrap_or(u8::MAX);
            return Err(CdbError::ReplyLength { command, len, needed });
        };
        let computed = check_code(payload);
        // A reply without bytes has nothing to check, and modules leave the code at 0.
        if len != 0 && computed != received {
            return Err(CdbError::ReplyCheck { command, computed, received });
        }
        self.reply.clear();
        // Fits: the length was checked against the page above.
        let _ = self.reply.extend_from_slice(payload);
        Ok(Next::Done)
    }
}
