//! Django's `bcrypt$` (cut at 72 bytes) and `bcrypt_sha256$` (the hex of SHA-256 goes into bcrypt).

use sha2::{Digest as _, Sha256};

use super::{Unreadable, bcrypt::Bcrypt};

/// A parsed Django bcrypt hash of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DjangoBcrypt {
    sha256: bool,
    inner: Bcrypt,
}

impl DjangoBcrypt {
    /// What follows `bcrypt$` or `bcrypt_sha256$`: a whole bcrypt text, with its leading `$`.
    pub fn parse(rest: &str, sha256: bool) -> Result<Self, Unreadable> {
        Ok(Self {
            sha256,
            inner: Bcrypt::parse(rest)?,
        })
    }

    /// Computes and compares.
    pub fn matches(&self, password: &str) -> bool {
        if self.sha256 {
            self.inner
                .matches(hex::encode(Sha256::digest(password.as_bytes())).as_bytes())
        } else {
            self.inner.matches(password.as_bytes())
        }
    }

    /// Whether only the first 72 bytes of the password count.
    pub fn cuts(&self) -> bool {
        !self.sha256
    }
}
