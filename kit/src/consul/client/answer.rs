//! What the agent answered.

use http::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use crate::consul::{ConsulError, Index};

const INDEX: &str = "x-consul-index";
/// Consul leaves out what a token may not read and says so here, though not to one who shows no token.
const FILTERED: &str = "x-consul-results-filtered-by-acls";
/// Characters of an answer that are repeated in an error.
const MOST_TEXT: usize = 400;

pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: bytes::Bytes,
}

impl Answer {
    pub(super) async fn of(
        sent: Result<reqwest::Response, reqwest::Error>,
    ) -> Result<Self, ConsulError> {
        let response = sent.map_err(|error| unreachable(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response
            .bytes()
            .await
            .map_err(|error| unreachable(&error))?;
        Ok(Self {
            status,
            headers,
            body,
        })
    }

    pub(super) fn is(&self, status: StatusCode) -> bool {
        self.status == status
    }

    /// The answer itself when it is 2xx.
    pub(super) fn good(&self) -> Result<&Self, ConsulError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let text = self.text();
        if self.status == StatusCode::FORBIDDEN {
            return Err(ConsulError::Refused(text));
        }
        Err(self.other(text))
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ConsulError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| self.other(format!("what cannot be read: {error}")))
    }

    /// What to ask after next. An answer without it is from something else than Consul.
    pub(super) fn index(&self) -> Result<Index, ConsulError> {
        let header = self.headers.get(INDEX);
        let index = header.and_then(|value| value.to_str().ok()?.parse().ok());
        index
            .map(Index::new)
            .ok_or_else(|| self.other(format!("without {INDEX}; is this a consul?")))
    }

    /// Whether the token's rights have kept something back.
    pub(super) fn is_filtered(&self) -> bool {
        self.headers
            .get(FILTERED)
            .is_some_and(|value| value == "true")
    }

    pub(super) fn other(&self, text: String) -> ConsulError {
        ConsulError::Other {
            status: self.status.as_u16(),
            text,
        }
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().take(MOST_TEXT).collect()
    }
}

/// The causes without the address, which the log knows, from the outermost that says something to the innermost.
fn unreachable(error: &reqwest::Error) -> ConsulError {
    if error.is_timeout() {
        return ConsulError::Unreachable("it took too long".to_owned());
    }
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let text = causes
        .last()
        .map_or_else(|| "the request failed".to_owned(), ToString::to_string);
    ConsulError::Unreachable(text)
}
