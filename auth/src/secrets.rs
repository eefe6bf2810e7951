//! Random secrets in their text form.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

/// A refresh token: 256 random bits. Only its hash is stored.
pub struct RefreshToken {
    text: String,
    /// When it ends unused.
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for RefreshToken {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshToken")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl RefreshToken {
    /// From 32 random bytes.
    #[must_use]
    pub fn new(secret: [u8; 32], expires_at: DateTime<Utc>) -> Self {
        Self {
            text: text(secret),
            expires_at,
        }
    }

    /// The token itself, for the answer.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is stored of it.
    #[must_use]
    pub fn stored(&self) -> [u8; 32] {
        Sha256::digest(self.text.as_bytes()).into()
    }

    /// What would be stored of a presented one; `None` if it has not the form of one.
    #[must_use]
    pub fn hash(presented: &str) -> Option<[u8; 32]> {
        (presented.len() == 43 && presented.is_ascii())
            .then(|| Sha256::digest(presented.as_bytes()).into())
    }
}

/// 32 bytes as 43 characters that fit into a URL.
#[must_use]
pub fn text(secret: [u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_text_and_not_shown_by_debug() {
        let token = RefreshToken::new([7; 32], DateTime::UNIX_EPOCH);
        assert_eq!(RefreshToken::hash(token.reveal()), Some(token.stored()));
        assert!(!format!("{token:?}").contains(token.reveal()));
        assert_eq!(RefreshToken::hash("short"), None);
    }
}
