//! The rows: what is measured, beside what, interleaved.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context;
use reqwest::header::AUTHORIZATION;
use serde::Serialize;
use serde_json::{Value, json};

use crate::flat::flat;
use crate::latency;
use crate::logins::{busy_logins, login};
use crate::machine::{load, machine};
use crate::rebuild::rebuild;
use crate::server::{Server, Setup, admin};
use crate::wrk::{Load, Round};

/// How much is measured.
pub struct Extent {
    /// Rounds of each side; the median counts.
    pub rounds: usize,
    /// Seconds of each round.
    pub seconds: u32,
    /// Posts stored before the stream is read.
    pub posts: u64,
}

/// One comparison.
#[derive(Serialize)]
pub struct Row {
    /// What is measured.
    pub what: String,
    /// Beside what.
    pub beside: String,
    /// What the issue asks for, in words.
    pub aim: String,
    /// The ratio of the medians that is asked for at least.
    pub least: f64,
    /// Rounds of ours.
    pub ours: Vec<Round>,
    /// Rounds of the limit.
    pub limit: Vec<Round>,
}

/// Everything.
#[derive(Serialize)]
pub struct Figures {
    /// The comparisons.
    pub rows: Vec<Row>,
    /// Names and values of what stands alone: memory, times.
    pub alone: Vec<(String, f64, String)>,
    /// Processor, kernel, load before and after.
    pub machine: Vec<(String, String)>,
}

const SECRET: &str = "the key of a measurement, 32 bytes or more";
/// Of everybody who signs in.
pub const PASSWORD: &str = "a password of a measurement";

/// Measures everything.
pub fn all(extent: &Extent) -> anyhow::Result<Figures> {
    let before = load();
    let mut alone = Vec::new();
    let mut rows = vec![validate(extent)?];
    rows.extend(stream(extent, &mut alone)?);
    rows.extend(posts(extent, &mut alone)?);
    rows.extend(flat(extent)?);
    seen(&mut alone)?;
    login(&mut alone)?;
    busy_logins(extent, &mut alone)?;
    let machine = machine(&before, "server pinned to core 0, wrk to core 1");
    Ok(Figures {
        rows,
        alone,
        machine,
    })
}

/// One round of a side.
pub type Turn<'a, T> = &'a mut dyn FnMut() -> anyhow::Result<T>;

/// Rounds of all sides in turn. Who begins changes, so that none always follows another.
pub fn in_turn<T, const N: usize>(
    extent: &Extent,
    sides: &mut [Turn<'_, T>; N],
) -> anyhow::Result<[Vec<T>; N]> {
    let mut rounds = [const { Vec::new() }; N];
    for n in 0..extent.rounds {
        for turn in 0..N {
            let side = (n + turn) % N;
            rounds[side].push(sides[side]()?);
        }
    }
    Ok(rounds)
}

/// Rounds of both sides in turn.
pub fn interleaved(
    extent: &Extent,
    mut ours: impl FnMut() -> anyhow::Result<Round>,
    mut limit: impl FnMut() -> anyhow::Result<Round>,
) -> anyhow::Result<(Vec<Round>, Vec<Round>)> {
    let [a, b] = in_turn(extent, &mut [&mut ours, &mut limit])?;
    Ok((a, b))
}

/// A round of GET requests.
pub fn get(extent: &Extent, url: &str, token: &str) -> anyhow::Result<Round> {
    Load {
        url,
        token,
        connections: 64,
        seconds: extent.seconds,
        script: None,
    }
    .run()
}

fn validate(extent: &Extent) -> anyhow::Result<Row> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let env = [
        ("SECRET_KEY", SECRET.to_owned()),
        ("SCHOOLYARD_AUTH__STORE", path("auth.db")),
        ("SCHOOLYARD_BUS__URL", path("bus.db")),
        ("SCHOOLYARD_AUTH__REGISTRATION", "open".to_owned()),
    ];
    let env = env
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let ours = Server::schoolyard(&Setup {
        args: &["auth"],
        env,
        preload: None,
    })?;
    let person =
        json!({"email": "bench@school.example", "username": "bench", "password": PASSWORD});
    post(&format!("{}/api/auth/register", ours.base), None, &person)?;
    let token = sign_in(&ours.base, "bench")?;
    let bare = Server::bare(&["bare-validate", "--secret", SECRET])?;
    let path = "/api/auth/validate";
    let (a, b) = interleaved(
        extent,
        || get(extent, &format!("{}{path}", ours.base), &token),
        || get(extent, &format!("{}{path}", bare.base), &token),
    )?;
    Ok(Row {
        what: "GET /api/auth/validate, `serve auth`, 64 connections".to_owned(),
        beside: "a bare axum handler that verifies the same token with the same crate".to_owned(),
        aim: ">= 0.85x".to_owned(),
        least: 0.85,
        ours: a,
        limit: b,
    })
}

