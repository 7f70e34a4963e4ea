//! A table's records to an intake's rows: delimited files and workbooks alike.
//!
//! Two passes. The first finds the header and looks at every date, because one day above 12 at the end decides how all dates
//! before it are read; the second hands the rows over.

use std::{collections::BTreeMap, mem};

use super::{
    Refusal, cell,
    cells::{Cells, Records, is_empty},
    column::{Column, Mapping, What, Which},
    date::{self, Century, Evidence, Order},
    finding::{Code, letters},
    intake::{Intake, Place},
    layout::{self, Held, Layout, Whose},
    persons,
    plan::HeldBecause,
    repeated::Repeated,
    slots::{Days, Slot, Slots, Take},
};
use crate::{
    person::{Role, name::bare},
    privacy::agreement::Field,
};

/// How many rows the header is looked for in.
pub(super) const HEAD: usize = 30;
/// Names further out than this count only where there is anything below them: a spreadsheet saves 16,384 of them.
const COLUMNS_SHOWN: usize = 50;
/// More words than a forename has.
const MOST_NAMES: usize = 4;

/// Reads a table.
///
/// # Errors
/// A table without a column that we know, or without any that says who a row is about, is refused.
pub fn read(records: &impl Records, mapping: &Mapping, intake: &mut Intake<'_>) -> Result<(), Refusal> {
    let mut survey =
        Survey { mapping, head: Vec::new(), layout: None, width: 0, tallies: Vec::new(), below: 0 };
    records.each(&mut |number, cells| survey.row(number, cells))?;
    let below = survey.below;
    let (layout, width, tallies) = survey.finish()?;
    let mut rows = Rows::new(layout, width, &tallies, intake);
    intake.expect(below);
    records.each(&mut |number, cells| rows.row(number, cells, intake))
}

/// The first pass.
struct Survey<'m> {
    mapping: &'m Mapping,
    /// The first rows, until they show the layout.
    head: Vec<(u32, Vec<String>)>,
    layout: Option<Layout>,
    /// How far out there is data.
    width: usize,
    tallies: Vec<Tally>,
    /// How many rows there are below the header.
    below: usize,
}

/// What the dates of a column show.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    index: usize,
    day_first: bool,
    month_first: bool,
    either: bool,
}

impl Survey<'_> {
    fn row(&mut self, number: u32, cells: Cells<'_>) -> Result<(), Refusal> {
        let Some(layout) = &self.layout else { return self.head_row(number, cells) };
        let is_wide = layout.names.len() > COLUMNS_SHOWN;
        let width = if is_wide { cells.up_to(|cell| !is_empty(cell)) } else { 0 };
        self.look(width, |index| cells.get(index));
        Ok(())
    }

    fn head_row(&mut self, number: u32, cells: Cells<'_>) -> Result<(), Refusal> {
        let filled = cells.up_to(|cell| !is_empty(cell));
        if filled > 0 {
            self.head.push((number, cells.iter().take(filled).map(str::to_owned).collect()));
        }
        if self.head.len() == HEAD { self.decide() } else { Ok(()) }
    }

    /// Looks at a row below the header, which has data so far out.
    fn look<'c>(&mut self, width: usize, cell: impl Fn(usize) -> &'c str) {
        self.below += 1;
        self.width = self.width.max(width);
        for tally in &mut self.tallies {
            match date::evidence(cell(tally.index)) {
                Some(Evidence::Decisive(Order::DayFirst)) => tally.day_first = true,
                Some(Evidence::Decisive(Order::MonthFirst)) => tally.month_first = true,
                Some(Evidence::Either) => tally.either = true,
                None => {}
            }
        }
    }

    fn decide(&mut self) -> Result<(), Refusal> {
        let layout = layout::find(&self.head, self.mapping)?;
        let is_date =
            |what| matches!(what, What::Fact(Field::DateOfBirth | Field::StartDate | Field::LeavingDate));
        let dates = layout.columns.iter().filter(|held| is_date(held.what));
        self.tallies = dates.map(|held| Tally { index: held.index, ..Tally::default() }).collect();
        let below: Vec<_> =
            std::mem::take(&mut self.head).into_iter().filter(|(row, _)| *row > layout.header).collect();
        self.layout = Some(layout);
        for (_, cells) in below {
            self.look(cells.len(), |index| cells.get(index).map_or("", String::as_str));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Layout, usize, Vec<Tally>), Refusal> {
        if self.layout.is_none() {
            if self.head.is_empty() {
                return Err(Refusal::EmptyFile);
            }
            self.decide()?;
        }
        let layout = self.layout.ok_or(Refusal::NoKnownColumn)?;
        Ok((layout, self.width.max(COLUMNS_SHOWN), self.tallies))
    }
}

