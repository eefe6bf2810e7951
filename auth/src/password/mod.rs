//! Passwords: which stored forms are understood, how a new one is stored, which new ones are accepted.
//!
//! One file per family of stored hashes. Each parses its text into a value that is within the bounds of spec/auth.md
//! rule 15, so that nothing read from a row can make one login cost more than the bounds allow.

mod bcrypt;
mod bcrypt_sha256;
mod django;
mod hasher;
mod pbkdf2;
mod rules;
mod scrypt;

pub use hasher::{Busy, Hasher};
pub use rules::{Denylist, PasswordRules};

/// The longest password that bcrypt reads whole, in bytes.
pub const BCRYPT_BYTES: usize = 72;

/// Why a stored hash cannot be used. The login says 401 all the same; the log says which account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No known family, or a damaged text.
    #[error("the stored hash has no known form")]
    Malformed,
    /// Well formed, but beyond the bounds of rule 15.
    #[error("the stored hash costs more than the bounds allow")]
    TooCostly,
}

/// What comparing a password with a stored hash showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Match,
    /// Plain bcrypt cut the password: its first 72 bytes are right, the rest is unproven (rule 16).
    MatchFirst72,
    /// It is not.
    Mismatch,
}

/// A stored hash, parsed and within the bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// `$2a$`, `$2b$`, `$2y$`: ours, passlib's, CivilDIY's.
    Bcrypt(bcrypt::Bcrypt),
    /// passlib's `$bcrypt-sha256$`, both versions.
    BcryptSha256(bcrypt_sha256::BcryptSha256),
    /// passlib's and Django's PBKDF2 with SHA-256.
    Pbkdf2(pbkdf2::Pbkdf2),
    /// Django's `bcrypt$` and `bcrypt_sha256$`.
    Django(django::DjangoBcrypt),
    /// Django's `scrypt$`.
    Scrypt(scrypt::Scrypt),
    /// Django's `!...`: no password matches.
    Unusable,
}

impl Stored {
    /// Reads a stored hash of any family of rule 15.
    ///
    /// # Errors
    /// [`Unreadable`] when the family is unknown, the text is damaged or a bound is exceeded.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        if text.starts_with('!') {
            return Ok(Self::Unusable);
        }
        if let Some(rest) = text.strip_prefix("$bcrypt-sha256$") {
            return bcrypt_sha256::BcryptSha256::parse(rest).map(Self::BcryptSha256);
        }
        if let Some(rest) = text.strip_prefix("$pbkdf2-sha256$") {
            return pbkdf2::Pbkdf2::parse_passlib(rest).map(Self::Pbkdf2);
        }
        if let Some(rest) = text.strip_prefix("pbkdf2_sha256$") {
            return pbkdf2::Pbkdf2::parse_django(rest).map(Self::Pbkdf2);
        }
        if let Some(rest) = text.strip_prefix("bcrypt_sha256$") {
            return django::DjangoBcrypt::parse(rest, true).map(Self::Django);
        }
        if let Some(rest) = text.strip_prefix("bcrypt$") {
            return django::DjangoBcrypt::parse(rest, false).map(Self::Django);
        }
        if let Some(rest) = text.strip_prefix("scrypt$") {
            return scrypt::Scrypt::parse(rest).map(Self::Scrypt);
        }
        bcrypt::Bcrypt::parse(text).map(Self::Bcrypt)
    }

    /// Computes one hash and compares. A password with a NUL never matches: no source system accepts one.
    /// [`Stored::Unusable`] answers at once; the caller spends the time of a hash instead ([`Hasher`]).
    #[must_use]
    pub fn check(&self, password: &str) -> Verdict {
        let matches = !password.contains('\0')
            && match self {
                Self::Bcrypt(h) => h.matches(password.as_bytes()),
                Self::BcryptSha256(h) => h.matches(password),
                Self::Pbkdf2(h) => h.matches(password),
                Self::Django(h) => h.matches(password),
                Self::Scrypt(h) => h.matches(password),
                Self::Unusable => false,
            };
        if !matches {
            Verdict::Mismatch
        } else if self.cuts() && password.len() > BCRYPT_BYTES {
            Verdict::MatchFirst72
        } else {
            Verdict::Match
        }
    }

    /// Whether a hash that matched `password` is anything else than what [`store`] would write now (rule 16).
    #[must_use]
    pub fn needs_rehash(&self, password: &str, cost: u32) -> bool {
        match self {
            Self::Bcrypt(h) => password.len() > BCRYPT_BYTES || !h.is_current(cost),
            Self::BcryptSha256(h) => password.len() <= BCRYPT_BYTES || !h.is_current(cost),
            _ => true,
        }
    }

    /// Whether the form reads only the first 72 bytes of a password.
    fn cuts(&self) -> bool {
        match self {
            Self::Bcrypt(_) => true,
            Self::Django(h) => h.cuts(),
            _ => false,
        }
    }
}

