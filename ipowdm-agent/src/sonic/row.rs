//! A row of a table: names and values, as SONiC's daemons write them.

use std::collections::BTreeMap;

/// The fields of one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row(BTreeMap<String, String>);

impl Row {
    /// The row of these fields.
    pub fn of<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    /// Whether there is no such key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, name: String, value: String) {
        self.0.insert(name, value);
    }

    /// Whether the field is there, whatever it says.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// A field as it is written; `None` where it is absent, empty or `N/A`.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        let text = self.0.get(field)?.trim();
        (!matches!(text, "" | "N/A" | "None")).then_some(text)
    }

    /// A field as a finite number, whatever unit is written behind it.
    #[must_use]
    pub fn number(&self, field: &str) -> Option<f64> {
        let text = self.text(field)?;
        let is_numeric =
            |letter: char| letter.is_ascii_digit() || matches!(letter, '+' | '-' | '.' | 'e' | 'E');
        let end = text.find(|letter| !is_numeric(letter)).unwrap_or(text.len());
        text[..end].parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// A field as Python writes a truth.
    #[must_use]
    pub fn truth(&self, field: &str) -> Option<bool> {
        match self.text(field)? {
            "True" | "true" | "1" => Some(true),
            "False" | "false" | "0" => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_absent() {
        let row =
            Row::of([("a", "N/A"), ("b", ""), ("c", "nan"), ("d", "inf"), ("e", " -10.5 "), ("f", "None")]);
        for field in ["a", "b", "c", "d", "f", "missing"] {
            assert_eq!(row.number(field), None, "{field}");
        }
        assert_eq!(row.number("e"), Some(-10.5));
    }

    #[test]
    fn numbers_are_read_with_or_without_their_unit() {
        let row = Row::of([("t", "45.25C"), ("v", "3.31 Volts"), ("b", "3.4e-04"), ("f", "193100")]);
        assert_eq!(row.number("t"), Some(45.25));
        assert_eq!(row.number("v"), Some(3.31));
        assert_eq!(row.number("b"), Some(3.4e-4));
        assert_eq!(row.number("f"), Some(193_100.0));
    }

    #[test]
    fn truths_are_pythons() {
        let row = Row::of([("a", "True"), ("b", "False"), ("c", "yes")]);
        assert_eq!((row.truth("a"), row.truth("b"), row.truth("c")), (Some(true), Some(false), None));
    }
}
