//! Work that goes on beside the requests.

use std::fmt;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

type Start = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> + Send>;

/// A task that runs as long as its host. It ends when its token is cancelled; an error or a panic ends the host, so
/// that nothing goes on half alive.
pub struct Worker {
    name: String,
    announcing: bool,
    start: Start,
}

impl Worker {
    /// A worker that is started by its host.
    pub fn new<F, Fut>(name: impl Into<String>, start: F) -> Self
    where
        F: FnOnce(CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        Self {
            name: name.into(),
            announcing: false,
            start: Box::new(move |stop| Box::pin(start(stop))),
        }
    }

    /// A worker that tells others where its host answers. It is the first to be stopped, while its host goes on serving,
    /// and takes back what it told before it ends.
    pub fn announcing<F, Fut>(name: impl Into<String>, start: F) -> Self
    where
        F: FnOnce(CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        Self {
            announcing: true,
            ..Self::new(name, start)
        }
    }

    /// Whether it is one that [announces](Self::announcing) its host.
    #[must_use]
    pub fn is_announcing(&self) -> bool {
        self.announcing
    }

    /// Its name in the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs until `stop` is cancelled: for tests that host a worker themselves.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        (self.start)(stop).await
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Worker").field(&self.name).finish()
    }
}
