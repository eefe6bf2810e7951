//! What commands may ask of a running server over the control socket. Each part brings its own orders; the assembly puts
//! them together.

use axum::Router;

/// The orders of the parts that run here.
#[derive(Debug, Default)]
pub struct Orders(Router);

impl Orders {
    /// These and the orders of one more part. Every part has paths of its own.
    #[must_use]
    pub fn with(self, part: Router) -> Self {
        Self(self.0.merge(part))
    }

    /// What answers on the control socket.
    pub fn into_router(self) -> Router {
        self.0
    }
}
