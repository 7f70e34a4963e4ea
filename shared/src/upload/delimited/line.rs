//! The cells of one line.

use memchr::memchr2_iter;
use wide::u8x32;

use super::super::cells::MAX_COLUMNS;

/// How many bounds there is room for: more than those of all columns that are looked at.
const ROOM: usize = (MAX_COLUMNS + 1).next_power_of_two();

/// The bounds of a record's cells, while these are looked for.
pub(super) struct Bounds {
    list: [u32; ROOM],
    count: usize,
}

impl Bounds {
    /// None yet.
    pub(super) const NONE: Self = Self { list: [0; ROOM], count: 0 };

    /// Those of another record, which begins here.
    pub(super) fn begin(&mut self, start: u32) {
        self.count = 0;
        self.push(start);
    }

    pub(super) fn push(&mut self, bound: u32) {
        // More than there is room for are counted, and none is used then.
        self.list[self.count % ROOM] = bound;
        self.count += 1;
    }

    pub(super) fn last(&self) -> Option<u32> {
        self.all()?.last().copied()
    }

    /// All of them; none where there are too many.
    pub(super) fn all(&self) -> Option<&[u32]> {
        self.list.get(..self.count)
    }
}

/// Takes a cell from the front of a text, without its marks, and tells what is behind it; nothing where it has more line ends than one.
pub(super) fn unmark<'t>(text: &'t str, unmarked: &mut String) -> Option<&'t str> {
    let (mut rest, mut lines) = (text.strip_prefix('"')?, 0);
    loop {
        let (part, behind) = rest.split_once('"')?;
        unmarked.push_str(part);
        let ends = memchr2_iter(b'\r', b'\n', part.as_bytes()).count();
        lines += if ends == 2 && part.contains("\r\n") { 1 } else { ends };
        if lines > 1 {
            return None;
        }
        match behind.strip_prefix('"') {
            None => return Some(behind),
            Some(more) => {
                unmarked.push('"');
                rest = more;
            }
        }
    }
}

/// What is plain at the front of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// How long it is.
    pub(super) length: u32,
    /// Something of it [may be garbled](super::super::decode::may_be_garbled).
    pub(super) may_be_garbled: bool,
}

/// Visits every place of a byte in the line at the front of a text of less than 4 GiB, as far as it is plain: up to its end or a quotation
/// mark. None where that is among the last few bytes of a text.
/// Thirty-two bytes at a time: a row has twenty separators, too close to each other for a search for the next to pay.
pub(super) fn each_place(text: &[u8], byte: u8, mut visit: impl FnMut(u32)) -> Option<Part> {
    let (mut from, mut before, mut garbled) = (0, 0, 0);
    for chunk in text.as_chunks().0 {
        let bytes = u8x32::new(*chunk);
        let is = |byte| bytes.simd_eq(u8x32::splat(byte));
        let stops = (is(b'\n') | is(b'\r') | is(b'"')).to_bitmask();
        let line = (stops & stops.wrapping_neg()).wrapping_sub(1);
        let mut places = is(byte).to_bitmask() & line;
        while places != 0 {
            visit(from + places.trailing_zeros());
            places &= places - 1;
        }
        // The highest bit of every byte that is not ASCII.
        let beyond = bytes.to_bitmask() & line;
        let mut letters = 0;
        if beyond != 0 {
            // What stands two bytes behind, the last of the bytes before these among them.
            letters = is(0xc3).to_bitmask();
            garbled |= beyond & (letters << 2 | before >> 30 | (is(0xc2) | is(0xef)).to_bitmask());
        }
        before = letters;
        if stops != 0 {
            let length = from + stops.trailing_zeros();
            return Some(Part { length, may_be_garbled: garbled != 0 });
        }
        from += 32;
    }
    None
}
