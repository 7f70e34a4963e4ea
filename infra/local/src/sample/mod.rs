//! A made-up school's file, and what a right reading of it finds.
//!
//! [`School::generate`] invents families; [`School::to_csv`] writes them as a school's management system exports
//! them, in the `ParentMail` layout with two columns more; [`School::expected`] says what must come of it: people,
//! findings, audiences. The figures come from the families and not from the file, and no code is shared with what
//! reads the file, so a mistake in one cannot hide in the other.
//!
//! Nothing in it can reach anybody: telephone numbers are of the ranges that Ofcom keeps for drama, addresses end in
//! example.com, example.net or example.org, the town is on no map.

mod audience;
mod build;
mod cast;
mod csv;
mod mistake;
mod model;
mod names;
mod prng;
mod report;
mod story;
#[cfg(test)]
mod tests;

pub use mistake::Mistake;
pub use report::{
    Adult, Audience, Cast, Channel, Child, Claim, ClaimChild, ClaimParent, Claims, Counts, Excluded,
    Expected, Finding, FindingCode, Reason, Severity, Story,
};

/// The fewest pupils of a school: below, the families that every school must have would not fit.
pub const MIN_PUPILS: usize = 120;

/// A made-up school. The same size and seed make the same school, byte for byte, on every machine.
pub struct School {
    seed: u64,
    pupils: Vec<model::Pupil>,
    contacts: Vec<model::Contact>,
    links: Vec<model::Link>,
    story: story::People,
}

impl School {
    /// Invents a school with this many pupils, but no fewer than [`MIN_PUPILS`].
    ///
    /// There are only a thousand mobile numbers to give away: in a school of much more than a thousand pupils they
    /// go round again, so that strangers share one.
    pub fn generate(pupils: usize, seed: u64) -> Self {
        build::school(pupils.max(MIN_PUPILS), seed)
    }

    /// The file: UTF-8 with a byte order mark, CRLF, 24 columns, a row for each pair of a pupil and a contact.
    pub fn to_csv(&self) -> String {
        csv::write(self, |_| true)
    }

    /// What a right reading of the file finds.
    pub fn expected(&self) -> Expected {
        report::expected(self)
    }

    /// The file of an export that broke off early: most of the school is not in it.
    pub fn broken_off(&self) -> Mistake {
        mistake::broken_off(self)
    }

    /// A file in which a few contacts have one another's mobile numbers, which looks as good as the right one.
    pub fn mixed_up(self) -> Mistake {
        mistake::mixed_up(self)
    }
}
