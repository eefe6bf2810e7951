//! Another service, called over HTTP.

mod ask;
mod lines;
mod pool;
mod standing;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http::{HeaderMap, Method};
use reqwest::{RequestBuilder, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::ask::{Answered, Failure, TRY, unavailable};
use self::standing::Standing;
use crate::problem::Problem;
use crate::server::hand_on;
use crate::service::Check;
use crate::trace::Span;

pub use pool::Pool;
pub use tokens::{FetchedTokens, ServiceTokens};

const CONNECT: Duration = Duration::from_millis(300);

/// Another service. It is called with a service token and the id of the request that is being answered; its problems
/// come back as they were, so that a caller cannot tell it from a service in the same process. Clones share their
/// connections.
///
/// A connection is made within 300 ms, an answer is there within 3 s, that of a second try within 5 s after the first began.
#[derive(Clone)]
pub struct Peer {
    pool: Pool,
    http: reqwest::Client,
    tokens: Arc<dyn ServiceTokens>,
    standing: Standing,
    setting: Option<&'static str>,
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
        Self::of(Pool::fixed(name, base_url)?, tokens)
    }

    /// The service of a pool, wherever its instances answer at the moment.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn of(pool: Pool, tokens: Arc<dyn ServiceTokens>) -> anyhow::Result<Self> {
        Ok(Self {
            pool,
            http: client()?,
            tokens,
            standing: Standing::default(),
            setting: None,
        })
    }

    /// The same, with the setting that says where it is: readiness and the log name it.
    #[must_use]
    pub fn of_setting(self, setting: &'static str) -> Self {
        Self {
            setting: Some(setting),
            ..self
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.pool.name()
    }

    /// What `/health/ready` says of it: how the last call went. Without it a service works, with less.
    #[must_use]
    pub fn readiness(&self) -> Check {
        self.standing.readiness(self.name())
    }

    fn note<B>(&self, answered: &Result<Answered<B>, Failure>) {
        match answered {
            Ok(_) => self.standing.well(self.name()),
            Err(failure) => {
                let error = failure.told(self.name()).of_setting(self.setting);
                self.standing.trouble(self.name(), error);
            }
        }
    }

    /// Reads. Tried a second time, at another instance where there is one, when the first was not reached, broke off or took
    /// too long, and when only a proxy before it answered (502 or 503 without a problem).
    ///
    /// # Errors
    /// 503 `<name>_unavailable` when no instance is known, when none can be reached in time, when it does not answer as
    /// agreed, and when all have failed too often just now; else the problem that it answered.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        self.send(Method::GET, path, None::<&()>, true).await
    }

    /// Sends JSON with POST. Tried a second time only at another instance, and only when the first took no connection, so
    /// that nothing was sent.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, Problem> {
        self.send(Method::POST, path, Some(body), false).await
    }

    /// Calls with any method, with or without a JSON body. Tried as [`post_json`](Self::post_json).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync + ?Sized)>,
    ) -> Result<T, Problem> {
        self.send(method, path, body, false).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync + ?Sized)>,
        again: bool,
    ) -> Result<T, Problem> {
        let bearer = self.tokens.bearer().await?;
        let span = Span::client();
        let request = |base: &Url| {
            let request = self.request(base, method.clone(), path, &bearer, span.as_ref())?;
            Ok(match body {
                Some(body) => request.json(body),
                None => request,
            })
        };
        let answered = ask::whole(&self.pool, again, request).await;
        ask::told(span, self.name(), &method, &answered);
        self.note(&answered);
        let answered = answered.map_err(|failure| failure.into_problem(self.name()))?;
        self.read(&answered)
    }

    fn request(
        &self,
        base: &Url,
        method: Method,
        path: &str,
        bearer: &str,
        span: Option<&Span>,
    ) -> Result<RequestBuilder, Failure> {
        let url = base
            .join(path)
            .map_err(|error| Failure::Odd(error.into()))?;
        let mut headers = HeaderMap::new();
        hand_on(&mut headers, span);
        let request = self.http.request(method, url).headers(headers);
        Ok(request.bearer_auth(bearer))
    }

    fn read<T: DeserializeOwned>(&self, answered: &Answered<bytes::Bytes>) -> Result<T, Problem> {
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
        serde_json::from_slice(body).map_err(|error| unavailable(self.name(), error))
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
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
        .timeout(TRY)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("kit/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("the HTTP client cannot be set up")
}
