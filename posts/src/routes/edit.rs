//! `PUT` and `DELETE /api/posts/{id}`.

use axum::extract::State;
use contracts::Verified;
use contracts::access::Member;
use contracts::events::DeleteReason;
use http::Extensions;
use kit::FieldErrors;
use kit::conditional::IfMatch;
use kit::extract::{Json, Path, Query};
use kit::problem::Problem;
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::bodies::{ChangePost, Message};
use super::headers::{Tagged, actor, tagged};
use super::read::in_reach;
use crate::error::Error;
use crate::model::{Post, Text};
use crate::store::{Edit, Removal};
use crate::validate;

/// How often a change without `If-Match` is tried again because somebody else was first. Each time one of the others has
/// had its turn.
const TURNS: usize = 200;

pub async fn edit(
    Member(who): Member,
    State(app): State<App>,
    Path(id): Path<String>,
    condition: IfMatch,
    extensions: Extensions,
    Json(body): Json<ChangePost>,
) -> Result<Tagged, Problem> {
    let mut post = in_reach(&app, Some(&who), &id).await?;
    let reason = ground(&app, &who, &post, body.reason.as_deref()).await?;
    if reason.is_none() {
        app.rules.publishes(&who)?;
    }
    let change = checked(body).await?;
    for _ in 0..TURNS {
        condition.check(post.version)?;
        let text = changed(&app, &who, &post, &change).await?;
        if text == post.text() {
            return Ok(tagged(post));
        }
        let edit = Edit {
            actor: actor(&who, &extensions),
            text,
            reason: reason.clone(),
        };
        if let Some(post) = app.store.edit(&post, edit).await? {
            return Ok(tagged(post));
        }
        post = in_reach(&app, Some(&who), &id).await?;
    }
    Err(Error::Contended.into())
}

/// What a removal may say.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// Why a moderator removes another's post.
    #[serde(default)]
    reason: Option<String>,
}

pub async fn delete(
    Member(who): Member,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(why): Query<Why>,
    condition: IfMatch,
    extensions: Extensions,
) -> Result<Json<Message>, Problem> {
    let mut post = in_reach(&app, Some(&who), &id).await?;
    let reason = ground(&app, &who, &post, why.reason.as_deref()).await?;
    let ground = if reason.is_some() {
        DeleteReason::Moderation
    } else {
        DeleteReason::Author
    };
    for _ in 0..TURNS {
        condition.check(post.version)?;
        let removal = Removal {
            actor: actor(&who, &extensions),
            ground,
            reason: reason.clone(),
        };
        if app.store.remove(&post, removal).await? {
            return Ok(Json(Message {
                message: "Post deleted successfully",
            }));
        }
        post = in_reach(&app, Some(&who), &id).await?;
    }
    Err(Error::Contended.into())
}

/// On what ground the caller changes the post they see: as its author without a reason (`None`), as a moderator with one.
async fn ground(
    app: &App,
    who: &Verified,
    post: &Post,
    reason: Option<&str>,
) -> Result<Option<String>, Error> {
    if post.user_id == who.user {
        return Ok(None);
    }
    if !app.rules.moderates(who).await? {
        return Err(Error::NotOwner);
    }
    let mut errors = FieldErrors::default();
    let reason = validate::reason(reason.unwrap_or_default(), &mut errors);
    errors.check()?;
    Ok(Some(reason))
}

/// The fields that are given, in the form in which they are kept.
async fn checked(body: ChangePost) -> Result<ChangePost, Error> {
    let mut errors = FieldErrors::default();
    if let Some(title) = &body.title {
        validate::title(title, &mut errors);
    }
    let tags = body.tags.map(|tags| validate::tags(&tags, &mut errors));
    let content = match body.content {
        Some(content) => Some(validate::content(content, &mut errors).await),
        None => None,
    };
    errors.check()?;
    Ok(ChangePost {
        tags,
        content,
        ..body
    })
}

async fn changed(
    app: &App,
    who: &Verified,
    post: &Post,
    change: &ChangePost,
) -> Result<Text, Error> {
    let had = post.text();
    Ok(Text {
        title: change.title.clone().unwrap_or(had.title),
        content: change.content.clone().unwrap_or(had.content),
        tags: change.tags.clone().unwrap_or(had.tags),
        audience: match &change.audience {
            Some(asked) => {
                app.rules
                    .changed(who, &post.audience, asked.clone())
                    .await?
            }
            None => had.audience,
        },
    })
}
