//! Making and checking tokens.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::cache::Cache;
use super::claims::Claims;
use super::placeholder;

/// RFC 7518 section 3.2: a key of HS256 has at least the size of its hash.
const LEAST_BYTES: usize = 32;
/// Seconds that clocks may differ.
const LEEWAY: i64 = 5;
/// Longer than any token made here; what is longer is not read.
const LONGEST: usize = 8 * 1024;

/// Why a secret cannot be a key. It says what to do and never shows the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is too short.
    #[error(
        "the secret has {0} bytes and needs at least 32; make one with `head -c 32 /dev/urandom | base64`"
    )]
    TooShort(usize),
    /// Everybody knows it.
    #[error("the secret is a published example; make one with `head -c 32 /dev/urandom | base64`")]
    Placeholder,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good and has ended.
    #[error("the token has expired")]
    Expired,
    /// It is not good; the reason is for the log.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
}

/// The keys of one audience: one signs, it and the retiring ones verify. Clones share the table of verified tokens.
///
/// The algorithm is that of the key; the token's header is only compared with it.
#[derive(Clone)]
pub struct KeyRing {
    audience: Arc<str>,
    keys: Arc<[Key]>,
    header: Arc<Header>,
    seen: Arc<Cache>,
}

#[derive(Clone)]
struct Key {
    kid: String,
    algorithm: Algorithm,
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl KeyRing {
    /// A ring with one HS256 key for tokens of `audience`.
    ///
    /// # Errors
    /// When the secret is shorter than 32 bytes or a published example.
    pub fn hs256(secret: &SecretString, audience: &str) -> Result<Self, KeyError> {
        let key = Key::hs256(secret)?;
        let mut header = Header::new(key.algorithm);
        header.kid = Some(key.kid.clone());
        Ok(Self {
            audience: audience.into(),
            keys: [key].into(),
            header: Arc::new(header),
            seen: Arc::default(),
        })
    }

    /// The same ring that also verifies tokens of an older HS256 key, which signs no more.
    ///
    /// # Errors
    /// As [`hs256`](Self::hs256).
    pub fn and_retiring(self, secret: &SecretString) -> Result<Self, KeyError> {
        let mut keys = self.keys.to_vec();
        keys.push(Key::hs256(secret)?);
        Ok(Self {
            keys: keys.into(),
            ..self
        })
    }

    /// The audience of its tokens.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Secrets for another purpose than tokens, one of each key, that of the signing one first: who makes something with
    /// the first and takes what any of them made lives through a change of keys, as tokens do. Two purposes have
    /// nothing in common, and none can be turned back into a key or into a token.
    ///
    /// # Panics
    /// Never: an HMAC takes every message.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> Vec<[u8; 32]> {
        // no token is signed over text with a NUL in it
        let message = format!("derived\0{purpose}");
        let derive = |key: &Key| {
            let mac = jsonwebtoken::crypto::sign(message.as_bytes(), &key.signing, key.algorithm)
                .expect("an HMAC takes every message");
            Sha256::digest(mac.as_bytes()).into()
        };
        self.keys.iter().map(derive).collect()
    }

