//! Signed tokens (JWT, RFC 7519): who calls, proven without asking anybody.

mod cache;
mod claims;
mod keys;
mod placeholder;

pub use claims::{Claims, TokenKind};
pub use keys::{KeyError, KeyRing, TokenError};
