//! Certificates and keys as text.

use std::fmt;

use super::Unwritable;

/// Certificates or a key in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem(String);

impl Pem {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";

    /// Checks that blocks stand there and nothing else. What is inside, Traefik reads when it uses it, and refuses it for
    /// that one object.
    ///
    /// # Errors
    /// No block, or another character than those of PEM.
    pub fn new(text: &str) -> Result<Self, Unwritable> {
        let text = text.trim();
        // The text may be a key: nothing of it is repeated.
        let refuse = |reason| Err(Unwritable::new("the PEM", "..", reason));
        if !text.starts_with(Self::BEGIN)
            || !text
                .lines()
                .last()
                .is_some_and(|line| line.starts_with(Self::END))
        {
            return refuse("it begins with -----BEGIN and ends with -----END");
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=- \r\n".contains(&byte);
        if !text.bytes().all(fits) {
            return refuse("it has only base64 between its lines");
        }
        Ok(Self(format!("{text}\n")))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pem {
    /// It may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem(..)")
    }
}