/// The second pass.
struct Rows {
    layout: Layout,
    /// What is said where there is no contact, and what the last row said of its pupil.
    alone: Slots,
    pupil: Repeated,
    contacts: Vec<Slots>,
    /// Where a column says what each row's person is: the columns for each role.
    roles: BTreeMap<Role, Vec<Slot>>,
    days: Vec<Days>,
    /// Whether a row was handed over already.
    begun: bool,
    /// The first of the empty rows since.
    empty: Option<u32>,
    /// Room for the cells of a row as they are handed over.
    out: Vec<(Place, &'static str)>,
}

impl Rows {
    fn new(layout: Layout, width: usize, tallies: &[Tally], intake: &mut Intake<'_>) -> Self {
        let header = layout.header;
        let mut rows = Self {
            alone: Slots::new(&[], &[]),
            pupil: Repeated::default(),
            contacts: Vec::new(),
            roles: BTreeMap::new(),
            days: Vec::new(),
            begun: false,
            empty: None,
            out: Vec::new(),
            layout,
        };
        for (index, why) in rows.layout.left.iter().filter(|(index, _)| *index < width) {
            if *why == Code::ColumnTwice {
                rows.name(*index, intake);
            }
            intake.leave_behind(header, &letters(*index), *why);
        }
        if rows.layout.role.is_some() {
            rows.by_role(tallies, intake);
            return rows;
        }
        let (mut shared, mut every, mut contacts) = (Vec::new(), Vec::new(), BTreeMap::<_, Vec<Slot>>::new());
        for held in rows.layout.columns.clone().into_iter().filter(|held| held.index < width) {
            for slot in rows.slots(&held, held.role, tallies, intake) {
                match held.whose {
                    Whose::Row => shared.push(slot),
                    Whose::EveryContact => every.push(slot),
                    Whose::Contact(which) => contacts.entry(which).or_default().push(slot),
                }
            }
        }
        if shared.iter().all(|slot| slot.place.column.role == Role::Pupil) {
            rows.pupil = Repeated::new(shared.iter().map(|slot| slot.index));
        }
        for (which, mut slots) in contacts {
            let relationship = Column { role: Role::Contact, field: Field::Relationship };
            if let (Which::Parent(word), Some(first)) = (which, slots.first().copied())
                && intake.allows(relationship)
                && !slots.iter().any(|slot| slot.place.column == relationship)
                && let Some(place) = intake.place(header, &letters(first.index), Some(relationship))
            {
                slots.push(Slot { index: first.index, place, take: Take::Implied(word) });
            }
            slots.extend(&every);
            rows.contacts.push(Slots::new(&slots, &shared));
        }
        rows.alone = Slots::new(&[], &shared);
        rows
    }

    /// Lets findings say what a known column is called.
    fn name(&self, index: usize, intake: &mut Intake<'_>) {
        if let Some(name) = self.layout.names.get(index) {
            intake.call(&letters(index), name);
        }
    }

    /// What a column gives of somebody in a role.
    fn slots(&mut self, held: &Held, role: Role, tallies: &[Tally], intake: &mut Intake<'_>) -> Vec<Slot> {
        self.name(held.index, intake);
        let label = letters(held.index);
        let takes: &[_] = match held.what {
            What::FullName => &[(Field::GivenName, Take::Given), (Field::FamilyName, Take::Family)],
            What::Fact(field) => &[(field, Take::Text)],
        };
        let mut slots = Vec::new();
        for (field, take) in takes {
            let column = Some(Column { role, field: *field });
            let Some(place) = intake.place(self.layout.header, &label, column) else { continue };
            let tally = tallies.iter().find(|tally| tally.index == held.index);
            let take = tally.map_or(*take, |tally| self.dates(*tally, place, &label, intake));
            slots.push(Slot { index: held.index, place, take });
        }
        slots
    }

    /// The columns for each role. One that may be stored of nobody who can stand in it is left behind.
    fn by_role(&mut self, tallies: &[Tally], intake: &mut Intake<'_>) {
        let columns = self.layout.columns.clone();
        for held in &columns {
            let owners = Role::ALL.map(|role| (role, persons::owner(held, role, &columns)));
            let is_agreed = |field, of: Role, intake: &Intake<'_>| intake.allows(Column { role: of, field });
            let fields = persons::fields(held.what);
            let mut is_stored = false;
            for (role, of) in owners.into_iter().filter_map(|(role, of)| Some((role, of?))) {
                if fields.iter().any(|field| is_agreed(*field, of, intake)) {
                    is_stored = true;
                    let slots = self.slots(held, of, tallies, intake);
                    self.roles.entry(role).or_default().extend(slots);
                }
            }
            if !is_stored {
                self.name(held.index, intake);
                intake.leave_behind(self.layout.header, &letters(held.index), Code::ColumnNotAgreed);
            }
        }
    }

