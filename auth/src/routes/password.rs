//! `POST /auth/change-password`.

use axum::extract::State;
use contracts::access::Member;
use kit::{Json, NoContent, Problem};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::Client;
use crate::{error::Error, state::Auth, store::NewPassword};

/// The old and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    #[schema(value_type = String)]
    old_password: SecretString,
    #[schema(value_type = String)]
    new_password: SecretString,
    /// The new one again, if the form asks twice.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    confirm_password: Option<SecretString>,
}

/// Changes the own password; every other session of the person ends in the same transaction.
pub async fn change(
    Member(who): Member,
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<ChangePassword>,
) -> Result<NoContent, Problem> {
    let known = auth.present(&who).await?;
    if body
        .confirm_password
        .is_some_and(|again| again.expose_secret() != body.new_password.expose_secret())
    {
        return Err(Error::Invalid(
            "confirm_password",
            "is not the same as new_password".to_owned(),
        )
        .into());
    }
    auth.judge_password(
        "new_password",
        &body.new_password,
        known.account.email.as_deref(),
        &known.account.username,
    )?;
    let origin = client.origin.by(who.user);
    let old_hash = auth
        .prove_password(who.user, &body.old_password, "old_password", &origin)
        .await?;
    let new_hash = auth.hash(&body.new_password).await?;
    auth.store
        .change_password(
            NewPassword {
                user: who.user,
                keep: who.session,
                old_hash,
                new_hash,
            },
            origin,
        )
        .await?;
    Ok(NoContent)
}
