//! Publishing a record again that the log has taken before.

use uuid::Uuid;

use super::{BusError, Record, sqlite::SqliteBus};
use crate::db::Tx;

/// A record that goes out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// Decides in place of the event id whether this was taken before: the same attempt, repeated after a crash, is taken
    /// once where the bus can tell (Kafka cannot), and the next attempt has another.
    pub once: Uuid,
    /// Partition and offset of the record in its topic the first time, if known.
    pub first: Option<(i32, i64)>,
    /// The record, with its own event id.
    pub record: Record,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Republished {
    /// It is in the log again.
    Appended,
    /// It is not, since its topic is compacted and has newer state of its key: behind that, the old state would be the one
    /// that stays.
    Superseded,
}

pub(super) async fn append(
    bus: &SqliteBus,
    tx: &mut Tx,
    again: &Again,
) -> Result<Republished, BusError> {
    let Again {
        once,
        first,
        record,
    } = again;
    let superseded: bool = tx
        .query(
            "SELECT EXISTS (SELECT 1 FROM topics WHERE name = $1 AND keep_days IS NULL) \
             AND NOT EXISTS (SELECT 1 FROM log WHERE topic = $1 AND event_id = $4) \
             AND NOT EXISTS (SELECT 1 FROM taken WHERE topic = $1 AND event_id = $4) \
             AND (EXISTS (SELECT 1 FROM newest WHERE topic = $1 AND key = $2 AND \"offset\" > $3) \
               OR EXISTS (SELECT 1 FROM log WHERE topic = $1 AND key = $2 AND \"offset\" > $3 \
                 AND \"offset\" >= (SELECT compacted FROM topics WHERE name = $1)))",
        )
        .bind(record.topic.clone())
        .bind(record.key.clone())
        .bind(first.map_or(-1, |(_, offset)| offset))
        .bind(*once)
        .scalar()
        .await?;
    if superseded {
        return Ok(Republished::Superseded);
    }
    bus.append(tx, &[(record, Some(*once))]).await?;
    Ok(Republished::Appended)
}
