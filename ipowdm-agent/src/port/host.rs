//! Where ports run: a task for a module whose accesses return at once, a thread for one whose accesses block.
//!
//! Either way nothing else touches the module, one slow module delays no other, and the host ends when its handle is
//! dropped, leaving the module as it is.

use super::{AdminSwitch, PortEvent, PortMachine, PortMessage, Proxy, Reach};
use core::time::Duration;
use ipowdm_cmis::access::Eeprom;
use ipowdm_core::time::Millis;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use tokio::sync::mpsc;

/// The clock that an agent decides by: monotonic, the same for all its ports.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// Messages on their way to a port.
const INBOX: usize = 32;
/// Longest sleep; a wake-up without work costs nothing.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);
/// Stack of a port's thread: the procedures' state is on the heap.
const STACK: usize = 256 * 1024;

/// A module's memory, and how its accesses behave.
pub enum Module {
    /// Accesses return at once: an emulated module.
    Inline(Box<dyn Eeprom + Send>),
    /// Accesses block on hardware: the port gets a thread of its own.
    Blocking(Box<dyn Eeprom + Send>),
    /// As [`Module::Blocking`], on a host that knows whether the port is up.
    Owned(Box<dyn Eeprom + Send>, Box<dyn AdminSwitch>),
    /// Other software drives the module, and asking it blocks: the port gets a thread of its own.
    Proxy(Box<dyn Proxy>),
}

impl core::fmt::Debug for Module {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Inline(_) => "Inline",
            Self::Blocking(_) => "Blocking",
            Self::Owned(..) => "Owned",
            Self::Proxy(_) => "Proxy",
        })
    }
}

enum Inbox {
    Task(mpsc::Sender<PortMessage>),
    Thread(SyncSender<PortMessage>),
}

/// A port that runs. Dropping it ends the port's task or thread; the laser is not touched.
pub struct PortHandle {
    inbox: Inbox,
    /// What did not fit into the inbox, in order.
    owed: VecDeque<PortMessage>,
}

impl PortHandle {
    /// Starts a port. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// What the system says where a thread cannot be made.
    pub fn start(
        machine: PortMachine,
        module: Module,
        clock: Clock,
        events: mpsc::Sender<PortEvent>,
        name: &str,
    ) -> std::io::Result<Self> {
        let inbox = match module {
            Module::Inline(eeprom) => {
                let (sender, receiver) = mpsc::channel(INBOX);
                tokio::spawn(run_task(machine, eeprom, clock, receiver, events));
                Inbox::Task(sender)
            }
            module @ (Module::Blocking(_) | Module::Owned(..) | Module::Proxy(_)) => {
                let (sender, receiver) = sync_channel(INBOX);
                std::thread::Builder::new()
                    .name(format!("port-{name}"))
                    .stack_size(STACK)
                    .spawn(move || run_thread(machine, module, &clock, &receiver, &events))?;
                Inbox::Thread(sender)
            }
        };
        Ok(Self { inbox, owed: VecDeque::new() })
    }

    /// Tells the port something. Never waits and never loses: what does not fit is kept in order until
    /// [`PortHandle::push_owed`].
    pub fn tell(&mut self, message: PortMessage) {
        self.owed.push_back(message);
        self.push_owed();
    }

    /// Hands over what did not fit before. To be called when the port has shown that it is alive.
    pub fn push_owed(&mut self) {
        while let Some(message) = self.owed.pop_front() {
            if let Err(message) = self.try_send(message) {
                self.owed.push_front(message);
                return;
            }
        }
    }

    fn try_send(&self, message: PortMessage) -> Result<(), PortMessage> {
        match &self.inbox {
            Inbox::Task(sender) => sender.try_send(message).or_else(|error| match error {
                mpsc::error::TrySendError::Full(message) => Err(message),
                // The port has ended, as it does when the agent does.
                mpsc::error::TrySendError::Closed(_) => Ok(()),
            }),
            Inbox::Thread(sender) => sender.try_send(message).or_else(|error| match error {
                TrySendError::Full(message) => Err(message),
                TrySendError::Disconnected(_) => Ok(()),
            }),
        }
    }
}

impl core::fmt::Debug for PortHandle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PortHandle").field("owed", &self.owed.len()).finish()
    }
}

fn pause(clock: &Clock, wake: Millis) -> Duration {
    Duration::from_millis(wake.since(clock())).min(LONGEST_SLEEP)
}

async fn run_task(
    mut machine: PortMachine,
    mut eeprom: Box<dyn Eeprom + Send>,
    clock: Clock,
    mut inbox: mpsc::Receiver<PortMessage>,
    events: mpsc::Sender<PortEvent>,
) {
    let mut out = Vec::new();
    loop {
        let wake = machine.poll(clock(), &mut Reach::Registers(&mut *eeprom), &mut out);
        for event in out.drain(..) {
            if events.send(event).await.is_err() {
                return;
            }
        }
        tokio::select! {
            biased;
            message = inbox.recv() => match message {
                Some(message) => machine.tell(message, clock(), &mut out),
                None => return,
            },
            () = tokio::time::sleep(pause(&clock, wake)) => {}
        }
    }
}

fn run_thread(
    mut machine: PortMachine,
    mut module: Module,
    clock: &Clock,
    inbox: &std::sync::mpsc::Receiver<PortMessage>,
    events: &mpsc::Sender<PortEvent>,
) {
    let mut out = Vec::new();
    loop {
        let mut reach = match &mut module {
            Module::Inline(eeprom) | Module::Blocking(eeprom) => Reach::Registers(&mut **eeprom),
            Module::Owned(eeprom, host) => Reach::Owned(&mut **eeprom, &mut **host),
            Module::Proxy(proxy) => Reach::Proxy(&mut **proxy),
        };
        let wake = machine.poll(clock(), &mut reach, &mut out);
        for event in out.drain(..) {
            if events.blocking_send(event).is_err() {
                return;
            }
        }
        match inbox.recv_timeout(pause(clock, wake)) {
            Ok(message) => machine.tell(message, clock(), &mut out),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
