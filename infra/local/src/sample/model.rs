//! The families as the generator knows them, before anything is written: the truth that both the file and
//! the expected figures are taken from.

use super::report::FindingCode;

/// A day in the calendar. No arithmetic is needed, so no calendar crate either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Date {
    pub(super) year: u16,
    pub(super) month: u8,
    pub(super) day: u8,
}

impl Date {
    /// As a school writes it.
    pub(super) fn british(self) -> String {
        format!("{:02}/{:02}/{}", self.day, self.month, self.year)
    }

    /// As the API takes it.
    pub(super) fn iso(self) -> String {
        format!("{}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A National Curriculum year from Reception (0) to 6, in the school year that began in September 2026.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Year(pub(super) u8);

impl Year {
    /// Every year of a primary school.
    pub(super) const ALL: [Year; 7] = [Year(0), Year(1), Year(2), Year(3), Year(4), Year(5), Year(6)];

    /// As the management system writes it.
    pub(super) fn label(self) -> String {
        if self.0 == 0 { "R".to_owned() } else { self.0.to_string() }
    }

    /// The calendar year in whose September the cohort begins: Reception turns five from September 2026 on.
    pub(super) fn born_from(self) -> u16 {
        2021 - u16::from(self.0)
    }
}

/// A damaged date as it stands in the file, and what must be said about it.
pub(super) struct WrittenDate {
    pub(super) text: &'static str,
    pub(super) code: FindingCode,
}

/// A child on the roll.
pub(super) struct Pupil {
    pub(super) source_id: String,
    pub(super) given: String,
    pub(super) family: String,
    pub(super) year: Year,
    pub(super) class: String,
    pub(super) born: Date,
    /// What the file says instead of `born`, on every row of the child.
    pub(super) damaged_birth: Option<WrittenDate>,
    pub(super) gender: char,
    /// Children of one household are siblings.
    pub(super) household: usize,
    /// The row has neither forename nor surname: it must be rejected, so this child does not count.
    pub(super) nameless: bool,
    /// The contact half of the row names a relationship and nobody.
    pub(super) relationship_alone: bool,
}

/// How a mobile number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    Plain,
    Spaced,
    Grouped,
    Hyphens,
    International,
    InternationalSpaced,
    /// A spreadsheet took it for a number.
    LostZero,
    /// The same, through a column of decimals.
    LostZeroDecimal,
    /// The international form without its plus, through a column of decimals.
    CountryDecimal,
}

impl Writing {
    /// Ways in which people write a number; nothing needs to be said about them.
    pub(super) const GOOD: &[Writing] = &[
        Writing::Plain,
        Writing::Spaced,
        Writing::Spaced,
        Writing::Grouped,
        Writing::Hyphens,
        Writing::International,
        Writing::InternationalSpaced,
    ];
    /// Ways in which spreadsheets spoil a number that can still be read.
    pub(super) const SPOILT: &[Writing] =
        &[Writing::LostZero, Writing::LostZeroDecimal, Writing::CountryDecimal];

    /// Whether the number needs a repair, which the office is told of.
    pub(super) fn is_spoilt(self) -> bool {
        Writing::SPOILT.contains(&self)
    }

    /// The number 07700 900000 + `line`.
    fn write(self, line: u16) -> String {
        match self {
            Writing::Plain => format!("07700900{line:03}"),
            Writing::Spaced => format!("07700 900{line:03}"),
            Writing::Grouped => format!("07700 900 {line:03}"),
            Writing::Hyphens => format!("07700-900-{line:03}"),
            Writing::International => format!("+447700900{line:03}"),
            Writing::InternationalSpaced => format!("+44 7700 900{line:03}"),
            Writing::LostZero => format!("7700900{line:03}"),
            Writing::LostZeroDecimal => format!("7700900{line:03}.0"),
            Writing::CountryDecimal => format!("447700900{line:03}.0"),
        }
    }
}

/// The one telephone cell of a contact.
pub(super) enum Phone {
    Absent,
    /// 07700 900000 + `line`: the range that Ofcom keeps for drama.
    Mobile {
        line: u16,
        writing: Writing,
    },
    /// A number of a drama range that no text reaches.
    Landline(String),
    /// Nothing can be made of it.
    Damaged {
        text: &'static str,
        code: FindingCode,
    },
}

impl Phone {
    /// The cell.
    pub(super) fn text(&self) -> String {
        match self {
            Phone::Absent => String::new(),
            Phone::Mobile { line, writing } => writing.write(*line),
            Phone::Landline(text) => text.clone(),
            Phone::Damaged { text, .. } => (*text).to_owned(),
        }
    }
}

/// The one e-mail cell of a contact.
pub(super) enum Email {
    Absent,
    Valid(String),
    Damaged(&'static str),
}

/// Where somebody lives: columns that the school's agreement leaves out.
#[derive(Clone, Default)]
pub(super) struct Home {
    pub(super) house_name: String,
    pub(super) house_number: String,
    pub(super) street: String,
    pub(super) district: String,
    pub(super) postcode: String,
}

/// A grown-up whom the school may call.
pub(super) struct Contact {
    pub(super) source_id: String,
    pub(super) title: &'static str,
    pub(super) given: String,
    pub(super) family: String,
    pub(super) email: Email,
    pub(super) phone: Phone,
    pub(super) home: Home,
}

/// What a contact is to one child.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) relationship: &'static str,
    pub(super) priority: Option<u8>,
    pub(super) responsibility: Option<bool>,
    pub(super) restricted: bool,
}

/// One row: a child and one of the child's contacts.
pub(super) struct Link {
    pub(super) pupil: usize,
    pub(super) contact: usize,
    pub(super) terms: Terms,
    /// The child's date of birth as this row has it, against the child's other rows.
    pub(super) other_birth: Option<Date>,
    /// Cells missing at the end of the row.
    pub(super) cells_cut: usize,
}
