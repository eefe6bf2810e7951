//! The routers that kit itself answers.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use tokio::net::TcpListener;

use super::context::Matched;
use super::edge::{Edge, Server};
use crate::metrics::Metrics;
use crate::routes::Marked;
use crate::service::{Health, Service, Worker};

/// What a service that runs alone answers: its routes, `/health`, `/health/ready`, `/api/<service>/health` and
/// `/metrics`; and its workers.
pub fn service_router(service: Service, edge: &Edge) -> (Router, Vec<Worker>) {
    let health = Health::new(service.name, service.checks, edge.clock.clone());
    let router = service
        .routes
        .router
        .merge(health.router())
        .merge(health.api_router())
        .merge(metrics_router(service.name, &edge.metrics));
    (router, service.workers)
}

/// Answers `GET /metrics`, logged at debug only. It is for the operator: never merge it into what the public reaches.
pub fn metrics_router(service: &'static str, metrics: &Metrics) -> Router {
    let matched = Matched {
        service,
        template: "/metrics".to_owned(),
        quiet: true,
    };
    Router::new()
        .route("/metrics", get(Marked::new(render, matched, Some(0))))
        .with_state(metrics.clone())
}

/// Answers `/metrics` on a listener of its own (`server.metrics_listen`), for one process whose own port is public.
pub fn metrics_worker(listener: TcpListener, service: &'static str, edge: &Edge) -> Worker {
    let server = Server::new(
        service,
        metrics_router(service, &edge.metrics),
        edge.clone(),
    );
    Worker::new("metrics", move |stop| {
        server.run(listener, Vec::new(), stop)
    })
}

async fn render(State(metrics): State<Metrics>) -> Response {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        metrics.render(),
    )
        .into_response()
}
