//! Access tokens and the one answer that carries them.

use chrono::{DateTime, Utc};
use contracts::events::User;
use http::HeaderValue;
use kit::token::{Claims, TokenKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    model::{Account, Session},
    secrets::RefreshToken,
    state::Auth,
};

/// `iss` of every token (spec/auth.md rule 1); `aud` is the key ring's.
pub const ISSUER: &str = "schoolyard";
/// Life of a service token, seconds (rule 6).
pub const SERVICE_TTL: i64 = 300;

/// What a login, a refresh and the setup answer: the members of all three source systems in one (spec/auth.md section 2).
#[derive(Serialize, ToSchema)]
pub struct Tokens {
    /// For `Authorization: Bearer`.
    pub access_token: String,
    /// `bearer`.
    pub token_type: &'static str,
    /// Life of the access token, seconds.
    pub expires_in: i64,
    /// Good for one refresh.
    pub refresh_token: String,
    /// Its life if it is not used, seconds.
    pub refresh_expires_in: i64,
    /// The account.
    pub user: User,
    /// For people.
    pub message: &'static str,
    /// Only when true: the person should choose a new password now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub must_change: bool,
}

impl std::fmt::Debug for Tokens {
    /// Without the tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("user", &self.user.id)
            .finish_non_exhaustive()
    }
}

impl Auth {
    /// The answer for a session that goes on.
    #[must_use]
    pub fn tokens(
        &self,
        account: &Account,
        session: &Session,
        refresh: &RefreshToken,
        must_change: bool,
        message: &'static str,
    ) -> Tokens {
        let now = self.clock.now();
        let exp = self.access_expiry(session, now);
        Tokens {
            access_token: self.sign(account, session, now, exp),
            token_type: "bearer",
            expires_in: exp - now.timestamp(),
            refresh_token: refresh.reveal().to_owned(),
            refresh_expires_in: (refresh.expires_at - now).num_seconds(),
            user: account.user(),
            message,
            must_change,
        }
    }

    /// A token that says what the account is now and ends when the presented one does: recognising a caller never
    /// prolongs anything.
    #[must_use]
    pub fn fresh_bearer(
        &self,
        account: &Account,
        session: &Session,
        exp: i64,
    ) -> Option<HeaderValue> {
        let token = self.sign(account, session, self.clock.now(), exp);
        HeaderValue::from_str(&format!("Bearer {token}")).ok()
    }

    /// A token for another service of this deployment.
    #[must_use]
    pub fn service_token(&self, name: &str) -> String {
        let now = self.clock.now().timestamp();
        self.keys.sign(&Claims {
            iss: ISSUER.to_owned(),
            aud: Some(self.keys.audience().to_owned()),
            sub: name.to_owned(),
            kind: TokenKind::Service,
            email: None,
            username: None,
            roles: Vec::new(),
            sid: None,
            jti: Some(self.ids.uuid()),
            iat: now,
            exp: now + SERVICE_TTL,
            nbf: None,
        })
    }

    fn access_expiry(&self, session: &Session, now: DateTime<Utc>) -> i64 {
        (now.timestamp() + self.config.access_ttl).min(session.absolute_expiry.timestamp())
    }

    fn sign(&self, account: &Account, session: &Session, now: DateTime<Utc>, exp: i64) -> String {
        self.keys.sign(&Claims {
            iss: ISSUER.to_owned(),
            aud: Some(self.keys.audience().to_owned()),
            sub: account.id.to_string(),
            kind: TokenKind::Person,
            email: account.email.clone(),
            username: Some(account.username.clone()),
            roles: account
                .roles
                .names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            sid: Some(session.id),
            jti: Some(self.ids.uuid()),
            iat: now.timestamp(),
            exp,
            nbf: None,
        })
    }
}
