//! Telling the collector, beside the requests: none of them ever waits for it or fails by it.

use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::config::{Collector, TraceError};
use super::lost;
use super::span::Ended;
use super::wire::{self, Resource};

/// Spans in one request.
const BATCH: usize = 512;
/// How long spans are gathered.
const GATHER: Duration = Duration::from_millis(200);
/// Between two tries, growing from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long the last ones may take at the end.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) struct Exporter {
    collector: Collector,
    resource: Resource,
    waiting: mpsc::Receiver<Ended>,
    http: reqwest::Client,
    /// What is being told.
    batch: Vec<Ended>,
    /// Why the last request failed, so that it is said once.
    failing: Option<String>,
}

/// Why a batch was not taken.
enum Refusal {
    /// Another time perhaps.
    Later(String),
    /// Never.
    Never(String),
}

impl Exporter {
    pub(super) fn new(
        collector: Collector,
        resource: Resource,
        waiting: mpsc::Receiver<Ended>,
    ) -> Result<Self, TraceError> {
        Ok(Self {
            collector,
            resource,
            waiting,
            http: crate::peer::client().map_err(TraceError::Client)?,
            batch: Vec::with_capacity(BATCH),
            failing: None,
        })
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.serve()).await;
        let _ = timeout(FAREWELL, self.farewell()).await;
    }

    async fn serve(&mut self) {
        loop {
            if self.waiting.len() < BATCH {
                if self.waiting.recv_many(&mut self.batch, 1).await == 0 {
                    return;
                }
                sleep(GATHER).await;
            }
            self.fill();
            self.deliver().await;
            self.batch.clear();
        }
    }

    /// As many as wait and fit.
    fn fill(&mut self) {
        while self.batch.len() < BATCH
            && let Ok(span) = self.waiting.try_recv()
        {
            self.batch.push(span);
        }
    }

    /// Tells what is left, as long as it goes well.
    async fn farewell(&mut self) {
        loop {
            self.fill();
            if self.batch.is_empty() || self.send().await.is_err() {
                return;
            }
            self.batch.clear();
        }
    }

    /// Until the batch is taken, or never will be.
    async fn deliver(&mut self) {
        let (mut pause, longest) = PAUSES;
        loop {
            match self.send().await {
                Ok(()) => return self.well(),
                Err(Refusal::Never(why)) => return self.trouble(why),
                Err(Refusal::Later(why)) => self.trouble(why),
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    async fn send(&self) -> Result<(), Refusal> {
        let request = self
            .http
            .post(self.collector.traces.clone())
            .headers(self.collector.headers.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(wire::request(&self.resource, &self.batch));
        let answer = request.send().await.map_err(|error| {
            // the address may hold a secret
            Refusal::Later(format!("{:#}", anyhow::Error::from(error.without_url())))
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let why = format!("it answered {status}");
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Refusal::Later(why),
            _ => Refusal::Never(why),
        })
    }

    fn well(&mut self) {
        let lost = lost();
        if self.failing.take().is_some() || lost > 0 {
            tracing::info!(target: "traces", lost, "the collector takes traces");
        }
    }

    fn trouble(&mut self, why: String) {
        if self.failing.as_ref() != Some(&why) {
            tracing::warn!(
                target: "traces",
                setting = "otlp.endpoint",
                collector = self.collector.shown(),
                why,
                "traces are not taken; requests go on, and what is too much is lost"
            );
            self.failing = Some(why);
        }
    }
}
