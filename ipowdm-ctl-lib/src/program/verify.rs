//! `ipowdm-ctl verify`

use super::serve::{Options, open_bus, resolved};
use super::{Failure, Log, settings::Program};
use crate::linkdb::LinkDb;
use crate::store::{Location, Store, StoreOptions};
use crate::verify::{Report, verify};
use clap::Args;
use core::time::Duration;
use serde_json::json;

#[derive(Args)]
pub(super) struct VerifyOptions {
    #[command(flatten)]
    common: Options,
    /// The bus: brokers to ask first, separated by commas.
    #[arg(long, value_name = "HOST:PORT")]
    bus: Option<String>,
    /// How long agents have to read their modules and answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3600))]
    patience: u16,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Compares, prints, and fails where something does not agree.
pub(super) fn run(options: &VerifyOptions, log: Log<'_>) -> Result<(), Failure> {
    let log = Log { filter: log.filter.or(Some("warn")), ..log };
    let settings = resolved(Program::Verify, &options.common, log, |settings| {
        if options.bus.is_some() {
            settings.bus.bootstrap.clone_from(&options.bus);
        }
    })?;
    super::log_to_stderr(&settings.log, settings.log_format).map_err(Failure::Options)?;
    if let Location::Redb(path) = &settings.store
        && !path.exists()
    {
        return Err(Failure::Options(format!("store.location: {}: no such file", path.display())));
    }
    let work = |error: &dyn core::fmt::Display| Failure::Work(error.to_string());
    let runtime = tokio::runtime::Runtime::new().map_err(|error| work(&error))?;
    let report = runtime.block_on(async {
        let store =
            Store::open(&settings.store, StoreOptions::default()).await.map_err(|error| work(&error))?;
        let db = LinkDb::with_band(store, settings.band.clone());
        let bus = open_bus(&settings)?;
        let patience = Duration::from_secs(options.patience.into());
        verify(&db, &*bus, patience).await.map_err(|error| work(&error))
    })?;
    print(&report, options.json);
    match report.findings.len() {
        0 => Ok(()),
        count => Err(Failure::Work(format!("{count} findings"))),
    }
}

fn print(report: &Report, as_json: bool) {
    let Report { vops, connections, ports, in_motion, findings, .. } = report;
    if as_json {
        let sentences: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let shown = json!({
            "vops": vops, "connections": connections, "ports": ports, "in_motion": in_motion,
            "findings": findings, "sentences": sentences,
        });
        println!("{shown}");
        return;
    }
    for finding in findings {
        println!("{finding}");
    }
    println!(
        "{vops} virtual operators, {connections} connections, {ports} ports compared; {in_motion} in motion; {} findings",
        findings.len()
    );
}
