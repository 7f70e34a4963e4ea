//! Findings: what is wrong with a row or a cell, where, and what to do about it. Never the value itself.

use compact_str::{CompactString, ToCompactString};
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
    /// A unique pupil number whose check letter is wrong.
    UpnInvalid,
    /// No date of the column says whether the day or the month comes first.
    DateOrderAssumed,
    /// The column writes some dates day first and some month first.
    DateOrderMixed,
    /// A filler instead of a date of birth.
    DatePlaceholder,
    /// The date of birth does not fit the year group.
    YearUnlikely,
    /// A filler instead of an e-mail address.
    EmailPlaceholder,
    /// An e-mail address whose host is probably mistyped.
    EmailMistyped,
    /// A cell with several numbers or a note.
    SeveralNumbers,
    /// One e-mail address or number on many contacts: the office's own, perhaps.
    SharedContactPoint,
    /// Many contacts with an e-mail address at the school's own domain.
    SchoolEmail,
    /// A yes or no that is neither.
    WordUnclear,
    /// A title, a note or a total.
    RowSkipped,
    /// An empty row in the middle of the data.
    RowEmpty,
    /// Somebody in a role that the agreement does not list.
    RoleNotAgreed,
    /// A role that is none of ours.
    RoleUnknown,
    /// A tie to somebody who is not in the file, or who is neither pupil nor parent.
    LinkUnknown,
    /// A record without what its format requires.
    RecordInvalid,
    /// Sheets of the workbook that are not read, and hold something.
    SheetsNotRead,
    /// A file of the bundle that is not read.
    FileUnexpected,
    /// A file of the bundle that is not as its format says.
    FileBroken,
    /// A bundle that says it is whole and marks changes, or the other way round.
    ModeBroken,
    /// Pupils and staff of another school of the bundle.
    OtherSchool,
    /// More contacts than a pupil usually has.
    ManyContacts,
    /// A pupil without anybody who can be reached.
    NoContact,
    /// Probably somebody whom the school has already under another id.
    SamePersonProposed,
    /// Two records that are probably one person.
    MergeProposed,
    /// Letters that were ruined by an earlier export.
    TextGarbled,
    /// Another date of birth for a pupil whose parents are linked.
    DateChanged,
    /// The file knows nothing of a restriction, or gives responsibility to whom the school keeps away.
    RestrictionKept,
    /// Somebody new, where the file does not name a contact whom the school keeps away.
    RestrictionUnresolved,
    /// Somebody whom the office has deleted.
    PersonDeleted,
}

