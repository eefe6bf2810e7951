//! Signing in: how long one takes, and many at once beside readers.

use std::process::Command;
use std::time::Instant;

use reqwest::Client;
use serde_json::json;

use crate::measure::{Extent, PASSWORD, block, get, post, school};
use crate::report::median;

/// Each takes a minute: a hundred hashes of cost 12, twice.
const LOGIN_ROUNDS: usize = 1;

/// How much longer a wrong password takes than an unknown account (spec/auth.md rule 17).
pub fn login(alone: &mut Vec<(String, f64, String)>) -> anyhow::Result<()> {
    let env = vec![
        (
            "SCHOOLYARD_AUTH__FAILED_LOGINS_PER_MINUTE".to_owned(),
            "0".to_owned(),
        ),
        (
            "SCHOOLYARD_AUTH__PASSWORD_DENYLIST".to_owned(),
            "true".to_owned(),
        ),
    ];
    let (server, _) = school(env, None)?;
    let url = format!("{}/api/auth/login", server.base);
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    for n in 0..4 {
        for (times, name) in [
            (&mut wrong, "bench".to_owned()),
            (&mut unknown, format!("nobody{n}")),
        ] {
            let started = Instant::now();
            let refused = post(
                &url,
                None,
                &json!({"username": name, "password": "not this one"}),
            );
            anyhow::ensure!(refused.is_err(), "a wrong password was taken");
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
    }
    let (wrong, unknown) = (middle(&wrong), middle(&unknown));
    alone.push((
        "login, wrong password (ms)".to_owned(),
        wrong,
        "-".to_owned(),
    ));
    alone.push((
        "login, unknown account / wrong password".to_owned(),
        unknown / wrong,
        "0.9 to 1.1".to_owned(),
    ));
    Ok(())
}

/// 100 logins at once beside readers: what it does to the readers, and how near it comes to hashing alone.
pub fn busy_logins(extent: &Extent, alone: &mut Vec<(String, f64, String)>) -> anyhow::Result<()> {
    let env = [
        ("SCHOOLYARD_AUTH__FAILED_LOGINS_PER_MINUTE", "0"),
        // All hundred wait for their turn.
        ("SCHOOLYARD_AUTH__HASH_QUEUE_MS", "60000"),
        ("SCHOOLYARD_SERVER__REQUEST_TIMEOUT", "60"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let (server, token) = school(env.to_vec(), None)?;
    let url = format!("{}/api/activity-stream", server.base);
    let (mut quiet, mut busy, mut rates, mut bare) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // A p99 of one round is mostly chance: half of the quiet rounds are before, half after those with logins.
    for round in 0..extent.rounds {
        if round == extent.rounds / 2 {
            let base = server.base.clone();
            let hashing = std::thread::spawn(move || block(logins(&base, "bench", PASSWORD)));
            // As long as there are logins: a hundred take some twenty seconds.
            while busy.len() < extent.rounds && !hashing.is_finished() {
                busy.push(get(extent, &url, &token)?.p99);
            }
            let _ = hashing
                .join()
                .map_err(|_| anyhow::anyhow!("the logins ended badly"))??;
        }
        quiet.push(get(extent, &url, &token)?.p99);
    }
    for _ in 0..LOGIN_ROUNDS {
        // Rates apart from the readers, since both share the one core.
        rates.push(block(logins(&server.base, "bench", PASSWORD))?);
        bare.push(bare_hashes()?);
    }
    let (quiet, busy) = (middle(&quiet), middle(&busy));
    alone.push((
        "p99 of stream reads, 64 connections, nobody signing in (ms)".to_owned(),
        quiet,
        "-".to_owned(),
    ));
    alone.push((
        "the same with 100 logins at once, ratio".to_owned(),
        busy / quiet,
        "<= 1.5".to_owned(),
    ));
    let (rate, bare) = (middle(&rates), middle(&bare));
    alone.push((
        "logins/s, 100 at once (bcrypt 12)".to_owned(),
        rate,
        "-".to_owned(),
    ));
    alone.push((
        "the same beside a bare bcrypt loop on the same core, ratio".to_owned(),
        rate / bare,
        ">= 0.95".to_owned(),
    ));
    Ok(())
}

/// Hashes a second on the server's core with nothing around them.
fn bare_hashes() -> anyhow::Result<f64> {
    let output = Command::new("taskset")
        .args(["-c", "0"])
        .arg(std::env::current_exe()?)
        .arg("bare-hashes")
        .output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// 100 logins at once, every other with a wrong password: how many a second.
async fn logins(base: &str, username: &str, password: &str) -> anyhow::Result<f64> {
    let http = Client::builder().no_proxy().build()?;
    let began = Instant::now();
    let all = (0..100).map(|n| {
        // Wrong ones under names of their own, so that no name is locked.
        let body = if n % 2 == 0 {
            json!({"username": username, "password": password})
        } else {
            json!({"username": format!("nobody{n}"), "password": "not this one"})
        };
        http.post(format!("{base}/api/auth/login"))
            .json(&body)
            .send()
    });
    let answers = futures_util::future::try_join_all(all).await?;
    let judged = answers
        .iter()
        .filter(|answer| matches!(answer.status().as_u16(), 200 | 401))
        .count();
    Ok(judged as f64 / began.elapsed().as_secs_f64())
}

fn middle(values: &[f64]) -> f64 {
    median(values, |value| *value)
}
