//! The visible cells of a sheet, gathered row by row.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
};

use super::super::{MAX_ROWS, Refusal, archive::MAX_UNPACKED, cells::Cells, decode::may_be_garbled};

/// Columns beyond are never looked at: GOV.UK Notify's ceiling.
pub(super) const MAX_COLUMNS: u32 = 1000;

/// The most cells: 100 in each of 100,000 rows. What is merged over many rows counts in each.
const MAX_CELLS: usize = 10_000_000;

/// Cells that are shown as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) rows: (u32, u32),
    pub(super) columns: (u32, u32),
}

/// Merged cells on the way down: where their value is shown, and what it is once it has come.
#[derive(Debug)]
struct Reaching {
    merged: Merged,
    shown_in: Option<u32>,
    value: Option<Range<u32>>,
}

/// A sheet's cells. What is hidden or merged has to be said before the cells that it concerns.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Whether other sheets that are seen hold anything.
    pub(super) has_more: bool,
    text: String,
    cells: Vec<(u16, Range<u32>)>,
    /// The row's number, and where its cells end. Of empty rows in between, the first.
    rows: Vec<(u32, usize)>,
    /// How many columns any row has.
    width: usize,
    hidden_rows: HashSet<u32>,
    hidden_columns: Vec<bool>,
    merged: BTreeMap<u32, Vec<Merged>>,
    /// The merged cells that reach the present row, by their left column.
    reaching: BTreeMap<u32, Reaching>,
    row: u32,
    pending: Vec<(u32, Range<u32>)>,
}

impl Table {
    /// Rows and columns count from 0 here, as they do in every reader.
    pub(super) fn hide_row(&mut self, row: u32) {
        self.hidden_rows.insert(row);
    }

    pub(super) fn hide_columns(&mut self, columns: Range<u32>) {
        self.hidden_columns.resize(MAX_COLUMNS as usize, false);
        if let Some(columns) =
            self.hidden_columns.get_mut(columns.start as usize..columns.end.min(MAX_COLUMNS) as usize)
        {
            columns.fill(true);
        }
    }

    pub(super) fn merge(&mut self, merged: Merged) {
        self.merged.entry(merged.rows.0).or_default().push(merged);
    }

    /// Adds a cell; rows come in order, cells of a row in any.
    pub(super) fn cell(&mut self, row: u32, column: u32, text: &str) -> Result<(), Refusal> {
        if row < self.row || row == u32::MAX {
            return Err(Refusal::BrokenWorkbook);
        }
        if row > self.row {
            self.end_row()?;
            self.row = row;
        }
        if column >= MAX_COLUMNS || text.trim().is_empty() {
            return Ok(());
        }
        // One long string in a million cells is a bomb of its own kind.
        if self.text.len() as u64 + text.len() as u64 > MAX_UNPACKED {
            return Err(Refusal::ArchiveBomb);
        }
        let start = self.end_of_text();
        self.text.push_str(text);
        self.pending.push((column, start..self.end_of_text()));
        Ok(())
    }

    /// No more cells.
    pub(super) fn finish(mut self) -> Result<Self, Refusal> {
        self.end_row()?;
        self.hidden_rows = HashSet::new();
        self.merged = BTreeMap::new();
        Ok(self)
    }

    pub(super) fn each(
        &self,
        visit: &mut dyn FnMut(u32, Cells<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let (mut text, mut bounds, mut from) = (String::new(), Vec::new(), 0);
        let end = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX);
        for (row, to) in &self.rows {
            text.clear();
            bounds.clear();
            bounds.push(0);
            for (column, at) in &self.cells[from..*to] {
                while bounds.len() <= usize::from(*column) {
                    text.push('\t');
                    bounds.push(end(&text));
                }
                text.push('\t');
                text.push_str(&self.text[at.start as usize..at.end as usize]);
                bounds.push(end(&text));
            }
            from = *to;
            // A sheet is as wide in every row.
            visit(row + 1, Cells::new(&text, &bounds, self.width, may_be_garbled(text.as_bytes())))?;
        }
        Ok(())
    }

    fn is_hidden_column(&self, column: u32) -> bool {
        self.hidden_columns.get(column as usize).copied().unwrap_or_default()
    }

    fn end_of_text(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    fn end_row(&mut self) -> Result<(), Refusal> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let row = self.row;
        self.reach(row);
        let mut shown = std::mem::take(&mut self.pending);
        shown.sort_by_key(|(column, _)| *column);
        shown.dedup_by_key(|(column, _)| *column);
        if !self.reaching.is_empty() {
            self.show_merged(row, &mut shown);
        }
        if self.hidden_rows.contains(&row) {
            return Ok(());
        }
        let before = self.cells.len();
        if before + shown.len() > MAX_CELLS {
            return Err(Refusal::ArchiveBomb);
        }
        for (column, text) in shown.drain(..) {
            if let (false, Ok(narrow)) = (self.is_hidden_column(column), u16::try_from(column)) {
                self.width = self.width.max(usize::from(narrow) + 1);
                self.cells.push((narrow, text));
            }
        }
        self.pending = shown;
        if self.cells.len() > before {
            // Titles, totals and notes are rows as well: how many are too many is judged behind.
            if self.rows.len() >= 2 * MAX_ROWS {
                return Err(Refusal::TooManyRows);
            }
            if let Some((last, _)) = self.rows.last()
                && let Some(empty) = (last + 1..row).find(|row| !self.hidden_rows.contains(row))
            {
                self.rows.push((empty, before));
            }
            self.rows.push((row, self.cells.len()));
        }
        Ok(())
    }

    /// Leaves of merged cells what is seen of them.
    fn show_merged(&mut self, row: u32, shown: &mut Vec<(u32, Range<u32>)>) {
        shown.retain(|(column, text)| {
            let over = self.reaching.range_mut(..=*column).next_back().map(|(_, reaching)| reaching);
            let Some(Reaching { merged, value, .. }) = over.filter(|over| *column <= over.merged.columns.1)
            else {
                return true;
            };
            if (row, *column) == (merged.rows.0, merged.columns.0) {
                *value = Some(text.clone());
            }
            false
        });
        // Every row that is there has what is shown across it: a pupil's name beside each of their contacts.
        let is_there = !shown.is_empty();
        for Reaching { merged, shown_in, value } in self.reaching.values() {
            if let (Some(column), Some(text), true) = (shown_in, value, is_there || row == merged.rows.0) {
                shown.push((*column, text.clone()));
            }
        }
        shown.sort_by_key(|(column, _)| *column);
        shown.dedup_by_key(|(column, _)| *column);
    }

    /// Brings the merged cells up to a row.
    fn reach(&mut self, row: u32) {
        self.reaching.retain(|_, reaching| reaching.merged.rows.1 >= row);
        let later = self.merged.split_off(&(row + 1));
        for merged in std::mem::replace(&mut self.merged, later).into_values().flatten() {
            if merged.rows.1 >= row && merged.columns.0 < MAX_COLUMNS {
                let mut columns = merged.columns.0..=merged.columns.1.min(MAX_COLUMNS - 1);
                let shown_in = columns.find(|column| !self.is_hidden_column(*column));
                self.reaching.insert(merged.columns.0, Reaching { merged, shown_in, value: None });
            }
        }
    }
}
