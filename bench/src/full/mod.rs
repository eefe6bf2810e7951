//! The full stack on real servers: what Traefik, Redis and Kafka leave of the speed, each beside the same servers used barely.
//! `bench/run full-stack` runs this; nothing is pinned unless a row says so, since a dozen processes share two cores.

mod kafka;
mod proxied;
mod redis;
mod stack;

use std::path::Path;

use crate::latency;
use crate::machine::{load, machine};
use crate::measure::{Extent, Figures, Row, block, fetch, get, in_turn, interleaved};
use crate::rebuild;
use crate::report::median;
use crate::server::Server;
use crate::wait::settled;
use crate::wrk::{Load, Round};
use stack::{PostsOn, Stack};

const SERVICES: [&str; 5] = ["auth", "profile", "posts", "feed", "gateway"];

/// Measures everything of the full stack.
pub fn all(extent: &Extent) -> anyhow::Result<Figures> {
    let before = load();
    let mut alone = Vec::new();
    let mut rows = vec![validate(extent)?];

    let stack = Stack::up(1, PostsOn::MongoDb)?;
    stack.office()?;
    settled(|| {
        let shares = SERVICES
            .iter()
            .map(|service| Ok(stack.memory(service, 1)?.0));
        shares.sum()
    })?;
    memory(&stack, "idle", "< 15", &mut alone)?;
    drop(stack);

    // With the stand-in of MongoDB the stand-in would be measured.
    let stack = Stack::up(1, PostsOn::Postgres)?;
    let token = stack.office()?;
    fill(extent, &stack, &token)?;
    rows.push(proxied::row(extent, &stack, &token)?);
    rows.push(rebuilt(extent, &stack, &token)?);
    // The last one of them: it keeps what it measures on one core.
    rows.push(feed(extent, &stack, &token)?);
    let loaded = format!("{} posts stored, after the load", extent.posts);
    memory(&stack, &loaded, "-", &mut alone)?;
    drop(stack);
    seen(extent, PostsOn::Postgres, ["< 4", "< 15"], &mut alone)?;
    seen(extent, PostsOn::MongoDb, ["-", "-"], &mut alone)?;
    Ok(Figures {
        rows,
        alone,
        machine: machine(&before, "nothing pinned, except where a row says so"),
    })
}

/// What each service takes: what would be free without it, and what is resident, the program's pages included that all five
/// have in common.
fn memory(
    stack: &Stack,
    when: &str,
    aim: &str,
    alone: &mut Vec<(String, f64, String)>,
) -> anyhow::Result<()> {
    for service in SERVICES {
        let (share, resident) = stack.memory(service, 1)?;
        let what = format!("memory of `serve {service}`, {when} (MB; resident {resident:.0})");
        alone.push((what, share, aim.to_owned()));
    }
    Ok(())
}

/// Posts through the service itself: what Traefik costs is another row.
fn fill(extent: &Extent, stack: &Stack, token: &str) -> anyhow::Result<()> {
    let url = format!("{}/api/posts", stack.direct("posts", 1)?);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("post.lua");
    let mut stored = 0.0;
    while stored < extent.posts as f64 {
        let round = Load {
            url: &url,
            token,
            connections: 64,
            seconds: 5,
            script: Some(&script.display().to_string()),
        };
        stored += round.run()?.rate * 5.0;
    }
    stack.caught_up(token)
}

/// Two instances of auth on one store, kept equal through Redis; one of them is asked.
fn validate(extent: &Extent) -> anyhow::Result<Row> {
    let stack = Stack::up(2, PostsOn::MongoDb)?;
    let token = stack.office()?;
    stack.pin("auth", 1)?;
    let ours = stack.direct("auth", 1)?;
    let bare = Server::bare(&["bare-validate", "--secret", &stack.secret("signing-key")?])?;
    let path = "/api/auth/validate";
    let (a, b) = interleaved(
        extent,
        || get(extent, &format!("{ours}{path}"), &token),
        || get(extent, &format!("{}{path}", bare.base), &token),
    )?;
    Ok(Row {
        what: "GET /api/auth/validate, one of two instances kept equal through Redis, 64 connections, on one core"
            .to_owned(),
        beside: "a bare axum handler that verifies the same token with the same crate, on the same core".to_owned(),
        aim: ">= 0.8x".to_owned(),
        least: 0.8,
        ours: a,
        limit: b,
    })
}

