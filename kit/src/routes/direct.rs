//! Calling one route without matching its path again.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use futures_util::future::BoxFuture;
use tower::Service as _;

type Call = dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync;

/// Answers requests that are known to be for it: a route that somebody with a table of their own found already, or
/// everything that reaches a server, such as a router. Clones share it.
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

    /// Does something to every request first. Cheaper than a layer of a router, which clones and boxes a service for each.
    #[must_use]
    pub fn after(self, change: impl Fn(&mut Request) + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |mut req| {
            change(&mut req);
            self.call(req)
        }))
    }

    /// Does something to every answer.
    #[must_use]
    pub fn then(self, change: impl Fn(&mut Response) + Send + Sync + 'static) -> Self {
        let change = Arc::new(change);
        Self::new(move |req| {
            let (answering, change) = (self.call(req), Arc::clone(&change));
            async move {
                let mut response = answering.await;
                change(&mut response);
                response
            }
        })
    }

    /// Answers a request.
    #[must_use]
    pub fn call(&self, req: Request) -> BoxFuture<'static, Response> {
        (self.0)(req)
    }
}

impl From<Router> for Direct {
    fn from(router: Router) -> Self {
        Self::new(move |req| {
            let answering = router.clone().call(req);
            async move {
                match answering.await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
        })
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Direct")
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{HeaderValue, StatusCode};
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn what_is_done_before_and_after_is_done_to_every_request_and_answer_of_a_router() {
        let router = Router::new().route(
            "/",
            get(|req: Request| async move {
                req.extensions()
                    .get::<u8>()
                    .copied()
                    .map_or(0, u32::from)
                    .to_string()
            }),
        );
        let direct = Direct::from(router)
            .after(|req| {
                req.extensions_mut().insert(7_u8);
            })
            .then(|response| {
                let status = HeaderValue::from(response.status().as_u16());
                response.headers_mut().insert("x-was", status);
            });
        for (path, status) in [("/", StatusCode::OK), ("/nowhere", StatusCode::NOT_FOUND)] {
            let req = Request::get(path).body(Body::empty()).unwrap();
            let response = direct.call(req).await;
            assert_eq!(response.headers()["x-was"], status.as_str());
            let body = axum::body::to_bytes(response.into_body(), 100)
                .await
                .unwrap();
            assert_eq!(
                &body[..],
                if status.is_success() { "7" } else { "" }.as_bytes()
            );
        }
    }
}
