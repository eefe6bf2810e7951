//! The forward-auth decision (spec/auth.md section 5.2).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use kit::problem::Problem;
use kit::server::hand_on;
use kit::trace::Span;

use crate::access::{X_SESSION_ID, X_USER_EMAIL, X_USER_ID, X_USER_ROLES};
use crate::bearer::bearer;
use crate::verifier::{Bearer, Verifier, invalid_token};
use crate::{Verified, access};

/// What a request presents to be recognised by.
#[derive(Clone, Debug)]
pub struct Presented<'a> {
    /// The request's headers as the client sent them; only the credentials in them are looked at.
    pub headers: &'a HeaderMap,
    /// Whether nobody is good enough (access `optional`).
    pub anonymous: bool,
    /// The method of the request that is checked.
    pub method: &'a Method,
    /// Its path and query, for the audit; never part of the decision who may call what.
    pub uri: &'a str,
    /// Where it comes from.
    pub address: Option<IpAddr>,
}

/// What auth says. A refusal is an `Err` with a 401.
#[derive(Clone)]
pub enum Decision {
    /// No credential was presented and none is needed.
    Anonymous,
    /// A person.
    Identified {
        /// Who, with the roles auth has committed.
        who: Arc<Verified>,
        /// The same as headers, made once and handed on many times.
        headers: Arc<IdentityHeaders>,
        /// `Bearer <token>` to hand on: the presented one, or a fresh one where that one carries older roles.
        authorization: HeaderValue,
    },
}

impl fmt::Debug for Decision {
    /// Without the credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Identified { who, .. } => f.debug_tuple("Identified").field(&who.user).finish(),
        }
    }
}

/// A person as the identity headers say it.
#[derive(Clone, Debug)]
pub struct IdentityHeaders([(HeaderName, HeaderValue); 4]);

impl IdentityHeaders {
    /// Writes them.
    ///
    /// # Errors
    /// 500 when the account holds what no header can carry; what auth accepts as an address or a role can.
    pub fn of(who: &Verified) -> Result<Self, Problem> {
        let text = |text: &str| HeaderValue::from_bytes(text.as_bytes()).map_err(Problem::internal);
        Ok(Self([
            (X_USER_ID, HeaderValue::from(who.user.0)),
            (
                X_USER_EMAIL,
                text(who.email.as_deref().unwrap_or_default())?,
            ),
            (X_USER_ROLES, text(&who.roles.header())?),
            (X_SESSION_ID, text(&who.session.to_string())?),
        ]))
    }

    /// Sets exactly one of each.
    pub fn set(&self, headers: &mut HeaderMap) {
        headers.reserve(self.0.len() + 1);
        for (name, value) in &self.0 {
            headers.insert(name, value.clone());
        }
    }
}

/// Who decides about identity.
#[async_trait]
pub trait Identity: Send + Sync {
    /// Recognises the caller. Every call reads the session and the account, so that a revocation or a change of roles
    /// counts on the next request.
    ///
    /// # Errors
    /// 401 with `WWW-Authenticate` when the credential is missing or bad; 503 when auth or its store cannot answer: never
    /// "allowed".
    async fn validate(&self, presented: &Presented<'_>) -> Result<Decision, Problem>;
}

/// Auth in another process, asked over `/api/auth/validate`.
#[derive(Clone, Debug)]
pub struct HttpIdentity {
    http: reqwest::Client,
    url: Arc<str>,
    verifier: Verifier,
}

impl HttpIdentity {
    /// `base_url` is the address of auth, e.g. `http://auth:5000`. The verifier reads the token auth answers with.
    #[must_use]
    pub fn new(base_url: &str, http: reqwest::Client, verifier: Verifier) -> Self {
        Self {
            http,
            url: format!("{}/api/auth/validate", base_url.trim_end_matches('/')).into(),
            verifier,
        }
    }
}

/// auth bounds itself to 250 ms for its store (spec/auth.md rule 11); this leaves it room to say so.
const PATIENCE: Duration = Duration::from_secs(2);

#[async_trait]
impl Identity for HttpIdentity {
    async fn validate(&self, presented: &Presented<'_>) -> Result<Decision, Problem> {
        let mut request = self.http.get(&*self.url).timeout(PATIENCE);
        if presented.anonymous {
            request = request.query(&[("anonymous", "1")]);
        }
        for value in presented.headers.get_all(AUTHORIZATION) {
            request = request.header(AUTHORIZATION, value);
        }
        let span = Span::client();
        let mut told = HeaderMap::new();
        hand_on(&mut told, span.as_ref());
        request = request
            .headers(told)
            .header("x-forwarded-method", presented.method.as_str())
            .header("x-forwarded-uri", presented.uri);
        if let Some(address) = presented.address {
            request = request.header("x-forwarded-for", address.to_string());
        }
        let answer = request.send().await;
        if let Some(span) = span {
            let status = answer.as_ref().ok().map(reqwest::Response::status);
            span.end_call("auth", &Method::GET, status);
        }
        let answer = answer.map_err(unavailable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        if !status.is_success() {
            let body = answer.bytes().await.map_err(unavailable)?;
            return Err(Problem::from_wire(status, &headers, &body));
        }
        decide(&self.verifier, &headers)
    }
}

fn decide(verifier: &Verifier, headers: &HeaderMap) -> Result<Decision, Problem> {
    let Some(token) = bearer(headers)? else {
        return Ok(Decision::Anonymous);
    };
    let Bearer::Person(who) = verifier.verify(token)? else {
        return Err(invalid_token());
    };
    let authorization = headers
        .get(AUTHORIZATION)
        .cloned()
        .ok_or_else(invalid_token)?;
    let complete = [X_USER_ID, X_USER_EMAIL, X_USER_ROLES, X_SESSION_ID]
        .iter()
        .all(|name| headers.contains_key(name));
    if !complete || !access::headers_agree(headers, &who) {
        return Err(unavailable(anyhow::anyhow!(
            "auth answered with headers that do not match its token"
        )));
    }
    let headers = Arc::new(IdentityHeaders::of(&who)?);
    Ok(Decision::Identified {
        who,
        headers,
        authorization,
    })
}

fn unavailable(cause: impl Into<anyhow::Error>) -> Problem {
    Problem::unavailable(
        "auth_unavailable",
        "Sign-in cannot be checked at the moment; try again shortly",
    )
    .cause(cause)
}
