//! The answer to what no router takes: why.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::Uri;
use http::uri::PathAndQuery;
use kit::problem::Problem;
use kit::routes::canonical_path;

use super::super::render::{UNROUTED, VALIDATE};
use crate::hosts::Hosts;
use crate::table::{Found, Table};
use crate::{path, problems};

/// The routes of everybody, and the names answered for.
#[derive(Debug)]
pub struct Unrouted {
    /// Every route that Traefik is told.
    pub table: Table<()>,
    /// Which names are answered for.
    pub hosts: Hosts,
}

impl Unrouted {
    /// Answers below [`UNROUTED`], where Traefik sends what it has no router for at the moment.
    pub fn router(self) -> Router {
        let state = Arc::new(self);
        Router::new()
            .route(UNROUTED, any(answer))
            .route(&format!("{UNROUTED}/{{*path}}"), any(answer))
            .with_state(state)
    }

    /// As the gateway in one process would have answered, had it not found the service.
    fn why(&self, mut req: Request) -> Problem {
        let Some(uri) = asked_for(req.uri()) else {
            return problems::nothing();
        };
        if let Err(reason) = path::check(uri.path()) {
            return Problem::bad_request("bad_path", reason.to_string());
        }
        *req.uri_mut() = canonical_path(&uri).unwrap_or(uri);
        if let Err(problem) = self.hosts.check(&req) {
            return problem;
        }
        match self.table.find(req.method(), req.uri().path()) {
            Found::Nothing => problems::nothing(),
            Found::OtherMethods(allow) => problems::wrong_method(allow),
            Found::Route(route) => {
                kit::server::note_route(&route.matched);
                if route.matched.template == VALIDATE {
                    problems::auth_unavailable()
                } else {
                    problems::unavailable(route.matched.service)
                }
            }
        }
    }
}

/// The address without what Traefik put before it.
fn asked_for(uri: &Uri) -> Option<Uri> {
    let rest = uri.path().strip_prefix(UNROUTED)?;
    let path = if rest.is_empty() { "/" } else { rest };
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(text.into_bytes()).ok()?);
    Uri::from_parts(parts).ok()
}

async fn answer(State(unrouted): State<Arc<Unrouted>>, req: Request) -> Response {
    unrouted.why(req).into_response()
}