    /// Settles how a column's dates are read. Day first is what every other place understands.
    fn dates(&mut self, tally: Tally, place: Place, label: &str, intake: &mut Intake<'_>) -> Take {
        let Tally { index, day_first, month_first, either } = tally;
        let is_mixed = day_first && month_first;
        if is_mixed {
            intake.find(self.layout.header, label, Code::DateOrderMixed);
            intake.hold(HeldBecause::MixedDateOrder);
        } else if !month_first {
            if either && !day_first {
                intake.find(self.layout.header, label, Code::DateOrderAssumed);
            }
            return Take::Text;
        }
        let century = match place.column.field {
            Field::DateOfBirth => Century::OfPupil(intake.today()),
            _ => Century::This,
        };
        self.days.push(Days { index, century, is_mixed, day: String::new() });
        Take::Day(self.days.len() - 1)
    }

    fn row(&mut self, number: u32, cells: Cells<'_>, intake: &mut Intake<'_>) -> Result<(), Refusal> {
        // Nearly every row is, and none of those is a note.
        let is_full = (0..3).all(|index| cells.holds(index));
        if !is_full && cells.iter().all(is_empty) {
            self.empty = self.empty.or(self.begun.then_some(number));
            return Ok(());
        }
        if number == self.layout.header || Some(number) == self.layout.banner {
            return Ok(());
        }
        if number < self.layout.header
            || (!is_full && self.is_note(cells))
            || (!self.begun && is_instruction(cells))
            || self.is_header_again(cells)
        {
            intake.find(number, "", Code::RowSkipped);
            return Ok(());
        }
        if let Some(empty) = self.empty.take() {
            // One finding for a run of them.
            intake.find(empty, "", Code::RowEmpty);
        }
        self.begun = true;
        let width = self.layout.width;
        if cells.len() < width || (width..cells.len()).any(|index| cells.holds(index)) {
            intake.find(number, "", Code::RowRagged);
        }
        if let Some(column) = self.layout.role {
            return self.person(number, cells, cells.get(column), intake);
        }
        for days in &mut self.days {
            days.read(cells.get(days.index));
        }
        let is_again = self.pupil.is_again(cells);
        let is_repeated = is_again && !cells.may_be_garbled() && intake.knows_pupil();
        let mut out = recycled(mem::take(&mut self.out));
        let mut is_alone = true;
        for slots in &self.contacts {
            let is_there = |slot: &Slot| !matches!(slot.take, Take::Implied(_)) && cells.holds(slot.index);
            if slots.list[..slots.contact].iter().any(is_there) {
                // A second contact has the pupil of the first.
                let is_second = !is_alone && self.pupil.is_possible() && intake.knows_pupil();
                self.hand_over(number, cells, slots, is_repeated || is_second, &mut out, intake)?;
                is_alone = false;
            }
        }
        if is_alone {
            self.hand_over(number, cells, &self.alone, is_repeated, &mut out, intake)?;
        }
        self.out = recycled(out);
        Ok(())
    }

    /// Hands over a contact and the rest of their row, or not even that where it is the last row's.
    fn hand_over<'c>(
        &'c self,
        number: u32,
        cells: Cells<'c>,
        slots: &'c Slots,
        is_repeated: bool,
        out: &mut Vec<(Place, &'c str)>,
        intake: &mut Intake<'_>,
    ) -> Result<(), Refusal> {
        out.clear();
        self.take(cells, if is_repeated { &slots.list[..slots.contact] } else { &slots.list }, out);
        if cells.may_be_garbled() {
            // What the row begins with is found first.
            let (contact, row) = out.split_at_mut(slots.contact);
            intake.take_out_garbled(number, row);
            intake.take_out_garbled(number, contact);
        }
        intake.row_of(number, &slots.shape, out, is_repeated)
    }

    /// The cells of a row as they are handed over.
    fn take<'c>(&'c self, cells: Cells<'c>, slots: &'c [Slot], out: &mut Vec<(Place, &'c str)>) {
        out.extend(slots.iter().map(|slot| {
            let raw = cells.get(slot.index);
            let text = if let Take::Text = slot.take { raw } else { self.part(slot.take, raw) };
            (slot.place, text)
        }));
    }

