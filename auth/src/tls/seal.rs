//! Sealing a secret for the store: AES-256-GCM under a key made from `SECRET_KEY` by HKDF (RFC 5869).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use kit::token::KeyRing;
use secrecy::{ExposeSecret as _, SecretSlice};

/// What this key material is for; another purpose has other keys.
const PURPOSE: &str = "schoolyard internal certificate authority";

/// The keys that seal and open: one of each key that signs tokens or did so until lately, so that what is sealed lives
/// through a change of `SECRET_KEY`, as tokens do.
pub struct Seals(Vec<Seal>);

struct Seal {
    /// Names the key without telling anything of it.
    id: String,
    key: RandomizedNonceKey,
}

/// Something sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key that seals it.
    pub by: String,
    /// Nonce, ciphertext, tag.
    pub bytes: Vec<u8>,
}

/// Something opened.
pub struct Opened {
    /// What was sealed.
    pub secret: SecretSlice<u8>,
    /// Whether the key that seals today sealed it.
    pub is_current: bool,
}

/// Cannot happen with keys and lengths of our own, and says nothing of why: neither does the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret cannot be sealed")]
pub struct CannotSeal;

impl Seals {
    /// Keys of their own, derived from those that sign tokens.
    ///
    /// # Errors
    /// [`CannotSeal`].
    pub fn of(keys: &KeyRing) -> Result<Self, CannotSeal> {
        let seals = keys.derived(PURPOSE).into_iter().map(|derived| {
            let extracted = Salt::new(HKDF_SHA256, PURPOSE.as_bytes()).extract(&derived);
            let mut key = [0; 32];
            expand(&extracted, "key", &mut key)?;
            let mut id = [0; 32];
            expand(&extracted, "id", &mut id)?;
            Ok(Seal {
                id: hex::encode(&id[..8]),
                key: RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| CannotSeal)?,
            })
        });
        seals.collect::<Result<_, _>>().map(Self)
    }

    /// Seals with the present key, bound to what it is about: it opens beside exactly these bytes.
    ///
    /// # Errors
    /// [`CannotSeal`].
    pub fn seal(&self, secret: &[u8], about: &[u8]) -> Result<Sealed, CannotSeal> {
        let seal = self.0.first().ok_or(CannotSeal)?;
        let mut text = secret.to_vec();
        let nonce = seal
            .key
            .seal_in_place_append_tag(Aad::from(about), &mut text)
            .map_err(|_| CannotSeal)?;
        let bytes = [nonce.as_ref(), &*text].concat();
        Ok(Sealed {
            by: seal.id.clone(),
            bytes,
        })
    }

    /// Opens; `None` when no key of ours sealed it, or it is not what was sealed.
    #[must_use]
    pub fn open(&self, sealed: &Sealed, about: &[u8]) -> Option<Opened> {
        let found = self.0.iter().position(|seal| seal.id == sealed.by)?;
        let (nonce, text) = sealed.bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut text = SecretSlice::from(text.to_vec());
        let opened = {
            use secrecy::ExposeSecretMut as _;
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let key = &self.0[found].key;
            let plain = key.open_in_place(nonce, Aad::from(about), text.expose_secret_mut());
            plain.ok()?.len()
        };
        Some(Opened {
            secret: SecretSlice::from(text.expose_secret()[..opened].to_vec()),
            is_current: found == 0,
        })
    }
}

/// A key for this use of the key material. Both uses are of the same length and differ by their names.
fn expand(from: &Prk, name: &str, into: &mut [u8; 32]) -> Result<(), CannotSeal> {
    let info = [name.as_bytes()];
    let expanded = from.expand(&info, &AES_256_GCM).map_err(|_| CannotSeal)?;
    expanded.fill(into).map_err(|_| CannotSeal)
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|seal| &seal.id))
            .finish()
    }
}

impl fmt::Debug for Opened {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("is_current", &self.is_current)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "hH3c9Pz0vQm4sK7tWb2xYd5eRf8gJl1n";
    const NEW: &str = "nN3c9Pz0vQm4sK7tWb2xYd5eRf8gJl1n";

    fn ring(secret: &str) -> KeyRing {
        KeyRing::hs256(&secret.into(), "schoolyard").unwrap()
    }

    fn seals(secret: &str) -> Seals {
        Seals::of(&ring(secret)).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_beside_what_it_is_about_only() {
        let sealed = seals(OLD).seal(b"secret", b"about").unwrap();
        let opened = seals(OLD).open(&sealed, b"about").unwrap();
        assert_eq!(opened.secret.expose_secret(), b"secret");
        assert!(opened.is_current);
        assert!(seals(OLD).open(&sealed, b"About").is_none());
        assert!(seals(OLD).open(&sealed, b"").is_none());
    }

    #[test]
    fn no_changed_byte_and_no_cut_opens() {
        let sealed = seals(OLD).seal(b"secret", b"about").unwrap();
        for at in 0..sealed.bytes.len() {
            let mut other = sealed.clone();
            other.bytes[at] ^= 1;
            assert!(seals(OLD).open(&other, b"about").is_none(), "{at}");
            other.bytes.truncate(at);
            assert!(seals(OLD).open(&other, b"about").is_none(), "{at}");
        }
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let seals = seals(OLD);
        let [one, other] = [(); 2].map(|()| seals.seal(b"secret", b"about").unwrap());
        assert_ne!(one.bytes, other.bytes);
        assert!(!one.bytes.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn what_an_older_key_sealed_opens_as_long_as_that_key_retires() {
        let sealed = seals(OLD).seal(b"secret", b"about").unwrap();
        let changed = Seals::of(&ring(NEW).and_retiring(&OLD.into()).unwrap()).unwrap();
        let opened = changed.open(&sealed, b"about").unwrap();
        assert_eq!(opened.secret.expose_secret(), b"secret");
        assert!(!opened.is_current);
        assert!(seals(NEW).open(&sealed, b"about").is_none());
        // nor does another key open what names itself as sealed by it
        let renamed = Sealed {
            by: seals(NEW).0[0].id.clone(),
            ..sealed
        };
        assert!(seals(NEW).open(&renamed, b"about").is_none());
    }

    #[test]
    fn neither_key_nor_secret_is_shown() {
        let seals = seals(OLD);
        let sealed = seals.seal(b"secret", b"about").unwrap();
        let shown = format!("{seals:?} {:?}", seals.open(&sealed, b"about").unwrap());
        assert!(
            shown.contains(&sealed.by) && !shown.contains("secret:"),
            "{shown}"
        );
        assert!(!shown.contains(OLD));
    }
}
