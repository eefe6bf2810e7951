//! How those who use Consul fare.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::ConsulError;
use crate::service::CheckError;

/// What fails at the moment, and for whom. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing(Arc<Mutex<BTreeMap<String, ConsulError>>>);

impl Standing {
    /// It worked.
    pub(super) fn well(&self, who: &str) {
        if self.0.lock().remove(who).is_some() {
            tracing::info!(target: "consul", who, "consul works again");
        }
    }

    /// It failed. The log is told once, until it fails otherwise.
    pub(super) fn trouble(&self, who: &str, error: ConsulError) {
        let mut all = self.0.lock();
        if all.get(who) != Some(&error) {
            tracing::warn!(
                target: "consul",
                who,
                code = error.code(),
                setting = error.setting(),
                error = %error,
                "consul fails, trying again and going on without"
            );
            all.insert(who.to_owned(), error);
        }
    }

    /// The readiness check `consul`.
    pub(super) fn check(&self) -> Result<(), CheckError> {
        let all = self.0.lock();
        // what somebody can set right comes first
        let worst = all
            .iter()
            .min_by_key(|(_, error)| (error.setting().is_none(), error.code()));
        let Some((who, error)) = worst else {
            return Ok(());
        };
        let told = CheckError::new(error.code(), format_args!("{who}: {error}"));
        Err(told.of_setting(error.setting()))
    }
}
