//! Lines of JSON, written field by field: a busy server writes tens of thousands a second.

use std::fmt;

use chrono::SecondsFormat;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
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
        let now = SystemClock::default().now();
        let ts = now.to_rfc3339_opts(SecondsFormat::Micros, true);
        let level = level(*metadata.level());
        write!(
            out,
            r#"{{"ts":"{ts}","level":"{level}","version":"{}","module":"#,
            crate::VERSION
        )?;
        text(&mut out, metadata.target())?;
        let in_request = with_current(|noted| {
            if !noted.service.is_empty() {
                write!(out, r#","service":"{}""#, noted.service)?;
            }
            out.write_str(r#","request_id":"#)?;
            text(&mut out, noted.request_id)?;
            match noted.trace {
                Some(trace) => write!(out, r#","trace_id":"{}""#, trace.trace_id()),
                None => Ok(()),
            }
        });
        if let Some(written) = in_request {
            written?;
        }
        let mut fields = Fields {
            out: &mut out,
            in_request: in_request.is_some(),
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
        out.write_str("}\n")
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// A JSON string (RFC 8259 section 7).
fn text(out: &mut impl fmt::Write, value: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut rest = value;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') {
        out.write_str(&rest[..at])?;
        let special = rest.as_bytes()[at];
        match special {
            b'"' => out.write_str("\\\"")?,
            b'\\' => out.write_str("\\\\")?,
            b'\n' => out.write_str("\\n")?,
            b'\r' => out.write_str("\\r")?,
            b'\t' => out.write_str("\\t")?,
            other => write!(out, "\\u{other:04x}")?,
        }
        rest = &rest[at + 1..];
    }
    out.write_str(rest)?;
    out.write_char('"')
}

struct Fields<'a, 'w> {
    out: &'a mut Writer<'w>,
    /// Service and request id stand there already.
    in_request: bool,
    result: fmt::Result,
}

impl Fields<'_, '_> {
    fn put(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let name = field.name();
        if self.result.is_err() || (self.in_request && matches!(name, "service" | "request_id")) {
            return;
        }
        self.result = write!(self.out, r#","{name}":"#).and_then(|()| write(self.out));
    }
}

impl Visit for Fields<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, |out| text(out, &format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, |out| text(out, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |out| write!(out, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |out| write!(out, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinities and no NaN
        self.put(field, |out| {
            if value.is_finite() {
                write!(out, "{value}")
            } else {
                out.write_str("null")
            }
        });
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |out| write!(out, "{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, |out| text(out, &value.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::sink::Sink;
    use super::*;

    proptest! {
        #[test]
        fn any_text_is_read_back_from_its_line(value in any::<String>()) {
            let mut out = String::new();
            text(&mut out, &value).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), value);
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
        let written = sink.text();
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
