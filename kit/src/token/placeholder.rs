//! Secrets that everybody knows.

/// As they stand in tutorials, templates and documentation; compared without case and punctuation.
const KNOWN: [&str; 24] = [
    // FastAPI's tutorial
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    // jwt.io
    "your-256-bit-secret",
    "your-384-bit-secret",
    "your-512-bit-secret",
    "a-string-secret-at-least-256-bits-long",
    "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    "your-secret-key",
    "your-secret-key-here",
    "your-secret-key-here-change-in-production",
    "your-secret-key-change-in-production",
    "your-secret-key-change-this-in-production",
    "your-super-secret-key",
    "your-super-secret-key-change-this-in-production",
    "your-super-secret-jwt-key-change-this-in-production",
    "your-jwt-secret",
    "change-this-secret-key-in-production",
    "change-me-in-production",
    "changeme",
    "change-this",
    "replace-me",
    "secret",
    "secret-key",
    "supersecretkey",
    "password",
];

/// Beginnings of secrets that a tool writes to be replaced.
const BEGINNINGS: [&str; 3] = ["djangoinsecure", "yoursecretkey", "changeme"];
/// A secret that repeats fewer characters than this is not one.
const SHORTEST_PERIOD: usize = 8;

pub(super) fn is_known(secret: &str) -> bool {
    let plain = plain(secret);
    if plain.is_empty() {
        return false;
    }
    let words = plain.trim_end_matches(|c: char| c.is_ascii_digit());
    BEGINNINGS.iter().any(|b| plain.starts_with(b))
        || KNOWN.iter().any(|known| {
            let known = self::plain(known);
            repeats(&plain, &known) || repeats(words, &known)
        })
        || (1..SHORTEST_PERIOD)
            .any(|n| secret.is_char_boundary(n) && repeats(secret, &secret[..n.min(secret.len())]))
}

fn plain(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Whether `text` is `part` again and again, the last time perhaps cut.
fn repeats(text: &str, part: &str) -> bool {
    !text.is_empty()
        && !part.is_empty()
        && text.bytes().eq(part.bytes().cycle().take(text.len()))
        && text.len() >= part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_are_known_in_every_spelling() {
        for secret in [
            "your-secret-key",
            "YOUR_SECRET_KEY",
            "your-secret-key-here-change-in-production",
            "changeme",
            "change-me-change-me-change-me-change-me",
            "secretsecretsecretsecretsecretse",
            "secret1234567890123456789012345678",
            "django-insecure-0x^abcdefgh12345678901234567890",
            "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdabcdabcdabcdabcdabcdabcdabcdabcd",
        ] {
            assert!(is_known(secret), "{secret}");
        }
    }

    #[test]
    fn random_secrets_are_not_known() {
        for secret in [
            "0123456789abcdef0123456789abcdef",
            "pUJ0lOnBfFDMdE3YdZ1S8KSkKDSi3/Yy5n2IybbW4dQ=",
            "ü",
            "",
        ] {
            assert!(!is_known(secret), "{secret}");
        }
    }
}
