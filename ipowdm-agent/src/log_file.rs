//! A log file that is rotated by size, and never stops the agent.
//!
//! `agent.log` is written; when the next line would take it over its limit it becomes `agent.log.1`, `agent.log.1` becomes
//! `agent.log.2`, and so on; beyond the last that is kept the oldest goes. A line is never split between files, and a line that
//! is longer than the limit has a file of its own. What cannot be written, because the disk is full for instance, is counted,
//! and the count is a line of the log as soon as there is room.

use crate::settings::LogFile;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes lines to a log file. Each call of [`Write::write`] is one line, and none fails.
#[derive(Debug)]
pub struct LogWriter {
    settings: LogFile,
    file: File,
    /// Bytes of whole lines in the file.
    length: u64,
    /// Lines that could not be written, and why the last could not.
    lost: Option<(u64, io::Error)>,
    /// Whether the file is over its limit because files cannot be renamed, which was told.
    stuck: bool,
}

impl LogWriter {
    /// Opens the file, or makes it, and goes on at its end.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn open(settings: &LogFile) -> io::Result<Self> {
        let path = &settings.path;
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let file = append(path).map_err(named)?;
        let length = file.metadata().map_err(named)?.len();
        Ok(Self { settings: settings.clone(), file, length, lost: None, stuck: false })
    }

    /// How many lines could not be written and have not been told of yet.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.as_ref().map_or(0, |(lines, _)| *lines)
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let told = self.lost.as_ref().map(|(lines, error)| format!("{lines} log lines were lost: {error}\n"));
        if let Some(told) = told {
            self.put(told.as_bytes())?;
            self.lost = None;
        }
        self.put(line)
    }

    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        let length = as_u64(line.len());
        if self.length > 0 && self.length.saturating_add(length) > self.settings.max_bytes {
            // Where files cannot be renamed the log goes on in this one.
            match self.rotate() {
                Ok(()) => self.stuck = false,
                Err(_) if self.stuck => {}
                Err(error) => {
                    self.stuck = true;
                    self.append(format!("the log file cannot be rotated: {error}\n").as_bytes())?;
                }
            }
        }
        self.append(line)
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        match self.file.write_all(line) {
            Ok(()) => {
                self.length += as_u64(line.len());
                Ok(())
            }
            Err(error) => {
                // Part of the line may be there. The file is opened for appending: what is cut off is written over.
                let _ = self.file.set_len(self.length);
                Err(error)
            }
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |number: u32| numbered(&self.settings.path, number);
        for number in (1..self.settings.backups).rev() {
            replace(&numbered(number), &numbered(number + 1))?;
        }
        if self.settings.backups == 0 {
            fs::remove_file(&self.settings.path)?;
        } else {
            replace(&self.settings.path, &numbered(1))?;
        }
        self.file = append(&self.settings.path)?;
        self.length = 0;
        Ok(())
    }
}

/// Renames a file over another; a gap among the files is none's fault.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Lossless on every platform with pointers of at most 64 bits.
fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.line(line) {
            let lines = self.lost() + 1;
            self.lost = Some((lines, error));
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn writer(folder: &Path, max_bytes: u64, backups: u32) -> LogWriter {
        LogWriter::open(&LogFile { path: folder.join("agent.log"), max_bytes, backups }).unwrap()
    }

    /// Everything that the files hold, oldest first.
    fn kept(folder: &Path) -> String {
        let path = folder.join("agent.log");
        let mut files: Vec<PathBuf> =
            (1..100).map(|n| numbered(&path, n)).filter(|path| path.exists()).collect();
        files.reverse();
        files.push(path);
        files.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rotation_loses_no_line_and_splits_none(
            lengths in proptest::collection::vec(0_usize..60, 1..60), max in 20_u64..120, reopen in any::<bool>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut log = writer(folder.path(), max, 99);
            let mut all = String::new();
            for (number, length) in lengths.iter().enumerate() {
                let line = format!("{number} {}\n", "x".repeat(*length));
                log.write_all(line.as_bytes()).unwrap();
                all.push_str(&line);
                if reopen && number % 7 == 0 {
                    log = writer(folder.path(), max, 99);
                }
            }
            prop_assert_eq!(kept(folder.path()), all);
            let newest = folder.path().join("agent.log");
            for file in (1..100).map(|number| numbered(&newest, number)).filter(|path| path.exists()) {
                let text = fs::read_to_string(file).unwrap();
                prop_assert!(text.ends_with('\n'));
                prop_assert!(text.len() <= usize::try_from(max).unwrap() || text.lines().count() == 1);
            }
        }
    }

    #[test]
    fn only_so_many_files_are_kept_and_they_are_the_newest() {
        for (backups, files) in [(0, 1), (1, 2), (3, 4)] {
            let folder = tempfile::tempdir().unwrap();
            let mut log = writer(folder.path(), 10, backups);
            for number in 0..20 {
                log.write_all(format!("line {number:02}\n").as_bytes()).unwrap();
            }
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), files, "{backups}");
            let expected: String = (20 - files..20).map(|number| format!("line {number:02}\n")).collect();
            assert_eq!(kept(folder.path()), expected, "{backups}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_stops_nothing_and_the_lines_that_it_cost_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = writer(folder.path(), 1_000, 2);
        log.write_all(b"before\n").unwrap();
        let room = std::mem::replace(&mut log.file, append(Path::new("/dev/full")).unwrap());
        for _ in 0..3 {
            log.write_all(b"during\n").unwrap();
        }
        assert_eq!(log.lost(), 3);
        log.file = room;
        log.write_all(b"after\n").unwrap();
        assert_eq!(log.lost(), 0);
        let text = kept(folder.path());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[2]), ("before", "after"), "{text}");
        assert!(lines[1].starts_with("3 log lines were lost: ") && lines[1].contains("No space"), "{text}");
    }

    #[test]
    fn where_files_cannot_be_renamed_the_log_goes_on_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = writer(folder.path(), 10, 1);
        // A folder in the place of the file that would be kept.
        fs::create_dir(folder.path().join("agent.log.1")).unwrap();
        for number in 0..3 {
            log.write_all(format!("line {number:02}\n").as_bytes()).unwrap();
        }
        let text = fs::read_to_string(folder.path().join("agent.log")).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("line")).collect();
        assert_eq!(lines, ["line 00", "line 01", "line 02"], "{text}");
        assert_eq!(text.matches("cannot be rotated").count(), 1, "{text}");
    }
}
