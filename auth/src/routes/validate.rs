//! `/auth/validate`: what Traefik and the gateway ask before every protected route (spec/auth.md section 5.2).

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse as _, Response},
};
use contracts::access::{X_SESSION_ID, X_USER_EMAIL, X_USER_ID, X_USER_ROLES};
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{AUTHORIZATION, CACHE_CONTROL},
    request::Parts,
};
use kit::{
    Problem,
    routes::{Guard, GuardKind},
};

use crate::{decision::Caller, state::Auth};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The decision about a request, as its answer: 200 with the identity in headers, 200 without where nobody is good
/// enough, or 401. Never a body.
///
/// An extractor rather than a handler's work, because it reads the request's headers in place: this is the hottest path
/// of the system, and the headers of a handler are a copy.
#[derive(Debug)]
pub struct ForwardAuth(Response);

impl Guard for ForwardAuth {
    const NAME: &'static str = "ForwardAuth";
    const KIND: GuardKind = GuardKind::Open;
}

impl FromRequestParts<Auth> for ForwardAuth {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, auth: &Auth) -> Result<Self, Infallible> {
        let answer = answer(auth, &parts.uri, &parts.headers).await;
        Ok(Self(answer.unwrap_or_else(|problem| {
            problem.header(CACHE_CONTROL, NO_STORE).into_response()
        })))
    }
}

/// Answers any method.
pub async fn validate(ForwardAuth(answer): ForwardAuth) -> Response {
    answer
}

async fn answer(auth: &Auth, uri: &Uri, headers: &HeaderMap) -> Result<Response, Problem> {
    let anonymous = uri
        .query()
        .is_some_and(|query| query.split('&').any(|pair| pair == "anonymous=1"));
    let caller = auth.recognise(headers, uri.query(), anonymous).await?;
    let mut response = Response::default();
    let out = response.headers_mut();
    if let Caller::Person(person) = caller {
        kit::server::note_user(person.known.account.id.0);
        out.reserve(6);
        out.insert(X_USER_ID, person.known.id_header.clone());
        out.insert(X_USER_EMAIL, person.known.email_header.clone());
        out.insert(X_USER_ROLES, person.known.roles_header.clone());
        out.insert(X_SESSION_ID, person.live.header.clone());
        out.insert(AUTHORIZATION, auth.authorization(&person)?);
    }
    out.insert(CACHE_CONTROL, NO_STORE);
    Ok(response)
}
