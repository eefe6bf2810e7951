//! What a test logs.

// where kit's own tests of the log look
#[path = "../../src/telemetry/sink.rs"]
mod sink;

use kit::telemetry::JsonLines;
use serde_json::Value;
use sink::Sink;
use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber, set_default};

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
        let text = self.sink.text();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}
