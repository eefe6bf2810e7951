//! What a page costs from a stream on Redis: pages a second for one who asks and for fifty at once, of a stream at rest and of one
//! that changes all the time. Beside it: `redis-benchmark -n 200000 -c 50 ZREVRANGE <key> 0 19`.
//!
//! `cargo run --release -p feed --features redis --example redis_page -- redis://127.0.0.1:6379?prefix=bench:`

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::PostState;
use contracts::{Audience, PostId, UserId};
use feed::store::Store;
use feed::{Answer, Change, Filter, Limits, Query, Scope, Source, Start};
use kit::clock::SystemClock;

/// How long each measurement takes.
const LASTS: Duration = Duration::from_secs(4);
const WINDOW: usize = 1000;
const AUDIENCES: [&str; 8] = [
    "school",
    "role:member",
    "role:teacher",
    "user:7",
    "class:01900000-0000-7000-8000-000000000001",
    "class:01900000-0000-7000-8000-000000000002",
    "class:01900000-0000-7000-8000-000000000003",
    "class:01900000-0000-7000-8000-000000000004",
];

fn post(number: u32, audience: &[Audience], version: i64, now: DateTime<Utc>) -> PostState {
    let mut id = [0; 12];
    id[8..].copy_from_slice(&number.to_be_bytes());
    PostState {
        post_id: PostId(id),
        user_id: UserId(7),
        title: format!("Post {number}"),
        content: format!("<p>{}</p>", "What happened today. ".repeat(20)),
        username: "ines".to_owned(),
        audience: audience.to_vec(),
        state: "published".to_owned(),
        tags: Vec::new(),
        published_at: now - TimeDelta::days(1) + TimeDelta::seconds(i64::from(number)),
        edited_at: None,
        pinned_until: None,
        delivery: "normal".to_owned(),
        comment_count: 0,
        attachments: Vec::new(),
        version,
    }
}

async fn pages(
    store: &Arc<dyn Store>,
    query: &Query,
    readers: usize,
    now: DateTime<Utc>,
) -> anyhow::Result<(f64, Duration)> {
    let began = Instant::now();
    let mut reading = tokio::task::JoinSet::new();
    for _ in 0..readers {
        let (store, query) = (store.clone(), query.clone());
        reading.spawn(async move {
            let mut took = Vec::new();
            while began.elapsed() < LASTS {
                let one = Instant::now();
                let answer = store.page(&query, now).await?;
                ensure!(answer != Answer::Cold, "the stream is cold");
                took.push(one.elapsed());
            }
            Ok(took)
        });
    }
    let mut took = Vec::new();
    while let Some(one) = reading.join_next().await {
        took.extend(one??);
    }
    took.sort_unstable();
    let p99 = took
        .get(took.len() * 99 / 100)
        .context("no page was read")?;
    Ok((took.len() as f64 / began.elapsed().as_secs_f64(), *p99))
}

fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).context("which Redis?")?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(measure(&url))
}

async fn measure(url: &str) -> anyhow::Result<()> {
    let limits = Limits {
        window: WINDOW,
        remember: TimeDelta::days(8),
    };
    let store = feed::store::open(url, limits, 8 << 20)?;
    let now = SystemClock::shared().now();
    let keys: Vec<Audience> = AUDIENCES
        .iter()
        .map(|key| key.parse())
        .collect::<Result<_, _>>()?;
    let generation = store.begin(now).await?;
    let began = Instant::now();
    let mut number = 0;
    for _ in 0..WINDOW {
        let mut batch = feed::store::Batch::default();
        for key in &keys {
            number += 1;
            let new = post(number, &[*key], 1, now);
            batch.changes.push(Change::owned(new, now, Source::Export));
        }
        store.add(generation, batch, now).await?;
    }
    store.publish(generation).await?;
    report(
        "posts put into a stream that is built, by 8",
        f64::from(number) / began.elapsed().as_secs_f64(),
        None,
    );
    let query = |start, keys: &[Audience]| Query {
        scope: Scope::reader(keys.to_vec()),
        filter: Filter::default(),
        start,
        limit: 20,
    };
    for (what, start) in [
        ("first pages", Start::Skip(0)),
        ("pages by skip", Start::Skip(20)),
    ] {
        for readers in [1, 50] {
            let (rate, p99) = pages(&store, &query(start, &keys), readers, now).await?;
            report(
                &format!("{what} of 8 audiences of {WINDOW}, {readers} readers"),
                rate,
                Some(p99),
            );
        }
    }
    let changing = {
        let (store, key) = (store.clone(), keys[0]);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            let mut version = 1;
            loop {
                tick.tick().await;
                version += 1;
                let change = Change::owned(post(1, &[key], version, now), now, Source::Bus);
                store.apply(change, None, now).await?;
            }
            #[expect(unreachable_code, reason = "it ends with the measurement")]
            anyhow::Ok(())
        })
    };
    let (rate, p99) = pages(&store, &query(Start::Skip(0), &keys), 50, now).await?;
    report(
        "first pages while 50 changes a second are applied, 50 readers",
        rate,
        Some(p99),
    );
    changing.abort();
    let began = Instant::now();
    let mut version = 1_000_000;
    while began.elapsed() < LASTS {
        version += 1;
        let change = Change::owned(post(2, &[keys[1]], version, now), now, Source::Bus);
        store.apply(change, None, now).await?;
    }
    report(
        "changes applied one after the other",
        (version - 1_000_000) as f64 / began.elapsed().as_secs_f64(),
        None,
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn report(what: &str, rate: f64, p99: Option<Duration>) {
    match p99 {
        Some(p99) => println!("{rate:>9.0}/s  p99 {p99:>9.1?}  {what}"),
        None => println!("{rate:>9.0}/s                 {what}"),
    }
}
