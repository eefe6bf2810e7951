//! Middlewares, as far as they are used.

use http::HeaderName;

use super::object::Leaves;
use super::{Address, Duration, Item, Name, PathText, Pem, Statuses, Text, Unwritable};

/// A middleware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Middleware {
    /// Its name.
    pub name: Name,
    /// What it does.
    pub kind: MiddlewareKind,
}

/// What a middleware does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MiddlewareKind {
    /// Sets these headers of every answer.
    Headers(Vec<(HeaderName, Text)>),
    /// So many requests a second of one client.
    RateLimit(RateLimit),
    /// So many requests of one client at the same time.
    InFlight {
        /// How many.
        amount: u32,
        /// What one client is.
        source: Source,
    },
    /// Answers are compressed, but for these media types.
    Compress(Vec<Item>),
    /// Another answer in the place of some.
    Errors(Errors),
    /// Auth is asked.
    ForwardAuth(ForwardAuth),
    /// A request is read whole before it is sent on.
    Buffering(Buffering),
    /// Who does not answer is left alone for a while.
    Breaker(Breaker),
    /// Another instance is asked when one cannot be reached.
    Retry(Retry),
    /// Something is put before the path.
    AddPrefix(PathText),
    /// Another path in the place of the request's.
    ReplacePath(PathText),
}

/// What counts as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// How many proxies stand before Traefik: the client is who the outermost of them saw.
    pub proxies: u32,
}

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests a second.
    pub average: u32,
    /// Requests in one instant.
    pub burst: u32,
    /// Of whom.
    pub source: Source,
}

/// Another answer in the place of some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    /// Which.
    pub statuses: Vec<Statuses>,
    /// Those that become another status.
    pub rewrites: Vec<(Statuses, u16)>,
    /// Who gives the answer.
    pub service: Name,
    /// What it is asked for; `{status}` stands for the status, and nothing else follows.
    pub page: Page,
    /// Which headers of the request it gets.
    pub request_headers: Vec<HeaderName>,
}

/// What is asked for in the place of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// This.
    At(PathText),
    /// This with the status behind it.
    ByStatus(PathText),
}

/// How auth is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardAuth {
    /// Where.
    pub address: Address,
    /// Whose certificate is believed there; none: those the machine believes.
    pub authority: Option<Pem>,
    /// Which headers of the request auth gets, besides where it comes from.
    pub request_headers: Vec<HeaderName>,
    /// Which headers of auth's answer replace those of the request.
    pub response_headers: Vec<HeaderName>,
    /// The most bytes of a refusal's body; so much is set aside for every question.
    pub largest_answer: u32,
}

/// A request is read whole before it is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffering {
    /// The most bytes of its body; 0 would mean any number and cannot be.
    pub largest: std::num::NonZeroU64,
}

/// Another instance is asked when one cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often in all.
    pub attempts: u32,
    /// The wait before the second; it grows to twice as much.
    pub interval: Duration,
    /// After this long nobody else is asked.
    pub timeout: Duration,
    /// With these answers as well, where the method may be repeated (RFC 9110 9.2.2).
    pub statuses: Vec<Statuses>,
    /// When nobody could be reached as well, whatever the method: nothing was sent yet.
    pub unreached: bool,
    /// For which no body may be larger, in bytes. Traefik takes so much memory for every request, also for one without a body.
    pub largest: u32,
}

/// Who does not answer is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// The share of requests without an answer, in percent, beyond which it opens.
    pub percent: u8,
    /// How often that is looked at.
    pub check: Duration,
    /// How long nobody asks.
    pub pause: Duration,
    /// How long then more and more ask.
    pub recovery: Duration,
    /// The status of requests that are not sent on.
    pub status: u16,
}

