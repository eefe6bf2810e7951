//! `GET` and `PUT /auth/me`, and the same as `/users/profile` of the 001 system.

use axum::extract::State;
use contracts::{UserId, access::Member, events::User};
use http::{HeaderMap, header::ETAG};
use kit::{FieldErrors, Json, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::{Client, etag, if_match};
use crate::{error::Error, names, state::Auth, store::Changes};

type Tagged = ([(http::HeaderName, String); 1], Json<User>);

/// What changes; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
    #[serde(default)]
    username: Option<String>,
}

/// The own account, with its version as `ETag`.
pub async fn read(Member(who): Member, State(auth): State<Auth>) -> Result<Tagged, Problem> {
    let known = auth.present(&who).await?;
    Ok((
        [(ETAG, etag(known.account.version))],
        Json(known.account.user()),
    ))
}

/// Changes the own names; `If-Match` says which version was seen.
pub async fn change(
    Member(who): Member,
    State(auth): State<Auth>,
    client: Client,
    headers: HeaderMap,
    Json(body): Json<Change>,
) -> Result<Tagged, Problem> {
    auth.present(&who).await?;
    let version = if_match(&headers)?;
    apply(&auth, who.user, Some(version), body, client).await
}

/// The same for clients of the 001 system, which know no `If-Match`: without one the last writer wins.
pub async fn change_profile(
    Member(who): Member,
    State(auth): State<Auth>,
    client: Client,
    headers: HeaderMap,
    Json(body): Json<Change>,
) -> Result<Tagged, Problem> {
    auth.present(&who).await?;
    let version = match if_match(&headers) {
        Err(Error::PreconditionRequired) => None,
        version => Some(version?),
    };
    apply(&auth, who.user, version, body, client).await
}

async fn apply(
    auth: &Auth,
    user: UserId,
    version: Option<i64>,
    body: Change,
    client: Client,
) -> Result<Tagged, Problem> {
    let changes = Changes {
        first_name: body.first_name,
        last_name: body.last_name,
        username: body.username,
        ..Changes::default()
    };
    judge(&changes)?;
    let account = auth
        .store
        .change(user, version, changes, client.origin.by(user))
        .await?;
    Ok(([(ETAG, etag(account.version))], Json(account.user())))
}

/// Judges every field, so that a person sees all that is wrong at once.
///
/// # Errors
/// [`Error::InvalidFields`].
pub fn judge(changes: &Changes) -> crate::error::Result<()> {
    let judged = [
        (
            "first_name",
            &changes.first_name,
            names::refuse_name as fn(&str) -> _,
        ),
        ("last_name", &changes.last_name, names::refuse_name),
        ("username", &changes.username, names::refuse_username),
        (
            "email",
            changes.email.as_ref().unwrap_or(&None),
            names::refuse_email,
        ),
    ];
    let wrong = judged
        .into_iter()
        .filter_map(|(field, value, refuse)| Some((field, refuse(value.as_deref()?)?)));
    Ok(wrong.collect::<FieldErrors>().check()?)
}
