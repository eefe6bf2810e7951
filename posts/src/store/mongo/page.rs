//! Reading: what is in reach is part of the query. Only a published post has keys, so a page reads one index.

use contracts::PostId;
use futures_util::TryStreamExt;
use kit::page::Cursor;
use mongodb::bson::{Document, doc};

use super::documents::{self, object_id, read_published, state};
use super::error::within;
use super::{MongoStore, place};
use crate::audience::Reader;
use crate::error::Error;
use crate::model::Post;
use crate::store::keys::{Selection, reach};
use crate::store::{PageQuery, Posts, Start};

pub(super) async fn find(
    store: &MongoStore,
    id: PostId,
    reader: Option<&Reader>,
) -> Result<Option<Post>, Error> {
    let mut filter = doc! { "_id": object_id(id), "state": state::PUBLISHED };
    if let Some(reader) = reader {
        filter.insert("keys", doc! { "$in": reach(reader) });
    }
    let found = within(
        store
            .posts()
            .find_one(filter)
            .projection(documents::without_cargo()),
    )
    .await?;
    found.map(read_published).transpose()
}

/// A page, and one post more than asked for, which says whether another page follows.
pub(super) async fn page(store: &MongoStore, query: &PageQuery) -> Result<Posts, Error> {
    let skip = match query.start {
        Start::After(_) => 0,
        Start::Skip(skip) => u64::from(skip),
    };
    let limit = query.limit as usize;
    let found: Vec<Document> = within(async {
        store
            .posts()
            .find(filter(query))
            .projection(documents::without_cargo())
            .sort(doc! { "published_at": -1, "_id": -1 })
            .skip(skip)
            .limit(i64::from(query.limit) + 1)
            .await?
            .try_collect()
            .await
    })
    .await?;
    let more = found.len() > limit;
    let items = found
        .into_iter()
        .take(limit)
        .map(read_published)
        .collect::<Result<_, _>>()?;
    Ok(Posts { items, more })
}

fn filter(query: &PageQuery) -> Document {
    let Selection { driver, also } = Selection::of(&query.reader, &query.filters);
    let mut all = vec![one_of(driver)];
    all.extend(also.into_iter().map(one_of));
    if let Start::After(cursor) = &query.start {
        all.push(place::below("published_at", cursor));
    }
    let bounds = [("$gte", query.filters.from), ("$lt", query.filters.to)];
    for (operator, bound) in bounds {
        if let Some(bound) = bound {
            all.push(doc! { "published_at": { operator: bound.timestamp_micros() } });
        }
    }
    doc! { "$and": all }
}

/// A single key is compared and not listed, so that its entries come in their order on every server.
fn one_of(mut keys: Vec<String>) -> Document {
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => doc! { "keys": key },
        (Some(key), false) => {
            keys.push(key);
            doc! { "keys": { "$in": keys } }
        }
        (None, _) => doc! { "keys": { "$in": keys } },
    }
}

/// The place of a post among the published ones, also of one that is deleted since.
pub(super) async fn place(store: &MongoStore, id: PostId) -> Result<Option<Cursor>, Error> {
    let known = doc! {
        "_id": object_id(id),
        "state": { "$in": [state::PUBLISHED, state::DELETED] },
    };
    let found = within(
        store
            .posts()
            .find_one(known)
            .projection(doc! { "published_at": 1 }),
    )
    .await?;
    let Some(found) = found else {
        return Ok(None);
    };
    let at = found
        .get_i64("published_at")
        .map_err(|_| super::error::unreadable("published_at"))?;
    Ok(Some(Cursor {
        at: documents::time(at)?,
        id: id.0.to_vec(),
    }))
}
