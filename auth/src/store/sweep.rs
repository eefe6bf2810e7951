//! What is over is removed, and what was only noted in memory is written down.

use backends::db;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Store;

/// Ended sessions are kept this long, for "who was that" questions.
const KEEP_ENDED: TimeDelta = TimeDelta::days(30);
/// The longest life of an access token: a session without refresh tokens may still be in use so long.
const LONGEST_ACCESS: TimeDelta = TimeDelta::days(1);
/// Counters of failed logins mean nothing after the longest lock and the window.
const KEEP_FAILURES: TimeDelta = TimeDelta::hours(2);

/// What a sweep removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Sessions.
    pub sessions: usize,
    /// Refresh tokens, those of removed sessions not counted.
    pub tokens: u64,
}

impl Store {
    /// Removes refresh tokens and sessions that are over, links that have expired, and counters that mean nothing any more.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep(&self) -> Result<Swept, db::Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let tokens = tx
            .query("DELETE FROM refresh_tokens WHERE expires_at < $1")
            .bind(now)
            .execute()
            .await?;
        let gone: Vec<(Uuid,)> = tx
            .query(
                "DELETE FROM sessions WHERE absolute_expiry < $1 OR revoked_at < $2 OR (revoked_at IS NULL AND last_seen_at < $3 AND created_at < $3 \
                 AND NOT EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.session_id = sessions.id)) RETURNING id",
            )
            .bind(now)
            .bind(now - KEEP_ENDED)
            .bind(now - LONGEST_ACCESS)
            .all()
            .await?;
        tx.query("DELETE FROM login_failures WHERE window_start < $1 AND (locked_until IS NULL OR locked_until < $1)")
            .bind(now - KEEP_FAILURES)
            .execute()
            .await?;
        tx.query("DELETE FROM links WHERE expires_at < $1")
            .bind(now)
            .execute()
            .await?;
        tx.commit().await?;
        let gone: Vec<Uuid> = gone.into_iter().map(|row| row.0).collect();
        self.memory.forget(&gone);
        Ok(Swept {
            sessions: gone.len(),
            tokens,
        })
    }

    /// Writes down when sessions were last used. May be lost in a crash: it is for show.
    ///
    /// # Errors
    /// The store's.
    pub async fn write_last_seen(&self) -> Result<usize, db::Error> {
        let seen: Vec<(Uuid, DateTime<Utc>)> = self.memory.take_seen();
        // short transactions: others wait for the writer
        for some in seen.chunks(200) {
            let mut tx = self.db.begin().await?;
            for (id, at) in some {
                tx.query(
                    "UPDATE sessions SET last_seen_at = $1 WHERE id = $2 AND last_seen_at < $1",
                )
                .bind(*at)
                .bind(*id)
                .execute()
                .await?;
            }
            tx.commit_relaxed().await?;
        }
        Ok(seen.len())
    }
}
