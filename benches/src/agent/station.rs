//! Modules behind sockets, in this process and outside the agent's, which note when they are accessed and written.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

use ipowdm_cmis::emulator::{EmulatedModule, LinearModule, ModuleClock, Profile};
use ipowdm_cmis::line::ScriptedLine;
use ipowdm_cmis::time::Millis;
use ipowdm_cmis::transport::line_protocol::{Refusal, RefusalKind, Request, Response};
use ipowdm_examples::switch::Sockets;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A module was plugged in this long ago: above tMgmtInit.
const WARM: Duration = Duration::from_secs(5);
/// Bytes that select the page. Writing them changes what is shown, and nothing of the module's state.
const PAGE_SELECTION: std::ops::RangeInclusive<u32> = 126..=127;

/// What was done to a module since it was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accesses {
    /// Reads.
    pub reads: u64,
    /// State-changing ones: everything but page selections.
    pub writes: u64,
    /// When the first access began.
    pub first: Option<Instant>,
    /// When the first state-changing write began.
    pub first_write: Option<Instant>,
    /// When the last access ended.
    pub last: Option<Instant>,
}

struct Served {
    memory: LinearModule,
    accesses: Mutex<Accesses>,
}

impl Served {
    fn accesses(&self) -> MutexGuard<'_, Accesses> {
        self.accesses.lock().unwrap()
    }

    fn note(&self, began: Instant, is_write: bool) {
        let mut accesses = self.accesses();
        accesses.first.get_or_insert(began);
        if is_write {
            accesses.writes += 1;
            accesses.first_write.get_or_insert(began);
        } else {
            accesses.reads += 1;
        }
        accesses.last = Some(Instant::now());
    }

    fn carry_out(&self, request: Request) -> Response {
        let began = Instant::now();
        let (result, is_write) = match request {
            Request::Read { offset, len } => {
                let mut bytes = vec![0; len.min(128)];
                (self.memory.read(offset, &mut bytes).map(|()| bytes), false)
            }
            Request::Write { offset, bytes } => {
                let is_write = !PAGE_SELECTION.contains(&offset);
                (self.memory.write(offset, &bytes).map(|()| Vec::new()), is_write)
            }
            Request::Advance { .. } | Request::Control { .. } => {
                return Response::Err(Refusal::new(RefusalKind::Unsupported, "not here"));
            }
        };
        self.note(began, is_write);
        result.map_or_else(|error| Response::Err(Refusal::from(error)), Response::Ok)
    }

    fn serve(&self, stream: UnixStream) -> io::Result<()> {
        let mut out = stream.try_clone()?;
        for line in BufReader::new(stream).lines() {
            let response = match Request::parse(&line?) {
                Ok(request) => self.carry_out(request),
                Err(error) => Response::Err(Refusal::bad_request(&error)),
            };
            out.write_all(format!("{response}\n").as_bytes())?;
        }
        Ok(())
    }
}

/// The modules of a switch.
pub struct Station {
    /// Where they listen.
    pub sockets: Sockets,
    served: Vec<Arc<Served>>,
}

impl Station {
    /// Plugs a module into each of so many ports, numbered from 1, each on a clean line that is lit at its far end; `scale` times
    /// as fast as real ones.
    pub fn open(folder: &Path, ports: u32, scale: u32) -> Self {
        let sockets = Sockets::in_folder(folder);
        let origin = Instant::now().checked_sub(WARM).unwrap();
        let served = (1..=ports).map(|number| {
            let line = ScriptedLine::made_for(&Profile::OPENZRP);
            let clock = ModuleClock::Scaled { origin, scale };
            let module =
                EmulatedModule::plugged_in_at(Millis(0), Profile::OPENZRP, number, clock, Some(line))
                    .unwrap();
            let served = Arc::new(Served { memory: LinearModule::new(module), accesses: Mutex::default() });
            let listener = UnixListener::bind(sockets.of(number)).unwrap();
            listen(listener, served.clone());
            served
        });
        let served = served.collect();
        Self { sockets, served }
    }

    /// What was done to the module of a port since this was last asked.
    pub fn take(&self, number: u32) -> Accesses {
        std::mem::take(&mut *self.of(number).accesses())
    }

    /// The same of all ports: state-changing writes and reads.
    pub fn take_all(&self) -> (u64, u64) {
        let taken = self.served.iter().map(|served| std::mem::take(&mut *served.accesses()));
        taken.fold((0, 0), |(writes, reads), accesses| (writes + accesses.writes, reads + accesses.reads))
    }

    /// Whether something was written to the module of a port since it was last asked.
    pub fn is_written(&self, number: u32) -> bool {
        self.of(number).accesses().writes > 0
    }

    /// Modules that emit light.
    pub fn lit(&self) -> usize {
        self.served.iter().filter(|served| served.memory.module().emission().is_some()).count()
    }

    fn of(&self, number: u32) -> &Served {
        &self.served[usize::try_from(number).unwrap() - 1]
    }
}

fn listen(listener: UnixListener, served: Arc<Served>) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), served) = (stream, served.clone()) else { return };
            // A client that is gone is no failure.
            std::thread::spawn(move || served.serve(stream));
        }
    });
}
