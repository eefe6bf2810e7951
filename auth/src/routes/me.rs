//! `GET` and `PUT /auth/me`.

use axum::extract::State;
use contracts::{access::Member, events::User};
use http::{HeaderMap, header::ETAG};
use kit::{Json, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    caller::{Client, etag, if_match},
    register::fields,
};
use crate::{names, state::Auth, store::Changes};

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
    let known = auth.present(&who)?;
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
    auth.present(&who)?;
    let version = if_match(&headers)?;
    let wrong = [
        (
            "first_name",
            body.first_name.as_deref().and_then(names::refuse_name),
        ),
        (
            "last_name",
            body.last_name.as_deref().and_then(names::refuse_name),
        ),
        (
            "username",
            body.username.as_deref().and_then(names::refuse_username),
        ),
    ];
    fields(
        wrong
            .into_iter()
            .filter_map(|(field, reason)| Some((field, reason?.to_owned())))
            .collect(),
    )?;
    let changes = Changes {
        first_name: body.first_name,
        last_name: body.last_name,
        username: body.username,
    };
    let account = auth
        .store
        .change(who.user, version, changes, client.origin.by(who.user))
        .await?;
    Ok(([(ETAG, etag(account.version))], Json(account.user())))
}
