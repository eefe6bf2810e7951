//! passlib's `$bcrypt-sha256$`: the password goes through SHA-256 first, so that bcrypt cuts nothing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::{Unreadable, bcrypt::Bcrypt};

/// A parsed bcrypt_sha256 hash of either version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BcryptSha256 {
    /// `Some(salt as written)` for version 2, whose HMAC key it is; `None` for version 1.
    keyed: Option<String>,
    inner: Bcrypt,
}

impl BcryptSha256 {
    /// What follows `$bcrypt-sha256$`: `v=2,t=2b,r=12$<salt>$<digest>` or `2b,12$<salt>$<digest>`.
    pub fn parse(rest: &str) -> Result<Self, Unreadable> {
        let mut parts = rest.split('$');
        let (Some(settings), Some(salt), Some(digest), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Unreadable::Malformed);
        };
        let (version2, variant, cost) = match settings.split(',').collect::<Vec<_>>()[..] {
            ["v=2", variant, cost] => (true, variant.strip_prefix("t="), cost.strip_prefix("r=")),
            [variant, cost] => (false, Some(variant), Some(cost)),
            _ => return Err(Unreadable::Malformed),
        };
        let variant = match variant {
            Some("2a") => b'a',
            Some("2b") => b'b',
            Some("2y") => b'y',
            _ => return Err(Unreadable::Malformed),
        };
        let inner = Bcrypt::from_parts(variant, cost.ok_or(Unreadable::Malformed)?, salt, digest)?;
        Ok(Self {
            keyed: version2.then(|| salt.to_owned()),
            inner,
        })
    }

    /// Computes and compares.
    pub fn matches(&self, password: &str) -> bool {
        let first = match &self.keyed {
            Some(salt) => keyed(salt, password),
            None => STANDARD.encode(Sha256::digest(password.as_bytes())),
        };
        self.inner.matches(first.as_bytes())
    }

    /// Whether it is what [`BcryptSha256::make`] writes at `cost` or above.
    pub fn is_current(&self, cost: u32) -> bool {
        self.keyed.is_some() && self.inner.is_current(cost)
    }

    /// Version 2 text of a password.
    pub fn make(password: &str, cost: u32, salt: [u8; 16]) -> String {
        // the salt's text is needed before the hash: it is the HMAC key
        let salt_text = Bcrypt::make(b"", 4, salt)[7..29].to_owned();
        let made = Bcrypt::make(keyed(&salt_text, password).as_bytes(), cost, salt);
        format!(
            "$bcrypt-sha256$v=2,t=2b,r={cost}${salt_text}${}",
            &made[29..]
        )
    }
}

/// `base64(HMAC-SHA256(key = the salt's text, password))`.
fn keyed(salt: &str, password: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(salt.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(password.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}