    /// What is handed over of a cell, where that is not all of it.
    fn part<'c>(&'c self, take: Take, raw: &'c str) -> &'c str {
        match take {
            Take::Text => raw,
            Take::Given => cell::whole_name(raw).0,
            Take::Family => cell::whole_name(raw).1,
            Take::Day(days) => self.days.get(days).map_or(raw, |days| &days.day),
            Take::Implied(word) => word,
        }
    }

    /// A row of a table that says in a column what the person is.
    fn person(
        &mut self,
        number: u32,
        cells: Cells<'_>,
        role: &str,
        intake: &mut Intake<'_>,
    ) -> Result<(), Refusal> {
        let Some(role) = persons::role(role, self.layout.header == 0) else {
            intake.find(number, "", Code::RoleUnknown);
            return Ok(());
        };
        if !intake.takes(role) {
            intake.find(number, "", Code::RoleNotAgreed);
            return Ok(());
        }
        for days in &mut self.days {
            days.read(cells.get(days.index));
        }
        let mut out = Vec::new();
        self.take(cells, self.roles.get(&role).map_or(&[], Vec::as_slice), &mut out);
        if cells.may_be_garbled() {
            intake.take_out_garbled(number, &mut out);
        }
        let is_said = |(place, text): &(Place, &str)| place.column.role == Role::Pupil && !is_empty(text);
        if role == Role::Contact && !out.iter().any(is_said) {
            // Whose parent it is, nobody says.
            intake.find(number, "", Code::LinkUnknown);
            return Ok(());
        }
        intake.row(number, &out)
    }

    /// Whether a row is a total, a foot note or the like; one of three cells and more is none.
    fn is_note(&self, cells: Cells<'_>) -> bool {
        let mut filled = cells.iter().filter(|cell| !is_empty(cell));
        match [filled.next(), filled.next(), filled.next()] {
            [Some(first), second, None] => {
                is_note(first, second) || second.is_none() && self.is_no_name(cells, first)
            }
            _ => false,
        }
    }

    /// Whether the only cell of a row stands where a name should, beside others, and is none: `* pupil premium`.
    fn is_no_name(&self, cells: Cells<'_>, text: &str) -> bool {
        let at = cells.iter().position(|cell| !is_empty(cell));
        let name = self.layout.columns.iter().find(|held| Some(held.index) == at && held.is_name());
        let begins_a_name = |c: char| c.is_alphabetic() || "'’‘`".contains(c);
        let is_long =
            |held: &Held| held.what != What::FullName && text.split_whitespace().count() > MOST_NAMES;
        self.layout.width > 2
            && name.is_some_and(|held| {
                !bare(text).starts_with(begins_a_name)
                    || text.contains(|c: char| c.is_ascii_digit())
                    || is_long(held)
            })
    }

    /// Reports repeat their header on every page.
    fn is_header_again(&self, cells: Cells<'_>) -> bool {
        let names = &self.layout.names;
        !names.is_empty()
            && cells.len() >= self.layout.width
            && names.iter().zip(cells.iter()).all(|(name, cell)| name == cell)
    }
}

/// The room of a list for another: what was in it is forgotten.
fn recycled<'t>(mut list: Vec<(Place, &str)>) -> Vec<(Place, &'t str)> {
    list.clear();
    list.into_iter().map(|(place, _)| (place, "")).collect()
}

fn starts_with(text: &str, word: &str) -> bool {
    text.trim_start().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Whether a row says how to fill in the columns.
fn is_instruction(cells: Cells<'_>) -> bool {
    let first = cells.iter().find(|cell| !is_empty(cell));
    first.is_some_and(|first| ["required", "optional"].iter().any(|word| starts_with(first, word)))
}

/// Whether a row that holds one or two cells is a total (`Number of students: 412`) or a foot note.
fn is_note(first: &str, second: Option<&str>) -> bool {
    const TOTALS: [&str; 7] =
        ["total", "grand total", "sub total", "subtotal", "number of", "count", "record count"];
    const NOTES: [&str; 8] = [
        "end of report",
        "report generated",
        "report run",
        "generated on",
        "generated by",
        "printed on",
        "printed by",
        "page ",
    ];
    let has_number = |text: &str| text.contains(|c: char| c.is_ascii_digit());
    let is_total = TOTALS.iter().any(|word| starts_with(first, word))
        && (has_number(first)
            || second.is_some_and(|second| second.trim().bytes().all(|byte| byte.is_ascii_digit())));
    let is_note = second.is_none()
        && NOTES.iter().any(|word| starts_with(first, word))
        && (has_number(first) || starts_with(first, "end"));
    is_total || is_note
}

#[cfg(test)]
#[path = "grid_tests.rs"]
mod tests;
