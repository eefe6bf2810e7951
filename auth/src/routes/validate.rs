//! `/auth/validate`: what Traefik and the gateway ask before every protected route (spec/auth.md section 5.2).

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use contracts::access::{Anyone, X_SESSION_ID, X_USER_EMAIL, X_USER_ID, X_USER_ROLES};
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{AUTHORIZATION, CACHE_CONTROL},
};
use kit::Problem;

use crate::{decision::Caller, state::Auth};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// 200 with the identity in headers, 200 without where nobody is good enough, or 401. Never a body.
pub async fn validate(
    _: Anyone,
    State(auth): State<Auth>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    match answer(&auth, &uri, &headers) {
        Ok(response) => response,
        Err(problem) => problem.header(CACHE_CONTROL, NO_STORE).into_response(),
    }
}

fn answer(auth: &Auth, uri: &Uri, headers: &HeaderMap) -> Result<Response, Problem> {
    let anonymous = uri
        .query()
        .is_some_and(|query| query.split('&').any(|pair| pair == "anonymous=1"));
    let mut response = Response::default();
    let out = response.headers_mut();
    if let Caller::Person(person) = auth.recognise(headers, uri.query(), anonymous)? {
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
