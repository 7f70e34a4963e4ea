//! What row after row says in the same columns.

use std::ops::Range;

use super::cells::Cells;

/// What stood in some columns of a row: where each contact has a row of their own, nearly half of all rows say of their pupil what the
/// row above does.
#[derive(Default)]
pub(super) struct Repeated {
    runs: Vec<Run>,
}

/// Columns side by side.
struct Run {
    columns: Range<usize>,
    text: String,
    /// How far from the first of them each of their bounds is.
    bounds: Vec<u32>,
}

impl Repeated {
    /// Nothing yet.
    pub(super) fn new(columns: impl Iterator<Item = usize>) -> Self {
        let mut columns: Vec<usize> = columns.collect();
        columns.sort_unstable();
        columns.dedup();
        let runs = columns.chunk_by(|one, next| one + 1 == *next).filter_map(|run| {
            let columns = *run.first()?..run.last()? + 1;
            Some(Run { columns, text: String::new(), bounds: Vec::new() })
        });
        Self { runs: runs.collect() }
    }

    /// Whether there are columns that could say the same.
    pub(super) const fn is_possible(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Whether a row says what the last one did.
    pub(super) fn is_again(&mut self, cells: Cells<'_>) -> bool {
        let is_possible = self.is_possible();
        self.runs.iter_mut().fold(is_possible, |is_again, run| run.is_again(cells) && is_again)
    }
}

impl Run {
    fn is_again(&mut self, cells: Cells<'_>) -> bool {
        // Where a row ends before the last column there are no bounds, which no row says.
        let (text, bounds) = cells.run(&self.columns).unwrap_or_default();
        if text == self.text
            && !bounds.is_empty()
            && bounds.len() == self.bounds.len()
            && relative(bounds).zip(&self.bounds).all(|(bound, last)| bound == *last)
        {
            return true;
        }
        self.text.clear();
        self.text.push_str(text);
        self.bounds.clear();
        self.bounds.extend(relative(bounds));
        false
    }
}

fn relative(bounds: &[u32]) -> impl Iterator<Item = u32> {
    let first = bounds.first().copied().unwrap_or_default();
    bounds.iter().map(move |bound| bound - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_cells_are_the_same() {
        let row = |text: &'static str, bounds: &'static [u32]| Cells::new(text, bounds, 4, false);
        for (text, bounds, expected) in [
            (",Ann,Smith,R,1", &[0, 4, 10, 12, 14], true),
            (",Ann,Smith,NN,1", &[0, 4, 10, 13, 15], true),
            ("-,Ann,Smith,R,1", &[1, 5, 11, 13, 15], true),
            (",Ann,Smith,R,2", &[0, 4, 10, 12, 14], false),
            // A separator may be of a cell.
            (",Ann,Smith,R,1", &[0, 2, 10, 12, 14], false),
            (",Ann,Smith,R", &[0, 4, 10, 12], false),
        ] as [(&str, &[u32], bool); 6]
        {
            let mut columns = Repeated::new([3, 0, 1].into_iter());
            assert!(!columns.is_again(row(",Ann,Smith,R,1", &[0, 4, 10, 12, 14])));
            assert_eq!(columns.is_again(row(text, bounds)), expected, "{text} {bounds:?}");
            // A row that ends before the last column is like no other, itself included.
            assert_eq!(columns.is_again(row(text, bounds)), bounds.len() == 5, "{text} {bounds:?}");
        }
        assert!(!Repeated::new([].into_iter()).is_again(row(",Ann", &[0, 4])));
    }
}
