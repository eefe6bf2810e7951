//! Another service, called over HTTP.

mod lines;
mod tokens;

use std::time::Duration;

use anyhow::Context;
use http::{HeaderMap, Method, StatusCode};
use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

use crate::problem::Problem;
use crate::server::{X_REQUEST_ID, request_id};

pub use tokens::{FetchedTokens, ServiceTokens};

const CONNECT: Duration = Duration::from_millis(300);
const WHOLE: Duration = Duration::from_secs(3);

/// Another service. It is called with a service token and the id of the request that is being answered; its problems
/// come back as they were, so that a caller cannot tell it from a service in the same process. Clones share their
/// connections.
#[derive(Clone)]
pub struct Peer {
    name: &'static str,
    base: Url,
    http: reqwest::Client,
    tokens: Arc<dyn ServiceTokens>,
}

impl Peer {
    /// The service `name` at `base_url`, for example `http://things:5000`.
    ///
    /// # Errors
    /// When the URL is none of http or https, or TLS cannot be set up.
    pub fn new(
        name: &'static str,
        base_url: &str,
        tokens: Arc<dyn ServiceTokens>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            name,
            base: base(name, base_url)?,
            http: client()?,
            tokens,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Reads. Tried a second time when the connection failed or took too long.
    ///
    /// # Errors
    /// 503 `<name>_unavailable` when it cannot be reached within 3 s or does not answer as agreed, else the problem
    /// that it answered.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        match self.send(Method::GET, path, None::<&()>).await {
            Err(Failure::Unreached(first)) => {
                tracing::debug!(peer = self.name, error = %first, "peer not reached, trying once more");
                self.finish(self.send(Method::GET, path, None::<&()>).await)
            }
            other => self.finish(other),
        }
    }

    /// Sends JSON with POST. Never tried twice.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, Problem> {
        self.finish(self.send(Method::POST, path, Some(body)).await)
    }

    /// Calls with any method, with or without a JSON body. Never tried twice.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync + ?Sized)>,
    ) -> Result<T, Problem> {
        self.finish(self.send(method, path, body).await)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync + ?Sized)>,
    ) -> Result<Answered, Failure> {
        let bearer = self.tokens.bearer().await.map_err(Failure::Answered)?;
        let url = self
            .base
            .join(path)
            .map_err(|error| Failure::Odd(error.into()))?;
        let mut request = self.http.request(method, url).bearer_auth(bearer);
        if let Some(id) = request_id() {
            request = request.header(X_REQUEST_ID, id);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        read(request).await
    }

    fn finish<T: DeserializeOwned>(&self, sent: Result<Answered, Failure>) -> Result<T, Problem> {
        let unavailable = |cause: anyhow::Error| {
            Problem::unavailable(
                format!("{}_unavailable", self.name),
                "a service that is needed does not answer",
            )
            .cause(cause.context(format!("peer {}", self.name)))
        };
        let answered = match sent {
            Ok(answered) => answered,
            Err(Failure::Unreached(error)) => return Err(unavailable(error.into())),
            Err(Failure::Odd(error)) => return Err(unavailable(error)),
            Err(Failure::Answered(problem)) => return Err(problem),
        };
        if !answered.status.is_success() {
            return Err(Problem::from_wire(
                answered.status,
                &answered.headers,
                &answered.body,
            ));
        }
        let body: &[u8] = if answered.body.is_empty() {
            b"null"
        } else {
            &answered.body
        };
        serde_json::from_slice(body).map_err(|error| unavailable(error.into()))
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer")
            .field("name", &self.name)
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: bytes::Bytes,
}

enum Failure {
    /// It cannot be reached, or not in time.
    Unreached(reqwest::Error),
    /// It cannot even be asked.
    Odd(anyhow::Error),
    /// Somebody has said what is wrong.
    Answered(Problem),
}

async fn read(request: reqwest::RequestBuilder) -> Result<Answered, Failure> {
    let response = request.send().await.map_err(Failure::Unreached)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.map_err(Failure::Unreached)?;
    Ok(Answered {
        status,
        headers,
        body,
    })
}

fn base(name: &str, base_url: &str) -> anyhow::Result<Url> {
    let url: Url = base_url
        .parse()
        .with_context(|| format!("{name}: `{base_url}` is not a URL"))?;
    anyhow::ensure!(
        matches!(url.scheme(), "http" | "https"),
        "{name}: unknown scheme `{}:`; known: http:, https:",
        url.scheme()
    );
    Ok(url)
}

/// The HTTP client of a process: bounded in time, following no redirect.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client() -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("kit/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("the HTTP client cannot be set up")
}