/// A school with an administrator, and the token of one who signed in.
pub fn school(
    env: Vec<(String, String)>,
    preload: Option<PathBuf>,
) -> anyhow::Result<(Server, String)> {
    let data = tempfile::tempdir()?;
    admin(data.path(), "bench@school.example", PASSWORD)?;
    let server = Server::schoolyard_in(
        &Setup {
            args: &[],
            env,
            preload,
        },
        data,
    )?;
    let token = sign_in(&server.base, "bench")?;
    Ok((server, token))
}

fn script() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("post.lua")
        .display()
        .to_string()
}

fn write(extent: &Extent, server: &Server, token: &str) -> anyhow::Result<Round> {
    let url = format!("{}/api/posts", server.base);
    Load {
        url: &url,
        token,
        connections: 64,
        seconds: extent.seconds,
        script: Some(&script()),
    }
    .run()
}

fn stream(extent: &Extent, alone: &mut Vec<(String, f64, String)>) -> anyhow::Result<Vec<Row>> {
    let (server, token) = school(Vec::new(), None)?;
    server.settle()?;
    alone.push((
        "memory of one process, idle (MB)".to_owned(),
        server.memory()?,
        "< 60".to_owned(),
    ));
    let url = format!("{}/api/posts", server.base);
    let mut stored = 0.0;
    while stored < extent.posts as f64 {
        stored += Load {
            url: &url,
            token: &token,
            connections: 64,
            seconds: 5,
            script: Some(&script()),
        }
        .run()?
        .rate
            * 5.0;
    }
    // A start of its own, so that what is measured is a server with 100 k posts and not one that has just written them.
    let data = server.stop()?;
    let started = Instant::now();
    let server = Server::schoolyard_in(&Setup::default(), data)?;
    let url = format!("{}/api/activity-stream", server.base);
    while fetch(&url, &token).is_err() {}
    alone.push((
        format!(
            "cold start to the first 200 of the stream, {} posts stored (ms)",
            extent.posts
        ),
        started.elapsed().as_secs_f64() * 1000.0,
        "< 300".to_owned(),
    ));
    server.settle()?;
    alone.push((
        format!("memory of one process, {} posts stored (MB)", extent.posts),
        server.memory()?,
        "< 120".to_owned(),
    ));
    let body = fetch(&url, &token)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("stream.json");
    std::fs::write(&file, &body)?;
    let bare = Server::bare(&["bare-bytes", "--file", &file.display().to_string()])?;
    let bare_url = format!("{}/api/activity-stream", bare.base);
    let (a, b) = interleaved(
        extent,
        || get(extent, &url, &token),
        || get(extent, &bare_url, &token),
    )?;
    alone.push((
        format!(
            "memory of one process, {} posts stored, after the reads (MB)",
            extent.posts
        ),
        server.memory()?,
        "< 120".to_owned(),
    ));
    let row = |who: &str, ours, limit| Row {
        what: format!(
            "GET /api/activity-stream, 20 items ({} bytes), {} posts stored, {who}, 64 connections",
            body.len(),
            extent.posts
        ),
        beside:
            "a bare axum handler that answers the same bytes from memory, asking nobody who reads"
                .to_owned(),
        aim: ">= 0.8x".to_owned(),
        least: 0.8,
        ours,
        limit,
    };
    let rebuilt = rebuild(extent, &server, &token)?;
    // The same services on the same data without the gateway: what the gateway costs.
    let data = server.stop()?;
    let store = |name: &str| format!("sqlite:{}", data.path().join(name).display());
    let secret = std::fs::read_to_string(data.path().join("secret.key"))?;
    let env = [
        ("SECRET_KEY", secret.trim().to_owned()),
        ("SCHOOLYARD_AUTH__STORE", store("auth.db")),
        ("SCHOOLYARD_PROFILE__STORE", store("profile.db")),
        ("SCHOOLYARD_POSTS__STORE", store("posts.db")),
        ("SCHOOLYARD_BUS__URL", store("bus.db")),
    ];
    let setup = Setup {
        args: &["auth", "profile", "posts", "feed"],
        env: env
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        preload: None,
    };
    let server = Server::schoolyard_in(&setup, data)?;
    server.settle()?;
    let url = format!("{}/api/activity-stream", server.base);
    fetch(&url, &token)?;
    let (c, d) = interleaved(
        extent,
        || get(extent, &url, &token),
        || get(extent, &bare_url, &token),
    )?;
    Ok(vec![
        row("everything in one process behind the gateway", a, b),
        row(
            "the same services without the gateway, each request proven by its bearer",
            c,
            d,
        ),
        rebuilt,
    ])
}

