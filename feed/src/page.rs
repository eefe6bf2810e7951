//! The answer's bytes: what both stream routes give, put together from ready items.

use contracts::Audience;
use serde::{Deserialize, Serialize};

use crate::item::Item;
use crate::position::Position;
use crate::query::{Part, Query, Start};

/// A page of the stream. Written as bytes, declared here for clients and tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StreamPage {
    /// Newest first; in a first page pinned ones before them.
    pub items: Vec<Item>,
    /// Distinct items the reader can see in the kept window. Left out when `cursor` is given, and while the stream is being
    /// rebuilt unless the page reaches the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// As asked, or 20.
    pub limit: u64,
    /// As asked, or 0.
    pub skip: u64,
    /// Goes on after this page; `null` at the end.
    pub next_cursor: Option<String>,
}

/// Writes the whole answer around the items of a part that is complete.
#[must_use]
pub fn close(part: &Part, query: &Query) -> Vec<u8> {
    let mut json = Vec::with_capacity(part.items.len() + 160);
    json.extend_from_slice(b"{\"items\":[");
    json.extend_from_slice(&part.items);
    json.extend_from_slice(b"],");
    if let Some(total) = part.total {
        json.extend_from_slice(format!("\"total\":{total},").as_bytes());
    }
    json.extend_from_slice(
        format!(
            "\"limit\":{},\"skip\":{},\"next_cursor\":",
            query.limit,
            query.skip()
        )
        .as_bytes(),
    );
    match next(part, query) {
        // A cursor is base64url: nothing in it needs escaping.
        Some(position) => json.extend_from_slice(format!("\"{}\"", position.cursor()).as_bytes()),
        None => json.extend_from_slice(b"null"),
    }
    json.push(b'}');
    json
}

fn next(part: &Part, query: &Query) -> Option<Position> {
    if !part.more {
        return None;
    }
    let started = match query.start {
        Start::Skip(_) => Position::top(),
        Start::After(position) => position,
    };
    // A page of pinned items only has no place of its own yet.
    Some(part.last.unwrap_or(started))
}

/// Adds one item to a part.
pub(crate) fn push(part: &mut Part, item: &Item, name: Option<&str>, reader: Option<&[Audience]>) {
    if part.count > 0 {
        part.items.push(b',');
    }
    crate::item::Body::of(item).write(&mut part.items, name, &item.audience, reader);
    part.count += 1;
}
