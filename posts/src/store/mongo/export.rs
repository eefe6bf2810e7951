//! Everything there is, in pieces, for rebuilds.

use contracts::clients::ExportRow;
use futures_util::TryStreamExt;
use kit::page::Cursor;
use mongodb::bson::{Document, doc};

use super::documents::{self, state};
use super::error::within_long;
use super::{MongoStore, place};
use crate::error::Error;
use crate::store::Part;

pub(super) async fn export(
    store: &MongoStore,
    part: Part,
    after: Option<Cursor>,
    limit: u32,
) -> Result<Vec<(ExportRow, Cursor)>, Error> {
    let newest = |wanted: &str, field: &str| {
        let mut filter = doc! { "state": wanted };
        if let Some(after) = &after {
            filter.extend(place::below(field, after));
        }
        (filter, doc! { field: -1, "_id": -1 })
    };
    let (filter, order) = match part {
        Part::Published => newest(state::PUBLISHED, "published_at"),
        Part::Deleted => newest(state::DELETED, "deleted_at"),
        Part::ById => {
            let mut filter = after
                .as_ref()
                .map_or_else(Document::new, |after| place::above(&after.id));
            filter.insert("state", doc! { "$in": [state::PUBLISHED, state::DELETED] });
            (filter, doc! { "_id": 1 })
        }
    };
    let found: Vec<Document> = within_long(async {
        store
            .posts()
            .find(filter)
            .projection(documents::without_cargo())
            .sort(order)
            .limit(i64::from(limit))
            // Else the server sends a hundred of them, and is asked for the others.
            .batch_size(limit)
            .await?
            .try_collect()
            .await
    })
    .await?;
    let rows: Vec<_> = found
        .into_iter()
        .map(documents::read)
        .collect::<Result<_, _>>()?;
    Ok(rows
        .into_iter()
        .filter_map(documents::Stands::exported)
        .collect())
}
