//! Findings in the words of a school office.

use serde_json::json;

use super::text::number;
use crate::{
    error::{Error, Result},
    sample::{Expected, Finding, FindingCode, Severity},
};

/// What a finding says, and what became of the cell or row.
pub fn words(code: FindingCode) -> &'static str {
    match code {
        FindingCode::DateInvalid => "a date of birth that does not exist: left out",
        FindingCode::DateOutOfRange => "a date of birth of no pupil's age: left out",
        FindingCode::PhoneInvalid => "a phone number that cannot be: left out",
        FindingCode::PhoneLetters => "a phone number with letters in it: left out",
        FindingCode::PhoneUnrecoverable => "a phone number that a spreadsheet has rounded: left out",
        FindingCode::PhonePlaceholder => "a phone number that only fills the cell: left out",
        FindingCode::PhoneLandline => "a landline in the column for mobiles: kept, but no texts go to it",
        FindingCode::PhoneRepaired => "a phone number mended, such as one that had lost its first 0",
        FindingCode::EmailInvalid => "an e-mail address that cannot be: left out",
        FindingCode::NameMissing => "no name of a pupil: the row is not used",
        FindingCode::ContactIncomplete => "a contact without name, e-mail or phone: left out",
        FindingCode::RowRagged => "cells missing at the end of the row: used as far as it goes",
        FindingCode::NoContact => "a pupil for whom nobody can be reached",
        FindingCode::MergeProposed => "a contact who is probably kept twice: the office decides",
        FindingCode::ConflictingValues => "another date of birth for the same pupil: the first one is kept",
    }
}

/// The findings counted by kind, one line each: how many, how much it matters, what it says.
pub fn lines(expected: &Expected) -> Vec<String> {
    let mut kinds: Vec<_> = expected.findings_by_code.iter().collect();
    kinds.sort_by_key(|(code, count)| (code.severity(), std::cmp::Reverse(**count)));
    let line = |(code, count): (&FindingCode, &usize)| {
        let matter = match code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "note",
        };
        format!("    {:>5}  {matter:<7}  {}", number(*count), words(*code))
    };
    kinds.into_iter().map(line).collect()
}

/// A report of findings, read.
#[derive(Debug, PartialEq)]
pub struct Report {
    /// What is wrong with rows and cells, by row, column and code.
    pub findings: Vec<Finding>,
    /// The columns that are not stored, in the order of the file.
    pub dropped_columns: Vec<String>,
}

impl Report {
    /// Reads the report `row,column,severity,code,what to do` on the file `csv`.
    pub fn read(report: &str, csv: &[u8]) -> Result<Self> {
        let headers = headers(csv);
        let mut read = Self { findings: Vec::new(), dropped_columns: Vec::new() };
        for line in report.lines().skip(1) {
            read.line(line, &headers).ok_or_else(|| {
                Error::Failed(format!("The report of findings holds a line that cannot be read: {line}"))
            })?;
        }
        sort(&mut read.findings);
        Ok(read)
    }

    /// None of the first five cells holds a comma or a quote: numbers, letters and names of columns, codes.
    fn line(&mut self, line: &str, headers: &[String]) -> Option<()> {
        let mut cells = line.splitn(6, ',');
        let (row, column, _) = (cells.next()?, cells.next()?, cells.next()?);
        let (severity, code) = (cells.next()?, cells.next()?);
        let row: usize = row.parse().ok()?;
        let column = if column.is_empty() { None } else { Some(headers.get(place(column)?)?.clone()) };
        // The first row is the header: what is said of it is which columns are not stored.
        if row == 1 {
            self.dropped_columns.push(column?);
        } else {
            let finding = json!({"row": row, "column": column, "severity": severity, "code": code});
            self.findings.push(serde_json::from_value(finding).ok()?);
        }
        Some(())
    }
}

/// The header's cells; none of them is quoted in the file of the demo.
fn headers(csv: &[u8]) -> Vec<String> {
    let first = csv.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(first);
    line.trim_start_matches('\u{feff}').trim_end().split(',').map(str::to_owned).collect()
}

/// The place of a column that a spreadsheet calls A, B or AA.
fn place(letters: &str) -> Option<usize> {
    letters
        .bytes()
        .try_fold(0_usize, |sum, letter| {
            let digit = letter.checked_sub(b'A').filter(|digit| *digit < 26)?;
            Some(sum * 26 + usize::from(digit) + 1)
        })?
        .checked_sub(1)
}

/// By row, column and code, so that two lists of the same findings are the same list.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| (a.row, &a.column, a.code).cmp(&(b.row, &b.column, b.code)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let report = "row,column,header,severity,code,what to do\n1,B,Gender,info,column_not_agreed,x\n9,A,MobileNumber,info,phone_landline,\"a, b\"\n3,,,error,name_missing,x\n";
        let read =
            Report::read(report, "\u{feff}MobileNumber,Gender\r\n1,2\r\n".as_bytes()).expect("it is read");
        assert_eq!(read.dropped_columns, ["Gender"]);
        assert_eq!((read.findings[0].row, read.findings[0].code), (3, FindingCode::NameMissing));
        assert_eq!(read.findings[1].column.as_deref(), Some("MobileNumber"));
        assert!(Report::read("row\nnonsense\n", b"").is_err());
        assert_eq!((place("A"), place("X"), place("AA"), place("")), (Some(0), Some(23), Some(26), None));
    }
}
