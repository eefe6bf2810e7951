//! When to stop: softly at the first signal, hard at the second.

use tokio_util::sync::CancellationToken;

/// The two wishes to stop that a server listens to.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Take no new connections, finish what runs.
    pub soft: CancellationToken,
    /// Finish nothing.
    pub hard: CancellationToken,
}

impl From<CancellationToken> for Shutdown {
    /// Soft only; the server stops hard by itself when its time is over.
    fn from(soft: CancellationToken) -> Self {
        Self {
            soft,
            hard: CancellationToken::new(),
        }
    }
}

impl From<(CancellationToken, CancellationToken)> for Shutdown {
    fn from((soft, hard): (CancellationToken, CancellationToken)) -> Self {
        Self { soft, hard }
    }
}

/// Listens to SIGTERM and SIGINT: the first cancels the first token (soft), the second the other one (hard).
/// Call it once, in main, inside the runtime.
///
/// # Panics
/// When the operating system refuses the signal handlers, which it does for no valid signal.
#[must_use]
pub fn on_signals() -> (CancellationToken, CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};

    let (soft, hard) = (CancellationToken::new(), CancellationToken::new());
    let mut term = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    let mut int = signal(SignalKind::interrupt()).expect("SIGINT can be handled");
    let tokens = (soft.clone(), hard.clone());
    tokio::spawn(async move {
        for token in [soft, hard] {
            let name = tokio::select! {
                _ = term.recv() => "SIGTERM",
                _ = int.recv() => "SIGINT",
            };
            tracing::info!(signal = name, "stopping");
            token.cancel();
        }
    });
    tokens
}
