//! Reading: what is in reach is part of the query, and a page reads as many index entries as it shows.

use std::fmt::Write as _;

use backends::db::Db;
use chrono::{DateTime, Utc};
use contracts::PostId;

use super::rows::{COLUMNS, Row};
use crate::audience::Reader;
use crate::error::Error;
use crate::model::Post;
use crate::store::keys::{Selection, reach};
use crate::store::{PageQuery, Posts, Start};

/// More keys than this share one branch of the query, which is right but sorts what it finds; SQLite takes 500 branches.
const BRANCHES: usize = 200;

pub(super) async fn find(
    db: &Db,
    id: PostId,
    reader: Option<&Reader>,
) -> Result<Option<Post>, Error> {
    let mut sql = Sql::default();
    let text = find_sql(&mut sql, id, reader);
    sql.query(db, text)
        .optional::<Row>()
        .await?
        .map(Post::try_from)
        .transpose()
}

fn find_sql(sql: &mut Sql, id: PostId, reader: Option<&Reader>) -> String {
    let id = sql.bind(Value::Id(id.0.to_vec()));
    let mut text =
        format!("SELECT {COLUMNS} FROM posts WHERE posts.id = {id} AND posts.state = 'published'");
    if let Some(reader) = reader {
        let keys = sql.keys(&reach(reader));
        let _ = write!(
            text,
            " AND EXISTS (SELECT 1 FROM post_keys AS k WHERE k.key IN ({keys}) AND k.published_at = posts.published_at AND k.post_id = posts.id)"
        );
    }
    text
}

pub(super) async fn page(db: &Db, query: &PageQuery) -> Result<Posts, Error> {
    let (sql, text) = page_sql(query);
    let limit = query.limit as usize;
    let mut items: Vec<Post> = sql
        .query(db, text)
        .all::<Row>()
        .await?
        .into_iter()
        .map(Post::try_from)
        .collect::<Result<_, _>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    Ok(Posts { items, more })
}

/// The query of a page with one post more than asked for, which says whether another page follows.
pub(super) fn page_sql(query: &PageQuery) -> (Sql, String) {
    let Selection { driver, also } = Selection::of(&query.reader, &query.filters);
    let mut sql = Sql::default();
    let mut bounds = String::new();
    let skip = match &query.start {
        Start::After(cursor) => {
            let (at, id) = (
                sql.bind(Value::Time(cursor.at)),
                sql.bind(Value::Id(cursor.id.clone())),
            );
            let _ = write!(bounds, " AND (k.published_at, k.post_id) < ({at}, {id})");
            0
        }
        Start::Skip(skip) => i64::from(*skip),
    };
    if let Some(from) = query.filters.from {
        let _ = write!(
            bounds,
            " AND k.published_at >= {}",
            sql.bind(Value::Time(from))
        );
    }
    if let Some(to) = query.filters.to {
        let _ = write!(
            bounds,
            " AND k.published_at < {}",
            sql.bind(Value::Time(to))
        );
    }
    for keys in &also {
        let keys = sql.keys(keys);
        let _ = write!(
            bounds,
            " AND EXISTS (SELECT 1 FROM post_keys AS a WHERE a.key IN ({keys}) AND a.published_at = k.published_at AND a.post_id = k.post_id)"
        );
    }
    let wanted = i64::from(query.limit) + 1;
    let (reached, wanted, skip) = (
        sql.bind(Value::Number(skip + wanted)),
        sql.bind(Value::Number(wanted)),
        sql.bind(Value::Number(skip)),
    );
    let (single, rest) = driver.split_at(driver.len().min(BRANCHES));
    let rest = Some(rest).filter(|rest| !rest.is_empty() || single.is_empty());
    let groups = single.chunks(1).chain(rest);
    let branches: Vec<_> = groups
        .enumerate()
        .map(|(i, keys)| {
            // One key is compared and not listed, so that its entries come in their order.
            let keys = if let [key] = keys { format!("= {}", sql.key(key)) } else { format!("IN ({})", sql.keys(keys)) };
            format!(
                "SELECT * FROM (SELECT k.published_at, k.post_id FROM post_keys AS k WHERE k.key {keys}{bounds} \
                 ORDER BY k.published_at DESC, k.post_id DESC LIMIT {reached}) AS b{i}"
            )
        })
        .collect();
    // UNION, not UNION ALL: a post of several audiences of the reader is one post.
    let text = format!(
        "SELECT {COLUMNS} FROM ({} ORDER BY published_at DESC, post_id DESC LIMIT {wanted} OFFSET {skip}) AS page \
         JOIN posts ON posts.id = page.post_id ORDER BY page.published_at DESC, page.post_id DESC",
        branches.join(" UNION ")
    );
    (sql, text)
}

