//! What other services ask over HTTP. Never routed by the gateway.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::PostId;
use contracts::access::Service;
use contracts::clients::{ExportOrder, ExportRow, PageQuery};
use contracts::events::PostState;
use futures_util::TryStreamExt;
use http::header::CONTENT_TYPE;
use kit::extract::{Json, Path, Query};
use kit::page::Page;
use kit::problem::Problem;
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use crate::client;
use crate::error::Error;

/// In which order, and from where.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ExportQuery {
    /// `newest` or `id`.
    order: ExportOrder,
    /// Go on behind this post. In the order `newest` this repeats what follows it among the published ones, and all
    /// tombstones.
    #[serde(default)]
    after: Option<String>,
}

pub async fn export(
    _: Service,
    State(app): State<App>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let after = match query.after.as_deref().map(str::parse::<PostId>) {
        None => None,
        Some(Ok(id)) => Some(app.store.place(id).await?.ok_or(Error::NotFound)?),
        Some(Err(_)) => return Err(Error::NotFound.into()),
    };
    let lines = client::pages(app.store, query.order, after)
        .map_ok(|rows| lines(&rows))
        .map_err(|error| {
            // The status is sent: breaking off is the only way left to say that the rest is missing.
            let problem = Problem::from(error);
            tracing::error!(code = problem.code(), "an export broke off");
            problem
        });
    Ok((
        [(CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(lines),
    )
        .into_response())
}

fn lines(rows: &[ExportRow]) -> Bytes {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, row)
            .expect("rows have string keys and are written to memory");
        text.push(b'\n');
    }
    text.into()
}

pub async fn page(
    _: Service,
    State(app): State<App>,
    Json(query): Json<PageQuery>,
) -> Result<Json<Page<PostState>>, Problem> {
    app.client.page(&query).await.map(Json)
}

pub async fn find(
    _: Service,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<PostState>, Problem> {
    let id: PostId = id.parse().map_err(|_| Error::NotFound)?;
    Ok(Json(app.client.find(id).await?.ok_or(Error::NotFound)?))
}
