//! Whether reading and writing stay as fast when much is stored: schools with 1 k, 100 k and 1 M posts, measured in turn.
//!
//! The posts are copied into the store by SQL from one that was made through the API, so that a million takes seconds; the
//! server that is measured was started afterwards, on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use backends::Db;
use backends::db::DbOptions;
use reqwest::Client;
use serde_json::{Value, json};

use crate::measure::{Extent, Row, block, fetch, get, post, school};
use crate::server::{Server, Setup};
use crate::wait::until;
use crate::wrk::Round;

/// How many posts are stored; the first is what the others are compared with.
const STORED: [u64; 3] = [1_000, 100_000, 1_000_000];
/// Posts written in a round, few enough that the smallest school stays small.
const WRITES: u64 = 300;
const WRITERS: usize = 16;

/// Both rows for each size but the first, beside the first.
pub fn flat(extent: &Extent) -> anyhow::Result<Vec<Row>> {
    let schools: Vec<(Server, String)> = STORED
        .iter()
        .map(|posts| with_posts(*posts))
        .collect::<anyhow::Result<_>>()?;
    let mut reads: Vec<Vec<Round>> = vec![Vec::new(); STORED.len()];
    let mut writes = reads.clone();
    for round in 0..extent.rounds {
        for turn in 0..schools.len() {
            // the order changes, so that none always follows the same other
            let at = (turn + round) % schools.len();
            let (server, token) = &schools[at];
            let url = format!("{}/api/activity-stream", server.base);
            reads[at].push(get(extent, &url, token)?);
            writes[at].push(write(server, token)?);
        }
    }
    let row = |what: &str, at: usize, rounds: &[Vec<Round>]| Row {
        what: format!("{what}, {} posts stored", STORED[at]),
        beside: format!("the same with {} posts stored", STORED[0]),
        aim: "flat within 1.2x".to_owned(),
        least: 1.0 / 1.2,
        ours: rounds[at].clone(),
        limit: rounds[0].clone(),
    };
    Ok((1..STORED.len())
        .flat_map(|at| {
            [
                row("GET /api/activity-stream, 64 connections", at, &reads),
                row("POST /api/posts, durable, 16 writers", at, &writes),
            ]
        })
        .collect())
}

fn with_posts(posts: u64) -> anyhow::Result<(Server, String)> {
    let (server, token) = school(Vec::new(), None)?;
    let content = format!("<p>{}</p>", "Bring a packed lunch and a coat. ".repeat(6));
    let first =
        json!({"title": "Trip", "content": content, "tags": ["trip"], "audience": ["school"]});
    post(&format!("{}/api/posts", server.base), Some(&token), &first)?;
    let data = server.stop()?;
    let url = format!("sqlite:{}", data.path().join("posts.db").display());
    block(copy(&url, i64::try_from(posts)?))?;
    let server = Server::schoolyard_in(&Setup::default(), data)?;
    // Until the stream is filled its pages come from the posts.
    let stats = format!("{}/api/activity-stream/stats", server.base);
    until("the stream is filled", Duration::from_millis(50), || {
        let stats: Value = serde_json::from_slice(&fetch(&stats, &token)?)?;
        Ok((stats["rebuilding"] != true).then_some(()))
    })?;
    server.settle()?;
    Ok((server, token))
}

/// Copies the one post, each a second older than the one before.
async fn copy(url: &str, posts: i64) -> anyhow::Result<()> {
    let db = Db::open(url, DbOptions::default()).await?;
    let mut tx = db.begin().await?;
    let numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1), \
         copies AS (SELECT i, unhex(printf('%08x%016x', unixepoch('now') - i - 60, i)) AS id, \
         strftime('%Y-%m-%dT%H:%M:%S', unixepoch('now') - i - 60, 'unixepoch') || '+00:00' AS at FROM n)";
    tx.query(sqlx::AssertSqlSafe(format!(
        "{numbers} INSERT INTO posts (id, user_id, username, author_role, title, content, tags, audience, state, version, created_at, \
         updated_at, published_at, edited_by) SELECT copies.id, user_id, username, author_role, title || ' ' || i, content, tags, audience, state, \
         version, copies.at, copies.at, copies.at, edited_by FROM copies CROSS JOIN (SELECT * FROM posts LIMIT 1)"
    )))
    .bind(posts)
    .execute()
    .await?;
    tx.query(
        "INSERT INTO post_keys (key, published_at, post_id) SELECT keys.key, posts.published_at, posts.id FROM posts \
         CROSS JOIN (SELECT DISTINCT key FROM post_keys) AS keys WHERE true ON CONFLICT DO NOTHING",
    )
    .execute()
    .await?;
    tx.commit().await?;
    db.close().await?;
    Ok(())
}

fn write(server: &Server, token: &str) -> anyhow::Result<Round> {
    block(async {
        let http = Client::builder().no_proxy().build()?;
        let left = Arc::new(AtomicU64::new(WRITES));
        let url: Arc<str> = format!("{}/api/posts", server.base).into();
        let token: Arc<str> = token.into();
        let began = Instant::now();
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (http, left, url, token) =
                    (http.clone(), left.clone(), url.clone(), token.clone());
                tokio::spawn(async move {
                    let mut took = Vec::new();
                    let body =
                        json!({"title": "Trip", "content": "<p>now</p>", "audience": ["school"]});
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                        .is_ok()
                    {
                        let sent = Instant::now();
                        let answer = http
                            .post(&*url)
                            .bearer_auth(&token)
                            .json(&body)
                            .send()
                            .await;
                        answer?.error_for_status()?;
                        took.push(sent.elapsed().as_secs_f64() * 1_000.0);
                    }
                    anyhow::Ok(took)
                })
            })
            .collect();
        let mut took = Vec::new();
        for writer in writers {
            took.extend(writer.await??);
        }
        let rate = took.len() as f64 / began.elapsed().as_secs_f64();
        took.sort_by(f64::total_cmp);
        Ok(Round {
            rate,
            p50: took[took.len() / 2],
            p99: took[took.len() * 99 / 100],
            errors: 0,
        })
    })
}
