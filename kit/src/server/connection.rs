//! One connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::edge::{Limits, Server};
use super::patient::Patient;

/// How a server's connections are to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Serve.
    Open,
    /// Finish the request that runs, take no other.
    Draining,
    /// End now.
    Cut,
}

pub(super) fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.headers.max(8 * 1024));
    builder
}

pub(super) async fn serve(
    server: Server,
    builder: http1::Builder,
    stream: Patient<TcpStream>,
    from: SocketAddr,
    mut phase: watch::Receiver<Phase>,
) {
    let answer = service_fn(move |req: Request<Incoming>| {
        let server = server.clone();
        async move {
            let mut req = req.map(|body| {
                if body.is_end_stream() {
                    Body::empty()
                } else {
                    Body::new(body)
                }
            });
            req.extensions_mut().insert(ConnectInfo(from));
            Ok::<_, Infallible>(server.call(req).await)
        }
    });
    let connection = builder
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(target: "connection", error = %error, "connection ended early");
                }
                return;
            }
            changed = phase.changed() => match *phase.borrow_and_update() {
                Phase::Draining if changed.is_ok() => connection.as_mut().graceful_shutdown(),
                Phase::Open if changed.is_ok() => {}
                _ => return,
            },
        }
    }
}
