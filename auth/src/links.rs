//! The tokens of links that are handed on (spec/auth.md section 3): a MAC over the link's id, stored nowhere. Who reads
//! the store cannot make one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use kit::token::KeyRing;
use sha2::Sha256;
use uuid::Uuid;

const ID: usize = 16;
const TAG: usize = 32;
/// The text of a token: its bytes fill whole groups, so that one token has one spelling.
const TEXT: usize = (ID + TAG) / 3 * 4;

/// What a link is for; a token of one kind is none of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// To choose a new password.
    Reset,
}

impl LinkKind {
    /// As it is stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
        }
    }
}

/// Makes and checks the tokens: the first key makes, each checks.
#[derive(Clone)]
pub struct LinkKeys(Vec<[u8; 32]>);

impl std::fmt::Debug for LinkKeys {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkKeys").finish_non_exhaustive()
    }
}

impl LinkKeys {
    /// Keys of their own, derived from those that sign tokens: a link outlives a change of keys as a token does.
    #[must_use]
    pub fn of(keys: &KeyRing) -> Self {
        Self(keys.derived("schoolyard links"))
    }

    /// The token of a link.
    #[must_use]
    pub fn token(&self, kind: LinkKind, id: Uuid) -> String {
        let mut bytes = [0; ID + TAG];
        bytes[..ID].copy_from_slice(id.as_bytes());
        bytes[ID..].copy_from_slice(&mac(&self.0[0], kind, id).finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The link whose token this is; `None` when it was not made here.
    #[must_use]
    pub fn link(&self, kind: LinkKind, token: &str) -> Option<Uuid> {
        if token.len() != TEXT {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, tag) = bytes.split_first_chunk::<ID>()?;
        let id = Uuid::from_bytes(*id);
        let made_here = self
            .0
            .iter()
            .any(|key| mac(key, kind, id).verify_slice(tag).is_ok());
        made_here.then_some(id)
    }
}

fn mac(key: &[u8; 32], kind: LinkKind, id: Uuid) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("an HMAC takes a key of any length");
    mac.update(kind.name().as_bytes());
    mac.update(&[0]);
    mac.update(id.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "hH3c9Pz0vQm4sK7tWb2xYd5eRf8gJl1n";
    const NEW: &str = "nN3c9Pz0vQm4sK7tWb2xYd5eRf8gJl1n";

    fn ring(secret: &str) -> KeyRing {
        KeyRing::hs256(&secret.into(), "schoolyard").unwrap()
    }

    #[test]
    fn a_token_names_its_link_and_no_changed_character_does() {
        let (keys, id) = (LinkKeys::of(&ring(OLD)), Uuid::from_u128(7));
        let token = keys.token(LinkKind::Reset, id);
        assert_eq!(token.len(), TEXT);
        assert_eq!(keys.link(LinkKind::Reset, &token), Some(id));
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(keys.link(LinkKind::Reset, &other), None, "{at}");
        }
        for bad in [
            "",
            "x",
            &token[1..],
            &format!("{token}="),
            &"é".repeat(TEXT / 2),
        ] {
            assert_eq!(keys.link(LinkKind::Reset, bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_token_outlives_a_change_of_keys_as_long_as_the_old_one_verifies() {
        let (token, id) = (
            LinkKeys::of(&ring(OLD)).token(LinkKind::Reset, Uuid::from_u128(7)),
            Some(Uuid::from_u128(7)),
        );
        let changed = ring(NEW).and_retiring(&OLD.into()).unwrap();
        assert_eq!(LinkKeys::of(&changed).link(LinkKind::Reset, &token), id);
        assert_eq!(LinkKeys::of(&ring(NEW)).link(LinkKind::Reset, &token), None);
    }
}
