//! `/auth/setup`: the first administrator, by the token in the data directory (spec/auth.md rule 22).

use axum::extract::State;
use contracts::{Role, Roles, access::Anyone};
use kit::{Created, Json, Problem};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{caller::Client, register::Names};
use crate::{error::Error, state::Auth, tokens::Tokens};

/// Whether there is still no administrator.
#[derive(Debug, Serialize, ToSchema)]
pub struct Needed {
    needed: bool,
}

/// The first administrator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetUp {
    #[schema(value_type = String)]
    setup_token: SecretString,
    email: String,
    username: String,
    #[schema(value_type = String)]
    password: SecretString,
}

/// Says whether it is needed.
pub async fn needed(_: Anyone, State(auth): State<Auth>) -> Result<Json<Needed>, Problem> {
    Ok(Json(Needed {
        needed: !auth.store.has_admin().await?,
    }))
}

/// Makes the first administrator and signs them in.
pub async fn set_up(
    _: Anyone,
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<SetUp>,
) -> Result<Created<Tokens>, Problem> {
    if auth.store.has_admin().await? {
        return Err(Error::AlreadySetUp.into());
    }
    auth.admit_register(client.origin.address).await?;
    // before the password is hashed: who has not the token costs no hash
    if !auth
        .store
        .setup_token_waits(body.setup_token.expose_secret())
        .await?
    {
        return Err(Error::SetupTokenInvalid.into());
    }
    let names = Names {
        email: Some(body.email),
        username: body.username,
        ..Names::default()
    };
    let new = auth
        .new_account(names, Roles::MEMBER.with(Role::Admin), Some(&body.password))
        .await?;
    let account = auth
        .store
        .create_first_admin(body.setup_token.expose_secret(), new, client.origin.clone())
        .await?;
    auth.remove_setup_file().await;
    let new = auth.new_session(account.id, None, client.user_agent);
    let (session, refresh) = auth.store.open_session(new, client.origin).await?;
    Ok(Created(auth.tokens(
        &account,
        &session,
        &refresh,
        false,
        "Login successful",
    )))
}
