//! Answers that are too long to be held whole: one JSON object a line, read as it comes.

use std::collections::VecDeque;

use futures_util::stream::{self, BoxStream, StreamExt};
use http::{Method, StatusCode};
use reqwest::Url;

use super::Peer;
use super::ask::{Answered, opened, told, unavailable};
use super::pool::Call;
use crate::problem::Problem;
use crate::trace::Span;

impl Peer {
    /// Reads an answer line by line (`application/x-ndjson`). The connection is made when this is called; an error in the
    /// middle ends the stream, and an answer that breaks off without its last line end is such an error. Until it begins, the
    /// answer is asked for as by [`get`](Self::get); then nobody else can go on with it.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_lines(
        &self,
        path: &str,
    ) -> Result<BoxStream<'static, Result<String, Problem>>, Problem> {
        let bearer = self.tokens.bearer().await?;
        let span = Span::client();
        let request = |base: &Url| self.request(base, Method::GET, path, &bearer, span.as_ref());
        let answered = opened(&self.pool, request).await;
        told(span, self.name(), &Method::GET, &answered);
        self.note(&answered);
        let Answered {
            status,
            headers,
            body: response,
            call,
        } = answered.map_err(|failure| failure.into_problem(self.name()))?;
        if status != StatusCode::OK {
            let body = response.bytes().await.map_err(|error| self.broken(error))?;
            return Err(Problem::from_wire(status, &headers, &body));
        }
        let reading = Reading {
            peer: self.clone(),
            response: Some(response),
            rest: Vec::new(),
            lines: VecDeque::new(),
            _under_way: call,
        };
        Ok(stream::unfold(reading, Reading::next).boxed())
    }

    fn broken(&self, cause: impl Into<anyhow::Error>) -> Problem {
        unavailable(self.name(), cause)
    }
}

struct Reading {
    peer: Peer,
    response: Option<reqwest::Response>,
    rest: Vec<u8>,
    lines: VecDeque<String>,
    /// While it is read, the instance counts as busy with it.
    _under_way: Call,
}

impl Reading {
    async fn next(mut self) -> Option<(Result<String, Problem>, Self)> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some((Ok(line), self));
            }
            let chunk = match self.response.as_mut()?.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => {
                    self.response = None;
                    if self.rest.is_empty() {
                        return None;
                    }
                    let problem = self.peer.broken(anyhow::anyhow!(
                        "the answer broke off in the middle of a line"
                    ));
                    return Some((Err(problem), self));
                }
                Err(error) => {
                    self.response = None;
                    return Some((Err(self.peer.broken(error)), self));
                }
            };
            self.rest.extend_from_slice(&chunk);
            let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else {
                continue;
            };
            let rest = self.rest.split_off(end + 1);
            let whole = std::mem::replace(&mut self.rest, rest);
            let lines = whole
                .split(|&byte| byte == b'\n')
                .filter(|line| !line.is_empty());
            self.lines = lines
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
        }
    }
}
