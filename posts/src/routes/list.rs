//! `GET /api/posts`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use contracts::access::Visitor;
use contracts::clients::PageFilters;
use contracts::{Audience, UserId};
use http::header::LINK;
use http::{HeaderMap, HeaderValue, Uri};
use kit::FieldErrors;
use kit::extract::{Json, Query};
use kit::page::{Cursor, Page};
use kit::problem::Problem;
use kit::routes::{Answer, Description};
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;

use super::App;
use super::bodies::PostBody;
use crate::error::Error;
use crate::store::{PageQuery, Posts, Start};
use crate::validate;

/// Most posts of a page.
pub const LIMIT_MAX: u64 = 100;
/// Most posts a page passes over (rule 19).
pub const SKIP_MAX: u64 = 10_000;

/// Which posts are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// By this author.
    #[serde(default)]
    user_id: Option<UserId>,
    /// With this tag.
    #[serde(default)]
    tag: Option<String>,
    /// For this audience.
    #[serde(default)]
    audience: Option<Audience>,
    /// Published at or after.
    #[serde(default)]
    from: Option<DateTime<Utc>>,
    /// Published before.
    #[serde(default)]
    to: Option<DateTime<Utc>>,
    /// 1 to 100; 10 if absent, 20 with a cursor.
    #[serde(default)]
    limit: Option<u64>,
    /// How many to pass over, up to 10,000; not together with a cursor.
    #[serde(default)]
    skip: Option<u64>,
    /// Where to go on; empty: at the beginning, in pages.
    #[serde(default, deserialize_with = "given")]
    cursor: Option<String>,
}

/// An empty value is a value here: it asks for pages.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// The bare array that clients of earlier systems know, or a page.
pub enum Listing {
    /// With a `Link` to the next.
    Array(HeaderMap, Vec<PostBody>),
    /// With its cursor.
    Page(Page<PostBody>),
}

impl IntoResponse for Listing {
    fn into_response(self) -> Response {
        match self {
            Self::Array(headers, posts) => (headers, Json(posts)).into_response(),
            Self::Page(page) => Json(page).into_response(),
        }
    }
}

impl Answer for Listing {
    fn describe(description: &mut Description) {
        <Json<Vec<PostBody>> as Answer>::describe(description);
    }
}

pub async fn list(
    Visitor(who): Visitor,
    State(app): State<App>,
    uri: Uri,
    Query(query): Query<ListQuery>,
) -> Result<Listing, Problem> {
    let reader = app.rules.reader(who.as_deref()).await?;
    let (skip, paged) = (query.skip.unwrap_or(0), query.cursor.is_some());
    let limit = query.limit.unwrap_or(if paged { 20 } else { 10 });
    let (start, limit) = bounds(query.cursor.as_deref(), query.skip, limit)?;
    let filters = PageFilters {
        user_id: query.user_id,
        tag: query
            .tag
            .as_deref()
            .map(validate::tag_form)
            .filter(|tag| !tag.is_empty()),
        audience: query.audience,
        from: query.from,
        to: query.to,
    };
    let posts = app
        .store
        .page(&PageQuery {
            reader,
            filters,
            start,
            limit,
        })
        .await?;
    if paged {
        return Ok(Listing::Page(page(posts, PostBody::from)));
    }
    let mut headers = HeaderMap::new();
    if let Some(link) = next_link(&uri, u64::from(limit), skip).filter(|_| posts.more) {
        headers.insert(LINK, link);
    }
    Ok(Listing::Array(
        headers,
        posts.items.into_iter().map(PostBody::from).collect(),
    ))
}

/// Where a page begins and how long it is at most.
///
/// # Errors
/// 422 for what is out of bounds, 400 `bad_cursor`.
pub fn bounds(cursor: Option<&str>, skip: Option<u64>, limit: u64) -> Result<(Start, u32), Error> {
    let mut errors = FieldErrors::default();
    if !(1..=LIMIT_MAX).contains(&limit) {
        errors.add("limit", format!("must be 1 to {LIMIT_MAX}"));
    }
    if skip.is_some_and(|skip| skip > SKIP_MAX) {
        errors.add(
            "skip",
            format!("must be at most {SKIP_MAX}; go on with a cursor"),
        );
    }
    if skip.is_some() && cursor.is_some() {
        errors.add("skip", "cannot be combined with a cursor");
    }
    errors.check()?;
    let start = match cursor {
        Some(text) if !text.is_empty() => Start::After(Cursor::decode(text)?),
        // Both are bounded above by numbers that fit.
        _ => Start::Skip(skip.unwrap_or(0) as u32),
    };
    Ok((start, limit as u32))
}

/// A page of posts in the shape of the one who asks.
pub fn page<T>(posts: Posts, shape: impl FnMut(crate::model::Post) -> T) -> Page<T> {
    let next_cursor = posts.next().map(|cursor| cursor.encode());
    Page {
        items: posts.items.into_iter().map(shape).collect(),
        next_cursor,
    }
}

/// The same list further on, as long as `skip` may say so.
fn next_link(uri: &Uri, limit: u64, skip: u64) -> Option<HeaderValue> {
    let next = skip + limit;
    if next > SKIP_MAX {
        return None;
    }
    let kept = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !matches!(pair.split('=').next(), Some("" | "limit" | "skip")));
    let query: Vec<_> = kept
        .map(str::to_owned)
        .chain([format!("limit={limit}"), format!("skip={next}")])
        .collect();
    HeaderValue::try_from(format!("</api/posts?{}>; rel=\"next\"", query.join("&"))).ok()
}
