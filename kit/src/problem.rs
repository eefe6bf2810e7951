//! Errors as RFC 9457 `application/problem+json`.

mod fields;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::fields::FieldErrors;

/// Seconds after which a caller may try again when something is down for a moment.
const SOON: u64 = 2;

pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An answer that says what went wrong. `code` is stable snake_case and may be a client's translation key; `detail` is
/// for people and is never a cause: a cause is given by [`cause`](Self::cause), goes to the log once and to nobody else.
///
/// The server's edge adds `request_id`; without an edge (a bare router in a test) it is absent.
pub struct Problem(Box<Inner>);

struct Inner {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    fields: BTreeMap<String, String>,
    retry_after: Option<u64>,
    headers: HeaderMap,
    members: Map<String, Value>,
    cause: Option<anyhow::Error>,
}

impl Problem {
    /// A problem with its status, its stable code and a sentence for people.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Inner {
            status,
            code: code.into(),
            detail: detail.into(),
            fields: BTreeMap::new(),
            retry_after: None,
            headers: HeaderMap::new(),
            members: Map::new(),
            cause: None,
        }))
    }

    /// 400.
    pub fn bad_request(
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401 `unauthorized` with `WWW-Authenticate: Bearer`.
    pub fn unauthorized(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::unauthorized_as("unauthorized", detail)
    }

    /// 401 with a code of its own and `WWW-Authenticate: Bearer`.
    pub fn unauthorized_as(
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403.
    pub fn forbidden(
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 404.
    pub fn not_found(
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 409.
    pub fn conflict(
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422.
    pub fn unprocessable(
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 422 `validation` with one field.
    pub fn invalid(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::unprocessable("validation", "the request does not fit").field(name, message)
    }

    /// 503 with `Retry-After: 2`.
    pub fn unavailable(
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(SOON)
    }

    /// 500 `internal`: says nothing to the caller, and the cause to the log.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong on our side",
        )
        .cause(cause)
    }

    /// Adds what is wrong with one field (`title`, `items.0.name`). A second message for a field replaces the first.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.fields.insert(name.into(), message.into());
        self
    }

    /// Says after how many seconds it is worth trying again (`Retry-After`).
    #[must_use]
    pub fn retry_after(mut self, secs: u64) -> Self {
        self.0.retry_after = Some(secs);
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// Adds a member of its own to the body (RFC 9457 section 3.2), for example the current version at 412.
    #[must_use]
    pub fn member(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.members.insert(key.into(), value.into());
        self
    }

    /// Adds the cause, which is logged once by the edge and never answered.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The sentence for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What is wrong with each field, by its path.
    #[must_use]
    pub fn fields(&self) -> &BTreeMap<String, String> {
        &self.0.fields
    }

    /// The seconds of `Retry-After`.
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.0.retry_after
    }

    /// What a peer answered, so that a remote client returns the same problem as a local one: code, detail, fields,
    /// further members and `Retry-After` are kept, also those of another JSON body; `request_id` is dropped, because
    /// the edge that answers writes its own. A body that is no problem becomes one named by its status.
    #[must_use]
    pub fn from_wire(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let wire: Wire = serde_json::from_slice(body).unwrap_or_default();
        let (code, detail) = by_status(status);
        let mut problem = Self::new(
            status,
            wire.code.map_or(Cow::Borrowed(code), Cow::Owned),
            wire.detail.map_or(Cow::Borrowed(detail), Cow::Owned),
        );
        problem.0.fields = wire.fields;
        problem.0.members = wire.members;
        for known in ["type", "title", "status", "request_id"] {
            problem.0.members.remove(known);
        }
        problem.0.retry_after = headers
            .get(RETRY_AFTER)
            .and_then(|v| v.to_str().ok()?.parse().ok());
        if let Some(value) = headers.get(WWW_AUTHENTICATE) {
            problem = problem.header(WWW_AUTHENTICATE, value.clone());
        }
        problem
    }

    /// The problem an answer without a body stands for, by its status.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let (code, detail) = by_status(status);
        Self::new(status, code, detail)
    }
}

#[derive(Default, Deserialize)]
struct Wire {
    code: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(flatten)]
    members: Map<String, Value>,
}

fn by_status(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("bad_request", "the request cannot be read"),
        401 => ("unauthorized", "sign in first"),
        403 => ("forbidden", "this is not allowed"),
        404 => ("not_found", "there is nothing here"),
        405 => ("method_not_allowed", "this method is not possible here"),
        408 => ("timeout", "the request took too long"),
        409 => ("conflict", "this does not fit the present state"),
        413 => ("body_too_large", "the body is too large"),
        415 => (
            "unsupported_media_type",
            "this media type is not accepted here",
        ),
        422 => ("validation", "the request does not fit"),
        429 => ("rate_limited", "too many requests"),
        431 => ("headers_too_large", "the headers are too large"),
        503 => ("unavailable", "not available at the moment"),
        507 => ("storage_full", "there is no space left"),
        500..=599 => ("internal", "something went wrong on our side"),
        _ => ("refused", "the request was refused"),
    }
}

/// What the edge needs of a rendered problem; in the extensions of its response.
#[derive(Clone)]
pub(crate) struct Rendered {
    pub(crate) code: Cow<'static, str>,
    pub(crate) cause: Option<Arc<anyhow::Error>>,
    pub(crate) body: Bytes,
}

impl Rendered {
    /// The body with the request id as its last member.
    pub(crate) fn body_with(&self, request_id: &str) -> Bytes {
        let mut body = Vec::with_capacity(self.body.len() + request_id.len() + 20);
        body.extend_from_slice(&self.body[..self.body.len() - 1]);
        body.extend_from_slice(b",\"request_id\":\"");
        body.extend_from_slice(request_id.as_bytes());
        body.extend_from_slice(b"\"}");
        Bytes::from(body)
    }
}

/// The body of every error.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// A URI for the kind of problem; `about:blank`: `code` tells it.
    r#type: &'static str,
    /// The words of the status.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// A sentence for people.
    detail: &'a str,
    /// Stable, snake_case.
    code: &'a str,
    /// What is wrong with each field, by its path; with 422.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a BTreeMap<String, String>>,
    /// Tells this request in the log; also the header `X-Request-ID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(flatten)]
    #[schema(ignore)]
    members: &'a Map<String, Value>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let inner = *self.0;
        let body = serde_json::to_vec(&ProblemBody {
            r#type: "about:blank",
            title: inner.status.canonical_reason().unwrap_or("Error"),
            status: inner.status.as_u16(),
            detail: &inner.detail,
            code: &inner.code,
            fields: (!inner.fields.is_empty()).then_some(&inner.fields),
            request_id: None,
            members: &inner.members,
        })
        .expect("a body of strings and JSON values serialises");
        let body = Bytes::from(body);
        let mut response = Response::new(Body::from(body.clone()));
        *response.status_mut() = inner.status;
        let headers = response.headers_mut();
        *headers = inner.headers;
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some(secs) = inner.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        response.extensions_mut().insert(Rendered {
            code: inner.code,
            cause: inner.cause.map(Arc::new),
            body,
        });
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.0.status.as_u16(),
            self.0.code,
            self.0.detail
        )
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("status", &self.0.status.as_u16())
            .field("code", &self.0.code)
            .field("detail", &self.0.detail)
            .field("fields", &self.0.fields)
            .field("cause", &self.0.cause)
            .finish()
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}
