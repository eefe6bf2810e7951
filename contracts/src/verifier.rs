//! How a service proves a caller by itself, from the bearer token alone.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kit::clock::SharedClock;
use kit::problem::Problem;
use kit::token::{Claims, KeyRing, TokenError, TokenKind};

use crate::{Roles, Verified};

/// The keys a service verifies bearer tokens with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: KeyRing,
    clock: SharedClock,
}

/// Whom a token speaks for.
#[derive(Clone, Debug)]
pub enum Bearer {
    /// A person.
    Person(Arc<Verified>),
    /// A service, by name.
    Service(Arc<str>),
}

impl Verifier {
    /// Verifies with these keys at this clock's time.
    #[must_use]
    pub fn new(keys: KeyRing, clock: SharedClock) -> Self {
        Self { keys, clock }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// 401 with one of the details of spec/auth.md rule 9.
    pub fn verify(&self, token: &str) -> Result<Bearer, Problem> {
        let claims = self
            .keys
            .verify_cached(token, self.clock.now())
            .map_err(refused)?;
        match claims.kind {
            TokenKind::Service => Ok(Bearer::Service(claims.sub.as_str().into())),
            TokenKind::Person => person(&claims).map(Arc::new).map(Bearer::Person),
        }
    }
}

/// What a person's token says. A token without a session is refused: it could never be revoked.
///
/// # Errors
/// 401 "Invalid token" when the claims are not those of a person's token.
pub fn person(claims: &Claims) -> Result<Verified, Problem> {
    let user = claims.sub.parse().map_err(|_| invalid_token())?;
    let session = claims.sid.ok_or_else(invalid_token)?;
    let expires_at = DateTime::<Utc>::from_timestamp(claims.exp, 0).ok_or_else(invalid_token)?;
    Ok(Verified {
        user,
        email: claims.email.clone().filter(|email| !email.is_empty()),
        username: claims
            .username
            .clone()
            .unwrap_or_else(|| format!("User {user}")),
        roles: Roles::from_names(claims.roles.iter().map(String::as_str)),
        session,
        expires_at,
    })
}

/// The 401 for a token that does not verify; what exactly was wrong is not told.
#[must_use]
pub fn refused(error: TokenError) -> Problem {
    match error {
        TokenError::Expired => Problem::unauthorized("Token expired"),
        TokenError::Invalid(_) => invalid_token(),
    }
}

/// 401 "Invalid token".
#[must_use]
pub fn invalid_token() -> Problem {
    Problem::unauthorized("Invalid token")
}
