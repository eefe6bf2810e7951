//! What a stream is made of: what the owner of the posts has, and what only the bus has.

use std::sync::Arc;

use backends::bus::{Bus, Delivered, Positions};
use chrono::{DateTime, Utc};
use contracts::clients::{ExportOrder, ExportRow, Posts};
use contracts::topics::POSTS_EVENTS;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};

use super::batches::{Most, batches};
use super::stretch::Stretch;
use crate::change::{Change, Mark};
use crate::events::{mark, read};
use crate::store::Batch;

/// Posts put into a stream in one step. While it lasts, what happens at this moment waits.
const POSTS: Most = Most {
    count: 256,
    bytes: 1 << 20,
};
/// Messages put into a stream in one step.
const MESSAGES: Most = Most {
    count: 1024,
    bytes: 1 << 20,
};

/// Where a stream comes from.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) posts: Arc<dyn Posts>,
    /// In whose name the bus is read; what the group has read stays as it is.
    pub(crate) group: String,
}

/// A part of it.
pub(crate) struct Piece {
    pub(crate) batch: Batch,
    /// How many posts or messages were read for it.
    pub(crate) read: u64,
}

impl Sources {
    /// Everything the owner has, newest first and to the end: that an audience nobody has written to lately fills its window
    /// too is known only there.
    pub(crate) fn export(&self, began: DateTime<Utc>) -> BoxStream<'static, anyhow::Result<Piece>> {
        let rows = batches(self.posts.export(ExportOrder::Newest), POSTS, weight);
        let piece = move |rows: Result<Vec<ExportRow>, _>| {
            let rows = rows?;
            let read = rows.len() as u64;
            let changes = rows
                .into_iter()
                .map(|row| Change::exported(row, began))
                .collect();
            let batch = Batch {
                changes,
                read: Vec::new(),
            };
            Ok(Piece { batch, read })
        };
        rows.map(piece).boxed()
    }

    /// What the bus keeps before these ends and the owner's export does not have: accounts and profiles, and foreign posts. Our own
    /// posts are passed over unread: what was told of them before the export began is in it. Answers beside it how many
    /// messages there are, with the holes of compacted topics.
    pub(crate) async fn backlog(
        &self,
        ends: Positions,
    ) -> anyhow::Result<(u64, BoxStream<'static, anyhow::Result<Piece>>)> {
        let stretch = Stretch::open(&*self.bus, &self.group, ends).await?;
        let places = stretch.places();
        let weight = |one: &Delivered| one.record.payload.len();
        let messages = batches(stretch.records(), MESSAGES, weight);
        Ok((places, messages.map_ok(|page| piece(&page)).boxed()))
    }
}

/// Roughly its bytes.
fn weight(row: &ExportRow) -> usize {
    match row {
        ExportRow::Post(post) => post.title.len() + post.content.len(),
        ExportRow::Tombstone(_) => 0,
    }
}

fn piece(page: &[Delivered]) -> Piece {
    // What cannot be read is among the dead letters, or will be when it comes by.
    let told = page.iter().filter(|one| !is_ours(one));
    let changes = told
        .filter_map(|one| read(one).ok())
        .flat_map(|(before, change)| before.into_iter().chain([change]))
        .collect();
    let mut read: Vec<(Mark, DateTime<Utc>)> = Vec::new();
    for one in page.iter().rev() {
        let of_it = |(mark, _): &(Mark, _)| {
            (mark.partition, mark.topic.as_str()) == (one.partition, one.record.topic.as_str())
        };
        if !read.iter().any(of_it) {
            read.push((mark(one), one.at));
        }
    }
    Piece {
        batch: Batch { changes, read },
        read: page.len() as u64,
    }
}

/// A post of the owner. Foreign producers send neither key nor headers.
fn is_ours(delivered: &Delivered) -> bool {
    let record = &delivered.record;
    record.topic == POSTS_EVENTS.name
        && record.key.is_some()
        && record.headers.contains_key("ce_source")
}
