//! Small files in the layout of schools' exports, for tests that need to know every cell.

/// The columns that the agreement of the tests lists.
pub const HEADER: &str = "StudentForename,StudentSurname,StudentID,Year,Reg,DOB,Relationship,Title,ContactForename,\
                          ContactSurname,ContactID,PrimaryEmail,MobileNumber,Priority,ParentalResponsibility,CourtOrder";

/// A file: a header and rows of cells.
#[derive(Clone, Debug)]
pub struct Sheet(pub Vec<Row>);

/// One pupil with one contact.
#[derive(Clone, Debug)]
pub struct Row(pub [String; 16]);

/// Columns that tests change, by their place.
pub const YEAR: usize = 3;
/// See [`YEAR`].
pub const RELATIONSHIP: usize = 6;
/// See [`YEAR`].
pub const EMAIL: usize = 11;
/// See [`YEAR`].
pub const MOBILE: usize = 12;
/// See [`YEAR`].
pub const RESPONSIBILITY: usize = 14;
/// See [`YEAR`].
pub const COURT_ORDER: usize = 15;

impl Row {
    /// Family number `n`: a pupil of Year 3 and their mother, who has an e-mail address and a mobile of the range that
    /// Ofcom keeps for drama.
    pub fn family(n: usize) -> Self {
        assert!(n < 1000, "the drama range has a thousand numbers");
        Self([
            "Ada".to_owned(),
            format!("Family{n}"),
            format!("P{n:04}"),
            "3".to_owned(),
            "3A".to_owned(),
            "14/05/2018".to_owned(),
            "Mother".to_owned(),
            "Ms".to_owned(),
            "Grace".to_owned(),
            format!("Family{n}"),
            format!("C{n:04}"),
            format!("grace{n}@example.com"),
            format!("07700 900{n:03}"),
            "1".to_owned(),
            "Y".to_owned(),
            String::new(),
        ])
    }

    /// The row with another cell in one column.
    #[must_use]
    pub fn with(mut self, column: usize, text: &str) -> Self {
        text.clone_into(&mut self.0[column]);
        self
    }
}

impl Sheet {
    /// The first `n` families.
    pub fn families(n: usize) -> Self {
        Self((0..n).map(Row::family).collect())
    }

    /// The sheet with another cell in one row and column.
    #[must_use]
    pub fn with(mut self, row: usize, column: usize, text: &str) -> Self {
        text.clone_into(&mut self.0[row].0[column]);
        self
    }

    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let rows = self.0.iter().map(|row| row.0.join(","));
        let lines: Vec<_> = std::iter::once(HEADER.to_owned()).chain(rows).collect();
        (lines.join("\r\n") + "\r\n").into_bytes()
    }
}
