//! A page of the inbox, from what each school's posts came to. Pure.
//!
//! A page reads a fixed number of posts, whoever they are for, and shows what the parent may see of them: it may be short, or
//! empty, and the next one goes on. So its cost does not depend on how much a school writes.
//!
//! The arithmetic, as DynamoDB answers in JSON: a post's keys, ids and names are 310 bytes; sealed are at most 160 bytes of
//! title, 14 of base64 for each of 32 people, 110 of names and punctuation, and 33 of sealing, all in base64: 310 + 4/3 × 751 < 1,320 bytes.
//! An acknowledgement is below 440. 36 of each, and one post more at a cursor, are below 37 × 1,320 + 36 × 440 = 64,680 bytes, and
//! the answers around them below 300: less than 64 KB.

use std::{cmp::Reverse, fmt, str::FromStr};

use crate::id::MessageId;

/// Posts that a page reads, of all schools together.
pub const POSTS: usize = 36;

/// A place in the inbox: pages go on before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The message.
    pub message: MessageId,
    /// Which post of it.
    pub number: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.message, self.number)
    }
}

/// Text that is not a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the inbox")]
pub struct PositionError;

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (message, number) = text.split_once('.').ok_or(PositionError)?;
        Ok(Self {
            message: message.parse().map_err(|_| PositionError)?,
            number: number.parse().map_err(|_| PositionError)?,
        })
    }
}

/// What reading one school's posts came to, the newest first.
#[derive(Clone, Debug)]
pub struct Read<P> {
    /// The posts.
    pub posts: Vec<(Position, P)>,
    /// Whether there may be more behind them.
    pub more: bool,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<S> {
    /// What there is to see, the newest first, each message once.
    pub items: Vec<(MessageId, S)>,
    /// Where the next page goes on, if there may be one.
    pub next: Option<Position>,
}

/// Merges what was read of each school into a page of up to `size` messages. `see` says what the reader may see of a message
/// by some of its posts.
pub fn page<P, S>(
    reads: Vec<Read<P>>,
    size: usize,
    see: impl Fn(MessageId, &[(Position, P)]) -> Option<S>,
) -> Page<S> {
    // Behind the last post read of a school that has more, its next one might come before those of the others.
    let horizon =
        reads.iter().filter(|read| read.more).filter_map(|read| read.posts.last()).map(|(at, _)| *at).max();
    let within = |at: &Position| horizon.is_none_or(|horizon| *at >= horizon);
    let mut posts: Vec<_> =
        reads.into_iter().flat_map(|read| read.posts).filter(|(at, _)| within(at)).collect();
    posts.sort_by_key(|(at, _)| Reverse(*at));
    let mut messages: Vec<_> = posts.chunk_by(|(a, _), (b, _)| a.message == b.message).collect();
    // A message of which more may be unread waits for the next page, unless that would be no better.
    let mut more = horizon.is_some();
    if messages.len() > 1
        && messages.last().and_then(|posts| posts.last()).is_some_and(|(at, _)| at.number > 0 && more)
    {
        messages.pop();
    }
    let mut page = Page { items: Vec::new(), next: None };
    for posts in messages {
        let Some((last, _)) = posts.last() else { continue };
        if page.items.len() == size {
            more = true;
            break;
        }
        page.next = Some(*last);
        if let Some(seen) = see(last.message, posts) {
            page.items.push((last.message, seen));
            // The rest of its posts would only show it again.
            page.next = Some(Position { number: 0, ..*last });
        }
    }
    page.next = page.next.filter(|_| more);
    page
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn message(n: u8) -> MessageId {
        MessageId::new(Timestamp::from_second(i64::from(n)).unwrap(), &[n; 10])
    }

    #[test]
    fn a_position_reads_back_and_nothing_else_is_one() {
        let at = Position { message: message(7), number: 12 };
        assert_eq!(at.to_string().parse(), Ok(at));
        for text in ["", "msg_1.2", "12", &message(7).to_string(), &format!("{}.-1", message(7))] {
            assert_eq!(text.parse::<Position>(), Err(PositionError), "{text}");
        }
    }

    proptest! {
        /// Whatever the schools wrote and however small the pages: walking them shows each visible message once, the newest
        /// first, and all posts of it that are read together.
        #[test]
        fn walking_the_pages_shows_each_message_once(
            sent in vec((0_usize..3, 1_u32..7, any::<bool>()), 0..40),
            limit in 1_usize..6,
            size in 1_usize..5,
        ) {
            let mut schools = vec![Vec::new(); 3];
            let mut visible = Vec::new();
            for ((school, posts, seen), n) in sent.into_iter().zip(1_u8..) {
                for number in 0..posts {
                    // Only the first post of a message is for this reader, the one that comes last.
                    schools[school].push((Position { message: message(n), number }, seen && number == 0));
                }
                if seen { visible.push(message(n)); }
            }
            visible.reverse();
            for posts in &mut schools { posts.sort_by_key(|(at, _)| Reverse(*at)); }
            let (mut walked, mut before) = (Vec::new(), None);
            for _ in 0..1000 {
                let reads = schools.iter().map(|all| {
                    let rest = all.iter().copied().filter(|(at, _)| before.is_none_or(|before| *at < before));
                    let posts: Vec<_> = rest.take(limit).collect();
                    Read { more: posts.len() == limit, posts }
                });
                let page = page(reads.collect(), size, |_, posts| posts.iter().any(|(_, seen)| *seen).then_some(()));
                prop_assert!(page.items.len() <= size);
                walked.extend(page.items.into_iter().map(|(message, ())| message));
                before = page.next;
                if before.is_none() { break; }
            }
            prop_assert!(before.is_none(), "there is an end");
            prop_assert_eq!(walked, visible);
        }
    }
}
