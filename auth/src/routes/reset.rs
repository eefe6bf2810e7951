//! `POST /auth/users/{id}/reset-password` and `POST /auth/reset-password`: an administrator hands on a link, by which the
//! person chooses a new password. Nobody ever sets another one's.

use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::access::{Admin, Anyone};
use kit::{Created, Json, NoContent, Path, Problem};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::caller::{AccountId, Client};
use crate::{error::Error, links::LinkKind, state::Auth, store::ResetPassword as ByLink};

/// How long a link is good for (spec/auth.md rule 21).
const LIFE: TimeDelta = TimeDelta::minutes(30);

/// What to hand on.
#[derive(Serialize, ToSchema)]
pub struct ResetLink {
    /// The address of the page that takes the new password; only its path without `auth.public_url`.
    reset_url: String,
    /// From when on it is good for nothing.
    expires_at: DateTime<Utc>,
}

/// The token of the link and the password of the person's choice.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    #[schema(value_type = String)]
    token: SecretString,
    #[schema(value_type = String)]
    new_password: SecretString,
}

/// Makes a link; one that was made before is void.
pub async fn make(
    Admin(who): Admin,
    State(auth): State<Auth>,
    client: Client,
    Path(AccountId(id)): Path<AccountId>,
) -> Result<Created<ResetLink>, Problem> {
    let admin = auth.present_admin(&who).await?;
    let link = auth
        .store
        .make_reset_link(id, LIFE, client.origin.by(admin))
        .await?;
    let token = auth.links.token(LinkKind::Reset, link.id);
    Ok(Created(ResetLink {
        reset_url: auth.config.public(&format!("/reset/{token}")),
        expires_at: link.expires_at,
    }))
}

/// Uses a link. Every session of the person ends, and the password lets them in at once.
pub async fn reset(
    _: Anyone,
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<ResetPassword>,
) -> Result<NoContent, Problem> {
    const FIELD: &str = "new_password";
    // what is wrong with any password is said even to who has no link
    auth.judge_password(FIELD, &body.new_password, None, "")?;
    let link = auth
        .links
        .link(LinkKind::Reset, body.token.expose_secret())
        .ok_or(Error::LinkGone)?;
    // one at a time: of many who use a link at once, one has its password hashed
    let turn = Sha256::new_with_prefix(b"link:").chain_update(link);
    let _turn = auth
        .turnstile
        .enter(turn.finalize().into(), auth.patience())
        .await
        .map_err(Error::from)?;
    let user = auth
        .store
        .waiting_link(LinkKind::Reset, link)
        .await?
        .ok_or(Error::LinkGone)?;
    let known = auth.store.account(user).await?.ok_or(Error::LinkGone)?;
    auth.judge_password(
        FIELD,
        &body.new_password,
        known.account.email.as_deref(),
        &known.account.username,
    )?;
    let new_hash = auth.hash(&body.new_password).await?;
    let by_link = ByLink {
        link,
        user,
        new_hash,
    };
    auth.store.reset_password(by_link, client.origin).await?;
    Ok(NoContent)
}
