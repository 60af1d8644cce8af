//! Rows, verdicts, and how they are shown.

use crate::settings::Problem;
use core::fmt;
use serde::Serialize;

/// A troubleshooting row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Row {
    /// The broker can be reached.
    Broker,
    /// The topics that the agent uses are there.
    Topics,
    /// The agent's heartbeats arrive.
    HealthStream,
    /// The modules' files can be read and written.
    Permissions,
    /// Each port has a module of its own.
    Mapping,
    /// The modules can be read within the telemetry interval.
    Interval,
    /// The host's clock shows the broker's time.
    Clock,
    /// No topic name of the time before virtual operators is set.
    LegacyTopics,
    /// Nobody else works on the modules.
    Owner,
    /// The journal can be kept, and the agent is the only one of its name.
    Journal,
    /// The modules are there, are well, and are coherent ones.
    Modules,
    /// Nobody else reads secrets.
    Secrets,
}

impl Row {
    /// All rows, in their order.
    pub const ALL: [Self; 12] = [
        Self::Broker,
        Self::Topics,
        Self::HealthStream,
        Self::Permissions,
        Self::Mapping,
        Self::Interval,
        Self::Clock,
        Self::LegacyTopics,
        Self::Owner,
        Self::Journal,
        Self::Modules,
        Self::Secrets,
    ];

    /// Its number, from 1; the first eight are those of the guide.
    #[must_use]
    pub fn number(self) -> usize {
        Self::ALL.iter().position(|row| *row == self).map_or(0, |index| index + 1)
    }

    /// What it is about, in a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Broker => "Kafka reachable",
            Self::Topics => "topic names",
            Self::HealthStream => "health stream",
            Self::Permissions => "module permissions",
            Self::Mapping => "interface mapping",
            Self::Interval => "telemetry interval",
            Self::Clock => "clock skew",
            Self::LegacyTopics => "legacy topic names",
            Self::Owner => "owner of modules",
            Self::Journal => "journal, identity",
            Self::Modules => "modules",
            Self::Secrets => "secrets",
        }
    }
}

/// What was found, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// There was nothing to judge by.
    NotChecked,
    /// All is well.
    Ok,
    /// It works, and somebody should know.
    Warning,
    /// It does not work.
    Fault,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotChecked => "not checked",
            Self::Ok => "ok",
            Self::Warning => "WARNING",
            Self::Fault => "FAULT",
        })
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// How it is.
    pub verdict: Verdict,
    /// What it is.
    pub found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What was found about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The row.
    pub row: Row,
    /// The things that were found.
    pub details: Vec<Detail>,
}

impl Finding {
    pub(super) const fn new(row: Row) -> Self {
        Self { row, details: Vec::new() }
    }

    pub(super) fn ok(&mut self, found: impl Into<String>) {
        self.details.push(Detail { verdict: Verdict::Ok, found: found.into(), fix: None });
    }

    pub(super) fn unknown(&mut self, why: impl Into<String>) {
        self.details.push(Detail { verdict: Verdict::NotChecked, found: why.into(), fix: None });
    }

    pub(super) fn warn(&mut self, found: impl Into<String>, fix: impl Into<String>) {
        let (found, fix) = (found.into(), Some(fix.into()));
        self.details.push(Detail { verdict: Verdict::Warning, found, fix });
    }

    pub(super) fn fault(&mut self, found: impl Into<String>, fix: impl Into<String>) {
        let (found, fix) = (found.into(), Some(fix.into()));
        self.details.push(Detail { verdict: Verdict::Fault, found, fix });
    }

    /// Whether something was found that needs somebody.
    pub(super) fn is_clean(&self) -> bool {
        self.verdict() < Verdict::Warning
    }

    /// The worst of what was found.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.details.iter().map(|detail| detail.verdict).max().unwrap_or(Verdict::NotChecked)
    }
}

/// What was found about every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// By row, in the order of [`Row::ALL`].
    pub findings: Vec<Finding>,
    /// Problems of the settings that no row is about.
    pub others: Vec<Problem>,
}

impl Report {
    /// Whether nothing is at fault. Warnings are no fault.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.others.is_empty() && self.findings.iter().all(|finding| finding.verdict() < Verdict::Fault)
    }

    /// The finding of a row.
    #[must_use]
    pub fn of(&self, row: Row) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.row == row)
    }

    /// For machines: `well`, `rows` (each `number`, `row`, `title`, `verdict`, `details` of `verdict`, `found` and `fix`), and
    /// `settings`, the problems that no row is about.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let row = |finding: &Finding| {
            serde_json::json!({
                "number": finding.row.number(),
                "row": finding.row,
                "title": finding.row.title(),
                "verdict": finding.verdict(),
                "details": finding.details,
            })
        };
        let other = |p: &Problem| serde_json::json!({ "key": p.key, "found": p.reason, "fix": p.fix });
        serde_json::json!({
            "well": self.is_well(),
            "rows": self.findings.iter().map(row).collect::<Vec<_>>(),
            "settings": self.others.iter().map(other).collect::<Vec<_>>(),
        })
    }
}

/// For people: a line for each thing that was found, and under those that want the same done, what to do.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let (number, title) = (finding.row.number(), finding.row.title());
            let mut head = format!("{number:>2} {title:<19}");
            for (index, detail) in finding.details.iter().enumerate() {
                writeln!(f, "{head:<22} {:<12} {}", detail.verdict, detail.found)?;
                let next = finding.details.get(index + 1);
                if let Some(fix) = &detail.fix
                    && next.and_then(|next| next.fix.as_ref()) != Some(fix)
                {
                    writeln!(f, "{:<22} {:<12} fix: {fix}", "", "")?;
                }
                head.clear();
            }
        }
        for problem in &self.others {
            writeln!(f, "{:<22} {:<12} {}: {}", "   settings", Verdict::Fault, problem.key, problem.reason)?;
            writeln!(f, "{:<22} {:<12} fix: {}", "", "", problem.fix)?;
        }
        let count = |verdict| self.findings.iter().filter(|finding| finding.verdict() == verdict).count();
        let faults = count(Verdict::Fault) + usize::from(!self.others.is_empty());
        let (warnings, unknown) = (count(Verdict::Warning), count(Verdict::NotChecked));
        writeln!(f, "{faults} at fault, {warnings} with warnings, {unknown} not checked")
    }
}
