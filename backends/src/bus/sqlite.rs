//! The embedded event log: one SQLite file.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use async_trait::async_trait;
use kit::{clock::SharedClock, service::Worker};
use sqlx::types::Json;
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    Again, Bus, BusError, Delivered, Positions, Record, Republished, Retention, Start,
    Subscription, TopicPolicy, again, dead_letters, not_letters, of_dead_letters, retention,
    subscription::{Reader, Row},
};
use crate::db::{Db, DbOptions, Tx};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./bus-migrations");

/// Dead letters wait this long for an operator.
const DEAD_LETTER_DAYS: i64 = 30;

/// The log, shared with its subscriptions.
#[derive(Clone, Debug)]
pub(super) struct SqliteBus {
    pub(super) db: Db,
    clock: SharedClock,
    /// Counts up with every publish in this process.
    published: Arc<watch::Sender<u64>>,
}

impl SqliteBus {
    pub(super) async fn open(
        path: &Path,
        clock: SharedClock,
        options: DbOptions,
    ) -> Result<SqliteBus, BusError> {
        let options = DbOptions {
            shrinks: true,
            ..options
        };
        let db = Db::open(&format!("sqlite:{}", path.display()), options).await?;
        db.migrate_only(&MIGRATIONS).await?;
        Ok(SqliteBus {
            db,
            clock,
            published: Arc::new(watch::Sender::new(0)),
        })
    }

    /// Appends the records in order. With `once`, that decides whether the record was taken before, and not its event id.
    pub(super) async fn append(
        &self,
        tx: &mut Tx,
        records: &[(&Record, Option<Uuid>)],
    ) -> Result<(), BusError> {
        let mut next = BTreeMap::new();
        for name in records
            .iter()
            .map(|(record, _)| record.topic.as_str())
            .collect::<BTreeSet<_>>()
        {
            let end = end_of(tx.query("SELECT next FROM topics WHERE name = $1"), name).await?;
            next.insert(name, end);
        }
        let at = self.clock.now();
        for (record, once) in records {
            let end = next.entry(record.topic.as_str()).or_default();
            let taken = tx
                .query(
                    "INSERT INTO log (topic, \"offset\", event_id, key, payload, headers, at, shown_id) \
                     SELECT $1, $2, $3, $4, $5, $6, $7, $8 \
                     WHERE NOT EXISTS (SELECT 1 FROM taken WHERE topic = $1 AND event_id = $3) \
                     ON CONFLICT (topic, event_id) DO NOTHING",
                )
                .bind(record.topic.clone())
                .bind(*end)
                .bind(once.or(record.event_id))
                .bind(record.key.clone())
                .bind(record.payload.to_vec())
                .bind(Json(record.headers.clone()))
                .bind(at)
                .bind(once.map(|_| record.event_id.unwrap_or_default()))
                .execute()
                .await?;
            *end += i64::from(taken == 1);
        }
        for (name, end) in next {
            tx.query("UPDATE topics SET next = $2 WHERE name = $1")
                .bind(name.to_owned())
                .bind(end)
                .execute()
                .await?;
        }
        Ok(())
    }

    /// Where a subscription to `topic` begins. Never before the earliest record kept, so that positions reach the end
    /// of a topic whose old records are gone.
    async fn begin_of(&self, group: &str, topic: &str, start: &Start) -> Result<i64, BusError> {
        let end = end_of(
            self.db.query("SELECT next FROM topics WHERE name = $1"),
            topic,
        )
        .await?;
        let earliest: Option<i64> = self
            .db
            .query("SELECT MIN(\"offset\") FROM log WHERE topic = $1")
            .bind(topic.to_owned())
            .scalar()
            .await?;
        let wanted = match start {
            Start::Earliest => None,
            Start::Alone(positions) => positions.get(topic, 0),
            Start::At(positions) if positions.get(topic, 0).is_some() => positions.get(topic, 0),
            Start::At(_) | Start::Committed => self
                .db
                .query("SELECT next FROM consumer_offsets WHERE bus_group = $1 AND topic = $2 AND partition = 0")
                .bind(group.to_owned())
                .bind(topic.to_owned())
                .optional::<(i64,)>()
                .await?
                .map(|row| row.0),
        };
        // beyond the end is a place of another log: of this one nothing was read
        let wanted = wanted.filter(|next| *next <= end).unwrap_or(0);
        Ok(wanted.max(earliest.unwrap_or(end)))
    }
}

