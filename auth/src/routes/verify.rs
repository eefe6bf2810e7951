//! `GET /auth/verify` and the 001 system's `/users/validate-token`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use contracts::{access::Anyone, bearer::no_credential, events::User};
use http::{HeaderMap, Uri};
use kit::{Json, Problem};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    decision::{Caller, Recognised},
    state::Auth,
};

/// A good token.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verified {
    valid: bool,
    user: User,
    expires_at: DateTime<Utc>,
}

/// The same as the 001 system says it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Valid {
    valid: bool,
    user: User,
}

/// Says whose token it is and until when.
pub async fn verify(
    _: Anyone,
    State(auth): State<Auth>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Verified>, Problem> {
    let person = person(&auth, &uri, &headers).await?;
    let expires_at = DateTime::from_timestamp(person.claims.exp, 0)
        .unwrap_or(person.live.session.absolute_expiry);
    Ok(Json(Verified {
        valid: true,
        user: person.known.account.user(),
        expires_at,
    }))
}

/// Says whose token it is.
pub async fn validate_token(
    _: Anyone,
    State(auth): State<Auth>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Valid>, Problem> {
    let person = person(&auth, &uri, &headers).await?;
    Ok(Json(Valid {
        valid: true,
        user: person.known.account.user(),
    }))
}

/// A refusal carries `valid: false` for clients that read nothing else.
async fn person(auth: &Auth, uri: &Uri, headers: &HeaderMap) -> Result<Recognised, Problem> {
    let recognised = auth
        .recognise(headers, uri.query(), false)
        .await
        .and_then(|caller| match caller {
            Caller::Person(person) => Ok(person),
            Caller::Anonymous => Err(no_credential()),
        });
    recognised.map_err(|problem| problem.member("valid", false))
}
