//! What a stream is made of: what the owner of the posts has, and what only the bus has.

use std::sync::Arc;

use backends::bus::{Bus, Delivered, Positions};
use chrono::{DateTime, Utc};
use contracts::clients::{ExportOrder, Posts};
use contracts::topics::POSTS_EVENTS;
use futures_util::stream::{self, BoxStream, StreamExt};

use crate::change::{Change, Mark};
use crate::events::{TOPICS, mark, read};
use crate::store::Batch;

/// Posts put into a stream in one step. While it lasts, what happens at this moment waits.
const POSTS: usize = 128;
/// Messages read in one step.
const MESSAGES: usize = 256;

/// Where a stream comes from.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) posts: Arc<dyn Posts>,
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
        let rows = self.posts.export(ExportOrder::Newest).ready_chunks(POSTS);
        let piece = move |rows: Vec<_>| {
            let rows: Vec<_> = rows.into_iter().collect::<Result<_, _>>()?;
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
    /// posts are passed over unread: what was told of them before the export began is in it.
    pub(crate) fn backlog(&self, ends: Positions) -> BoxStream<'static, anyhow::Result<Piece>> {
        let bus = self.bus.clone();
        let first = (0, Positions::default());
        stream::try_unfold(first, move |(mut topic, mut from)| {
            let (bus, ends) = (bus.clone(), ends.clone());
            async move {
                while let Some(name) = TOPICS.get(topic) {
                    let page = if covers(&from, &ends, name) {
                        Vec::new()
                    } else {
                        bus.read(name, &from, MESSAGES).await?
                    };
                    if !page.is_empty() {
                        page.iter().for_each(|one| from.pass(one));
                        return Ok(Some((piece(&page, &ends), (topic, from))));
                    }
                    topic += 1;
                }
                Ok(None)
            }
        })
        .boxed()
    }

    /// How many messages the bus keeps.
    pub(crate) async fn kept(&self) -> anyhow::Result<u64> {
        let mut kept = 0;
        for topic in TOPICS {
            kept += self.bus.kept(topic).await?.unsigned_abs();
        }
        Ok(kept)
    }
}

fn covers(from: &Positions, ends: &Positions, topic: &str) -> bool {
    let mut ends = ends.iter().filter(|(of, _, _)| *of == topic);
    ends.all(|(_, partition, end)| from.next(topic, partition) >= end)
}

fn piece(page: &[Delivered], ends: &Positions) -> Piece {
    let before = |one: &&Delivered| one.offset < ends.next(&one.record.topic, one.partition);
    let page: Vec<_> = page.iter().filter(before).collect();
    // What cannot be read is among the dead letters, or will be when it comes by.
    let told = page.iter().copied().filter(|one| !is_ours(one));
    let changes = told
        .filter_map(|one| read(one).ok())
        .flat_map(|(before, change)| before.into_iter().chain([change]))
        .collect();
    let mut read: Vec<(Mark, DateTime<Utc>)> = Vec::new();
    for one in &page {
        let mark = mark(one);
        read.retain(|(before, _)| before.partition != mark.partition);
        read.push((mark, one.at));
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
