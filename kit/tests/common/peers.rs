//! A service that others call, and what they call it with.

use async_trait::async_trait;
use axum::Router;
use kit::Problem;
use kit::peer::ServiceTokens;
use kit::server::Server;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::common::server;

/// A token of a service that is always the same.
pub struct Fixed;

#[async_trait]
impl ServiceTokens for Fixed {
    async fn bearer(&self) -> Result<String, Problem> {
        Ok("service-token".to_owned())
    }
}

/// Serves a router until the test's runtime ends; gives its URL.
pub async fn serve(router: Router) -> String {
    listen(server(router)).await
}

/// The same with a server.
pub async fn listen(server: Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(server.run(listener, vec![], CancellationToken::new()));
    url
}
