//! Updates, as the driver sends them and as this store builds them.

use backends::db::Error;
use mongodb::bson::{Document, doc, serialize_to_bson};

use super::MongoStore;
use super::error::{kind_of, unreadable, within};

/// An update under construction.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    pub(super) set: Document,
    pub(super) unset: Document,
    pub(super) push: Document,
}

impl Change {
    /// The update; an operator without fields is left out, since a server refuses it.
    pub(super) fn document(self) -> Document {
        let mut update = Document::new();
        for (operator, fields) in [
            ("$set", self.set),
            ("$unset", self.unset),
            ("$push", self.push),
        ] {
            if !fields.is_empty() {
                update.insert(operator, fields);
            }
        }
        update
    }
}

/// Whether the updates are made one after the other, and are on disk when they are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// In their order, and durable.
    InOrder,
    /// In any order; a later durable write covers them.
    Relaxed,
}

/// Updates one post by each statement, in one round trip; says how many found theirs.
pub(super) async fn update(
    store: &MongoStore,
    statements: Vec<(Document, Document)>,
    made: Made,
) -> Result<usize, Error> {
    if statements.is_empty() {
        return Ok(0);
    }
    let updates: Vec<Document> = statements
        .into_iter()
        .map(|(filter, update)| doc! { "q": filter, "u": update })
        .collect();
    let concern = match made {
        Made::InOrder => &store.mongo().durable,
        Made::Relaxed => &store.mongo().relaxed,
    };
    let command = doc! {
        "update": super::POSTS,
        "updates": updates,
        "ordered": made == Made::InOrder,
        "writeConcern": serialize_to_bson(concern).map_err(|_| unreadable("the write concern"))?,
    };
    let answer = within(store.mongo().database.run_command(command))
        .await
        .map_err(kind_of)?;
    // A command that ran answers `ok` whatever became of its statements.
    for failures in ["writeErrors", "writeConcernError"] {
        if let Some(failures) = answer.get(failures) {
            return Err(Error::Unavailable(anyhow::anyhow!(
                "posts.store: an update failed: {failures}"
            )));
        }
    }
    let found = answer
        .get("n")
        .and_then(|n| n.as_i32().map(i64::from).or_else(|| n.as_i64()));
    found
        .and_then(|n| usize::try_from(n).ok())
        .ok_or_else(|| unreadable("the answer to an update"))
}
