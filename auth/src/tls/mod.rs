//! The internal TLS address, which speaks HTTP/2: a gateway's forward-auth calls share a connection there, where plain HTTP
//! would open new ones all the time. Its certificate is of an authority of the deployment's own, kept in the store.

mod address;
mod authorities;
mod authority;
mod keeper;
mod schedule;
mod seal;
#[cfg(test)]
mod tests;

pub use address::{TlsAddress, router};
pub use authorities::Authorities;
pub use authority::Described;
pub use keeper::Keeper;
pub use schedule::Why;
pub use seal::{Sealed, Seals};
