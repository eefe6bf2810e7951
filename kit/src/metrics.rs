//! Counts and durations for Prometheus, one recorder per server, so that several run in one process.

use std::sync::Arc;

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

/// Seconds; what a request may take.
const REQUEST_BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Seconds; everything else, from a local query on.
const BUCKETS: [f64; 14] = [
    0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
const METADATA: Metadata<'static> = Metadata::new("kit", Level::INFO, None);

/// The metrics of one server. Clones share them. A handle (counter, gauge, histogram) is made once and kept where it
/// is used: making it looks the name up.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

impl Metrics {
    /// An empty set of metrics.
    #[must_use]
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .and_then(|b| {
                b.set_buckets_for_metric(
                    Matcher::Full("http_request_duration_seconds".to_owned()),
                    &REQUEST_BUCKETS,
                )
            })
            .expect("the buckets are not empty")
            .build_recorder();
        let handle = recorder.handle();
        Self {
            recorder: Arc::new(recorder),
            handle,
        }
    }

    /// A number that only grows. The same name and labels give the same counter. Labels never hold a person's id.
    pub fn counter(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        self.recorder
            .register_counter(&key(name, labels), &METADATA)
    }

    /// A number that goes up and down.
    pub fn gauge(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        self.recorder.register_gauge(&key(name, labels), &METADATA)
    }

    /// A distribution, of seconds.
    pub fn histogram(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Histogram {
        self.recorder
            .register_histogram(&key(name, labels), &METADATA)
    }

    /// Says what a counter means (`# HELP`).
    pub fn describe_counter(&self, name: &'static str, text: &'static str) {
        self.recorder
            .describe_counter(KeyName::from(name), None::<Unit>, SharedString::from(text));
    }

    /// Says what a gauge means (`# HELP`).
    pub fn describe_gauge(&self, name: &'static str, text: &'static str) {
        self.recorder
            .describe_gauge(KeyName::from(name), None::<Unit>, SharedString::from(text));
    }

    /// Says what a histogram means (`# HELP`).
    pub fn describe_histogram(&self, name: &'static str, text: &'static str) {
        self.recorder.describe_histogram(
            KeyName::from(name),
            None::<Unit>,
            SharedString::from(text),
        );
    }

    /// Everything in Prometheus' text format, with the process's own figures.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        process(&mut text);
        text
    }

    /// Folds what histograms have gathered; the server calls it every few seconds, else they would grow until the
    /// next scrape.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels = labels
        .iter()
        .map(|&(k, v)| Label::new(k, v.to_owned()))
        .collect::<Vec<_>>();
    Key::from_parts(name, labels)
}

/// CPU, memory and open files of this process, as Prometheus' own clients name them. Absent where there is no /proc.
fn process(text: &mut String) {
    let mut add = |name: &str, kind: &str, value: f64| {
        text.push_str(&format!("# TYPE {name} {kind}\n{name} {value}\n"));
    };
    if let Some((cpu, threads)) = cpu_and_threads() {
        add("process_cpu_seconds_total", "counter", cpu);
        add("process_threads", "gauge", threads);
    }
    if let Some(bytes) = resident() {
        add("process_resident_memory_bytes", "gauge", bytes);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        add("process_open_fds", "gauge", files.count() as f64);
    }
}

/// proc(5): fields 14 and 15 of stat are ticks of 1/100 s, field 20 the threads; the name in parentheses may hold spaces.
fn cpu_and_threads() -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some(((number(14)? + number(15)?) / 100.0, number(20)?))
}

fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    let kib = line.split_whitespace().nth(1)?.parse::<f64>().ok()?;
    Some(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sets_of_metrics_in_one_process_do_not_mix() {
        let (a, b) = (Metrics::new(), Metrics::new());
        a.counter("things_total", &[("kind", "x")]).increment(3);
        assert!(a.render().contains("things_total{kind=\"x\"} 3"));
        assert!(!b.render().contains("things_total"));
    }

    #[test]
    fn the_same_name_and_labels_are_the_same_counter() {
        let metrics = Metrics::new();
        metrics.counter("things_total", &[]).increment(1);
        metrics.clone().counter("things_total", &[]).increment(1);
        assert!(metrics.render().contains("things_total 2"));
    }

    #[test]
    fn a_duration_falls_into_its_bucket() {
        let metrics = Metrics::new();
        metrics
            .histogram("http_request_duration_seconds", &[])
            .record(0.02);
        metrics.upkeep();
        let text = metrics.render();
        assert!(
            text.contains("http_request_duration_seconds_bucket{le=\"0.01\"} 0"),
            "{text}"
        );
        assert!(
            text.contains("http_request_duration_seconds_bucket{le=\"0.025\"} 1"),
            "{text}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_shows_its_memory_and_open_files() {
        let text = Metrics::new().render();
        for name in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
        ] {
            assert!(
                text.lines().any(|l| l.starts_with(name)),
                "{name} is missing:\n{text}"
            );
        }
    }
}
