//! An agent written by hand, for the wire: it answers what it is told to and keeps what it was asked.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use kit::consul::Consul;
use parking_lot::Mutex;
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub token: Option<String>,
    pub body: Value,
}

/// What is answered to everything.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: &'static str,
}

pub struct Agent {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone)]
struct Shared {
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Answer,
}

impl Agent {
    pub async fn answering(
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &'static str,
    ) -> Self {
        let asked = Arc::default();
        let shared = Shared {
            asked: Arc::clone(&asked),
            answer: Answer {
                status,
                headers: headers.to_vec(),
                body,
            },
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked }
    }

    pub fn client(&self, token: &str) -> Consul {
        Consul::new(&self.url, &SecretString::from(token)).unwrap()
    }

    /// The last question.
    pub fn asked(&self) -> Asked {
        self.asked.lock().last().cloned().unwrap()
    }

    pub fn count(&self) -> usize {
        self.asked.lock().len()
    }
}

async fn answer(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = headers.get("x-consul-token");
    shared.asked.lock().push(Asked {
        method,
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        token: token.map(|token| token.to_str().unwrap().to_owned()),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    });
    let mut response = Response::builder().status(shared.answer.status);
    for (name, value) in &shared.answer.headers {
        response = response.header(*name, *value);
    }
    response.body(shared.answer.body.into()).unwrap()
}
