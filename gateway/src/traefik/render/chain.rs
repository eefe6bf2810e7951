//! What requests go through.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use contracts::access::{X_SESSION_ID, X_USER_EMAIL, X_USER_ID, X_USER_ROLES};
use http::HeaderName;
use http::header::{ACCEPT, AUTHORIZATION, COOKIE, ORIGIN, REFERER, USER_AGENT};
use kit::routes::Access;
use kit::trace::TRACEPARENT;

use super::super::model::{
    Breaker, Buffering, Duration, Errors, ForwardAuth, Item, Middleware, MiddlewareKind, Name,
    Page, PathText, RateLimit, Retry, Source, Statuses, Text, Unwritable,
};
use super::classes::{Class, Routes};
use super::{AUTH_UNAVAILABLE, PROBLEM, Settings, UNROUTED, VALIDATE, services};
use crate::headers::X_REQUEST_ID;
use crate::security;
use crate::traefik::trust::Trust;

const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// So often in all. Instances are asked in turn, by all requests together: each attempt may meet the same dead instance
/// again, of two with even odds, for as long as the catalog names it. So many all meet it once in a million requests, and
/// take 150 ms where everybody is dead.
const ATTEMPTS: u32 = 20;
/// Almost every request fits, and Traefik's own 2 MiB, taken anew for each request, cost more than all else on its way: without
/// them it does 2.7 times as many.
const LARGEST_REPEATED: u32 = 16 * 1024;
/// What may be repeated hardly ever has a body.
const LARGEST_ASKED_AGAIN: u32 = 1024;
/// A refusal of auth is a problem of some hundred bytes.
const LARGEST_REFUSAL: u32 = 16 * 1024;

fn headers() -> Name {
    Name::fixed("headers")
}

fn rate() -> Name {
    Name::fixed("rate")
}

fn in_flight() -> Name {
    Name::fixed("in-flight")
}

fn compress() -> Name {
    Name::fixed("compress")
}

fn errors() -> Name {
    Name::fixed("errors")
}

fn auth() -> Name {
    Name::fixed("auth")
}

fn auth_optional() -> Name {
    Name::fixed("auth-optional")
}

fn body(largest: usize) -> Result<Name, Unwritable> {
    Name::new(&format!("body-{largest}"))
}

/// Who cannot be reached is left alone for a moment.
pub(super) fn breaker() -> Name {
    Name::fixed("breaker")
}

/// Who is calling is asked again when nobody answered.
fn ask_again() -> Name {
    Name::fixed("ask-again")
}

/// Another instance is asked when one cannot be reached.
pub(super) fn retry() -> Name {
    Name::fixed("retry")
}

/// The path is marked as one that no router takes.
pub(super) fn unrouted() -> Name {
    Name::fixed("unrouted")
}

/// The answer for who asks an auth that is away.
pub(super) fn auth_gone() -> Name {
    Name::fixed("auth-gone")
}

/// Whatever auth runs into is 503, so that no client takes it for a refusal.
pub(super) fn auth_errors() -> Name {
    Name::fixed("auth-errors")
}

/// What every request from outside goes through, before its route is looked for.
pub(super) fn of_root(counts: bool) -> Vec<Name> {
    let mut names = vec![headers()];
    if counts {
        names.push(rate());
    }
    names.extend([in_flight(), compress(), errors()]);
    names
}

/// What requests of a class go through. Who is calling is asked before a body is read.
pub(super) fn of_class(class: &Class) -> Result<Vec<Name>, Unwritable> {
    let mut names = Vec::new();
    match class.access {
        Access::Authenticated | Access::Internal => names.extend([ask_again(), auth()]),
        Access::Optional => names.extend([ask_again(), auth_optional()]),
        Access::Public => {}
    }
    if let Some(largest) = class.body {
        names.push(body(largest)?);
    }
    Ok(names)
}

