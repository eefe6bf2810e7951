//! `POST /auth/logout`.

use axum::extract::State;
use contracts::{
    access::Anyone,
    bearer::{bearer, no_credential},
    events::RevokeReason,
    verifier::{person, refused},
};
use http::HeaderMap;
use kit::{Json, Problem, token::TokenKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::{Client, OptionalJson};
use crate::{error::Error, state::Auth, store::Which};

/// Which sessions end beside the caller's own.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Logout {
    /// The session of this refresh token ends too.
    #[serde(default, alias = "refresh")]
    refresh_token: Option<String>,
    /// Every session of the person ends.
    #[serde(default)]
    everywhere: bool,
}

/// That it is done.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoggedOut {
    success: bool,
    message: &'static str,
}

/// Ends the session of the token. The token must be good, but its session may have ended already: twice is fine.
pub async fn logout(
    _: Anyone,
    State(auth): State<Auth>,
    client: Client,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<Logout>,
) -> Result<Json<LoggedOut>, Problem> {
    let token = bearer(&headers)?.ok_or_else(no_credential)?;
    let claims = auth
        .keys
        .verify_cached(token, auth.clock.now())
        .map_err(refused)?;
    if claims.kind != TokenKind::Person {
        return Err(Problem::unauthorized_as(
            "wrong_token_kind",
            "This token is of another kind than this route takes",
        ));
    }
    let who = person(&claims)?;
    let origin = client.origin.by(who.user);
    let mut which = vec![if body.everywhere {
        Which::All
    } else {
        Which::One(who.session)
    }];
    if let Some(token) = &body.refresh_token
        && let Some(session) = auth.store.session_of_token(token, who.user).await?
        && session != who.session
    {
        which.push(Which::One(session));
    }
    for which in which {
        match auth
            .store
            .end(who.user, which, RevokeReason::Logout, origin.clone())
            .await
        {
            Ok(()) | Err(Error::SessionNotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(LoggedOut {
        success: true,
        message: "Logged out",
    }))
}