/// The stream as the feed reads it from Redis, beside what Redis gives and beside the bytes alone; the lower counts.
fn feed(extent: &Extent, stack: &Stack, token: &str) -> anyhow::Result<Row> {
    stack.pin("feed", 1)?;
    stack.pin_server("redis")?;
    let url = format!("{}/api/activity-stream", stack.direct("feed", 1)?);
    let body = fetch(&url, token)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("stream.json");
    std::fs::write(&file, &body)?;
    let bare = Server::bare(&["bare-bytes", "--file", &file.display().to_string()])?;
    let bare_url = format!("{}/api/activity-stream", bare.base);
    redis::fill(stack)?;
    let [ours, bytes, range] = in_turn(
        extent,
        &mut [
            &mut || get(extent, &url, token),
            &mut || get(extent, &bare_url, token),
            &mut || redis::zrevrange(extent, stack),
        ],
    )?;
    let rate = |rounds: &[Round]| median(rounds, |round| round.rate);
    let (of_redis, of_bytes) = (rate(&range), rate(&bytes));
    let redis_is_lower = of_redis < of_bytes;
    let lower = if redis_is_lower {
        "redis-benchmark ZREVRANGE of 20 members"
    } else {
        "a bare axum handler with the same bytes"
    };
    Ok(Row {
        what: format!(
            "GET /api/activity-stream, 20 items ({} bytes) of {} posts, feed and Redis on one core, 64 connections",
            body.len(),
            extent.posts
        ),
        beside: format!("{lower}, the lower of the two ({of_redis:.0} and {of_bytes:.0} a second)"),
        aim: ">= 0.6x".to_owned(),
        least: 0.6,
        ours,
        limit: if redis_is_lower { range } else { bytes },
    })
}

fn rebuilt(extent: &Extent, stack: &Stack, token: &str) -> anyhow::Result<Row> {
    let (mut ours, mut limit) = (Vec::new(), Vec::new());
    let feed = stack.direct("feed", 1)?;
    let bus = stack.kafka("operator")?;
    for _ in 0..extent.rounds {
        ours.push(rebuild::once(&feed, token)?);
        let (events, seconds) = block(rebuild::count(&bus))?;
        limit.push(rebuild::round(events as f64, seconds)?);
    }
    Ok(Row {
        what: format!(
            "rebuild of the stream on Redis, {} posts in PostgreSQL and on Kafka, posts and events a second",
            extent.posts
        ),
        beside: "a consumer that only counts the events of the same broker".to_owned(),
        aim: ">= 0.5x".to_owned(),
        least: 0.5,
        ours,
        limit,
    })
}

/// From the request that publishes, through Kafka and Redis, to another reader; beside a record through the same broker.
fn seen(
    extent: &Extent,
    on: PostsOn,
    aims: [&str; 2],
    alone: &mut Vec<(String, f64, String)>,
) -> anyhow::Result<()> {
    /// In a round.
    const POSTS: usize = 300;
    /// A broker that has just begun runs what is not compiled yet.
    const RECORDS_BEFORE: usize = 10_000;
    let stack = Stack::up(1, on)?;
    let writer = stack.office()?;
    let reader = stack.sign_in()?;
    let (posts, feed, web) = (
        stack.direct("posts", 1)?,
        stack.direct("feed", 1)?,
        stack.web()?,
    );
    let between = |posting, reading| {
        let seen = latency::seen_in_stream(posting, reading, &writer, &reader, POSTS);
        block(seen)
    };
    block(kafka::produce(&stack, RECORDS_BEFORE))?;
    stack.caught_up(&writer)?;
    between(&posts, &feed)?;
    let [ours, proxied, limit] = in_turn(
        extent,
        &mut [
            &mut || between(&posts, &feed),
            &mut || between(&web, &web),
            &mut || block(kafka::through(&stack, POSTS)),
        ],
    )?;
    let named = on.name();
    for (name, rounds, aims) in [
        (
            format!(
                "POST -> in another reader's stream, through {named}, Kafka and Redis, 50 posts/s"
            ),
            ours,
            aims,
        ),
        ("the same through Traefik".to_owned(), proxied, ["-", "-"]),
        (
            "produce -> consume by a bare client, the same broker and rate".to_owned(),
            limit,
            ["-", "-"],
        ),
    ] {
        for (share, aim) in [0.5, 0.99].into_iter().zip(aims) {
            alone.push((
                format!("{name}, p{:.0} (ms)", share * 100.0),
                median(&rounds, |round| round.share(share)),
                aim.to_owned(),
            ));
        }
    }
    Ok(())
}