/// Values in the order in which they are bound.
#[derive(Default)]
pub(super) struct Sql {
    values: Vec<Value>,
}

pub(super) enum Value {
    Id(Vec<u8>),
    Time(DateTime<Utc>),
    Number(i64),
    Key(String),
}

impl Sql {
    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    fn key(&mut self, key: &str) -> String {
        self.bind(Value::Key(key.to_owned()))
    }

    /// The list of keys; an empty one is NULL, which nothing equals.
    fn keys(&mut self, keys: &[String]) -> String {
        if keys.is_empty() {
            return "NULL".to_owned();
        }
        keys.iter()
            .map(|key| self.key(key))
            .collect::<Vec<_>>()
            .join(", ")
    }

    pub(super) fn query<'d>(self, db: &'d Db, text: String) -> backends::db::Query<'d> {
        let query = db.query(sqlx::AssertSqlSafe(text));
        self.values
            .into_iter()
            .fold(query, |query, value| match value {
                Value::Id(value) => query.bind(value),
                Value::Time(value) => query.bind(value),
                Value::Number(value) => query.bind(value),
                Value::Key(value) => query.bind(value),
            })
    }
}

#[cfg(test)]
mod tests {
    use backends::testing::TestDb;
    use contracts::clients::PageFilters;
    use contracts::{Audience, Role, UserId};
    use kit::clock::MockClock;
    use kit::ids::SeededIds;
    use kit::page::Cursor;

    use super::*;
    use crate::store::SqlStore;

    async fn database() -> TestDb {
        let (db, clock) = (backends::testing::sqlite().await, MockClock::default());
        SqlStore::open(
            (*db).clone(),
            clock.shared(),
            SeededIds::shared(1, clock.shared()),
        )
        .await
        .unwrap();
        db
    }

    async fn plan(db: &Db, sql: Sql, text: String) -> Vec<String> {
        let rows: Vec<(i64, i64, i64, String)> = sql
            .query(db, format!("EXPLAIN QUERY PLAN {text}"))
            .all()
            .await
            .unwrap();
        rows.into_iter().map(|(_, _, _, detail)| detail).collect()
    }

    fn query(filters: PageFilters) -> PageQuery {
        PageQuery {
            reader: Reader {
                user: Some(UserId(7)),
                audiences: vec![Audience::School, Audience::Role(Role::Member)],
            },
            filters,
            start: Start::After(Cursor {
                at: DateTime::UNIX_EPOCH,
                id: vec![0; 12],
            }),
            limit: 20,
        }
    }

    #[tokio::test]
    async fn a_page_seeks_into_the_index_of_each_audience_and_scans_nothing() {
        let db = database().await;
        for filters in [
            PageFilters::default(),
            PageFilters {
                user_id: Some(UserId(1)),
                ..PageFilters::default()
            },
            PageFilters {
                tag: Some("zoo".to_owned()),
                ..PageFilters::default()
            },
            PageFilters {
                audience: Some(Audience::School),
                ..PageFilters::default()
            },
            PageFilters {
                from: Some(DateTime::UNIX_EPOCH),
                ..PageFilters::default()
            },
        ] {
            let (sql, text) = page_sql(&query(filters.clone()));
            let plan = plan(&db, sql, text).await;
            let branches: Vec<_> = plan
                .iter()
                .filter(|step| step.starts_with("SEARCH k "))
                .collect();
            assert!(!branches.is_empty(), "{filters:?}: {plan:#?}");
            for step in branches {
                assert!(
                    step.contains("COVERING INDEX sqlite_autoindex_post_keys_1 (key=? AND "),
                    "{filters:?}: {step}"
                );
            }
            let scans: Vec<_> = plan
                .iter()
                .filter(|step| {
                    step.starts_with("SCAN") && (step.contains("posts") || step.contains(" k"))
                })
                .collect();
            assert!(scans.is_empty(), "{filters:?}: {scans:?}");
            assert!(
                plan.iter().any(|step| step
                    .starts_with("SEARCH posts USING INDEX sqlite_autoindex_posts_1 (id=?)")),
                "{plan:#?}"
            );
        }
    }

    #[tokio::test]
    async fn reading_one_post_looks_up_its_row_and_its_keys() {
        let db = database().await;
        let mut sql = Sql::default();
        let text = find_sql(
            &mut sql,
            PostId([0; 12]),
            Some(&query(PageFilters::default()).reader),
        );
        let plan = plan(&db, sql, text).await;
        assert!(
            plan.iter()
                .any(|step| step.contains("posts USING INDEX sqlite_autoindex_posts_1 (id=?)")),
            "{plan:#?}"
        );
        let keys = "USING COVERING INDEX sqlite_autoindex_post_keys_1 (key=? AND published_at=? AND post_id=?)";
        assert!(plan.iter().any(|step| step.contains(keys)), "{plan:#?}");
    }
}