impl Code {
    /// Every kind, in the order of the README.
    pub const ALL: [Self; 50] = [
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
        Self::UpnInvalid,
        Self::DateOrderAssumed,
        Self::DateOrderMixed,
        Self::DatePlaceholder,
        Self::YearUnlikely,
        Self::EmailPlaceholder,
        Self::EmailMistyped,
        Self::SeveralNumbers,
        Self::SharedContactPoint,
        Self::SchoolEmail,
        Self::WordUnclear,
        Self::RowSkipped,
        Self::RowEmpty,
        Self::RoleNotAgreed,
        Self::RoleUnknown,
        Self::LinkUnknown,
        Self::RecordInvalid,
        Self::SheetsNotRead,
        Self::FileUnexpected,
        Self::FileBroken,
        Self::ModeBroken,
        Self::OtherSchool,
        Self::ManyContacts,
        Self::NoContact,
        Self::SamePersonProposed,
        Self::MergeProposed,
        Self::TextGarbled,
        Self::DateChanged,
        Self::RestrictionKept,
        Self::RestrictionUnresolved,
        Self::PersonDeleted,
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
            Self::UpnInvalid => "upn_invalid",
            Self::DateOrderAssumed => "date_order_assumed",
            Self::DateOrderMixed => "date_order_mixed",
            Self::DatePlaceholder => "date_placeholder",
            Self::YearUnlikely => "year_unlikely",
            Self::EmailPlaceholder => "email_placeholder",
            Self::EmailMistyped => "email_mistyped",
            Self::SeveralNumbers => "several_numbers",
            Self::SharedContactPoint => "shared_contact_point",
            Self::SchoolEmail => "school_email",
            Self::WordUnclear => "word_unclear",
            Self::RowSkipped => "row_skipped",
            Self::RowEmpty => "row_empty",
            Self::RoleNotAgreed => "role_not_agreed",
            Self::RoleUnknown => "role_unknown",
            Self::LinkUnknown => "link_unknown",
            Self::RecordInvalid => "record_invalid",
            Self::SheetsNotRead => "sheets_not_read",
            Self::FileUnexpected => "file_unexpected",
            Self::FileBroken => "file_broken",
            Self::ModeBroken => "mode_broken",
            Self::OtherSchool => "other_school",
            Self::ManyContacts => "many_contacts",
            Self::NoContact => "no_contact",
            Self::SamePersonProposed => "same_person_proposed",
            Self::MergeProposed => "merge_proposed",
            Self::TextGarbled => "text_garbled",
            Self::DateChanged => "date_changed",
            Self::RestrictionKept => "restriction_kept",
            Self::RestrictionUnresolved => "restriction_unresolved",
            Self::PersonDeleted => "person_deleted",
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::NameMissing | Self::IdReused | Self::Ambiguous => Severity::Error,
            Self::PhoneLandline
            | Self::PhoneRepaired
            | Self::ColumnUnknown
            | Self::ColumnNotAgreed
            | Self::DateOrderAssumed
            | Self::YearUnlikely
            | Self::EmailMistyped
            | Self::SeveralNumbers
            | Self::SharedContactPoint
            | Self::SchoolEmail
            | Self::WordUnclear
            | Self::RowSkipped
            | Self::RowEmpty
            | Self::RoleNotAgreed
            | Self::RoleUnknown
            | Self::FileUnexpected
            | Self::OtherSchool
            | Self::ManyContacts
            | Self::MergeProposed => Severity::Info,
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
            | Self::ColumnTwice
            | Self::UpnInvalid
            | Self::DateOrderMixed
            | Self::DatePlaceholder
            | Self::EmailPlaceholder
            | Self::LinkUnknown
            | Self::RecordInvalid
            | Self::FileBroken
            | Self::ModeBroken
            | Self::NoContact
            | Self::SheetsNotRead
            | Self::SamePersonProposed
            | Self::TextGarbled
            | Self::DateChanged
            | Self::RestrictionKept
            | Self::RestrictionUnresolved
            | Self::PersonDeleted => Severity::Warning,
        }
    }

    /// What happened and what to do in the MIS.
    #[expect(clippy::too_many_lines, reason = "a sentence for each code, and nothing else")]
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
            Self::PhoneInvalid => {
                "This number does not exist; check its digits. A number of another country begins with + or 00."
            }
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
            Self::UpnInvalid => {
                "The unique pupil number is mistyped (its check letter does not fit); correct it. The pupil was kept without it."
            }
            Self::DateOrderAssumed => {
                "No date in this column shows whether the day or the month comes first; they were read day first. Check one."
            }
            Self::DateOrderMixed => {
                "Some dates of this column are written day first and some month first, so none can be trusted. Export dates as 27/01/2015."
            }
            Self::DatePlaceholder => "This is a filler, not a date of birth; leave the cell empty.",
            Self::YearUnlikely => {
                "The date of birth does not fit the year group; look for a swapped day and month or a wrong year."
            }
            Self::EmailPlaceholder => "This is a filler, not an e-mail address; leave the cell empty.",
            Self::EmailMistyped => {
                "The part behind the @ looks mistyped; the address was kept as it is. Ask the contact."
            }
            Self::SeveralNumbers => {
                "The cell holds several numbers or a note; the first mobile was used. Put each number in a column of its own."
            }
            Self::SharedContactPoint => {
                "Many contacts have this e-mail address or number, so it proves nobody; it looks like a filler or the school's own."
            }
            Self::SchoolEmail => {
                "From here on many contacts have an e-mail address at the school's own domain; parents who work here may. Of all others ask for their own."
            }
            Self::WordUnclear => {
                "This is neither yes nor no; it was read in the way that protects the child."
            }
            Self::RowSkipped => "This row is a title, a note or a total, and was passed over.",
            Self::RowEmpty => "The row is empty; check that nothing is missing there.",
            Self::RoleNotAgreed => {
                "The data sharing agreement does not list people in this role; they were not stored."
            }
            Self::RoleUnknown => "This role is none that is written to; the person was not stored.",
            Self::LinkUnknown => {
                "This ties somebody to a person who is not in the file or is no parent; the tie was not used."
            }
            Self::RecordInvalid => "The record lacks what its format requires and was not used.",
            Self::SheetsNotRead => {
                "Only the first visible sheet was read, and others hold something. Put everybody into one sheet, or send each sheet as a file of its own, with its scope."
            }
            Self::FileUnexpected => "This file is not read.",
            Self::FileBroken => "This file is not as its format says; it was used as far as it goes.",
            Self::ModeBroken => {
                "The bundle says it is complete and yet marks changes (or the other way round); nobody was called missing because of it."
            }
            Self::OtherSchool => {
                "From here on there are people of other schools of the bundle; they were not stored."
            }
            Self::ManyContacts => {
                "The pupil has more contacts than is usual; check that they are all theirs."
            }
            Self::NoContact => {
                "Nobody can be reached for this pupil; add a contact with an e-mail address or mobile number."
            }
            Self::SamePersonProposed => {
                "This is probably somebody the school has already under another id. Approving the upload joins the two; refuse the proposal if they are two people."
            }
            Self::MergeProposed => "Two records are probably one person; join them if they are.",
            Self::TextGarbled => {
                "Letters of this cell were ruined by an earlier export (such as Ã« for ë); correct it at the source. The cell was not used."
            }
            Self::DateChanged => {
                "The date of birth of a pupil with linked parents changes; the old one stays until the office sets it by hand."
            }
            Self::RestrictionKept => {
                "The school keeps this contact away from the pupil, and the file does not say so. The restriction stays: put it into the MIS too, or lift it by hand."
            }
            Self::RestrictionUnresolved => {
                "Somebody new stands here, and the file does not name a contact whom the school keeps away. If they are the same person or the same pupil, correct the known one by hand and send the file again; if they are not, approve the upload."
            }
            Self::PersonDeleted => {
                "The office has deleted this person, and the file still names them: they stay deleted. Take them out at the source; or send a file of them alone and ask for the deleted to be taken in."
            }
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The row as a spreadsheet numbers it: the header is row 1. 0 speaks of the file.
    pub row: u32,
    /// The column as a spreadsheet letters it; empty where the finding is about the row.
    pub column: CompactString,
    /// The column's name as the file has it, where it is a name that we know: what else stands there may be anything.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub header: CompactString,
    /// Which kind.
    pub code: CompactString,
    /// How much it matters.
    pub severity: Severity,
    /// What to do.
    pub detail: CompactString,
}