async fn end_of(query: crate::db::Query<'_>, topic: &str) -> Result<i64, BusError> {
    let row: Option<(i64,)> = query.bind(topic.to_owned()).optional().await?;
    row.map(|row| row.0)
        .ok_or_else(|| BusError::UnknownTopic(topic.to_owned()))
}

#[async_trait]
impl Bus for SqliteBus {
    async fn ensure(&self, topics: &[TopicPolicy]) -> Result<(), BusError> {
        let mut tx = self.db.begin().await?;
        for topic in topics {
            let keep = match topic.retention {
                Retention::Days(days) => Some(i64::from(days)),
                Retention::Compacted => None,
            };
            for (name, keep) in [
                (topic.name.to_owned(), keep),
                (dead_letters(topic.name), Some(DEAD_LETTER_DAYS)),
            ] {
                tx.query(
                    "INSERT INTO topics (name, keep_days, next) VALUES ($1, $2, 0) \
                     ON CONFLICT (name) DO UPDATE SET keep_days = excluded.keep_days",
                )
                .bind(name)
                .bind(keep)
                .execute()
                .await?;
            }
        }
        Ok(tx.commit().await?)
    }

    async fn publish(&self, records: Vec<Record>) -> Result<(), BusError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        let records: Vec<_> = records.iter().map(|record| (record, None)).collect();
        self.append(&mut tx, &records).await?;
        tx.commit().await?;
        self.published.send_modify(|count| *count += 1);
        Ok(())
    }

    async fn republish(&self, records: Vec<Again>) -> Result<Vec<Republished>, BusError> {
        let mut tx = self.db.begin().await?;
        let mut results = Vec::with_capacity(records.len());
        for record in &records {
            results.push(again::append(self, &mut tx, record).await?);
        }
        tx.commit().await?;
        self.published.send_modify(|count| *count += 1);
        Ok(results)
    }

    async fn topics(&self) -> Result<Vec<String>, BusError> {
        let names: Vec<(String,)> = self
            .db
            .query("SELECT name FROM topics ORDER BY name")
            .all()
            .await?;
        Ok(names.into_iter().map(|(name,)| name).collect())
    }

    async fn read(
        &self,
        topic: &str,
        from: &Positions,
        limit: usize,
    ) -> Result<Vec<Delivered>, BusError> {
        end_of(
            self.db.query("SELECT next FROM topics WHERE name = $1"),
            topic,
        )
        .await?;
        Ok(Row::read(&self.db, topic, from.next(topic, 0), limit as i64).await?)
    }

    async fn kept(&self, topic: &str) -> Result<i64, BusError> {
        Ok(self
            .db
            .query("SELECT COUNT(*) FROM log WHERE topic = $1")
            .bind(topic.to_owned())
            .scalar()
            .await?)
    }

    async fn remove(&self, topic: &str, offsets: &[i64]) -> Result<u64, BusError> {
        if of_dead_letters(topic).is_none() {
            return Err(not_letters(topic));
        }
        let mut tx = self.db.begin().await?;
        let mut removed = 0;
        for offset in offsets {
            removed += tx
                .query("DELETE FROM log WHERE topic = $1 AND \"offset\" = $2")
                .bind(topic.to_owned())
                .bind(*offset)
                .execute()
                .await?;
        }
        tx.commit().await?;
        Ok(removed)
    }

    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
        start: Start,
    ) -> Result<Box<dyn Subscription>, BusError> {
        let mut positions = Positions::default();
        for topic in topics {
            positions.set(topic, 0, self.begin_of(group, topic, &start).await?);
        }
        let group = (!matches!(start, Start::Alone(_))).then(|| group.to_owned());
        Ok(Box::new(Reader::new(
            self.db.clone(),
            group,
            positions,
            self.published.subscribe(),
        )))
    }

    async fn ends(&self, topics: &[&str]) -> Result<Positions, BusError> {
        let mut ends = Positions::default();
        for topic in topics {
            ends.set(
                topic,
                0,
                end_of(
                    self.db.query("SELECT next FROM topics WHERE name = $1"),
                    topic,
                )
                .await?,
            );
        }
        Ok(ends)
    }

    async fn check(&self) -> Result<(), BusError> {
        Ok(self.db.check().await?)
    }

    fn workers(&self) -> Vec<Worker> {
        vec![retention::worker(self.db.clone(), self.clock.clone())]
    }
}
