//! From a post's request to another reader seeing it: in the stream, and pushed on `/live`, at 50 posts a second.

use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// Milliseconds, sorted.
pub struct Latencies(Vec<f64>);

impl Latencies {
    /// The value below which this share of them lies.
    pub fn share(&self, share: f64) -> f64 {
        let at = (self.0.len() as f64 * share) as usize;
        self.0
            .get(at.min(self.0.len().saturating_sub(1)))
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// Of these, in any order.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

/// How often something is published.
pub const EVERY: Duration = Duration::from_millis(20);

fn post(title: &str) -> Value {
    json!({"title": title, "content": "<p>now</p>", "audience": ["school"]})
}

async fn publish(http: &Client, base: &str, token: &str, title: &str) -> anyhow::Result<()> {
    let answer = http
        .post(format!("{base}/api/posts"))
        .bearer_auth(token)
        .json(&post(title))
        .send()
        .await?;
    answer.error_for_status()?;
    Ok(())
}

/// One connection that is asked one thing after the other, without a pool between: what a client's own tasks take is not what
/// is measured.
struct Line {
    to: SendRequest<Full<Bytes>>,
    host: String,
    bearer: String,
}

impl Line {
    async fn open(base: &str, token: &str) -> anyhow::Result<Self> {
        let host = base.strip_prefix("http://").context("no http address")?;
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let (to, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            to,
            host: host.to_owned(),
            bearer: format!("Bearer {token}"),
        })
    }

    async fn ask(&mut self, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.bearer)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        self.to.ready().await?;
        let answer = self.to.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        anyhow::ensure!(status.is_success(), "{path}: {status}");
        Ok(body)
    }
}

/// One post every 20 ms, sent to one address; after each the reader asks at another until it is there.
pub async fn seen_in_stream(
    posting: &str,
    reading: &str,
    writer: &str,
    reader: &str,
    posts: usize,
) -> anyhow::Result<Latencies> {
    let mut writing = Line::open(posting, writer).await?;
    let mut reading = Line::open(reading, reader).await?;
    let mut values = Vec::with_capacity(posts);
    let mut ticks = tokio::time::interval(EVERY);
    for n in 0..posts {
        ticks.tick().await;
        let title = format!("latency {n}");
        let body = serde_json::to_vec(&post(&title))?;
        let began = Instant::now();
        writing.ask(Method::POST, "/api/posts", body).await?;
        loop {
            let stream = "/api/activity-stream?limit=1";
            let page = reading.ask(Method::GET, stream, Vec::new()).await?;
            let page: Value = serde_json::from_slice(&page)?;
            if page["items"][0]["title"] == title {
                break;
            }
            anyhow::ensure!(
                began.elapsed() < Duration::from_secs(10),
                "{title} never came"
            );
        }
        values.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(Latencies::of(values))
}

/// One post every 20 ms; the reader's open connection tells when it came.
pub async fn pushed_live(
    base: &str,
    writer: &str,
    reader: &str,
    posts: usize,
) -> anyhow::Result<Latencies> {
    let http = Client::builder().no_proxy().build()?;
    let answer = http
        .get(format!("{base}/api/activity-stream/live"))
        .bearer_auth(reader)
        .send()
        .await?
        .error_for_status()?;
    let mut body = answer.bytes_stream();
    let mut received = String::new();
    let mut values = Vec::with_capacity(posts);
    let mut ticks = tokio::time::interval(EVERY);
    for n in 0..posts {
        ticks.tick().await;
        let title = format!("\"live {n}\"");
        let began = Instant::now();
        let publishing = publish(&http, base, writer, title.trim_matches('"'));
        let arriving = async {
            while !received.contains(&title) {
                let chunk = tokio::time::timeout(Duration::from_secs(10), body.next())
                    .await
                    .context("nothing was pushed")?;
                received.push_str(std::str::from_utf8(
                    &chunk.context("the live stream ended")??,
                )?);
            }
            anyhow::Ok(began.elapsed())
        };
        let (published, arrived) = tokio::join!(publishing, arriving);
        published?;
        values.push(arrived?.as_secs_f64() * 1000.0);
        received.clear();
    }
    Ok(Latencies::of(values))
}
