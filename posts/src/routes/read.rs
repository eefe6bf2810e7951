//! `GET /api/posts/{id}`.

use axum::extract::State;
use contracts::access::Visitor;
use contracts::{PostId, Verified};
use kit::extract::Path;
use kit::problem::Problem;

use super::App;
use super::headers::{Tagged, tagged};
use crate::error::Error;
use crate::model::Post;

pub async fn read(
    Visitor(who): Visitor,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Tagged, Problem> {
    Ok(tagged(in_reach(&app, who.as_deref(), &id).await?))
}

/// The post if the caller may see it: as its reader, its author or a moderator. A malformed identifier names no post.
pub(super) async fn in_reach(app: &App, who: Option<&Verified>, id: &str) -> Result<Post, Error> {
    let reader = app.rules.reader(who).await?;
    let id: PostId = id.parse().map_err(|_| Error::NotFound)?;
    if let Some(post) = app.store.find(id, Some(&reader)).await? {
        return Ok(post);
    }
    match who {
        Some(who) if app.rules.moderates(who).await? => {
            app.store.find(id, None).await?.ok_or(Error::NotFound)
        }
        _ => Err(Error::NotFound),
    }
}
