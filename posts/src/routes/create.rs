//! `POST /api/posts`.

use axum::extract::State;
use contracts::access::Member;
use kit::FieldErrors;
use kit::conditional::IdempotencyKey;
use kit::extract::Json;
use kit::problem::Problem;

use super::App;
use super::bodies::CreatePost;
use super::headers::{Tagged, tagged};
use crate::store::{NewPost, Once};
use crate::validate;

pub async fn create(
    Member(who): Member,
    State(app): State<App>,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<CreatePost>,
) -> Result<Tagged, Problem> {
    // Of the parsed body: spelled otherwise, it is the same request.
    let once = match key {
        Some(key) => Some(Once {
            key,
            request: serde_json::to_vec(&body).map_err(Problem::internal)?,
        }),
        None => None,
    };
    app.rules.publishes(&who)?;
    let mut errors = FieldErrors::default();
    validate::title(&body.title, &mut errors);
    let tags = validate::tags(&body.tags, &mut errors);
    let content = validate::content(body.content, &mut errors).await;
    errors.check()?;
    let audience = app.rules.audiences(&who, body.audience).await?;
    let new = NewPost {
        user_id: who.user,
        username: who.username.clone(),
        author_role: who.roles.primary(),
        title: body.title,
        content,
        tags,
        audience,
    };
    let post = app.store.publish(new, once).await?;
    Ok(tagged(post))
}
