//! `bench/run` calls this. Each subcommand measures one row of bench/RESULTS.md beside its limit, interleaved.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod bare;
mod flat;
#[cfg(feature = "full-stack")]
mod full;
mod latency;
mod logins;
mod machine;
mod measure;
mod rebuild;
mod report;
mod server;
mod wait;
mod wrk;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tokio::net::TcpListener;

/// Measurements beside the limit they are compared with.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure everything and print the report.
    All {
        /// Rounds of each side.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// Seconds of each round.
        #[arg(long, default_value_t = 3)]
        seconds: u32,
        /// Posts to store before the stream is read.
        #[arg(long, default_value_t = 100_000)]
        posts: u64,
        /// Where the raw figures go.
        #[arg(long, default_value = "bench/raw.json")]
        raw: PathBuf,
    },
    /// Measure the full stack on the real servers and print the report.
    #[cfg(feature = "full-stack")]
    FullStack {
        /// Rounds of each side.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// Seconds of each round.
        #[arg(long, default_value_t = 3)]
        seconds: u32,
        /// Posts to store before the stream is read.
        #[arg(long, default_value_t = 100_000)]
        posts: u64,
        /// Where the raw figures go.
        #[arg(long, default_value = "bench/raw-full-stack.json")]
        raw: PathBuf,
    },
    /// bcrypt of cost 12 in a loop: hashes a second.
    BareHashes,
    /// Counts the events of a bus: how many, in how many seconds.
    BareCount {
        /// Its address.
        #[arg(long)]
        bus: String,
    },
    /// A bare axum handler that verifies a token.
    BareValidate {
        /// The key.
        #[arg(long)]
        secret: String,
    },
    /// A bare axum handler that answers the bytes of a file from memory.
    BareBytes {
        /// The file.
        #[arg(long)]
        file: PathBuf,
    },
}

// The limits get what the server has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::All {
            rounds,
            seconds,
            posts,
            raw,
        } => {
            let figures = measure::all(&measure::Extent {
                rounds,
                seconds,
                posts,
            })?;
            std::fs::write(raw, serde_json::to_vec_pretty(&figures)?)?;
            println!("{}", report::markdown(&figures));
            Ok(())
        }
        #[cfg(feature = "full-stack")]
        Command::FullStack {
            rounds,
            seconds,
            posts,
            raw,
        } => {
            let figures = full::all(&measure::Extent {
                rounds,
                seconds,
                posts,
            })?;
            std::fs::write(raw, serde_json::to_vec_pretty(&figures)?)?;
            println!("{}", report::markdown(&figures));
            Ok(())
        }
        Command::BareHashes => {
            let began = std::time::Instant::now();
            for _ in 0..12 {
                bcrypt::hash("a password of a measurement", 12)?;
            }
            println!("{}", 12.0 / began.elapsed().as_secs_f64());
            Ok(())
        }
        Command::BareCount { bus } => {
            let (events, seconds) = measure::block(rebuild::count(&bus))?;
            println!("{events} {seconds}");
            Ok(())
        }
        Command::BareValidate { secret } => {
            serve(async move |listener| bare::validate(&secret, listener).await)
        }
        Command::BareBytes { file } => {
            serve(async move |listener| bare::bytes(&file, listener).await)
        }
    }
}

fn serve(run: impl AsyncFnOnce(TcpListener) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        run(listener).await
    })
}
