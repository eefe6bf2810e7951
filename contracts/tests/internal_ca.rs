//! The certificates of auth, read over HTTP.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use contracts::clients::HttpInternalCa;
use contracts::{CaBundle, InternalCa};
use http::StatusCode;
use kit::Problem;
use kit::peer::{Peer, ServiceTokens};
use kit::server::{Edge, Server};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

struct Token;

#[async_trait]
impl ServiceTokens for Token {
    async fn bearer(&self) -> Result<String, Problem> {
        Ok("token-of-the-gateway".to_owned())
    }
}

/// A client of an auth that answers this to who has the token.
async fn client(status: StatusCode, body: String) -> HttpInternalCa {
    let answer = move |headers: http::HeaderMap| async move {
        if headers["authorization"] == "Bearer token-of-the-gateway" {
            let media_type = if status.is_success() {
                "application/x-pem-file"
            } else {
                "application/problem+json"
            };
            (status, [("content-type", media_type)], body).into_response()
        } else {
            StatusCode::UNAUTHORIZED.into_response()
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/internal/auth/ca", get(answer));
    let server = Server::new("auth", router, Edge::system());
    tokio::spawn(server.run(listener, vec![], CancellationToken::new()));
    HttpInternalCa::new(Peer::new("auth", &url, Arc::new(Token)).unwrap())
}

#[tokio::test]
async fn the_bundle_arrives_as_it_was_sent() {
    let bundle = CaBundle::of([&[1_u8; 500][..], &[2; 400]]).unwrap();
    let client = client(StatusCode::OK, bundle.pem().to_owned()).await;
    assert_eq!(client.certificates().await.unwrap(), bundle);
}

#[tokio::test]
async fn what_is_no_bundle_is_never_handed_on() {
    let key = "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n";
    for body in [
        String::new(),
        "<html>\n".to_owned(),
        key.to_owned(),
        "cut off".to_owned(),
        "endless\n".repeat(100_000),
    ] {
        let problem = client(StatusCode::OK, body)
            .await
            .certificates()
            .await
            .unwrap_err();
        assert_eq!(
            (problem.status().as_u16(), problem.code()),
            (503, "auth_unavailable")
        );
    }
}

#[tokio::test]
async fn that_there_is_no_tls_address_is_told_apart_from_that_nobody_answers() {
    let none = r#"{"type":"about:blank","status":404,"code":"no_internal_ca","detail":"none"}"#;
    let problem = client(StatusCode::NOT_FOUND, none.to_owned())
        .await
        .certificates()
        .await;
    let problem = problem.unwrap_err();
    assert_eq!(
        (problem.status().as_u16(), problem.code()),
        (404, "no_internal_ca")
    );
}
