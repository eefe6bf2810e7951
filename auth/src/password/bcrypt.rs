//! Plain bcrypt: `$2a$`, `$2b$` and `$2y$`, cut at 72 bytes as written by passlib, bcrypt 4.0 and this crate.

use base64::{
    Engine as _,
    alphabet::BCRYPT,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use subtle::ConstantTimeEq as _;

use super::Unreadable;

/// The highest cost that is computed (rule 15); each step doubles the time.
pub const MAX_COST: u32 = 15;

/// bcrypt's alphabet. Trailing bits are ignored: old passlib wrote salts whose last character carries some.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// A parsed bcrypt hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bcrypt {
    variant: u8,
    cost: u32,
    salt: [u8; 16],
    digest: [u8; 23],
}

impl Bcrypt {
    /// `$2b$12$<22 salt><31 digest>`.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        if text.len() != 60 || !text.is_ascii() {
            return Err(Unreadable::Malformed);
        }
        let variant = match &text[..4] {
            "$2a$" => b'a',
            "$2b$" => b'b',
            "$2y$" => b'y',
            _ => return Err(Unreadable::Malformed),
        };
        if &text[6..7] != "$" {
            return Err(Unreadable::Malformed);
        }
        Self::from_parts(variant, &text[4..6], &text[7..29], &text[29..])
    }

    /// The same from separate texts, as bcrypt_sha256 keeps them.
    pub fn from_parts(
        variant: u8,
        cost: &str,
        salt: &str,
        digest: &str,
    ) -> Result<Self, Unreadable> {
        Ok(Self {
            variant,
            cost: parse_cost(cost)?,
            salt: decode(salt)?,
            digest: decode(digest)?,
        })
    }

    /// Computes the hash of `password` and compares in constant time.
    pub fn matches(&self, password: &[u8]) -> bool {
        digest(password, self.cost, self.salt)
            .is_some_and(|made| bool::from(made.as_bytes().ct_eq(self.encoded().as_bytes())))
    }

    /// Whether it is what [`Bcrypt::make`] writes at `cost` or above.
    pub fn is_current(&self, cost: u32) -> bool {
        self.variant == b'b' && self.cost >= cost
    }

    /// `$2b$` text of a password (cut at 72 bytes: the caller passes no longer one).
    pub fn make(password: &[u8], cost: u32, salt: [u8; 16]) -> String {
        ::bcrypt::hash_with_salt(password, cost, salt)
            .expect("the configuration allows costs from 4 to 15 only")
            .to_string()
    }

    fn encoded(&self) -> String {
        BASE64.encode(self.digest)
    }
}

/// The 31 characters behind the salt; `None` for a cost that bcrypt does not know.
fn digest(password: &[u8], cost: u32, salt: [u8; 16]) -> Option<String> {
    let parts = ::bcrypt::hash_with_salt(password, cost, salt).ok()?;
    Some(parts.to_string().split_off(29))
}

/// One or two digits, within the bounds.
pub fn parse_cost(text: &str) -> Result<u32, Unreadable> {
    if text.is_empty() || text.len() > 2 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unreadable::Malformed);
    }
    match text.parse::<u32>() {
        Ok(cost @ 4..=MAX_COST) => Ok(cost),
        Ok(cost) if cost > MAX_COST => Err(Unreadable::TooCostly),
        _ => Err(Unreadable::Malformed),
    }
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], Unreadable> {
    let bytes = BASE64.decode(text).map_err(|_| Unreadable::Malformed)?;
    bytes.try_into().map_err(|_| Unreadable::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_with_stray_padding_bits_still_matches() {
        // passlib's bug of old: the last salt character has bits nobody reads ("v" for "u")
        let stored =
            Bcrypt::parse("$2b$04$abcdefghijklmnopqrstuv2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW").unwrap();
        assert!(stored.matches(b"secret"));
    }

    #[test]
    fn only_2b_at_the_wanted_cost_is_current() {
        let text = Bcrypt::make(b"secret", 4, [3; 16]);
        assert!(Bcrypt::parse(&text).unwrap().is_current(4));
        assert!(!Bcrypt::parse(&text).unwrap().is_current(5));
        assert!(
            !Bcrypt::parse(&text.replace("$2b$", "$2a$"))
                .unwrap()
                .is_current(4)
        );
    }
}
