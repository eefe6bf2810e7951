//! The file that holds the setup token as long as there is no administrator (spec/auth.md rule 22).

use std::path::{Path, PathBuf};

use tokio::io::AsyncWriteExt as _;

use crate::{secrets, state::Auth};

/// Its name in the data directory.
pub const NAME: &str = "setup-token";

impl Auth {
    /// Writes the file if there is no administrator and no good token in it; removes it once there is one.
    ///
    /// # Errors
    /// The store's, or the data directory's.
    pub async fn prepare_setup(&self) -> anyhow::Result<()> {
        let Some(path) = self.setup_file.clone() else {
            return Ok(());
        };
        if self.store.has_admin().await? {
            self.remove_setup_file().await;
            return Ok(());
        }
        if let Ok(there) = tokio::fs::read_to_string(&path).await
            && self.store.setup_token_waits(there.trim()).await?
        {
            tracing::info!(file = %path.display(), "no administrator yet: use the setup token in this file");
            return Ok(());
        }
        let token = secrets::text(self.ids.secret());
        self.store.set_setup_token(&token).await?;
        write_private(&path, &format!("{token}\n")).await?;
        tracing::info!(file = %path.display(), "no administrator yet: a setup token was written to this file");
        Ok(())
    }

    /// Removes the file; its token is used or means nothing any more.
    pub async fn remove_setup_file(&self) {
        let Some(path) = &self.setup_file else { return };
        if let Err(error) = tokio::fs::remove_file(path).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(file = %path.display(), %error, "the setup token is used, but its file could not be removed");
        }
    }
}

/// A new file that only its owner reads, in place whole or not at all.
async fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut beside: PathBuf = path.to_path_buf();
    beside.set_extension("new");
    let _ = tokio::fs::remove_file(&beside).await;
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&beside).await?;
    file.write_all(text.as_bytes()).await?;
    file.sync_all().await?;
    tokio::fs::rename(&beside, path).await
}
