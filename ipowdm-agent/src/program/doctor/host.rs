//! What the host says: files, processes, modules, the journal.

use crate::doctor::{Access, FileFacts, JournalFacts, ModuleFacts, OwnerFacts, SecretFile};
use crate::journal::{Journal, MemoryStorage, Recovery};
use crate::program::look::{self, LookError};
use crate::settings::{ModuleSource, Resolved};
use ipowdm_cmis::access::TransportError;
use ipowdm_cmis::codes::ModuleState;
use ipowdm_cmis::procedure::ProcError;
use ipowdm_core::ids::PortId;
use nix::unistd::{AccessFlags, access};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Programs that drive pluggables on switches.
const DRIVERS: &[&str] = &["xcvrd"];

fn granted<T>(result: io::Result<T>) -> Access {
    match result {
        Ok(_) => Access::Granted,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Access::Missing,
        Err(error) => Access::Denied(error.to_string()),
    }
}

/// What the file of a module lets us do; `None` where there is none.
pub(super) fn file(source: &ModuleSource) -> Option<FileFacts> {
    match source {
        ModuleSource::Emulated | ModuleSource::Switch => None,
        ModuleSource::Eeprom(path) => {
            let path = if path.is_dir() { path.join("eeprom") } else { path.clone() };
            // Looked at before it is opened, which for a pipe would last until somebody writes to it.
            let write = match fs::metadata(&path) {
                Ok(_) => granted(OpenOptions::new().write(true).open(&path)),
                Err(error) => granted::<()>(Err(error)),
            };
            let read = if write == Access::Missing { Access::Missing } else { granted(File::open(&path)) };
            Some(FileFacts { path, read, write })
        }
        ModuleSource::Socket(path) => {
            let access = granted(std::os::unix::net::UnixStream::connect(path));
            Some(FileFacts { path: path.clone(), read: access.clone(), write: access })
        }
    }
}

/// The file of a port and what is read of its module.
pub(super) fn module(resolved: &Resolved, index: usize) -> (Option<FileFacts>, ModuleFacts) {
    let Some((_, source)) = resolved.modules.get(index) else { return (None, ModuleFacts::Unread) };
    if *source == ModuleSource::Switch {
        return (None, ModuleFacts::Unread);
    }
    let file = file(source);
    if file.as_ref().is_some_and(|file| file.read != Access::Granted || file.write != Access::Granted) {
        return (file, ModuleFacts::Unread);
    }
    let facts = match look::look(resolved, index) {
        Ok((info, report, sweep)) => ModuleFacts::Read {
            name: format!("{} {} {}", info.vendor_name, info.part_number, info.serial_number),
            coherent: info.is_coherent() && info.tunable,
            faulty: report.module_state.value() == Some(ModuleState::Fault),
            sweep_ms: u64::try_from(sweep.as_millis()).unwrap_or(u64::MAX),
        },
        Err(LookError::Module(ProcError::Bus { source: TransportError::Absent, .. })) => ModuleFacts::Absent,
        Err(LookError::Module(error @ ProcError::NotCmis { .. })) => ModuleFacts::NotCmis(error.to_string()),
        Err(error) => ModuleFacts::Unreadable(error.to_string()),
    };
    (file, facts)
}

/// Who else works on the modules; `None` where processes cannot be seen.
pub(super) fn owner(root: &Path, resolved: &Resolved) -> Option<OwnerFacts> {
    let files: Vec<(&PortId, PathBuf)> = resolved
        .modules
        .iter()
        .filter_map(|(port, source)| match source {
            ModuleSource::Eeprom(path) => Some((port, fs::canonicalize(path).ok()?)),
            ModuleSource::Emulated | ModuleSource::Socket(_) | ModuleSource::Switch => None,
        })
        .collect();
    let journal = resolved.journal.as_deref().and_then(|path| fs::canonicalize(path).ok());
    let mut facts = OwnerFacts::default();
    for entry in fs::read_dir(root.join("proc")).ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if pid == std::process::id() {
            continue;
        }
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = || line.split(|byte| *byte == 0).filter_map(|word| core::str::from_utf8(word).ok());
        // An interpreter's script is its second word.
        let names = words().take(2).filter_map(|word| Path::new(word).file_name()?.to_str());
        if let Some(driver) = names.into_iter().find(|name| DRIVERS.contains(name)) {
            facts.drivers.push((pid, driver.to_string()));
        }
        let open = open_files(&entry.path().join("fd"));
        // The agent that serves these ports is known by its journal.
        if journal.as_ref().is_some_and(|journal| open.contains(journal)) {
            continue;
        }
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default().trim().to_string();
        let held = files.iter().filter(|(_, path)| open.contains(path));
        facts.holders.extend(held.map(|(port, _)| ((*port).clone(), pid, name.clone())));
    }
    facts.drivers.sort();
    facts.holders.sort();
    Some(facts)
}

/// What a process has open, as far as it can be seen.
fn open_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).collect()
}

/// The journal as it is, without touching it.
pub(super) fn journal(path: &Path, history: usize) -> JournalFacts {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let may = |path: &Path| access(path, AccessFlags::W_OK).map_err(io::Error::from);
    let write = match granted(may(folder)) {
        Access::Granted if path.exists() => granted(may(path)),
        folder => folder,
    };
    let found = read_journal(path, history);
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    JournalFacts {
        path: path.to_path_buf(),
        boot: found.as_ref().map_or(0, |(boot, _)| *boot),
        damaged: found.map(|(_, damaged)| damaged),
        set_aside: Path::new(&aside).exists(),
        write,
        free: free_bytes(folder),
        in_use: in_use(path),
    }
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let system = nix::sys::statvfs::statvfs(folder).ok()?;
    // The counts have 32 bits on some machines.
    let bytes = u128::from(system.blocks_available()) * u128::from(system.fragment_size());
    Some(u64::try_from(bytes).unwrap_or(u64::MAX))
}

/// The last life that a journal knows, and how many of its bytes are damaged. A torn tail is not: a write may be under way.
fn read_journal(path: &Path, history: usize) -> Result<(u64, u64), String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        Err(error) => return Err(error.to_string()),
    };
    // A copy: the file belongs to the agent that runs.
    let opened = Journal::open(Box::new(MemoryStorage::with(bytes)), history);
    let (journal, recovery) = opened.map_err(|error| error.to_string())?;
    let damaged = match recovery {
        Recovery::Clean | Recovery::TornTail { .. } => 0,
        Recovery::Damaged { bytes, .. } => bytes,
    };
    Ok((journal.state().boot(), damaged))
}

/// Whether an agent holds the journal's lock.
pub(super) fn in_use(path: &Path) -> Option<bool> {
    match File::open(path) {
        Err(error) => (error.kind() == io::ErrorKind::NotFound).then_some(false),
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        },
    }
}

/// Who may read a file that holds a secret.
pub(super) fn secret(path: &Path) -> SecretFile {
    let mode =
        fs::metadata(path).map(|meta| (meta.mode() & 0o777, meta.uid())).map_err(|error| error.to_string());
    SecretFile { path: path.to_path_buf(), mode }
}
