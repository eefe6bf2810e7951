//! The outbox of a relational store: a table, in whose order everything is sent.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, types::Json};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Outbox, Waiting, headers};
use crate::{
    bus::Record,
    db::{Db, Error},
    lease::{self, Claim},
};

const LEASE_NAME: &str = "outbox";

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    topic: String,
    key: String,
    event_id: Uuid,
    event_type: String,
    payload: Vec<u8>,
    headers: Json<BTreeMap<String, String>>,
    at: DateTime<Utc>,
}

impl Row {
    fn into_record(self) -> Record {
        let Json(given) = self.headers;
        Record {
            topic: self.topic,
            key: Some(self.key),
            payload: self.payload.into(),
            headers: headers(given, self.event_id, self.event_type, self.at),
            event_id: Some(self.event_id),
        }
    }
}

#[async_trait]
impl Outbox for Db {
    /// Its number.
    type Place = i64;

    fn store(&self) -> &str {
        self.name()
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.outbox_commits()
    }

    async fn is_empty(&self) -> Result<bool, Error> {
        self.query("SELECT NOT EXISTS (SELECT 1 FROM outbox)")
            .scalar()
            .await
    }

    async fn depth(&self) -> Result<i64, Error> {
        super::depth(self).await
    }

    async fn take(&self, claim: Claim<'_>) -> Result<bool, Error> {
        lease::take(self, LEASE_NAME, claim.holder, claim.duration, claim.now).await
    }

    async fn release(&self, holder: &str) -> Result<(), Error> {
        lease::release(self, LEASE_NAME, holder).await
    }

    async fn oldest(&self, limit: usize) -> Result<Waiting<i64>, Error> {
        let rows: Vec<Row> = self
            .query("SELECT seq, topic, key, event_id, event_type, payload, headers, at FROM outbox ORDER BY seq LIMIT $1")
            .bind(limit as i64)
            .all()
            .await?;
        Ok(Waiting {
            all: rows.len() < limit,
            events: rows
                .into_iter()
                .map(|row| (row.seq, row.into_record()))
                .collect(),
        })
    }

    fn written(&self) -> Vec<(i64, Record)> {
        self.events_written()
    }

    /// The numbers are a sequence: each is given once.
    fn follows(&self, before: &i64, next: &i64) -> bool {
        before.checked_add(1) == Some(*next)
    }

    async fn synced(&self) -> Result<(), Error> {
        Db::synced(self).await
    }

    /// Relaxed: a deletion lost in a power cut means that the events are sent again, and taken once.
    async fn discard(&self, places: &[i64]) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        for chunk in places.chunks(64) {
            // Padded to one length, so that there is one statement to prepare and not 64.
            let slots: Vec<String> = (1..=64).map(|slot| format!("${slot}")).collect();
            let sql = format!("DELETE FROM outbox WHERE seq IN ({})", slots.join(", "));
            let mut query = tx.later(AssertSqlSafe(sql));
            for slot in 0..64 {
                query = query.bind(chunk.get(slot).copied().unwrap_or(-1));
            }
            query.put_off().await?;
        }
        tx.commit_relaxed().await
    }
}
