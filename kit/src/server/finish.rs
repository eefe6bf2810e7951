//! The end of every request: its problem is completed, it is counted, and one line is logged.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};

use super::context::Context;
use super::meter::{Meter, UNMATCHED};
use super::request_id::X_REQUEST_ID;
use crate::problem::{Problem, Rendered};

pub(super) struct Exchange<'a> {
    pub(super) method: Method,
    pub(super) cx: &'a Arc<Context>,
    pub(super) began: Instant,
    pub(super) meter: &'a Meter,
}

pub(super) fn finish(mut response: Response, exchange: &Exchange<'_>) -> Response {
    let status = response.status();
    let mut problem = None;
    if status.is_client_error() || status.is_server_error() {
        problem = complete(&mut response, exchange);
    }
    response
        .headers_mut()
        .insert(X_REQUEST_ID, exchange.cx.request_id.clone());
    let took = exchange.began.elapsed();
    let route = exchange.cx.route.get();
    exchange
        .meter
        .record(route, &exchange.method, status, took.as_secs_f64());
    trace(exchange, status, problem.as_ref());
    log(
        exchange,
        status,
        took.as_secs_f64() * 1_000.0,
        problem.as_ref(),
    );
    response
}

/// Puts the request id into the problem; an error that has no body of its own becomes a problem.
fn complete(response: &mut Response, exchange: &Exchange<'_>) -> Option<Rendered> {
    if response.extensions().get::<Rendered>().is_none() && is_bare(response.headers()) {
        let headers = std::mem::take(response.headers_mut());
        let mut made = Problem::of_status(response.status()).into_response();
        for (name, value) in &headers {
            if name != CONTENT_TYPE && name != CONTENT_LENGTH {
                made.headers_mut().append(name, value.clone());
            }
        }
        *response = made;
    }
    let rendered = response.extensions_mut().remove::<Rendered>()?;
    // something inside may have compressed it; then the header alone carries the id
    if !response.headers().contains_key(CONTENT_ENCODING) {
        *response.body_mut() = Body::from(rendered.body_with(exchange.cx.id()));
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    Some(rendered)
}

/// axum's own refusals are plain text or nothing.
fn is_bare(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_none_or(|v| v.as_bytes().starts_with(b"text/plain"))
}

/// Tells the span of the request. Who asks for health and metrics all day begins no traces.
fn trace(exchange: &Exchange<'_>, status: StatusCode, problem: Option<&Rendered>) {
    let cx = exchange.cx;
    let route = cx.route.get();
    let Some(span) = &cx.span else { return };
    if route.is_some_and(|route| route.quiet) && !span.has_parent() {
        return;
    }
    span.end(status.is_server_error(), || {
        let template = route.map_or(UNMATCHED, |route| route.template.as_str());
        let method = exchange.method.as_str();
        let mut attributes = vec![
            ("http.request.method", method.into()),
            ("http.route", template.into()),
            ("http.response.status_code", status.as_u16().into()),
            ("service", cx.answering().into()),
        ];
        if let Some(problem) = problem {
            attributes.push(("error.type", (&*problem.code).into()));
        }
        (format!("{method} {template}"), attributes)
    });
}

fn log(exchange: &Exchange<'_>, status: StatusCode, ms: f64, problem: Option<&Rendered>) {
    let cx = exchange.cx;
    let route = cx.route.get();
    let quiet = route.is_some_and(|r| r.quiet) && !status.is_server_error();
    let trace_id = cx.span.as_ref().map(|span| span.at().trace_id());
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "request",
                service = cx.answering(),
                request_id = cx.id(),
                trace_id = trace_id.as_deref(),
                route = route.map_or(UNMATCHED, |r| r.template.as_str()),
                method = exchange.method.as_str(),
                status = status.as_u16(),
                ms = (ms * 1_000.0).round() / 1_000.0,
                user_id = cx.user(),
                code = problem.map(|p| &*p.code),
                "request"
            )
        };
    }
    if quiet {
        line!(debug);
    } else {
        line!(info);
    }
    if status.is_server_error() {
        let cause = problem.and_then(|p| p.cause.as_deref()).map(chain);
        tracing::error!(
            target: "failure",
            service = cx.answering(),
            request_id = cx.id(),
            trace_id = trace_id.as_deref(),
            route = route.map_or(UNMATCHED, |r| r.template.as_str()),
            status = status.as_u16(),
            code = problem.map(|p| &*p.code),
            cause = cause.as_deref(),
            "request failed"
        );
    }
}

/// `what: why: why of that`.
fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}
