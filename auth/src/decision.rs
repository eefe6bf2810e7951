//! The forward-auth decision (spec/auth.md section 5.2): the same code for the HTTP route and for the gateway in the same
//! process. It touches no store: the token is verified once and remembered, session and account are in memory. Where several
//! instances share the store it is asked while the copy cannot be believed, and about sessions that are not in it yet.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use contracts::{
    Decision, Identity, Presented, UserId, Verified,
    bearer::{bearer, no_credential},
    clients::IdentityHeaders,
    verifier::{invalid_token, refused},
};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use kit::{
    Problem,
    token::{Claims, TokenKind},
};
use uuid::Uuid;

use crate::{
    memory::{HandedOn, Known, Live},
    state::Auth,
};

/// What a request turned out to be.
pub enum Caller {
    /// Nobody, where that is good enough.
    Anonymous,
    /// A person.
    Person(Recognised),
}

/// A person, recognised.
pub struct Recognised {
    /// The account as committed.
    pub known: Arc<Known>,
    /// The session.
    pub live: Arc<Live>,
    /// What the token says.
    pub claims: Arc<Claims>,
    /// `Bearer <token>` as presented.
    presented: HeaderValue,
    /// Whether the token says what the account is now.
    current: bool,
}

/// An account and a session of it.
pub type Standing = (Arc<Known>, Arc<Live>);

/// A good token.
struct Shown {
    claims: Arc<Claims>,
    user: UserId,
    session: Uuid,
    presented: HeaderValue,
    /// When it was looked at.
    at: DateTime<Utc>,
}

impl Auth {
    /// Recognises who presents these headers; `query` is that of the URL and counts only with `auth.compat_query_token`.
    ///
    /// # Errors
    /// 401 with one of the details of rule 9, or `wrong_token_kind`; 503 when the store must be asked and does not answer.
    pub async fn recognise(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        anonymous: bool,
    ) -> Result<Caller, Problem> {
        let Some(shown) = self.shown(headers, query, anonymous)? else {
            return Ok(Caller::Anonymous);
        };
        let (known, live) = match self.standing(shown.session, shown.user, shown.at) {
            Some(standing) => standing?,
            // boxed: hardly ever needed, and large
            None => Box::pin(self.ask(shown.session, shown.user)).await?,
        };
        live.seen(shown.at);
        let current = says(&shown.claims, &known);
        Ok(Caller::Person(Recognised {
            known,
            live,
            claims: shown.claims,
            presented: shown.presented,
            current,
        }))
    }

    /// What the copy says of a session and its account; `None`: only the store knows.
    pub(crate) fn standing(
        &self,
        session: Uuid,
        user: UserId,
        now: DateTime<Utc>,
    ) -> Option<Result<Standing, Problem>> {
        let memory = self.store.memory();
        let live = memory.session(session);
        if live.as_ref().is_some_and(|live| !is_good(live, user, now)) {
            return Some(Err(invalid_token()));
        }
        if !self.store.instances().believes(now) {
            return None;
        }
        match (live, memory.account(user)) {
            (Some(live), Some(known)) if known.account.active => Some(Ok((known, live))),
            (_, Some(known)) if !known.account.active => Some(Err(invalid_token())),
            // opened elsewhere a moment ago
            _ if self.store.instances().has_others() => None,
            _ => Some(Err(invalid_token())),
        }
    }

    /// The same asked of the store.
    ///
    /// # Errors
    /// 401, or 503 when the store does not say it in time.
    pub(crate) async fn ask(&self, session: Uuid, user: UserId) -> Result<Standing, Problem> {
        let (known, live) = self.store.ask(session).await?.ok_or_else(invalid_token)?;
        if known.account.active && is_good(&live, user, self.clock.now()) {
            Ok((known, live))
        } else {
            Err(invalid_token())
        }
    }