/// The name as Traefik's own configuration writes it: `X-User-Id`.
fn canonical(name: &HeaderName) -> String {
    let words = name.as_str().split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

impl Middleware {
    /// Whether it decides who gets where: a request that passes it by is open, or reaches somebody else.
    pub(super) fn is_guard(&self) -> bool {
        matches!(
            self.kind,
            MiddlewareKind::ForwardAuth(_)
                | MiddlewareKind::AddPrefix(_)
                | MiddlewareKind::ReplacePath(_)
        )
    }

    pub(super) fn leaves(&self) -> Result<Leaves, Unwritable> {
        let mut leaves = Leaves::default();
        match &self.kind {
            MiddlewareKind::Headers(headers) => {
                for (name, value) in headers {
                    let key = format!("headers/customResponseHeaders/{}", canonical(name));
                    leaves.put(&key, value.as_str());
                }
            }
            MiddlewareKind::RateLimit(rate) => {
                leaves.put("rateLimit/average", rate.average);
                leaves.put("rateLimit/burst", rate.burst);
                leaves.put("rateLimit/period", Duration::millis(1_000));
                leaves.source("rateLimit", rate.source);
            }
            MiddlewareKind::InFlight { amount, source } => {
                leaves.put("inFlightReq/amount", amount);
                leaves.source("inFlightReq", *source);
            }
            MiddlewareKind::Compress(but) => {
                leaves.list(
                    "compress/excludedContentTypes",
                    but.iter().map(Item::as_str),
                )?;
            }
            MiddlewareKind::Errors(errors) => errors.put(&mut leaves)?,
            MiddlewareKind::ForwardAuth(auth) => auth.put(&mut leaves)?,
            MiddlewareKind::Buffering(buffering) => {
                leaves.put("buffering/maxRequestBodyBytes", buffering.largest);
            }
            MiddlewareKind::Breaker(breaker) => breaker.put(&mut leaves),
            MiddlewareKind::Retry(retry) => retry.put(&mut leaves)?,
            MiddlewareKind::AddPrefix(prefix) => leaves.put("addPrefix/prefix", prefix.as_str()),
            MiddlewareKind::ReplacePath(path) => leaves.put("replacePath/path", path.as_str()),
        }
        Ok(leaves)
    }
}

impl Leaves {
    /// Without proxies the client is the peer; an IPv6 client is its /64.
    fn source(&mut self, of: &str, source: Source) {
        let strategy = format!("{of}/sourceCriterion/ipStrategy");
        if source.proxies > 0 {
            self.put(&format!("{strategy}/depth"), source.proxies);
        }
        self.put(&format!("{strategy}/ipv6Subnet"), 64);
    }
}

impl Errors {
    fn put(&self, leaves: &mut Leaves) -> Result<(), Unwritable> {
        let statuses: Vec<_> = self.statuses.iter().map(ToString::to_string).collect();
        leaves.list("errors/status", statuses.iter().map(String::as_str))?;
        for (from, to) in &self.rewrites {
            leaves.put(&format!("errors/statusRewrites/{from}"), to);
        }
        leaves.put("errors/service", &self.service);
        match &self.page {
            Page::At(path) => leaves.put("errors/query", path.as_str()),
            Page::ByStatus(path) => {
                leaves.put("errors/query", format_args!("{}/{{status}}", path.as_str()));
            }
        }
        leaves.headers("errors/errorRequestHeaders", &self.request_headers)
    }
}

impl Leaves {
    fn headers(&mut self, key: &str, names: &[HeaderName]) -> Result<(), Unwritable> {
        let names: Vec<_> = names.iter().map(canonical).collect();
        self.list(key, names.iter().map(String::as_str))
    }
}

impl ForwardAuth {
    fn put(&self, leaves: &mut Leaves) -> Result<(), Unwritable> {
        leaves.put("forwardAuth/address", &self.address);
        leaves.put("forwardAuth/trustForwardHeader", true);
        leaves.put("forwardAuth/maxResponseBodySize", self.largest_answer);
        leaves.headers("forwardAuth/authRequestHeaders", &self.request_headers)?;
        leaves.headers("forwardAuth/authResponseHeaders", &self.response_headers)?;
        if let Some(authority) = &self.authority {
            leaves.put("forwardAuth/tls/ca", authority.as_str());
        }
        Ok(())
    }
}

impl Retry {
    fn put(&self, leaves: &mut Leaves) -> Result<(), Unwritable> {
        leaves.put("retry/attempts", self.attempts);
        leaves.put("retry/initialInterval", self.interval);
        leaves.put("retry/timeout", self.timeout);
        leaves.put("retry/maxRequestBodyBytes", self.largest);
        if !self.unreached {
            leaves.put("retry/disableRetryOnNetworkError", true);
        }
        let statuses: Vec<_> = self.statuses.iter().map(ToString::to_string).collect();
        leaves.list("retry/status", statuses.iter().map(String::as_str))
    }
}

impl Breaker {
    fn put(&self, leaves: &mut Leaves) {
        let percent = self.percent.min(99);
        leaves.put(
            "circuitBreaker/expression",
            format_args!("NetworkErrorRatio() > 0.{percent:02}"),
        );
        leaves.put("circuitBreaker/checkPeriod", self.check);
        leaves.put("circuitBreaker/fallbackDuration", self.pause);
        leaves.put("circuitBreaker/recoveryDuration", self.recovery);
        leaves.put("circuitBreaker/responseCode", self.status);
    }
}
