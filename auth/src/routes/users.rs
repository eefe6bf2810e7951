//! `/auth/users`: what administrators do with accounts.

use axum::extract::State;
use contracts::{Role, Roles, access::Admin, events::User};
use http::HeaderMap;
use kit::{Created, Json, NoContent, Path, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    caller::{AccountId, Client},
    register::Names,
};
use crate::{
    error::Error,
    state::Auth,
    store::{NewRoles, Once},
};

/// The longest reason and `Idempotency-Key`, characters.
const LONGEST_REASON: usize = 500;
const LONGEST_KEY: usize = 255;

/// A new account. It has no password yet: an administrator never sets one.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    #[serde(default)]
    email: Option<String>,
    username: String,
    first_name: String,
    last_name: String,
    roles: Vec<Role>,
}

/// All roles that hold from now on, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolesChange {
    roles: Vec<Role>,
    reason: String,
}

/// Makes an account; with an `Idempotency-Key`, once.
pub async fn create(
    Admin(who): Admin,
    State(auth): State<Auth>,
    client: Client,
    headers: HeaderMap,
    Json(body): Json<NewUser>,
) -> Result<Created<User>, Problem> {
    let admin = auth.present_admin(&who).await?;
    let once = match headers.get("idempotency-key") {
        None => None,
        Some(key) => Some(Once {
            owner: format!("users:{admin}"),
            key: idempotency_key(key)?,
            request: serde_json::to_vec(&body).map_err(Problem::internal)?,
        }),
    };
    let names = Names {
        email: body.email,
        username: body.username,
        first_name: body.first_name,
        last_name: body.last_name,
    };
    let new = auth
        .new_account(names, body.roles.into_iter().collect(), None)
        .await?;
    Ok(Created(
        auth.store
            .create(new, client.origin.by(admin), once)
            .await?,
    ))
}

/// Gives an account exactly these roles. They count on the person's next request.
pub async fn set_roles(
    Admin(who): Admin,
    State(auth): State<Auth>,
    client: Client,
    Path(AccountId(id)): Path<AccountId>,
    Json(body): Json<RolesChange>,
) -> Result<Json<User>, Problem> {
    let admin = auth.present_admin(&who).await?;
    let reason = body.reason.trim().to_owned();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
        return Err(Error::Invalid(
            "reason",
            format!("must have 1 to {LONGEST_REASON} characters"),
        )
        .into());
    }
    let roles: Roles = body.roles.into_iter().collect();
    let account = auth
        .store
        .set_roles(
            NewRoles {
                user: id,
                roles,
                reason,
            },
            client.origin.by(admin),
        )
        .await?;
    Ok(Json(account.user()))
}

/// Deactivates an account and ends its sessions; twice is fine.
pub async fn deactivate(
    Admin(who): Admin,
    State(auth): State<Auth>,
    client: Client,
    Path(AccountId(id)): Path<AccountId>,
) -> Result<NoContent, Problem> {
    let admin = auth.present_admin(&who).await?;
    auth.store.deactivate(id, client.origin.by(admin)).await?;
    Ok(NoContent)
}

fn idempotency_key(value: &http::HeaderValue) -> Result<String, Problem> {
    let key = value
        .to_str()
        .ok()
        .filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY);
    key.map(str::to_owned).ok_or_else(|| {
        Problem::bad_request(
            "bad_idempotency_key",
            "The Idempotency-Key must be 1 to 255 printable characters",
        )
    })
}
