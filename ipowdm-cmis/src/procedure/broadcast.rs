//! Writes for one bank that must not reach the others.

use super::{Modify, ModuleInfo, Op, ProcError, Procedure, Reply};
use crate::map::lower;
use crate::time::Millis;

/// Clears BankBroadcastEnable (00h:26.7) before a procedure writes to one bank of a module that has several: somebody may
/// have left it on, and every write would go to all banks.
#[derive(Debug, Clone)]
pub(super) struct BroadcastGuard(Option<Modify>);

/// What a procedure behind the guard does now.
pub(super) enum Guarded<'a, T> {
    /// The guard's own operation.
    Op(Op<T>),
    /// The guard is through: the reply is the procedure's.
    Through(Reply<'a>),
}

impl BroadcastGuard {
    pub(super) fn new(info: &ModuleInfo) -> Self {
        let several = info.banks > 1;
        Self(if several { Modify::field(lower::BANK_BROADCAST_ENABLE, 0, 0) } else { None })
    }

    /// Takes a reply; the first one is [`Reply::Start`], for the guard and then for the procedure behind it.
    pub(super) fn pass<'a, T, E: From<ProcError>>(
        &mut self,
        now: Millis,
        reply: Reply<'a>,
    ) -> Guarded<'a, Result<T, E>> {
        let Some(modify) = &mut self.0 else { return Guarded::Through(reply) };
        match modify.step(now, reply).split() {
            Ok(op) => Guarded::Op(op),
            Err(Err(error)) => Guarded::Op(Op::Done(Err(error.into()))),
            Err(Ok(_)) => {
                self.0 = None;
                Guarded::Through(Reply::Start)
            }
        }
    }
}