impl Finding {
    /// About one cell, or about a row where `column` is `None`.
    pub fn new(row: u32, column: Option<usize>, code: Code) -> Self {
        Self {
            row,
            column: column.map(letters).unwrap_or_default().into(),
            header: CompactString::default(),
            code: code.word().into(),
            severity: code.severity(),
            detail: CompactString::const_new(code.remedy()),
        }
    }

    /// About a column by the name that the office finds it under, or about a row where `label` is empty.
    pub fn at(row: u32, label: &str, code: Code) -> Self {
        Self { column: label.into(), ..Self::new(row, None, code) }
    }

    /// About the whole file.
    pub fn refusal(refusal: super::Refusal) -> Self {
        Self {
            row: 0,
            column: CompactString::default(),
            header: CompactString::default(),
            code: refusal.code().into(),
            severity: Severity::Error,
            detail: refusal.to_compact_string(),
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
    let mut ok = writer.write_record(["row", "column", "header", "severity", "code", "what to do"]).is_ok();
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
                &safe(&finding.header),
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
    fn edge_case_47_a_cell_that_would_run_gets_an_apostrophe() {
        for label in ["=cmd()", "+1", "-1", "@SUM(A1)", "\tx", "\rx"] {
            let report = to_csv(&[Finding::at(2, label, Code::EmailInvalid)]);
            let mut reader = csv::Reader::from_reader(report.as_slice());
            let row = reader.records().next().unwrap().unwrap();
            assert_eq!((&row[0], &row[1]), ("2", format!("'{label}").as_str()));
        }
    }

    #[test]
    fn every_code_has_its_own_word_as_serialised() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
        }
    }
}
