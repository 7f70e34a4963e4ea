//! What the demo prints: plain lines on standard output, alike on a terminal and in a log.

use std::{fmt::Write as _, io::Write as _};

use crate::error::{Context, Result};

/// A line of the story.
pub fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").failed("standard output cannot be written")
}

/// The heading of a part of the story.
pub fn part(number: usize, of: usize, title: &str) -> Result<()> {
    say(&format!("\n{number}/{of}  {title}"))
}

/// A whole number with commas between the thousands.
pub fn number(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Columns side by side: the first is set left and the others right. The first row is the heading.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let _ = writeln!(text, "  {}", cells.collect::<Vec<_>>().join("   ").trim_end());
        if at == 0 {
            let rules: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
            let _ = writeln!(text, "  {}", rules.join("   "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_commas() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(n), text);
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect();
        let text = table(&[row(&["", "seen"]), row(&["Recipients", "433"]), row(&["Zoë"])]);
        assert_eq!(text, "               seen\n  ----------   ----\n  Recipients    433\n  Zoë\n");
    }
}
