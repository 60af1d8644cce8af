//! What the benchmarks share.

pub mod agent;
pub mod control;
pub mod redis;
pub mod server;
pub mod storage;
pub mod world;

use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The file of a network: in the folder that `IPOWDM_TOPOLOGIES` names, else in one beside the project, else the project's own.
/// `None` where none of these has it.
#[must_use]
pub fn network(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("IPOWDM_TOPOLOGIES").map(PathBuf::from);
    let folders =
        [named, Some(workspace().join("../shared/topologies")), Some(workspace().join("examples/plan"))];
    folders
        .into_iter()
        .flatten()
        .map(|folder| folder.join(name).with_extension("json"))
        .find(|file| file.is_file())
}

/// The processor and the number of its cores, for the figures' head.
#[must_use]
pub fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{} with {cores} cores", model.map_or("unknown", |(_, model)| model))
}

/// Processor time that this process has used, in seconds; 0 where the system does not say.
#[must_use]
pub fn processor_seconds() -> f64 {
    seconds_in(Path::new("/proc/self/stat"))
}

/// Processor time that the calling thread has used, in seconds; 0 where the system does not say.
#[must_use]
pub fn thread_seconds() -> f64 {
    seconds_in(Path::new("/proc/thread-self/stat"))
}

/// Processor time that the process or thread of a `stat` file has used, in seconds; 0 where the system does not say.
#[must_use]
pub fn seconds_in(stat: &Path) -> f64 {
    // Fields 14 and 15 of proc(5), in hundredths of a second; the name in field 2 ends with the last parenthesis.
    let stat = std::fs::read_to_string(stat).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Whether a figure was asked for: the command line names a part of its name, or no name at all.
#[must_use]
pub fn is_selected(name: &str) -> bool {
    is_selected_by(std::env::args().skip(1), name)
}

/// Options of criterion that have no value.
const SWITCHES: [&str; 10] = [
    "bench",
    "discard-baseline",
    "exact",
    "ignored",
    "list",
    "nocapture",
    "noplot",
    "quick",
    "quiet",
    "verbose",
];

fn is_selected_by(arguments: impl Iterator<Item = String>, name: &str) -> bool {
    let (mut filters, mut is_value) = (Vec::new(), false);
    for argument in arguments {
        match argument.strip_prefix("--") {
            Some(option) => is_value = !option.contains('=') && !SWITCHES.contains(&option),
            None if is_value || argument.starts_with('-') => is_value = false,
            None => filters.push(argument),
        }
    }
    filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_on_the_command_line_selects_and_values_of_options_do_not() {
        let selected =
            |line: &str| is_selected_by(line.split_whitespace().map(str::to_owned), "simulate/nsfnet");
        assert!(
            selected("--bench") && selected("") && selected("nsfnet --bench") && selected("--bench simulate")
        );
        assert!(!selected("find --bench") && !selected("--quick find"));
        assert!(selected("--save-baseline find --bench") && selected("--color=never -n"));
        assert!(!selected("--sample-size 10 find"));
    }

    #[test]
    fn the_project_has_a_network_of_its_own() {
        assert!(network("nsfnet-14-22").is_some());
        assert!(network("nowhere").is_none());
        assert!(workspace().join("examples/plan/nsfnet-14-22.json").is_file());
    }
}
