//! A login, from the names and the password to the open session (spec/auth.md rules 16, 17, 19 and 20).

use std::time::Duration;

use contracts::UserId;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    error::{Error, Result},
    limits::Place,
    model::Origin,
    names,
    password::{Busy, Verdict},
    state::Auth,
    store::{Credential, NewSession, Proof, login_key, password_key},
    tokens::Tokens,
};

/// How often a password is checked in one login, because its hash changed while it was checked.
const CHECKS: u32 = 3;

/// A login that is going on.
struct Attempt<'a> {
    /// Normalised.
    name: String,
    key: [u8; 32],
    origin: &'a Origin,
    user_agent: Option<&'a str>,
}

impl Auth {
    /// Opens a session for a name (a username or an e-mail address) and a password.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`], [`Error::Locked`], [`Error::RateLimited`], [`Error::Busy`].
    pub async fn log_in(
        &self,
        name: &str,
        password: &SecretString,
        origin: &Origin,
        user_agent: Option<&str>,
    ) -> Result<Tokens> {
        let name = names::normalised(name);
        let key = login_key(&name);
        let _turn = self.turnstile.enter(key, self.patience()).await?;
        let credential = self.store.credential(&name).await?;
        let place = self.take_place(origin, credential.as_ref()).await?;
        let attempt = Attempt {
            name,
            key,
            origin,
            user_agent,
        };
        let result = self.attempt(&attempt, credential, password).await;
        if let Some(place) = place
            && !matches!(result, Err(Error::InvalidCredentials))
        {
            self.failed_logins.give_back(place).await;
        }
        result
    }

    async fn attempt(
        &self,
        attempt: &Attempt<'_>,
        mut credential: Option<Credential>,
        password: &SecretString,
    ) -> Result<Tokens> {
        if let Some(seconds) = self.store.locked_for(attempt.key, self.clock.now()).await? {
            return Err(Error::Locked(seconds));
        }
        for _ in 0..CHECKS {
            let Some((user, proof)) = self.check(attempt, credential.as_ref(), password).await?
            else {
                let user = credential.map(|credential| UserId(credential.id));
                self.store
                    .count_failure(attempt.key, user, attempt.origin.clone())
                    .await?;
                return Err(Error::InvalidCredentials);
            };
            let must_change = proof.must_change;
            let new = self.new_session(user, Some(proof), attempt.user_agent.map(str::to_owned));
            match self.store.open_session(new, attempt.origin.clone()).await {
                Ok((session, refresh)) => {
                    let known = self
                        .store
                        .account(user)
                        .await?
                        .ok_or(Error::InvalidCredentials)?;
                    return Ok(self.tokens(
                        &known.account,
                        &session,
                        &refresh,
                        must_change,
                        "Login successful",
                    ));
                }
                Err(Error::HashChanged) => {
                    credential = self.store.credential(&attempt.name).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy(Busy))
    }

    /// Computes one hash; a second one only to replace a hash that is due, after a match. `None`: wrong.
    async fn check(
        &self,
        attempt: &Attempt<'_>,
        credential: Option<&Credential>,
        password: &SecretString,
    ) -> Result<Option<(UserId, Proof)>> {
        let stored = credential.and_then(|credential| credential.password_hash.clone());
        let checked = self
            .hasher
            .check(stored.clone(), password.expose_secret().to_owned())
            .await?;
        if let (Some(reason), Some(credential)) = (checked.unreadable, credential) {
            tracing::warn!(user = credential.id, %reason, "a stored password cannot be used");
        }
        let (Some(credential), Some(hash)) =
            (credential.filter(|credential| credential.usable), stored)
        else {
            return Ok(None);
        };
        let (rehashed, cut) = match checked.verdict {
            Verdict::Mismatch => return Ok(None),
            // its first 72 bytes are proven only: storing the whole would let a guesser choose the rest
            Verdict::MatchFirst72 => (None, true),
            Verdict::Match if checked.needs_rehash => (Some(self.hash(password).await?), false),
            Verdict::Match => (None, false),
        };
        let proof = Proof {
            hash,
            rehashed,
            must_change: cut || credential.must_change,
            name_key: attempt.key,
        };
        Ok(Some((UserId(credential.id), proof)))
    }

    /// A session as the settings ask for.
    #[must_use]
    pub fn new_session(
        &self,
        user: UserId,
        proof: Option<Proof>,
        user_agent: Option<String>,
    ) -> NewSession {
        NewSession {
            user,
            proof,
            idle: self.config.idle(),
            absolute: self.config.absolute(),
            user_agent,
        }
    }

    /// What is stored for a new password.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub async fn hash(&self, password: &SecretString) -> Result<String> {
        let mut salt = [0; 16];
        salt.copy_from_slice(&self.ids.secret()[..16]);
        Ok(self
            .hasher
            .hash(password.expose_secret().to_owned(), salt)
            .await?)
    }

    /// Whether this is the account's password now; a wrong one counts as a failed login of the account.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Busy`]; [`Error::Invalid`] for `field` when it is wrong. Answers the hash that matched.
    pub async fn prove_password(
        &self,
        user: UserId,
        password: &SecretString,
        field: &'static str,
        origin: &Origin,
    ) -> Result<String> {
        let key = password_key(user);
        let _turn = self.turnstile.enter(key, self.patience()).await?;
        if let Some(seconds) = self.store.locked_for(key, self.clock.now()).await? {
            return Err(Error::Locked(seconds));
        }
        let credential = self.store.credential_of(user).await?;
        let stored = credential.and_then(|credential| credential.password_hash);
        let checked = self
            .hasher
            .check(stored.clone(), password.expose_secret().to_owned())
            .await?;
        match (checked.verdict, stored) {
            (Verdict::Match | Verdict::MatchFirst72, Some(hash)) => Ok(hash),
            _ => {
                self.store
                    .count_failure(key, Some(user), origin.clone())
                    .await?;
                Err(Error::Invalid(
                    field,
                    "is not the present password".to_owned(),
                ))
            }
        }
    }

    /// Judges a new password.
    ///
    /// # Errors
    /// [`Error::Invalid`] for `field`.
    pub fn judge_password(
        &self,
        field: &'static str,
        password: &SecretString,
        email: Option<&str>,
        username: &str,
    ) -> Result<()> {
        match self.rules.refuse(password.expose_secret(), email, username) {
            Some(reason) => Err(Error::Invalid(field, reason)),
            None => Ok(()),
        }
    }

    /// How long a request waits for its turn at something that is done one at a time.
    #[must_use]
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.config.hash_queue_ms)
    }

    async fn take_place(
        &self,
        origin: &Origin,
        credential: Option<&Credential>,
    ) -> Result<Option<Place>> {
        let Some(whom) = self.counted(origin.address, credential.map(|credential| credential.id))
        else {
            return Ok(None);
        };
        let taken = self.failed_logins.take(whom, self.clock.now()).await;
        taken.map(Some).map_err(Error::RateLimited)
    }
}
