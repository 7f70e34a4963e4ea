//! From bytes to a school's directory: decode, read rows, clean cells, gather the families, plan the difference.
//!
//! Everything here but [`store`] is pure. A file is never invalid: it has findings, and now and then it is refused as a
//! whole with one clear reason, before anything is stored.

pub mod archive;
mod bundle;
#[cfg(test)]
mod bundle_cases;
pub mod cell;
pub mod cells;
pub mod column;
pub mod ctf;
pub mod date;
pub mod decode;
pub mod deleted;
pub mod delimited;
pub mod finding;
pub mod format;
mod gathered;
pub mod grid;
pub mod identity;
mod index;
pub mod intake;
mod kept_away;
mod layout;
pub mod likeness;
pub mod merge;
mod nested;
mod offices;
pub mod oneroster;
mod own_domain;
mod persons;
pub mod plan;
mod repeated;
pub mod roll;
mod roster;
mod row;
mod safety;
pub mod sds;
mod slots;
pub mod store;
pub mod ties;
mod twice;
pub mod undo;
pub mod wonde;
pub mod workbook;

use serde::{Deserialize, Serialize};

/// The largest file, in bytes. A 100,000-row file of 22 columns has about 25 MB.
pub const MAX_BYTES: usize = 50 * 1024 * 1024;
/// The most rows of one file: GOV.UK Notify's limit, and ten times the largest UK school's contacts.
pub const MAX_ROWS: usize = 100_000;

/// Why a whole file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No bytes, or white space only; in a workbook, a first visible sheet of that kind.
    #[error(
        "there is nothing in the file (of a workbook, in its first visible sheet); export it again, or put the sheet with the pupils first"
    )]
    EmptyFile,
    /// A header and nothing below. Nobody is removed by it.
    #[error(
        "the file has a header and no rows; nothing was changed; check the export's filter and send it again"
    )]
    HeaderOnly,
    /// Above [`MAX_BYTES`].
    #[error("the file is larger than 50 MB; split it by year group")]
    TooLarge,
    /// Above [`MAX_ROWS`].
    #[error("the file has more than 100,000 rows; split it by year group")]
    TooManyRows,
    /// A picture, a document or another file that holds no table, whatever its name says.
    #[error(
        "the file holds no table (it is a picture, a document or damaged); export it again as CSV or Excel"
    )]
    NotATable,
    /// Text whose encoding could not be told without guessing.
    #[error("the file's text encoding cannot be told; save it as CSV UTF-8 and send it again")]
    UnknownEncoding,
    /// A NUL character in text.
    #[error("there is a NUL character in row {row}, column {column}; the export is damaged; export it again")]
    NulCharacter {
        /// The row as a spreadsheet counts.
        row: u32,
        /// The column, from 1.
        column: u32,
    },
    /// A quotation mark that is opened and never closed.
    #[error(
        "a quotation mark is opened in row {row}, column {column}, and never closed; correct that cell and send the file again"
    )]
    OpenQuote {
        /// The row as a spreadsheet counts.
        row: u32,
        /// The column, from 1.
        column: u32,
    },
    /// A workbook or archive with a password.
    #[error("the file is protected by a password; save it without one and send it again")]
    Encrypted,
    /// A workbook that cannot be read, or without a visible sheet.
    #[error("the workbook cannot be read or has no visible sheet; save it again as .xlsx or CSV")]
    BrokenWorkbook,
    /// An archive that cannot be read, or of a kind that we do not know.
    #[error(
        "the archive cannot be read, or holds neither OneRoster nor School Data Sync files; export it again"
    )]
    UnknownArchive,
    /// One file of a OneRoster or School Data Sync export.
    #[error("this is one file of a OneRoster or School Data Sync export; send the whole zip")]
    PartOfBundle,
    /// A bundle of several schools, and nothing that says which of them this is.
    #[error(
        "the bundle holds several schools; set org_id in the settings to this school's id in it (the sourcedId of orgs.csv, or the identifier there) and send it again"
    )]
    SeveralSchools,
    /// A bundle in which the school that the settings name is not found.
    #[error(
        "the school that org_id in the settings names is not in the bundle; correct it (the sourcedId of orgs.csv, or the identifier there) or send this school's own bundle"
    )]
    AnotherSchool,
    /// A name in the archive that leads out of it.
    #[error("the archive holds a file whose name leads out of it; it was not opened")]
    UnsafePath,
    /// An archive in the archive.
    #[error("the archive holds another archive; send the files in one flat zip")]
    NestedArchive,
    /// An archive that unpacks to far more than it should.
    #[error("the archive unpacks to more than can be read; send only the files of the export")]
    ArchiveBomb,
    /// XML that is not well-formed, or no Common Transfer File.
    #[error("the XML cannot be read as a Common Transfer File; export it again")]
    BrokenXml,
    /// XML with a document type or entities of its own.
    #[error(
        "the XML declares a document type or entities, which is never needed and can be harmful; it was not read"
    )]
    UnsafeXml,
    /// JSON that is not what a connector drops.
    #[error("the JSON cannot be read as pages of the connector's API; fetch them again")]
    BrokenJson,
    /// No column has a name that we know.
    #[error(
        "no column has a known name; put names such as Forename, Surname and Student ID into a row above the pupils, or say in the settings (column_mapping) what the school's own names mean"
    )]
    NoKnownColumn,
    /// Columns are there, but nothing that says which pupil a row is about; or names with titles, which may be anybody's.
    #[error(
        "no column says which pupil a row is about; add the pupil's name or id (Forename and Surname, or Student ID); to a list with titles add the pupils' Year, or a column Role that says Staff or Parent"
    )]
    NoPupilColumn,
    /// Stored with another content type than was signed for.
    #[error(
        "the file was sent with another content type than the upload was asked for; send it with the given headers"
    )]
    WrongContentType,
    /// The connector that asked for the upload was revoked before its file was read.
    #[error(
        "the connector that asked for this upload has been revoked; send the file by another connector or from the office"
    )]
    ConnectorRevoked,
    /// Another number of bytes arrived than was announced: the transfer was cut off.
    #[error("the file has another size than was announced; the transfer was cut off; ask for a new upload")]
    WrongSize,
}

