//! Django's `scrypt$`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq as _;

use super::Unreadable;

/// The most memory one check may take, in bytes: 128 x N x r. Django's default (N 16384, r 8) takes 16 MiB.
const MAX_MEMORY: u64 = 64 * 1024 * 1024;
/// The most work one check may take: N x r x p. Django's default is 655,360.
const MAX_WORK: u64 = 4 * 655_360;

/// A parsed scrypt hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrypt {
    log_n: u8,
    r: u32,
    p: u32,
    salt: String,
    digest: [u8; 64],
}

impl Scrypt {
    /// What follows `scrypt$`: `N$<salt as it is>$r$p$<standard base64, 64 bytes>`.
    pub fn parse(rest: &str) -> Result<Self, Unreadable> {
        let [n, salt, r, p, digest] = <[&str; 5]>::try_from(rest.split('$').collect::<Vec<_>>())
            .map_err(|_| Unreadable::Malformed)?;
        let (n, r, p) = (number(n)?, number(r)?, number(p)?);
        if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
            return Err(Unreadable::Malformed);
        }
        let digest = STANDARD
            .decode(digest)
            .ok()
            .and_then(|d| d.try_into().ok())
            .ok_or(Unreadable::Malformed)?;
        let work = u64::from(n).saturating_mul(u64::from(r));
        if work.saturating_mul(128) > MAX_MEMORY || work.saturating_mul(u64::from(p)) > MAX_WORK {
            return Err(Unreadable::TooCostly);
        }
        let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| Unreadable::Malformed)?;
        Ok(Self {
            log_n,
            r,
            p,
            salt: salt.to_owned(),
            digest,
        })
    }

    /// Computes and compares.
    pub fn matches(&self, password: &str) -> bool {
        let Ok(params) = scrypt::Params::new(self.log_n, self.r, self.p) else {
            return false;
        };
        let mut made = [0; 64];
        scrypt::scrypt(
            password.as_bytes(),
            self.salt.as_bytes(),
            &params,
            &mut made,
        )
        .is_ok()
            && bool::from(made.ct_eq(&self.digest))
    }
}

fn number(text: &str) -> Result<u32, Unreadable> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unreadable::Malformed);
    }
    text.parse().map_err(|_| Unreadable::TooCostly)
}
