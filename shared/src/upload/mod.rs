//! From bytes to a school's directory: decode, read rows, clean cells, gather the families, plan the difference.
//!
//! Everything here but [`store`] is pure. A file is never invalid: it has findings, and now and then it is refused as a
//! whole with one clear reason, before anything is stored.

pub mod cell;
pub mod column;
pub mod decode;
pub mod finding;
pub mod plan;
pub mod roll;
pub mod sheet;
pub mod store;

use serde::{Deserialize, Serialize};

/// The largest file, in bytes. A 100,000-row file of 22 columns has about 25 MB.
pub const MAX_BYTES: usize = 50 * 1024 * 1024;
/// The most rows of one file: GOV.UK Notify's limit, and ten times the largest UK school's contacts.
pub const MAX_ROWS: usize = 100_000;

/// Why a whole file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No bytes, or white space only.
    #[error("the file is empty; export it again")]
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
    /// A picture, a workbook or another file that is not text.
    #[error("the file is not a CSV text file; open it in the spreadsheet program and save it as CSV (UTF-8)")]
    NotCsv,
    /// Text in an encoding that was not recognised.
    #[error("the file's text encoding is not UTF-8; save it as CSV UTF-8 and send it again")]
    NotUtf8,
    /// No column has a name that we know.
    #[error("no column has a known name; the README lists the names, and the first row must hold them")]
    NoKnownColumn,
    /// Columns are there, but nothing that says which pupil a row is about.
    #[error("no column says which pupil a row is about: a pupil's name or id is needed")]
    NoPupilColumn,
    /// Stored with another content type than was signed for.
    #[error(
        "the file was sent with another content type than the upload was asked for; send it with the given headers"
    )]
    WrongContentType,
    /// Another number of bytes arrived than was announced: the transfer was cut off.
    #[error("the file has another size than was announced; the transfer was cut off; ask for a new upload")]
    WrongSize,
}

impl Refusal {
    /// The code used in findings.
    pub const fn code(self) -> &'static str {
        match self {
            Self::EmptyFile => "empty_file",
            Self::HeaderOnly => "header_only",
            Self::TooLarge => "too_large",
            Self::TooManyRows => "too_many_rows",
            Self::NotCsv => "not_csv",
            Self::NotUtf8 => "not_utf8",
            Self::NoKnownColumn => "no_known_column",
            Self::NoPupilColumn => "no_pupil_column",
            Self::WrongContentType => "wrong_content_type",
            Self::WrongSize => "wrong_size",
        }
    }
}