impl Refusal {
    /// Whether nobody is in the file, or an answer stands in it that says why there is nobody: a feed that has run dry shows so, long
    /// before anybody at the school notices.
    pub const fn is_empty(self) -> bool {
        matches!(self, Self::EmptyFile | Self::HeaderOnly | Self::BrokenJson)
    }

    /// The code used in findings.
    pub const fn code(self) -> &'static str {
        match self {
            Self::EmptyFile => "empty_file",
            Self::HeaderOnly => "header_only",
            Self::TooLarge => "too_large",
            Self::TooManyRows => "too_many_rows",
            Self::NotATable => "not_a_table",
            Self::UnknownEncoding => "unknown_encoding",
            Self::NulCharacter { .. } => "nul_character",
            Self::OpenQuote { .. } => "open_quote",
            Self::Encrypted => "encrypted",
            Self::BrokenWorkbook => "broken_workbook",
            Self::UnknownArchive => "unknown_archive",
            Self::PartOfBundle => "part_of_bundle",
            Self::SeveralSchools => "several_schools",
            Self::AnotherSchool => "another_school",
            Self::UnsafePath => "unsafe_path",
            Self::NestedArchive => "nested_archive",
            Self::ArchiveBomb => "archive_bomb",
            Self::BrokenXml => "broken_xml",
            Self::UnsafeXml => "unsafe_xml",
            Self::BrokenJson => "broken_json",
            Self::NoKnownColumn => "no_known_column",
            Self::NoPupilColumn => "no_pupil_column",
            Self::WrongContentType => "wrong_content_type",
            Self::ConnectorRevoked => "connector_revoked",
            Self::WrongSize => "wrong_size",
        }
    }
}
