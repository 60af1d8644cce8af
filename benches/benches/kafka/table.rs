//! The table.

/// A line of it.
#[derive(Debug)]
pub(crate) struct Row {
    verdict: &'static str,
    bus: String,
    what: String,
    client: String,
    owed: String,
    seen: String,
}

impl Row {
    /// A figure that nothing is owed of, so far.
    pub(crate) fn of(bus: &str, what: &str, client: &str, owed: &str, seen: String) -> Self {
        Self {
            verdict: "",
            bus: bus.to_owned(),
            what: what.to_owned(),
            client: client.to_owned(),
            owed: owed.to_owned(),
            seen,
        }
    }

    /// Something that was not measured, and why.
    pub(crate) fn left_out(bus: &str, what: &str, client: &str, why: &str) -> Self {
        Self { verdict: "-", ..Self::of(bus, what, client, "", format!("not measured: {why}")) }
    }

    /// What is owed of it, and whether it was seen.
    pub(crate) fn owed(mut self, owed: &str, holds: bool) -> Self {
        self.verdict = if holds { "holds" } else { "MISSED" };
        owed.clone_into(&mut self.owed);
        self
    }

    /// Something beside the figure.
    pub(crate) fn noted(mut self, note: &str) -> Self {
        self.seen = format!("{} ({note})", self.seen);
        self
    }

    pub(crate) fn is_missed(&self) -> bool {
        self.verdict == "MISSED"
    }

    pub(crate) fn print(&self) {
        let Self { verdict, bus, what, client, owed, seen } = self;
        println!("{verdict:6} | {bus:7} | {what:37} | {client:27} | {owed:36} | {seen}");
    }
}

/// The head.
pub(crate) fn print_head() {
    let [bus, what, client, owed, seen] = ["bus", "what", "client", "owed", "seen"];
    println!("{:6} | {bus:7} | {what:37} | {client:27} | {owed:36} | {seen}", "");
}

/// Milliseconds of microseconds.
#[expect(clippy::cast_precision_loss, reason = "microseconds of a benchmark stay below 2^53")]
pub(crate) fn ms(micros: u64) -> f64 {
    micros as f64 / 1e3
}
