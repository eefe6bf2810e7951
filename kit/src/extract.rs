//! The extractors of a request whose refusals are problems.

mod object;

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;
use object::ObjectOnly;

/// A JSON body, of a request or of an answer.
///
/// A request is refused with 415 `unsupported_media_type`, 413 `body_too_large`, 400 `malformed_json`, 422
/// `unknown_field` or 422 `validation` whose `fields` say which part does not fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(req: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(req.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "the body must be application/json",
            ));
        }
        parse(&read(req.into_body()).await?).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                let mut response = Response::new(Body::from(body));
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

/// The query of the request's URL; refused with 422 `validation`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let deserializer = serde_html_form::Deserializer::from_bytes(query.as_bytes());
        serde_path_to_error::deserialize(deserializer)
            .map(Self)
            .map_err(|error| unfit(&error.path().to_string(), &error.inner().to_string()))
    }
}

/// The variable parts of the request's path. One that cannot be read names nothing that exists: 404 `not_found`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(path) => Ok(Self(path.0)),
            Err(axum::extract::rejection::PathRejection::MissingPathParams(error)) => {
                Err(Problem::internal(anyhow::anyhow!(error)))
            }
            Err(_) => Err(Problem::not_found("not_found", "there is nothing here")),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    let Some((kind, subtype)) = essence.split_once('/') else {
        return false;
    };
    kind.eq_ignore_ascii_case("application")
        && (subtype.eq_ignore_ascii_case("json") || subtype.to_ascii_lowercase().ends_with("+json"))
}

/// Reads a whole body, within the limit that the route has put on it.
///
/// # Errors
/// 413 `body_too_large`, or 400 `bad_body` when the sender broke off.
pub async fn read(body: Body) -> Result<Bytes, Problem> {
    match body.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if is_too_large(&error) => Err(too_large()),
        Err(error) => Err(Problem::bad_request(
            "bad_body",
            "the body could not be read to its end",
        )
        .cause(error)),
    }
}

pub(crate) fn too_large() -> Problem {
    Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE)
}

fn is_too_large(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        if error.is::<LengthLimitError>() {
            return true;
        }
        at = error.source();
    }
    false
}

/// Reads JSON as [`Json`] does, for handlers that take their bytes themselves.
///
/// # Errors
/// 400 `malformed_json`, 422 `unknown_field` or 422 `validation`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = T::deserialize(ObjectOnly(&mut deserializer));
    match read.and_then(|value| deserializer.end().map(|()| value)) {
        Ok(value) => Ok(value),
        // read again for the path: only what does not fit pays for it
        Err(error) if error.is_data() => Err(explain::<T>(bytes)),
        Err(error) => Err(Problem::bad_request(
            "malformed_json",
            format!(
                "the body is not JSON: line {}, column {}",
                error.line(),
                error.column()
            ),
        )),
    }
}

fn explain<T: DeserializeOwned>(bytes: &[u8]) -> Problem {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(ObjectOnly(&mut deserializer)) {
        Err(error) => unfit(&error.path().to_string(), &error.inner().to_string()),
        Ok(_) => Problem::unprocessable("validation", "the body does not fit"),
    }
}

/// Turns serde's sentence into a field and what is wrong with it.
fn unfit(path: &str, message: &str) -> Problem {
    let message = without_position(message);
    if let Some(name) = named(message, "unknown field `") {
        return Problem::unprocessable("unknown_field", "a field of this name is not known here")
            .field(joined(path, name), "unknown field");
    }
    if let Some(name) = named(message, "missing field `") {
        return Problem::invalid(joined(path, name), "is required");
    }
    if let Some(name) = named(message, "duplicate field `") {
        return Problem::invalid(joined(path, name), "is given twice");
    }
    Problem::invalid(if path == "." { "body" } else { path }, message)
}

fn named<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.strip_prefix(before)?.split('`').next()
}

/// serde_path_to_error says `a.b` or `a.b.name` for something about `name` in `a.b`, and `.` or `?` for the whole.
fn joined<'a>(path: &str, name: &'a str) -> Cow<'a, str> {
    let parent = path.trim_end_matches(['?', '.']);
    if parent.is_empty() || parent == name {
        Cow::Borrowed(name)
    } else if parent.ends_with(&format!(".{name}")) {
        Cow::Owned(parent.to_owned())
    } else {
        Cow::Owned(format!("{parent}.{name}"))
    }
}

fn without_position(message: &str) -> &str {
    message
        .rfind(" at line ")
        .map_or(message, |end| &message[..end])
}
