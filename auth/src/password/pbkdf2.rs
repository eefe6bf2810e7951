//! PBKDF2 with HMAC-SHA-256 as passlib (`$pbkdf2-sha256$`) and Django (`pbkdf2_sha256$`) write it.

use base64::{
    Engine as _,
    alphabet::Alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::Unreadable;

/// The most iterations that are computed (rule 15); Django 5.2 writes 1,000,000.
pub const MAX_ITERATIONS: u32 = 2_000_000;
/// The longest salt that is read, in bytes; the source systems write 12 to 22.
const MAX_SALT: usize = 1024;

/// A parsed PBKDF2 hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pbkdf2 {
    iterations: u32,
    salt: Vec<u8>,
    digest: [u8; 32],
}

impl Pbkdf2 {
    /// What follows `$pbkdf2-sha256$`: `29000$<salt>$<digest>` in passlib's base64 (`.` for `+`, no padding).
    pub fn parse_passlib(rest: &str) -> Result<Self, Unreadable> {
        let [iterations, salt, digest] = split(rest)?;
        let base64 = adapted();
        Self::new(
            iterations,
            base64.decode(salt).map_err(|_| Unreadable::Malformed)?,
            base64.decode(digest),
        )
    }

    /// What follows `pbkdf2_sha256$`: `870000$<salt as it is>$<standard base64>`; the iterations differ per row.
    pub fn parse_django(rest: &str) -> Result<Self, Unreadable> {
        let [iterations, salt, digest] = split(rest)?;
        Self::new(
            iterations,
            salt.as_bytes().to_vec(),
            STANDARD.decode(digest),
        )
    }

    fn new(
        iterations: &str,
        salt: Vec<u8>,
        digest: Result<Vec<u8>, base64::DecodeError>,
    ) -> Result<Self, Unreadable> {
        if !iterations.bytes().all(|b| b.is_ascii_digit()) || salt.len() > MAX_SALT {
            return Err(Unreadable::Malformed);
        }
        let digest = digest
            .ok()
            .and_then(|d| d.try_into().ok())
            .ok_or(Unreadable::Malformed)?;
        match iterations.parse::<u64>() {
            Ok(0) | Err(_) => Err(Unreadable::Malformed),
            Ok(n) => match u32::try_from(n) {
                Ok(iterations @ 1..=MAX_ITERATIONS) => Ok(Self {
                    iterations,
                    salt,
                    digest,
                }),
                _ => Err(Unreadable::TooCostly),
            },
        }
    }

    /// Computes and compares.
    pub fn matches(&self, password: &str) -> bool {
        let made = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(
            password.as_bytes(),
            &self.salt,
            self.iterations,
        );
        made.ct_eq(&self.digest).into()
    }
}

fn split(rest: &str) -> Result<[&str; 3], Unreadable> {
    <[&str; 3]>::try_from(rest.split('$').collect::<Vec<_>>()).map_err(|_| Unreadable::Malformed)
}

fn adapted() -> GeneralPurpose {
    let alphabet =
        Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./")
            .expect("64 different characters");
    GeneralPurpose::new(
        &alphabet,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone),
    )
}
