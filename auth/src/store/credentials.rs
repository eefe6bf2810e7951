//! Credentials of services: what the configuration lists, kept as hashes.

use backends::db;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Store, trail::Trace};
use crate::{error::Result, model::Origin};

fn hashed(secret: &str) -> [u8; 32] {
    // a fast hash will do: a secret of at least 32 bytes cannot be guessed, unlike a password
    Sha256::digest(secret.as_bytes()).into()
}

impl Store {
    /// Makes the table say what the configuration says.
    ///
    /// # Errors
    /// The store's.
    pub async fn sync_credentials(
        &self,
        configured: &[(String, SecretString)],
    ) -> std::result::Result<(), db::Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let known: Vec<(String,)> = tx
            .query("SELECT name FROM service_credentials")
            .all()
            .await?;
        for (gone,) in known
            .iter()
            .filter(|(known,)| !configured.iter().any(|(name, _)| name == known))
        {
            tx.query("DELETE FROM service_credentials WHERE name = $1")
                .bind(gone.clone())
                .execute()
                .await?;
        }
        for (name, secret) in configured {
            tx.query(
                "INSERT INTO service_credentials (name, secret_hash, scopes, rotated_at) VALUES ($1, $2, '', $3) \
                 ON CONFLICT (name) DO UPDATE SET secret_hash = $2, rotated_at = $3 WHERE service_credentials.secret_hash <> $2",
            )
            .bind(name.clone())
            .bind(hashed(secret.expose_secret()).to_vec())
            .bind(now)
            .execute()
            .await?;
        }
        tx.commit().await
    }

    /// Whether the secret is the service's; if so, the issue of a token is audited.
    ///
    /// # Errors
    /// The store's.
    pub async fn admit_service(&self, name: &str, secret: &str, origin: &Origin) -> Result<bool> {
        let sql = "SELECT secret_hash FROM service_credentials WHERE name = $1";
        let stored: Option<(Vec<u8>,)> =
            self.db.query(sql).bind(name.to_owned()).optional().await?;
        let admitted = stored.is_some_and(|(stored,)| bool::from(stored.ct_eq(&hashed(secret))));
        if admitted {
            let mut tx = self.db.begin().await?;
            let trace = Trace {
                action: "service_token.issued",
                object: format!("service:{name}"),
                reason: None,
                before: None,
                after: None,
            };
            self.trace(&mut tx, origin, self.clock.now(), trace).await?;
            tx.commit().await?;
        }
        Ok(admitted)
    }
}
