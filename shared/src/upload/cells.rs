//! Rows of cells: what every kind of table is read through.

use std::ops::Range;

use super::Refusal;
use crate::person::name::is_invisible;

/// The most columns that are looked at. Real files have fewer than a hundred.
pub(super) const MAX_COLUMNS: usize = 1000;

/// What has rows of cells.
pub trait Records {
    /// Visits every row in turn, under the number that a spreadsheet shows, with as many cells as it has: empty rows in
    /// between too, and a line break in quotation marks makes no row. Does the same when it is called again.
    ///
    /// # Errors
    /// What the visitor refuses.
    fn each(&self, visit: &mut dyn FnMut(u32, Cells<'_>) -> Result<(), Refusal>) -> Result<(), Refusal>;
}

/// Whether a cell holds nothing that could be seen.
pub(super) fn is_empty(cell: &str) -> bool {
    !cell.bytes().next().is_some_and(|byte| byte.is_ascii_graphic())
        && cell.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// The cells of a row: one behind the other in a text, and cut out when they are asked for, because of most files half are not taken
/// in.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'c> {
    text: &'c str,
    /// Where the bytes are that stand before them, between them and behind.
    bounds: &'c [u32],
    width: usize,
    may_be_garbled: bool,
}

impl<'c> Cells<'c> {
    /// No cells.
    pub(super) const NONE: Self = Self { text: "", bounds: &[], width: 0, may_be_garbled: false };

    /// Cells in a text; `width` counts those that are empty at the end, which have no bounds of their own.
    pub(super) fn new(text: &'c str, bounds: &'c [u32], width: usize, may_be_garbled: bool) -> Self {
        Self { text, bounds, width, may_be_garbled }
    }

    /// How many there are.
    pub const fn len(self) -> usize {
        self.width
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.width == 0
    }

    /// Whether any of them may be garbled, so that each has to be looked at; see [`super::decode::may_be_garbled`].
    pub const fn may_be_garbled(self) -> bool {
        self.may_be_garbled
    }

    /// One of them; nothing behind the last. Bounds stand where characters begin: a reader that set others would have lost its place.
    pub fn get(self, index: usize) -> &'c str {
        match (self.bounds.get(index), self.bounds.get(index + 1)) {
            (Some(from), Some(to)) => &self.text[*from as usize + 1..*to as usize],
            _ => "",
        }
    }

    /// Whether one of them holds anything that could be seen.
    pub(super) fn holds(self, index: usize) -> bool {
        match (self.bounds.get(index), self.bounds.get(index + 1)) {
            // Nearly always, the first byte shows.
            (Some(from), Some(to)) if to - from > 1 => {
                self.text.as_bytes().get(*from as usize + 1).is_some_and(u8::is_ascii_graphic)
                    || !is_empty(self.get(index))
            }
            _ => false,
        }
    }

    /// Those of columns side by side, as one text, and the bounds of each; none where it has fewer.
    pub(super) fn run(self, columns: &Range<usize>) -> Option<(&'c str, &'c [u32])> {
        let bounds = self.bounds.get(columns.start..=columns.end)?;
        let (from, to) = (bounds.first()?, bounds.last()?);
        Some((self.text.get(*from as usize + 1..*to as usize)?, bounds))
    }

    /// All of them.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = &'c str> + ExactSizeIterator {
        (0..self.width).map(move |index| self.get(index))
    }

    /// How many there are up to the last that is wanted.
    pub fn up_to(self, is_wanted: impl Fn(&str) -> bool) -> usize {
        self.iter().rposition(is_wanted).map_or(0, |last| last + 1)
    }
}
