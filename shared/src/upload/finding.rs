//! Findings: what is wrong with a row or a cell, where, and what to do about it. Never the value itself.

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The row, or the whole file, was not used.
    Error,
    /// A cell was not used; the rest of the row was.
    Warning,
    /// Used, and worth a look.
    Info,
}

/// The kinds of findings, each with its severity and its remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Neither forename nor surname of the pupil.
    NameMissing,
    /// The id belongs to somebody else, in the file or at the school.
    IdReused,
    /// Without an id, the row fits two people of the school.
    Ambiguous,
    /// Not a date, or no such day.
    DateInvalid,
    /// In the future, or longer ago than any pupil's birth.
    DateOutOfRange,
    /// Not a phone number that exists.
    PhoneInvalid,
    /// Letters or symbols in a phone number.
    PhoneLetters,
    /// Scientific notation.
    PhoneUnrecoverable,
    /// A filler.
    PhonePlaceholder,
    /// A landline where texts were to go.
    PhoneLandline,
    /// Repaired: a lost zero, say.
    PhoneRepaired,
    /// Not an e-mail address.
    EmailInvalid,
    /// A contact without name, e-mail or phone.
    ContactIncomplete,
    /// More or fewer cells than the header.
    RowRagged,
    /// The same id twice, with other facts.
    ConflictingValues,
    /// A name that is longer than any name.
    NameTooLong,
    /// A column that no known name fits.
    ColumnUnknown,
    /// A column that the agreement does not list.
    ColumnNotAgreed,
    /// The name of a column occurs twice: the first is used.
    ColumnTwice,
}

impl Code {
    /// Every kind, in the order of the README.
    pub const ALL: [Self; 19] = [
        Self::NameMissing,
        Self::IdReused,
        Self::Ambiguous,
        Self::DateInvalid,
        Self::DateOutOfRange,
        Self::PhoneInvalid,
        Self::PhoneLetters,
        Self::PhoneUnrecoverable,
        Self::PhonePlaceholder,
        Self::PhoneLandline,
        Self::PhoneRepaired,
        Self::EmailInvalid,
        Self::ContactIncomplete,
        Self::RowRagged,
        Self::ConflictingValues,
        Self::NameTooLong,
        Self::ColumnUnknown,
        Self::ColumnNotAgreed,
        Self::ColumnTwice,
    ];

