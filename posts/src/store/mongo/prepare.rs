//! What a database needs before the first post: indexes, and a mark of the form its documents have.

use backends::db::Error;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};

use super::carried::{AUDIT, OUTBOX};
use super::error::{kind_of, unless_duplicate, unreadable, within, within_long};
use super::{META, MongoStore, POSTS, audit, idempotency, order, revisions};

/// The form of the documents that this program writes and reads.
const SCHEMA: i64 = 1;

/// Makes what is missing. Safe when several instances start at once, and whenever it is repeated.
pub(super) async fn prepare(store: &MongoStore) -> Result<(), Error> {
    schema(store).await?;
    for (collection, indexes) in indexes() {
        let collection = store.mongo().database.collection::<Document>(collection);
        // One command for each: FerretDB breaks the connection off when several of one command are there already.
        for index in indexes {
            within_long(collection.create_index(index))
                .await
                .map_err(kind_of)?;
        }
    }
    // A turn that was begun and not finished before.
    order::finish(store).await?;
    Ok(())
}

async fn schema(store: &MongoStore) -> Result<(), Error> {
    let meta = store.mongo().database.collection::<Document>(META);
    let own = doc! { "_id": "schema", "version": SCHEMA };
    if unless_duplicate(within(meta.insert_one(own)).await).map_err(kind_of)? {
        return Ok(());
    }
    let found = within(meta.find_one(doc! { "_id": "schema" }))
        .await
        .map_err(kind_of)?
        .and_then(|schema| schema.get_i64("version").ok())
        .ok_or_else(|| unreadable("the version of the store"))?;
    if found > SCHEMA {
        return Err(Error::NewerSchema {
            found,
            known: SCHEMA,
        });
    }
    Ok(())
}

/// Each list reads one index in its order. Plain ones only: partial and sparse indexes are not everywhere.
fn indexes() -> Vec<(&'static str, Vec<IndexModel>)> {
    let index = |keys: Document| IndexModel::builder().keys(keys).build();
    let waiting = |field: String| index(doc! { field: 1 });
    let unique = {
        let options = mongodb::options::IndexOptions::builder()
            .unique(true)
            .build();
        IndexModel::builder()
            .keys(doc! { "entry": 1 })
            .options(options)
            .build()
    };
    vec![
        (
            POSTS,
            vec![
                index(doc! { "keys": 1, "published_at": -1, "_id": -1 }),
                index(doc! { "state": 1, "published_at": -1, "_id": -1 }),
                index(doc! { "state": 1, "deleted_at": -1, "_id": -1 }),
                index(doc! { "text_until": 1 }),
                waiting(OUTBOX.index()),
                waiting(AUDIT.index()),
            ],
        ),
        (revisions::APART, vec![index(doc! { "post": 1 })]),
        (idempotency::CLAIMS, vec![index(doc! { "at": 1 })]),
        (audit::CHAIN, vec![unique]),
    ]
}
