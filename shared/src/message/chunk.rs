//! Chunks: up to 50 recipients of one channel, the carrier's own bulk limit, as the unit of queueing, claiming and recording.

use super::audience::{Recipient, Resolution};
use crate::channel::Channel;

/// Recipients of one chunk: the destinations that one `SendBulkEmail` call takes.
pub const CHUNK: usize = crate::channel::email::BULK;

/// The recipients in chunks, by channel.
pub fn chunks(resolution: &Resolution) -> Vec<(Channel, Vec<Recipient>)> {
    let of = |(channel, recipients): (&Channel, &Vec<Recipient>)| {
        recipients.chunks(CHUNK).map(|some| (*channel, some.to_vec())).collect::<Vec<_>>()
    };
    resolution.recipients.iter().flat_map(of).collect()
}
