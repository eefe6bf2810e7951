//! Asking an instance, and once more another one.

use std::time::{Duration, Instant};

use anyhow::Chain;
use http::{HeaderMap, Method, StatusCode};
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Url};

use super::pool::{Call, Nobody, Pool};
use crate::breaker::is_failure;
use crate::problem::Problem;
use crate::service::CheckError;
use crate::trace::Span;

/// Time that one try has.
pub(super) const TRY: Duration = Duration::from_secs(3);
/// Time that both tries have together.
const BOTH: Duration = Duration::from_secs(5);
/// The longest a whole stream may take; a silent peer is noticed by the connection.
const STREAM: Duration = Duration::from_secs(600);

/// What a peer answered: its body whole, or still to be read. Until it is dropped the call is under way.
pub(super) struct Answered<B> {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: B,
    pub(super) call: Call,
}

pub(super) enum Failure {
    /// Nobody can be asked.
    Nobody(Nobody),
    /// It cannot be reached, or not in time.
    Unreached(reqwest::Error),
    /// It cannot even be asked.
    Odd(anyhow::Error),
}

impl Failure {
    /// What readiness and the log are told.
    pub(super) fn told(&self, peer: &'static str) -> CheckError {
        let code = format!("{peer}_unavailable");
        match self {
            Self::Nobody(nobody) => CheckError::new(code, nobody),
            // what and why, down to the system's word
            Self::Unreached(error) => {
                let whys: Vec<String> = Chain::new(error).map(ToString::to_string).collect();
                CheckError::new(code, whys.join(": "))
            }
            Self::Odd(error) => CheckError::new(code, format_args!("{error:#}")),
        }
    }

    /// The problem that the caller is told.
    pub(super) fn into_problem(self, peer: &'static str) -> Problem {
        let (cause, wait) = match self {
            Self::Nobody(nobody @ Nobody::Trusted(wait)) => (nobody.into(), Some(wait)),
            Self::Nobody(nobody) => (nobody.into(), None),
            Self::Unreached(error) => (error.into(), None),
            Self::Odd(error) => (error, None),
        };
        let problem = unavailable(peer, cause);
        match wait {
            Some(wait) => problem.retry_after(wait),
            None => problem,
        }
    }
}

/// 503 `<peer>_unavailable`.
pub(super) fn unavailable(peer: &'static str, cause: impl Into<anyhow::Error>) -> Problem {
    Problem::unavailable(
        format!("{peer}_unavailable"),
        format!("{peer} cannot be reached at the moment; try again shortly"),
    )
    .cause(cause.into().context(format!("peer {peer}")))
}

/// Tells the span of a call: whom it asked, and what came of it.
pub(super) fn told<B>(
    span: Option<Span>,
    peer: &'static str,
    method: &Method,
    answered: &Result<Answered<B>, Failure>,
) {
    if let Some(span) = span {
        let status = answered.as_ref().ok().map(|answered| answered.status);
        span.end_call(peer, method, status);
    }
}

/// A body that is read whole before the answer counts as one: when it breaks off, asking once more may help.
pub(super) async fn whole(
    pool: &Pool,
    again: bool,
    request: impl Fn(&Url) -> Result<RequestBuilder, Failure>,
) -> Result<Answered<bytes::Bytes>, Failure> {
    let read = |response: reqwest::Response| async move { response.bytes().await };
    ask(pool, again, (TRY, BOTH), request, read).await
}

/// A body that the caller reads.
pub(super) async fn opened(
    pool: &Pool,
    request: impl Fn(&Url) -> Result<RequestBuilder, Failure>,
) -> Result<Answered<reqwest::Response>, Failure> {
    let read = |response| async move { Ok(response) };
    ask(pool, true, (STREAM, STREAM), request, read).await
}

/// Asks one instance; and once more, another if there is one: with `again` when the first was not reached or only a proxy
/// before it answered, else only when nothing was sent at all.
async fn ask<B, R>(
    pool: &Pool,
    again: bool,
    (each, both): (Duration, Duration),
    request: impl Fn(&Url) -> Result<RequestBuilder, Failure>,
    read: impl Fn(reqwest::Response) -> R,
) -> Result<Answered<B>, Failure>
where
    R: Future<Output = Result<B, reqwest::Error>>,
{
    let began = Instant::now();
    let call = pool.pick(None).map_err(Failure::Nobody)?;
    let first = attempt(call, &request, &read, each).await;
    let failed = match &first {
        Ok(answered) if again && is_of_a_proxy(answered) => answered.call.place(),
        Err((Failure::Unreached(error), call)) if again || error.is_connect() => call.place(),
        _ => return first.map_err(|(failure, _)| failure),
    };
    let second = pool.pick(Some(&failed)).ok();
    let Some(second) = second.filter(|call| again || !call.is_at(&failed)) else {
        return first.map_err(|(failure, _)| failure);
    };
    tracing::debug!(peer = pool.name(), "peer not reached, trying once more");
    drop(first);
    let left = both.saturating_sub(began.elapsed()).min(each);
    attempt(second, &request, &read, left)
        .await
        .map_err(|(failure, _)| failure)
}

async fn attempt<B, R>(
    mut call: Call,
    request: &impl Fn(&Url) -> Result<RequestBuilder, Failure>,
    read: &impl Fn(reqwest::Response) -> R,
    time: Duration,
) -> Result<Answered<B>, (Failure, Call)>
where
    R: Future<Output = Result<B, reqwest::Error>>,
{
    let request = match request(call.base()) {
        Ok(request) => request,
        Err(failure) => return Err((failure, call)),
    };
    let sent = async {
        let response = request.timeout(time).send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok((status, headers, read(response).await?))
    };
    match sent.await {
        Ok((status, headers, body)) => {
            let mut answered = Answered {
                status,
                headers,
                body,
                call,
            };
            let well = !is_failure(status) && !is_of_a_proxy(&answered);
            answered.call.went(well);
            Ok(answered)
        }
        Err(error) => {
            call.went(false);
            Err((Failure::Unreached(error), call))
        }
    }
}

/// A service says what it lacks by a problem; 502 and 503 without one are of something before it, which did not reach it.
fn is_of_a_proxy<B>(answered: &Answered<B>) -> bool {
    let kind = answered.headers.get(CONTENT_TYPE);
    matches!(
        answered.status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE
    ) && !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"))
}
