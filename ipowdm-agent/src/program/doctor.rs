//! `doctor`: the facts for [`crate::doctor`], and how what they come to is printed. Nothing is written, on the bus neither.

mod bus;
mod host;
mod switch;

use super::Source;
use crate::config::Service;
use crate::doctor::{self, Assigned, BrokerFacts, Facts, PortFacts};
use crate::settings::{Examined, Resolved};
use clap::Args;
use std::error::Error;
use std::path::PathBuf;

/// What `doctor` is told.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(super) source: Source,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Where the host's root is, for an agent in a container: /proc is looked at below it.
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    root: PathBuf,
}

/// Gathers, judges and prints; whether nothing is at fault.
pub(crate) fn doctor(options: &Options, examined: Examined) -> Result<bool, Box<dyn Error>> {
    let report = doctor::examine(&gather(options, examined));
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report.to_json())?);
    } else {
        print!("{report}");
    }
    Ok(report.is_well())
}

fn gather(options: &Options, examined: Examined) -> Facts {
    let mut facts = Facts { user: nix::unistd::geteuid().as_raw(), ..Facts::default() };
    facts.secrets = examined.secrets.iter().map(|path| host::secret(path)).collect();
    facts.problems = examined.problems;
    let Some(mut resolved) = examined.resolved else { return facts };
    let root = resolved.switch.root.clone().unwrap_or_else(|| options.root.clone());
    let detected = switch::detect(&root, &resolved);
    if let Some(Ok(detection)) = &detected {
        switch::place(detection, &mut resolved);
    }
    facts.agent = Some(resolved.agent.identity.agent_id.clone());
    facts.emulated = resolved.agent.emulated;
    facts.ports = ports(&resolved);
    facts.owner = host::owner(&root, &resolved);
    facts.switch = match detected {
        Some(Ok(detection)) => {
            switch::tell(&detection, &mut facts.ports);
            Some(Ok(switch::facts(&detection)))
        }
        Some(Err(error)) => Some(Err(error)),
        None => None,
    };
    // A broker that the settings do not name rightly is not asked.
    if !facts.problems.iter().any(|problem| problem.key.starts_with("bus") || problem.key == "KAFKA_BROKER") {
        let address = resolved.bus.bootstrap.join(",");
        let runs = || resolved.journal.as_deref().and_then(host::in_use) == Some(true);
        let ran = runs();
        let mut answer = bus::look(&resolved, ran);
        // Started while the bus was looked at, it has only now begun to speak.
        if !ran && runs() {
            answer = bus::look(&resolved, true);
        }
        facts.broker = Some(BrokerFacts { address, answer });
    }
    // After the bus: whoever was heard there by now holds a journal.
    facts.journal = resolved.journal.as_deref().map(|path| host::journal(path, resolved.agent.history));
    facts.telemetry_interval_ms = interval(&resolved, &facts);
    facts
}

/// All ports at once: a module that does not answer takes its time.
fn ports(resolved: &Resolved) -> Vec<PortFacts> {
    std::thread::scope(|scope| {
        let looks: Vec<_> = (0..resolved.modules.len())
            .map(|index| scope.spawn(move || host::module(resolved, index)))
            .collect();
        let modules = resolved.modules.iter().zip(looks);
        modules
            .map(|((port, source), look)| {
                let (file, module) = look.join().unwrap_or((None, doctor::ModuleFacts::Unread));
                let file = file.or_else(|| host::file(source));
                PortFacts { port: port.clone(), file, module }
            })
            .collect()
    })
}

fn interval(resolved: &Resolved, facts: &Facts) -> Option<u32> {
    if let Service::Fixed { telemetry_interval_ms, .. } = &resolved.agent.service {
        return Some(*telemetry_interval_ms);
    }
    let view = facts.broker.as_ref()?.answer.as_ref().ok()?;
    match &view.assigned {
        Some(Assigned::Vops(vops)) => vops.iter().map(|served| served.telemetry_interval_ms).min(),
        _ => None,
    }
}
