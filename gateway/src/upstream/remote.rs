//! A service in another process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::{Body, HttpBody as _};
use axum::response::Response;
use http::{Method, Request, StatusCode};
use http_body_util::LengthLimitError;
use kit::breaker::{Breaker, is_failure};
use kit::clock::SharedClock;
use kit::metrics::Metrics;
use kit::problem::Problem;
use reqwest::{Client, Url};

use crate::{headers, problems};

/// Sends requests on to one base address: bodies stream both ways, connections are kept. Clones share connections'
/// pool, breaker and counts.
#[derive(Clone, Debug)]
pub struct HttpUpstream(Arc<Inner>);

struct Inner {
    service: &'static str,
    base: String,
    client: Client,
    patience: Duration,
    breaker: Breaker,
    failures: metrics::Counter,
    open: metrics::Gauge,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("service", &self.service)
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// The client that all upstreams share. It follows no redirects and uses no proxy: what an upstream answers is the answer.
///
/// # Errors
/// When the machine's TLS cannot be set up.
pub fn client() -> anyhow::Result<Client> {
    Client::builder()
        .connect_timeout(Duration::from_secs(2))
        .pool_idle_timeout(Duration::from_secs(30))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .build()
        .context("the client for upstream services cannot be set up")
}

/// Why there is no answer.
enum Failure {
    /// The upstream cannot be reached or broke off. Asking once more may help.
    Broken(reqwest::Error),
    /// The upstream took too long.
    Late,
    /// It answered what is no answer: it wants to speak another protocol, which nobody asked for.
    Nonsense(StatusCode),
}

impl HttpUpstream {
    /// The service at `base`, which has `patience` to begin an answer.
    #[must_use]
    pub fn new(
        service: &'static str,
        base: &Url,
        client: Client,
        patience: Duration,
        clock: SharedClock,
        metrics: &Metrics,
    ) -> Self {
        let labels = [("service", service)];
        Self(Arc::new(Inner {
            service,
            base: base.as_str().trim_end_matches('/').to_owned(),
            client,
            patience,
            breaker: Breaker::new(clock),
            failures: metrics.counter("gateway_upstream_failures_total", &labels),
            open: metrics.gauge("gateway_circuit_open", &labels),
        }))
    }

    /// The base address without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.0.base
    }

    /// The client it sends with.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Sends the request on and answers what the upstream answers. A `GET` without body is sent a second time when the
    /// first broke off.
    ///
    /// # Errors
    /// 503 `unavailable` when the upstream does not answer or its circuit is open; 413 when the body is over its limit;
    /// 400 when the client broke off its body.
    pub async fn call(&self, req: Request<Body>) -> Result<Response, Problem> {
        let first = self.outgoing(req)?;
        let second = (*first.method() == Method::GET)
            .then(|| first.try_clone())
            .flatten();
        match (self.send(first).await?, second) {
            (Err(Failure::Broken(error)), Some(second)) => {
                tracing::debug!(service = self.0.service, error = %chain(&error), "asking the upstream once more");
                self.send(second)
                    .await?
                    .map_err(|failure| self.problem(failure))
            }
            (answer, _) => answer.map_err(|failure| self.problem(failure)),
        }
    }

    fn outgoing(&self, req: Request<Body>) -> Result<reqwest::Request, Problem> {
        let (parts, body) = req.into_parts();
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let url = Url::parse(&format!("{}{target}", self.0.base)).map_err(Problem::internal)?;
        let mut outgoing = reqwest::Request::new(parts.method, url);
        *outgoing.headers_mut() = parts.headers;
        if !body.is_end_stream() {
            *outgoing.body_mut() = Some(reqwest::Body::wrap_stream(body.into_data_stream()));
        }
        Ok(outgoing)
    }

    async fn send(&self, outgoing: reqwest::Request) -> Result<Result<Response, Failure>, Problem> {
        let inner = &*self.0;
        let permit = inner
            .breaker
            .admit()
            .map_err(|wait| self.unavailable().retry_after(wait))?;
        let answer = tokio::time::timeout(inner.patience, inner.client.execute(outgoing)).await;
        let answer = match answer {
            Ok(Ok(answer)) => Ok(answer),
            // The client's body is at fault: says nothing about the upstream.
            Ok(Err(error)) if caused_by::<LengthLimitError>(&error) => {
                return Err(problems::too_large());
            }
            Ok(Err(error)) if caused_by::<axum::Error>(&error) => {
                return Err(Problem::bad_request(
                    "bad_body",
                    "the body could not be read to its end",
                )
                .cause(error));
            }
            Ok(Err(error)) => Err(Failure::Broken(error)),
            Err(_elapsed) => Err(Failure::Late),
        };
        let succeeded = answer
            .as_ref()
            .is_ok_and(|answer| !is_failure(answer.status()));
        permit.end(succeeded);
        if !succeeded {
            inner.failures.increment(1);
        }
        inner
            .open
            .set(if inner.breaker.is_open() { 1.0 } else { 0.0 });
        Ok(answer.and_then(incoming))
    }

    fn problem(&self, failure: Failure) -> Problem {
        match failure {
            Failure::Broken(error) => self.unavailable().cause(error.without_url()),
            Failure::Nonsense(status) => self
                .unavailable()
                .cause(anyhow::anyhow!("{} answered {status}", self.0.service)),
            Failure::Late => self.unavailable().cause(anyhow::anyhow!(
                "{} did not begin its answer in time",
                self.0.service
            )),
        }
    }

    fn unavailable(&self) -> Problem {
        problems::unavailable(self.0.service)
    }
}

fn incoming(answer: reqwest::Response) -> Result<Response, Failure> {
    if answer.status().is_informational() {
        return Err(Failure::Nonsense(answer.status()));
    }
    let mut answer = http::Response::<reqwest::Body>::from(answer).map(Body::new);
    headers::end_hop(answer.headers_mut());
    Ok(answer)
}

fn caused_by<E: std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(<dyn std::error::Error>::is::<E>)
}

fn chain(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
