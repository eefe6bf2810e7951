//! Calling one route without matching its path again.

use std::fmt;
use std::sync::Arc;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use futures_util::future::BoxFuture;

type Call = dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync;

/// Answers requests that are known to be for it: a route that somebody with a table of their own found already, or
/// everything that reaches a server. Clones share it.
#[derive(Clone)]
pub struct Direct(Arc<Call>);

impl Direct {
    /// Answers with what this function makes of a request.
    #[must_use]
    pub fn new<F>(call: impl Fn(Request) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        Self(Arc::new(move |req| Box::pin(call(req))))
    }

    pub(super) fn of<H, T, S>(handler: H, state: S) -> Self
    where
        H: Handler<T, S>,
        S: Clone + Send + Sync + 'static,
    {
        Self::new(move |req| handler.clone().call(req, state.clone()))
    }

    /// Does something to every request first.
    #[must_use]
    pub fn after(self, change: impl Fn(&mut Request) + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |mut req| {
            change(&mut req);
            self.call(req)
        }))
    }

    /// Answers a request.
    #[must_use]
    pub fn call(&self, req: Request) -> BoxFuture<'static, Response> {
        (self.0)(req)
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Direct")
    }
}
