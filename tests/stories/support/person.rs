//! Somebody in front of the school's address: requests as a browser or an app would send them.

use std::fmt;

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::Live;

/// An HTTP client with or without a credential.
#[derive(Clone)]
pub struct Person {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    /// The account, where one is signed in.
    pub id: i64,
}

/// What came back.
#[derive(Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: header::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The stable code of a problem.
    pub fn code(&self) -> String {
        self.json()["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no code: {self:?}"))
            .to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("a header is text"))
    }

    /// The answer, if it has this status; else the test ends here and says what came instead.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            self.status,
            String::from_utf8_lossy(&self.bytes)
        )
    }
}

impl Person {
    /// Somebody without a credential.
    pub fn nobody(base: &str) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            http,
            base: base.to_owned(),
            token: None,
            id: 0,
        }
    }

    /// The same client with a credential of its own.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// Signs in.
    pub async fn login(&self, login: &str, password: &str) -> Self {
        let field = if login.contains('@') {
            "email"
        } else {
            "username"
        };
        let answer = self
            .post(
                "/api/auth/login",
                json!({field: login, "password": password}),
            )
            .await
            .expect(200)
            .json();
        let token = answer["access_token"].as_str().expect("a token").to_owned();
        Self {
            token: Some(token),
            id: answer["user"]["id"].as_i64().expect("an id"),
            ..self.clone()
        }
    }

    pub fn token(&self) -> &str {
        self.token.as_deref().expect("signed in")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body))
            .await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// A request to be decorated before it is sent.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.expect("the server answers")
    }

    /// `None` when the server is not there.
    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> Option<Answer> {
        let answer = request.send().await.ok()?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Some(Answer {
            status,
            headers,
            bytes: answer.bytes().await.ok()?.to_vec(),
        })
    }

    /// Opens the live stream, after the event with this id if there is one.
    pub async fn live(&self, after: Option<&str>) -> Live {
        let mut request = self.request(Method::GET, "/api/activity-stream/live");
        if let Some(id) = after {
            request = request.header("Last-Event-ID", id);
        }
        Live::of(request.send().await.expect("the server answers"))
    }

    /// Publishes and gives the post's id.
    pub async fn publish(&self, title: &str, audience: &[&str]) -> String {
        let body =
            json!({"title": title, "content": format!("<p>{title}</p>"), "audience": audience});
        self.post("/api/posts", body).await.expect(200).json()["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    }

    /// The titles of the first page of the stream.
    pub async fn stream(&self) -> Vec<String> {
        titles(
            &self
                .get("/api/activity-stream?limit=100")
                .await
                .expect(200)
                .json(),
        )
    }
}

/// The titles of a page.
pub fn titles(page: &Value) -> Vec<String> {
    page["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["title"].as_str().expect("a title").to_owned())
        .collect()
}
