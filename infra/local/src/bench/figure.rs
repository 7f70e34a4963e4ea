//! What was measured, held against its bound, and how that is told.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use serde_json::{Value, json};

use crate::error::{Context, Result};

/// What a figure came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Within its bound.
    Met,
    /// Beyond its bound: told, and no error.
    NotMet,
    /// There is no bound.
    Stated,
    /// A tool is missing on this machine.
    Skipped,
    /// It should have been measured and was not: an error.
    Missing,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::Stated => "stated",
            Self::Skipped => "skipped",
            Self::Missing => "not measured",
        }
    }
}

/// One line of the table: a count or a ratio; a speed is only stated.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    section: &'static str,
    what: String,
    measured: String,
    value: Option<f64>,
    bound: String,
    verdict: Verdict,
    /// What it is made up of, for whoever wants to bring it down; not in the table.
    parts: BTreeMap<String, u64>,
}

impl Figure {
    /// A value that should not exceed a bound. `measured` says how it came about.
    pub fn at_most(
        section: &'static str,
        what: impl Into<String>,
        value: f64,
        measured: impl Into<String>,
        bound: (f64, &str),
    ) -> Self {
        let verdict = if value <= bound.0 { Verdict::Met } else { Verdict::NotMet };
        let (what, measured, bound) = (what.into(), measured.into(), bound.1.to_owned());
        Self { section, what, measured, value: Some(value), bound, verdict, parts: BTreeMap::new() }
    }

    /// A value that should reach a bound.
    pub fn at_least(
        section: &'static str,
        what: impl Into<String>,
        value: f64,
        measured: impl Into<String>,
        bound: (f64, &str),
    ) -> Self {
        let verdict = if value >= bound.0 { Verdict::Met } else { Verdict::NotMet };
        Self { verdict, ..Self::at_most(section, what, value, measured, bound) }
    }

    /// A value without a bound.
    pub fn stated(
        section: &'static str,
        what: impl Into<String>,
        value: f64,
        measured: impl Into<String>,
    ) -> Self {
        let value = Some(value);
        Self { value, ..Self::unbounded(section, what, measured, Verdict::Stated) }
    }

    /// What this machine has no tool for.
    pub fn skipped(section: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::unbounded(section, what, why, Verdict::Skipped)
    }

    /// What could not be measured.
    pub fn missing(section: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::unbounded(section, what, why, Verdict::Missing)
    }

    fn unbounded(
        section: &'static str,
        what: impl Into<String>,
        measured: impl Into<String>,
        verdict: Verdict,
    ) -> Self {
        let (what, measured, parts) = (what.into(), measured.into(), BTreeMap::new());
        Self { section, what, measured, value: None, bound: String::new(), verdict, parts }
    }

    /// With what it is made up of.
    pub fn of(self, parts: BTreeMap<String, u64>) -> Self {
        Self { parts, ..self }
    }

    /// Whether it should have been measured and was not.
    pub fn is_missing(&self) -> bool {
        self.verdict == Verdict::Missing
    }

    fn to_json(&self) -> Value {
        json!({
            "section": self.section, "what": self.what, "measured": self.measured, "value": self.value,
            "bound": self.bound, "verdict": self.verdict.word(), "parts": self.parts,
        })
    }
}

/// All figures as one table, a heading for every section.
pub fn table(figures: &[Figure]) -> String {
    let width =
        |cell: fn(&Figure) -> &str| figures.iter().map(|f| cell(f).chars().count()).max().unwrap_or(0);
    let what = width(|figure| &figure.what).max("what".len());
    let measured = width(|figure| &figure.measured).max("measured".len());
    let bound = width(|figure| &figure.bound).max("bound".len());
    let mut text = format!("  {:<what$}  {:<measured$}  {:<bound$}  verdict\n", "what", "measured", "bound");
    let mut section = "";
    for figure in figures {
        if figure.section != section {
            section = figure.section;
            let _ = writeln!(text, "\n{section}");
        }
        let verdict = figure.verdict.word();
        let _ = writeln!(
            text,
            "  {:<what$}  {:<measured$}  {:<bound$}  {verdict}",
            figure.what, figure.measured, figure.bound
        );
    }
    text
}

/// The same for programs.
pub fn write_json(figures: &[Figure], path: &Path) -> Result<()> {
    let all = json!({"figures": figures.iter().map(Figure::to_json).collect::<Vec<_>>()});
    std::fs::write(path, format!("{all:#}\n")).failed(format_args!("{} cannot be written", path.display()))
}

/// How often `part` holds `whole`; infinite when there is nothing to divide by, which no bound allows.
#[expect(clippy::cast_precision_loss, reason = "counts and sizes stay far below 2^52")]
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { f64::INFINITY } else { part as f64 / whole as f64 }
}

/// Bytes or instructions in millions.
pub fn millions(number: u64) -> f64 {
    ratio(number, 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_kept_or_missed() {
        let figure = |value| Figure::at_most("s", "w", value, "m", (2.0, "<= 2x"));
        assert_eq!(figure(2.0).verdict, Verdict::Met);
        assert_eq!(figure(2.01).verdict, Verdict::NotMet);
        assert_eq!(figure(f64::INFINITY).verdict, Verdict::NotMet);
        assert!(!figure(3.0).is_missing());
        let figure = |value| Figure::at_least("s", "w", value, "m", (0.985, ">= 0.985"));
        assert_eq!(figure(0.985).verdict, Verdict::Met);
        assert_eq!(figure(0.98).verdict, Verdict::NotMet);
        assert!(Figure::missing("s", "w", "why").is_missing());
        assert!(!Figure::skipped("s", "w", "why").is_missing());
    }

    #[test]
    fn the_table_has_a_heading_per_section_and_aligned_columns() {
        let figures = [
            Figure::at_most("start", "staff-api", 1.5, "1.50x", (2.0, "<= 2x")),
            Figure::stated("size", "a function", 3.0, "3.0 MB"),
            Figure::at_most("size", "b", 9.0, "9.0 MB", (6.0, "<= 6 MB")),
        ];
        let expected = "  what        measured  bound    verdict\n\
            \nstart\n  staff-api   1.50x     <= 2x    met\n\
            \nsize\n  a function  3.0 MB             stated\n  b           9.0 MB    <= 6 MB  not met\n";
        assert_eq!(table(&figures), expected);
    }

    #[test]
    fn ratios_and_numbers() {
        assert!((ratio(3, 2) - 1.5).abs() < 1e-9);
        assert!(ratio(1, 0).is_infinite());
        assert!((millions(5_500_000) - 5.5).abs() < 1e-9);
    }

    #[test]
    fn json_holds_value_and_verdict() {
        let figure = Figure::at_most("s", "w", 0.5, "half", (1.0, "<= 1"));
        let expected = json!({"section": "s", "what": "w", "measured": "half", "value": 0.5, "bound": "<= 1", "verdict": "met", "parts": {"calls": 3}});
        assert_eq!(figure.of(BTreeMap::from([("calls".to_owned(), 3)])).to_json(), expected);
        assert_eq!(Figure::missing("s", "w", "why").to_json()["value"], Value::Null);
    }
}
