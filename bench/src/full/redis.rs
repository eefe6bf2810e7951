//! What Redis itself gives: `redis-benchmark`, twenty members of a sorted set from its end.

use std::process::Command;

use anyhow::Context;

use super::stack::Stack;
use crate::measure::Extent;
use crate::wrk::Round;

const KEY: &str = "f:bench";

/// A sorted set of as many members as a window has.
pub fn fill(stack: &Stack) -> anyhow::Result<()> {
    let mut add = vec!["zadd".to_owned(), KEY.to_owned()];
    for n in 0..1000 {
        add.extend([n.to_string(), format!("01a1fd60-a588-757e-8e3d-{n:012}")]);
    }
    let output = Command::new("redis-cli")
        .args(["-p", &stack.port("redis")?, "--user", "admin"])
        .args(add)
        .env("REDISCLI_AUTH", stack.secret("redis.admin")?)
        .output()?;
    anyhow::ensure!(output.status.success(), "redis-cli: {output:?}");
    Ok(())
}

/// One round.
pub fn zrevrange(extent: &Extent, stack: &Stack) -> anyhow::Result<Round> {
    // About as many as fit into the seconds of a round.
    let requests = u64::from(extent.seconds) * 60_000;
    let output = Command::new("taskset")
        .args(["-c", "1", "redis-benchmark", "-p", &stack.port("redis")?])
        .args(["--user", "admin", "-a", &stack.secret("redis.admin")?])
        .args(["-c", "64", "-n", &requests.to_string(), "--csv"])
        .args(["zrevrange", KEY, "0", "19"])
        .output()
        .context("redis-benchmark does not run")?;
    let text = String::from_utf8(output.stdout)?;
    // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
    let line = text.lines().last().context("no line")?;
    let fields: Vec<&str> = line
        .split("\",\"")
        .map(|field| field.trim_matches('"'))
        .collect();
    let field = |n: usize| -> anyhow::Result<f64> {
        let text = fields
            .get(n)
            .with_context(|| format!("not understood: {text}"))?;
        Ok(text.parse()?)
    };
    Ok(Round {
        rate: field(1)?,
        p50: field(4)?,
        p99: field(6)?,
        errors: 0,
    })
}
