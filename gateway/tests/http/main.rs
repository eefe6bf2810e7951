//! The gateway over HTTP: the real router behind the real edge, fake services and a fake auth.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod docs;
mod fakes;
mod harness;
mod identity;
mod limits;
mod routing;
mod spoofs;
mod status;
mod upstreams;
