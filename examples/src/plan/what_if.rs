//! `plan what-if`: how many more channels fit between two PoPs, and what fills first.
//!
//! The network is read into memory, from an archive of a store or as an empty one from a topology, and LinkDB is asked for one
//! channel after the other, as it would be in earnest, until it refuses. Nothing outside this process is changed. Ports are not
//! counted: a channel takes spectrum on both fibres of every link of its path and nothing else.

mod error;
mod fill;
mod options;
mod picture;
mod planner;
mod report;
#[cfg(test)]
mod tests;

pub use error::WhatIfError;
pub use options::Options;

use fill::Question;
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::store::Store;
use ipowdm_ctl_lib::topology::TopologyDocument;

/// The answer as text: a table, or one JSON object. The picture is written where one was asked for.
///
/// # Errors
/// [`WhatIfError`]
pub fn answer(options: &Options) -> Result<String, WhatIfError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| WhatIfError::Runtime { source })?;
    let answer = runtime.block_on(async {
        let question = Question::try_from(options)?;
        let db = network(options, &question).await?;
        fill::fill(&db, question).await
    })?;
    if let Some(path) = &options.svg {
        std::fs::write(path, picture::draw(&answer))
            .map_err(|source| WhatIfError::File { path: path.clone(), source })?;
    }
    Ok(if options.json { report::json(&answer) } else { report::table(&answer) })
}

/// The network in memory.
async fn network(options: &Options, question: &Question) -> Result<LinkDb, WhatIfError> {
    let store = Store::memory();
    if let Some(path) = &options.snapshot {
        store.restore(path).await?;
    }
    let db = LinkDb::with_band(store, question.band.clone());
    if let Some(path) = &options.topology {
        let text = std::fs::read_to_string(path)
            .map_err(|source| WhatIfError::File { path: path.clone(), source })?;
        let document = |source| WhatIfError::Topology { path: path.clone(), source };
        let topology = TopologyDocument::from_json(&text).map_err(document)?;
        for field in topology.unread() {
            eprintln!("plan: {}: {field} says something for which there is no place here", path.display());
        }
        db.import_topology(&topology.into_topology().map_err(document)?).await?;
    }
    Ok(db)
}
