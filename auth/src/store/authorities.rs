//! Authorities of the deployment's own (see `crate::tls`).

use backends::db;
use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Store, trail::Trace};
use crate::{
    model::Origin,
    tls::{Described, Sealed, Why},
};

/// A row.
#[derive(sqlx::FromRow)]
struct Row {
    generation: i64,
    subject: String,
    certificate: Vec<u8>,
    sealed_key: Vec<u8>,
    sealed_by: String,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl Store {
    /// All of them by generation, with their keys as they are sealed.
    ///
    /// # Errors
    /// The store's.
    pub async fn authorities(&self) -> Result<Vec<(Described, Sealed)>, db::Error> {
        let sql = "SELECT generation, subject, certificate, sealed_key, sealed_by, created_at, expires_at FROM authorities ORDER BY generation";
        let rows: Vec<Row> = self.db.query(sql).all().await?;
        let split = |row: Row| {
            let described = Described {
                generation: row.generation,
                subject: row.subject,
                certificate: row.certificate,
                created_at: row.created_at,
                expires_at: row.expires_at,
            };
            let sealed = Sealed {
                by: row.sealed_by,
                bytes: row.sealed_key,
            };
            (described, sealed)
        };
        Ok(rows.into_iter().map(split).collect())
    }

    /// Adds one, unless its generation is there already: however many try at once, one succeeds, and only that one is
    /// audited.
    ///
    /// # Errors
    /// The store's.
    pub async fn add_authority(
        &self,
        new: &Described,
        key: &Sealed,
        why: Why,
    ) -> Result<bool, db::Error> {
        let mut tx = self.db.begin().await?;
        let added = tx
            .query(
                "INSERT INTO authorities (generation, subject, certificate, sealed_key, sealed_by, created_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (generation) DO NOTHING",
            )
            .bind(new.generation)
            .bind(new.subject.clone())
            .bind(new.certificate.clone())
            .bind(key.bytes.clone())
            .bind(key.by.clone())
            .bind(new.created_at)
            .bind(new.expires_at)
            .execute()
            .await?;
        if added == 0 {
            return Ok(false);
        }
        let trace = Trace {
            action: "internal_ca.created",
            object: format!("internal_ca:{}", new.generation),
            reason: Some(why.reason().to_owned()),
            before: None,
            after: Some(json!({
                "subject": new.subject,
                "expires_at": new.expires_at,
                "sha256": hex::encode(Sha256::digest(&new.certificate)),
            })),
        };
        self.trace(&mut tx, &Origin::default(), new.created_at, trace)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes those before this generation, with their keys.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget_authorities(&self, before: i64) -> Result<(), db::Error> {
        let mut tx = self.db.begin().await?;
        let gone: Vec<(i64,)> = tx
            .query("DELETE FROM authorities WHERE generation < $1 RETURNING generation")
            .bind(before)
            .all()
            .await?;
        for (generation,) in &gone {
            let trace = Trace {
                action: "internal_ca.removed",
                object: format!("internal_ca:{generation}"),
                reason: Some("nothing that it issued is in use".to_owned()),
                before: None,
                after: None,
            };
            self.trace(&mut tx, &Origin::default(), self.clock.now(), trace)
                .await?;
        }
        tx.commit().await
    }
}
