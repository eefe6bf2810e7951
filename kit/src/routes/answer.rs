//! What a handler may return.

use axum::body::Body;
use axum::response::{AppendHeaders, Html, IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::Description;
use crate::extract::Json;

/// What a handler returns: what it means for the API document.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known as the answer of a handler",
    note = "return kit's Json, Created or NoContent, a Response, or one of them beside headers or in a Result"
)]
pub trait Answer {
    /// Adds what it answers to the description of the operation.
    fn describe(description: &mut Description);
}

/// 201 with a JSON body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created<T>(pub T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.0).into_response();
        if response.status() == StatusCode::OK {
            *response.status_mut() = StatusCode::CREATED;
        }
        response
    }
}

/// 204 without a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl<T: ToSchema> Answer for Json<T> {
    fn describe(description: &mut Description) {
        description.json_answer::<T>(StatusCode::OK);
    }
}

impl<T: ToSchema> Answer for Created<T> {
    fn describe(description: &mut Description) {
        description.json_answer::<T>(StatusCode::CREATED);
    }
}

impl Answer for NoContent {
    fn describe(description: &mut Description) {
        description.answer(StatusCode::NO_CONTENT, None);
    }
}

macro_rules! answers_with {
    ($($ty:ty => $media:expr),* $(,)?) => {$(
        impl Answer for $ty {
            fn describe(description: &mut Description) {
                description.answer(StatusCode::OK, $media);
            }
        }
    )*};
}
answers_with!(
    () => None,
    StatusCode => None,
    HeaderMap => None,
    Response => None,
    Body => Some("application/octet-stream"),
    Bytes => Some("application/octet-stream"),
    String => Some("text/plain"),
    &'static str => Some("text/plain"),
);

impl<T> Answer for Html<T> {
    fn describe(description: &mut Description) {
        description.answer(StatusCode::OK, Some("text/html"));
    }
}

/// The problem is the default answer of every operation.
impl<T: Answer, E> Answer for Result<T, E> {
    fn describe(description: &mut Description) {
        T::describe(description);
    }
}

macro_rules! beside {
    ($([$($generics:tt)*] $($before:ty),+;)*) => {$(
        impl<T: Answer, $($generics)*> Answer for ($($before,)+ T) {
            fn describe(description: &mut Description) {
                T::describe(description);
            }
        }
    )*};
}
beside! {
    [] HeaderMap;
    [] StatusCode;
    [] StatusCode, HeaderMap;
    [K, V, const N: usize] [(K, V); N];
    [K, V, const N: usize] StatusCode, [(K, V); N];
    [I] AppendHeaders<I>;
    [I] StatusCode, AppendHeaders<I>;
}
