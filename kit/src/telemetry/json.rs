//! Lines of JSON.

use std::fmt;

use chrono::SecondsFormat;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{Clock, SystemClock};
use crate::server::with_current;

/// Formats an event as one JSON object. Inside a request it has that request's id and service by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Map::new();
        let now = SystemClock::default().now();
        line.insert(
            "ts".to_owned(),
            now.to_rfc3339_opts(SecondsFormat::Micros, true).into(),
        );
        line.insert(
            "level".to_owned(),
            metadata.level().as_str().to_ascii_lowercase().into(),
        );
        line.insert("version".to_owned(), crate::VERSION.into());
        line.insert("module".to_owned(), metadata.target().into());
        with_current(|request_id, service| {
            line.insert("service".to_owned(), service.into());
            line.insert("request_id".to_owned(), request_id.into());
        });
        event.record(&mut Fields(&mut line));
        let text = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(out, "{text}")
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_of_json_with_its_fields() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(JsonLines)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "things", count = 3, user_id = None::<i64>, text = "a \"b\"\n", "lost things");
        });
        let written = String::from_utf8(sink.0.lock().clone()).unwrap();
        assert_eq!(written.matches('\n').count(), 1);
        let mut line: Value = serde_json::from_str(&written).unwrap();
        let ts = line["ts"].take();
        assert!(ts.as_str().unwrap().ends_with('Z'));
        assert_eq!(
            line,
            serde_json::json!({
                "ts": null, "level": "warn", "version": crate::VERSION, "module": "things",
                "message": "lost things", "count": 3, "text": "a \"b\"\n",
            })
        );
    }
}
