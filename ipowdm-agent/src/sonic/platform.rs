//! The files of a switch's platform: which it is, what its daemons were told.

use super::catalogue::below;
use super::{Connection, Database, SonicError};
use serde_json::Value;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where SONiC keeps what it knows of each platform.
const DEVICES: &str = "/usr/share/sonic/device";
/// Where containers see their own platform and hardware.
const IN_CONTAINER: [&str; 2] = ["/usr/share/sonic/hwsku", "/usr/share/sonic/platform"];
/// What the boot loader was told; names the platform where the configuration does not.
const MACHINE: &str = "/host/machine.conf";

/// The platform of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Platform {
    /// Its name, such as `x86_64-kvm_x86_64-r0`.
    pub name: Option<String>,
    /// The kind of hardware, by which a platform's port maps are told apart.
    pub hwsku: Option<String>,
    /// Folders that may hold its files, the one to look in first first.
    pub folders: Vec<PathBuf>,
}

impl Platform {
    /// Finds out which platform it is: `DEVICE_METADATA|localhost` of CONFIG_DB, else `machine.conf`.
    ///
    /// # Errors
    /// [`SonicError`] where the database does not answer.
    pub fn read(root: &Path, databases: Option<&mut Connection>) -> Result<Self, SonicError> {
        let metadata = match databases {
            Some(databases) => databases.row(Database::Config, "DEVICE_METADATA", "localhost")?,
            None => super::Row::default(),
        };
        let name = metadata.text("platform").map(str::to_string).or_else(|| machine(root));
        let hwsku = metadata.text("hwsku").map(str::to_string);
        let mut folders = Vec::new();
        // A name that climbs out of the folder is no name.
        let plain = |name: &&String| !name.contains('/') && name.as_str() != "..";
        if let Some(name) = name.as_ref().filter(plain) {
            let folder = below(root, Path::new(DEVICES)).join(name);
            if let Some(hwsku) = hwsku.as_ref().filter(plain) {
                folders.push(folder.join(hwsku));
            }
            folders.push(folder);
        }
        folders.extend(IN_CONTAINER.iter().map(|folder| below(root, Path::new(folder))));
        Ok(Self { name, hwsku, folders })
    }

    /// The text of the first of the platform's files of this name, with its path; `None` where there is none.
    ///
    /// # Errors
    /// [`SonicError::File`] where one is there and cannot be read.
    pub fn file(&self, name: &str) -> Result<Option<(PathBuf, String)>, SonicError> {
        for folder in &self.folders {
            let path = folder.join(name);
            match std::fs::read_to_string(&path) {
                Ok(text) => return Ok(Some((path, text))),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(source) => return Err(SonicError::File { path, source }),
            }
        }
        Ok(None)
    }

    /// Whether the platform starts xcvrd without its CMIS manager (`pmon_daemon_control.json`: `skip_xcvrd_cmis_mgr`, or
    /// in newer images `xcvrd.cmis_mgr.enabled`); `None` where it does not say.
    ///
    /// # Errors
    /// [`SonicError`] where the file cannot be read or is no JSON.
    pub fn skips_cmis_manager(&self) -> Result<Option<bool>, SonicError> {
        let Some((path, text)) = self.file("pmon_daemon_control.json")? else { return Ok(None) };
        let control: Value = serde_json::from_str(&text)
            .map_err(|error| SonicError::Content { path, reason: error.to_string() })?;
        let enabled = control.pointer("/xcvrd/cmis_mgr/enabled").and_then(Value::as_bool);
        let skipped = control.get("skip_xcvrd_cmis_mgr").and_then(Value::as_bool);
        Ok(enabled.map(|enabled| !enabled).or(skipped))
    }
}

fn machine(root: &Path) -> Option<String> {
    let text = std::fs::read_to_string(below(root, Path::new(MACHINE))).ok()?;
    let value = |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
    let name = value("onie_platform").or_else(|| value("aboot_platform"))?.trim();
    (!name.is_empty()).then(|| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = below(root, Path::new(path));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_boot_loader_names_the_platform_where_no_database_does() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), MACHINE, "onie_version=2020\nonie_platform=x86_64-test-r0\n");
        let platform = Platform::read(root.path(), None).unwrap();
        assert_eq!(platform.name.as_deref(), Some("x86_64-test-r0"));
        assert_eq!(platform.skips_cmis_manager().unwrap(), None);
    }

    #[test]
    fn what_pmon_was_told_is_read_in_both_forms() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), MACHINE, "onie_platform=p\n");
        let platform = Platform::read(root.path(), None).unwrap();
        for (text, skips) in [
            (r#"{"skip_ledd": true}"#, None),
            (r#"{"skip_xcvrd_cmis_mgr": true}"#, Some(true)),
            (r#"{"skip_xcvrd_cmis_mgr": false}"#, Some(false)),
            (r#"{"skip_xcvrd_cmis_mgr": true, "xcvrd": {"cmis_mgr": {"enabled": true}}}"#, Some(false)),
            (r#"{"xcvrd": {"cmis_mgr": {"enabled": false}}}"#, Some(true)),
        ] {
            write(root.path(), "/usr/share/sonic/device/p/pmon_daemon_control.json", text);
            assert_eq!(platform.skips_cmis_manager().unwrap(), skips, "{text}");
        }
        write(root.path(), "/usr/share/sonic/device/p/pmon_daemon_control.json", "{");
        assert!(matches!(platform.skips_cmis_manager(), Err(SonicError::Content { .. })));
    }
}
