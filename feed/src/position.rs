//! Where an item stands: newest first, and among equal times the greater id first (spec/feed.md rule 10).

use chrono::{DateTime, SubsecRound, Utc};
use contracts::PostId;
use http::StatusCode;
use kit::page::Cursor;
use kit::problem::Problem;

/// The place of an item in every timeline it is on. Greater is newer; an edit never changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Publish time, whole microseconds, as the owner orders by it.
    pub at: DateTime<Utc>,
    /// Decides between equal times.
    pub id: PostId,
}

/// Ids end here: a cursor at this id is above every item of its time.
const LAST_ID: PostId = PostId([0xff; 12]);
/// 9999-12-31T23:59:59Z, later than anything published.
const FAR: i64 = 253_402_300_799;

impl Position {
    /// The place of `id` at `at`.
    #[must_use]
    pub fn new(at: DateTime<Utc>, id: PostId) -> Self {
        Self {
            at: at.trunc_subsecs(6),
            id,
        }
    }

    /// Above every item there is or will be: where a first page that held pinned items only goes on.
    #[must_use]
    pub fn top() -> Self {
        Self {
            at: DateTime::from_timestamp(FAR, 0).expect("a constant within chrono's range"),
            id: LAST_ID,
        }
    }

    /// The least place at or after `at`.
    #[must_use]
    pub fn first_at(at: DateTime<Utc>) -> Self {
        // A bound between two microseconds is rounded up, as the owner's comparison of whole microseconds does.
        let whole = at.trunc_subsecs(6);
        let up = if whole < at {
            whole + chrono::TimeDelta::microseconds(1)
        } else {
            whole
        };
        Self {
            at: up,
            id: PostId([0; 12]),
        }
    }

    /// The cursor that goes on after this place. It holds time and id only, so that the owner understands it too and it
    /// outlives a rebuild.
    #[must_use]
    pub fn cursor(&self) -> String {
        Cursor {
            at: self.at,
            id: self.id.0.to_vec(),
        }
        .encode()
    }

    /// Reads a client's cursor.
    ///
    /// # Errors
    /// 400 `bad_cursor`: damaged, or not a place in a stream of posts.
    pub fn from_cursor(text: &str) -> Result<Self, Problem> {
        let cursor = Cursor::decode(text)?;
        let id = cursor.id.as_slice().try_into();
        let id = id.map_err(|_| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "bad_cursor",
                "The cursor is of another list",
            )
        })?;
        Ok(Self {
            at: cursor.at,
            id: PostId(id),
        })
    }
}