/// The form of rule 14: `$2b$` up to 72 bytes, passlib's bcrypt_sha256 v2 above, so that nothing is cut.
#[must_use]
pub fn store(password: &str, cost: u32, salt: [u8; 16]) -> String {
    if password.len() > BCRYPT_BYTES {
        bcrypt_sha256::BcryptSha256::make(password, cost, salt)
    } else {
        bcrypt::Bcrypt::make(password.as_bytes(), cost, salt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_store_matches_and_needs_no_rehash_at_any_length() {
        for length in [0, 1, 71, 72, 73, 256] {
            let password = "p".repeat(length);
            let text = store(&password, 4, [7; 16]);
            let stored = Stored::parse(&text).unwrap();
            assert_eq!(stored.check(&password), Verdict::Match, "{length}");
            // bcrypt reads 72 bytes; a tail behind a password of exactly so many is unproven, not wrong
            let with_tail = if length == 72 {
                Verdict::MatchFirst72
            } else {
                Verdict::Mismatch
            };
            assert_eq!(stored.check(&format!("{password}x")), with_tail, "{length}");
            assert!(!stored.needs_rehash(&password, 4), "{length}");
            assert!(
                stored.needs_rehash(&password, 5),
                "a raised cost asks for a rehash"
            );
        }
    }

    #[test]
    fn a_long_password_against_plain_bcrypt_proves_its_first_72_bytes_only() {
        let stored = Stored::parse(&store(&"x".repeat(72), 4, [1; 16])).unwrap();
        assert_eq!(stored.check(&"x".repeat(72)), Verdict::Match);
        assert_eq!(
            stored.check(&format!("{}tail", "x".repeat(72))),
            Verdict::MatchFirst72
        );
    }

    #[test]
    fn an_unusable_mark_matches_nothing() {
        let stored = Stored::parse("!qDFVC7AtM2AW3ZFbayw3bAduYTAqT2JmC9zYLmBI").unwrap();
        assert_eq!(stored.check(""), Verdict::Mismatch);
        assert_eq!(
            stored.check("!qDFVC7AtM2AW3ZFbayw3bAduYTAqT2JmC9zYLmBI"),
            Verdict::Mismatch
        );
    }

    #[test]
    fn damaged_hashes_are_refused_and_never_panic() {
        for text in [
            "",
            "$",
            "$2b$",
            "plain",
            "$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
            "$2$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
            "$2b$04$äbcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIr",
            "$2b$+4$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
            "$2b$03$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
            "$bcrypt-sha256$",
            "$bcrypt-sha256$v=3,t=2b,r=4$l5Fq18PmCy7vkfVbefiTxu$j.6I3c1GYl/ZToYNWYEXx2kv7yL5Cue",
            "$bcrypt-sha256$2b,4$short$x",
            "$pbkdf2-sha256$0$C2GMkXKuNeZ8D8FYC2HMuQ$hO1EmYi4yJooh62GuAPEMLoXDAI.VaZuT98J2s20w6U",
            "$pbkdf2-sha256$x$y$z",
            "pbkdf2_sha256$1000$salt",
            "pbkdf2_sha256$1000$salt$AAAA",
            "pbkdf2_sha256$-1$salt$ljsUtV4gRvnnFVCD5/qeiuOvJT5eaaEVsuO9+nmHggo=",
            "bcrypt$",
            "bcrypt_sha256$$",
            "scrypt$16384$salt$8$5$",
            "scrypt$1000$salt$8$5$YO/SirYb",
            "scrypt$$$$$",
            "argon2$argon2id$v=19$m=1,t=1,p=1$a$b",
        ] {
            assert_eq!(Stored::parse(text), Err(Unreadable::Malformed), "{text}");
        }
    }

    #[test]
    fn hashes_beyond_the_bounds_are_refused_before_anything_is_computed() {
        for text in [
            "$2b$16$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
            "$2b$31$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
            "bcrypt$$2b$16$J077Wi4lKnAZ1KV178g6Wu2jzYXNOTHzX7BEpumSCbefmYl67sZbG",
            "$bcrypt-sha256$v=2,t=2b,r=16$l5Fq18PmCy7vkfVbefiTxu$j.6I3c1GYl/ZToYNWYEXx2kv7yL5Cue",
            "pbkdf2_sha256$2000001$EMTzx123AjAU$ljsUtV4gRvnnFVCD5/qeiuOvJT5eaaEVsuO9+nmHggo=",
            "$pbkdf2-sha256$4000000000$C2GMkXKuNeZ8D8FYC2HMuQ$hO1EmYi4yJooh62GuAPEMLoXDAI.VaZuT98J2s20w6U",
            "scrypt$1048576$salt$8$5$YO/SirYbNV9o6eDtuhWG51yafCsZE4Bf1RG07X1luAR8VyOb+rWzPioBJ57ahp3Oh+A3sHW4/aPv9m3udNNvnQ==",
        ] {
            assert_eq!(Stored::parse(text), Err(Unreadable::TooCostly), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_parses_or_is_refused_without_a_panic(text in "[$!a-z0-9_=,./+-]{0,100}", prefix in 0usize..9) {
            let prefixes = ["", "$2b$", "$2b$04$", "$bcrypt-sha256$", "$pbkdf2-sha256$", "pbkdf2_sha256$", "bcrypt_sha256$$2b$", "bcrypt$$2b$", "scrypt$"];
            let _ = Stored::parse(&format!("{}{text}", prefixes[prefix]));
        }
    }
}
