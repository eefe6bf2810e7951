//! Places in a list, as filters. The id of a cursor is bytes of any length, and is compared as bytes are; the database compares
//! identities of twelve.

use kit::page::Cursor;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};

/// Everything below the cursor in the order of a time field and the id.
pub(super) fn below(field: &str, cursor: &Cursor) -> Document {
    let at = cursor.at.timestamp_micros();
    let (edge, exact) = edge(&cursor.id);
    let operator = if exact { "$lt" } else { "$lte" };
    doc! {
        // Beside the alternatives, so that an index has one range to read.
        field: { "$lte": at },
        "$or": [
            { field: { "$lt": at } },
            { field: at, "_id": { operator: edge } },
        ],
    }
}

/// Everything above these bytes in the order of the ids.
pub(super) fn above(id: &[u8]) -> Document {
    let (edge, _) = edge(id);
    // An id is never between a shorter text and that text filled up with zeros.
    let operator = if id.len() < LENGTH { "$gte" } else { "$gt" };
    doc! { "_id": { operator: edge } }
}

const LENGTH: usize = 12;

/// The identity at which ids stop being below the bytes, and whether that one itself is not below them.
fn edge(id: &[u8]) -> (ObjectId, bool) {
    let mut bytes = [0; LENGTH];
    let kept = id.len().min(LENGTH);
    bytes[..kept].copy_from_slice(&id[..kept]);
    (ObjectId::from_bytes(bytes), id.len() <= LENGTH)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use mongodb::bson::Bson;
    use proptest::prelude::*;

    use super::*;

    fn holds(condition: &Document, id: [u8; LENGTH]) -> bool {
        let (operator, edge) = condition.iter().next().unwrap();
        let Bson::ObjectId(edge) = edge else {
            panic!("an identity")
        };
        match operator.as_str() {
            "$lt" => id < edge.bytes(),
            "$lte" => id <= edge.bytes(),
            "$gt" => id > edge.bytes(),
            "$gte" => id >= edge.bytes(),
            other => panic!("{other}"),
        }
    }

    proptest! {
        #[test]
        fn identities_are_compared_as_bytes_whatever_the_cursor_holds(
            id: [u8; LENGTH],
            same in 0..=LENGTH,
            rest in prop::collection::vec(any::<u8>(), 0..6),
            zeros in 0..3usize,
        ) {
            let mut bytes = id[..same].to_vec();
            bytes.extend(&rest);
            bytes.extend(vec![0; zeros]);
            let cursor = Cursor { at: DateTime::UNIX_EPOCH, id: bytes.clone() };
            let filter = below("at", &cursor);
            let ties = filter.get_array("$or").unwrap()[1].as_document().unwrap();
            prop_assert_eq!(holds(ties.get_document("_id").unwrap(), id), id.as_slice() < bytes.as_slice());
            let filter = above(&bytes);
            prop_assert_eq!(holds(filter.get_document("_id").unwrap(), id), id.as_slice() > bytes.as_slice());
        }
    }
}
