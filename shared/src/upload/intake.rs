//! Where every reader hands over what it has read: the one gate between a file and everything else.
//!
//! A cell can only be handed over in a [`Place`], and a place is only given for a column that is known and that the
//! data sharing agreement lists: what it does not list never gets past this file, whatever the format.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use jiff::{Timestamp, civil::Date};

use super::{
    MAX_ROWS, Refusal,
    column::Column,
    decode::is_garbled,
    finding::{Code, Finding},
    plan::HeldBecause,
    roll::{Gone, Roll},
    row::{Row, Shape},
    store::Scope,
};
use crate::{
    person::{Role, SourceId, name::tidy},
    privacy::agreement::{Agreement, Field},
};

/// The kind of source that spreadsheets are: the default namespace of their ids.
pub const SHEET: &str = "csv";
/// The namespace of unique pupil numbers, which outlive a change of MIS.
pub const UPN: &str = "upn";

/// Leave to hand over cells of one column of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What the cells say.
    pub column: Column,
    /// Which of the file's columns.
    label: u16,
}

/// A column of the file.
#[derive(Debug)]
pub(super) struct Label {
    /// The name that findings use for it.
    pub(super) name: String,
    /// For ids: in whose numbering.
    pub(super) source: CompactString,
}

/// What a file says, as it is being read.
#[derive(Debug)]
pub struct Intake<'a> {
    agreement: &'a Agreement,
    today: Date,
    org_id: Option<&'a str>,
    own_domain: Option<&'a str>,
    labels: Vec<Label>,
    /// Label -> what the file calls the column.
    headers: BTreeMap<CompactString, CompactString>,
    left_behind: BTreeSet<String>,
    last_row: Option<u32>,
    roll: Roll,
}

impl<'a> Intake<'a> {
    /// Nothing read yet; `today` is the school's date and decides which dates of birth can be.
    pub fn new(agreement: &'a Agreement, today: Date) -> Self {
        Self {
            agreement,
            today,
            org_id: None,
            own_domain: None,
            labels: Vec::new(),
            headers: BTreeMap::new(),
            left_behind: BTreeSet::new(),
            last_row: None,
            roll: Roll::default(),
        }
    }

    /// What the school is called in bundles of several, by its settings.
    #[must_use]
    pub fn of_org(self, org_id: Option<&'a str>) -> Self {
        Self { org_id, ..self }
    }

    /// The school's own e-mail domain, where it has one: many contacts with an address there are found.
    #[must_use]
    pub fn of_domain(self, own_domain: Option<&'a str>) -> Self {
        Self { own_domain, ..self }
    }

