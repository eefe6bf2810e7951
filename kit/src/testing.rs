//! Small helps for tests of all crates.

mod answer;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

pub use self::answer::Answer;
use crate::server::Server;

/// A variable that a test on real servers needs.
///
/// # Panics
/// When its name does not begin with `SCHOOLYARD_TEST_`, or when it is missing: such a test fails, it never skips.
#[must_use]
pub fn required_env(name: &str) -> String {
    assert!(
        name.starts_with("SCHOOLYARD_TEST_"),
        "{name}: tests read variables named SCHOOLYARD_TEST_* only"
    );
    let found = crate::config::environment()
        .into_iter()
        .find(|(known, _)| known == name);
    match found {
        Some((_, value)) if !value.is_empty() => value,
        _ => panic!("this test needs a real server: set {name} to its URL, or leave the test out"),
    }
}

/// A request without a body.
#[must_use]
pub fn request(method: Method, path: &str) -> TestRequest {
    TestRequest(Request::builder().method(method).uri(path), Body::empty())
}

/// `GET path`.
#[must_use]
pub fn get(path: &str) -> TestRequest {
    request(Method::GET, path)
}

/// `POST path` with a JSON body.
#[must_use]
pub fn post(path: &str, body: &Value) -> TestRequest {
    request(Method::POST, path).json(body)
}

/// A request under construction.
#[derive(Debug)]
pub struct TestRequest(http::request::Builder, Body);

impl TestRequest {
    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        Self(
            self.0.header(CONTENT_TYPE, "application/json"),
            Body::from(body.to_string()),
        )
    }

    /// With this body as it is.
    #[must_use]
    pub fn body(self, body: impl Into<Body>) -> Self {
        Self(self.0, body.into())
    }

    /// With a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value), self.1)
    }

    /// With `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        let value = format!("Bearer {token}");
        Self(self.0.header(AUTHORIZATION, value), self.1)
    }

    /// With a value in the request's extensions.
    #[must_use]
    pub fn extension<T: Clone + Send + Sync + 'static>(self, value: T) -> Self {
        Self(self.0.extension(value), self.1)
    }

    /// The request.
    ///
    /// # Panics
    /// When the path or a header is none.
    #[must_use]
    pub fn build(self) -> Request<Body> {
        self.0
            .body(self.1)
            .expect("the test's request is well formed")
    }

    /// Sends it to a router or a server.
    pub async fn send(self, to: &impl Answers) -> Response {
        to.answer(self.build()).await
    }
}

/// What a test may send requests to.
pub trait Answers: Sync {
    /// Answers the request.
    fn answer(&self, req: Request<Body>) -> impl Future<Output = Response> + Send;
}

impl Answers for Router {
    async fn answer(&self, req: Request<Body>) -> Response {
        match self.clone().oneshot(req).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

impl Answers for Server {
    async fn answer(&self, req: Request<Body>) -> Response {
        self.call(req).await
    }
}

/// The body of an answer as text.
///
/// # Panics
/// When it breaks off or is not UTF-8.
pub async fn text(response: Response) -> String {
    let bytes = response
        .into_body()
        .collect()
        .await
        .expect("the body is read to its end")
        .to_bytes();
    String::from_utf8(bytes.to_vec()).expect("the body is UTF-8")
}

/// The status and the JSON body of an answer; `null` for an empty one.
///
/// # Panics
/// When the body is not JSON.
pub async fn json(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = text(response).await;
    if text.is_empty() {
        return (status, Value::Null);
    }
    let value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"));
    (status, value)
}
