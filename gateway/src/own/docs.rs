//! Swagger UI and the documents it shows.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use kit::problem::Problem;
use kit::{Path, Query};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Own;
use crate::docs::{Asset, Document};
use crate::problems::nothing;
use crate::security::DOCS_POLICY;

/// How a document is written.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Form {
    /// `json` (default) or `yaml`.
    #[param(inline)]
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    Json,
    Yaml,
}

pub(super) async fn page<G>(_: G, State(own): State<Own>) -> Result<Response, Problem> {
    asset(own.documents.page().index())
}

pub(super) async fn file<G>(
    _: G,
    State(own): State<Own>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    asset(own.documents.page().file(&name).ok_or_else(nothing)?)
}

pub(super) async fn merged<G>(
    _: G,
    State(own): State<Own>,
    Query(form): Query<Form>,
) -> Result<Response, Problem> {
    document(own.documents.merged(), &form)
}

pub(super) async fn of_service<G>(
    _: G,
    State(own): State<Own>,
    Path(name): Path<String>,
    Query(form): Query<Form>,
) -> Result<Response, Problem> {
    document(own.documents.of(&name).ok_or_else(nothing)?, &form)
}

fn asset(asset: Asset) -> Result<Response, Problem> {
    // Files that an upgrade changes are asked for under another address; the page and its settings are asked for anew.
    let cache = if asset.fixed {
        "public, max-age=604800"
    } else {
        "no-cache"
    };
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::try_from(asset.content_type).map_err(Problem::internal)?,
        ),
        (CACHE_CONTROL, HeaderValue::from_static(cache)),
        (CONTENT_SECURITY_POLICY, DOCS_POLICY),
    ];
    Ok((headers, Body::from(asset.bytes)).into_response())
}

fn document(document: &Document, form: &Form) -> Result<Response, Problem> {
    let (content_type, bytes) = match form.format {
        None | Some(Format::Json) => ("application/json", document.json()),
        Some(Format::Yaml) => (
            "application/yaml",
            Bytes::from(document.yaml().map_err(Problem::internal)?),
        ),
    };
    let headers: [(HeaderName, HeaderValue); 2] = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}
