//! The two stream routes [004].

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use contracts::access::{Member, Visitor};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use kit::extract::Query;
use kit::problem::Problem;
use kit::routes::{self, Description};

use super::App;
use super::query::{OwnQuery, StreamQuery, limit, start};
use crate::audiences::audiences_of;
use crate::page::StreamPage;
use crate::query::{self, Filter, Scope};
use crate::reading::Rendered;

/// Says that the owner of the posts answered because there is no stream at the moment.
pub(super) const X_FEED: HeaderName = HeaderName::from_static("x-feed");

impl IntoResponse for Rendered {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.json.into());
        // room for what edge and gateway add, so that the table is made once
        response.headers_mut().reserve(12);
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.rebuilding {
            response
                .headers_mut()
                .insert(X_FEED, HeaderValue::from_static("rebuilding"));
        }
        response
    }
}

impl routes::Answer for Rendered {
    fn describe(description: &mut Description) {
        description.json_answer::<StreamPage>(http::StatusCode::OK);
    }
}

pub(super) async fn stream(
    Visitor(who): Visitor,
    State(app): State<App>,
    Query(asked): Query<StreamQuery>,
) -> Result<Rendered, Problem> {
    let (limit, start) = (
        limit(asked.limit.as_deref())?,
        start(asked.skip.as_deref(), asked.cursor.as_deref())?,
    );
    let only = asked.audience()?;
    let mut audiences = audiences_of(&*app.roster, app.public_audience, who.as_deref()).await?;
    if let Some(only) = only {
        audiences.retain(|audience| *audience == only);
    }
    if asked
        .kind
        .as_deref()
        .is_some_and(|kind| kind != crate::KIND_POST)
    {
        audiences.clear();
    }
    let query = query::Query {
        scope: Scope::reader(audiences),
        filter: asked.filter(),
        start,
        limit,
    };
    app.reading.page(&query).await
}

pub(super) async fn own(
    Member(who): Member,
    State(app): State<App>,
    Query(asked): Query<OwnQuery>,
) -> Result<Rendered, Problem> {
    let (limit, start) = (
        limit(asked.limit.as_deref())?,
        start(asked.skip.as_deref(), asked.cursor.as_deref())?,
    );
    let query = query::Query {
        scope: Scope::By(who.user),
        filter: Filter::default(),
        start,
        limit,
    };
    app.reading.page(&query).await
}