    /// Signs the claims as they are.
    ///
    /// # Panics
    /// Never: claims serialise, and the key fits its algorithm.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        jsonwebtoken::encode(&self.header, claims, &self.keys[0].signing)
            .expect("claims serialise and the key fits its algorithm")
    }

    /// Verifies a token: its key, its signature, its times (5 s leeway) and its audience, which may be absent in tokens
    /// of a shared secret only.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Invalid("too long"));
        }
        let (message, signature) = token
            .rsplit_once('.')
            .ok_or(TokenError::Invalid("not a token"))?;
        let (header, payload) = message
            .split_once('.')
            .ok_or(TokenError::Invalid("not a token"))?;
        let key = self.signed_by(header, message, signature)?;
        let payload = URL_SAFE_NO_PAD
            .decode(payload)
            .map_err(|_| TokenError::Invalid("not a token"))?;
        let claims: Claims = serde_json::from_slice(&payload)
            .map_err(|_| TokenError::Invalid("the claims are not readable"))?;
        self.check_audience(&claims, key)?;
        check_times(&claims, now)?;
        Ok(claims)
    }

    /// As [`verify`](Self::verify), but a token that was verified before costs a hash and a look into a table. The
    /// table is bounded, and forgets a token when it ends.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify_cached(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Arc<Claims>, TokenError> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(claims) = self.seen.get(&hash) {
            return match check_times(&claims, now) {
                Ok(()) => Ok(claims),
                Err(error) => {
                    self.seen.forget(&hash);
                    Err(error)
                }
            };
        }
        let claims = Arc::new(self.verify(token, now)?);
        self.seen.remember(hash, Arc::clone(&claims));
        Ok(claims)
    }

    fn signed_by(&self, header: &str, message: &str, signature: &str) -> Result<&Key, TokenError> {
        let header = jsonwebtoken::decode_header(format!("{header}.."))
            .map_err(|_| TokenError::Invalid("the header is not readable"))?;
        if header.crit.is_some() {
            return Err(TokenError::Invalid("the header demands something unknown"));
        }
        let mut wrong = TokenError::Invalid("no key of this ring");
        for key in self.keys.iter() {
            if header.kid.as_ref().is_some_and(|kid| *kid != key.kid) {
                continue;
            }
            if header.alg != key.algorithm {
                wrong = TokenError::Invalid("another algorithm than the key's");
                continue;
            }
            match jsonwebtoken::crypto::verify(
                signature,
                message.as_bytes(),
                &key.verifying,
                key.algorithm,
            ) {
                Ok(true) => return Ok(key),
                _ => wrong = TokenError::Invalid("the signature is wrong"),
            }
        }
        Err(wrong)
    }

    fn check_audience(&self, claims: &Claims, key: &Key) -> Result<(), TokenError> {
        match &claims.aud {
            Some(audience) if **audience == *self.audience => Ok(()),
            Some(_) => Err(TokenError::Invalid("for another audience")),
            // tokens of older systems with the same secret name none
            None if key.algorithm == Algorithm::HS256 => Ok(()),
            None => Err(TokenError::Invalid("no audience")),
        }
    }
}

fn check_times(claims: &Claims, now: DateTime<Utc>) -> Result<(), TokenError> {
    let now = now.timestamp();
    if claims.iat > now.saturating_add(LEEWAY) {
        return Err(TokenError::Invalid("made in the future"));
    }
    if claims
        .nbf
        .is_some_and(|nbf| nbf > now.saturating_add(LEEWAY))
    {
        return Err(TokenError::Invalid("not valid yet"));
    }
    if now >= claims.exp.saturating_add(LEEWAY) {
        return Err(TokenError::Expired);
    }
    Ok(())
}

impl Key {
    fn hs256(secret: &SecretString) -> Result<Self, KeyError> {
        let secret = secret.expose_secret();
        // first, since "too short" would send people to a longer spelling of the same example
        if placeholder::is_known(secret) {
            return Err(KeyError::Placeholder);
        }
        let bytes = secret.as_bytes();
        if bytes.len() < LEAST_BYTES {
            return Err(KeyError::TooShort(bytes.len()));
        }
        let name = Sha256::new_with_prefix(b"kid")
            .chain_update(bytes)
            .finalize();
        Ok(Self {
            kid: hex::encode(&name[..8]),
            algorithm: Algorithm::HS256,
            signing: EncodingKey::from_secret(bytes),
            verifying: DecodingKey::from_secret(bytes),
        })
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.keys.iter().map(|key| &key.kid).collect();
        f.debug_struct("KeyRing")
            .field("audience", &self.audience)
            .field("keys", &kids)
            .finish_non_exhaustive()
    }
}