    /// The word used in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NameMissing => "name_missing",
            Self::IdReused => "id_reused",
            Self::Ambiguous => "ambiguous",
            Self::DateInvalid => "date_invalid",
            Self::DateOutOfRange => "date_out_of_range",
            Self::PhoneInvalid => "phone_invalid",
            Self::PhoneLetters => "phone_letters",
            Self::PhoneUnrecoverable => "phone_unrecoverable",
            Self::PhonePlaceholder => "phone_placeholder",
            Self::PhoneLandline => "phone_landline",
            Self::PhoneRepaired => "phone_repaired",
            Self::EmailInvalid => "email_invalid",
            Self::ContactIncomplete => "contact_incomplete",
            Self::RowRagged => "row_ragged",
            Self::ConflictingValues => "conflicting_values",
            Self::NameTooLong => "name_too_long",
            Self::ColumnUnknown => "column_unknown",
            Self::ColumnNotAgreed => "column_not_agreed",
            Self::ColumnTwice => "column_twice",
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::NameMissing | Self::IdReused | Self::Ambiguous => Severity::Error,
            Self::PhoneLandline | Self::PhoneRepaired | Self::ColumnUnknown | Self::ColumnNotAgreed => {
                Severity::Info
            }
            Self::DateInvalid
            | Self::DateOutOfRange
            | Self::PhoneInvalid
            | Self::PhoneLetters
            | Self::PhoneUnrecoverable
            | Self::PhonePlaceholder
            | Self::EmailInvalid
            | Self::ContactIncomplete
            | Self::RowRagged
            | Self::ConflictingValues
            | Self::NameTooLong
            | Self::ColumnTwice => Severity::Warning,
        }
    }

    /// What happened and what to do in the MIS.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NameMissing => "The row has no pupil name and was not used. Add the pupil's name.",
            Self::IdReused => {
                "This id belongs to somebody with another name, so the row was not used for them. Give each person an id of their own."
            }
            Self::Ambiguous => {
                "This fits two people of the school, so nothing was changed. Give them ids, or remove the one too many."
            }
            Self::DateInvalid => {
                "This is not a day that exists; write dates as 27/01/2015. The pupil was kept without it."
            }
            Self::DateOutOfRange => {
                "No pupil was born on this day; check the year. The pupil was kept without it."
            }
            Self::PhoneInvalid => "This number does not exist; check its digits.",
            Self::PhoneLetters => {
                "A phone number has digits only; put notes and second numbers in other columns."
            }
            Self::PhoneUnrecoverable => {
                "The spreadsheet shortened this number and its digits are lost; format the column as text and export again."
            }
            Self::PhonePlaceholder => "This is a filler, not a number; leave the cell empty.",
            Self::PhoneLandline => "A landline cannot get texts; add a mobile number.",
            Self::PhoneRepaired => {
                "The number was repaired (a lost leading zero, say) and used; format the column as text."
            }
            Self::EmailInvalid => "This is not an e-mail address; check its spelling.",
            Self::ContactIncomplete => {
                "There is a relationship but no name, e-mail or phone; add the contact or clear the relationship."
            }
            Self::RowRagged => {
                "The row has more or fewer cells than the header; it was used as far as it goes. Look for a stray comma."
            }
            Self::ConflictingValues => {
                "Another row with the same id says otherwise; the first was kept. Correct one of them."
            }
            Self::NameTooLong => "A name has at most 100 characters; look for cells that have run together.",
            Self::ColumnUnknown => "This column has no known name and was not stored.",
            Self::ColumnNotAgreed => {
                "The data sharing agreement does not list this column; it was not stored."
            }
            Self::ColumnTwice => "A column of this name came before; only the first was used.",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The row as a spreadsheet numbers it: the header is row 1. 0 speaks of the file.
    pub row: u32,
    /// The column as a spreadsheet letters it; empty where the finding is about the row.
    pub column: String,
    /// Which kind.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// What to do.
    pub detail: String,
}

impl Finding {
    /// About one cell, or about a row where `column` is `None`.
    pub fn new(row: u32, column: Option<usize>, code: Code) -> Self {
        Self {
            row,
            column: column.map(letters).unwrap_or_default(),
            code: code.word().to_owned(),
            severity: code.severity(),
            detail: code.remedy().to_owned(),
        }
    }

    /// About the whole file.
    pub fn refusal(refusal: super::Refusal) -> Self {
        Self {
            row: 0,
            column: String::new(),
            code: refusal.code().to_owned(),
            severity: Severity::Error,
            detail: refusal.to_string(),
        }
    }
}

/// 0 -> A, 25 -> Z, 26 -> AA.
pub fn letters(index: usize) -> String {
    let mut text = Vec::new();
    let mut rest = index + 1;
    while rest > 0 {
        rest -= 1;
        text.push(b'A' + u8::try_from(rest % 26).unwrap_or_default());
        rest /= 26;
    }
    text.reverse();
    String::from_utf8(text).unwrap_or_default()
}

/// The findings as CSV. Every cell is ours, but the rule holds all the same: a cell that a spreadsheet would run as a
/// formula gets an apostrophe in front.
pub fn to_csv(findings: &[Finding]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let safe = |text: &str| {
        if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
    };
    let mut ok = writer.write_record(["row", "column", "severity", "code", "what to do"]).is_ok();
    for finding in findings {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        ok &= writer
            .write_record([
                &finding.row.to_string(),
                &safe(&finding.column),
                severity,
                &safe(&finding.code),
                &safe(&finding.detail),
            ])
            .is_ok();
    }
    debug_assert!(ok, "writing to memory does not fail");
    writer.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_lettered_as_in_a_spreadsheet() {
        for (index, text) in
            [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")]
        {
            assert_eq!(letters(index), text);
        }
    }

    #[test]
    fn every_code_has_its_own_word_as_serialised() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
        }
    }
}
