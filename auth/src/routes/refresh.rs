//! `POST /auth/refresh`.

use axum::extract::State;
use contracts::access::Anyone;
use kit::{Json, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::Client;
use crate::{state::Auth, tokens::Tokens};

/// The token to exchange.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    #[serde(alias = "refresh")]
    refresh_token: String,
}

/// Exchanges it; the access token carries the roles of now.
pub async fn refresh(
    _: Anyone,
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<Refresh>,
) -> Result<Json<Tokens>, Problem> {
    let done = auth
        .store
        .refresh(&body.refresh_token, auth.config.idle(), client.origin)
        .await?;
    Ok(Json(auth.tokens(
        &done.account,
        &done.session,
        &done.token,
        false,
        "Token refreshed",
    )))
}