    /// See [`Self::of_org`].
    pub const fn org_id(&self) -> Option<&'a str> {
        self.org_id
    }

    /// An intake to look at a file with, before it is read: what is found there is found again.
    #[must_use]
    pub fn aside(&self) -> Self {
        Self::new(self.agreement, self.today)
    }

    /// The school's date.
    pub const fn today(&self) -> Date {
        self.today
    }

    /// Asks to hand over cells of a column. `label` names it as the office would find it (a spreadsheet's letter,
    /// `users.csv sms`, `Pupil/Phones`); `header` is the row that holds its name, 0 where there is none. `column` is what it is
    /// known to say, `None` where it is unknown. What is refused is counted in `dropped_columns`, once, and found, once.
    pub fn place(&mut self, header: u32, label: &str, column: Option<Column>) -> Option<Place> {
        self.place_of(header, label, column, SHEET)
    }

    /// What the file calls a column that is known: findings about it say so.
    pub fn call(&mut self, label: &str, header: &str) {
        let header = tidy(header);
        if !header.is_empty() {
            self.headers.insert(label.into(), header);
        }
    }

    /// As [`Self::place`], for a column of ids in another numbering than a spreadsheet's: `wonde`, `oneroster`.
    pub fn place_of_ids(
        &mut self,
        header: u32,
        label: &str,
        role: Role,
        source: &'static str,
    ) -> Option<Place> {
        self.place_of(header, label, Some(Column { role, field: Field::SourceId }), source)
    }

    fn place_of(
        &mut self,
        header: u32,
        label: &str,
        column: Option<Column>,
        source: &'static str,
    ) -> Option<Place> {
        match column {
            None => self.leave_behind(header, label, Code::ColumnUnknown),
            Some(column) if !self.agreement.allows(column.role, column.field) => {
                self.leave_behind(header, label, Code::ColumnNotAgreed);
            }
            Some(column) => {
                let source = if column.field == Field::Upn { UPN } else { source };
                let is = |known: &Label| known.name == label && known.source == source;
                let known = self.labels.iter().position(is);
                let label = known.unwrap_or_else(|| {
                    self.labels.push(Label { name: label.to_owned(), source: source.into() });
                    self.labels.len() - 1
                });
                if header > 0 {
                    self.roll.columns.insert(column);
                }
                return Some(Place { column, label: u16::try_from(label).ok()? });
            }
        }
        None
    }

    /// The file says something of a column in every record, be it that there is nothing: a blank clears what a blank may clear.
    pub fn has(&mut self, column: Column) {
        if self.allows(column) {
            self.roll.columns.insert(column);
        }
    }

    /// Counts a column that is not taken in, and says why.
    pub fn leave_behind(&mut self, header: u32, label: &str, why: Code) {
        if self.left_behind.insert(label.to_owned()) {
            self.roll.note(Finding::at(header, label, why));
        }
    }

    /// Makes room for so many rows: a list that grows by and by is copied as often.
    pub fn expect(&mut self, rows: usize) {
        self.roll.expect(rows.min(MAX_ROWS));
    }

    /// Takes a row in whose cells nobody has looked at yet.
    ///
    /// # Errors
    /// As [`Self::row`].
    pub fn record(&mut self, number: u32, mut cells: Vec<(Place, &str)>) -> Result<(), Refusal> {
        self.take_out_garbled(number, &mut cells);
        self.row(number, &cells)
    }

    /// Empties cells whose letters an earlier export has ruined. Half a name names nobody: without an id, two children whose forenames
    /// are ruined would be one. So the other half is not used either.
    pub fn take_out_garbled(&mut self, number: u32, cells: &mut [(Place, &str)]) {
        let mut nameless = Vec::new();
        for (place, text) in cells.iter_mut().filter(|(_, text)| is_garbled(text)) {
            *text = "";
            if place.is_name() {
                nameless.push(place.column.role);
            }
            let label = place.of(&self.labels).map_or("", |label| &label.name);
            let finding = Finding::at(number, label, Code::TextGarbled);
            // A pupil is said again beside each of their contacts.
            let mut of_row = self.roll.findings.iter().rev().take_while(|known| known.row == number);
            if !of_row.any(|known| *known == finding) {
                self.roll.note(finding);
            }
        }
        for role in nameless {
            let is_id = |(place, text): &(Place, &str)| {
                place.column.role == role
                    && matches!(place.column.field, Field::SourceId | Field::Upn)
                    && !text.trim().is_empty()
            };
            if !cells.iter().any(is_id) {
                let is_name = |(place, _): &&mut (Place, &str)| place.column.role == role && place.is_name();
                cells.iter_mut().filter(is_name).for_each(|(_, text)| *text = "");
            }
        }
    }

    /// Takes a row in.
    ///
    /// # Errors
    /// Above [`MAX_ROWS`] rows the file is refused.
    pub fn row(&mut self, number: u32, cells: &[(Place, &str)]) -> Result<(), Refusal> {
        self.row_of(number, &Shape::of(cells.iter().map(|(place, _)| *place)), cells, false)
    }

    /// As [`Self::row`], where it is known which cells are which, and whether the pupil's are those of the last row, and are left out:
    /// only where that one [was sound](Self::knows_pupil).
    pub(super) fn row_of(
        &mut self,
        number: u32,
        shape: &Shape,
        cells: &[(Place, &str)],
        is_repeated: bool,
    ) -> Result<(), Refusal> {
        if self.last_row != Some(number) {
            if self.roll.rows == MAX_ROWS {
                return Err(Refusal::TooManyRows);
            }
            self.roll.rows += 1;
            self.last_row = Some(number);
        }
        let (today, labels) = (self.today, self.labels.as_slice());
        self.roll.row(&Row { number, cells, shape, is_repeated, today, labels });
        Ok(())
    }

    /// Whether the last row had a pupil, and nothing was found of them.
    pub(super) const fn knows_pupil(&self) -> bool {
        self.roll.last.is_some()
    }

    /// Notes something about a row, a column of it (an empty label: the row itself), or the file (row 0).
    pub fn find(&mut self, row: u32, label: &str, code: Code) {
        self.roll.note(Finding::at(row, label, code));
    }

    /// Notes that ties name somebody by an id alone, and where that stands: whoever the school knows by it, is meant.
    pub fn refer(&mut self, role: Role, source: &'static str, id: &str, row: u32, label: &str) {
        let id = SourceId { source: source.into(), id: id.into() };
        self.roll.refer(role, id, Finding::at(row, label, Code::LinkUnknown));
    }

    /// Whether people in a role may be stored at all.
    pub fn takes(&self, role: Role) -> bool {
        self.agreement.fields.contains_key(&role)
    }

    /// Whether a column may be stored: for what the file only implies, and whose absence is no column left behind.
    pub fn allows(&self, column: Column) -> bool {
        self.agreement.allows(column.role, column.field)
    }

    /// Somebody whom the source says is gone: they become `missing`, whatever the scope.
    pub fn gone(&mut self, role: Role, source: &'static str, id: &str) {
        self.roll.gone.push(Gone { role, source, id: id.to_owned() });
    }

    /// The file speaks for a part of the school only (a delta, one page of many): nobody absent is missing.
    pub fn is_partial(&mut self) {
        self.roll.scope = Scope::Partial;
    }

    /// When the source made the file, as far as it says so; of several instants the latest.
    pub fn was_exported(&mut self, at: Timestamp) {
        self.roll.exported_at = self.roll.exported_at.max(Some(at));
    }

    /// The file has to wait for a person whatever it would do.
    pub const fn hold(&mut self, because: HeldBecause) {
        self.roll.held = Some(because);
    }

    /// The families.
    ///
    /// # Errors
    /// A file without anybody is refused: nobody is removed by it.
    pub fn finish(mut self) -> Result<Roll, Refusal> {
        if self.roll.rows == 0 && self.roll.gone.is_empty() {
            return Err(Refusal::HeaderOnly);
        }
        self.roll.dropped_columns = self.left_behind.len();
        self.roll.at_own_domain(self.own_domain);
        self.roll.close();
        if !self.headers.is_empty() {
            for finding in &mut self.roll.findings {
                finding.header = self.headers.get(&finding.column).cloned().unwrap_or_default();
            }
        }
        Ok(self.roll)
    }
}

impl Place {
    const fn is_name(self) -> bool {
        matches!(self.column.field, Field::GivenName | Field::FamilyName)
    }

    /// The file's column.
    pub(super) fn of(self, labels: &[Label]) -> Option<&Label> {
        labels.get(usize::from(self.label))
    }
}
