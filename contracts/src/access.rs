//! Access extractors: the first argument of every handler. The signature *is* the access rule.
//!
//! Identity comes from [`Verified`] in the request's extensions, which only the in-process gateway can put there, else from
//! the bearer token through the [`Verifier`] the service's router carries. The `X-User-*` headers are never a source: they
//! are compared with the token, and any mismatch is 401 `identity_mismatch`.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Extension;
use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};
use kit::problem::Problem;
use kit::routes::{Guard, GuardKind, RouteSet};

use crate::bearer::{bearer, no_credential};
use crate::verifier::{Bearer, Verifier};
use crate::{Role, Verified};

/// `X-User-ID`: the account's id.
pub const X_USER_ID: HeaderName = HeaderName::from_static("x-user-id");
/// `X-User-Email`: its address, empty if it has none.
pub const X_USER_EMAIL: HeaderName = HeaderName::from_static("x-user-email");
/// `X-User-Roles`: comma list, sorted.
pub const X_USER_ROLES: HeaderName = HeaderName::from_static("x-user-roles");
/// `X-Session-ID`: the session.
pub const X_SESSION_ID: HeaderName = HeaderName::from_static("x-session-id");

/// Makes the routes' extractors verify bearer tokens with these keys.
#[must_use]
pub fn with_verifier(mut routes: RouteSet, verifier: Verifier) -> RouteSet {
    for direct in routes.direct.iter_mut().filter_map(Option::as_mut) {
        let verifier = verifier.clone();
        *direct = direct.clone().after(move |req| {
            // whom the gateway of this process has proven needs no proof
            if req.extensions().get::<Arc<Verified>>().is_none() {
                req.extensions_mut().insert(verifier.clone());
            }
        });
    }
    routes.router = routes.router.layer(Extension(verifier));
    routes
}

/// Nobody: a public route. No credential is looked at, so that a stale one never breaks a login.
#[derive(Clone, Copy, Debug)]
pub struct Anyone;

impl Guard for Anyone {
    const NAME: &'static str = "Anyone";
    const KIND: GuardKind = GuardKind::Open;
}

impl<S: Send + Sync> FromRequestParts<S> for Anyone {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

/// A caller who may or may not have signed in (access `optional`). A credential that is presented and bad is still 401.
#[derive(Clone, Debug)]
pub struct Visitor(pub Option<Arc<Verified>>);

impl Guard for Visitor {
    const NAME: &'static str = "Visitor";
    const KIND: GuardKind = GuardKind::Open;
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        verified(parts).map(Self)
    }
}

macro_rules! person_guard {
    ($(#[$doc:meta])* $name:ident: $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub Arc<Verified>);

        impl Guard for $name {
            const NAME: &'static str = stringify!($name);
            const KIND: GuardKind = GuardKind::Person;
        }

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                let who = verified(parts)?.ok_or_else(no_credential)?;
                let allowed: fn(&Verified) -> bool = $allowed;
                if allowed(&who) { Ok(Self(who)) } else { Err(wrong_role()) }
            }
        }
    };
}

person_guard!(
    /// Any signed-in account.
    Member: |_| true
);
person_guard!(
    /// An account with the role `student`.
    Student: |who| who.is(Role::Student)
);
person_guard!(
    /// An account with the role `teacher`.
    Teacher: |who| who.is(Role::Teacher)
);
person_guard!(
    /// An account with the role `staff`, `teacher` or `admin`: somebody who works at the school.
    Staff: |who| who.is(Role::Staff) || who.is(Role::Teacher) || who.is(Role::Admin)
);
person_guard!(
    /// An account with the role `admin`.
    Admin: |who| who.is(Role::Admin)
);
person_guard!(
    /// An account with the role `guardian`; which child is decided by the relation.
    Guardian: |who| who.is(Role::Guardian)
);

/// Another service of this deployment, proven by a service token; `/internal/` routes only.
#[derive(Clone, Debug)]
pub struct Service(pub Arc<str>);

impl Guard for Service {
    const NAME: &'static str = "Service";
    const KIND: GuardKind = GuardKind::Service;
}

impl<S: Send + Sync> FromRequestParts<S> for Service {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match verify(parts)?.ok_or_else(no_credential)? {
            Bearer::Service(name) => Ok(Self(name)),
            Bearer::Person(_) => Err(wrong_token_kind()),
        }
    }
}

/// The address a request comes from: what the gateway found, else the peer of the connection. `None` where a request has
/// no connection (a call within the process).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let found = parts.extensions.get::<Self>().copied();
        Ok(found.unwrap_or_else(|| {
            Self(
                parts
                    .extensions
                    .get::<ConnectInfo<SocketAddr>>()
                    .map(|info| info.0.ip()),
            )
        }))
    }
}

fn verified(parts: &mut Parts) -> Result<Option<Arc<Verified>>, Problem> {
    if let Some(who) = parts.extensions.get::<Arc<Verified>>() {
        kit::server::note_user(who.user.0);
        return Ok(Some(who.clone()));
    }
    match verify(parts)? {
        None => Ok(None),
        Some(Bearer::Service(_)) => Err(wrong_token_kind()),
        Some(Bearer::Person(who)) => {
            if !headers_agree(&parts.headers, &who) {
                return Err(Problem::unauthorized_as(
                    "identity_mismatch",
                    "The identity headers do not match the token",
                ));
            }
            kit::server::note_user(who.user.0);
            parts.extensions.insert(who.clone());
            Ok(Some(who))
        }
    }
}

fn verify(parts: &Parts) -> Result<Option<Bearer>, Problem> {
    let Some(token) = bearer(&parts.headers)? else {
        return Ok(None);
    };
    let Some(verifier) = parts.extensions.get::<Verifier>() else {
        return Err(Problem::internal(anyhow::anyhow!(
            "a router was hosted without a verifier"
        )));
    };
    verifier.verify(token).map(Some)
}

/// Each identity header is absent, or stands once and says what the token says.
pub(crate) fn headers_agree(headers: &HeaderMap, who: &Verified) -> bool {
    let agrees = |name: &HeaderName, expected: &dyn Fn() -> String| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => true,
            (Some(value), None) => value.as_bytes() == expected().as_bytes(),
            (Some(_), Some(_)) => false,
        }
    };
    agrees(&X_USER_ID, &|| who.user.to_string())
        && agrees(&X_USER_EMAIL, &|| who.email.clone().unwrap_or_default())
        && agrees(&X_USER_ROLES, &|| who.roles.header())
        && agrees(&X_SESSION_ID, &|| who.session.to_string())
}

fn wrong_role() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        "Your account has not the role this needs",
    )
}

fn wrong_token_kind() -> Problem {
    Problem::unauthorized_as(
        "wrong_token_kind",
        "This token is of another kind than this route takes",
    )
}
