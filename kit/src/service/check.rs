//! What must be reachable for a service to work.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

/// Why something cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct CheckError {
    /// Stable and shown to everybody, for example `store_unavailable`.
    pub code: String,
    /// For the log only.
    pub detail: String,
    /// The setting to look at, shown to everybody, for example `store.url`.
    pub setting: Option<&'static str>,
}

impl CheckError {
    /// An error with its code and detail.
    pub fn new(code: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self {
            code: code.into(),
            detail: detail.to_string(),
            setting: None,
        }
    }

    /// The same, with the setting to look at, if there is one.
    #[must_use]
    pub fn of_setting(self, setting: impl Into<Option<&'static str>>) -> Self {
        Self {
            setting: setting.into(),
            ..self
        }
    }
}

type Ask = Arc<dyn Fn() -> BoxFuture<'static, Result<(), CheckError>> + Send + Sync>;

/// Asks whether one thing is reachable. Clones ask the same thing.
#[derive(Clone)]
pub struct Check {
    pub(super) name: &'static str,
    pub(super) essential: bool,
    pub(super) setting: Option<&'static str>,
    pub(super) ask: Ask,
}

impl Check {
    /// Without it the service cannot work: not ready (503).
    pub fn essential<F, Fut>(name: &'static str, ask: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), CheckError>> + Send + 'static,
    {
        Self {
            name,
            essential: true,
            setting: None,
            ask: Arc::new(move || Box::pin(ask())),
        }
    }

    /// Without it the service works, with less: ready, `degraded`.
    pub fn degrading<F, Fut>(name: &'static str, ask: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), CheckError>> + Send + 'static,
    {
        Self {
            essential: false,
            ..Self::essential(name, ask)
        }
    }

    /// The same, with the setting to look at whenever it fails and names none itself: also when it does not answer at all.
    #[must_use]
    pub fn of_setting(self, setting: &'static str) -> Self {
        Self {
            setting: Some(setting),
            ..self
        }
    }

    /// Whether the service cannot work without it.
    #[must_use]
    pub fn is_essential(&self) -> bool {
        self.essential
    }

    /// Asks now.
    ///
    /// # Errors
    /// Why it cannot be reached.
    pub async fn ask(&self) -> Result<(), CheckError> {
        (self.ask)().await
    }

    /// Its name in `/health/ready`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("essential", &self.essential)
            .finish_non_exhaustive()
    }
}
