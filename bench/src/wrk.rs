//! The load: `wrk`, on the other core than the server, with its own report read back.

use std::process::Command;

use anyhow::Context;

/// What one round saw.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Round {
    /// Requests answered with 2xx per second.
    pub rate: f64,
    /// Half of the answers came within, in milliseconds.
    pub p50: f64,
    /// 99 of 100 answers came within, in milliseconds.
    pub p99: f64,
    /// Answers that were no 2xx, and connections that broke.
    pub errors: u64,
}

/// One load.
pub struct Load<'a> {
    /// Where.
    pub url: &'a str,
    /// The bearer token.
    pub token: &'a str,
    /// Open connections.
    pub connections: u32,
    /// How long, in seconds.
    pub seconds: u32,
    /// A Lua script, for other requests than GET.
    pub script: Option<&'a str>,
}

impl Load<'_> {
    /// Runs it.
    pub fn run(&self) -> anyhow::Result<Round> {
        self.run_with(None)
    }

    /// Runs it with a further header.
    pub fn run_with(&self, header: Option<&str>) -> anyhow::Result<Round> {
        let mut command = Command::new("taskset");
        command.args(["-c", "1", "wrk", "--latency", "-t", "1"]);
        command.args([
            "-c",
            &self.connections.to_string(),
            "-d",
            &format!("{}s", self.seconds),
        ]);
        command.args(["-H", &format!("Authorization: Bearer {}", self.token)]);
        if let Some(header) = header {
            command.args(["-H", header]);
        }
        if let Some(script) = self.script {
            command.args(["-s", script]);
        }
        let output = command
            .arg(self.url)
            .output()
            .context("wrk does not run; bench/run installs it")?;
        let text = String::from_utf8_lossy(&output.stdout);
        anyhow::ensure!(
            output.status.success(),
            "wrk failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        read(&text).with_context(|| format!("wrk's report is not understood:\n{text}"))
    }
}

fn read(text: &str) -> Option<Round> {
    let field = |name: &str| {
        text.lines().find_map(|line| {
            line.trim()
                .strip_prefix(name)
                .map(|rest| rest.trim().to_owned())
        })
    };
    let total: f64 = field("Requests/sec:")?.parse().ok()?;
    let count: f64 = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok())?;
    let refused: f64 = field("Non-2xx or 3xx responses:")
        .and_then(|n| n.parse().ok())
        .unwrap_or(0.0);
    let broken: u64 = field("Socket errors:").map_or(0, |line| {
        line.split(|c: char| !c.is_ascii_digit())
            .filter_map(|n| n.parse::<u64>().ok())
            .sum()
    });
    Some(Round {
        rate: total * (1.0 - refused / count.max(1.0)),
        p50: milliseconds(&field("50%")?)?,
        p99: milliseconds(&field("99%")?)?,
        errors: refused as u64 + broken,
    })
}

fn milliseconds(text: &str) -> Option<f64> {
    let (number, factor) = if let Some(number) = text.strip_suffix("us") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else {
        (text.strip_suffix('s')?, 1000.0)
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_with_its_errors_taken_off_the_rate() {
        let round = read(
            "Running 2s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\n  Latency Distribution\n     50%    1.50ms\n     75%    2.00ms\n     90%    3.00ms\n     99%  812.00us\n  \
             200 requests in 2.00s, 1.00MB read\n  Socket errors: connect 0, read 3, write 0, timeout 1\n  Non-2xx or 3xx responses: 50\nRequests/sec:    100.00\nTransfer/sec: 1MB\n",
        )
        .unwrap();
        assert!(
            (round.rate - 75.0).abs() < 0.01
                && (round.p50 - 1.5).abs() < 0.01
                && (round.p99 - 0.812).abs() < 0.001
        );
        assert_eq!(round.errors, 54);
    }
}
