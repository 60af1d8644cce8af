//! Verdicts, each against the one expected, and their table.

use ipowdm_core::bus::kafka::attempts::Verdict;
use std::collections::BTreeMap;
use std::fmt;

struct Cell {
    allowed: bool,
    verdict: Verdict,
}

impl Cell {
    fn holds(&self) -> bool {
        self.verdict == if self.allowed { Verdict::Allowed } else { Verdict::Denied }
    }
}

/// Who, and on what.
type Place = (String, String);

/// What was tried at one place, in that order.
struct Row {
    place: Place,
    cells: Vec<(String, Cell)>,
}

/// Everything that was tried.
#[derive(Default)]
pub(crate) struct Matrix {
    rows: Vec<Row>,
}

impl Matrix {
    /// Takes a verdict.
    pub(crate) fn cell(
        &mut self,
        who: &str,
        on: impl Into<String>,
        what: impl Into<String>,
        allowed: bool,
        verdict: Verdict,
    ) {
        let place = (who.to_owned(), on.into());
        let cell = (what.into(), Cell { allowed, verdict });
        match self.rows.last_mut().filter(|last| last.place == place) {
            Some(row) => row.cells.push(cell),
            None => self.rows.push(Row { place, cells: vec![cell] }),
        }
    }

    fn cells(&self) -> impl Iterator<Item = (&Place, &str, &Cell)> {
        self.rows
            .iter()
            .flat_map(|row| row.cells.iter().map(move |(what, cell)| (&row.place, what.as_str(), cell)))
    }

    /// Fails with every cell that is not as expected. A table of which nothing is allowed, or nothing denied, shows nothing.
    pub(crate) fn holds(&self) {
        let wrong: Vec<String> = self
            .cells()
            .filter(|(.., cell)| !cell.holds())
            .map(|((who, on), what, cell)| {
                let expected = if cell.allowed { "allowed" } else { "denied" };
                format!("{who}: {what} of {on} is {:?}, not {expected}", cell.verdict)
            })
            .collect();
        assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
        for allowed in [true, false] {
            assert!(self.cells().any(|(.., cell)| cell.allowed == allowed), "no cell is to be {allowed}");
        }
    }
}

/// Rows with the same operations share a heading; `+` is allowed, `-` denied, `!` not as expected.
impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tables: BTreeMap<Vec<&str>, Vec<String>> = BTreeMap::new();
        for Row { place: (who, on), cells } in &self.rows {
            let heading: Vec<&str> = cells.iter().map(|(what, _)| what.as_str()).collect();
            let marks = cells.iter().map(|(what, cell)| {
                let mark = match cell.verdict {
                    _ if !cell.holds() => '!',
                    Verdict::Allowed => '+',
                    _ => '-',
                };
                format!("{mark:^width$}", width = what.len())
            });
            let line = format!("{} {who} on {on}", marks.collect::<Vec<_>>().join(" "));
            tables.entry(heading).or_default().push(line);
        }
        for (heading, lines) in tables {
            writeln!(f, "{}\n{}\n", heading.join(" "), lines.join("\n"))?;
        }
        let count = |wanted: fn(&Cell) -> bool| self.cells().filter(|(.., cell)| wanted(cell)).count();
        write!(
            f,
            "{} cells: {} allowed, {} denied, {} not as expected",
            count(|_| true),
            count(|cell| cell.verdict == Verdict::Allowed),
            count(|cell| cell.verdict == Verdict::Denied),
            count(|cell| !cell.holds())
        )
    }
}
