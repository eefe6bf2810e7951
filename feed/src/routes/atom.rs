//! What is public, as an Atom feed.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::Audience;
use contracts::access::Anyone;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderValue, StatusCode};
use kit::conditional::{IfNoneMatch, etag_of};
use kit::problem::Problem;
use kit::routes::{self, Description};

use super::App;
use super::stream::X_FEED;
use crate::atom;
use crate::page::StreamPage;
use crate::query::{Filter, Query, Scope, Start};

const MEDIA_TYPE: &str = "application/atom+xml; charset=utf-8";
/// Entries at most.
const NEWEST: usize = 50;
/// Items read for them: pinned ones stand first on a page however old they are.
const READ: usize = 100;

/// The feed, or that the client has it.
pub(super) struct AtomFeed {
    tag: HeaderValue,
    /// `None`: the client has it.
    xml: Option<Bytes>,
    rebuilding: bool,
}

impl IntoResponse for AtomFeed {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        let headers = response.headers_mut();
        headers.insert(ETAG, self.tag);
        // What was taken back is to be gone with the next look.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if self.rebuilding {
            headers.insert(X_FEED, HeaderValue::from_static("rebuilding"));
        }
        match self.xml {
            Some(xml) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
                *response.body_mut() = xml.into();
            }
            None => *response.status_mut() = StatusCode::NOT_MODIFIED,
        }
        response
    }
}

impl routes::Answer for AtomFeed {
    fn describe(description: &mut Description) {
        description.answer(StatusCode::OK, Some("application/atom+xml"));
        description.answer(StatusCode::NOT_MODIFIED, None);
    }
}

pub(super) async fn atom(
    _: Anyone,
    State(app): State<App>,
    known: IfNoneMatch,
) -> Result<AtomFeed, Problem> {
    if !app.public_audience {
        return Err(Problem::not_found(
            "not_found",
            "nothing is public at this school",
        ));
    }
    let query = Query {
        scope: Scope::reader(vec![Audience::Public]),
        filter: Filter::default(),
        start: Start::Skip(0),
        limit: READ,
    };
    let page = app.reading.page(&query).await?;
    let StreamPage { mut items, .. } =
        serde_json::from_slice(&page.json).map_err(Problem::internal)?;
    items.sort_by_key(|item| std::cmp::Reverse(item.position()));
    items.truncate(NEWEST);
    let xml = atom::render(&items, &app.public_url).map_err(Problem::internal)?;
    let tag = etag_of(&xml);
    let xml = (!known.has(&tag)).then(|| xml.into());
    Ok(AtomFeed {
        tag,
        xml,
        rebuilding: page.rebuilding,
    })
}
