//! A reader of the embedded log.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::types::Json;
use tokio::sync::watch;
use uuid::Uuid;

use super::{BusError, Delivered, Positions, Record, Subscription};
use crate::db::{Db, Error};

/// Read ahead per topic.
const PREFETCH: i64 = 256;
/// A publish in this process wakes the reader; one by another process is seen within this.
const POLL: Duration = Duration::from_millis(500);

/// One subscription; holds what it read ahead.
pub(super) struct Reader {
    db: Db,
    /// None: it reads alone.
    group: Option<String>,
    start: Positions,
    /// What is read next.
    ahead: Positions,
    buffer: VecDeque<Delivered>,
    /// Commits held back.
    pending: Positions,
    published: watch::Receiver<u64>,
    /// Never changes: every record comes by here.
    elsewhere: watch::Sender<Positions>,
}

/// A record as it is stored.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    offset: i64,
    event_id: Option<Uuid>,
    key: Option<String>,
    payload: Vec<u8>,
    headers: Json<BTreeMap<String, String>>,
    at: DateTime<Utc>,
    shown_id: Option<Uuid>,
}

impl Reader {
    pub(super) fn new(
        db: Db,
        group: Option<String>,
        start: Positions,
        published: watch::Receiver<u64>,
    ) -> Reader {
        Reader {
            db,
            group,
            ahead: start.clone(),
            start,
            buffer: VecDeque::new(),
            pending: Positions::default(),
            published,
            elsewhere: watch::Sender::default(),
        }
    }

    async fn fill(&mut self) -> Result<(), Error> {
        let from: Vec<(String, i64)> = self
            .ahead
            .iter()
            .map(|(topic, _, next)| (topic.to_owned(), next))
            .collect();
        for (topic, next) in from {
            let read = Row::read(&self.db, &topic, next, PREFETCH).await?;
            // no await between the read and these lines: a dropped future loses nothing
            if let Some(last) = read.last() {
                self.ahead.set(&topic, 0, last.offset + 1);
            }
            self.buffer.extend(read);
        }
        Ok(())
    }
}

impl Row {
    /// The records of the topic from this offset on.
    pub(super) async fn read(
        db: &Db,
        topic: &str,
        from: i64,
        limit: i64,
    ) -> Result<Vec<Delivered>, Error> {
        let rows: Vec<Row> = db
            .query(
                "SELECT \"offset\", event_id, key, payload, headers, at, shown_id FROM log \
                 WHERE topic = $1 AND \"offset\" >= $2 ORDER BY \"offset\" LIMIT $3",
            )
            .bind(topic.to_owned())
            .bind(from)
            .bind(limit)
            .all()
            .await?;
        Ok(rows.into_iter().map(|row| row.delivered(topic)).collect())
    }

    fn delivered(self, topic: &str) -> Delivered {
        let record = Record {
            topic: topic.to_owned(),
            key: self.key,
            payload: self.payload.into(),
            headers: self.headers.0,
            event_id: match self.shown_id {
                Some(shown) => Some(shown).filter(|id| !id.is_nil()),
                None => self.event_id,
            },
        };
        Delivered {
            record,
            partition: 0,
            offset: self.offset,
            at: self.at,
        }
    }
}

#[async_trait]
impl Subscription for Reader {
    async fn next(&mut self) -> Result<Delivered, BusError> {
        loop {
            if let Some(delivered) = self.buffer.pop_front() {
                return Ok(delivered);
            }
            // seen before the read: a publish after it wakes again
            self.published.borrow_and_update();
            self.fill().await?;
            if self.buffer.is_empty()
                && let Ok(Err(_)) = tokio::time::timeout(POLL, self.published.changed()).await
            {
                // the bus handle is gone, the file is not: only the slow poll is left
                tokio::time::sleep(POLL).await;
            }
        }
    }

    async fn commit(&mut self, delivered: &Delivered) -> Result<(), BusError> {
        self.pending.pass(delivered);
        if self.buffer.is_empty() {
            self.flush().await
        } else {
            Ok(())
        }
    }

    async fn flush(&mut self) -> Result<(), BusError> {
        let Some(group) = &self.group else {
            return Ok(());
        };
        if self.pending == Positions::default() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        for (topic, partition, next) in self.pending.iter() {
            tx.query(
                "INSERT INTO consumer_offsets (bus_group, topic, partition, next) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (bus_group, topic, partition) DO UPDATE SET next = excluded.next",
            )
            .bind(group.clone())
            .bind(topic.to_owned())
            .bind(i64::from(partition))
            .bind(next)
            .execute()
            .await?;
        }
        // A commit forgotten in a power cut means that records are delivered again.
        tx.commit_relaxed().await?;
        self.pending = Positions::default();
        Ok(())
    }

    async fn close(mut self: Box<Self>) -> Result<(), BusError> {
        self.flush().await
    }

    fn start(&self) -> Positions {
        self.start.clone()
    }

    fn elsewhere(&self) -> watch::Receiver<Positions> {
        self.elsewhere.subscribe()
    }
}
