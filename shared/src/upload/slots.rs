//! What is handed over of a table's rows: of which columns, and how much of each cell.

use std::fmt::Write;

use super::{
    date::{self, Century, Evidence, Order},
    intake::Place,
    row::Shape,
};

/// What is handed over of a cell.
#[derive(Clone, Copy, Debug)]
pub(super) enum Take {
    /// All of it.
    Text,
    /// The forename in a whole name.
    Given,
    /// The surname in a whole name.
    Family,
    /// The day, of a column whose dates are not simply day first.
    Day(usize),
    /// This, which the column's name says.
    Implied(&'static str),
}

/// A column that is handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) index: usize,
    pub(super) place: Place,
    pub(super) take: Take,
}

/// Columns that are handed over together: those of a contact, and behind them those of the row.
pub(super) struct Slots {
    pub(super) list: Vec<Slot>,
    /// How many are the contact's.
    pub(super) contact: usize,
    /// Which are which.
    pub(super) shape: Shape,
}

impl Slots {
    pub(super) fn new(contact: &[Slot], row: &[Slot]) -> Self {
        let list = [contact, row].concat();
        let shape = Shape::of(list.iter().map(|slot| slot.place));
        Self { list, contact: contact.len(), shape }
    }
}

/// A column whose dates have to be read before they are handed over, and the day of the row at hand.
pub(super) struct Days {
    pub(super) index: usize,
    pub(super) century: Century,
    /// Both orders occur: what could be two days is neither.
    pub(super) is_mixed: bool,
    pub(super) day: String,
}

impl Days {
    pub(super) fn read(&mut self, raw: &str) {
        self.day.clear();
        let order = match date::evidence(raw) {
            Some(Evidence::Decisive(order)) => order,
            Some(Evidence::Either) if self.is_mixed => return,
            _ => Order::MonthFirst,
        };
        match date::read(raw, order, self.century) {
            Ok(day) => drop(write!(self.day, "{day}")),
            // What is wrong with it is found where all dates are read.
            Err(_) => self.day.push_str(raw),
        }
    }
}
