//! `ipowdm-ctl archive` and `ipowdm-ctl restore`

use super::Failure;
use super::place::Place;
use crate::store::{ArchiveError, ArchiveSummary, Location, Store, StoreOptions};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// The archive.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Options {
    /// The store's place; one in memory would be empty before and gone afterwards.
    fn lasting(&self) -> Result<Location, Failure> {
        match self.place.location()? {
            Location::Memory => {
                Err(Failure::Options("--store: a store in memory ends with its process".to_owned()))
            }
            location => Ok(location),
        }
    }
}

fn work(error: impl std::fmt::Display) -> Failure {
    Failure::Work(error.to_string())
}

fn run(task: impl Future<Output = Result<ArchiveSummary, ArchiveError>>) -> Result<ArchiveSummary, Failure> {
    tokio::runtime::Runtime::new().map_err(work)?.block_on(task).map_err(work)
}

/// Writes all records of a store, as of one commit, into a file.
pub(super) fn archive(options: &Options) -> Result<(), Failure> {
    let location = options.lasting()?;
    // Opening it would make a store where the path is mistyped.
    if let Location::Redb(path) = &location
        && !path.exists()
    {
        return Err(Failure::Options(format!("--store: {}: no such file", path.display())));
    }
    let ArchiveSummary { version, records } = run(async {
        let store = Store::open(&location, StoreOptions::default()).await?;
        store.archive(&options.file).await
    })?;
    told(&format!("{records} records of version {version} of {location}"), &options.file);
    Ok(())
}

/// Fills an empty store with the records of an archive.
pub(super) fn restore(options: &Options) -> Result<(), Failure> {
    let location = options.lasting()?;
    let ArchiveSummary { version, records } = run(async {
        let (_, summary) = Store::open_restored(&location, StoreOptions::default(), &options.file).await?;
        Ok(summary)
    })?;
    told(&format!("{location} now holds {records} records of version {version}"), &options.file);
    Ok(())
}

fn told(what: &str, file: &Path) {
    println!("{}: {what}", file.display());
}
