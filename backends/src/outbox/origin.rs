//! The request that an event comes of, as `CloudEvents` extensions among its headers: so that who applies the event logs the same
//! request id and goes on with the same trace.

use std::collections::BTreeMap;

use kit::trace::Span;

const REQUEST_ID: &str = "ce_requestid";
/// The extension "distributed tracing".
const TRACEPARENT: &str = "ce_traceparent";

/// The headers, and what is known of the request at hand.
pub(super) fn with(mut headers: BTreeMap<String, String>) -> BTreeMap<String, String> {
    if let Some(id) = kit::server::request_id()
        && let Ok(id) = id.to_str()
    {
        headers
            .entry(REQUEST_ID.to_owned())
            .or_insert_with(|| id.to_owned());
    }
    if let Some(at) = kit::trace::current() {
        headers
            .entry(TRACEPARENT.to_owned())
            .or_insert_with(|| at.to_string());
    }
    headers
}

/// What an event says of the request that it comes of.
pub(crate) struct Origin<'a> {
    request_id: Option<&'a str>,
    span: Option<Span>,
}

impl<'a> Origin<'a> {
    /// As its headers say. From here on it counts as being applied.
    pub(crate) fn of(headers: &'a BTreeMap<String, String>) -> Self {
        let find = |name| headers.get(name).map(String::as_str);
        Self {
            request_id: find(REQUEST_ID),
            // asked first: the headers are looked at for every event there is
            span: kit::trace::is_on()
                .then(|| Span::consumer(find(TRACEPARENT)))
                .flatten(),
        }
    }

    /// Does the work as a part of that request.
    pub(crate) async fn within<F: Future>(&self, work: F) -> F::Output {
        kit::server::of_message(self.request_id, self.span, work).await
    }

    /// Ends the span, if it belongs to a trace.
    pub(crate) fn end(&self, consumer: &str, topic: &str, failed: bool) {
        let Some(span) = self.span else { return };
        span.end(failed, || {
            let attributes = vec![
                ("messaging.destination.name", topic.into()),
                ("messaging.consumer.group.name", consumer.into()),
            ];
            (format!("apply {topic}"), attributes)
        });
    }
}