pub(super) fn all(
    settings: &Settings,
    classes: &[&Routes],
    trust: Option<&Trust>,
) -> Result<Vec<Middleware>, Unwritable> {
    let source = Source {
        proxies: settings.proxies,
    };
    let mut kinds = vec![
        (headers(), security_headers()?),
        (
            rate(),
            MiddlewareKind::RateLimit(RateLimit {
                average: settings.rate_limit,
                burst: settings.rate_burst,
                source,
            }),
        ),
        (
            in_flight(),
            MiddlewareKind::InFlight {
                amount: settings.in_flight,
                source,
            },
        ),
        (
            compress(),
            MiddlewareKind::Compress(vec![Item::new("text/event-stream")?]),
        ),
        (errors(), instead_of_traefiks()?),
        (breaker(), MiddlewareKind::Breaker(BREAKER)),
        (
            retry(),
            MiddlewareKind::Retry(Retry {
                attempts: ATTEMPTS,
                interval: Duration::millis(5),
                timeout: Duration::millis(5_000),
                // Traefik's own, when an instance ends while it answers. No service of ours says it.
                statuses: vec![Statuses::new(502, 502)?],
                unreached: true,
                largest: LARGEST_REPEATED,
            }),
        ),
        (
            ask_again(),
            MiddlewareKind::Retry(Retry {
                // For as long as it takes until an instance that died is out: it is noticed at once, and Traefik takes a change
                // within 200 ms.
                attempts: 20,
                interval: Duration::millis(30),
                timeout: Duration::millis(1_500),
                // Forward-auth's own, when the connection to auth ends under it. It stands before the service, and so a service's
                // 500 is asked for again, too, where the method allows it.
                statuses: vec![Statuses::new(500, 500)?],
                unreached: false,
                largest: LARGEST_ASKED_AGAIN,
            }),
        ),
        (
            unrouted(),
            MiddlewareKind::AddPrefix(PathText::new(UNROUTED)?),
        ),
        (
            auth_gone(),
            MiddlewareKind::ReplacePath(problem(AUTH_UNAVAILABLE)?),
        ),
        (auth_errors(), instead_of_auths()?),
    ];
    if let Some(trust) = trust {
        for (name, query) in [(auth(), None), (auth_optional(), Some("anonymous=1"))] {
            kinds.push((name, forward_auth(settings, trust, query)?));
        }
    }
    let bodies: BTreeSet<usize> = classes
        .iter()
        .filter_map(|routes| routes.class.body)
        .collect();
    for largest in bodies {
        let bytes = u64::try_from(largest).ok().and_then(NonZeroU64::new);
        let buffering = Buffering {
            largest: bytes.unwrap_or(NonZeroU64::MIN),
        };
        kinds.push((body(largest)?, MiddlewareKind::Buffering(buffering)));
    }
    let named = |(name, kind)| Middleware { name, kind };
    Ok(kinds.into_iter().map(named).collect())
}

/// Traefik counts no calls, so one failure after a quiet time opens it: it stays open for a moment only. It answers with a
/// status that [`instead_of_traefiks`] replaces.
const BREAKER: Breaker = Breaker {
    percent: 50,
    check: Duration::millis(1_000),
    pause: Duration::millis(2_000),
    recovery: Duration::millis(2_000),
    status: 502,
};

/// Those that no answer of ours says otherwise; Traefik replaces and does not add.
fn security_headers() -> Result<MiddlewareKind, Unwritable> {
    let fixed = security::FIXED.into_iter();
    let headers: Result<_, _> = fixed
        .map(|(name, value)| Ok((name, Text::new(value)?)))
        .collect();
    headers.map(MiddlewareKind::Headers)
}

fn problem(which: &str) -> Result<PathText, Unwritable> {
    PathText::new(format!("{PROBLEM}/{which}"))
}

/// Nobody of ours answers 502 or 504, and every 413 says the same: these are Traefik's own.
fn instead_of_traefiks() -> Result<MiddlewareKind, Unwritable> {
    Ok(MiddlewareKind::Errors(Errors {
        statuses: vec![
            Statuses::new(413, 413)?,
            // Forward-auth's own has no body.
            Statuses::new(500, 500)?,
            Statuses::new(502, 502)?,
            Statuses::new(504, 504)?,
        ],
        rewrites: vec![(Statuses::new(502, 504)?, 503)],
        service: services::problems(),
        page: Page::ByStatus(PathText::new(PROBLEM)?),
        request_headers: vec![X_REQUEST_ID],
    }))
}

/// A 503 of auth says what it lacks and when to come back, and is passed on.
fn instead_of_auths() -> Result<MiddlewareKind, Unwritable> {
    Ok(MiddlewareKind::Errors(Errors {
        statuses: vec![Statuses::new(500, 502)?, Statuses::new(504, 599)?],
        rewrites: vec![(Statuses::new(500, 599)?, 503)],
        service: services::problems(),
        page: Page::At(problem(AUTH_UNAVAILABLE)?),
        request_headers: vec![X_REQUEST_ID],
    }))
}

fn forward_auth(
    settings: &Settings,
    trust: &Trust,
    query: Option<&'static str>,
) -> Result<MiddlewareKind, Unwritable> {
    let asked = &settings.internal;
    Ok(MiddlewareKind::ForwardAuth(ForwardAuth {
        address: asked.at(&PathText::new(VALIDATE)?, query),
        authority: asked.is_tls().then(|| trust.asked.clone()),
        // What is presented, and what the decision, its log line and its trace need to know of the request.
        request_headers: vec![
            AUTHORIZATION,
            COOKIE,
            X_CSRF_TOKEN,
            ORIGIN,
            REFERER,
            ACCEPT,
            USER_AGENT,
            X_REQUEST_ID,
            TRACEPARENT,
            TRACESTATE,
        ],
        response_headers: vec![
            X_USER_ID,
            X_USER_EMAIL,
            X_USER_ROLES,
            X_SESSION_ID,
            AUTHORIZATION,
            X_REQUEST_ID,
        ],
        largest_answer: LARGEST_REFUSAL,
    }))
}
