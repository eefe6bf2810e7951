//! One piece of work in a trace.

use std::num::{NonZeroU64, NonZeroU128};
use std::time::Instant;

use http::{HeaderMap, Method, StatusCode};

use super::w3c::Traceparent;
use super::{TRACER, Tracer};

/// Which side of a call a span is, with the number the protocol gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request is answered.
    Server = 2,
    /// Another service is called.
    Client = 3,
    /// A message is applied.
    Consumer = 5,
}

/// What is said of a span, named as OpenTelemetry's conventions do. Never anything of a person.
pub type Attribute = (&'static str, Value);

/// A value of an [`Attribute`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// Work that is under way. It is told when it is [ended](Span::end), and not at all otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    at: Traceparent,
    parent: Option<NonZeroU64>,
    kind: Kind,
    /// Nanoseconds since 1970.
    began: u64,
    passed: Instant,
}

/// Work that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) at: Traceparent,
    pub(super) parent: Option<NonZeroU64>,
    pub(super) kind: Kind,
    /// Nanoseconds since 1970.
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) failed: bool,
    pub(super) attributes: Vec<Attribute>,
}

impl Span {
    /// A request, in the trace that it says it belongs to. None where no traces are made, as with the other two.
    pub(crate) fn server(headers: &HeaderMap) -> Option<Self> {
        let tracer = TRACER.get()?;
        Some(tracer.begin(Kind::Server, Traceparent::of(headers)))
    }

    /// A call of another service, for the request or message at hand; none where there is no such.
    #[must_use]
    pub fn client() -> Option<Self> {
        let tracer = TRACER.get()?;
        let parent = crate::server::current_span()?;
        Some(tracer.begin(Kind::Client, Some(parent.at)))
    }

    /// A message that is applied, in the trace of the request that it came of; none when it names no trace.
    #[must_use]
    pub fn consumer(traceparent: Option<&str>) -> Option<Self> {
        let tracer = TRACER.get()?;
        let parent = traceparent.and_then(Traceparent::parse)?;
        Some(tracer.begin(Kind::Consumer, Some(parent)))
    }

    /// As what it causes elsewhere knows it.
    #[must_use]
    pub fn at(&self) -> Traceparent {
        self.at
    }

    /// Whether it goes on with what somebody else began.
    pub(crate) fn has_parent(&self) -> bool {
        self.parent.is_some()
    }

    /// Ends that of a call over HTTP: whom it asked, and with which status the answer came, if one did.
    pub fn end_call(&self, peer: &'static str, method: &Method, status: Option<StatusCode>) {
        let failed = status.is_none_or(|status| status.is_server_error());
        self.end(failed, || {
            let mut attributes = vec![
                ("http.request.method", method.as_str().into()),
                ("peer.service", peer.into()),
            ];
            attributes.extend(match status {
                Some(status) => Some(("http.response.status_code", status.as_u16().into())),
                None => Some(("error.type", "unreached".into())),
            });
            (format!("{method} {peer}"), attributes)
        });
    }

    /// Ends it. `failed` is for what is wrong on this side; `what` gives its name and attributes, and is asked only if the
    /// trace is told.
    pub fn end(&self, failed: bool, what: impl FnOnce() -> (String, Vec<Attribute>)) {
        let Some(tracer) = TRACER.get().filter(|_| self.at.told) else {
            return;
        };
        let took = u64::try_from(self.passed.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let (name, attributes) = what();
        tracer.tell(Ended {
            name,
            at: self.at,
            parent: self.parent,
            kind: self.kind,
            began: self.began,
            ended: self.began.saturating_add(took),
            failed,
            attributes,
        });
    }
}

impl Tracer {
    fn begin(&self, kind: Kind, parent: Option<Traceparent>) -> Span {
        let chance = self.ids.secret();
        let (trace, told) = match parent {
            Some(parent) => (parent.trace, parent.told),
            None => {
                let trace = u128_of(&chance[..16]);
                (trace, is_told(trace, self.percent))
            }
        };
        let now = self.clock.now().timestamp_nanos_opt();
        Span {
            at: Traceparent {
                trace,
                span: u64_of(&chance[16..24]),
                told,
            },
            parent: parent.map(|parent| parent.span),
            kind,
            began: now.and_then(|now| u64::try_from(now).ok()).unwrap_or(0),
            passed: Instant::now(),
        }
    }
}

/// Every service decides alike about one trace.
pub(super) fn is_told(trace: NonZeroU128, percent: u8) -> bool {
    trace.get() % 100 < u128::from(percent)
}

// all zero bits mean "none" to others; they come up once in 2^64
fn u128_of(bytes: &[u8]) -> NonZeroU128 {
    let number = bytes
        .iter()
        .fold(0u128, |n, byte| (n << 8) | u128::from(*byte));
    NonZeroU128::new(number).unwrap_or(NonZeroU128::MIN)
}

fn u64_of(bytes: &[u8]) -> NonZeroU64 {
    let number = bytes
        .iter()
        .fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
    NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN)
}
