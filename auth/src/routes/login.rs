//! `POST /auth/login`.

use axum::extract::State;
use contracts::access::Anyone;
use kit::{Json, Problem};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::Client;
use crate::{error::Error, state::Auth, tokens::Tokens};

/// The longest name that is looked up, bytes.
const LONGEST_NAME: usize = 1024;

/// Who wants in: either name, and the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[schema(value_type = String)]
    password: SecretString,
}

/// Opens a session.
pub async fn login(
    _: Anyone,
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<Login>,
) -> Result<Json<Tokens>, Problem> {
    let name = match (body.email, body.username) {
        (Some(name), None) | (None, Some(name)) => name,
        (None, None) => {
            return Err(Error::Invalid("email", "or username is required".to_owned()).into());
        }
        (Some(_), Some(_)) => {
            return Err(
                Error::Invalid("username", "cannot be given beside email".to_owned()).into(),
            );
        }
    };
    if name.len() > LONGEST_NAME {
        return Err(Error::Invalid("email", "is too long".to_owned()).into());
    }
    Ok(Json(
        auth.log_in(
            &name,
            &body.password,
            &client.origin,
            client.user_agent.as_deref(),
        )
        .await?,
    ))
}