    /// The credential, verified; none where none is needed.
    fn shown(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        anonymous: bool,
    ) -> Result<Option<Shown>, Problem> {
        let from_query;
        let (token, presented) = match bearer(headers)? {
            Some(token) => (token, headers.get(AUTHORIZATION).cloned()),
            None => match self.query_token(query) {
                Some(token) => {
                    from_query = token;
                    (
                        from_query.as_str(),
                        HeaderValue::from_str(&format!("Bearer {from_query}")).ok(),
                    )
                }
                None if anonymous => return Ok(None),
                None => return Err(no_credential()),
            },
        };
        let presented = presented.ok_or_else(invalid_token)?;
        let now = self.clock.now();
        let claims = self.keys.verify_cached(token, now).map_err(refused)?;
        if claims.kind != TokenKind::Person {
            return Err(Problem::unauthorized_as(
                "wrong_token_kind",
                "This token is of another kind than this route takes",
            ));
        }
        let (Ok(user), Some(session)) = (claims.sub.parse(), claims.sid) else {
            return Err(invalid_token());
        };
        Ok(Some(Shown {
            claims,
            user,
            session,
            presented,
            at: now,
        }))
    }

    /// The `Authorization` to hand on: as presented, or fresh where the presented token carries older roles or names.
    ///
    /// # Errors
    /// 401 when a fresh token cannot stand in a header, which no accepted name leads to.
    pub fn authorization(&self, person: &Recognised) -> Result<HeaderValue, Problem> {
        if person.current {
            return Ok(person.presented.clone());
        }
        self.handed_on(person)?
            .fresh
            .clone()
            .ok_or_else(invalid_token)
    }

    /// What is handed on for this session, made anew only when the token or the account is another one than last time.
    fn handed_on(&self, person: &Recognised) -> Result<Arc<HandedOn>, Problem> {
        let (account, session, exp) = (
            &person.known.account,
            &person.live.session,
            person.claims.exp,
        );
        if let Some(made) = person.live.handed_on(account.version, exp, person.current) {
            return Ok(made);
        }
        let who = Verified {
            user: account.id,
            email: account.email.clone(),
            username: account.username.clone(),
            roles: account.roles,
            session: session.id,
            expires_at: DateTime::from_timestamp(exp, 0).unwrap_or(session.absolute_expiry),
        };
        let made = Arc::new(HandedOn {
            version: account.version,
            exp,
            current: person.current,
            headers: Arc::new(IdentityHeaders::of(&who)?),
            who: Arc::new(who),
            fresh: if person.current {
                None
            } else {
                self.fresh_bearer(account, session, exp)
            },
        });
        person.live.hand_on(made.clone());
        Ok(made)
    }

    fn query_token(&self, query: Option<&str>) -> Option<String> {
        if !self.config.compat_query_token {
            return None;
        }
        // the 004 system named it `authorization`, by mistake, and meant the header's text
        let value = query?
            .split('&')
            .find_map(|pair| pair.strip_prefix("authorization="))?;
        let value = value.replace("%20", " ").replace('+', " ");
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.to_owned())
    }
}

/// Whether the session is alive and this person's.
fn is_good(live: &Live, user: UserId, now: DateTime<Utc>) -> bool {
    !live.is_revoked() && live.session.user == user && live.session.absolute_expiry > now
}

/// Whether the token says what the account is now.
fn says(claims: &Claims, known: &Known) -> bool {
    claims
        .roles
        .iter()
        .map(String::as_str)
        .eq(known.roles.iter().copied())
        && claims.email == known.account.email
        && claims.username.as_deref() == Some(known.account.username.as_str())
}

/// The decision for callers in the same process.
#[async_trait]
impl Identity for Auth {
    async fn validate(&self, presented: &Presented<'_>) -> Result<Decision, Problem> {
        let query = presented.uri.split_once('?').map(|(_, query)| query);
        match self
            .recognise(presented.headers, query, presented.anonymous)
            .await?
        {
            Caller::Anonymous => Ok(Decision::Anonymous),
            Caller::Person(person) => {
                let authorization = self.authorization(&person)?;
                let made = self.handed_on(&person)?;
                Ok(Decision::Identified {
                    who: made.who.clone(),
                    headers: made.headers.clone(),
                    authorization,
                })
            }
        }
    }
}
