//! One request's way through the gateway.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use contracts::access::ClientAddress;
use contracts::{Decision, Identity, Presented};
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use kit::problem::Problem;
use kit::routes::{Access, Rate, canonical_path};
use tower::Service as _;

use crate::client::{ClientKey, TrustedProxies, X_FORWARDED_FOR};
use crate::headers::clean_request;
use crate::hosts::Hosts;
use crate::rate::RateLimit;
use crate::table::{Found, Route, Table};
use crate::upstream::Target;
use crate::{identity, path, problems, security};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Everything that is decided about a request before a service sees it.
pub struct Gate {
    /// The routes.
    pub table: Table,
    /// Whom auth recognises.
    pub identity: Arc<dyn Identity>,
    /// The limit per client address.
    pub rate: RateLimit,
    /// Who is believed about addresses.
    pub proxies: TrustedProxies,
    /// Which names are answered for.
    pub hosts: Hosts,
}

/// Where a request comes from.
struct Origin {
    client: Option<IpAddr>,
    /// What a trusted proxy says about the request as the client sent it.
    proto: Option<HeaderValue>,
    host: Option<HeaderValue>,
}

impl Gate {
    /// Answers a request.
    pub async fn answer(&self, req: Request<Body>) -> Response {
        let mut response = match self.pass(req).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        };
        security::harden(response.headers_mut());
        response
    }

    async fn pass(&self, mut req: Request<Body>) -> Result<Response, Problem> {
        path::check_target(req.uri(), req.version())
            .map_err(|reason| Problem::bad_request("bad_path", reason.to_string()))?;
        if let Some(uri) = canonical_path(req.uri()) {
            *req.uri_mut() = uri;
        }
        self.hosts.check(&req)?;
        let origin = self.origin(&req);
        let found = self.table.find(req.method(), req.uri().path());
        // Paths that do not exist count too: whoever tries out addresses is to be slowed down.
        if !matches!(
            found,
            Found::Route(Route {
                rate: Rate::Exempt,
                ..
            })
        ) {
            self.rate
                .check(ClientKey::of(origin.client))
                .map_err(rate_limited)?;
        }
        let route = match found {
            Found::Route(route) => route,
            Found::OtherMethods(allow) => return Err(problems::wrong_method(allow)),
            Found::Nothing => return Err(problems::nothing()),
        };
        kit::server::note_route(&route.matched);
        clean_request(req.headers_mut());
        kit::server::hand_on(req.headers_mut(), None);
        let presented = Presented {
            headers: req.headers(),
            anonymous: route.access == Access::Optional,
            method: req.method(),
            uri: req.uri().path_and_query().map_or("/", PathAndQuery::as_str),
            address: origin.client,
        };
        let decision = identity::decide(&*self.identity, route.access, &presented).await?;
        call(route, req, decision, origin).await
    }

    fn origin(&self, req: &Request<Body>) -> Origin {
        let peer = req
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip());
        let Some(peer) = peer else {
            return Origin {
                client: None,
                proto: None,
                host: None,
            };
        };
        let headers = req.headers();
        let believed = self.proxies.contains(peer);
        let said = |name: &HeaderName| believed.then(|| headers.get(name).cloned()).flatten();
        Origin {
            client: Some(self.proxies.client(peer, headers)),
            proto: said(&X_FORWARDED_PROTO),
            host: said(&X_FORWARDED_HOST),
        }
    }
}

async fn call(
    route: &Route,
    mut req: Request<Body>,
    decision: Option<Decision>,
    origin: Origin,
) -> Result<Response, Problem> {
    let stays_here = !matches!(route.target, Target::Http(_));
    if let Some(decision) = decision {
        identity::hand_on(&mut req, decision, stays_here);
    }
    match &route.target {
        Target::Local(router) | Target::Direct(_, router) => {
            req.extensions_mut().insert(ClientAddress(origin.client));
            forward_origin(req.headers_mut(), origin, false);
            if let Target::Direct(direct, _) = &route.target
                && req.method() != Method::HEAD
            {
                return Ok(direct.call(req).await);
            }
            let Ok(response) = router.clone().call(req).await;
            Ok(response)
        }
        Target::Http(upstream) => {
            forward_origin(req.headers_mut(), origin, true);
            upstream.call(limited(req, route.body_limit)?).await
        }
    }
}

/// Tells a service what the gateway knows of the request's way. In this process only what a trusted proxy said is new.
fn forward_origin(headers: &mut HeaderMap, origin: Origin, leaves: bool) {
    let (mut proto, mut host) = (origin.proto, origin.host);
    if leaves {
        if let Some(client) = origin
            .client
            .and_then(|client| HeaderValue::try_from(client.to_string()).ok())
        {
            headers.insert(X_FORWARDED_FOR, client);
        }
        proto = proto.or(Some(HeaderValue::from_static("http")));
        host = host.or_else(|| headers.get(HOST).cloned());
    }
    for (name, value) in [(X_FORWARDED_PROTO, proto), (X_FORWARDED_HOST, host)] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}

/// Cuts a body that is longer than its route takes, before it is sent on. Local routers do it themselves.
fn limited(req: Request<Body>, of_route: Option<usize>) -> Result<Request<Body>, Problem> {
    let limit = of_route.unwrap_or_else(kit::server::default_body_limit);
    let announced = req
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|announced| announced > limit) {
        return Err(problems::too_large());
    }
    Ok(kit::routes::limit_body(req, limit))
}

fn rate_limited(wait: u64) -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
        "too many requests from this address",
    )
    .retry_after(wait)
}
