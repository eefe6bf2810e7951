//! Waiting for what comes by itself, and not for ever.

use std::time::{Duration, Instant};

/// What takes longer does not come.
const NEVER: Duration = Duration::from_secs(300);

/// Asks every so often until there is an answer; an error where there is none within five minutes.
pub fn until<T>(
    what: &str,
    every: Duration,
    mut ask: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        anyhow::ensure!(began.elapsed() < NEVER, "{what}: not within {NEVER:?}");
        std::thread::sleep(every);
    }
}

/// So long memory has to stay as it is.
const STILL: Duration = Duration::from_secs(3);
/// What never does is measured after this.
const LONGEST: Duration = Duration::from_secs(30);
/// In MB: a page that comes and goes moves nothing.
const MOVES: f64 = 0.1;

/// Waits until this memory, in MB, no longer moves.
pub fn settled(memory: impl Fn() -> anyhow::Result<f64>) -> anyhow::Result<()> {
    let began = Instant::now();
    let (mut last, mut since) = (memory()?, began);
    while since.elapsed() < STILL && began.elapsed() < LONGEST {
        std::thread::sleep(Duration::from_millis(100));
        let now = memory()?;
        if (now - last).abs() > MOVES {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(())
}
