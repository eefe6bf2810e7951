//! What services ask of one another while a request runs: one trait per service, answered by the service itself where it
//! runs in this process and by an HTTP client where it runs elsewhere. Callers cannot tell, and see the same problems.

mod identity;
mod internal_ca;
mod posts;

pub use identity::{Decision, HttpIdentity, Identity, IdentityHeaders, Presented};
pub use internal_ca::{HttpInternalCa, InternalCa};
pub use posts::{ExportOrder, ExportRow, HttpPosts, PageFilters, PageQuery, Posts, Tombstone};
