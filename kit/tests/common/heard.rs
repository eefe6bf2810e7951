//! What a test logs.

use std::io::{self, Write};
use std::sync::Arc;

use kit::telemetry::JsonLines;
use parking_lot::Mutex;
use serde_json::Value;
use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber, set_default};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines of this thread at info and above, as long as it is there.
pub struct Heard {
    sink: Sink,
    _another: Dispatch,
    _guard: DefaultGuard,
}

impl Heard {
    pub fn begin() -> Self {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(JsonLines)
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        Self {
            sink,
            // While there is one subscriber, a line that another test's thread says first is judged by that thread, which has none.
            _another: Dispatch::new(NoSubscriber::new()),
            _guard: set_default(subscriber),
        }
    }

    pub fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.sink.0.lock().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}
