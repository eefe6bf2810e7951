//! `POST /auth/register` (spec/auth.md rule 21).

use axum::extract::State;
use contracts::{Roles, UserId, access::Anyone};
use kit::{FieldErrors, Json, Problem};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Client;
use crate::{
    config::Registration,
    error::{Error, Result},
    model::NewAccount,
    names,
    state::Auth,
};

/// Who wants an account. A role cannot be asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    email: String,
    #[schema(value_type = String)]
    password: SecretString,
    username: String,
}

/// The new account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Registered {
    /// Its id.
    pub id: UserId,
    /// Its address.
    pub email: Option<String>,
    /// Its username.
    pub username: String,
}

/// Makes an account with role `member`.
pub async fn register(
    _: Anyone,
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<Register>,
) -> std::result::Result<Json<Registered>, Problem> {
    if auth.config.registration != Registration::Open {
        return Err(Error::RegistrationClosed.into());
    }
    auth.admit_register(client.origin.address).await?;
    let new = auth
        .new_account(
            Names {
                email: Some(body.email),
                username: body.username,
                ..Names::default()
            },
            Roles::MEMBER,
            Some(&body.password),
        )
        .await?;
    let user = auth.store.create(new, client.origin, None).await?;
    Ok(Json(Registered {
        id: user.id,
        email: user.email,
        username: user.username,
    }))
}

/// The names of a new account, not judged yet.
#[derive(Debug, Default)]
pub struct Names {
    /// Its address, if it has one.
    pub email: Option<String>,
    /// Its username.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
}

impl Names {
    /// Judges every field, so that a person sees all that is wrong at once.
    #[must_use]
    pub fn judge(&self) -> FieldErrors {
        let judged = [
            ("email", self.email.as_deref().and_then(names::refuse_email)),
            ("username", names::refuse_username(&self.username)),
            ("first_name", names::refuse_name(&self.first_name)),
            ("last_name", names::refuse_name(&self.last_name)),
        ];
        let wrong = judged
            .into_iter()
            .filter_map(|(field, reason)| Some((field, reason?)));
        wrong.collect()
    }
}

impl Auth {
    /// Judges names and password together and hashes the password.
    ///
    /// # Errors
    /// [`Error::InvalidFields`], [`Error::Busy`].
    pub async fn new_account(
        &self,
        names: Names,
        roles: Roles,
        password: Option<&SecretString>,
    ) -> Result<NewAccount> {
        let mut wrong = names.judge();
        if let Some(password) = password
            && let Err(Error::Invalid(field, reason)) = self.judge_password(
                "password",
                password,
                names.email.as_deref(),
                &names.username,
            )
        {
            wrong.add(field, reason);
        }
        wrong.check()?;
        let password_hash = match password {
            Some(password) => Some(self.hash(password).await?),
            None => None,
        };
        Ok(NewAccount {
            email: names.email,
            username: names.username,
            first_name: names.first_name,
            last_name: names.last_name,
            roles,
            password_hash,
        })
    }
}