fn posts(extent: &Extent, alone: &mut Vec<(String, f64, String)>) -> anyhow::Result<Vec<Row>> {
    let full = vec![(
        "SCHOOLYARD_POSTS__STORE".to_owned(),
        "sqlite:posts.db?sync=full".to_owned(),
    )];
    let (ours, token) = school(Vec::new(), None)?;
    let (limit, limit_token) = school(full.clone(), None)?;
    let (a, b) = interleaved(
        extent,
        || write(extent, &ours, &token),
        || write(extent, &limit, &limit_token),
    )?;
    drop((ours, limit));
    let slow = slow_disk()?;
    let (ours, token) = school(Vec::new(), Some(slow.clone()))?;
    let (limit, limit_token) = school(full, Some(slow))?;
    let (c, d) = interleaved(
        extent,
        || write(extent, &ours, &token),
        || write(extent, &limit, &limit_token),
    )?;
    let mut rates: Vec<f64> = c.iter().map(|round| round.rate).collect();
    rates.sort_by(f64::total_cmp);
    let median = rates[rates.len() / 2];
    alone.push((
        "posts per sync on a disk of 200 syncs/s, 64 writers (rate / 200)".to_owned(),
        median / 200.0,
        ">= 5".to_owned(),
    ));
    let row = |disk: &str, ours, limit| Row {
        what: format!("POST /api/posts, durable, 64 writers, {disk}"),
        beside: "the same with synchronous=FULL and one writer connection".to_owned(),
        aim: ">= 1.5x".to_owned(),
        least: 1.5,
        ours,
        limit,
    };
    Ok(vec![
        row("this machine's disk", a, b),
        row("a disk slowed to 200 syncs/s", c, d),
    ])
}

/// From the request that publishes to another reader seeing it.
fn seen(alone: &mut Vec<(String, f64, String)>) -> anyhow::Result<()> {
    const POSTS: usize = 500;
    let (server, writer) = school(Vec::new(), None)?;
    let reader = sign_in(&server.base, "bench")?;
    let in_stream = block(latency::seen_in_stream(
        &server.base,
        &server.base,
        &writer,
        &reader,
        POSTS,
    ))?;
    let live = block(latency::pushed_live(&server.base, &writer, &reader, POSTS))?;
    for (name, latencies) in [
        ("in another reader's stream", in_stream),
        ("pushed on /live", live),
    ] {
        alone.push((
            format!("POST -> {name}, 50 posts/s, p50 (ms)"),
            latencies.share(0.5),
            "< 5".to_owned(),
        ));
        alone.push((
            format!("POST -> {name}, 50 posts/s, p99 (ms)"),
            latencies.share(0.99),
            "< 25".to_owned(),
        ));
    }
    Ok(())
}

fn slow_disk() -> anyhow::Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("slowsync.c");
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/slowsync.so");
    let built = Command::new("gcc")
        .args(["-O2", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source)
        .args(["-ldl", "-lpthread"])
        .status()?;
    anyhow::ensure!(built.success(), "slowsync.c does not build");
    Ok(library.canonicalize()?)
}

fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

/// Runs it to its end.
pub fn block<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Reads what is there.
pub fn fetch(url: &str, token: &str) -> anyhow::Result<Vec<u8>> {
    block(async {
        let answer = client()?
            .get(url)
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .send()
            .await?
            .error_for_status()?;
        Ok(answer.bytes().await?.to_vec())
    })
}

/// Posts JSON and reads JSON.
pub fn post(url: &str, token: Option<&str>, body: &Value) -> anyhow::Result<Value> {
    block(async {
        let mut request = client()?.post(url).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Ok(request.send().await?.error_for_status()?.json().await?)
    })
}

/// The token of a new session.
pub fn sign_in(base: &str, username: &str) -> anyhow::Result<String> {
    let tokens = post(
        &format!("{base}/api/auth/login"),
        None,
        &json!({"username": username, "password": PASSWORD}),
    )?;
    Ok(tokens["access_token"]
        .as_str()
        .context("no token")?
        .to_owned())
}
