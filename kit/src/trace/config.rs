//! The settings `[otlp]`.

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::config::Section;

/// The settings `[otlp]` with their defaults.
pub const SECTION: Section = Section {
    name: "otlp",
    defaults: include_str!("../../otlp.default.toml"),
    secrets: &["headers"],
};

/// The settings `[otlp]`; what each means is said in `otlp.default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The collector; empty: none.
    pub endpoint: String,
    /// What it is told beside the spans.
    pub headers: Vec<SecretString>,
    /// Of a hundred traces that begin here, so many are told.
    pub percent: u8,
}

/// Why no traces can be made.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The collector's address is none.
    #[error(
        "otlp.endpoint: is no http: or https: address; write for example \"http://collector:4318\""
    )]
    Endpoint,
    /// A header is none.
    #[error(
        "otlp.headers: number {0} is no header; write \"name=value\", for example \"authorization=Bearer ..\""
    )]
    Header(usize),
    /// There are only a hundred in a hundred.
    #[error("otlp.percent: must be 0 to 100, not {0}")]
    Percent(u8),
    /// They have been begun before.
    #[error("the traces of this process have been started already")]
    Twice,
    /// No client can be made.
    #[error("otlp.endpoint: {0:#}")]
    Client(anyhow::Error),
}

/// Where traces are told.
#[derive(Debug, Clone)]
pub(super) struct Collector {
    pub(super) traces: Url,
    pub(super) headers: HeaderMap,
}

impl Collector {
    /// That of the settings, if they name one.
    pub(super) fn of(config: &Config) -> Result<Option<Self>, TraceError> {
        if config.percent > 100 {
            return Err(TraceError::Percent(config.percent));
        }
        let headers = config
            .headers
            .iter()
            .enumerate()
            .map(|(at, header)| read(header).ok_or(TraceError::Header(at + 1)))
            .collect::<Result<HeaderMap, _>>()?;
        if config.endpoint.is_empty() {
            return Ok(None);
        }
        let base = config.endpoint.trim_end_matches('/');
        let traces = Url::parse(&format!("{base}/v1/traces")).map_err(|_| TraceError::Endpoint)?;
        if !matches!(traces.scheme(), "http" | "https") {
            return Err(TraceError::Endpoint);
        }
        Ok(Some(Self { traces, headers }))
    }

    /// It without what may be a secret, for the log.
    pub(super) fn shown(&self) -> String {
        let host = self.traces.host_str().unwrap_or_default();
        match self.traces.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

fn read(header: &SecretString) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = header.expose_secret().split_once('=')?;
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(endpoint: &str, headers: &[&str]) -> Result<Option<Collector>, TraceError> {
        Collector::of(&Config {
            endpoint: endpoint.to_owned(),
            headers: headers.iter().map(|&header| header.into()).collect(),
            percent: 100,
        })
    }

    #[test]
    fn without_an_endpoint_there_is_no_collector_and_traces_go_below_the_endpoint() {
        assert!(of("", &[]).unwrap().is_none());
        for endpoint in ["http://c:4318", "http://c:4318/"] {
            let collector = of(endpoint, &["a=b=c", "Authorization=Bearer x"])
                .unwrap()
                .unwrap();
            assert_eq!(collector.traces.as_str(), "http://c:4318/v1/traces");
            assert_eq!(collector.headers["a"], "b=c");
            assert_eq!(collector.headers["authorization"], "Bearer x");
            assert_eq!(collector.shown(), "c:4318");
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_setting_and_without_the_secret() {
        for (endpoint, headers) in [
            ("collector:4318", &[][..]),
            ("/v1", &[]),
            ("http://c", &["s3cr3t"]),
        ] {
            let said = of(endpoint, headers).unwrap_err().to_string();
            assert!(
                said.starts_with("otlp.") && !said.contains("s3cr3t"),
                "{said}"
            );
        }
    }
}
