//! Lines for people at a terminal: time, level, where from, what, and the fields.

use std::fmt;

use chrono::Timelike;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{Clock, SystemClock};
use crate::server::with_current;

/// Formats an event as `08:15:02.481 INFO module: message key=value ..`, the time in UTC.
#[derive(Debug, Clone, Copy, Default)]
pub struct HumanLines;

impl<S, N> FormatEvent<S, N> for HumanLines
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
        let (metadata, now) = (event.metadata(), SystemClock::default().now());
        let millis = now.nanosecond() / 1_000_000;
        write!(
            out,
            "{:02}:{:02}:{:02}.{millis:03} ",
            now.hour(),
            now.minute(),
            now.second()
        )?;
        let (colour, level) = level(*metadata.level());
        if out.has_ansi_escapes() {
            write!(out, "\x1b[{colour}m{level}\x1b[0m {}:", metadata.target())?;
        } else {
            write!(out, "{level} {}:", metadata.target())?;
        }
        let mut fields = Fields {
            out: &mut out,
            result: Ok(()),
        };
        event.record(&mut fields);
        let mut result = fields.result;
        // a line of the request itself names these two
        if metadata.target() != "request" && metadata.target() != "failure" {
            let noted = with_current(|noted| {
                if !noted.service.is_empty() {
                    write!(out, " service={}", noted.service)?;
                }
                write!(out, " request_id={}", noted.request_id)
            });
            result = result.and(noted.unwrap_or(Ok(())));
        }
        result?;
        out.write_char('\n')
    }
}

fn level(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::ERROR => ("31", "ERROR"),
        Level::WARN => ("33", " WARN"),
        Level::INFO => ("32", " INFO"),
        Level::DEBUG => ("34", "DEBUG"),
        Level::TRACE => ("35", "TRACE"),
    }
}

struct Fields<'a, 'w> {
    out: &'a mut Writer<'w>,
    result: fmt::Result,
}

impl Fields<'_, '_> {
    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.result.is_err() {
            return;
        }
        self.result = match field.name() {
            "message" => write!(self.out, " {value}"),
            name => write!(self.out, " {name}={value}"),
        };
    }
}

impl Visit for Fields<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // what could be taken for more fields, or for another line, is quoted
        if value.is_empty() || value.contains(|c: char| c.is_control() || c == ' ' || c == '"') {
            self.put(field, format_args!("{value:?}"));
        } else {
            self.put(field, format_args!("{value}"));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, format_args!("{:?}", value.to_string()));
    }
}

#[cfg(test)]
mod tests {

    use super::super::sink::Sink;
    use super::*;

    #[test]
    fn a_value_cannot_pass_for_a_line_or_a_field_of_its_own() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .event_format(HumanLines)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "things", count = 3, plain = "a", text = "x\nERROR y=1", none = None::<i64>, "found");
        });
        let written = sink.text();
        let (_, line) = written.split_once(' ').unwrap();
        assert_eq!(
            line,
            " INFO things: found count=3 plain=a text=\"x\\nERROR y=1\"\n"
        );
    }
}
