//! A protected GET through Traefik: its forward-auth asks ours, or a bare one.

use anyhow::Context;
use serde_json::{Value, json};

use super::stack::Stack;
use crate::measure::{Extent, Row, block, fetch, interleaved};
use crate::server::Server;
use crate::wrk::Load;

const PATH: &str = "/api/activity-stream?limit=1";
/// Requests with this header take the way past the bare one; everything else on the way is the same.
const MARK: &str = "X-Bench: bare";

/// The two ways, interleaved.
pub fn row(extent: &Extent, stack: &Stack, token: &str) -> anyhow::Result<Row> {
    let bare =
        Server::bare_anywhere(&["bare-validate", "--secret", &stack.secret("signing-key")?])?;
    let address = format!("{}/api/auth/validate", bare.base);
    block(open_way(stack, &address))?;
    let url = format!("{}{PATH}", stack.web()?);
    fetch(&url, token)?;
    let way = |header: Option<&str>| {
        Load {
            url: &url,
            token,
            connections: 64,
            seconds: extent.seconds,
            script: None,
        }
        .run_with(header)
    };
    let (a, b) = interleaved(extent, || way(None), || way(Some(MARK)))?;
    Ok(Row {
        what: "a protected GET (the stream, one item) through Traefik with our forward-auth, 64 connections"
            .to_owned(),
        beside: "the same way through the same Traefik, with a bare axum check of the token asked over plain HTTP".to_owned(),
        aim: ">= 1.3x".to_owned(),
        least: 1.3,
        ours: a,
        limit: b,
    })
}

/// Tells Traefik the other way, beside the gateway's own keys, and waits until it is taken.
async fn open_way(stack: &Stack, address: &str) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let keys = [
        ("middlewares/bench-auth/forwardAuth/address", address),
        (
            "middlewares/bench-auth/forwardAuth/authResponseHeaders/0",
            "X-User-Id",
        ),
        (
            "middlewares/bench-auth/forwardAuth/authResponseHeaders/1",
            "X-User-Email",
        ),
        (
            "middlewares/bench-auth/forwardAuth/authRequestHeaders/0",
            "Authorization",
        ),
        ("routers/bench/middlewares/0", "bench-auth"),
        ("routers/bench/parentRefs/0", "sy-web"),
        ("routers/bench/priority", "1000"),
        ("routers/bench/service", "sy-to-feed"),
        (
            "routers/bench/rule",
            "Path(`/api/activity-stream`) && Header(`X-Bench`, `bare`)",
        ),
    ];
    let base = format!("http://127.0.0.1:{}/v1", stack.port("consul")?);
    for (name, value) in keys {
        http.put(format!("{base}/kv/traefik/http/{name}"))
            .header("X-Consul-Token", stack.secret("consul.bootstrap")?)
            .body(value.to_owned())
            .send()
            .await?
            .error_for_status()?;
    }
    let admin: u16 = stack.port("traefik")?.parse::<u16>()? + 1;
    let known = format!("http://127.0.0.1:{admin}/api/http/routers/bench@consul");
    for _ in 0..200 {
        let asked = http
            .get(&known)
            .basic_auth("operator", Some(stack.secret("traefik.dashboard")?));
        let router: Value = asked.send().await?.json().await.unwrap_or(json!({}));
        if router["status"] == "enabled" {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Err(anyhow::anyhow!("{known} is not enabled")).context("the way past the bare check")
}
