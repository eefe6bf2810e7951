//! How fast the stream is built anew, beside a consumer that does nothing with the events but count them.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use backends::bus::{self, Positions, Start};
use serde_json::{Value, json};

use crate::measure::{Extent, Row, fetch, post};
use crate::server::Server;
use crate::wait::until;
use crate::wrk::Round;

const TOPIC: &str = "posts-events";

/// Rebuilds of a school that holds its posts, in turn with the consumer on the same bus.
pub fn rebuild(extent: &Extent, server: &Server, token: &str) -> anyhow::Result<Row> {
    let (mut ours, mut limit) = (Vec::new(), Vec::new());
    for _ in 0..extent.rounds {
        ours.push(once(&server.base, token)?);
        limit.push(counted(&format!(
            "sqlite:{}",
            server.data.path().join("bus.db").display()
        ))?);
    }
    Ok(Row {
        what: format!(
            "rebuild of the stream, {} posts stored and on the bus, posts and events a second",
            extent.posts
        ),
        beside: "a consumer that only counts the events of the same bus, on the same core"
            .to_owned(),
        aim: ">= 0.5x".to_owned(),
        least: 0.5,
        ours,
        limit,
    })
}

/// One rebuild, ordered at this address.
pub fn once(base: &str, token: &str) -> anyhow::Result<Round> {
    let (order, detail) = (
        format!("{base}/api/activity-stream/rebuild"),
        format!("{base}/api/activity-stream/stats/detail"),
    );
    let job = post(&order, Some(token), &json!({}))?["job"].clone();
    let ended = until("the rebuild ends", Duration::from_millis(20), || {
        let rebuild = serde_json::from_slice::<Value>(&fetch(&detail, token)?)?["rebuild"].clone();
        anyhow::ensure!(rebuild["job"] == job, "another rebuild began");
        Ok((!rebuild["ended_at"].is_null()).then_some(rebuild))
    })?;
    anyhow::ensure!(ended["phase"] == "done", "the rebuild failed: {ended}");
    let (items, seconds) = (ended["items"].as_f64(), ended["seconds"].as_f64());
    round(items.context("no items")?, seconds.context("no seconds")?)
}

fn counted(bus: &str) -> anyhow::Result<Round> {
    let output = Command::new("taskset")
        .args(["-c", "0"])
        .arg(std::env::current_exe()?)
        .arg("bare-count")
        .arg("--bus")
        .arg(bus)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let (events, seconds) = text.trim().split_once(' ').context("nothing was counted")?;
    round(events.parse()?, seconds.parse()?)
}

/// So many of something in so many seconds.
pub fn round(items: f64, seconds: f64) -> anyhow::Result<Round> {
    anyhow::ensure!(items > 0.0 && seconds > 0.0, "nothing was read");
    Ok(Round {
        rate: items / seconds,
        p50: seconds * 1_000.0,
        p99: seconds * 1_000.0,
        errors: 0,
    })
}

/// Counts the events of a bus from the first to the last: how many, and in how many seconds.
pub async fn count(bus: &str) -> anyhow::Result<(u64, f64)> {
    let bus = bus::open(bus, kit::SystemClock::shared()).await?;
    let ends = bus.ends(&[TOPIC]).await?;
    let began = Instant::now();
    let mut reader = bus
        .subscribe("counts", &[TOPIC], Start::Alone(Positions::default()))
        .await?;
    let mut counted = BTreeMap::<String, u64>::new();
    let mut reached = Positions::default();
    while !reached.covers(&ends) {
        let event = reader.next().await?;
        reached.pass(&event);
        *counted.entry(event.record.topic).or_default() += 1;
    }
    Ok((counted.values().sum(), began.elapsed().as_secs_f64()))
}
