//! What has rows of cells.

use super::Refusal;

/// A table that can be read more than once: its columns are judged before its rows are used.
pub trait Records {
    /// Visits every row in turn, under the number that a spreadsheet shows, with as many cells as it has.
    ///
    /// # Errors
    /// What the visitor refuses.
    #[expect(clippy::type_complexity, reason = "one shape, spelt out once")]
    fn each(&self, visit: &mut dyn FnMut(u32, &[&str]) -> Result<(), Refusal>) -> Result<(), Refusal>;
}
