//! Everything there is, in pieces, for rebuilds.

use backends::db::Db;
use chrono::{DateTime, Utc};
use contracts::PostId;
use contracts::clients::{ExportRow, Tombstone};
use kit::page::Cursor;

use super::rows::{self, COLUMNS, Row};
use crate::error::Error;
use crate::model::Post;
use crate::store::Part;

pub(super) async fn export(
    db: &Db,
    part: Part,
    after: Option<Cursor>,
    limit: u32,
) -> Result<Vec<(ExportRow, Cursor)>, Error> {
    match part {
        Part::Published => published(db, after, limit).await,
        Part::Deleted => deleted(db, after, limit).await,
        Part::ById => by_id(db, after, limit).await,
    }
}

pub(super) async fn place(db: &Db, id: PostId) -> Result<Option<Cursor>, Error> {
    let row: Option<(DateTime<Utc>,)> = db
        .query("SELECT published_at FROM posts WHERE id = $1")
        .bind(id.0.to_vec())
        .optional()
        .await?;
    Ok(row.map(|(at,)| Cursor {
        at,
        id: id.0.to_vec(),
    }))
}

/// Above every place: time and id are compared, and no id is longer than 12 bytes.
fn top() -> Cursor {
    Cursor {
        at: END_OF_TIME,
        id: vec![0xff; 12],
    }
}

/// A time no clock of ours shows and both databases keep.
const END_OF_TIME: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(time) => time,
    None => panic!("the last second of the year 9999"),
};

async fn published(
    db: &Db,
    after: Option<Cursor>,
    limit: u32,
) -> Result<Vec<(ExportRow, Cursor)>, Error> {
    let after = after.unwrap_or_else(top);
    let sql = format!(
        "SELECT {COLUMNS} FROM posts WHERE state = 'published' AND (published_at, id) < ($1, $2) ORDER BY published_at DESC, id DESC LIMIT $3"
    );
    let rows: Vec<Row> = db
        .query(sqlx::AssertSqlSafe(sql))
        .bind(after.at)
        .bind(after.id)
        .bind(i64::from(limit))
        .all()
        .await?;
    rows.into_iter()
        .map(|row| {
            let post = Post::try_from(row)?;
            let place = Cursor {
                at: post.published_at,
                id: post.id.0.to_vec(),
            };
            Ok((ExportRow::Post(post.state()), place))
        })
        .collect()
}

type Gone = (Vec<u8>, i64, DateTime<Utc>);

fn tombstone((id, version, deleted_at): Gone) -> Result<(ExportRow, Cursor), Error> {
    let tombstone = Tombstone {
        id: rows::id(&id)?,
        version,
        deleted_at,
    };
    Ok((
        ExportRow::Tombstone(tombstone),
        Cursor { at: deleted_at, id },
    ))
}

async fn deleted(
    db: &Db,
    after: Option<Cursor>,
    limit: u32,
) -> Result<Vec<(ExportRow, Cursor)>, Error> {
    let after = after.unwrap_or_else(top);
    let rows: Vec<Gone> = db
        .query(
            "SELECT id, version, deleted_at FROM posts WHERE state = 'deleted' AND (deleted_at, id) < ($1, $2) \
             ORDER BY deleted_at DESC, id DESC LIMIT $3",
        )
        .bind(after.at)
        .bind(after.id)
        .bind(i64::from(limit))
        .all()
        .await?;
    rows.into_iter().map(tombstone).collect()
}

/// Two reads over one range of ids, because a tombstone is not read as a post.
async fn by_id(
    db: &Db,
    after: Option<Cursor>,
    limit: u32,
) -> Result<Vec<(ExportRow, Cursor)>, Error> {
    let after = after.map_or_else(Vec::new, |after| after.id);
    let ids: Vec<(Vec<u8>,)> = db
        .query("SELECT id FROM posts WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after.clone())
        .bind(i64::from(limit))
        .all()
        .await?;
    let Some((last,)) = ids.last() else {
        return Ok(Vec::new());
    };
    let sql =
        format!("SELECT {COLUMNS} FROM posts WHERE id > $1 AND id <= $2 AND state = 'published'");
    let posts: Vec<Row> = db
        .query(sqlx::AssertSqlSafe(sql))
        .bind(after.clone())
        .bind(last.clone())
        .all()
        .await?;
    let gone: Vec<Gone> = db
        .query("SELECT id, version, deleted_at FROM posts WHERE id > $1 AND id <= $2 AND state = 'deleted'")
        .bind(after)
        .bind(last.clone())
        .all()
        .await?;
    let posts = posts.into_iter().map(|row| {
        let post = Post::try_from(row)?;
        let place = Cursor {
            at: post.published_at,
            id: post.id.0.to_vec(),
        };
        Ok((ExportRow::Post(post.state()), place))
    });
    let mut rows: Vec<_> = posts
        .chain(gone.into_iter().map(tombstone))
        .collect::<Result<_, Error>>()?;
    // Stable: of a post deleted between the two reads the tombstone comes last.
    rows.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
    Ok(rows)
}
